"""Clients that are up to no good: the local server keeps its bounds, and serves the others."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hpack import Encoder

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.listeners.hooks import Limits
from tests.support.callers import SECOND, client_of, final_texts, start

HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 1, 3, 4, 6, 7, 9
END_HEADERS = 4


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
    return head + payload


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS)
REQUEST = Encoder().encode(
    [(":method", "POST"), (":scheme", "http"), (":path", "/nowhere"), (":authority", "x")]
)


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted") as made:
        yield made


@asynccontextmanager
async def calling(
    server: LocalTranscribe, hello: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = int(server.endpoint_url.rpartition(":")[2])
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    writer.write(hello)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def frames_until_closed(reader: asyncio.StreamReader) -> list[int]:
    """The types of the frames that come until the server has closed."""
    kinds = []
    while head := await reader.read(9):
        head += await reader.readexactly(9 - len(head))
        await reader.readexactly(int.from_bytes(head[:3], "big"))
        kinds.append(head[3])
    return kinds


async def serves(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        async with await start(client) as stream:
            await stream.input_stream.send_audio_event(SECOND)
            await stream.input_stream.end_stream()
            assert await final_texts(stream) == ["This is"]


def resets() -> bytes:
    return b"".join(
        frame(HEADERS, END_HEADERS, number, REQUEST) + frame(RST_STREAM, 0, number, bytes(4))
        for number in range(1, 4000, 2)
    )


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, payload=b"12345678") * 1000,
        frame(SETTINGS, payload=b"\x00\x04\x00\x01\x00\x00") * 1000,
    ],
    ids=["ping", "settings"],
)
async def test_one_that_reads_no_answers_is_dropped(flood: bytes, server: LocalTranscribe) -> None:
    server._limits = Limits(max_answered=10**9, max_unread_answers=20_000)
    # The system's own buffers hold megabytes otherwise.
    server._listeners[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    async with calling(server, HELLO) as (_, writer):
        with pytest.raises(ConnectionError):
            while True:
                writer.write(flood)
                await writer.drain()
        await serves(server)


@pytest.mark.parametrize(
    "attack",
    [
        b"".join(frame(HEADERS, END_HEADERS, n, REQUEST) for n in range(1, 2100, 2)),
        frame(HEADERS, 0, 1, REQUEST)
        + b"".join(
            frame(CONTINUATION, 0, 1, Encoder().encode([(b"x", b"y" * 15_000)])) for _ in range(70)
        ),
        frame(HEADERS, 0, 1, REQUEST) + frame(CONTINUATION, 0, 1) * 1000,
        frame(HEADERS, END_HEADERS, 1, REQUEST + Encoder().encode([(b"x", b"y" * 12_000)] * 6)),
        frame(PING)[:-1] + b"\x01",
        frame(PING, payload=b"12345678") * 501,
        frame(SETTINGS) * 1001,
        frame(SETTINGS, payload=b"\xff\xff\0\0\0\0" * 1000),
    ],
    ids=[
        "streams",
        "headers",
        "continuations",
        "list",
        "malformed",
        "pings",
        "settings",
        "long settings",
    ],
)
async def test_one_that_breaks_the_bounds_is_told_goodbye(
    attack: bytes, server: LocalTranscribe
) -> None:
    async with calling(server, HELLO + attack) as (reader, _):
        try:
            assert (await frames_until_closed(reader))[-1] == GOAWAY
        except ConnectionError:
            pass  # it was still sending when the server closed
    await serves(server)


async def test_thousands_of_streams_that_are_taken_back(server: LocalTranscribe) -> None:
    async with calling(server, HELLO + resets() + frame(PING, payload=b"the last")) as (reader, _):
        data = b""
        while frame(PING, 1, 0, b"the last") not in data:
            data += await reader.read(65536)
        assert not server._streams
        await serves(server)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 has eager tasks")
async def test_streams_taken_back_before_an_eager_task_answers(
    server: LocalTranscribe, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
    async with calling(server, HELLO + resets() + frame(PING, payload=b"the last")) as (reader, _):
        data = b""
        while frame(PING, 1, 0, b"the last") not in data:
            data += await reader.read(65536)
        gc.collect()
        assert not server._streams
        assert not caplog.records


async def test_settings_that_nobody_knows_are_not_kept() -> None:
    connection = Http2Connection(client=False, max_answered=10**9)
    known = len(connection._h2.remote_settings)
    for first in range(256, 50_000, 1000):
        numbers = range(first, first + 1000)
        payload = b"".join(number.to_bytes(2, "big") + bytes(4) for number in numbers)
        connection.data_received((HELLO if first == 256 else b"") + frame(SETTINGS, 0, 0, payload))
    assert len(connection._h2.remote_settings) == known


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (False, b""),
        (False, b"P"),
        (False, HELLO[:30]),
        (False, b"GET /stream-transcription-websocket HTTP/1.1\r\nhost: x\r\n"),
        (True, b""),
        (True, b"\x16\x03\x01\x02\x00"),
    ],
)
async def test_one_that_never_finishes_its_first_words_is_closed(tls: bool, words: bytes) -> None:
    server = LocalTranscribe("scripted", tls=tls)
    server._limits = Limits(hello=0.05)
    async with server:
        async with calling(server, words) as (reader, _):
            await asyncio.wait_for(reader.read(), 60)


async def test_a_connection_without_a_stream_is_closed_after_a_while() -> None:
    server = LocalTranscribe("scripted")
    server._limits = Limits(hello=0.02, next_stream=0.02)
    async with server, client_of(server) as client:
        stream = await start(client)
        async with calling(server, HELLO) as (reader, _):
            kinds = await asyncio.wait_for(frames_until_closed(reader), 60)
            assert kinds[-1] == GOAWAY
        await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        assert await final_texts(stream) == ["This is"]
