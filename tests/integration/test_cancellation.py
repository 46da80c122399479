"""Cancellation in every wait, and loops that end: nothing is left behind, nothing harmed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, cast

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError, StreamClosedException
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.transcription import StartStreamTranscriptionEventStream
from amazon_transcribe.transports.h2 import H2Transport
from tests.integration.test_ends import read_all
from tests.support.callers import SECOND, client_of, crt_transport, final_texts, leftovers, start
from tests.support.programs import complaints
from tests.support.word_codes import RATE, WordCodes, audio

SCHEMES = ["http", "https", "crt", "ws", "wss"]


class Interrupted:
    """Awaits a call, and cancels its task in the wait of a given number, from 1."""

    def __init__(self, call: Awaitable[Any], wait: int) -> None:
        self._call = call
        self._waits = wait

    @property
    def happened(self) -> bool:
        return self._waits <= 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._call.__await__()
        error: BaseException | None = None
        while True:
            try:
                future = next(steps) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value
            self._waits -= 1
            if self._waits == 0:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                error = yield future
            except BaseException as thrown:  # what the loop throws is the call's
                error = thrown

    async def run(self) -> Any:
        """What the call returns; None if it was cancelled."""

        async def call() -> Any:
            return await self

        task = asyncio.create_task(call())
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()


class Site:
    """A local server, and clients that are joined to it in one of the ways there are."""

    def __init__(self, scheme: str, server: LocalTranscribe) -> None:
        self.scheme = scheme
        self.server = server

    def client(self) -> TranscribeStreamingClient:
        transport: Any = None
        if self.scheme == "crt":
            transport = crt_transport()
            transport.max_unsent = 1
        elif self.scheme in ("ws", "wss"):
            transport = "websocket"
        return client_of(self.server, max_unsent=1, transport=transport)


@asynccontextmanager
async def opened(
    scheme: str, monkeypatch: pytest.MonkeyPatch, engine: Any, **options: Any
) -> AsyncIterator[Site]:
    if scheme in ("ws", "wss"):
        pytest.importorskip("wsproto")
    async with LocalTranscribe(engine, tls=scheme not in ("http", "ws"), **options) as server:
        if server.ca_file:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield Site(scheme, server)


@pytest.fixture(params=SCHEMES)
async def site(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    async with opened(request.param, monkeypatch, "scripted") as made:
        yield made


class Belongings:
    """What a client has, apart from idle connections kept for the next stream."""

    def __init__(self, site: Site, client: TranscribeStreamingClient) -> None:
        self._site = site
        self._client = client
        self._before = set(asyncio.all_tasks())

    async def assert_gone(self) -> None:
        """No task at once; no stream, and no connection but kept ones, when those have closed."""
        tasks = set(leftovers()) - self._before
        # The server's own, and its loop's.
        foreign = ("LocalTranscribe", "NewConnection", "connect_accepted_socket")
        assert [t for t in tasks if not any(name in repr(t) for name in foreign)] == []
        if self._site.scheme in ("http", "https"):
            for pool in cast("H2Transport", self._client._transport)._pool.values():
                for pooled in pool:
                    assert pooled.connection is not None
                    assert not pooled.connection.streams
            return
        if ends := [connection.lost for connection in self._site.server._connections]:
            _, open_still = await asyncio.wait(ends, timeout=120)
            assert not open_still
        transports: list[Any] = [self._client._transport, self._client._websocket]
        for transport in transports:
            for stream in list(getattr(transport, "_streams", ())):
                await asyncio.wait([getattr(stream, "lost", None) or stream.gone], timeout=120)
            assert not getattr(transport, "_streams", ())


CALLS: dict[str, Callable[[StartStreamTranscriptionEventStream], Awaitable[object]]] = {
    "send": lambda stream: stream.input_stream.send_audio_event(SECOND),
    "read": lambda stream: stream.output_stream.__anext__(),
    "end": lambda stream: stream.input_stream.end_stream(),
    "drain": lambda stream: stream.drain(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_cancelled_in_any_wait_harms_no_stream(call: str, site: Site) -> None:
    async with site.client() as client:
        for wait in count(1):
            belongings = Belongings(site, client)
            async with await start(client) as stream:
                await stream.input_stream.send_audio_event(SECOND)
                interrupted = Interrupted(CALLS[call](stream), wait)
                await interrupted.run()
                # What was taken is on its way, in order, and the stream goes on.
                if call in ("send", "read"):
                    await stream.input_stream.send_audio_event(SECOND)
                await stream.input_stream.end_stream()
                await read_all(stream)
            await belongings.assert_gone()
            if not interrupted.happened:
                break
        assert wait <= 10


async def test_a_start_cancelled_in_any_wait_leaves_nothing(site: Site) -> None:
    async with site.client() as client:
        for wait in count(1):
            belongings = Belongings(site, client)
            interrupted = Interrupted(start(client), wait)
            stream = await interrupted.run()
            if not interrupted.happened:
                break
            await belongings.assert_gone()
        assert 2 <= wait <= 20
        await stream.close()
        with pytest.raises(StreamClosedException):
            await read_all(stream)
        await belongings.assert_gone()
        async with await start(client) as stream:
            await stream.input_stream.send_audio_event(SECOND)
            await stream.input_stream.end_stream()
            assert await final_texts(stream) == ["This is"]


async def test_closing_a_client_may_be_cancelled_and_repeated(site: Site) -> None:
    for wait in count(1):
        client = site.client()
        belongings = Belongings(site, client)
        stream = await start(client)
        interrupted = Interrupted(client.close(), wait)
        await interrupted.run()
        await client.close()
        await belongings.assert_gone()
        with pytest.raises(StreamClosedException):
            await read_all(stream)
        with pytest.raises(SDKError, match="closed"):
            await start(client)
        if not interrupted.happened:
            break
    assert wait <= 10


# At any turn of the loop: between a wait's end and its going on as well


async def cancelled(call: Awaitable[object], turns: int) -> Any:
    """The call's result if it was done within so many turns of the loop, else None."""
    task = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()


