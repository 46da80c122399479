"""Handlers: one method per kind of event."""

from __future__ import annotations

from .model import (
    CallAnalyticsTranscriptResultStream,
    CategoryEvent,
    MedicalScribeResultStream,
    MedicalScribeTranscriptEvent,
    MedicalTranscriptEvent,
    MedicalTranscriptResultStream,
    UnknownEvent,
    UtteranceEvent,
)
from .transcription import TranscriptEvent, TranscriptResultStream


class _Handler:
    async def handle_unknown_event(self, event: UnknownEvent) -> None:
        """Handle an event of a kind this version does not know; by default it is passed over.

        The result stream counts them in `unknown_events`.

        :param event: Its type, headers and bytes.
        """


class TranscriptResultStreamHandler(_Handler):
    """Reads a result stream and hands each event to its method. Meant to be subclassed.

    :param transcript_result_stream: The `output_stream` of an open transcription.
    """

    def __init__(self, transcript_result_stream: TranscriptResultStream) -> None:
        self._transcript_result_stream = transcript_result_stream

    async def handle_events(self) -> None:
        """Handle every event until the stream ends; what the stream raises is raised here."""
        async for event in self._transcript_result_stream:
            if isinstance(event, TranscriptEvent):
                await self.handle_transcript_event(event)
            elif isinstance(event, UnknownEvent):
                await self.handle_unknown_event(event)

    async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
        """Handle a set of results; to be written by the program.

        :param transcript_event: The results, partial and final.
        """
        raise NotImplementedError("handle_transcript_event")


class CallAnalyticsStreamHandler(_Handler):
    """Reads a call's events and hands each to its method. Meant to be subclassed.

    :param result_stream: The `output_stream` of an open call.
    """

    def __init__(self, result_stream: CallAnalyticsTranscriptResultStream) -> None:
        self._result_stream = result_stream

    async def handle_events(self) -> None:
        """Handle every event until the stream ends; what the stream raises is raised here."""
        async for event in self._result_stream:
            if isinstance(event, UtteranceEvent):
                await self.handle_utterance_event(event)
            elif isinstance(event, CategoryEvent):
                await self.handle_category_event(event)
            elif isinstance(event, UnknownEvent):
                await self.handle_unknown_event(event)

    async def handle_utterance_event(self, event: UtteranceEvent) -> None:
        """Handle what one participant said; to be written by the program.

        :param event: The utterance, partial or final.
        """
        raise NotImplementedError("handle_utterance_event")

    async def handle_category_event(self, event: CategoryEvent) -> None:
        """Handle the categories that the call has come to match; by default passed over.

        :param event: The categories, and where they matched.
        """


class MedicalTranscriptStreamHandler(_Handler):
    """Reads a medical transcription's events and hands each to its method. Meant to be
    subclassed.

    :param result_stream: The `output_stream` of an open medical transcription.
    """

    def __init__(self, result_stream: MedicalTranscriptResultStream) -> None:
        self._result_stream = result_stream

    async def handle_events(self) -> None:
        """Handle every event until the stream ends; what the stream raises is raised here."""
        async for event in self._result_stream:
            if isinstance(event, MedicalTranscriptEvent):
                await self.handle_transcript_event(event)
            elif isinstance(event, UnknownEvent):
                await self.handle_unknown_event(event)

    async def handle_transcript_event(self, event: MedicalTranscriptEvent) -> None:
        """Handle a set of results; to be written by the program.

        :param event: The results, partial and final.
        """
        raise NotImplementedError("handle_transcript_event")


class MedicalScribeStreamHandler(_Handler):
    """Reads a scribe's events and hands each to its method. Meant to be subclassed.

    :param result_stream: The `output_stream` of an open session.
    """

    def __init__(self, result_stream: MedicalScribeResultStream) -> None:
        self._result_stream = result_stream

    async def handle_events(self) -> None:
        """Handle every event until the stream ends; what the stream raises is raised here."""
        async for event in self._result_stream:
            if isinstance(event, MedicalScribeTranscriptEvent):
                await self.handle_transcript_event(event)
            elif isinstance(event, UnknownEvent):
                await self.handle_unknown_event(event)

    async def handle_transcript_event(self, event: MedicalScribeTranscriptEvent) -> None:
        """Handle a segment of the transcript; to be written by the program.

        :param event: The segment, partial or final.
        """
        raise NotImplementedError("handle_transcript_event")
