"""Clients that are up to no good: the local server keeps its bounds, and serves the others."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from hpack import Encoder, NeverIndexedHeaderTuple

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.limits import Allowance
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.listeners.hooks import Limits
from tests.support.callers import SECOND, client_at, client_of, final_texts, start

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    *range(5),
    *range(6, 10),
)
END_HEADERS = 4
PADDED = 8


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big")
    return head + payload


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS)
REQUEST = Encoder().encode(
    [(":method", "POST"), (":scheme", "http"), (":path", "/nowhere"), (":authority", "x")]
)
PATIENT = Allowance(burst=10**9)


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
    server._limits = Limits(allowance=PATIENT, max_unread_answers=20_000)
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
        b"".join(frame(HEADERS, END_HEADERS, n, REQUEST) for n in range(1, 500, 2)),
        b"".join(
            frame(HEADERS, END_HEADERS, n, REQUEST) + frame(RST_STREAM, 0, n, bytes(4))
            for n in range(1, 200, 2)
        ),
        frame(HEADERS, 0, 1, REQUEST)
        + b"".join(
            frame(CONTINUATION, 0, 1, Encoder().encode([(b"x", b"y" * 15_000)])) for _ in range(70)
        ),
        frame(HEADERS, 0, 1, REQUEST) + frame(CONTINUATION, 0, 1) * 1000,
        frame(HEADERS, END_HEADERS, 1, REQUEST + Encoder().encode([(b"x", b"y" * 12_000)] * 6)),
        frame(PING)[:-1] + b"\x01",
        frame(PING, payload=b"12345678") * 300,
        frame(SETTINGS) * 300,
        frame(SETTINGS, payload=b"\xff\xff\0\0\0\0" * 1000),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 1100,
        frame(PRIORITY, 0, 3, b"\0\0\0\0\1") * 1100,
        frame(0x77) * 1100,
        frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(DATA, 0, 1) * 1100,
        frame(HEADERS, END_HEADERS, 1, REQUEST) + frame(DATA, 0, 1, b"x") * 1100,
        frame(HEADERS, END_HEADERS, 1, REQUEST)
        + frame(DATA, PADDED, 1, b"\xff" + bytes(255)) * 1100,
        (frame(PING, payload=bytes(8)) + frame(0x77) + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"))
        * 200,
    ],
    ids=[
        "streams",
        "resets",
        "headers",
        "continuations",
        "list",
        "malformed",
        "pings",
        "settings",
        "long settings",
        "windows",
        "priorities",
        "unknown",
        "empty data",
        "tiny data",
        "padding",
        "mixture",
    ],
)
async def test_one_that_breaks_the_bounds_is_told_goodbye(
    attack: bytes, server: LocalTranscribe
) -> None:
    server._limits = Limits(allowance=Allowance(burst=1000, per_second=0))
    async with calling(server, HELLO + attack) as (reader, _):
        try:
            assert GOAWAY in await frames_until_closed(reader)
        except ConnectionError:
            pass  # it was still sending when the server closed
    await serves(server)


async def test_thousands_of_streams_that_are_taken_back(server: LocalTranscribe) -> None:
    server._limits = Limits(allowance=PATIENT)
    async with calling(server, HELLO + resets() + frame(PING, payload=b"the last")) as (reader, _):
        data = b""
        while frame(PING, 1, 0, b"the last") not in data:
            data += await reader.read(65536)
        while server._streams:
            await asyncio.sleep(0)
        await serves(server)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 has eager tasks")
async def test_streams_taken_back_before_an_eager_task_answers(
    server: LocalTranscribe, caplog: pytest.LogCaptureFixture
) -> None:
    server._limits = Limits(allowance=PATIENT)
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
    async with calling(server, HELLO + resets() + frame(PING, payload=b"the last")) as (reader, _):
        data = b""
        while frame(PING, 1, 0, b"the last") not in data:
            data += await reader.read(65536)
        gc.collect()
        while server._streams:
            await asyncio.sleep(0)
        assert not caplog.records


async def test_settings_that_nobody_knows_are_not_kept() -> None:
    connection = Http2Connection(client=False, allowance=PATIENT)
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


async def test_refusals_that_nobody_takes_are_dropped() -> None:
    """Sixty bytes a request stand for 58 KB of headers, and the client opens no window."""
    server = LocalTranscribe("scripted")
    server._limits = Limits(allowance=Allowance(burst=10**9, per_turn=10**9), untaken_refusals=5)
    shut = frame(SETTINGS, payload=b"\x00\x04\x00\x00\x00\x00")
    encoder = Encoder()
    names = [(":method", "POST"), (":scheme", "http"), (":path", "/nowhere"), (":authority", "x")]
    fields = b"".join(encoder.encode([NeverIndexedHeaderTuple(*each)]) for each in names)
    long = encoder.encode([("x", "y" * 3900)])
    requests = [fields + long] + [fields + b"\xbe" * 15] * 100
    attack = b"".join(
        frame(HEADERS, END_HEADERS, 2 * at + 1, block) for at, block in enumerate(requests)
    )
    async with server:
        tracemalloc.start()
        try:
            async with calling(server, HELLO[:24] + shut + attack) as (reader, _):
                data = b""
                while data.count(b"\x00\x00\x04\x03\x00") < 95:  # RST_STREAM
                    data += await reader.read(65536)
                assert len(server._streams) < 10
                gc.collect()
                assert tracemalloc.get_traced_memory()[0] < 1_000_000
        finally:
            tracemalloc.stop()
        await serves(server)


async def test_long_headers_use_the_budget_up(server: LocalTranscribe) -> None:
    long = REQUEST + Encoder().encode([(b"x", b"y" * 12_000)])
    attack = b"".join(frame(HEADERS, END_HEADERS, number, long) for number in range(1, 401, 2))
    server._limits = Limits(allowance=Allowance(per_second=0))
    async with calling(server, HELLO + attack) as (reader, _):
        try:
            assert GOAWAY in await frames_until_closed(reader)
        except ConnectionError:
            pass  # it was still sending when the server closed
    await serves(server)


async def test_an_unfinished_handshake_costs_little_and_ends_soon() -> None:
    server = LocalTranscribe("scripted", tls=True)
    server._limits = Limits(handshake=2.0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    async with server, AsyncExitStack() as stack:
        tracemalloc.start()
        try:
            callers = [await stack.enter_async_context(calling(server, hello)) for _ in range(50)]
            for reader, _ in callers:
                assert await reader.read(1) == b"\x16"  # the server's part
            gc.collect()
            # Without what OpenSSL keeps, 45 KB; the test's own ends are in it.
            assert tracemalloc.get_traced_memory()[0] / 50 < 40_000
        finally:
            tracemalloc.stop()
        for reader, _ in callers:
            while await asyncio.wait_for(reader.read(1024), 30):
                pass


@pytest.mark.parametrize("limits", [Limits(unproved=3), Limits(unproved_of_address=3)])
async def test_the_oldest_without_proof_makes_room(limits: Limits) -> None:
    server = LocalTranscribe("scripted")
    server._limits = limits
    async with server, client_of(server) as client, AsyncExitStack() as stack:
        stream = await start(client)  # has proved itself
        readers = [(await stack.enter_async_context(calling(server, HELLO)))[0] for _ in range(5)]
        for reader in readers[:2]:
            with suppress(ConnectionError):
                await asyncio.wait_for(frames_until_closed(reader), 30)
        assert len(server._connections) == 4
        await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        assert await final_texts(stream) == ["This is"]


async def test_hundreds_of_idle_connections_leave_room_for_service() -> None:
    resource = pytest.importorskip("resource")
    count = min(600, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 2)
    async with LocalTranscribe("scripted") as server, AsyncExitStack() as stack:
        tracemalloc.start()
        try:
            for _ in range(count):
                reader, _ = await stack.enter_async_context(calling(server, HELLO))
                await reader.readexactly(9)
            assert tracemalloc.get_traced_memory()[0] / count < 40_000  # both ends
        finally:
            tracemalloc.stop()
        await serves(server)


WITH_FEW_DESCRIPTORS = """
import asyncio, resource, sys
from amazon_transcribe.local import LocalTranscribe

async def main():
    async with LocalTranscribe("scripted", credentials={"AKIDEXAMPLE": "secret"}) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
        print(server.endpoint_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


async def test_idle_connections_make_room_where_descriptors_lack() -> None:
    pytest.importorskip("resource")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITH_FEW_DESCRIPTORS, **pipes
    )
    assert serving.stdout is not None
    url = (await serving.stdout.readline()).decode().strip()
    address = "127.0.0.1", int(url.rpartition(":")[2])
    idle = [socket.create_connection(address) for _ in range(80)]
    try:
        async with client_at(url) as client, await start(client) as stream:
            await stream.input_stream.send_audio_event(SECOND)
            await stream.input_stream.end_stream()
            assert await final_texts(stream) == ["This is"]
    finally:
        for each in idle:
            each.close()
        _, errors = await serving.communicate(b"")
    assert errors.startswith(b"idle connections make room for new ones: ")
    assert errors.count(b"\n") == 1
    assert serving.returncode == 0
