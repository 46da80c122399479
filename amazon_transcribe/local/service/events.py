"""What a result of the recogniser becomes: the events of each operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...eventstream import BaseEvent
from ...exceptions import BadRequestException
from ...model import (
    CallAnalyticsItem,
    ConfigurationEvent,
    MedicalAlternative,
    MedicalItem,
    MedicalResult,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptItem,
    MedicalScribeTranscriptSegment,
    MedicalTranscript,
    MedicalTranscriptEvent,
    UtteranceEvent,
)
from ...transcription import Alternative, Result, Transcript, TranscriptEvent
from .categories import Categories, millis
from .vocabulary import VocabularyFilter

__all__ = ["SEVERAL_ALTERNATIVES", "EventMapper", "event_mapper"]

EventMapper = Callable[[Result], list[BaseEvent]]
"""Turns a result of one stream into its events."""


def event_mapper(
    operation: str,
    configuration: Any,
    categories: Categories,
    vocabulary_filter: VocabularyFilter | None,
) -> EventMapper:
    """What turns a stream's results into its events.

    A call's categories go by what was said, its utterances by what the filter leaves.

    :param operation: The operation's name.
    :raises BadRequestException: for a configuration with which it cannot.
    """
    is_call = operation == "StartCallAnalyticsStreamTranscription"
    event_of = _utterances(configuration) if is_call else _EVENTS[operation]

    def to_events(result: Result) -> list[BaseEvent]:
        matched = categories.match(result) if is_call and not result.is_partial else None
        if vocabulary_filter is not None:
            vocabulary_filter.apply(result)
        return [event_of(result)] if matched is None else [event_of(result), matched]

    return to_events


def _transcript(result: Result) -> BaseEvent:
    return TranscriptEvent(Transcript([result]))


def _medical_transcript(result: Result) -> BaseEvent:
    return MedicalTranscriptEvent(
        MedicalTranscript(
            [
                MedicalResult(
                    result.result_id,
                    result.start_time,
                    result.end_time,
                    result.is_partial,
                    [_medical_alternative(a) for a in result.alternatives or ()],
                    result.channel_id,
                )
            ]
        )
    )


def _medical_alternative(alternative: Alternative) -> MedicalAlternative:
    return MedicalAlternative(
        alternative.transcript,
        [
            MedicalItem(i.start_time, i.end_time, i.item_type, i.content, i.confidence)
            for i in alternative.items
        ],
    )


def _scribe_transcript(result: Result) -> BaseEvent:
    best = _best(result)
    items = [
        MedicalScribeTranscriptItem(
            i.start_time,
            i.end_time,
            i.item_type,
            i.confidence,
            i.content,
            i.vocabulary_filter_match,
        )
        for i in best.items
    ]
    return MedicalScribeTranscriptEvent(
        MedicalScribeTranscriptSegment(
            result.result_id,
            result.start_time,
            result.end_time,
            best.transcript,
            items,
            result.is_partial,
            result.channel_id,
        )
    )


def _utterances(configuration: ConfigurationEvent | None) -> Callable[[Result], BaseEvent]:
    """Of a call; who feels what is not told: no engine knows."""
    if configuration is None or not configuration.channel_definitions:
        raise BadRequestException(
            "ChannelDefinitions: the local server takes calls with two channels; say in a"
            " ConfigurationEvent, before any audio, who speaks on which."
        )
    roles = {f"ch_{d.channel_id}": d.participant_role for d in configuration.channel_definitions}

    def utterance(result: Result) -> BaseEvent:
        best = _best(result)
        return UtteranceEvent(
            utterance_id=result.result_id,
            is_partial=result.is_partial,
            participant_role=roles.get(result.channel_id or ""),
            begin_offset_millis=millis(result.start_time),
            end_offset_millis=millis(result.end_time),
            transcript=best.transcript,
            items=[
                CallAnalyticsItem(
                    millis(i.start_time),
                    millis(i.end_time),
                    i.item_type,
                    i.content,
                    i.confidence,
                    i.vocabulary_filter_match,
                    i.stable,
                )
                for i in best.items
            ],
        )

    return utterance


def _best(result: Result) -> Alternative:
    return result.alternatives[0] if result.alternatives else Alternative()


_EVENTS: Mapping[str, Callable[[Result], BaseEvent]] = {
    "StartStreamTranscription": _transcript,
    "StartMedicalStreamTranscription": _medical_transcript,
    "StartMedicalScribeStream": _scribe_transcript,
}
"""By operation: what turns a result into an event, where that takes no configuration."""

SEVERAL_ALTERNATIVES = {"StartStreamTranscription", "StartMedicalStreamTranscription"}
"""The operations whose results have a list of alternatives; the others tell the best."""
