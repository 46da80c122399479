"""Every end of a stream is told apart, in every place where it is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, StreamEnded

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import EventStreamDecoder, decode_message, encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    ParserError,
    SDKError,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnexpectedAnswerException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.transcription import StartStreamTranscriptionEventStream, TranscriptEvent
from tests.support.callers import BAD_REQUEST, SECOND, TRANSCRIPT, client_at, client_of, start
from tests.support.peers import Peer, peer_server

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
        while not (live._stream.ended or live._stream.failure):
            await asyncio.sleep(0)
        with pytest.raises(kind) as told:
            await stream.input_stream.end_stream()
        assert_described(told.value)
        await stream.input_stream.end_stream()


async def test_a_peer_that_takes_no_audio() -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request(), **IDS)

    async with (
        peer_server(script) as url,
        client_at(url, {"send_timeout": 0.05}, max_unsent=1024) as client,
    ):
        stream = await start(client)
        with pytest.raises(TimeoutException) as late:
            for _ in range(100):
                await stream.input_stream.send_audio_event(SECOND)
        assert late.value.phase == "send"
        assert late.value.session_id == "the-session"
        with pytest.raises(TimeoutException) as again:
            await stream.output_stream.__anext__()
        assert again.value is late.value


def audio_in(frames: bytes) -> list[bytes]:
    """The audio of signed frames, event by event."""
    return [
        decode_message(frame.payload).payload
        for frame in EventStreamDecoder().feed(frames)
        if frame.payload
    ]


async def test_sends_that_are_given_up_do_not_pile_up() -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request(), **IDS)

    async with peer_server(script) as url, client_at(url, max_unsent=64 * 1024) as client:
        async with await start(client) as stream:
            for _ in range(100):
                sending = asyncio.create_task(stream.input_stream.send_audio_event(SECOND))
                await asyncio.sleep(0)
                sending.cancel()
                await asyncio.wait({sending})
        with pytest.raises(StreamClosedException) as ended:
            await stream.output_stream.__anext__()
        assert ended.value.audio_bytes_sent <= 65_535 + 64 * 1024 + len(SECOND)


async def test_sends_that_wait_go_out_in_order_and_before_the_end() -> None:
    frames: list[bytes] = []
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await go_on.wait()
        while True:
            event = await peer.next(DataReceived, StreamEnded)
            if isinstance(event, StreamEnded):
                break
            assert isinstance(event, DataReceived)
            assert event.flow_controlled_length is not None
            frames.append(event.data)
            peer.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            peer.flush()
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url, client_at(url, max_unsent=4096) as client:
        async with await start(client) as stream:
            chunks = [bytes([number]) * 3200 for number in range(1, 101)]
            calls = [stream.input_stream.send_audio_event(chunk) for chunk in chunks]
            sending = [asyncio.create_task(call) for call in calls]
            ending = asyncio.create_task(stream.input_stream.end_stream())
            await asyncio.sleep(0)
            go_on.set()
            await asyncio.gather(*sending, ending)
            await read_all(stream)
    assert audio_in(b"".join(frames)) == chunks


async def test_no_audio_counts_as_sent_after_the_end() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, **IDS)
        await peer.next(DataReceived)
        peer.h2.end_stream(stream)
        peer.flush()

    async with peer_server(script) as url, client_at(url) as client:
        async with await start(client) as stream:
            await stream.input_stream.send_audio_event(SECOND)
            await read_all(stream)
            for _ in range(3):
                with pytest.raises(StreamClosedException) as told:
                    await stream.input_stream.send_audio_event(SECOND)
                assert told.value.audio_bytes_sent == len(SECOND)


def said_goaway(last: int, code: int, text: bytes = b"") -> bytes:
    data = last.to_bytes(4, "big") + code.to_bytes(4, "big") + text
    return len(data).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + data


async def test_what_a_peer_says_before_it_closes_is_told() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await peer.request()  # a stream that the peer does not take
        peer.write(said_goaway(stream, ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_\x1b[1mpings"))
        peer.close()

    async with (
        peer_server(script) as url,
        client_at(url, max_streams_per_connection=2, start_attempts=1) as client,
    ):
        stream = await start(client)
        with pytest.raises(StreamResetException, match="ENHANCE_YOUR_CALM: 'too_many") as refused:
            await start(client)
        assert refused.value.unprocessed
        with pytest.raises(ConnectionLostException) as lost:
            await stream.output_stream.__anext__()
        told = r"after GOAWAY with ENHANCE_YOUR_CALM: 'too_many_\x1b[1mpings'"
        for error in (refused.value, lost.value):
            assert error.code == ErrorCodes.ENHANCE_YOUR_CALM
            assert str(error).endswith(told)


async def test_what_a_peer_says_instead_of_taking_streams_is_told() -> None:
    async def script(peer: Peer) -> None:
        peer.write(said_goaway(0, 99, b"x" * 10_000))
        peer.close()

    async with peer_server(script) as url, client_at(url, start_attempts=1) as client:
        with pytest.raises(ConnectException, match="after GOAWAY with 99: 'x{200}'$"):
            await start(client)


async def test_a_frame_that_is_too_long_is_refused_at_its_header() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.write(b"\xff\xff\xff\x00\x00" + stream.to_bytes(4, "big") + bytes(1000))
        with suppress(ConnectionError):
            goodbyes.append(await peer.next(ConnectionTerminated))

    goodbyes: list[Any] = []
    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        with pytest.raises(ConnectionLostException, match="a frame of 16,777,215 bytes"):
            await asyncio.wait_for(stream.output_stream.__anext__(), 60)
        while not goodbyes:
            await asyncio.sleep(0)
    assert goodbyes[0].error_code == ErrorCodes.FRAME_SIZE_ERROR


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
        while not live._stream.ended:
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


@pytest.mark.parametrize("read", [0, 1])
async def test_drained_events_of_unknown_types_are_counted(read: int) -> None:
    unknown = encode_message({":message-type": "event", ":event-type": "New"}, b"")

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, **IDS)
        await peer.end_of(stream)
        peer.send(stream, unknown + TRANSCRIPT + unknown, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        await stream.input_stream.end_stream()
        for _ in range(read):
            assert await anext(stream.output_stream) == TranscriptEvent()
        assert len(await stream.drain()) == 1 - read
        assert stream.output_stream.unknown_events == 2
        assert [event.event_type for event in stream.output_stream.skipped_events] == ["New"] * 2


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


@pytest.fixture(params=["http", "https"])
async def scheme_client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TranscribeStreamingClient]:
    async with LocalTranscribe("scripted", tls=request.param == "https") as server:
        if server.ca_file:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_of(server, max_unsent=1) as client:
            yield client


async def read_all(stream: StartStreamTranscriptionEventStream) -> None:
    async for _ in stream.output_stream:
        pass


PAGE = b"<!DOCTYPE html>\n<html><body>Sign in\x1b[31m</body></html>"


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("text/html; charset=utf-8", PAGE, r"of type text/html.* begins with '<!DOCTYPE html> <ht"),
        ("text/html", PAGE, r"Sign in\\u001b\[31m"),
        ("text/html", b"", "of type text/html and empty"),
        ("application/json", b'{"status": "ok"}', r"application/json and begins with '{\"status"),
        ("application/json", b"\xff" * 1000, "begins with '\ufffd{100}…'"),
        ("", b"", "of no content type and empty"),
    ],
)
async def test_an_answer_that_is_no_event_stream(kind: str, body: bytes, words: str) -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, content_type=kind)
        peer.send(stream, body, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        with pytest.raises(UnexpectedAnswerException, match=words) as failed:
            stream = await start(client)
            [event async for event in stream.output_stream]
        assert failed.value.status_code == 200
        assert failed.value.content_type == (kind or None)
        assert failed.value.body == body
        assert "captive portal" in str(failed.value)


async def test_an_answer_that_is_no_event_stream_and_does_not_end() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, content_type="text/html")
        peer.send(stream, b"x" * 5000)

    async with peer_server(script) as url, client_at(url, {"refusal_timeout": 0.1}) as client:
        with pytest.raises(UnexpectedAnswerException) as failed:
            await start(client)
        assert failed.value.body == b"x" * 1000


@pytest.mark.parametrize("kind", ["", "Application/vnd.amazon.eventstream;charset=x"])
async def test_an_event_stream_of_another_spelling_or_without_content_type(kind: str) -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, content_type=kind)
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        assert len([event async for event in stream.output_stream]) == 1


async def test_an_empty_event_stream_ends_cleanly() -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request(), end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        assert [event async for event in stream.output_stream] == []
