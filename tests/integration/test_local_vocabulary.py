"""Custom vocabularies: from the local Transcribe through the client and the command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import BadRequestException, ValidationException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import ChannelDefinition, ConfigurationEvent, UtteranceEvent
from tests.support.callers import client_of, converse
from tests.support.sounds import interleaved, recording

AUDIO = {"language_code": "en-US", "media_sample_rate_hz": 16_000, "media_encoding": "pcm"}
TABLE = "Phrase\tDisplayAs\nten-metres\t10 m\n"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TranscribeStreamingClient]:
    (tmp_path / "units.txt").write_text(TABLE, "utf-8")
    async with (
        LocalTranscribe(
            vocabularies={"units": tmp_path / "units.txt", "names": ["Nkrumah"]},
            vocabulary_filters={"ten": ["10"]},
        ) as server,
        client_of(server) as opened,
    ):
        yield opened


def last_transcript(events: list[Any]) -> str | None:
    results = [result for event in events for result in event.transcript.results]
    transcript: str | None = results[-1].alternatives[0].transcript
    return transcript


async def test_transcription(client: TranscribeStreamingClient) -> None:
    stream = await client.start_stream_transcription(**AUDIO, vocabulary_name="units")
    assert stream.response.vocabulary_name == "units"
    events = await converse(stream, recording("goforward")[0])
    assert last_transcript(events) == "Go forward 10 m."


async def test_a_filter_sees_what_is_written(client: TranscribeStreamingClient) -> None:
    stream = await client.start_stream_transcription(
        **AUDIO, vocabulary_name="units", vocab_filter_name="ten"
    )
    events = await converse(stream, recording("goforward")[0])
    assert last_transcript(events) == "Go forward *** m."


async def test_medical_transcription(client: TranscribeStreamingClient) -> None:
    stream = await client.start_medical_stream_transcription(
        **AUDIO, specialty="CARDIOLOGY", type="DICTATION", vocabulary_name="units"
    )
    events = await converse(stream, recording("goforward")[0])
    assert last_transcript(events) == "Go forward 10 m."


async def test_call_analytics(client: TranscribeStreamingClient) -> None:
    stream = await client.start_call_analytics_stream_transcription(
        **AUDIO,
        vocabulary_name="units",
        configuration=ConfigurationEvent(
            [ChannelDefinition(0, "CUSTOMER"), ChannelDefinition(1, "AGENT")]
        ),
    )
    events = await converse(stream, interleaved(recording("goforward")[0], b""))
    said = [e for e in events if isinstance(e, UtteranceEvent) and not e.is_partial]
    assert [utterance.transcript for utterance in said] == ["Go forward 10 m."]


async def test_refusals(client: TranscribeStreamingClient) -> None:
    with pytest.raises(BadRequestException, match="vocabulary 'other' couldn't be found"):
        await client.start_stream_transcription(**AUDIO, vocabulary_name="other")
    with pytest.raises(BadRequestException, match="IdentifyLanguage|VocabularyNames"):
        await client.start_stream_transcription(
            **{**AUDIO, "language_code": None},
            identify_language=True,
            language_options=["en-US", "de-DE"],
            vocabulary_names=["units", "names"],
        )


async def test_engines_that_take_none_say_so() -> None:
    async with (
        LocalTranscribe("scripted", vocabularies={"names": ["Nkrumah"]}) as server,
        client_of(server) as client,
    ):
        with pytest.raises(BadRequestException, match="scripted takes no custom vocabularies"):
            await client.start_stream_transcription(**AUDIO, vocabulary_name="names")


async def test_what_is_no_vocabulary() -> None:
    with pytest.raises(ValidationException, match="a vocabulary's name"):
        LocalTranscribe("scripted", vocabularies={"a b": ["word"]})
    with pytest.raises(ValidationException, match="phrase 1: .*hyphens"):
        await LocalTranscribe("scripted", vocabularies={"a": ["two words"]}).start()
