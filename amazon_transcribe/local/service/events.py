"""The events of each operation, made from the results of a recogniser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...eventstream import BaseEvent
from ...exceptions import BadRequestException
from ...model import (
    CallAnalyticsEntity,
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
from ...transcription import Alternative, Entity, Result, Transcript, TranscriptEvent
from .categories import Categories, millis
from .custom_vocabulary import CustomVocabulary
from .privacy import Privacy
from .vocabulary import VocabularyFilter

__all__ = ["SEVERAL_ALTERNATIVES", "EventMapper", "empty_event", "event_mapper"]

EventMapper = Callable[[Result], list[BaseEvent]]
"""Turns a result of one stream into its events."""


def event_mapper(
    operation: str,
    configuration: Any,
    categories: Categories,
    privacy: Privacy | None,
    vocabulary_filter: VocabularyFilter | None,
    vocabulary: CustomVocabulary | None = None,
) -> EventMapper:
    """Return what turns a stream's results into its events.

    :param operation: The operation's name.
    :raises BadRequestException: for a configuration that the operation needs and has not.
    """
    to_events = _treated(operation, configuration, categories, privacy, vocabulary_filter)
    if vocabulary is None:
        return to_events
    return lambda result: to_events(vocabulary.apply(result))


def empty_event(operation: str) -> BaseEvent:
    """Return an event of an operation without a word in it, as a sign of life."""
    return _EMPTY[operation]


def _treated(
    operation: str,
    configuration: Any,
    categories: Categories,
    privacy: Privacy | None,
    vocabulary_filter: VocabularyFilter | None,
) -> EventMapper:
    """Return what turns results into events that tell only what they may."""
    if operation == "StartCallAnalyticsStreamTranscription":
        return _call_events(configuration, categories, privacy, vocabulary_filter)
    to_events = _EVENTS[operation]
    if privacy is None and vocabulary_filter is None:
        return to_events

    def to_treated_events(result: Result) -> list[BaseEvent]:
        has_words = _treat(result, privacy, vocabulary_filter)
        return to_events(result) if has_words else []

    return to_treated_events


def _treat(
    result: Result, privacy: Privacy | None, vocabulary_filter: VocabularyFilter | None
) -> bool:
    """Redact and filter a result in place; tell whether there is something to send of it.

    Both go by all that was said: neither hides from the other what it looks for.
    """
    if vocabulary_filter is not None:
        vocabulary_filter.mark(result)
    if privacy is not None:
        privacy.apply(result, vocabulary_filter)
        if result.is_partial and not _best(result).items:
            return False
    if vocabulary_filter is not None:
        vocabulary_filter.hide(result)
    return True


def _transcript_events(result: Result) -> list[BaseEvent]:
    return [TranscriptEvent(Transcript([result]))]


def _medical_events(result: Result) -> list[BaseEvent]:
    medical = MedicalResult(
        result.result_id,
        result.start_time,
        result.end_time,
        result.is_partial,
        [_medical_alternative(a) for a in result.alternatives or ()],
        result.channel_id,
    )
    return [MedicalTranscriptEvent(MedicalTranscript([medical]))]


def _medical_alternative(alternative: Alternative) -> MedicalAlternative:
    return MedicalAlternative(
        alternative.transcript,
        [
            MedicalItem(i.start_time, i.end_time, i.item_type, i.content, i.confidence, i.speaker)
            for i in alternative.items
        ],
    )


def _scribe_events(result: Result) -> list[BaseEvent]:
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
    segment = MedicalScribeTranscriptSegment(
        result.result_id,
        result.start_time,
        result.end_time,
        best.transcript,
        items,
        result.is_partial,
        result.channel_id,
    )
    return [MedicalScribeTranscriptEvent(segment)]


def _call_events(
    configuration: ConfigurationEvent | None,
    categories: Categories,
    privacy: Privacy | None,
    vocabulary_filter: VocabularyFilter | None,
) -> EventMapper:
    """Return the mapper of a call. Sentiment is never set: no engine detects it."""
    if configuration is None or not configuration.channel_definitions:
        raise BadRequestException(
            "ChannelDefinitions: the local server takes calls with two channels; say in a"
            " ConfigurationEvent, before any audio, who speaks on which."
        )
    roles = {f"ch_{d.channel_id}": d.participant_role for d in configuration.channel_definitions}

    def to_events(result: Result) -> list[BaseEvent]:
        # Categories go by what was said, utterances by what may be told of it.
        matched = None if result.is_partial else categories.match(result)
        if not _treat(result, privacy, vocabulary_filter):
            return []
        best = _best(result)
        utterance = UtteranceEvent(
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
            entities=None if privacy is None else list(map(_call_entity, best.entities or ())),
        )
        return [utterance] if matched is None else [utterance, matched]

    return to_events


def _call_entity(entity: Entity) -> CallAnalyticsEntity:
    return CallAnalyticsEntity(
        millis(entity.start_time),
        millis(entity.end_time),
        entity.category,
        entity.entity_type,
        entity.content,
    )


def _best(result: Result) -> Alternative:
    return result.alternatives[0] if result.alternatives else Alternative()


_EVENTS: Mapping[str, EventMapper] = {
    "StartStreamTranscription": _transcript_events,
    "StartMedicalStreamTranscription": _medical_events,
    "StartMedicalScribeStream": _scribe_events,
}
"""The mappers of the operations that need no configuration for it."""

_EMPTY: Mapping[str, BaseEvent] = {
    "StartStreamTranscription": TranscriptEvent(Transcript([])),
    "StartMedicalStreamTranscription": MedicalTranscriptEvent(MedicalTranscript([])),
    "StartMedicalScribeStream": MedicalScribeTranscriptEvent(
        MedicalScribeTranscriptSegment(content="", items=[], is_partial=True)
    ),
    "StartCallAnalyticsStreamTranscription": UtteranceEvent(
        is_partial=True, transcript="", items=[]
    ),
}
"""Where the events have no list that can be empty, a partial result without words."""

SEVERAL_ALTERNATIVES = {"StartStreamTranscription", "StartMedicalStreamTranscription"}
"""The operations whose results have a list of alternatives; the others have the best one."""
