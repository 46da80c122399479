# mypy: disallow-any-expr
# pyright: strict
"""A resumed stream: its parameters, its events, and what it shares with a plain one."""

from __future__ import annotations

from typing_extensions import assert_type

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.model import StartStreamTranscriptionResponse, TranscriptEvent
from amazon_transcribe.resume import Reconnected, Reconnecting, ResumableTranscription


async def transcribe(client: TranscribeStreamingClient, language: str) -> None:
    async with ResumableTranscription(
        client,
        language_code=language,
        media_sample_rate_hz=16000,
        media_encoding="pcm",
        session_resume_window=None,
        replay_seconds=30,
        max_failures=3,
        number_of_channels=2,
        enable_channel_identification=True,
        partial_results_stability="low",
        language_options=["en-US", "de-DE"],
    ) as stream:
        assert_type(stream, ResumableTranscription)
        assert_type(stream.session_id, str)
        assert_type(stream.response, StartStreamTranscriptionResponse)
        await stream.send_audio_event(bytes(3200))
        await stream.input_stream.send_audio_event(audio_chunk=bytes(3200))
        await stream.end_stream()
        async for event in stream:
            assert_type(event, TranscriptEvent | Reconnecting | Reconnected)
            match event:
                case TranscriptEvent():
                    assert_type(event.transcript.results[0].start_time, float | None)
                case Reconnecting():
                    assert_type(event.reason, SDKError | None)
                    assert_type(event.superseded, tuple[str, ...])
                case Reconnected():
                    assert_type(event.response, StartStreamTranscriptionResponse)
                    assert_type(event.outage, float)
        async for same in stream.output_stream:
            assert_type(same, TranscriptEvent | Reconnecting | Reconnected)
        assert_type(stream.unknown_events, int)


async def hand_over(client: TranscribeStreamingClient, stream: ResumableTranscription) -> None:
    assert_type(await client.drain_all(1.5), int)
    state = stream.export_state()
    assert_type(state, str)
    there = ResumableTranscription.from_state(client, state)
    assert_type(there, ResumableTranscription)
    assert_type(there.audio_bytes_taken, int)
