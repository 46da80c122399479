"""Memory of the codec: that it does not grow, and what a decoder at rest holds.

    python -m benchmarks.memory [MESSAGES]

Reads and signs MESSAGES messages (10 million by default) of ever new headers and chunks
and prints the process's resident memory on the way; exits with 1 if it has grown.
"""

from __future__ import annotations

import resource
import sys
import time
import tracemalloc
from pathlib import Path

from amazon_transcribe._wire.event_signing import EventChain
from amazon_transcribe.eventstream import (
    IMPLEMENTATION,
    EventStreamDecoder,
    ParserError,
    encode_message,
)

EVENT = {
    ":message-type": "event",
    ":event-type": "TranscriptEvent",
    ":content-type": "application/json",
}
STEPS = 10
# Per batch: 960 messages read whole, 20 read in pieces, 20 signed.
BATCH = 1000
ALLOWED_GROWTH = 1024 * 1024
DECODERS = 10_000


def resident() -> int:
    """Bytes of this process in memory now; where that is not told, the most there were."""
    try:
        return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * resource.getpagesize()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def batch(number: int, decoder: EventStreamDecoder, chain: EventChain) -> int:
    """Read and write a thousand messages; return how many there were."""
    known = encode_message(EVENT, bytes(601))
    new = encode_message(
        {"number": str(number), "bytes": bytes(number % 300)}, bytes(number % 5000)
    )
    count = len(decoder.feed((known * 23 + new) * 40))
    for _ in range(20):
        for start in range(0, len(new), 700):
            count += len(decoder.feed(new[start : start + 700]))
        chain.audio_event(bytes(number % 4000))
        count += 1
    broken = EventStreamDecoder()
    try:
        broken.feed(new[:-1] + bytes([new[-1] ^ 1]))
    except ParserError:
        return count
    raise AssertionError("a wrong CRC was not seen")


def growth(messages: int) -> int:
    """Bytes that the process grew by after the first tenth of so many messages."""
    decoder = EventStreamDecoder()
    chain = EventChain("secret", "us-east-1", "transcribe", bytes(32), time.time)
    done, number, first = 0, 0, 0
    for step in range(1, STEPS + 1):
        while done < messages * step // STEPS:
            done += batch(number, decoder, chain)
            number += 1
        first = first or resident()
        print(f"{done:>12,} messages  {resident():>14,} bytes resident")
    return resident() - first


def at_rest(fed: bytes) -> float:
    """Bytes that a decoder holds which has been fed so much, its object included."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    decoders = [EventStreamDecoder() for _ in range(DECODERS)]
    for decoder in decoders:
        decoder.feed(fed)
    held = tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(decoders)
    tracemalloc.stop()
    return held / DECODERS


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    message = encode_message(EVENT, bytes(601))
    print(f"codec: {IMPLEMENTATION}")
    for what, fed in (
        ("nothing", b""),
        (f"a message of {len(message)} bytes", message),
        (f"100 of its {len(message)} bytes", message[:100]),
        (f"{len(message) - 1} of its {len(message)} bytes", message[:-1]),
    ):
        print(f"a decoder fed {what} holds {at_rest(fed):,.0f} bytes")
    grown = growth(messages)
    print(f"grown by {grown:,} bytes over the last nine tenths")
    sys.exit(grown > ALLOWED_GROWTH)


if __name__ == "__main__":
    main()
