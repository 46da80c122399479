"""A resumed stream over connections that end in the worst moments."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from amazon_transcribe.exceptions import (
    ConnectionLostException,
    ServiceUnavailableException,
    StreamClosedException,
    TimeoutException,
    UnreadResultsException,
)
from amazon_transcribe.observe import Observer
from amazon_transcribe.resume import Reconnected, Reconnecting, ResumableTranscription
from amazon_transcribe.transcription import TranscriptEvent

from .fake_client import BYTES_PER_SECOND, FakeClient, segment, turns

LOST = ConnectionLostException("lost")
CHUNK = BYTES_PER_SECOND // 10


def numbered(chunks: int) -> list[bytes]:
    return [bytes([number + 1]) * CHUNK for number in range(chunks)]


@asynccontextmanager
async def reading(stream: ResumableTranscription) -> AsyncIterator[list[Any]]:
    """Read a stream in the background; gives what was read so far."""
    events: list[Any] = []

    async def read() -> None:
        async for event in stream:
            events.append(event)

    reader = asyncio.create_task(read())
    try:
        yield events
    finally:
        reader.cancel()
        await asyncio.wait({reader})


def said(events: list[Any]) -> list[str]:
    """What was said in final results, and the names of other events."""
    texts = []
    for event in events:
        if isinstance(event, TranscriptEvent):
            for result in event.transcript.results:
                mark = "…" if result.is_partial else ""
                texts.append((result.alternatives or [])[0].transcript + mark)
        else:
            texts.append(type(event).__name__)
    return texts


class Clock:
    """The loop's clock, which stands still until it is put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self._now)

    async def advance(self, seconds: float) -> None:
        self._now += seconds
        await turns()


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


# Words


async def test_what_a_connection_says_after_its_end_is_heard_from_the_next_one() -> None:
    client = FakeClient()
    async with client.resumable() as stream, reading(stream) as events:
        await stream.send_audio_event(bytes(32_000))
        await turns()
        connection = stream._connection
        assert connection is not None
        client.streams[0].say(segment("a", 0, 1))  # the reader is woken, but it has not run
        connection.end(TimeoutException("read", 1), failed=False)
        await turns()
        client.streams[1].say(segment("a", 0, 1))
        client.streams[1].say(segment("b", 1, 2))
        await turns()
        assert said(events) == ["Reconnecting", "Reconnected", "0-1", "1-2"]


async def test_audio_that_waits_to_be_sent_when_the_connection_ends_is_sent_on_the_next() -> None:
    client = FakeClient()
    chunks = numbered(5)
    async with client.resumable() as stream, reading(stream) as events:
        first = client.streams[0]
        await stream.send_audio_event(chunks[0])
        await turns()
        first.takes_audio.clear()
        for chunk in chunks[1:]:
            await stream.send_audio_event(chunk)
        await turns()
        first.fail(LOST)
        await turns()
        first.send_error = LOST
        first.takes_audio.set()
        await turns()
        assert bytes(first.sent) == chunks[0]
        assert bytes(client.streams[1].sent) == b"".join(chunks)
        assert said(events) == ["Reconnecting", "Reconnected"]


async def test_a_reset_that_only_the_sender_meets_waits_for_the_events_before_it() -> None:
    client = FakeClient()
    async with client.resumable() as stream:
        first = client.streams[0]
        await stream.send_audio_event(bytes(32_000))
        await turns()
        first.say(segment("a", 0, 0.5))
        first.fail(LOST)
        first.send_error = LOST
        await stream.send_audio_event(bytes(32_000))
        await turns()
        assert len(client.streams) == 1
        async with reading(stream) as events:
            await turns()
            assert said(events) == ["0-0.5", "Reconnecting", "Reconnected"]
            assert events[-1].start == 0.5
        assert len(client.streams[1].sent) == 64_000 - BYTES_PER_SECOND // 2


# Time


@pytest.mark.parametrize("in_flight", [False, True])
async def test_an_outage_forgets_nothing_however_long_it_is(clock: Clock, in_flight: bool) -> None:
    client = FakeClient()
    chunks = numbered(50)
    async with client.resumable(replay_seconds=5) as stream, reading(stream) as events:
        first = client.streams[0]
        for chunk in chunks[:-1]:
            await stream.send_audio_event(chunk)
        await turns()
        if in_flight:
            first.takes_audio.clear()
        await stream.send_audio_event(chunks[-1])
        await turns()
        client.may_start.clear()
        first.fail(LOST)
        await turns()
        first.takes_audio.set()  # the connection's last send succeeds, too late
        more = asyncio.create_task(stream.send_audio_event(b"\xff" * CHUNK))
        for _ in range(10):
            await clock.advance(20)
        assert not more.done()
        client.may_start.set()
        await turns()
        more.cancel()
        assert [type(event) for event in events] == [Reconnecting, Reconnected]
        assert (events[1].start, events[1].forgotten) == (0, 0)
        assert bytes(client.streams[1].sent) == b"".join(chunks)


