"""The pool: connections opened beforehand, shared, checked and replaced."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes as S

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    ConnectException,
    StreamClosedException,
    TimeoutException,
    ValidationException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.observe import Observer
from amazon_transcribe.transports.h2 import H2Transport
from amazon_transcribe.transports.websocket import WebSocketTransport
from tests.support.callers import (
    SECOND,
    TRANSCRIPT,
    client_at,
    client_of,
    final_texts,
    leftovers,
    start,
    until,
)
from tests.support.peers import Peer, peer_server


async def accept_all(peer: Peer) -> None:
    while True:
        stream = await peer.request()
        peer.respond(stream)
        await peer.end_of(stream)
        peer.send(stream, b"", end=True)


class Counting:
    """A script for `peer_server` that counts the connections."""

    def __init__(self, script: Callable[[Peer], Awaitable[None]] = accept_all) -> None:
        self.connections = 0
        self._script = script

    async def __call__(self, peer: Peer) -> None:
        self.connections += 1
        await self._script(peer)


async def claimed(client: TranscribeStreamingClient) -> None:
    """Wait until a start has claimed the client's only connection."""
    transport = client._transport
    assert isinstance(transport, H2Transport)
    while not any(pooled.claims for pool in transport._pool.values() for pooled in pool):
        await asyncio.sleep(0)


async def test_streams_start_on_connections_opened_beforehand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server) as client:
            await client.prewarm(3)
            assert len(server._connections) == 3
            await client.prewarm(2)
            assert len(server._connections) == 3
            streams = await asyncio.gather(*(start(client) for _ in range(3)))
            assert len(server._connections) == 3
            await client.prewarm(1)
            assert len(server._connections) == 4
            for stream in streams:
                await stream.input_stream.send_audio_event(SECOND)
                await stream.input_stream.end_stream()
                assert await final_texts(stream) == ["This is"]


async def test_a_start_takes_a_connection_that_is_being_opened() -> None:
    script = Counting()
    async with peer_server(script) as url, client_at(url) as client:
        warming = asyncio.create_task(client.prewarm(2))
        await asyncio.sleep(0)
        stream = await start(client)
        await warming
        await stream.close()
        assert script.connections == 2


async def test_concurrent_starts_open_no_more_connections_than_streams() -> None:
    script = Counting()
    async with peer_server(script) as url, client_at(url) as client:
        streams = await asyncio.gather(*(start(client) for _ in range(12)))
        assert script.connections == 12
        for stream in streams:
            await stream.drain()
        await asyncio.gather(*(start(client) for _ in range(12)))
        assert script.connections == 12


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_prewarming_leaves_nothing(turns: int) -> None:
    async with peer_server(accept_all) as url:
        before = set(leftovers())
        client = client_at(url)
        task = asyncio.create_task(client.prewarm(2))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        own = [task for task in set(leftovers()) - before if "peers.py" not in repr(task)]
        assert own == []
        await (await start(client)).close()
        await client.close()


@pytest.mark.parametrize("turns", range(1, 8))
async def test_prewarming_that_is_cancelled_again_and_again_leaves_nothing(turns: int) -> None:
    async with peer_server(Peer.gone, hello=False) as url, client_at(url) as client:
        warming = asyncio.create_task(client.prewarm(4))
        for _ in range(turns):
            await asyncio.sleep(0)
        while not warming.done():  # as cancel scopes do
            warming.cancel()
            await asyncio.sleep(0)
        assert not client._transport._pool  # type: ignore[attr-defined]


async def test_a_start_survives_the_prewarming_that_opened_its_connection() -> None:
    script = Counting()
    async with peer_server(script) as url, client_at(url) as client:
        warming = asyncio.create_task(client.prewarm(1))
        starting = asyncio.create_task(start(client))
        await claimed(client)
        warming.cancel()
        await (await starting).close()
        assert script.connections == 1


async def test_prewarming_survives_the_start_that_opened_its_connection() -> None:
    script = Counting()
    async with peer_server(script) as url, client_at(url) as client:
        warming = asyncio.create_task(client.prewarm(1))
        await asyncio.sleep(0)
        starting = asyncio.create_task(start(client))
        await claimed(client)
        starting.cancel()
        await warming
        await client.prewarm(1)
        assert script.connections == 1


async def test_prewarming_fails_as_a_start_does() -> None:
    async with peer_server(lambda peer: peer.gone()) as url:
        pass
    async with client_at(url) as client:
        with pytest.raises(ConnectException):
            await client.prewarm(2)
    async with peer_server(lambda peer: peer.gone(), hello=False) as url:
        async with client_at(url, connect_timeout=0.05) as client:
            with pytest.raises(TimeoutException):
                await client.prewarm(2)
    async with peer_server(accept_all, settings={S.MAX_CONCURRENT_STREAMS: 0}) as url:
        async with client_at(url) as client:
            with pytest.raises(ConnectException, match="takes no streams: the limit is 0"):
                await client.prewarm(2)
    with pytest.raises(StreamClosedException):
        await client.prewarm(1)
    with pytest.raises(ValidationException):
        await client_at(url).prewarm(0)
    with pytest.raises(ValidationException):
        await client_at(url, transport="websocket").prewarm(1)
    assert leftovers() == []


