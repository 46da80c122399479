# mypy: disallow-any-expr
# pyright: strict
"""Transports: those of the package, and one of the program's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from typing_extensions import assert_type

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import StreamException
from amazon_transcribe.transports.base import Request, Stream, Transport
from amazon_transcribe.transports.crt import CrtTransport
from amazon_transcribe.transports.h2 import H2Transport
from amazon_transcribe.transports.memory import MemoryExchange, MemoryTransport
from amazon_transcribe.transports.websocket import WebSocketTransport


class Echo:
    """A stream that answers with what it is sent. It needs no base class."""

    def __init__(self) -> None:
        self._data = b""
        self._ended = False

    async def response(self, timeout: float | None = None) -> tuple[int, Mapping[str, str]]:
        return 200, {}

    def write(self, data: bytes) -> None:
        self._data += data

    @property
    def is_full(self) -> bool:
        return len(self._data) > 65_536

    async def drain(self, timeout: float | None = None) -> None: ...

    def end(self) -> None:
        self._ended = True

    async def read(self, timeout: float | None = None) -> bytes:
        return self.read_nowait()

    def read_nowait(self) -> bytes:
        data, self._data = self._data, b""
        return data

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def failure(self) -> StreamException | None:
        return None

    def when_changed(self, call: Callable[[], None]) -> None:
        call()

    def abort(self) -> None: ...


class EchoTransport:
    async def open(self, request: Request, timeout: float) -> Echo:
        assert_type(request.method, str)
        assert_type(request.target, str)
        assert_type(request.headers, Sequence[tuple[str, str]])
        assert_type((request.origin.scheme, request.origin.host), tuple[str, str])
        assert_type(request.origin.port, int)
        return Echo()

    async def close(self) -> None: ...


async def serve(exchange: MemoryExchange) -> None:
    assert_type(exchange.method, str)
    exchange.respond(200, [("x-amzn-request-id", "1")])
    while data := await exchange.read():
        assert_type(data, bytes)


def clients() -> list[TranscribeStreamingClient]:
    transports: list[Transport] = [
        EchoTransport(),
        MemoryTransport(serve),
        H2Transport(),
        WebSocketTransport(),
        CrtTransport(),
    ]
    return [
        *(TranscribeStreamingClient(region="us-east-1", transport=each) for each in transports),
        TranscribeStreamingClient(region="us-east-1", transport=EchoTransport()),
    ]


async def use(transport: Transport, request: Request) -> None:
    stream = await transport.open(request, 5)
    assert_type(stream, Stream)
    status, headers = await stream.response(timeout=1)
    assert_type(status, int)
    assert_type(headers, Mapping[str, str])
    assert_type(stream.is_full, bool)
    assert_type(stream.ended, bool)
    stream.write(b"data")
    await stream.drain(timeout=1)
    stream.end()
    assert_type(await stream.read(), bytes)
    assert_type(stream.read_nowait(), bytes)
    stream.when_changed(stream.abort)
    await transport.close()
