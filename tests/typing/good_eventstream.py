# mypy: disallow-any-expr
# pyright: strict
"""The codec, and the original SDK's low-level classes."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator

from typing_extensions import assert_type, override

from amazon_transcribe.auth import Credentials
from amazon_transcribe.eventstream import (
    IMPLEMENTATION,
    SHA256_IMPLEMENTATION,
    BaseEvent,
    EventSigner,
    EventStreamBuffer,
    EventStreamDecoder,
    EventStreamMessage,
    EventStreamMessageSerializer,
    HeaderValue,
    Int8HeaderValue,
    Int64HeaderValue,
    MessagePrelude,
    ParserError,
    crc32,
    decode_message,
    encode_headers,
    encode_message,
)
from amazon_transcribe.model import (
    TRANSCRIPT_EVENTS,
    AudioEvent,
    TranscriptEvent,
    TranscriptResultStream,
)


def encode(payload: bytearray) -> bytes:
    assert_type(IMPLEMENTATION == "compiled", bool)
    assert_type(SHA256_IMPLEMENTATION == "hashlib", bool)
    assert_type(crc32(payload), int)
    assert_type(crc32(memoryview(payload), 1), int)
    assert_type(encode_headers({"flag": True, "number": 1}), bytes)
    return encode_message(
        {
            ":message-type": "event",
            "bytes": b"",
            "small": Int8HeaderValue(1),
            "large": Int64HeaderValue(1),
            "time": datetime.datetime.now(datetime.timezone.utc),
            "id": uuid.uuid4(),
        },
        payload,
    )


def decode(data: bytes) -> None:
    message = decode_message(data)
    assert_type(message, EventStreamMessage)
    assert_type(message.headers, dict[str, bool | int | bytes | str])
    assert_type(message.payload, bytes)
    assert_type(message.crc, int)
    assert_type(message.prelude, MessagePrelude)
    assert_type(message.prelude.payload_length, int)


def decode_in_pieces(pieces: list[bytes]) -> None:
    decoder = EventStreamDecoder(max_payload_length=1024, max_headers_length=1024)
    for piece in pieces:
        assert_type(decoder.feed(piece), list[EventStreamMessage])
    assert_type(decoder.error, ParserError | None)
    decoder.close()
    buffer = EventStreamBuffer()
    buffer.add_data(pieces[0])
    for message in buffer:
        assert_type(message, EventStreamMessage)
    assert_type(buffer.next(), EventStreamMessage)


class Wide(EventStreamMessageSerializer):
    DEFAULT_INT_TYPE: type[HeaderValue] = Int64HeaderValue


def sign(payload: bytes, signer: EventSigner) -> bytes:
    headers = signer.sign(payload, b"\0" * 32, Credentials("AKID", "secret"))
    return Wide().serialize(headers, payload)


class RawBody:
    """The bytes of a response, for a result stream that no client made."""

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b""


class Parser:
    """A parser of the program's own."""

    def parse(self, event: EventStreamMessage) -> TranscriptEvent:
        return TranscriptEvent()


async def read() -> None:
    async for event in TranscriptResultStream(RawBody()):
        assert_type(event, TranscriptEvent)
    async for event in TranscriptResultStream(RawBody(), Parser()):
        assert_type(event, TranscriptEvent)
    async for event in TranscriptResultStream(RawBody(), TRANSCRIPT_EVENTS):
        assert_type(event, TranscriptEvent)


class Marker(BaseEvent):
    @override
    def __repr__(self) -> str:
        return f"Marker({self.payload!r})"


def events() -> list[BaseEvent]:
    return [AudioEvent(b""), TranscriptEvent(), Marker(payload=b"")]