DOUBTFUL = {"check_after": 0.0, "check_timeout": 0.05}


async def test_idle_connections_that_have_died_silently_are_replaced() -> None:
    dead = True

    async def script(peer: Peer) -> None:
        if dead:
            await asyncio.Event().wait()
        await accept_all(peer)

    counting = Counting(script)
    async with peer_server(counting) as url, client_at(url, DOUBTFUL) as client:
        await client.prewarm(3)
        dead = False
        async with await start(client):
            assert counting.connections == 4


async def test_a_check_that_is_cancelled_is_made_again() -> None:
    dead = True

    async def script(peer: Peer) -> None:
        if dead:
            await asyncio.Event().wait()
        await accept_all(peer)

    counting = Counting(script)
    async with peer_server(counting) as url, client_at(url, DOUBTFUL) as client:
        await client.prewarm(1)
        checking = asyncio.create_task(start(client))
        await claimed(client)
        checking.cancel()
        await asyncio.wait({checking})
        client._transport.check_after = 60.0  # type: ignore[attr-defined]
        dead = False
        async with await start(client):
            assert counting.connections == 2


async def test_an_idle_connection_that_answers_is_used_again() -> None:
    script = Counting()
    async with peer_server(script) as url, client_at(url, {"check_after": 0.0}) as client:
        for _ in range(3):
            await (await start(client)).drain()
        assert script.connections == 1


async def test_an_idle_connection_that_the_peer_closed_is_replaced() -> None:
    proceed = asyncio.Event()

    async def script(peer: Peer) -> None:
        if counting.connections == 1:
            await proceed.wait()
            peer.drop()
        else:
            await accept_all(peer)

    counting = Counting(script)
    async with peer_server(counting) as url, client_at(url, start_attempts=1) as client:
        await client.prewarm(1)
        proceed.set()
        await (await start(client)).drain()
        assert counting.connections == 2


async def test_starts_wait_for_no_place_that_the_peer_does_not_give() -> None:
    together = asyncio.Event()

    async def script(peer: Peer) -> None:
        if counting.connections == 10:
            together.set()
        if counting.connections > 1:  # only the first tells what the peer allows
            await together.wait()
        peer.hello()
        await accept_all(peer)

    counting = Counting(script)
    async with (
        peer_server(counting, settings={S.MAX_CONCURRENT_STREAMS: 1}, hello=False) as url,
        client_at(url, max_streams_per_connection=10, start_timeout=2) as client,
    ):
        streams = await asyncio.gather(*(start(client) for _ in range(10)))
        for stream in streams:
            await stream.close()
    assert counting.connections == 10


@pytest.mark.parametrize("observer", [None, Observer()])
@pytest.mark.parametrize("ended", [False, True])
async def test_a_stream_that_is_dropped_ends_at_the_peer_too(
    ended: bool, observer: Observer | None
) -> None:
    reset = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        peer.respond(await peer.request())
        await peer.next(StreamReset)
        reset.set_result(None)

    async with peer_server(script) as url:
        client = client_at(url, observer=observer, idle_timeout=0.01)
        stream = await start(client)
        if ended:
            await stream.input_stream.end_stream()
        del stream
        await asyncio.wait_for(reset, 60)
        assert not client._transport._pool  # type: ignore[attr-defined]


async def test_a_connection_serves_later_streams_outside_the_first_one_s_context() -> None:
    call = ContextVar("call", default="none")
    seen = []

    class Tracing(Observer):
        def stream_ended(self, *told: object) -> None:
            seen.append(call.get())

    async def script(peer: Peer) -> None:
        for _ in range(2):
            stream = await peer.request()
            peer.respond(stream)
            await peer.next(DataReceived)
            peer.send(stream, b"", end=True)

    async def converse(name: str) -> None:
        call.set(name)
        before, stream = len(seen), await start(client)
        await stream.input_stream.send_audio_event(bytes(3200))
        await until(lambda: len(seen) > before)
        del stream  # it was held, and nobody read

    async with peer_server(script) as url, client_at(url, observer=Tracing()) as client:
        await asyncio.create_task(converse("one"))
        await asyncio.create_task(converse("another"))
    assert seen == ["none", "none"]