async def test_a_break_that_nobody_has_read_forgets_nothing(clock: Clock) -> None:
    client = FakeClient()
    async with client.resumable(replay_seconds=5) as stream:
        first = client.streams[0]
        for chunk in numbered(49):
            await stream.send_audio_event(chunk)
        await turns()
        first.fail(LOST)
        first.send_error = LOST
        await stream.send_audio_event(bytes(CHUNK))
        more = asyncio.create_task(stream.send_audio_event(bytes(CHUNK)))
        await turns()
        await clock.advance(20)
        async with reading(stream) as events:
            await turns()
            assert events[1].forgotten == 0
        assert not more.done()
        more.cancel()


async def test_a_sender_learns_at_once_that_too_much_lies_unread() -> None:
    client = FakeClient()
    unread = UnreadResultsException(1000)
    async with client.resumable() as stream:
        first = client.streams[0]
        first.say(segment("a", 0, 0.5))
        first.fail(unread)
        first.send_error = unread
        await stream.send_audio_event(bytes(CHUNK))
        await turns()
        with pytest.raises(UnreadResultsException):
            await stream.send_audio_event(bytes(CHUNK))
        with pytest.raises(UnreadResultsException):
            await stream.end_stream()
        assert isinstance(await anext(stream), TranscriptEvent)
        with pytest.raises(UnreadResultsException):
            await anext(stream)
        assert len(client.streams) == 1


async def test_a_broken_connection_that_never_ends_is_replaced(clock: Clock) -> None:
    client = FakeClient()
    async with client.resumable() as stream, reading(stream) as events:
        client.streams[0].send_error = LOST
        await stream.send_audio_event(bytes(CHUNK))
        await turns()
        for _ in range(3):
            await clock.advance(31)
        assert said(events)[:2] == ["Reconnecting", "Reconnected"]
        assert isinstance(events[0].reason, TimeoutException)


async def test_a_renewal_that_finds_no_final_result_is_made_without_one(clock: Clock) -> None:
    client = FakeClient()
    async with client.resumable(renew_after=1000) as stream, reading(stream) as events:
        client.streams[0].say(segment("a", 0, 0.5, partial=True))
        await clock.advance(1001)
        assert said(events) == ["0-0.5…"]
        await clock.advance(300)
        assert said(events) == ["0-0.5…", "Reconnecting", "Reconnected"]
        assert (events[1].reason, events[1].attempt, events[1].superseded) == (None, 0, ("a",))


async def test_a_full_buffer_that_nobody_reads_for_is_no_wait_without_end(clock: Clock) -> None:
    client = FakeClient()
    async with client.resumable(replay_seconds=5) as stream:
        client.streams[0].takes_audio.clear()
        for chunk in numbered(50):
            await stream.send_audio_event(chunk)
        more = asyncio.create_task(stream.send_audio_event(bytes(CHUNK)))
        await turns()
        for _ in range(9):
            await clock.advance(6.5)
            assert not more.done()
        await clock.advance(6.5)
        with pytest.raises(TimeoutException, match="'send'"):
            await more


# Order


async def test_senders_that_wait_are_served_in_their_order() -> None:
    client = FakeClient()
    async with client.resumable(replay_seconds=5) as stream, reading(stream):
        first = client.streams[0]
        for _ in range(50):
            await stream.send_audio_event(bytes(CHUNK))
        chunks = [bytes([number]) * 2 * (40 - number) for number in range(1, 40)]
        senders = [asyncio.create_task(stream.send_audio_event(chunk)) for chunk in chunks]
        await turns()
        assert not any(sender.done() for sender in senders)
        senders[20].cancel()
        for second in range(1, 5):
            first.say(segment(f"s{second}", second - 1, second))
            await turns(100)
        await asyncio.wait(senders)
        await turns(100)
        del chunks[20]
        assert bytes(first.sent[50 * CHUNK :]) == b"".join(chunks)


async def test_readers_share_the_events_and_all_get_the_end() -> None:
    client = FakeClient()
    async with client.resumable() as stream, reading(stream) as one, reading(stream) as other:
        first = client.streams[0]
        for number in range(20):
            first.say(segment(str(number), number, number + 1))
        first.fail(LOST)
        await turns(200)
        await stream.end_stream()
        client.streams[1].end()
        await turns(200)
        assert sorted(said(one + other)) == sorted(
            [*(f"{n}-{n + 1}" for n in range(20)), "Reconnecting", "Reconnected"]
        )
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


# Starts and ends


