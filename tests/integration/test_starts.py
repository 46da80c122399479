"""Starts that fail and are tried again, and clocks that are wrong."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes, Settings

from amazon_transcribe._stream.retry import Backoff
from amazon_transcribe._stream.start import MAX_BODY
from amazon_transcribe.auth import CredentialResolver, Credentials
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import BaseEndpointResolver
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    LimitExceededException,
    SDKError,
    ServiceException,
    ServiceUnavailableException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    UnknownServiceException,
)
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines import load_engine
from amazon_transcribe.local.service import TranscriptionService
from amazon_transcribe.observe import Observer
from amazon_transcribe.transports.memory import MemoryTransport
from tests.support.callers import KEYS, client_at, client_of, final_texts, leftovers, start, until
from tests.support.peers import Peer, peer_server

Answer = Callable[[Peer, int], Awaitable[None]]


class Retries(list[int], Observer):
    """The numbers of the attempts that were followed by a wait."""

    def start_retried(self, operation: str, attempt: int, delay: float, error: SDKError) -> None:
        self.append(attempt)


AT_ONCE = {"backoff": Backoff(longest=0.0)}
NEVER = {"backoff": Backoff(first=1e9, first_throttled=1e9, longest=1e9)}


@pytest.fixture
def retries() -> Retries:
    """An observer of clients whose waits take no time."""
    return Retries()


def refusal(status: int, name: str) -> Answer:
    async def answer(peer: Peer, stream: int) -> None:
        peer.respond(stream, status, x_amzn_errortype=name, x_amzn_request_id="the-request")
        peer.send(stream, b'{"Message":"No."}', end=True)

    return answer


async def refused_stream(peer: Peer, stream: int) -> None:
    peer.reset(stream, ErrorCodes.REFUSED_STREAM)


async def goaway(peer: Peer, stream: int) -> None:
    peer.write(b"\0\0\x08\x07\0\0\0\0\0" + bytes(4) + bytes(4))


async def drop(peer: Peer, stream: int) -> None:
    peer.drop()


async def accept(peer: Peer, stream: int) -> None:
    peer.respond(stream, x_amzn_request_id="at-last")


class Answers:
    """A script for `peer_server`: the requests get these answers in turn, the last for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.count = 0
        self._answers = answers

    async def __call__(self, peer: Peer) -> None:
        while True:
            stream = await peer.request()
            answer = self._answers[min(self.count, len(self._answers) - 1)]
            self.count += 1
            await answer(peer, stream)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refusal(429, "LimitExceededException"), LimitExceededException),
        (refusal(503, "ServiceUnavailableException"), ServiceUnavailableException),
        (refused_stream, StreamResetException),
        (goaway, StreamResetException),
        (drop, ConnectionLostException),
    ],
)
async def test_a_start_is_tried_again(
    failure: Answer, kind: type[SDKError], retries: Retries
) -> None:
    script = Answers(failure, failure, accept)
    async with peer_server(script) as url, client_at(url, AT_ONCE, observer=retries) as client:
        stream = await start(client)
        assert stream.response.request_id == "at-last"
        await stream.close()
    assert retries == [1, 2]

    script = Answers(failure)
    async with (
        peer_server(script) as url,
        client_at(url, AT_ONCE, observer=retries, start_attempts=2) as client,
    ):
        with pytest.raises(kind) as last:
            await start(client)
        if isinstance(last.value, ServiceException):
            assert last.value.request_id == "the-request"
    assert script.count == 2

    script = Answers(failure)
    async with (
        peer_server(script) as url,
        client_at(url, AT_ONCE, observer=retries, start_attempts=1) as client,
    ):
        with pytest.raises(kind):
            await start(client)
    assert script.count == 1
    assert retries == [1, 2, 1]


@pytest.mark.parametrize(
    "failure",
    [
        refusal(400, "BadRequestException"),
        refusal(403, "AccessDeniedException"),
        refusal(500, "InternalFailureException"),
    ],
)
async def test_other_refusals_are_final(failure: Answer, retries: Retries) -> None:
    script = Answers(failure)
    async with peer_server(script) as url, client_at(url, AT_ONCE, observer=retries) as client:
        with pytest.raises(ServiceException, match=r"No\."):
            await start(client)
    assert script.count == 1


