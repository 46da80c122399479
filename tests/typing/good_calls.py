# mypy: disallow-any-expr
# pyright: strict
"""Call analytics: the configuration, the start, the events and their fields, the end."""

from __future__ import annotations

from typing_extensions import assert_type

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.model import (
    CallAnalyticsEntity,
    CallAnalyticsInputStream,
    CallAnalyticsItem,
    CallAnalyticsTranscriptResultStream,
    CategoryEvent,
    ChannelDefinition,
    CharacterOffsets,
    ConfigurationEvent,
    PostCallAnalyticsSettings,
    StartCallAnalyticsStreamTranscriptionEventStream,
    StartCallAnalyticsStreamTranscriptionResponse,
    UnknownEvent,
    UtteranceEvent,
)

CONFIGURATION = ConfigurationEvent(
    channel_definitions=[
        ChannelDefinition(channel_id=0, participant_role="AGENT"),
        ChannelDefinition(channel_id=1, participant_role="CUSTOMER"),
    ],
    post_call_analytics_settings=PostCallAnalyticsSettings(
        output_location="s3://bucket/calls",
        data_access_role_arn="arn:aws:iam::123456789012:role/calls",
        content_redaction_output="redacted",
    ),
)


async def start(client: TranscribeStreamingClient, language: str) -> None:
    stream = await client.start_call_analytics_stream_transcription(
        language_code=language,
        media_sample_rate_hz=8000,
        media_encoding="pcm",
        configuration=CONFIGURATION,
        idle="end",
    )
    assert_type(stream, StartCallAnalyticsStreamTranscriptionEventStream)
    assert_type(stream.input_stream, CallAnalyticsInputStream)
    assert_type(stream.output_stream, CallAnalyticsTranscriptResultStream)
    assert_type(stream.response, StartCallAnalyticsStreamTranscriptionResponse)
    assert_type(stream.response.session_id, str | None)
    assert_type(await stream.drain(), list[UtteranceEvent | CategoryEvent])


async def configure_later(client: TranscribeStreamingClient) -> None:
    async with await client.start_call_analytics_stream_transcription(
        language_code="en-US", media_sample_rate_hz=8000, media_encoding="pcm"
    ) as stream:
        await stream.input_stream.send_configuration_event(CONFIGURATION)
        await stream.input_stream.send_audio_event(bytes(1600))
        await stream.input_stream.end_stream()


async def read(stream: CallAnalyticsTranscriptResultStream) -> None:
    async for event in stream:
        assert_type(event, UtteranceEvent | CategoryEvent)
        if isinstance(event, UtteranceEvent):
            utterance(event)
        else:
            category(event)
    assert_type(stream.unknown_events, int)


async def read_all_kinds(stream: CallAnalyticsTranscriptResultStream) -> None:
    async for event in stream.including_unknown():
        assert_type(event, UtteranceEvent | CategoryEvent | UnknownEvent)


def utterance(event: UtteranceEvent) -> None:
    assert_type(event.utterance_id, str | None)
    assert_type(event.is_partial, bool | None)
    assert_type(event.participant_role, str | None)
    assert_type(event.begin_offset_millis, int | None)
    assert_type(event.transcript, str | None)
    assert_type(event.items, list[CallAnalyticsItem] | None)
    assert_type(event.entities, list[CallAnalyticsEntity] | None)
    assert_type(event.sentiment, str | None)
    for issue in event.issues_detected or ():
        assert_type(issue.character_offsets, CharacterOffsets | None)


def category(event: CategoryEvent) -> None:
    assert_type(event.matched_categories, list[str] | None)
    for name, points in (event.matched_details or {}).items():
        assert_type(name, str)
        for part in points.timestamp_ranges or ():
            assert_type(part.end_offset_millis, int | None)
