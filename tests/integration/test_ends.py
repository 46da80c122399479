"""Every end of a stream is told apart, in every place where it is noticed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from h2.errors import ErrorCodes

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectionLostException,
    ParserError,
    SDKError,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import StartStreamTranscriptionEventStream, TranscriptEvent
from tests.integration.test_client import (
    BAD_REQUEST,
    SECOND,
    TRANSCRIPT,
    client_at,
    final_texts,
    leftovers,
    start,
)
from tests.peers import Peer, peer_server

IDS = {"x_amzn_request_id": "the-request", "x_amzn_transcribe_session_id": "the-session"}

End = Callable[[Peer, int], None]


def truncated(peer: Peer, stream: int) -> None:
    peer.send(stream, TRANSCRIPT + TRANSCRIPT[:-3], end=True)


def malformed(peer: Peer, stream: int) -> None:
    peer.send(stream, TRANSCRIPT + b"HTTP/1.1 200 OK\r\n\r\n")


def reset(peer: Peer, stream: int) -> None:
    peer.send(stream, TRANSCRIPT)
    peer.reset(stream, ErrorCodes.INTERNAL_ERROR)


def lost(peer: Peer, stream: int) -> None:
    peer.send(stream, TRANSCRIPT)
    peer.close()


def exception(peer: Peer, stream: int) -> None:
    peer.send(stream, TRANSCRIPT + BAD_REQUEST)


ENDS = [
    (truncated, TruncatedStreamException),
    (malformed, ParserError),
    (reset, StreamResetException),
    (lost, ConnectionLostException),
    (exception, BadRequestException),
]


def ending(end: End) -> Callable[[Peer], Awaitable[None]]:
    """A peer that takes a second of audio and then ends the stream so."""

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, **IDS)
        while peer.received < len(SECOND):
            await peer.next()
        end(peer, stream)

    return script


def assert_described(error: SDKError) -> None:
    assert error.request_id == "the-request"
    assert error.session_id == "the-session"
    assert error.audio_bytes_sent == len(SECOND)


@pytest.mark.parametrize(("end", "kind"), ENDS)
async def test_a_reader_is_told(end: End, kind: type[SDKError]) -> None:
    async with peer_server(ending(end)) as url, client_at(url) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        assert await stream.output_stream.__anext__() == TranscriptEvent()
        with pytest.raises(kind) as first:
            await stream.output_stream.__anext__()
        assert_described(first.value)
        for call in (
            stream.output_stream.__anext__,
            stream.drain,
            lambda: stream.input_stream.send_audio_event(SECOND),
        ):
            with pytest.raises(kind) as again:
                await call()
            assert again.value is first.value
        with pytest.raises(kind) as again:
            await stream.input_stream.end_stream()
        assert again.value is first.value
        await stream.input_stream.end_stream()
        await stream.close()
        await stream.close()
        with pytest.raises(kind):
            await stream.output_stream.__anext__()


def exception_and_end(peer: Peer, stream: int) -> None:
    peer.send(stream, TRANSCRIPT + BAD_REQUEST, end=True)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (truncated, TruncatedStreamException),
        (reset, StreamResetException),
        (lost, ConnectionLostException),
        (exception_and_end, BadRequestException),
    ],
)
async def test_a_writer_is_told_and_the_reader_still_gets_what_came_before(
    end: End, kind: type[SDKError]
) -> None:
    async with peer_server(ending(end)) as url, client_at(url) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        sent = len(SECOND)
        with pytest.raises(kind) as first:
            while True:
                await stream.input_stream.send_audio_event(b"\0\0")
                sent += 2
                await asyncio.sleep(0)
        assert first.value.request_id == "the-request"
        assert first.value.session_id == "the-session"
        assert first.value.audio_bytes_sent in (sent, sent + 2)
        assert await stream.output_stream.__anext__() == TranscriptEvent()
        with pytest.raises(kind) as again:
            await stream.output_stream.__anext__()
        assert again.value is first.value


@pytest.mark.parametrize(
    ("end", "kind"), [(truncated, TruncatedStreamException), (reset, StreamResetException)]
)
async def test_ending_the_input_is_told(end: End, kind: type[SDKError]) -> None:
    async with peer_server(ending(end)) as url, client_at(url) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        live: Any = stream.input_stream._input_stream
        while not (live._stream.input_ended or live._stream.failure):
            await asyncio.sleep(0)
        with pytest.raises(kind) as told:
            await stream.input_stream.end_stream()
        assert_described(told.value)
        await stream.input_stream.end_stream()


async def test_a_peer_that_takes_no_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amazon_transcribe._live.SEND_TIMEOUT", 0.05)

    async def script(peer: Peer) -> None:
        peer.respond(await peer.request(), **IDS)

    async with peer_server(script) as url, client_at(url, max_unsent=1024) as client:
        stream = await start(client)
        with pytest.raises(TimeoutException) as late:
            for _ in range(100):
                await stream.input_stream.send_audio_event(SECOND)
        assert late.value.phase == "send"
        assert late.value.session_id == "the-session"
        with pytest.raises(TimeoutException) as again:
            await stream.output_stream.__anext__()
        assert again.value is late.value


async def test_streams_of_one_connection_keep_their_own_ids() -> None:
    count = 0

    async def script(peer: Peer) -> None:
        nonlocal count
        while True:
            stream = await peer.request()
            peer.respond(stream, x_amzn_request_id=f"request-{count}")
            count += 1

    async with peer_server(script) as url:
        client = client_at(url, max_streams_per_connection=3)
        streams = [await start(client) for _ in range(3)]
        await client.close()
        for number, stream in enumerate(streams):
            with pytest.raises(StreamClosedException) as closed:
                await stream.output_stream.__anext__()
            assert closed.value.request_id == f"request-{number}"
        assert count == 3


async def test_closing_keeps_an_end_that_has_come() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        live: Any = stream.input_stream._input_stream
        while not live._stream.input_ended:
            await asyncio.sleep(0)
        await stream.close()
        assert [event async for event in stream.output_stream] == [TranscriptEvent()]


async def test_two_readers_share_the_events() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await peer.end_of(stream)
        peer.send(stream, TRANSCRIPT * 5, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)

        async def count() -> int:
            return len([event async for event in stream.output_stream])

        counts = asyncio.gather(count(), count())
        await stream.input_stream.end_stream()
        assert sum(await counts) == 5


# Draining


def text_of(event: Any) -> str:
    text: str = event.transcript.results[0].alternatives[0].transcript
    return text


async def test_draining_gives_the_last_results(scheme_client: TranscribeStreamingClient) -> None:
    async with await start(scheme_client) as stream:
        await stream.input_stream.send_audio_event(SECOND)
        events = await stream.drain()
        assert [text_of(event) for event in events] == ["This is", "This is"]
        assert [event.transcript.results[0].is_partial for event in events] == [True, False]
        assert [event async for event in stream.output_stream] == []
        assert await stream.drain() == []
        with pytest.raises(StreamClosedException):
            await stream.input_stream.send_audio_event(SECOND)


async def test_another_task_may_read_while_draining(
    scheme_client: TranscribeStreamingClient,
) -> None:
    drained = asyncio.Event()
    texts = []

    async def read() -> None:
        async for event in stream.output_stream:
            texts.append(text_of(event))
            await drained.wait()  # slow: the end comes while the first event is handled

    async with await start(scheme_client) as stream:
        reader = asyncio.create_task(read())
        await stream.input_stream.send_audio_event(SECOND)
        while not texts:
            await asyncio.sleep(0)
        await stream.drain()
        drained.set()
        await reader
        assert texts == ["This is", "This is"]


async def test_a_drain_out_of_time_loses_nothing() -> None:
    proceed = asyncio.Event()

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, **IDS)
        peer.send(stream, TRANSCRIPT)
        await peer.end_of(stream)
        await proceed.wait()
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        with pytest.raises(TimeoutException) as late:
            await stream.drain(0.05)
        assert late.value.phase == "drain"
        assert late.value.seconds == 0.05
        assert_described(late.value)
        proceed.set()
        assert await stream.drain() == [TranscriptEvent(), TranscriptEvent()]


async def test_draining_a_stream_whose_peer_reads_nothing_is_bounded() -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request())

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        for _ in range(20):
            await stream.input_stream.send_audio_event(SECOND)
        with pytest.raises(TimeoutException):
            await stream.drain(0.05)
        await stream.close()


# Cancellation and shutdown


@pytest.fixture(params=["http", "https"])
async def scheme_client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TranscribeStreamingClient]:
    async with LocalTranscribe("scripted", tls=request.param == "https") as server:
        if server.ca_file:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_at(
            server.endpoint_url, credential_resolver=server.credentials, max_unsent=1
        ) as client:
            yield client


def clients_tasks(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The tasks that are not asyncio's own for accepting, nor the server's."""
    return [
        task
        for task in set(leftovers()) - before
        if "_accept_connection" not in repr(task) and "LocalTranscribe" not in repr(task)
    ]


