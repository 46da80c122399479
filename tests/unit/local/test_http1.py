"""HTTP/1.1 at the server, without a socket: whatever comes gets an answer, and no exception."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from amazon_transcribe.local.listeners.hooks import Limits, ServerHooks
from amazon_transcribe.local.listeners.http1 import ServerHttp1
from amazon_transcribe.local.pages import Pages, Route, text
from tests.support.websockets import upgrade

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
NO_PAGE = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"
WITH_BODY = b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
CONNECT = b"CONNECT /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
TO_HTTP2 = HEALTH[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
WEBSOCKET = upgrade("/stream-transcription-websocket", "localhost")


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.protocol: Any = ServerHttp1(
            ServerHooks(
                lambda _: None,
                lambda _: None,
                Limits(),
                Pages({"/health": Route(lambda _: text("ok\n"))}, "127.0.0.1"),
            )
        )
        self.protocol.connection_made(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close


def answers(data: bytes, piece: int = 1_000_000) -> tuple[bytes, bool]:
    """What comes back, and whether the connection is closed then."""
    wire = Wire()
    for at in range(0, len(data), piece):
        wire.protocol.data_received(data[at : at + piece])
    closed = wire.closed
    wire.protocol.connection_lost(None)
    return wire.written, closed


@pytest.mark.parametrize("piece", [1, 1_000_000])
@pytest.mark.parametrize(
    ("request_bytes", "status", "body", "closes"),
    [
        (HEALTH, 200, b"ok\n", False),
        (HEALTH.replace(b"1.1", b"1.0"), 200, b"ok\n", True),
        (TO_HTTP2, 200, b"ok\n", True),
        (NO_PAGE, 426, b"", True),
        (WITH_BODY, 200, b"", True),
        (CHUNKED, 405, b"Ask with GET.\n", True),
        (CONNECT, 405, b"Ask with GET.\n", True),
        (
            HEALTH.replace(b"localhost", b"evil.example"),
            421,
            b"Ask by the name localhost, or by an address.\n",
            False,
        ),
    ],
)
async def test_requests(
    request_bytes: bytes, status: int, body: bytes, closes: bool, piece: int
) -> None:
    written, closed = answers(request_bytes, piece)
    head, _, rest = written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert rest == body
    assert closed is closes


async def test_one_request_bytesafter_the_other_is_answered() -> None:
    written, closed = answers(HEALTH * 3, len(HEALTH))
    assert written.count(b"ok\n") == 3
    assert not closed


async def test_mutated_requests_raise_nothing() -> None:
    dice = random.Random(1)
    kinds = [HEALTH, NO_PAGE, WITH_BODY, CHUNKED, CONNECT, TO_HTTP2, WEBSOCKET]
    for _ in range(1000):
        data = bytearray(b"".join(dice.choices(kinds, k=2)))
        for _ in range(dice.choice([0, 1, 5])):
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(9)] = dice.randbytes(dice.randrange(3))
        answers(bytes(data), dice.choice([7, 50, 1_000_000]))
