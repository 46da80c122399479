"""The original SDK's event-stream classes, on both twins of the codec."""

from __future__ import annotations

import asyncio
import datetime
from types import SimpleNamespace

import pytest

from amazon_transcribe import eventstream
from amazon_transcribe.eventstream import (
    BaseEvent,
    BaseStream,
    ChecksumMismatch,
    EventSigner,
    EventStream,
    EventStreamBuffer,
    EventStreamMessageSerializer,
    HeaderValue,
    Int8HeaderValue,
    Int64HeaderValue,
    InvalidHeadersLength,
    InvalidHeaderValue,
    InvalidPayloadLength,
    ParserError,
    TruncatedStreamException,
    decode_message,
    encode_headers,
    encode_message,
)
from amazon_transcribe.exceptions import ConnectionLostException, StreamClosedException


@pytest.fixture(autouse=True)
def twin(codec, monkeypatch):
    """Run the classes on each twin in turn."""
    for name in ("EventStreamDecoder", "encode_headers", "encode_message"):
        monkeypatch.setattr(eventstream, name, getattr(codec, name))


class Words:
    """A parser that returns a message's payload, or fails on request."""

    def parse(self, event):
        if event.payload == b"fail":
            raise LookupError("no such event")
        return event.payload.decode()


class Body:
    """A raw stream whose chunks come from a queue; an exception in it is raised."""

    def __init__(self, *chunks):
        self.queue = asyncio.Queue()
        for chunk in chunks:
            self.queue.put_nowait(chunk)

    async def chunks(self):
        while (chunk := await self.queue.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def words(*texts: str) -> bytes:
    return b"".join(encode_message({"n": 1}, text.encode()) for text in texts)


# Serializer and header values


def test_plain_integers_are_int32_by_default():
    serializer = EventStreamMessageSerializer()
    assert serializer.encode_headers({"n": 1}) == b"\x01n\x04\x00\x00\x00\x01"
    assert serializer.serialize({"n": 1}, b"x") == encode_message({"n": 1}, b"x")


def test_a_subclass_chooses_another_width():
    class Wide(EventStreamMessageSerializer):
        DEFAULT_INT_TYPE = Int64HeaderValue

    headers = {"n": 1, "b": True, "w": Int8HeaderValue(1), "t": "x"}
    assert Wide().encode_headers(headers) == encode_headers(headers | {"n": Int64HeaderValue(1)})


def test_the_base_of_header_values_is_abstract():
    with pytest.raises(NotImplementedError):
        HeaderValue(1)
    assert Int8HeaderValue(5).value == 5


def test_unknown_value_types_say_so():
    with pytest.raises(InvalidHeaderValue, match="Invalid header value type: <class 'list'>"):
        EventStreamMessageSerializer().serialize({"v": []}, b"")


# Buffer


def test_a_buffer_stops_and_goes_on():
    data = words("one", "two")
    buffer = EventStreamBuffer()
    buffer.add_data(data[:10])
    with pytest.raises(StopIteration):
        buffer.next()
    buffer.add_data(data[10:])
    assert [message.payload for message in buffer] == [b"one", b"two"]
    assert list(buffer) == []
    buffer.add_data(words("three"))
    assert next(buffer).payload == b"three"


def test_a_buffer_s_fault_stays():
    buffer = EventStreamBuffer()
    buffer.add_data(words("one") + bytes(16))
    assert buffer.next().payload == b"one"
    buffer.add_data(words("two"))
    for _ in range(2):
        with pytest.raises(ChecksumMismatch):
            buffer.next()


def test_a_buffer_keeps_the_original_limits():
    lengths = (16 * 1024**2 + 17).to_bytes(4, "big") + bytes(4)
    buffer = EventStreamBuffer()
    buffer.add_data(lengths + bytes(4))
    with pytest.raises(InvalidPayloadLength, match="16777217 exceeded the maximum of 16777216"):
        buffer.next()
    buffer = EventStreamBuffer()
    buffer.add_data((2**20).to_bytes(4, "big") + (131073).to_bytes(4, "big") + bytes(4))
    with pytest.raises(InvalidHeadersLength, match="131073 exceeded the maximum of 131072"):
        buffer.next()


# Event stream


async def test_events_come_whole_however_they_are_cut():
    data = words("one", "two", "three")
    stream = EventStream(Body(b"", data[:5], data[5:30], data[30:], None), Words())
    assert [event async for event in stream] == ["one", "two", "three"]
    assert [event async for event in stream] == []


async def test_a_cancelled_read_loses_nothing():
    data = words("one", "two")
    body = Body(data[:20])
    stream = EventStream(body, Words())
    for _ in range(3):
        read = asyncio.ensure_future(stream.__anext__())
        while not body.queue.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
    body.queue.put_nowait(data[20:])
    body.queue.put_nowait(None)
    assert [event async for event in stream] == ["one", "two"]


async def test_a_truncated_stream_raises():
    stream = EventStream(Body(words("one"), words("two")[:-1], None), Words())
    assert await stream.__anext__() == "one"
    for _ in range(2):
        with pytest.raises(TruncatedStreamException):
            await stream.__anext__()


async def test_a_fault_is_raised_without_waiting_for_more():
    stream = EventStream(Body(words("one") + bytes(16)), Words())
    assert await stream.__anext__() == "one"
    for _ in range(2):
        with pytest.raises(ParserError):
            await stream.__anext__()


async def test_a_failed_body_does_not_look_complete():
    stream = EventStream(Body(words("one"), ConnectionLostException("gone")), Words())
    assert await stream.__anext__() == "one"
    for _ in range(2):
        with pytest.raises(ConnectionLostException, match="gone"):
            await stream.__anext__()


async def test_an_event_that_cannot_be_parsed_raises_and_reading_goes_on():
    stream = EventStream(Body(words("one", "fail", "two"), None), Words())
    assert await stream.__anext__() == "one"
    with pytest.raises(LookupError):
        await stream.__anext__()
    assert await stream.__anext__() == "two"


# Sending


class Wire:
    """An input stream that keeps what is written."""

    def __init__(self):
        self.frames = []
        self.ended = 0

    def write(self, data):
        self.frames.append(data)

    def end_stream(self):
        self.ended += 1


class SlowWire(Wire):
    """The same as coroutine functions."""

    async def write(self, data):
        super().write(data)
        await asyncio.sleep(0)

    async def end_stream(self):
        super().end_stream()


class Serializer:
    def serialize(self, event):
        return {":event-type": "AudioEvent"}, event.payload


class Resolver:
    async def get_credentials(self):
        await asyncio.sleep(0)
        return SimpleNamespace(secret_access_key="secret")


def sender(wire) -> BaseStream:
    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    return BaseStream(
        input_stream=wire,
        event_serializer=Serializer(),
        event_signer=EventSigner("transcribe", "us-east-1", utc_now=lambda: now),
        initial_signature=bytes(32),
        credential_resolver=Resolver(),
    )


def assert_chained(frames: list[bytes]) -> list[bytes]:
    """Check each frame's signature against the one before; return the payloads."""
    prior = bytes(32)
    payloads = []
    for frame in frames:
        message = decode_message(frame)
        now = datetime.datetime.fromtimestamp(
            message.headers[":date"] / 1000, datetime.timezone.utc
        )
        signer = EventSigner("transcribe", "us-east-1", utc_now=lambda now=now: now)
        signed = signer.sign(message.payload, prior, SimpleNamespace(secret_access_key="secret"))
        prior = signed[":chunk-signature"]
        assert message.headers[":chunk-signature"] == prior
        payloads.append(message.payload)
    return payloads


@pytest.mark.parametrize("wire_type", [Wire, SlowWire])
async def test_events_are_signed_in_the_order_they_are_written(wire_type):
    wire = wire_type()
    stream = sender(wire)
    await asyncio.gather(*(stream.send_event(BaseEvent(b"%d" % i)) for i in range(5)))
    await stream.end_stream()
    *events, end = assert_chained(wire.frames)
    assert sorted(decode_message(event).payload for event in events) == [
        b"0", b"1", b"2", b"3", b"4"
    ]  # fmt: skip
    assert end == b""
    assert wire.ended == 1


async def test_ending_twice_is_harmless_and_sending_afterwards_raises():
    wire = Wire()
    stream = sender(wire)
    await asyncio.gather(stream.end_stream(), stream.end_stream())
    await stream.end_stream()
    assert (len(wire.frames), wire.ended) == (1, 1)
    with pytest.raises(StreamClosedException):
        await stream.send_event(BaseEvent(b"late"))
    assert len(wire.frames) == 1


async def test_an_end_that_was_cancelled_can_be_made_again():
    wire = Wire()
    stream = sender(wire)
    ending = asyncio.ensure_future(stream.end_stream())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    await stream.end_stream()
    assert wire.ended == 1


def test_prior_signatures_may_have_any_length():
    signer = EventSigner("transcribe", "us-east-1")
    credentials = SimpleNamespace(secret_access_key="secret")
    for prior in (b"", b"x", bytes(64)):
        headers = signer.sign(b"", prior, credentials)
        assert len(headers[":chunk-signature"]) == 32
        assert headers[":date"].tzinfo is datetime.timezone.utc


def test_events_are_marked_as_such():
    event = BaseEvent(b"audio", event_payload=True)
    assert (event.payload, event.event_payload, event.event) == (b"audio", True, True)
