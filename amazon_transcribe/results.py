"""What the events of any operation say, as results of a transcription.

for result in results_of(event):
    print(result.is_partial, result.alternatives[0].transcript)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ._protocol.events import UnknownEvent
from ._protocol.times import seconds_of
from ._stream.iteration import ConnectionEvent
from .call_analytics import CategoryEvent, UtteranceEvent
from .medical import MedicalItem, MedicalResult, MedicalTranscriptEvent
from .medical_scribe import MedicalScribeTranscriptEvent, MedicalScribeTranscriptSegment
from .transcription import Alternative, Item, Result, TranscriptEvent

__all__ = ["Said", "parts_of", "results_of"]

Said: TypeAlias = (
    Result
    | TranscriptEvent
    | MedicalResult
    | MedicalTranscriptEvent
    | UtteranceEvent
    | CategoryEvent
    | MedicalScribeTranscriptSegment
    | MedicalScribeTranscriptEvent
    | ConnectionEvent
    | UnknownEvent
)
"""An event of any stream, or one result of it."""


def results_of(said: Said) -> Sequence[Result]:
    """Return the results of an event, those of other operations in a transcription's shape.

    An utterance of a call has its participant's role as its channel and speaker, and
    its times in seconds. Events that say nothing, such as categories, have no results.

    :param said: An event, or one result of it; a transcription's own results are returned
        as they are.
    """
    if isinstance(said, Result):
        return (said,)
    if isinstance(said, TranscriptEvent):
        return said.transcript.results
    if isinstance(said, MedicalTranscriptEvent):
        return [_of_medical(result) for result in said.transcript.results]
    if isinstance(said, MedicalResult):
        return (_of_medical(said),)
    if isinstance(said, UtteranceEvent):
        return (_of_utterance(said),)
    if isinstance(said, MedicalScribeTranscriptEvent):
        return () if said.transcript_segment is None else (_of_segment(said.transcript_segment),)
    if isinstance(said, MedicalScribeTranscriptSegment):
        return (_of_segment(said),)
    return ()


def parts_of(said: Said) -> Sequence[Said]:
    """Return the results of an event that wraps them as the service gave them, else the event.

    :param said: An event, or one result of it.
    """
    if isinstance(said, (TranscriptEvent, MedicalTranscriptEvent)):
        return said.transcript.results
    if isinstance(said, MedicalScribeTranscriptEvent):
        return () if said.transcript_segment is None else (said.transcript_segment,)
    return (said,)


def _of_medical(result: MedicalResult) -> Result:
    alternatives = [
        Alternative(alternative.transcript, [_of_medical_item(item) for item in alternative.items])
        for alternative in result.alternatives or ()
    ]
    return Result(
        result.result_id,
        result.start_time,
        result.end_time,
        result.is_partial,
        alternatives,
        result.channel_id,
    )


def _of_medical_item(item: MedicalItem) -> Item:
    return Item(
        item.start_time,
        item.end_time,
        item.item_type,
        item.content,
        speaker=item.speaker,
        confidence=item.confidence,
    )


def _of_utterance(event: UtteranceEvent) -> Result:
    items = [
        Item(
            seconds_of(item.begin_offset_millis),
            seconds_of(item.end_offset_millis),
            item.item_type,
            item.content,
            item.vocabulary_filter_match,
            event.participant_role,
            item.confidence,
            item.stable,
        )
        for item in event.items or ()
    ]
    return Result(
        event.utterance_id,
        seconds_of(event.begin_offset_millis),
        seconds_of(event.end_offset_millis),
        event.is_partial,
        [Alternative(event.transcript or "", items)],
        event.participant_role,
        event.language_code,
    )


def _of_segment(segment: MedicalScribeTranscriptSegment) -> Result:
    items = [
        Item(
            item.begin_audio_time,
            item.end_audio_time,
            item.item_type,
            item.content,
            item.vocabulary_filter_match,
            confidence=item.confidence,
        )
        for item in segment.items or ()
    ]
    return Result(
        segment.segment_id,
        segment.begin_audio_time,
        segment.end_audio_time,
        segment.is_partial,
        [Alternative(segment.content or "", items)],
        segment.channel_id,
    )