async def test_a_start_overtaken_by_the_client_s_end_is_told_so() -> None:
    async with peer_server(accept_all) as url:
        for turns in range(30):
            client = client_at(url, max_streams_per_connection=2)
            starting = [asyncio.create_task(start(client)) for _ in range(4)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await client.close()
            for end in await asyncio.gather(*starting, return_exceptions=True):
                if isinstance(end, BaseException):
                    assert isinstance(end, StreamClosedException)


async def test_a_connection_without_stream_ids_left_is_replaced() -> None:
    async def script(peer: Peer) -> None:
        while True:
            event = await peer.next(RequestReceived, StreamEnded)
            assert isinstance(event, (RequestReceived, StreamEnded))
            assert event.stream_id
            if isinstance(event, RequestReceived):
                peer.respond(event.stream_id)
            else:
                peer.send(event.stream_id, b"", end=True)

    counting = Counting(script)
    async with (
        peer_server(counting) as url,
        client_at(url, max_streams_per_connection=10) as client,
    ):
        first = await start(client)
        live: Any = first.input_stream._input_stream
        connection = live._stream.connection
        connection._h2.highest_outbound_stream_id = 2**31 - 3
        last = await start(client)
        assert counting.connections == 1
        await (await start(client)).drain()
        assert counting.connections == 2
        assert await last.drain() == await first.drain() == []
        await connection.lost


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # asyncio's, and it is right
@pytest.mark.parametrize(
    "options",
    [{}, {"max_streams_per_connection": 10}, {"transport": "websocket"}],
    ids=["one", "shared", "websocket"],
)
async def test_a_client_outlives_a_loop_that_is_closed_under_it(options: dict[str, Any]) -> None:
    async def transcribe(client: TranscribeStreamingClient) -> list[str]:
        async with await start(client) as stream:
            await stream.input_stream.send_audio_event(SECOND)
            await stream.input_stream.end_stream()
            return await final_texts(stream)

    def program() -> None:
        """In a thread, with event loops of its own."""
        client = client_of(server, **options)
        loop = asyncio.new_event_loop()
        if "transport" not in options:
            loop.run_until_complete(client.prewarm(2))
        loop.run_until_complete(start(client))
        loop.close()
        assert asyncio.run(transcribe(client)) == ["This is"]
        assert asyncio.run(transcribe(client)) == ["This is"]
        asyncio.run(client.close())
        del client, loop
        gc.collect()

    async with LocalTranscribe("scripted") as server:
        await asyncio.to_thread(program)


async def test_late_frames_of_streams_long_ended_harm_no_other() -> None:
    count = 90  # more than are remembered
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        kept = await peer.request()
        peer.respond(kept)
        others = [await peer.request() for _ in range(count)]
        for other in others:
            peer.h2.send_headers(other, [(":status", "200")])
        late = peer.h2.data_to_send()
        asked.set()
        await peer.request()  # by now the client has forgotten streams that it reset
        peer.write(late)
        peer.send(kept, TRANSCRIPT, end=True)

    async with peer_server(script) as url:
        async with client_at(url, max_streams_per_connection=count + 1) as client:
            stream = await start(client)
            starts = [asyncio.create_task(start(client)) for _ in range(count)]
            await asked.wait()
            for task in starts:
                task.cancel()
            await asyncio.wait(starts)
            another = asyncio.create_task(start(client))
            assert len([event async for event in stream.output_stream]) == 1
            another.cancel()
            await asyncio.wait({another})


async def test_a_connection_resumes_the_tls_session_of_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server) as client:
            streams = [await start(client) for _ in range(3)]
            assert sorted(resumed(client)) == [False, True, True]
            for stream in streams:
                await stream.drain()


async def test_a_websocket_resumes_the_tls_session_of_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, transport="websocket") as client:
            streams = [await start(client) for _ in range(3)]
            assert isinstance(client._websocket, WebSocketTransport)
            agreed = [each.tls for each in client._websocket._streams]
            assert sorted(tls.session_reused for tls in agreed if tls) == [False, True, True]
            for stream in streams:
                await stream.drain()


async def test_a_session_that_nobody_checked_opens_no_connection_that_is_checked() -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with client_of(server, ssl_context=context) as client:
            stream = await start(client)
            context.verify_mode = ssl.CERT_REQUIRED
            with pytest.raises(ConnectException, match="CERTIFICATE_VERIFY_FAILED"):
                await start(client)
            await stream.close()


async def test_a_session_is_not_resumed_where_more_is_checked_now() -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        async with client_of(server, ssl_context=context) as client:
            stream = await start(client)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF  # there is no list of the revoked
            with pytest.raises(ConnectException, match="unable to get certificate CRL"):
                await start(client)
            await stream.close()


def resumed(client: TranscribeStreamingClient) -> list[bool | None]:
    """Return of each connection whether it has resumed a TLS session."""
    transport = client._transport
    assert isinstance(transport, H2Transport)
    everything = [pooled.connection for pool in transport._pool.values() for pooled in pool]
    return [each.tls.session_reused for each in everything if each and each.tls]
