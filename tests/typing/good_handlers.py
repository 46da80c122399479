# mypy: disallow-any-expr
# pyright: strict
"""Handlers: one subclass for each kind of stream, with a result of its own."""

from __future__ import annotations

from typing_extensions import assert_type

from amazon_transcribe.handlers import (
    CallAnalyticsStreamHandler,
    MedicalScribeStreamHandler,
    MedicalTranscriptStreamHandler,
    TranscriptResultStreamHandler,
)
from amazon_transcribe.model import (
    CategoryEvent,
    MedicalResult,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptSegment,
    MedicalTranscriptEvent,
    Result,
    StartCallAnalyticsStreamTranscriptionEventStream,
    StartMedicalScribeStreamEventStream,
    StartMedicalStreamTranscriptionEventStream,
    StartStreamTranscriptionEventStream,
    TranscriptEvent,
    TranscriptResultStream,
    UnknownEvent,
    UtteranceEvent,
)
from amazon_transcribe.resume import ResumableTranscription


class Transcript(TranscriptResultStreamHandler):
    def __init__(self, output_stream: TranscriptResultStream, name: str) -> None:
        super().__init__(output_stream)
        self.name = name
        self.results: list[Result] = []

    async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
        self.results += transcript_event.transcript.results

    async def handle_unknown_event(self, event: UnknownEvent) -> None:
        assert_type(event.event_type, str | None)


class Quiet(TranscriptResultStreamHandler):
    async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None: ...


class Call(CallAnalyticsStreamHandler):
    async def handle_utterance_event(self, event: UtteranceEvent) -> None:
        assert_type(event.sentiment, str | None)

    async def handle_category_event(self, event: CategoryEvent) -> None:
        assert_type(event.matched_categories, list[str] | None)


class Medical(MedicalTranscriptStreamHandler):
    async def handle_transcript_event(self, event: MedicalTranscriptEvent) -> None:
        assert_type(event.transcript.results, list[MedicalResult])


class Scribe(MedicalScribeStreamHandler):
    async def handle_transcript_event(self, event: MedicalScribeTranscriptEvent) -> None:
        assert_type(event.transcript_segment, MedicalScribeTranscriptSegment | None)


async def handle(
    transcription: StartStreamTranscriptionEventStream,
    resumed: ResumableTranscription,
    call: StartCallAnalyticsStreamTranscriptionEventStream,
    medical: StartMedicalStreamTranscriptionEventStream,
    scribe: StartMedicalScribeStreamEventStream,
) -> None:
    handler = Transcript(transcription.output_stream, name="first")
    assert_type(await handler.handle_events(), None)
    assert_type(await Quiet(resumed).handle_events(), None)
    await Quiet(resumed.output_stream).handle_events()
    await Call(call.output_stream).handle_events()
    await Medical(medical.output_stream).handle_events()
    await Scribe(scribe.output_stream).handle_events()
