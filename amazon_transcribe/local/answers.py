"""What a result of the recogniser becomes: the events of each operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..eventstream import BaseEvent
from ..exceptions import BadRequestException
from ..model import (
    Alternative,
    CallAnalyticsItem,
    MedicalAlternative,
    MedicalItem,
    MedicalResult,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptItem,
    MedicalScribeTranscriptSegment,
    MedicalTranscript,
    MedicalTranscriptEvent,
    Result,
    Transcript,
    TranscriptEvent,
    UtteranceEvent,
)
from .categories import Categories

__all__ = ["ANSWERS", "Answer"]

Answer = Callable[[Result], list[BaseEvent]]
"""Turns a result of one stream into its events."""


def _transcription(configuration: Any, categories: Categories) -> Answer:
    return lambda result: [TranscriptEvent(Transcript([result]))]


def _medical(configuration: Any, categories: Categories) -> Answer:
    def events(result: Result) -> list[BaseEvent]:
        return [
            MedicalTranscriptEvent(
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
        ]

    return events


def _medical_alternative(alternative: Alternative) -> MedicalAlternative:
    return MedicalAlternative(
        alternative.transcript,
        [
            MedicalItem(i.start_time, i.end_time, i.item_type, i.content, i.confidence)
            for i in alternative.items
        ],
    )


def _scribe(configuration: Any, categories: Categories) -> Answer:
    def events(result: Result) -> list[BaseEvent]:
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
        return [
            MedicalScribeTranscriptEvent(
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
        ]

    return events


def _call(configuration: Any, categories: Categories) -> Answer:
    """Utterances, and categories behind them; who feels what is not told: no engine knows."""
    if configuration is None or not configuration.channel_definitions:
        raise BadRequestException(
            "ChannelDefinitions: the local server takes calls with two channels; say in a"
            " ConfigurationEvent, before any audio, who speaks on which."
        )
    roles = {f"ch_{d.channel_id}": d.participant_role for d in configuration.channel_definitions}

    def events(result: Result) -> list[BaseEvent]:
        best = _best(result)
        utterance = UtteranceEvent(
            utterance_id=result.result_id,
            is_partial=result.is_partial,
            participant_role=roles.get(result.channel_id or ""),
            begin_offset_millis=_millis(result.start_time),
            end_offset_millis=_millis(result.end_time),
            transcript=best.transcript,
            items=[
                CallAnalyticsItem(
                    _millis(i.start_time),
                    _millis(i.end_time),
                    i.item_type,
                    i.content,
                    i.confidence,
                    i.vocabulary_filter_match,
                    i.stable,
                )
                for i in best.items
            ],
        )
        matched = None if result.is_partial else categories.match(utterance)
        return [utterance] if matched is None else [utterance, matched]

    return events


def _best(result: Result) -> Alternative:
    return result.alternatives[0] if result.alternatives else Alternative()


def _millis(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


ANSWERS: Mapping[str, Callable[[Any, Categories], Answer]] = {
    "StartStreamTranscription": _transcription,
    "StartMedicalStreamTranscription": _medical,
    "StartCallAnalyticsStreamTranscription": _call,
    "StartMedicalScribeStream": _scribe,
}
"""By operation: makes a stream's answer of its configuration and the server's rules."""
