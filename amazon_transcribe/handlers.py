"""Handlers: one method per kind of event."""

from __future__ import annotations

from .model import TranscriptEvent, TranscriptResultStream, UnknownEvent


class TranscriptResultStreamHandler:
    """Reads a result stream and hands each event to its method. Made to be subclassed.

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

    async def handle_unknown_event(self, event: UnknownEvent) -> None:
        """Handle an event of a kind this version does not know; by default it is passed over.

        :param event: Its type, headers and bytes.
        """