@pytest.mark.parametrize("site", ["http", "ws"], indirect=True)
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_cancelled_at_any_turn_harms_no_stream(call: str, site: Site) -> None:
    async with site.client() as client:
        for turns in range(14):
            belongings = Belongings(site, client)
            async with await start(client) as stream:
                await stream.input_stream.send_audio_event(SECOND)
                await cancelled(CALLS[call](stream), turns)
                if call in ("send", "read"):
                    await stream.input_stream.send_audio_event(SECOND)
                await stream.input_stream.end_stream()
                await read_all(stream)
            await belongings.assert_gone()


@pytest.mark.parametrize("site", ["http", "https", "ws"], indirect=True)
async def test_a_start_or_close_cancelled_at_any_turn_leaves_nothing(
    site: Site,
) -> None:
    async with site.client() as client:
        for turns in range(24):
            belongings = Belongings(site, client)
            stream = await cancelled(start(client), turns)
            if stream is not None:
                await cancelled(stream.close(), turns % 3)
                with pytest.raises(StreamClosedException):
                    await stream.close() or await read_all(stream)
            await belongings.assert_gone()


# Resumed streams


def resumable(client: TranscribeStreamingClient) -> ResumableTranscription:
    return ResumableTranscription(
        client, language_code="en-US", media_sample_rate_hz=RATE, backoff=0.001
    )


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_resumed_stream_cancelled_in_any_wait_leaves_nothing(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = audio([range(1, 4), range(4, 7)])
    cut = Fault("reset", after_seconds=0.5)  # every connection; the first segment is through

    async def program() -> None:
        nonlocal stream
        stream = resumable(client)
        async with stream:
            await stream.send_audio_event(words)
            await stream.end_stream()
            async for _ in stream:
                pass

    async with opened(scheme, monkeypatch, WordCodes(), faults=[cut]) as site:
        async with site.client() as client:
            # A connection of awscrt takes 50 ms: there not every wait.
            for wait in count(1, 5 if scheme == "crt" else 1):
                stream: Any = None
                belongings = Belongings(site, client)
                interrupted = Interrupted(program(), wait)
                with suppress(SDKError):
                    await interrupted.run()
                assert stream._connection is None or stream._connection._timer is None
                assert stream._task is None or stream._task.done()
                await belongings.assert_gone()
                if not interrupted.happened:
                    break
            assert 6 <= wait <= 60


async def test_a_resumed_stream_left_at_any_turn_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = Fault("reset", after_seconds=0.5)
    async with opened("http", monkeypatch, WordCodes(), faults=[cut]) as site:
        async with site.client() as client:
            for turns in range(60):
                belongings = Belongings(site, client)
                async with resumable(client) as stream:
                    await stream.send_audio_event(audio([range(1, 4), range(4, 7)]))
                    reader = asyncio.ensure_future(read_on(stream))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                with pytest.raises(StreamClosedException):
                    await reader
                await belongings.assert_gone()


async def read_on(stream: ResumableTranscription) -> None:
    async for _ in stream:
        pass


# Loops that end


PROGRAM = """
import asyncio, logging, sys
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.resume import ResumableTranscription

async def main(url):
    transport = None
    if sys.argv[3] == "crt":
        from amazon_transcribe.transports.crt import CrtTransport
        transport = CrtTransport()
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url=url,
        transport=transport,
        credential_resolver=StaticCredentialResolver("AKIDEXAMPLE", "secret"),
    )
    async def stream():
        stream = await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
        await stream.input_stream.send_audio_event(bytes(32000))
        await stream.output_stream.__anext__()
        return stream
    streams = [await stream() for _ in range(3)]
    resumed = ResumableTranscription(client, language_code="en-US", media_sample_rate_hz=16000)
    await resumed.start()
    await resumed.send_audio_event(bytes(32000))
    await resumed.__anext__()
    reader = asyncio.create_task(streams[0].output_stream.__anext__())
    starting = asyncio.create_task(stream())
    await asyncio.sleep(0)
    print("open")
    kept.append((client, streams, resumed) if sys.argv[2] == "kept" else None)

kept = []
logging.getLogger("asyncio").setLevel(logging.ERROR)  # else a slow machine is reported
asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("kept", ["kept", "dropped"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_loop_that_ends_with_open_streams_says_nothing(scheme: str, kept: str) -> None:
    if scheme == "crt":
        crt_transport()
    elif scheme in ("ws", "wss"):
        pytest.importorskip("wsproto")
    tls = scheme not in ("http", "ws")
    credentials = {"AKIDEXAMPLE": "secret"}
    async with LocalTranscribe("scripted", tls=tls, credentials=credentials) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM),
            scheme.replace("crt", "https") + "://" + server.endpoint_url.partition("://")[2],
            kept,
            scheme,
            env={**os.environ, "SSL_CERT_FILE": str(server.ca_file or "")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (out, complaints(err.decode())) == (b"open\n", "")
    assert process.returncode == 0
