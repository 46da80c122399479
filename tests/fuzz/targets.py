"""Coverage-guided fuzzing of the codec with atheris.

    python -m tests.fuzz.targets decode|headers|encode|sign [libFuzzer's options]

A documented exception means that the input was refused as documented; any other
exception, and any difference between the twins, is a bug. The pure twin's coverage
guides the search and the compiled one must do the same.
"""

from __future__ import annotations

import datetime
import struct
import sys
import uuid
import zlib

import atheris

with atheris.instrument_imports(include=["amazon_transcribe._wire._codec_py"]):
    from amazon_transcribe._wire import _codec, _codec_py

from amazon_transcribe._wire.values import (
    Int8HeaderValue,
    Int16HeaderValue,
    Int32HeaderValue,
    Int64HeaderValue,
)
from amazon_transcribe.exceptions import SerializationError

from .differential import decoded, fed, fed_for_events, signed, signed_either_way


def decode(data: bytes) -> None:
    """Any bytes in any chunks; the lengths' own CRC is put right to get past it."""
    if len(data) < 14:
        return
    size, right, stream = data[0] + 1, data[1], bytearray(data[2:])
    if right & 1:
        stream[8:12] = struct.pack(">I", zlib.crc32(stream[:8]))
    if right & 2:
        stream[-4:] = struct.pack(">I", zlib.crc32(stream[:-4]))
    chunks = [bytes(stream[i : i + size]) for i in range(0, len(stream), size)]
    assert fed(_codec, chunks) == fed(_codec_py, chunks)
    assert fed_for_events(_codec, chunks) == fed_for_events(_codec_py, chunks)
    assert decoded(_codec, bytes(stream)) == decoded(_codec_py, bytes(stream))


def headers(data: bytes) -> None:
    """Any header block in a message that is right otherwise."""
    lengths = struct.pack(">II", len(data) + 16, len(data))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + data
    message += struct.pack(">I", zlib.crc32(message))
    assert decoded(_codec, message) == decoded(_codec_py, message)


def encode(data: bytes) -> None:
    """Any headers and payload; what can be written can be read."""
    source = atheris.FuzzedDataProvider(data)
    given = {
        source.ConsumeUnicode(source.ConsumeIntInRange(0, 300)): value(source)
        for _ in range(source.ConsumeIntInRange(0, 5))
    }
    payload = source.ConsumeBytes(source.remaining_bytes())
    outcome = written(_codec, given, payload)
    assert outcome == written(_codec_py, given, payload)
    if isinstance(outcome, bytes):
        message = _codec.decode_message(outcome)
        assert message == _codec.decode_message(outcome)
        assert list(message.headers) == list(given)
        assert message.payload == payload


def sign(data: bytes) -> None:
    """Any events at any times."""
    source = atheris.FuzzedDataProvider(data)
    prior = source.ConsumeBytes(32).ljust(32, b"\0")
    headers = source.ConsumeBytes(source.ConsumeIntInRange(0, 300))
    kinds = ["audio_event", "wrap", "end", "signature"]
    events = [
        (
            source.PickValueInList(kinds),
            source.ConsumeInt(9),
            source.ConsumeBytes(source.ConsumeIntInRange(0, 5000)),
        )
        for _ in range(source.ConsumeIntInRange(1, 8))
    ]
    plan = prior, headers, events
    by_python = signed(_codec_py, *plan)
    assert signed_either_way(_codec, plan) == [by_python, by_python]


def value(source: atheris.FuzzedDataProvider):
    match source.ConsumeIntInRange(0, 9):
        case 0:
            return source.ConsumeBool()
        case 1:
            return source.ConsumeInt(9)
        case 2:
            return Int8HeaderValue(source.ConsumeInt(2))
        case 3:
            return Int16HeaderValue(source.ConsumeInt(3))
        case 4:
            return Int32HeaderValue(source.ConsumeInt(5))
        case 5:
            return Int64HeaderValue(source.ConsumeInt(9))
        case 6:
            return source.ConsumeBytes(source.ConsumeIntInRange(0, 40_000))
        case 7:
            return source.ConsumeUnicode(source.ConsumeIntInRange(0, 40_000))
        case 8:
            seconds = source.ConsumeIntInRange(-62_135_596_800, 253_402_300_799)
            epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
            return epoch + datetime.timedelta(seconds=seconds)
        case _:
            return uuid.UUID(bytes=source.ConsumeBytes(16).ljust(16, b"\0"))


def written(codec, given, payload):
    try:
        return codec.encode_message(given, payload)
    except SerializationError as error:
        return type(error), str(error)


TARGETS = {target.__name__: target for target in (decode, headers, encode, sign)}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
