"""A transport of the program's own: what it must do, and what is refused."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from h2.events import DataReceived, StreamEnded

from amazon_transcribe.eventstream import EventStreamDecoder, decode_message
from amazon_transcribe.exceptions import HTTPException, StreamClosedException, ValidationException
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.transports.base import Request, Stream, Transport
from amazon_transcribe.transports.h2 import H2Transport
from amazon_transcribe.transports.memory import MemoryExchange, MemoryTransport
from tests.support.callers import TRANSCRIPT, client_at, start
from tests.support.peers import Peer, peer_server

CHUNK = 320
SENDERS = 5
SENDS = 40

# What takes the place of a stream when a transport opens it.
Wrapper = Callable[[Stream], Any]


class Wrapping:
    """A transport of the program's own: another one, whose streams it wraps."""

    def __init__(self, inner: Transport, wrapper: Wrapper) -> None:
        self.streams: list[Any] = []
        self._inner = inner
        self._wrapper = wrapper

    async def open(self, request: Request, timeout: float) -> Any:
        stream = self._wrapper(await self._inner.open(request, timeout))
        self.streams.append(stream)
        return stream

    async def close(self) -> None:
        await self._inner.close()


class Delegating:
    """A stream that passes everything on."""

    def __init__(self, inner: Stream) -> None:
        self.inner = inner

    async def response(self, timeout: float | None = None) -> tuple[int, Mapping[str, str]]:
        return await self.inner.response(timeout)

    def end(self) -> None:
        self.inner.end()

    @property
    def ended(self) -> bool:
        return self.inner.ended

    @property
    def failure(self) -> HTTPException | None:
        return self.inner.failure

    async def read(self, timeout: float | None = None) -> bytes:
        return await self.inner.read(timeout)

    def read_nowait(self) -> bytes:
        return self.inner.read_nowait()

    def when_changed(self, call: Callable[[], None]) -> None:
        self.inner.when_changed(call)

    def abort(self) -> None:
        self.inner.abort()


class Hesitant(Delegating):
    """A stream that is full after every other write, and yields in `drain`."""

    def __init__(self, inner: Stream, yields: int) -> None:
        super().__init__(inner)
        self.drained = 0
        self._yields = yields
        self._writes = 0

    def write(self, data: bytes) -> None:
        self.inner.write(data)
        self._writes += bool(data)

    @property
    def is_full(self) -> bool:
        return self._writes % 2 == 1 or self.inner.is_full

    async def drain(self, timeout: float | None = None) -> None:
        for _ in range(self._yields):
            await asyncio.sleep(0)
        await self.inner.drain(timeout)
        self.drained += 1


def audio_in(frames: bytes) -> list[bytes]:
    """The audio of signed frames, event by event."""
    return [
        decode_message(frame.payload).payload
        for frame in EventStreamDecoder().feed(frames)
        if frame.payload
    ]