async def test_connections_are_tried_again(retries: Retries) -> None:
    async with peer_server(lambda peer: peer.gone()) as url:
        pass
    with pytest.raises(ConnectException):
        await start(client_at(url, AT_ONCE, observer=retries))
    assert retries == [1, 2]


@pytest.mark.parametrize("tls", [False, True])
async def test_a_connection_that_is_closed_at_once_is_tried_again(
    tls: bool, retries: Retries, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LocalTranscribe("scripted", tls=tls, faults=[Fault("refuse", times=1)]) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, observer=retries) as client:
            await (await start(client)).close()
    assert retries == [1]


@pytest.fixture
async def two_addresses(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalTranscribe]:
    """A server by the name of localhost, which is 127.0.0.2 too, where it is not."""
    if sys.platform != "linux":
        pytest.skip("127.0.0.2 is Linux's")
    loop = asyncio.get_running_loop()

    async def both(host: str, port: int, **_: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", both)
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield server


def by_name(server: LocalTranscribe, head_start: float = 0.05) -> TranscribeStreamingClient:
    url = server.endpoint_url.replace("127.0.0.1", "localhost")
    patience = {"head_start": head_start}
    return client_at(url, patience, credential_resolver=server.credentials, start_attempts=1)


@pytest.mark.parametrize("listens", [False, True])
async def test_an_address_that_is_dead_leads_to_the_next(
    listens: bool, two_addresses: LocalTranscribe
) -> None:
    port = int(two_addresses.endpoint_url.rpartition(":")[2])
    with socket.socket() as silent:
        if listens:  # and never answers
            silent.bind(("127.0.0.2", port))
            silent.listen()
        async with by_name(two_addresses) as client:
            await (await start(client)).close()


async def test_an_address_that_is_slow_is_not_given_up(two_addresses: LocalTranscribe) -> None:
    port = int(two_addresses.endpoint_url.rpartition(":")[2])
    loop = asyncio.get_running_loop()
    with socket.socket() as slow:
        slow.bind(("127.0.0.2", port))
        slow.listen()
        slow.setblocking(False)
        await two_addresses.close()  # the other one refuses
        async with by_name(two_addresses) as client:
            starting = asyncio.create_task(start(client))
            accepted, _ = await loop.sock_accept(slow)
            with accepted:
                # It is answered long after the other one's turn.
                await asyncio.wait({starting}, timeout=5 * 0.05)
                assert not starting.done()
                await loop.sock_sendall(accepted, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                with pytest.raises(ConnectException, match="SSL"):
                    await starting


async def test_a_start_cancelled_at_a_dead_address_leaves_nothing(
    two_addresses: LocalTranscribe,
) -> None:
    port = int(two_addresses.endpoint_url.rpartition(":")[2])
    with socket.socket() as silent:
        silent.bind(("127.0.0.2", port))
        silent.listen()
        silent.setblocking(False)
        async with by_name(two_addresses, head_start=60.0) as client:
            before = set(leftovers())
            starting = asyncio.create_task(start(client))
            accepted, _ = await asyncio.get_running_loop().sock_accept(silent)
            with accepted:
                starting.cancel()
                await asyncio.wait({starting})
                assert set(leftovers()) - before == set()


async def test_a_peer_that_speaks_no_http2_is_not_tried_again(retries: Retries) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as peer:
        port = peer.sockets[0].getsockname()[1]
        with pytest.raises(ConnectException, match="does not speak HTTP/2"):
            await start(client_at(f"http://127.0.0.1:{port}", observer=retries))
    assert retries == []


async def close_after_settings(peer: Peer) -> None:
    peer.hello()
    peer.close()


async def close_with_goaway(peer: Peer) -> None:
    peer.hello()
    await goaway(peer, 0)
    peer.close()


async def allow_no_stream(peer: Peer) -> None:
    peer.h2.local_settings = Settings(False, {SettingCodes.MAX_CONCURRENT_STREAMS: 0})
    peer.hello()
    await peer.gone()


@pytest.mark.parametrize("act", [close_after_settings, close_with_goaway, allow_no_stream])
async def test_a_connection_that_takes_no_stream_is_tried_again(
    act: Callable[[Peer], Awaitable[None]], retries: Retries
) -> None:
    connections = 0
    failing = 2

    async def script(peer: Peer) -> None:
        nonlocal connections
        connections += 1
        if connections <= failing:
            await act(peer)
        else:
            peer.hello()
            await Answers(accept)(peer)

    async with (
        peer_server(script, hello=False) as url,
        client_at(url, AT_ONCE, observer=retries) as client,
    ):
        await (await start(client)).close()
        assert retries == [1, 2]
        assert connections == 3

        failing = 100
        await client.close()
        async with client_at(url, AT_ONCE, observer=retries) as client:
            with pytest.raises(ConnectException) as last:
                await start(client)
            assert last.value.transient
            assert retries == [1, 2, 1, 2]
            assert connections == 6


async def test_starts_that_share_a_connection_wait_when_they_are_refused(
    retries: Retries,
) -> None:
    script = Answers(refused_stream)
    async with (
        peer_server(script) as url,
        client_at(
            url, AT_ONCE, observer=retries, max_streams_per_connection=10, start_attempts=2
        ) as client,
    ):
        await asyncio.gather(*(start(client) for _ in range(10)), return_exceptions=True)
    assert retries == [1] * 10
    assert script.count == 20


async def test_only_one_attempt_of_a_start_is_free(retries: Retries) -> None:
    script = Answers(refused_stream)
    async with (
        peer_server(script) as url,
        client_at(url, AT_ONCE, observer=retries, start_attempts=2) as client,
    ):
        await client.prewarm(5)
        with pytest.raises(StreamResetException):
            await start(client)
    assert retries == [1]
    assert script.count == 3


async def test_no_wait_reaches_beyond_the_start_s_time() -> None:
    script = Answers(refusal(429, "LimitExceededException"))
    async with peer_server(script) as url, client_at(url, NEVER) as client:
        with pytest.raises(LimitExceededException):
            await start(client)
    assert script.count == 1


async def test_a_start_cancelled_between_attempts_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = asyncio.Event()

    class Waiting(Observer):
        def start_retried(self, *told: object) -> None:
            waiting.set()

    async with peer_server(Answers(drop)) as url:
        client = client_at(url, NEVER, observer=Waiting(), start_timeout=1e9)
        task = asyncio.create_task(start(client))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [task for task in leftovers() if "connected" not in repr(task)] == []


async def test_credentials_are_resolved_once_for_all_attempts(retries: Retries) -> None:
    class Counting:
        calls = 0

        async def get_credentials(self) -> Credentials:
            self.calls += 1
            return KEYS

    counting = Counting()
    script = Answers(drop, drop, accept)
    async with peer_server(script) as url:
        async with client_at(
            url, AT_ONCE, observer=retries, credential_resolver=counting
        ) as client:
            await (await start(client)).close()
    assert (script.count, counting.calls) == (3, 1)


@pytest.mark.parametrize("end", [drop, refused_stream, goaway])
async def test_a_kept_connection_that_takes_no_more_is_replaced_at_once(
    end: Answer, retries: Retries
) -> None:
    async def finish(peer: Peer, stream: int) -> None:
        await accept(peer, stream)
        await peer.end_of(stream)
        peer.send(stream, b"", end=True)

    script = Answers(finish, end, accept)
    async with (
        peer_server(script) as url,
        client_at(url, AT_ONCE, observer=retries, start_attempts=1) as client,
    ):
        async with await start(client) as first:
            await first.input_stream.end_stream()
            assert await final_texts(first) == []
        await (await start(client)).close()
    assert script.count == 3
    assert retries == []


# Clocks


class Wrong:
    """A service whose clock differs from ours, and counts its requests."""

    def __init__(self, ahead: float) -> None:
        self.requests = 0
        self.service = TranscriptionService(
            load_engine("scripted"),
            {KEYS.access_key_id: KEYS.secret_access_key},
            workers=1,
            clock=lambda: time.time() + ahead,
        )

    async def serve(self, exchange: Any) -> None:
        self.requests += 1
        await self.service.serve(exchange)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_the_clock_is_corrected_by_the_service_s_date(ahead: float) -> None:
    wrong = Wrong(ahead)
    transport = MemoryTransport(wrong.serve)
    async with client_at("http://nowhere", transport=transport, start_attempts=1) as client:
        async with await start(client) as stream:
            await stream.input_stream.send_audio_event(bytes(32000))
            await stream.input_stream.end_stream()
            assert await final_texts(stream) == ["This is"]
        assert wrong.requests == 2
        assert abs(client.clock_skew - ahead) < 10
        await (await start(client)).close()  # knows now
        assert wrong.requests == 3
    await wrong.service.close()


async def test_a_small_difference_is_let_be() -> None:
    wrong = Wrong(30.0)
    async with client_at("http://nowhere", transport=MemoryTransport(wrong.serve)) as client:
        await (await start(client)).close()
        assert client.clock_skew == 0.0
    await wrong.service.close()


@pytest.mark.parametrize("ahead", [0.0, 3600.0])
async def test_a_wrong_secret_is_not_blamed_on_the_clock_for_ever(ahead: float) -> None:
    async def refuse(peer: Peer, stream: int) -> None:
        peer.respond(
            stream,
            403,
            end=True,
            x_amzn_errortype="InvalidSignatureException",
            date=formatdate(time.time() + ahead, usegmt=True),
        )

    script = Answers(refuse)
    async with peer_server(script) as url, client_at(url) as client:
        with pytest.raises(UnknownServiceException):
            await start(client)
    assert script.count == (2 if ahead else 1)


async def test_the_local_transcribe_tells_its_date() -> None:
    async with LocalTranscribe("scripted") as server:
        client = client_of(server)
        client._starter.clock_skew = -7200.0  # as if our clock had been far ahead before
        await (await start(client)).close()
        assert client.clock_skew == 0.0
        with pytest.raises(BadRequestException):
            await start(client, language_code="de-DE")


# The limiter


async def test_starts_wait_for_a_slot() -> None:
    limiter = StreamLimiter(max_streams=2, starts_per_second=1000)
    async with LocalTranscribe("scripted") as server:
        options = {"limiter": limiter, "start_timeout": 5.0}
        async with (
            client_of(server, **options) as one,
            client_of(server, **options) as other,
        ):
            first = await start(one)
            second = await start(other)
            waiting = [asyncio.create_task(start(client)) for client in (one, other, one)]
            await asyncio.sleep(0)
            while limiter.waiting < 3:
                await asyncio.sleep(0)
            assert limiter.open == 2
            await first.close()  # aborted
            await (await waiting[0]).drain()  # ended cleanly
            third = await waiting[1]
            assert limiter.open == 2
            await second.close()
            fourth = await waiting[2]
            await third.close()
            with pytest.raises(BadRequestException):  # refused: its slot is free at once
                await start(one, language_code="de-DE")
            assert limiter.open == 1
            await fourth.close()
            assert (limiter.open, limiter.waiting) == (0, 0)


async def test_a_start_without_a_slot_ends_in_time() -> None:
    limiter = StreamLimiter(max_streams=1)
    async with LocalTranscribe("scripted") as server:
        client = client_of(server, limiter=limiter, start_timeout=0.2)
        async with await start(client):
            with pytest.raises(TimeoutException) as late:
                await start(client)
            assert late.value.phase == "slot"
            assert late.value.seconds == 0.2  # as it was set, not what was left of it
        await (await start(client)).close()
        assert limiter.open == 0


def test_a_limiter_outlives_its_loop() -> None:
    limiter = StreamLimiter(max_streams=1)
    held = []

    async def once() -> None:
        async with LocalTranscribe("scripted") as server:
            client = client_of(server, limiter=limiter)
            held.append(await start(client))
            assert limiter.open == 1
            await client.close()

    asyncio.run(once())
    asyncio.run(once())
    held.clear()
    gc.collect()
    assert limiter.open == 0


async def test_a_slot_is_free_when_the_peer_resets_a_stream_that_nobody_reads() -> None:
    async def reset(peer: Peer, stream: int) -> None:
        peer.respond(stream)
        peer.reset(stream, ErrorCodes.INTERNAL_ERROR)

    limiter = StreamLimiter(max_streams=1)
    async with (
        peer_server(Answers(reset, reset, reset)) as url,
        client_at(url, limiter=limiter) as client,
    ):
        held = [await start(client) for _ in range(3)]
        assert len(held) == 3


@pytest.mark.parametrize("waits_for", ["endpoint", "credentials", "slot", "another attempt"])
async def test_a_start_that_waits_ends_with_its_client(
    waits_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()

    class Waiting(BaseEndpointResolver, CredentialResolver, Observer):
        async def resolve(self, region: str) -> str:
            waiting.set()
            await asyncio.Event().wait()
            return ""

        async def get_credentials(self) -> Credentials | None:
            await self.resolve("")
            return None

        def start_retried(self, *told: object) -> None:
            waiting.set()

    limiter = StreamLimiter(max_streams=1)
    async with peer_server(Answers(drop)) as url:
        options: dict[str, Any] = {
            "endpoint": {"endpoint_url": None, "endpoint_resolver": Waiting()},
            "credentials": {"credential_resolver": Waiting()},
            "slot": {"limiter": limiter},
            "another attempt": {"observer": Waiting()},
        }[waits_for]
        options = {"endpoint_url": url, "credential_resolver": KEYS, **options}
        client = TranscribeStreamingClient(region="us-east-1", start_timeout=1e9, **options)
        client._starter.backoff = NEVER["backoff"]
        held = await limiter.acquire(1)
        starting = asyncio.create_task(start(client))
        await until(lambda: waiting.is_set() or limiter.waiting)
        await client.close()
        with pytest.raises(StreamClosedException):
            await starting
        assert limiter.waiting == 0
        held.release()
        assert [task for task in leftovers() if "connected" not in repr(task)] == []


async def test_an_endpoint_resolver_has_no_longer_than_the_start() -> None:
    class Hanging(BaseEndpointResolver):
        async def resolve(self, region: str) -> str:
            await asyncio.Event().wait()
            return ""

    client = TranscribeStreamingClient(
        region="us-east-1", endpoint_resolver=Hanging(), start_timeout=0.05
    )
    with pytest.raises(TimeoutException) as late:
        await start(client)
    assert (late.value.phase, late.value.seconds) == ("endpoint", 0.05)


async def test_a_refusal_that_never_ends_is_one(
    retries: Retries, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stall(peer: Peer, stream: int) -> None:
        peer.respond(stream, 503, x_amzn_errortype="ServiceUnavailableException")

    async with (
        peer_server(Answers(stall, accept)) as url,
        client_at(url, AT_ONCE | {"refusal_timeout": 0.05}, observer=retries) as client,
    ):
        await (await start(client)).close()
    assert retries == [1]


async def test_a_refusal_that_trickles_is_one() -> None:
    sent = 0

    async def trickle(peer: Peer) -> None:
        nonlocal sent
        stream = await peer.request()
        peer.respond(stream, 503, x_amzn_errortype="ServiceUnavailableException")
        while sent < MAX_BODY:
            peer.send(stream, b" ")
            sent += 1
            await asyncio.sleep(0)

    async with (
        peer_server(trickle) as url,
        client_at(url, {"refusal_timeout": 0.05}, start_attempts=1) as client,
    ):
        with pytest.raises(ServiceUnavailableException):
            await start(client)
    assert sent < MAX_BODY


async def test_failed_and_cancelled_starts_give_their_slot_back(retries: Retries) -> None:
    limiter = StreamLimiter(max_streams=1)
    script = Answers(drop, accept, drop)
    async with peer_server(script) as url, client_at(url, limiter=limiter) as client:
        await (await start(client)).close()
        with pytest.raises(ConnectionLostException):
            await start(client)
        assert limiter.open == 0
    for turns in range(10):
        async with peer_server(Answers(accept)) as url, client_at(url, limiter=limiter) as client:
            task = asyncio.create_task(start(client))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                await task.result().close()
            assert limiter.open == 0


async def test_a_dropped_stream_gives_its_slot_back() -> None:
    limiter = StreamLimiter(max_streams=1)
    async with peer_server(Answers(accept)) as url, client_at(url, limiter=limiter) as client:
        stream = await start(client)
        assert limiter.open == 1
        del stream
        await (await start(client)).close()
