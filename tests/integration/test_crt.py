"""What is special about the transport on awscrt; the rest it shares in `test_client.py`."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.http2_stream import Headers, Http2Stream
from amazon_transcribe._net.origin import Origin
from amazon_transcribe.exceptions import (
    ConnectException,
    ConnectionLostException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    ValidationException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.listeners.certificates import throwaway_context
from amazon_transcribe.transports import crt
from amazon_transcribe.transports.base import Request
from amazon_transcribe.transports.crt import CrtTransport
from tests.support.callers import (
    SECOND,
    client_at,
    client_of,
    crt_transport,
    final_texts,
    start,
    until,
)
from tests.support.peers import peer_server


async def test_without_tls_it_says_what_it_cannot() -> None:
    with pytest.raises(ConnectException, match="TLS only"):
        await start(client_at("http://127.0.0.1:1", transport=crt_transport()))


@pytest.mark.parametrize(
    "missing", ["Http2ClientStream", "Http2ClientStream.remote_end_stream_future"]
)
def test_an_old_awscrt_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crt_transport()
    monkeypatch.delattr(f"awscrt.http.{missing}")
    with pytest.raises(ValidationException, match=r"awscrt>=0\.32"):
        CrtTransport()


def test_the_module_loads_no_awscrt() -> None:
    program = "import sys, amazon_transcribe.transports.crt; print('awscrt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"


async def test_nobody_listens() -> None:
    transport = crt_transport()
    with pytest.raises(ConnectException, match="127.0.0.1:1: AWS_IO_SOCKET") as refused:
        await start(client_at("https://127.0.0.1:1", transport=transport, start_timeout=2))
    assert refused.value.transient


def socket_options_to(port: int) -> list[tuple[int, ...]]:
    """The keep-alive of this process's sockets that are connected to a port."""
    times = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    seen = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the directory's own is gone by now
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                if copy.family != socket.AF_INET or copy.getpeername()[1] != port:
                    continue
                keep_alive = copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                seen.append((keep_alive, *(copy.getsockopt(socket.IPPROTO_TCP, t) for t in times)))
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_connections_ask_for_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, transport=crt_transport()) as client:
            async with await start(client):
                port = Origin.parse(server.endpoint_url).port
                assert socket_options_to(port) == [(1, 10, 10, 3)]


async def test_the_time_for_a_connection_is_bounded() -> None:
    async with peer_server(lambda peer: peer.gone(), hello=False) as url:
        with pytest.raises(TimeoutException) as late:
            secure = url.replace("http", "https")
            await start(client_at(secure, transport=crt_transport(), start_timeout=0.2))
    assert late.value.phase == "connect"


@pytest.mark.parametrize(
    ("kind", "expected"), [("drop", ConnectionLostException), ("reset", StreamResetException)]
)
async def test_a_stream_that_breaks(
    kind: str, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [Fault(kind, after_events=1)]
    async with LocalTranscribe("scripted", tls=True, faults=faults) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, transport=crt_transport()) as client:
            stream = await start(client)
            await stream.input_stream.send_audio_event(SECOND)
            with pytest.raises(expected):
                await final_texts(stream)
            with pytest.raises(expected):
                await stream.input_stream.send_audio_event(SECOND)


async def test_an_aborted_stream_takes_its_connection_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, transport=crt_transport()) as client:
            stream = await start(client)
            (connection,) = server._connections
            await stream.close()
            await asyncio.wait_for(asyncio.shield(connection.lost), 60)


class SlowToBegin(Http2Connection):
    """A server that says nothing before its client has used up the first window."""

    received = 0

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        super().data_received(data)
        self.flush()  # what was held back until then

    def _flush(self, answering: bool = False) -> None:
        if self.received > 65_535 - 256:  # awscrt leaves so small a rest
            super()._flush(answering)


async def test_a_server_that_is_slow_to_begin_gets_everything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It did not from awscrt, which a window that SETTINGS open does not wake up."""
    loop = asyncio.get_running_loop()
    whole: asyncio.Future[int] = loop.create_future()
    readers: list[asyncio.Task[None]] = []

    async def read(stream: Http2Stream) -> None:
        size = 0
        while data := await stream.read():
            size += len(data)
        whole.set_result(size)

    def begin(stream: Http2Stream, headers: Headers) -> None:
        readers.append(loop.create_task(read(stream)))

    context, authority = throwaway_context(["localhost"])
    (tmp_path / "ca.pem").write_bytes(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    transport = crt_transport()
    listener = await loop.create_server(
        lambda: SlowToBegin(client=False, on_request=begin), "127.0.0.1", ssl=context
    )
    origin = Origin("https", "localhost", listener.sockets[0].getsockname()[1])
    stream = await transport.open(Request(origin, "POST", "/", [("host", "localhost")]), 5)
    stream.write(bytes(500_000))
    stream.end()
    assert await asyncio.wait_for(whole, 60) == 500_000
    await asyncio.gather(*readers)
    await transport.close()
    listener.close()
    await listener.wait_closed()


async def test_streams_that_are_over_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = crt_transport()
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, transport=transport) as client:
            drained, closed = await start(client), await start(client)
            streams = [weakref.ref(stream) for stream in transport._streams]
            await drained.drain()
            await closed.close()
    del drained, closed
    gc.collect()
    assert [stream() for stream in streams] == [None, None]


async def test_closing_the_client_keeps_events_that_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport = crt_transport()
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        client = client_of(server, transport=transport)
        stream = await start(client)
        live: Any = stream.input_stream._input_stream
        await stream.input_stream.send_audio_event(SECOND)
        await until(lambda: live._events)
        came, events = len(live._events), []
        await client.close()
        with pytest.raises(StreamClosedException):
            async for event in stream.output_stream:
                events.append(event)
        assert len(events) >= came


async def test_a_start_that_goaway_refuses_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [Fault("goaway", times=1)]
    async with LocalTranscribe("scripted", tls=True, faults=faults) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, transport=crt_transport()) as client:
            stream = await start(client)
            assert await stream.drain() == []


def test_an_error_with_its_name_in_the_text_only_is_known() -> None:
    closed = RuntimeError("2058 (AWS_ERROR_HTTP_CONNECTION_CLOSED): The connection has closed.")
    assert crt._is_transient(closed)
    assert not crt._is_transient(RuntimeError("1029 (AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE): No."))
    goaway = crt._failure(RuntimeError("2077 (AWS_ERROR_HTTP_GOAWAY_RECEIVED): GOAWAY."))
    assert isinstance(goaway, StreamResetException)
    assert goaway.unprocessed