async def send_all(stream: Any) -> list[bytes]:
    """Send by several tasks at once, of which some sends are given up; returns what was sent."""
    sent: list[bytes] = []

    async def send(number: int) -> None:
        for count in range(SENDS):
            chunk = bytes([number, count]) * (CHUNK // 2)
            call = asyncio.create_task(stream.input_stream.send_audio_event(chunk))
            for _ in range(count % 4):
                await asyncio.sleep(0)
            if count % 7 == number:
                call.cancel()
            await asyncio.wait({call})
            if not call.cancelled():
                call.result()
                sent.append(chunk)

    await asyncio.gather(*(send(number) for number in range(SENDERS)))
    return sent


@pytest.mark.parametrize("yields", [1, 5])
async def test_audio_over_http2_arrives_once_and_in_order(yields: int) -> None:
    frames: list[bytes] = []

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        while not isinstance(event := await peer.next(DataReceived, StreamEnded), StreamEnded):
            assert isinstance(event, DataReceived)
            assert event.flow_controlled_length is not None
            frames.append(event.data)
            peer.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            peer.flush()
        peer.send(stream, TRANSCRIPT, end=True)

    transport = Wrapping(H2Transport(max_unsent=1000), lambda inner: Hesitant(inner, yields))
    async with peer_server(script) as url, client_at(url, transport=transport) as client:
        async with await start(client) as stream:
            sent = await send_all(stream)
            assert len(await stream.drain()) == 1
    assert transport.streams[0].drained > 0
    assert_arrived(audio_in(b"".join(frames)), sent)


@pytest.mark.parametrize("yields", [1, 5])
async def test_audio_in_memory_arrives_once_and_in_order(yields: int) -> None:
    frames: list[bytes] = []

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        while data := await exchange.read():
            frames.append(data)
        await exchange.write(TRANSCRIPT)
        await exchange.finish(1.0, 1.0)

    transport = Wrapping(MemoryTransport(serve), lambda inner: Hesitant(inner, yields))
    async with client_at("http://memory", transport=transport) as client:
        async with await start(client) as stream:
            sent = await send_all(stream)
            assert len(await stream.drain()) == 1
    assert_arrived(audio_in(b"".join(frames)), sent)


def assert_arrived(arrived: list[bytes], sent: list[bytes]) -> None:
    """Check that every chunk arrived once, those of each sender in order."""
    assert SENDERS * SENDS * 0.8 < len(sent) < SENDERS * SENDS
    assert sorted(arrived) == sorted(sent)
    for number in range(SENDERS):
        assert [c[1] for c in arrived if c[0] == number] == [c[1] for c in sent if c[0] == number]


async def test_an_ended_stream_lets_go_of_who_waits_in_drain() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await peer.next(DataReceived)
        peer.h2.end_stream(stream)
        peer.flush()

    transport = Wrapping(H2Transport(max_unsent=1), lambda inner: Hesitant(inner, 1))
    async with peer_server(script) as url, client_at(url, transport=transport) as client:
        async with await start(client) as stream:
            with pytest.raises(StreamClosedException):
                while True:
                    await stream.input_stream.send_audio_event(bytes(32_000))


# As transports were before: a `write` that waits


class Waiting(Delegating):
    """A stream whose `write` is a coroutine that yields before it writes."""

    def write(self, data: bytes, timeout: float | None = None) -> Awaitable[None]:
        return self.write_later(data)

    async def write_later(self, data: bytes) -> None:
        await asyncio.sleep(0)
        self.inner.write(data)

    @property
    def is_full(self) -> bool:
        return False

    async def drain(self, timeout: float | None = None) -> None:
        pass


class WaitingCoroutine(Waiting):
    async def write(self, data: bytes, timeout: float | None = None) -> None:
        await self.write_later(data)


def waiting_partial(inner: Stream) -> Waiting:
    stream: Any = Waiting(inner)
    stream.write = functools.partial(stream.write_later)
    return stream  # type: ignore[no-any-return]


def waiting_task(inner: Stream) -> Waiting:
    stream: Any = Waiting(inner)
    stream.write = lambda data: asyncio.ensure_future(stream.write_later(data))
    return stream  # type: ignore[no-any-return]


@pytest.mark.parametrize("wrapper", [WaitingCoroutine, Waiting, waiting_partial, waiting_task])
async def test_a_write_that_waits_is_refused(wrapper: Wrapper) -> None:
    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.finish(1.0, 1.0)

    transport = Wrapping(MemoryTransport(serve), wrapper)
    limiter = StreamLimiter()
    async with client_at("http://memory", transport=transport, limiter=limiter) as client:
        with pytest.raises(ValidationException, match=r"write\(data\) without waiting"):
            await start(client)
        assert limiter.open == 0
    (stream,) = transport.streams  # not tried again
    assert isinstance(stream.failure, StreamClosedException)
    gc.collect()  # a coroutine that was never awaited would be told here
