"""What a server tells about the streams that it had."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.exceptions import SDKError, ServiceException, ValidationException
from amazon_transcribe.local import Fault, LocalTranscribe, StreamsNotEnded
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.local.service.records import StreamRecords
from amazon_transcribe.model import ChannelDefinition, ConfigurationEvent
from tests.support.callers import SECOND, client_of, converse, start

TWO_SECONDS = 2 * SECOND


def server(**options: Any) -> LocalTranscribe:
    options = {"engine": ScriptedEngine("Two tickets.\nTo Hamburg."), "keep_streams": 3, **options}
    return LocalTranscribe(**options)


async def test_it_tells_what_was_sent_and_what_was_heard() -> None:
    audio = bytes(range(250)) * 256
    async with server() as local, client_of(local) as client:
        stream = await start(client, session_id="11111111-2222-3333-4444-555555555555")
        await converse(stream, audio, 3_200)
        (record,) = local.streams
    assert record.operation == "StartStreamTranscription"
    assert record.parameters == {
        "language_code": "en-US",
        "media_sample_rate_hz": 16_000,
        "media_encoding": "pcm",
        "session_id": "11111111-2222-3333-4444-555555555555",
    }
    assert record.session_id == "11111111-2222-3333-4444-555555555555"
    assert (record.audio_seconds, record.audio) == (2.0, audio)
    assert record.transcript == "Two tickets. To"
    assert [result.is_partial for result in record.results] == [False, False]
    assert (record.ended, record.reason) == ("complete", "")


async def test_audio_of_two_channels_is_as_long_as_it_sounds() -> None:
    roles = [ChannelDefinition(0, "AGENT"), ChannelDefinition(1, "CUSTOMER")]
    call = ConfigurationEvent(channel_definitions=roles)
    async with server() as local, client_of(local) as client:
        stream = await client.start_call_analytics_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=16_000,
            media_encoding="pcm",
            configuration=call,
        )
        await converse(stream, TWO_SECONDS, 6_400)
        (record,) = local.streams
    assert record.audio_seconds == 1.0
    assert record.configuration == call
    assert [result.channel_id for result in record.results] == ["ch_0", "ch_1"]


@pytest.mark.parametrize(
    ("options", "how", "reason"),
    [
        ({"max_seconds": 1}, "failed", "LimitExceededException: Your client has exceeded"),
        ({"faults": [Fault("http")]}, "fault", ""),
        ({"faults": [Fault("reset", after_events=1)]}, "fault", ""),
    ],
)
async def test_it_tells_how_a_stream_ended(options: Any, how: str, reason: str) -> None:
    async with server(**options) as local, client_of(local, start_attempts=1) as client:
        with pytest.raises(SDKError):
            await converse(await start(client), TWO_SECONDS, 3_200)
        (record,) = await local.streams_ended()
    assert record.ended == how
    assert record.reason.startswith(reason)


async def test_it_tells_why_a_request_was_refused() -> None:
    async with server() as local:
        keys = StaticCredentialResolver(local.credentials.access_key_id, "wrong")
        async with client_of(local, credential_resolver=keys) as client:
            with pytest.raises(ServiceException):
                await start(client)
        (record,) = local.streams
    assert record.ended == "refused"
    assert record.reason.startswith("InvalidSignatureException: ")
    assert record.parameters == {}


async def test_it_tells_who_left_and_who_was_left() -> None:
    async with server() as local, client_of(local) as client:
        leaving, staying = await start(client), await start(client)
        leaving.abort()
        await local.streams_ended()
        await local.close()
        assert [record.ended for record in local.streams] == ["lost", "closed"]
        staying.abort()


async def test_no_more_streams_are_kept_than_asked_for() -> None:
    async with server(keep_streams=1) as local, client_of(local) as client:
        for _ in range(2):
            await converse(await start(client), SECOND, 3_200)
        (record,) = local.streams
    assert record.transcript == "Two tickets."


async def test_a_server_that_keeps_none_says_how_to_keep_them() -> None:
    async with LocalTranscribe("scripted") as local:
        with pytest.raises(SDKError, match="keep_streams="):
            _ = local.streams
        with pytest.raises(SDKError, match="keep_streams="):
            await local.streams_ended()


async def test_a_wait_that_takes_too_long_says_what_is_open() -> None:
    async with server() as local, client_of(local) as client:
        stream = await start(client)
        with pytest.raises(StreamsNotEnded, match=r"StartStreamTranscription: 0 s of audio, open"):
            await local.streams_ended(timeout=0.01)
        with pytest.raises(ValidationException, match="from 1 to 3"):
            await local.streams_ended(4)
        with pytest.raises(ValidationException, match="streams_ended"):
            local.wait_for_streams()
        stream.abort()


def test_a_thread_waits_for_a_stream_that_has_not_begun() -> None:
    records = StreamRecords(2)
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.extend(records.wait(2, timeout=30)))
    waiting.start()
    for _ in range(2):
        with records.record("/stream-transcription") as record:
            record.end("complete")
    waiting.join(30)
    assert found == list(records.so_far)
    with pytest.raises(StreamsNotEnded, match="none has begun"):
        StreamRecords(1).wait(1, timeout=0)


def test_audio_beyond_the_room_is_missed_loudly() -> None:
    records = StreamRecords(2, audio_bytes=10)
    with (
        records.record("/stream-transcription-websocket?x") as first,
        records.record("/stream-transcription") as second,
    ):
        first.take_audio(b"12345678")
        second.take_audio(b"123")
        second.take_audio(b"4")
    assert first.audio == b"12345678"
    with pytest.raises(SDKError, match="^4 bytes of this stream's audio are not kept"):
        _ = second.audio


def test_what_is_no_stream_is_not_among_them() -> None:
    records = StreamRecords(2)
    with records.record("/health"):
        pass
    assert records.so_far == ()


async def test_who_stops_waiting_is_forgotten() -> None:
    records = StreamRecords(2)
    waiting = asyncio.create_task(records.wait_async(1, timeout=30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with records.record("/stream-transcription"):
        pass
    assert await records.wait_async(1, timeout=30) == records.so_far
