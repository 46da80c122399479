# mypy: disallow-any-expr
# pyright: strict
"""Medical transcription and the scribe: starts, events, ends, and a session looked up."""

from __future__ import annotations

from datetime import datetime

from typing_extensions import assert_type

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.model import (
    AudioStream,
    ClinicalNoteGenerationSettings,
    GetMedicalScribeStreamResponse,
    MedicalAlternative,
    MedicalEntity,
    MedicalItem,
    MedicalResult,
    MedicalScribeConfigurationEvent,
    MedicalScribeInputStream,
    MedicalScribePostStreamAnalyticsSettings,
    MedicalScribeResultStream,
    MedicalScribeStreamDetails,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptItem,
    MedicalScribeTranscriptSegment,
    MedicalTranscriptEvent,
    MedicalTranscriptResultStream,
    StartMedicalScribeStreamEventStream,
    StartMedicalScribeStreamResponse,
    StartMedicalStreamTranscriptionEventStream,
    StartMedicalStreamTranscriptionResponse,
    UnknownEvent,
)


async def transcribe(client: TranscribeStreamingClient, specialty: str) -> None:
    stream = await client.start_medical_stream_transcription(
        language_code="en-US",
        media_sample_rate_hz=16000,
        media_encoding="pcm",
        specialty=specialty,
        type="DICTATION",
        show_speaker_label=True,
        content_identification_type="PHI",
    )
    assert_type(stream, StartMedicalStreamTranscriptionEventStream)
    assert_type(stream.input_stream, AudioStream)
    assert_type(stream.output_stream, MedicalTranscriptResultStream)
    assert_type(stream.response, StartMedicalStreamTranscriptionResponse)
    assert_type(stream.response.specialty, str | None)
    async for event in stream.output_stream:
        assert_type(event, MedicalTranscriptEvent)
        for result in event.transcript.results:
            medical_result(result)
    async for event_of_any_kind in stream.output_stream.including_unknown():
        assert_type(event_of_any_kind, MedicalTranscriptEvent | UnknownEvent)
    assert_type(await stream.drain(), list[MedicalTranscriptEvent])


def medical_result(result: MedicalResult) -> None:
    assert_type(result.is_partial, bool | None)
    for alternative in result.alternatives or ():
        assert_type(alternative, MedicalAlternative)
        assert_type(alternative.transcript, str)
        assert_type(alternative.items, list[MedicalItem])
        assert_type(alternative.entities, list[MedicalEntity] | None)


async def scribe(client: TranscribeStreamingClient, template: str) -> None:
    stream = await client.start_medical_scribe_stream(
        language_code="en-US",
        media_sample_rate_hz=16000,
        media_encoding="pcm",
        configuration=MedicalScribeConfigurationEvent(
            resource_access_role_arn="arn:aws:iam::123456789012:role/scribe",
            post_stream_analytics_settings=MedicalScribePostStreamAnalyticsSettings(
                ClinicalNoteGenerationSettings("notes", note_template=template)
            ),
        ),
    )
    assert_type(stream, StartMedicalScribeStreamEventStream)
    assert_type(stream.input_stream, MedicalScribeInputStream)
    assert_type(stream.output_stream, MedicalScribeResultStream)
    assert_type(stream.response, StartMedicalScribeStreamResponse)
    await stream.input_stream.send_session_control_event()
    async for event in stream.output_stream:
        assert_type(event, MedicalScribeTranscriptEvent)
        if segment := event.transcript_segment:
            assert_type(segment, MedicalScribeTranscriptSegment)
            assert_type(segment.content, str | None)
            assert_type(segment.begin_audio_time, float | None)
            assert_type(segment.items, list[MedicalScribeTranscriptItem] | None)
    async for event_of_any_kind in stream.output_stream.including_unknown():
        assert_type(event_of_any_kind, MedicalScribeTranscriptEvent | UnknownEvent)
    assert_type(await stream.drain(), list[MedicalScribeTranscriptEvent])


async def look_up(client: TranscribeStreamingClient, session_id: str) -> None:
    answer = await client.get_medical_scribe_stream(session_id=session_id)
    assert_type(answer, GetMedicalScribeStreamResponse)
    if details := answer.medical_scribe_stream_details:
        assert_type(details, MedicalScribeStreamDetails)
        assert_type(details.stream_created_at, datetime | None)
        assert_type(details.stream_status, str | None)
        if result := details.post_stream_analytics_result:
            notes = result.clinical_note_generation_result
            assert_type(notes.status if notes else None, str | None)