async def read_all(stream: StartStreamTranscriptionEventStream) -> None:
    async for _ in stream.output_stream:
        pass


CALLS: dict[str, Callable[[StartStreamTranscriptionEventStream], Awaitable[object]]] = {
    "send": lambda stream: stream.input_stream.send_audio_event(SECOND),
    "read": read_all,
    "end": lambda stream: stream.input_stream.end_stream(),
    "drain": lambda stream: stream.drain(),
}


async def cancelled(call: Awaitable[object], turns: int) -> Any:
    """The call's result if it was done within so many turns of the loop, else None."""
    task = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


@pytest.mark.parametrize("call", CALLS)
async def test_a_cancelled_call_harms_no_stream(
    call: str, scheme_client: TranscribeStreamingClient
) -> None:
    for turns in range(14):
        before = set(asyncio.all_tasks())
        async with await start(scheme_client) as stream:
            await stream.input_stream.send_audio_event(SECOND)
            await cancelled(CALLS[call](stream), turns)
            assert clients_tasks(before) == []
            # What was taken is on its way, in order, and the stream goes on.
            if call in ("send", "read"):
                await stream.input_stream.send_audio_event(SECOND)
            await stream.input_stream.end_stream()
            await read_all(stream)
        assert clients_tasks(before) == []


