"""Alternatives of real speech: from the local Transcribe through the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import (
    ChannelDefinition,
    ConfigurationEvent,
    MedicalResult,
    UtteranceEvent,
)
from amazon_transcribe.transcription import Result
from tests.support.callers import client_of, converse
from tests.support.sounds import interleaved, recording

AUDIO = {"language_code": "en-US", "media_sample_rate_hz": 16_000, "media_encoding": "pcm"}
BEST, SECOND = "Go forward ten meters.", "Go forward ten metres."


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe(
        alternatives=3, vocabulary_filters={"unit": ["metres"], "units": ["metres", "meters"]}
    ) as running:
        yield running


@pytest.fixture
async def client(server: LocalTranscribe) -> AsyncIterator[TranscribeStreamingClient]:
    async with client_of(server) as opened:
        yield opened


def finals(events: list[Any]) -> list[Any]:
    results = [result for event in events for result in event.transcript.results]
    assert all(len(result.alternatives) == 1 for result in results if result.is_partial)
    return [result for result in results if not result.is_partial]


def transcripts(result: Result | MedicalResult) -> list[str | None]:
    return [alternative.transcript for alternative in result.alternatives or ()]


async def test_transcription(client: TranscribeStreamingClient) -> None:
    stream = await client.start_stream_transcription(**AUDIO)
    (final,) = finals(await converse(stream, recording("goforward")[0]))
    assert transcripts(final)[:2] == [BEST, SECOND]
    for alternative in final.alternatives or ():
        spoken = [item for item in alternative.items if item.item_type == "pronunciation"]
        assert " ".join(item.content or "" for item in spoken) + "." == alternative.transcript
        for item in spoken:
            assert final.start_time <= item.start_time < item.end_time <= final.end_time
            assert 0 < item.confidence <= 1


async def test_medical_transcription(client: TranscribeStreamingClient) -> None:
    stream = await client.start_medical_stream_transcription(
        **AUDIO, specialty="CARDIOLOGY", type="DICTATION"
    )
    (final,) = finals(await converse(stream, recording("goforward")[0]))
    assert transcripts(final)[:2] == [BEST, SECOND]


async def test_two_channels(client: TranscribeStreamingClient) -> None:
    stream = await client.start_stream_transcription(
        **AUDIO, enable_channel_identification=True, number_of_channels=2
    )
    speech = recording("goforward")[0]
    results = finals(await converse(stream, interleaved(speech, bytes(32_000) + speech)))
    assert [result.channel_id for result in results] == ["ch_0", "ch_1"]
    for result in results:
        assert transcripts(result)[:2] == [BEST, SECOND]


@pytest.mark.parametrize(
    ("name", "heard"),
    [("unit", [BEST, "Go forward ten ***."]), ("units", ["Go forward ten ***."])],
)
async def test_vocabulary_filter(
    client: TranscribeStreamingClient, name: str, heard: list[str]
) -> None:
    stream = await client.start_stream_transcription(
        **AUDIO, vocab_filter_name=name, vocab_filter_method="mask"
    )
    (final,) = finals(await converse(stream, recording("goforward")[0]))
    assert transcripts(final)[: len(heard)] == heard
    assert not any("metres" in str(transcript) for transcript in transcripts(final))


async def test_call_analytics_tells_the_best(client: TranscribeStreamingClient) -> None:
    stream = await client.start_call_analytics_stream_transcription(
        **AUDIO,
        configuration=ConfigurationEvent(
            [ChannelDefinition(0, "CUSTOMER"), ChannelDefinition(1, "AGENT")]
        ),
    )
    speech = recording("goforward")[0]
    events = await converse(stream, interleaved(speech, b""))
    said = [e for e in events if isinstance(e, UtteranceEvent) and not e.is_partial]
    assert [utterance.transcript for utterance in said] == [BEST]


@pytest.mark.parametrize("number", [0, 11])
def test_number_is_bounded(number: int) -> None:
    with pytest.raises(ValidationException, match="1 to 10"):
        LocalTranscribe(alternatives=number)
