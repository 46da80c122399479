"""Compare what a program calls with the least that it can cost, in one run.

    python -m benchmarks.floor [--rounds N]

- Sending: `send_audio_event` against SHA-256 of the same audio by `hashlib`, which an event's
  signature cannot do without.
- Receiving: `async for` over transcript events against msgspec's decoding of their JSON.

The client is a real one, on a transport of the benchmark's own: it takes audio and keeps
nothing, and its events are there already, each as the bytes of one message, sixteen in a turn
of the loop. So the table has what a call costs from the program to the transport and back,
without any transport's share.

Time is CPU time of this thread. Each round runs the call and its floor in turn, for some
milliseconds each; the figures are the least and the median of all rounds, and so are the ratios,
which hold better than their parts where the machine is busy.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from amazon_transcribe._net.inbox import Inbox
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import IMPLEMENTATION, SHA256_IMPLEMENTATION, encode_message
from amazon_transcribe.model import TranscriptEvent
from amazon_transcribe.transports.base import Request
from benchmarks.compare.__main__ import EVENT, processor, transcript

GOALS = {"send 3,200 B": 1.3, "send 32,000 B": 1.15, "receive 625 B": 1.3, "receive 2,552 B": 1.15}
AUDIO_SIZES = (320, 3_200, 32_000)  # bytes
WORDS = (3, 20, 130)  # of a transcript
SECONDS = 0.02  # of a measurement
IN_A_TURN = 16

Work = Callable[[int], Awaitable[None]]


class Wire(Inbox):
    """A transport's stream that keeps nothing of what it takes; events come by themselves.

    :param data: The bytes of one message.
    :param count: How often they come before the end; 0 for a stream without an end.
    """

    is_full = False

    def __init__(self, data: bytes, count: int) -> None:
        super().__init__()
        self.feed_answer(200, {"content-type": "application/vnd.amazon.eventstream"})
        self._data = data
        self._left = count
        if count:
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        for _ in range(min(self._left, IN_A_TURN)):
            self.feed_data(self._data)
        self._left = max(0, self._left - IN_A_TURN)
        if self._left:
            asyncio.get_running_loop().call_soon(self._deliver)
        else:
            self.feed_end()

    def write(self, data: bytes) -> None:
        pass

    async def drain(self, timeout: float | None = None) -> None:
        pass

    def end(self) -> None:
        pass

    def abort(self) -> None:
        pass


class WireTransport:
    """A transport of such streams.

    :param data: The bytes of one message.
    :param count: How often they come.
    """

    def __init__(self, data: bytes, count: int) -> None:
        self._data = data
        self._count = count

    async def open(self, request: Request, timeout: float) -> Wire:
        return Wire(self._data, self._count)

    async def close(self) -> None:
        pass


async def start(transport: WireTransport) -> Any:
    client = TranscribeStreamingClient(
        region="us-east-1",
        transport=transport,
        credential_resolver=StaticCredentialResolver("AKIDEXAMPLE", "wJalrXUtnFEMI"),
    )
    return await client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
    )


async def send(chunk: bytes, count: int) -> None:
    stream = await start(WireTransport(b"", 0))
    send_audio_event = stream.input_stream.send_audio_event
    for _ in range(count):
        await send_audio_event(chunk)
    stream.abort()


async def receive(data: bytes, count: int) -> None:
    stream = await start(WireTransport(data, count))
    async for _ in stream.output_stream:
        pass


async def alone(call: Callable[[bytes], object], data: bytes, count: int) -> None:
    for _ in range(count):
        call(data)


def hashed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def measure(work: Work, loop: asyncio.AbstractEventLoop, count: int) -> float:
    """Return the nanoseconds of one call."""
    began = time.thread_time()
    loop.run_until_complete(work(count))
    return (time.thread_time() - began) * 1e9 / count


def pairs() -> dict[str, tuple[Work, Work]]:
    """What is measured, and against what."""
    found: dict[str, tuple[Work, Work]] = {}
    for size in AUDIO_SIZES:
        chunk = bytes(i * 7 & 255 for i in range(size))
        found[f"send {size:,} B"] = partial(send, chunk), partial(alone, hashed, chunk)
    decode = msgspec.json.Decoder(TranscriptEvent).decode
    for words in WORDS:
        payload = transcript(words)
        message = encode_message(EVENT, payload)
        name = f"receive {len(message):,} B"
        found[name] = partial(receive, message), partial(alone, decode, payload)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    loop = asyncio.new_event_loop()
    gc.disable()
    print(
        f"{processor()}, Python {platform.python_version()}, codec: {IMPLEMENTATION},"
        f" SHA-256: {SHA256_IMPLEMENTATION}\n"
    )
    print("| call | ns, least / median | floor, ns | ratio, least / median | goal |")
    print("|---|--:|--:|--:|--:|")
    for name, (work, floor) in pairs().items():
        count = int(SECONDS * 1e9 / min(measure(work, loop, 100) for _ in range(3)))
        figures = [(measure(work, loop, count), measure(floor, loop, count)) for _ in range(rounds)]
        calls, floors = zip(*figures, strict=True)
        ratio = min(calls) / min(floors)
        median = statistics.median(call / least for call, least in figures)
        print(
            f"| {name} | {min(calls):,.0f} / {statistics.median(calls):,.0f} | {min(floors):,.0f} |"
            f" {ratio:.2f} / {median:.2f} | {GOALS.get(name, '')} |"
        )
    loop.close()


if __name__ == "__main__":
    main()
