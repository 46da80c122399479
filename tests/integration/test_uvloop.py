"""The main scenarios on uvloop: client and local server in one loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    StreamClosedException,
    TimeoutException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.listeners.listener import Listener
from amazon_transcribe.transports.h2 import H2Transport
from amazon_transcribe.transports.websocket import WebSocketTransport
from tests.support.callers import SECOND, client_at, client_of, final_texts, leftovers, start
from tests.support.peers import Peer, peer_server

uvloop = pytest.importorskip("uvloop")

SAID = ["This is the scripted engine of the local server."]


def run(main: Coroutine[Any, Any, None], loop: Any = uvloop) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, 30)
        await asyncio.sleep(0)
        assert leftovers() == []

    loop.run(bounded())


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_many_streams(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with LocalTranscribe("scripted", tls=scheme in ("https", "wss")) as server:
            if server.ca_file:
                monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
            url = (
                server.endpoint_url.replace("http", "ws") if "ws" in scheme else server.endpoint_url
            )
            async with client_at(url, credential_resolver=server.credentials) as client:

                async def one() -> list[str]:
                    async with await start(client) as stream:
                        for _ in range(4):
                            await stream.input_stream.send_audio_event(SECOND)
                        await stream.input_stream.end_stream()
                        return await final_texts(stream)

                assert await asyncio.gather(*(one() for _ in range(10))) == [SAID] * 10

    run(main())


@pytest.mark.parametrize("loop", [asyncio, uvloop])
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("kind", [H2Transport, WebSocketTransport])
def test_tls_on_the_socket_and_the_loops_own(
    kind: type[H2Transport | WebSocketTransport],
    direct: bool,
    loop: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind is WebSocketTransport:
        pytest.importorskip("wsproto")

    async def main() -> None:
        async with LocalTranscribe("scripted", tls=True) as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
            url = server.endpoint_url
            if kind is WebSocketTransport:
                url = url.replace("https", "wss")
            transport = kind(direct_tls=direct)
            async with client_at(
                url, credential_resolver=server.credentials, transport=transport
            ) as client:
                stream = await start(client)
                for _ in range(4):
                    await stream.input_stream.send_audio_event(SECOND)
                await stream.input_stream.end_stream()
                assert await final_texts(stream) == SAID

    run(main(), loop)


@pytest.mark.parametrize("loop", [asyncio, uvloop])
def test_one_tls_context_serves_both_protocols_at_once(loop: Any) -> None:
    async def main() -> None:
        async with LocalTranscribe("scripted", tls=True) as server:
            context = ssl.create_default_context(cafile=str(server.ca_file))
            async with (
                client_of(server, ssl_context=context) as http2,
                client_of(server, ssl_context=context, transport="websocket") as websocket,
            ):
                clients = [http2, websocket, http2, websocket]
                for stream in await asyncio.gather(*map(start, clients)):
                    await stream.input_stream.end_stream()
                    assert await final_texts(stream) == []

    run(main(), loop)


def test_a_refusal_and_a_time_out() -> None:
    async def main() -> None:
        async with LocalTranscribe("scripted") as server:
            async with client_of(server) as client:
                with pytest.raises(BadRequestException, match="LanguageCode"):
                    await start(client, language_code="de-DE")
        async with LocalTranscribe("scripted", faults=[Fault("silent")]) as server:
            async with client_of(server, start_timeout=0.2) as client:
                with pytest.raises(TimeoutException):
                    await start(client)

    run(main())


def test_a_connection_that_is_refused() -> None:
    async def main() -> None:
        async with LocalTranscribe("scripted", faults=[Fault("refuse")]) as server:
            async with client_of(server, start_attempts=1) as client:
                with pytest.raises(ConnectException):
                    await start(client)

    run(main())


def test_a_connection_that_is_dropped() -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request())
        peer.drop()

    async def main() -> None:
        async with peer_server(script) as url:
            stream = await start(client_at(url))
            with pytest.raises(ConnectionLostException):
                await final_texts(stream)
        with pytest.raises(ConnectException):
            await start(client_at(url, start_timeout=0.5))

    run(main())


def test_a_cancelled_read_and_a_stream_left_early() -> None:
    async def main() -> None:
        async with LocalTranscribe("scripted") as server:
            client = client_of(server)
            async with client, await start(client) as stream:
                results = stream.output_stream.__aiter__()
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(results.__anext__(), 0.01)
                await stream.input_stream.send_audio_event(SECOND)
                event = await results.__anext__()
                assert event.transcript.results[0].alternatives[0].transcript == "This is"
            with pytest.raises(StreamClosedException):
                await final_texts(stream)

    run(main())


@pytest.mark.parametrize("loop", [asyncio, uvloop])
def test_an_unfinished_handshake_does_not_hold_up_a_close(loop: Any) -> None:
    async def main() -> None:
        server = LocalTranscribe("scripted", tls=True)
        server._limits = replace(server._limits, handshake=60.0)
        async with server:
            port = int(server.endpoint_url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01\x02\x00\x01")
            # One that is finished after it: the first is taken by then.
            _, other = await asyncio.open_connection("127.0.0.1", port, ssl=unverified())
            other.transport.abort()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.transport.abort()

    run(main(), loop)


@pytest.mark.parametrize("loop", [asyncio, uvloop])
def test_answers_wait_for_no_acknowledgements(loop: Any) -> None:
    """By Nagle's algorithm each would wait 40 ms."""

    async def main() -> None:
        taken: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

        class Server(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                taken.set_result(transport)

        listener = Listener(Server, lambda: None, 1.0, None, 1.0)
        port = await listener.open("127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        transport = await taken
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
        writer.close()
        await listener.close()

    run(main(), loop)


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
