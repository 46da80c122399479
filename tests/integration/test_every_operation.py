"""The operations besides StartStreamTranscription, over each transport there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import BadRequestException, ResourceNotFoundException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import (
    ChannelDefinition,
    ClinicalNoteGenerationSettings,
    ConfigurationEvent,
    MedicalScribeConfigurationEvent,
    MedicalScribePostStreamAnalyticsSettings,
    MedicalScribeTranscriptEvent,
    MedicalTranscriptEvent,
    UtteranceEvent,
)
from tests.support.callers import SECOND, client_at, crt_transport

AUDIO = {"language_code": "en-US", "media_sample_rate_hz": 16000, "media_encoding": "pcm"}
NO_SESSION = "11111111-2222-3333-4444-555555555555"
CALL = ConfigurationEvent([ChannelDefinition(0, "AGENT"), ChannelDefinition(1, "CUSTOMER")])
SCRIBING = MedicalScribeConfigurationEvent(
    "arn:aws:iam::123456789012:role/scribe",
    MedicalScribePostStreamAnalyticsSettings(ClinicalNoteGenerationSettings("notes-bucket")),
)


@pytest.fixture(params=["http", "https", "crt", "ws", "wss"])
async def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TranscribeStreamingClient]:
    async with LocalTranscribe("scripted", tls=request.param in ("https", "crt", "wss")) as server:
        if server.ca_file:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        url = server.endpoint_url
        if request.param.startswith("ws"):
            pytest.importorskip("wsproto")
            url = url.replace("http", "ws")
        transport = crt_transport() if request.param == "crt" else None
        keys = server.credentials
        async with client_at(url, credential_resolver=keys, transport=transport) as made:
            yield made


async def converse(stream: Any) -> list[Any]:
    """Send three seconds, end the input, and return the events."""
    async with stream:
        for _ in range(3):
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await stream.input_stream.end_stream()
        return [event async for event in stream.output_stream]


async def test_a_call(client: TranscribeStreamingClient) -> None:
    stream = await client.start_call_analytics_stream_transcription(**AUDIO, configuration=CALL)
    assert stream.response.session_id
    events = await converse(stream)
    assert {type(event) for event in events} == {UtteranceEvent}
    assert {event.participant_role for event in events} == {"AGENT", "CUSTOMER"}


async def test_a_medical_transcription(client: TranscribeStreamingClient) -> None:
    stream = await client.start_medical_stream_transcription(
        **AUDIO, specialty="PRIMARYCARE", type="DICTATION"
    )
    assert stream.response.specialty == "PRIMARYCARE"
    events = await converse(stream)
    assert {type(event) for event in events} == {MedicalTranscriptEvent}
    assert events[-1].transcript.results[0].alternatives[0].transcript


async def test_a_scribe_and_what_became_of_it(client: TranscribeStreamingClient) -> None:
    stream = await client.start_medical_scribe_stream(**AUDIO, configuration=SCRIBING)
    session_id = stream.response.session_id
    assert session_id
    events = await converse(stream)
    assert {type(event) for event in events} == {MedicalScribeTranscriptEvent}
    answer = await client.get_medical_scribe_stream(session_id=session_id)
    assert answer.medical_scribe_stream_details
    assert answer.medical_scribe_stream_details.stream_status == "COMPLETED"


async def test_a_refusal_beside_a_configuration(client: TranscribeStreamingClient) -> None:
    with pytest.raises(BadRequestException, match="LanguageModelName"):
        await client.start_call_analytics_stream_transcription(
            **AUDIO, configuration=CALL, language_model_name="none"
        )


async def test_look_ups_leave_nothing_behind(client: TranscribeStreamingClient) -> None:
    for _ in range(3):
        with pytest.raises(ResourceNotFoundException):
            await client.get_medical_scribe_stream(session_id=NO_SESSION)
    await client.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
