"""Handlers: one method for each kind of event.

class Printer(TranscriptResultStreamHandler):
    async def handle_transcript_event(self, transcript_event):
        for result in transcript_event.transcript.results:
            print(result.alternatives[0].transcript)

await Printer(stream.output_stream).handle_events()
"""

from __future__ import annotations

from ._stream.iteration import ConnectionEvent, EventIteration
from .model import (
    CallAnalyticsTranscriptResultStream,
    CategoryEvent,
    MedicalScribeResultStream,
    MedicalScribeTranscriptEvent,
    MedicalTranscriptEvent,
    MedicalTranscriptResultStream,
    TranscriptEvent,
    UnknownEvent,
    UtteranceEvent,
)


class _Handler:
    """Reads a result stream and hands each event to its method.

    :param stream: The stream.
    """

    def __init__(self, stream: EventIteration[object]) -> None:
        self._stream = stream

    async def handle_events(self) -> None:
        """Handle every event until the stream ends; raise what the stream raises."""
        stream = self._source()
        # A program's tests may give any async iterator of events.
        events = stream.including_unknown() if isinstance(stream, EventIteration) else stream
        async for event in events:
            if isinstance(event, UnknownEvent):
                await self.handle_unknown_event(event)
            else:
                await self._handle(event)

    def _source(self) -> EventIteration[object]:
        """Return the stream to read."""
        return self._stream

    async def _handle(self, event: object) -> None:
        """Hand an event of the operation's own to its method."""
        raise NotImplementedError

    async def handle_unknown_event(self, event: UnknownEvent) -> None:
        """Handle an event of a type that this version does not know; by default do nothing.

        The result stream counts them in `unknown_events`.

        :param event: Its type, headers and bytes.
        """


class TranscriptResultStreamHandler(_Handler):
    """Reads a transcription's events and hands each to its method. Meant to be subclassed.

    :param transcript_result_stream: The `output_stream` of an open transcription, or a
        `ResumableTranscription`.
    """

    def __init__(
        self, transcript_result_stream: EventIteration[TranscriptEvent | ConnectionEvent]
    ) -> None:
        super().__init__(transcript_result_stream)
        self._transcript_result_stream = transcript_result_stream

    def _source(self) -> EventIteration[object]:
        return self._transcript_result_stream  # all that some subclasses set

    async def _handle(self, event: object) -> None:
        if isinstance(event, TranscriptEvent):
            await self.handle_transcript_event(event)

    async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
        """Handle a set of results; the program writes this method.

        :param transcript_event: The results, partial and final.
        """
        raise NotImplementedError("handle_transcript_event")


class CallAnalyticsStreamHandler(_Handler):
    """Reads a call's events and hands each to its method. Meant to be subclassed.

    :param result_stream: The `output_stream` of an open call.
    """

    def __init__(self, result_stream: CallAnalyticsTranscriptResultStream) -> None:
        super().__init__(result_stream)

    async def _handle(self, event: object) -> None:
        if isinstance(event, UtteranceEvent):
            await self.handle_utterance_event(event)
        elif isinstance(event, CategoryEvent):
            await self.handle_category_event(event)

    async def handle_utterance_event(self, event: UtteranceEvent) -> None:
        """Handle what one participant said; the program writes this method.

        :param event: The utterance, partial or final.
        """
        raise NotImplementedError("handle_utterance_event")

    async def handle_category_event(self, event: CategoryEvent) -> None:
        """Handle the categories that the call has come to match; by default do nothing.

        :param event: The categories, and where they matched.
        """


class MedicalTranscriptStreamHandler(_Handler):
    """Reads a medical transcription's events. Meant to be subclassed.

    :param result_stream: The `output_stream` of an open medical transcription.
    """

    def __init__(self, result_stream: MedicalTranscriptResultStream) -> None:
        super().__init__(result_stream)

    async def _handle(self, event: object) -> None:
        if isinstance(event, MedicalTranscriptEvent):
            await self.handle_transcript_event(event)

    async def handle_transcript_event(self, event: MedicalTranscriptEvent) -> None:
        """Handle a set of results; the program writes this method.

        :param event: The results, partial and final.
        """
        raise NotImplementedError("handle_transcript_event")


class MedicalScribeStreamHandler(_Handler):
    """Reads a scribe's events and hands each to its method. Meant to be subclassed.

    :param result_stream: The `output_stream` of an open session.
    """

    def __init__(self, result_stream: MedicalScribeResultStream) -> None:
        super().__init__(result_stream)

    async def _handle(self, event: object) -> None:
        if isinstance(event, MedicalScribeTranscriptEvent):
            await self.handle_transcript_event(event)

    async def handle_transcript_event(self, event: MedicalScribeTranscriptEvent) -> None:
        """Handle a segment of the transcript; the program writes this method.

        :param event: The segment, partial or final.
        """
        raise NotImplementedError("handle_transcript_event")