async def test_of_two_starts_at_a_time_one_is_refused() -> None:
    client = FakeClient()
    client.may_start.clear()
    stream = client.resumable()
    starts = [asyncio.create_task(stream.start()) for _ in range(2)]
    await turns()
    client.may_start.set()
    ends = await asyncio.gather(*starts, return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), StreamClosedException]
    assert len(client.streams) == 1
    await stream.close()
    assert client.streams[0].is_closed


async def test_a_start_that_failed_or_was_cancelled_can_be_made_again() -> None:
    client = FakeClient()
    client.refusals.append(ServiceUnavailableException("later"))
    stream = client.resumable()
    with pytest.raises(ServiceUnavailableException):
        await stream.start()
    client.may_start.clear()
    starting = asyncio.create_task(stream.start())
    await turns()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    client.may_start.set()
    await stream.start()
    assert len(client.streams) == 1
    await stream.close()


@pytest.mark.parametrize("deaf", [False, True])
async def test_closing_while_it_reconnects_leaves_nothing(deaf: bool) -> None:
    before = asyncio.all_tasks()
    client = FakeClient()
    client.swallows_cancellation = deaf
    async with client.resumable() as stream:
        async with reading(stream) as events:
            client.may_start.clear()
            client.streams[0].fail(LOST)
            await turns()
            assert said(events) == ["Reconnecting"]
            assert client.starting == 1
            await stream.close()
            await turns()
            assert said(events) == ["Reconnecting"]
        with pytest.raises(StreamClosedException):
            await anext(stream)
        with pytest.raises(StreamClosedException):
            await stream.send_audio_event(bytes(2))
    assert len(client.streams) == (2 if deaf else 1)
    assert all(stream.is_closed for stream in client.streams)
    assert asyncio.all_tasks() == before


async def test_closing_while_senders_wait_ends_all_of_them() -> None:
    client = FakeClient()
    async with client.resumable(replay_seconds=5) as stream:
        for _ in range(50):
            await stream.send_audio_event(bytes(CHUNK))
        senders = [asyncio.create_task(stream.send_audio_event(bytes(2))) for _ in range(3)]
        await turns()
    ends = await asyncio.gather(*senders, return_exceptions=True)
    assert {type(end) for end in ends} == {StreamClosedException}


async def test_a_task_that_somebody_else_cancels_ends_the_stream() -> None:
    client = FakeClient()
    async with client.resumable() as stream, reading(stream):
        assert stream._task is not None
        stream._task.cancel()
        await turns()
        with pytest.raises(StreamClosedException, match="task was cancelled"):
            await anext(stream)
        assert client.streams[0].is_closed


async def test_an_error_that_is_none_of_the_sdk_s_reaches_the_reader() -> None:
    class Broken(FakeClient):
        async def start_stream_transcription(self, **parameters: Any) -> Any:
            if self.streams:
                raise RuntimeError("a bug")
            return await super().start_stream_transcription(**parameters)

    client = Broken()
    async with client.resumable() as stream:
        client.streams[0].fail(LOST)
        assert isinstance(await anext(stream), Reconnecting)
        with pytest.raises(RuntimeError, match="a bug"):
            await anext(stream)


async def test_an_observer_that_raises_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Observer):
        def reconnecting(self, *arguments: Any) -> None:
            raise RuntimeError("no")

        reconnected = reconnecting

    client = FakeClient(Raising())
    async with client.resumable() as stream, reading(stream) as events:
        client.streams[0].fail(LOST)
        await turns()
        client.streams[1].say(segment("a", 0, 1))
        await turns()
        assert said(events) == ["Reconnecting", "Reconnected", "0-1"]
    assert caplog.text.count("RuntimeError: no") == 2


@pytest.mark.parametrize("cancelled_after", range(12))
async def test_a_read_that_is_cancelled_at_a_break_loses_no_event(cancelled_after: int) -> None:
    client = FakeClient()
    events: list[Any] = []
    async with client.resumable() as stream:
        await stream.send_audio_event(bytes(32_000))
        await turns()
        reader = asyncio.ensure_future(anext(stream))
        client.streams[0].say(segment("a", 0, 1, partial=True))
        client.streams[0].fail(LOST)
        await turns(cancelled_after)
        reader.cancel()
        await asyncio.wait({reader})
        if not reader.cancelled():
            events.append(reader.result())
        async with reading(stream) as rest:
            await turns()
            client.streams[1].say(segment("a", 0, 1))
            await turns()
            assert said(events + rest) == ["0-1…", "Reconnecting", "Reconnected", "0-1"]


async def test_values_that_stand_for_plain_ones() -> None:
    session = uuid.uuid4()
    client = FakeClient()
    async with client.resumable(
        media_sample_rate_hz="16000",
        session_id=session,
        number_of_channels="2",
        enable_channel_identification="false",
    ) as stream:
        assert stream.session_id == str(session)
        assert client.streams[0].response.session_id == str(session)
        await stream.send_audio_event(bytes(32_000))