async def test_a_cancelled_start_or_close_leaves_nothing(
    scheme_client: TranscribeStreamingClient,
) -> None:
    for turns in range(24):
        before = set(asyncio.all_tasks())
        stream = await cancelled(start(scheme_client), turns)
        if stream is not None:
            await cancelled(stream.close(), turns % 3)
            with pytest.raises(StreamClosedException):
                await stream.close() or await read_all(stream)
        assert clients_tasks(before) == []
    async with await start(scheme_client) as stream:
        await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        assert await final_texts(stream) == ["This is"]


@pytest.mark.parametrize("turns", range(10))
async def test_closing_a_client_may_be_cancelled_and_repeated(
    turns: int, scheme_client: TranscribeStreamingClient
) -> None:
    before = set(asyncio.all_tasks())
    stream = await start(scheme_client)
    await cancelled(scheme_client.close(), turns)
    await scheme_client.close()
    assert clients_tasks(before) == []
    if turns:
        with pytest.raises(StreamClosedException):
            await read_all(stream)
        with pytest.raises(SDKError, match="closed"):
            await start(scheme_client)


PROGRAM = """
import asyncio, logging, sys
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.auth import StaticCredentialResolver

async def main(url):
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url=url,
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
    reader = asyncio.create_task(streams[0].output_stream.__anext__())
    starting = asyncio.create_task(stream())
    await asyncio.sleep(0)
    print("open")
    kept.append((client, streams) if sys.argv[2] == "kept" else None)

kept = []
logging.getLogger("asyncio").setLevel(logging.ERROR)  # else a slow machine is reported
asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("kept", ["kept", "dropped"])
@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
async def test_a_loop_that_ends_with_open_streams_says_nothing(scheme: str, kept: str) -> None:
    tls = scheme in ("https", "wss")
    credentials = {"AKIDEXAMPLE": "secret"}
    async with LocalTranscribe("scripted", tls=tls, credentials=credentials) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM),
            scheme + "://" + server.endpoint_url.partition("://")[2],
            kept,
            env={**os.environ, "SSL_CERT_FILE": str(server.ca_file or "")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (out, err) == (b"open\n", b"")
    assert process.returncode == 0
