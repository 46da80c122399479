# mypy: disallow-any-expr
# pyright: strict
"""Transcription: the start, the response, the events and their fields, the end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

from typing_extensions import assert_type

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.model import (
    Alternative,
    AudioStream,
    Entity,
    Item,
    LanguageWithScore,
    Result,
    StartStreamTranscriptionEventStream,
    StartStreamTranscriptionResponse,
    Transcript,
    TranscriptEvent,
    TranscriptResultStream,
    UnknownEvent,
)


def make_client(region: str) -> TranscribeStreamingClient:
    return TranscribeStreamingClient(
        region=region,
        endpoint_url="https://localhost:8443",
        max_streams_per_connection=2,
        connect_timeout=1,
        start_timeout=2.5,
        start_attempts=1,
        idle_timeout=20,
        max_unsent=65_536,
        ssl_context=ssl.create_default_context(),
        transport="websocket",
    )


async def start_with_the_least(client: TranscribeStreamingClient) -> None:
    stream = await client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
    )
    assert_type(stream, StartStreamTranscriptionEventStream)
    assert_type(stream.input_stream, AudioStream)
    assert_type(stream.output_stream, TranscriptResultStream)
    assert_type(stream.response, StartStreamTranscriptionResponse)
    await stream.close()


async def start_with_everything(client: TranscribeStreamingClient) -> None:
    async with await client.start_stream_transcription(
        media_sample_rate_hz=8000,
        media_encoding="flac",
        vocabulary_name="words",
        session_id="c0ffee00-0000-4000-8000-000000000000",
        vocab_filter_method="mask",
        vocab_filter_name="rude",
        vocabulary_names=["words", "names"],
        vocabulary_filter_names="rude,ruder",
        show_speaker_label=True,
        enable_channel_identification=False,
        number_of_channels=2,
        enable_partial_results_stabilization=True,
        partial_results_stability="high",
        content_identification_type="PII",
        content_redaction_type="PII",
        pii_entity_types=["NAME"],
        language_model_name="model",
        identify_language=True,
        language_options=["en-US", "de-DE"],
        preferred_language="en-US",
        identify_multiple_languages=False,
        session_resume_window=30,
        transcript_format="written",
        idle="silence",
        idle_after=5,
    ) as stream:
        assert_type(stream, StartStreamTranscriptionEventStream)


async def start_with_what_is_read_at_run_time(
    client: TranscribeStreamingClient, language: str, encoding: str, rate: int, stability: str
) -> None:
    await client.start_stream_transcription(
        language_code=language,
        media_sample_rate_hz=rate,
        media_encoding=encoding,
        vocabulary_name=None,
        partial_results_stability=stability,
        language_options=None,
        vocab_filter_names=["rude"],
    )


async def send(stream: AudioStream, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        await stream.send_audio_event(chunk)
        await stream.send_audio_event(audio_chunk=memoryview(chunk))
    await stream.send_audio_event(None)
    await stream.end_stream()


async def read(stream: TranscriptResultStream) -> None:
    async for event in stream:
        assert_type(event, TranscriptEvent)
        for result in event.transcript.results:
            assert_type(result, Result)
    assert_type(stream.unknown_events, int)
    assert_type(stream.unknown_exceptions, int)


async def read_one(stream: TranscriptResultStream) -> TranscriptEvent:
    return await stream.__anext__()


async def read_all_kinds(stream: TranscriptResultStream) -> None:
    async for event in stream.including_unknown():
        assert_type(event, TranscriptEvent | UnknownEvent)
        if isinstance(event, UnknownEvent):
            assert_type(event.event_type, str | None)
            assert_type(event.payload, bytes)
            assert_type(event.headers, dict[str, bool | int | bytes | str])
        else:
            assert_type(event.transcript, Transcript)


async def end(stream: StartStreamTranscriptionEventStream) -> list[Result]:
    assert_type(await stream.drain(), list[TranscriptEvent])
    return [
        result for event in await stream.drain(timeout=5) for result in event.transcript.results
    ]


def fields(result: Result) -> None:
    assert_type(result.result_id, str | None)
    assert_type(result.start_time, float | None)
    assert_type(result.end_time, float | None)
    assert_type(result.is_partial, bool | None)
    assert_type(result.channel_id, str | None)
    assert_type(result.language_code, str | None)
    for language in result.language_identification or ():
        assert_type(language, LanguageWithScore)
        assert_type(language.language_code, str | None)
        assert_type(language.score, float | None)
    for alternative in result.alternatives or ():
        assert_type(alternative, Alternative)
        assert_type(alternative.transcript, str)
        for item in alternative.items:
            assert_type(item, Item)
            assert_type(item.start_time, float | None)
            assert_type(item.end_time, float | None)
            assert_type(item.item_type, str | None)
            assert_type(item.content, str | None)
            assert_type(item.vocabulary_filter_match, bool | None)
            assert_type(item.speaker, str | None)
            assert_type(item.confidence, float | None)
            assert_type(item.stable, bool | None)
        for entity in alternative.entities or ():
            assert_type(entity, Entity)
            assert_type(entity.category, str | None)
            assert_type(entity.entity_type, str | None)
            assert_type(entity.confidence, float | None)


def answer(response: StartStreamTranscriptionResponse) -> None:
    assert_type(response.transcript_result_stream, TranscriptResultStream)
    assert_type(response.request_id, str | None)
    assert_type(response.session_id, str | None)
    assert_type(response.language_code, str | None)
    assert_type(response.media_sample_rate_hz, int | None)
    assert_type(response.media_encoding, str | None)
    assert_type(response.number_of_channels, int | None)
    assert_type(response.identify_language, bool | None)


def make_event() -> TranscriptEvent:
    item = Item(start_time=0.0, end_time=0.4, item_type="pronunciation", content="Go")
    return TranscriptEvent(Transcript([Result("id", 0.0, 0.4, False, [Alternative("Go", [item])])]))


async def use_the_client(region: str) -> None:
    async with make_client(region) as client:
        assert_type(client, TranscribeStreamingClient)
        assert_type(client.region, str)
        assert_type(client.service_name, str)
        await client.prewarm(3)
        await start_with_the_least(client)
    await client.close()
