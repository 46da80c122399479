"""Compare the two codec twins on mutated messages and signed events: same result or same error.

python -m tests.fuzz.differential [ROUNDS] [SEED]
"""

from __future__ import annotations

import hashlib
import random
import struct
import sys
import zlib
from fractions import Fraction

from amazon_transcribe._wire import _codec_py
from amazon_transcribe.exceptions import ParserError, SerializationError

NAMES = [":message-type", ":event-type", ":date", "a", "ü" * 20, "n" * 255]


def header_block(generator: random.Random) -> bytearray:
    """A header block, right or nearly so."""
    block = bytearray()
    if generator.random() < 0.2:
        event = {":message-type": generator.choice(("event", "error")), ":event-type": "x"}
        block += _codec_py.encode_headers(event)
    for _ in range(generator.choice((0, 1, 1, 2, 3, 8))):
        name = generator.choice(NAMES).encode()
        kind = generator.randrange(11)
        block += bytes([len(name)]) + name + bytes([kind])
        if kind in (6, 7):
            length = generator.choice((0, 1, 5, 200, 32767, 32768))
            value = b"x" * length if generator.random() < 0.8 else generator.randbytes(length)
            block += struct.pack(">H", length) + value
        else:
            block += generator.randbytes({2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}.get(kind, 0))
    return block


def mutate(generator: random.Random, data: bytearray) -> None:
    """Change, drop or insert a few bytes in place."""
    for _ in range(generator.choice((0, 0, 1, 1, 2, 5))):
        position = generator.randrange(len(data) + 1)
        match generator.randrange(3):
            case 0 if position < len(data):
                data[position] ^= 1 << generator.randrange(8)
            case 1:
                del data[position : position + generator.choice((1, 2, 16))]
            case _:
                data[position:position] = generator.randbytes(generator.choice((1, 2, 16)))


def message(generator: random.Random) -> bytes:
    """One message; its CRCs are mostly right, so that faults behind them are reached."""
    block = header_block(generator)
    mutate(generator, block)
    payload = generator.randbytes(generator.choice((0, 1, 15, 16, 100, 700)))
    total, headers = len(block) + len(payload) + 16, len(block)
    if generator.random() < 0.1:
        total = max(0, total + generator.choice((-20, -1, 1, 2**24, 2**25)))
    if generator.random() < 0.1:
        headers = max(0, headers + generator.choice((-4, -1, 1, 30, 2**18)))
    lengths = struct.pack(">II", total, headers)
    data = lengths + struct.pack(">I", zlib.crc32(lengths)) + block + payload
    data += struct.pack(">I", zlib.crc32(data))
    if generator.random() < 0.2:
        changed = bytearray(data)
        mutate(generator, changed)
        data = bytes(changed)
    return data


def fault(error: ParserError | None):
    return error and (type(error), str(error), error.reason, error.offset, error.args)


def decoded(codec, data: bytes):
    try:
        found = codec.decode_message(data)
    except ParserError as error:
        return fault(error)
    return repr(found), found.headers, found.payload


def fed(codec, chunks: list[bytes]):
    decoder = codec.EventStreamDecoder()
    outcomes = []
    for chunk in chunks:
        try:
            outcomes.append([repr(found) for found in decoder.feed(chunk)])
        except ParserError as error:
            outcomes.append(fault(error))
        outcomes.append(fault(decoder.error))
    try:
        decoder.close()
    except ParserError as error:
        outcomes.append(fault(error))
    return outcomes


def fed_for_events(codec, chunks: list[bytes]):
    """What `feed_events` makes of the chunks, with a decoder that does not know every payload."""

    def decode(payload):
        if len(payload) == 1:
            raise ValueError("one byte")
        return "decoded", payload

    def parse(message):
        if len(message.payload) == 15:
            raise LookupError("15 bytes")
        return repr(message)

    decoder = codec.EventStreamDecoder()
    outcomes: list[object] = []
    for chunk in chunks:
        try:
            decoder.feed_events(chunk, outcomes, {"x": decode}, parse)
        except ParserError as error:
            outcomes.append(fault(error))
        except LookupError as error:
            outcomes.append(str(error))
        outcomes.append(fault(decoder.error))
    return outcomes


def chunked(generator: random.Random, data: bytes) -> list[bytes]:
    size = generator.choice((1, 7, 12, 100, len(data) + 1))
    if len(data) > 10_000:
        size = max(size, 1000)
    return [data[i : i + size] for i in range(0, len(data), size)]


def events(generator: random.Random) -> tuple[bytes, bytes, list[tuple[str, int, bytes]]]:
    """A prior signature, an audio event's headers, and events: kind, milliseconds, bytes."""
    date = generator.choice((0, 1548726977291, -(2**63), 2**63 - 2000))
    found = []
    for _ in range(generator.choice((1, 2, 5))):
        date += generator.choice((0, 0, 1, 99, 1000, -700))
        length = generator.choice((0, 1, 55, 64, 320, 3200, generator.randrange(5000)))
        kind = generator.choice(("audio_event", "audio_event", "wrap", "end", "signature"))
        found.append((kind, date, generator.randbytes(length)))
    return generator.randbytes(32), generator.randbytes(generator.choice((0, 88, 300))), found


def signed(codec, prior: bytes, headers: bytes, events: list[tuple[str, int, bytes]]):
    date = 0

    def renew(second):
        head = str(second).encode() * (second % 20)
        return head, hashlib.sha256(head).digest()[: 31 + bool(second % 7)]

    outcomes = []
    chain = codec.SignatureChain(prior, lambda: Fraction(date, 1000), renew, headers)
    for kind, date, data in events:
        arguments = {"end": (), "signature": (date, data)}.get(kind, (data,))
        try:
            outcomes.append(getattr(chain, kind)(*arguments))
        except (SerializationError, ValueError) as error:
            outcomes.append((type(error), str(error)))
        outcomes.append(chain.prior)
    return outcomes


def signed_either_way(compiled, plan):
    """What the compiled twin signs, by the processor's instructions and by hashlib."""
    found = []
    for only_hashlib in (True, compiled.SHA256_IMPLEMENTATION == "hashlib"):
        compiled._choose_sha256(only_hashlib)
        found.append(signed(compiled, *plan))
    return found


def compare(compiled, rounds: int, seed: int) -> None:
    """Run both twins on `rounds` random streams, and chains of events.

    :raises AssertionError: With the stream or the events, when they differ.
    """
    generator = random.Random(seed)
    for _ in range(rounds):
        single = message(generator)
        assert decoded(compiled, single) == decoded(_codec_py, single), single.hex()
        stream = b"".join(message(generator) for _ in range(generator.choice((1, 1, 2, 3))))
        chunks = chunked(generator, stream)
        for how in (fed, fed_for_events):
            assert how(compiled, chunks) == how(_codec_py, chunks), [c.hex() for c in chunks]
        plan = events(generator)
        by_python = signed(_codec_py, *plan)
        assert signed_either_way(compiled, plan) == [by_python, by_python], plan


if __name__ == "__main__":
    from amazon_transcribe._wire import _codec

    arguments = [int(argument) for argument in sys.argv[1:]]
    rounds, seed = (arguments + [100_000, 0][len(arguments) :])[:2]
    compare(_codec, rounds, seed)
    print(f"{rounds} rounds from seed {seed}: no difference")
