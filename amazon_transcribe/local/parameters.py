"""What a stream asks for, and what of it the local server does, ignores or refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..exceptions import BadRequestException
from .channels import CHANNELS
from .engines import Engine
from .hearing import Plan
from .media import obstacle
from .phrases import Phrases
from .vocabulary import DEFAULT_METHOD, VocabularyFilter

__all__ = ["check", "plan"]

# What the local engines cannot do. Refused by name: a transcript that silently lacks
# what was asked for would be a lie.
_UNSUPPORTED = {
    "identify_language": "IdentifyLanguage",
    "identify_multiple_languages": "IdentifyMultipleLanguages",
    "show_speaker_label": "ShowSpeakerLabel",
    "content_identification_type": "ContentIdentificationType",
    "content_redaction_type": "ContentRedactionType",
    "language_model_name": "LanguageModelName",
    "transcript_format": "TranscriptFormat",
}
_VOCABULARIES = {"vocabulary_name": "VocabularyName", "vocabulary_names": "VocabularyNames"}
_FILTERS = {
    "vocab_filter_name": "VocabularyFilterName",
    "vocabulary_filter_name": "VocabularyFilterName",  # of a scribe's configuration
    "vocabulary_filter_names": "VocabularyFilterNames",
}


def check(
    asked: Any, engine: Engine, filters: Mapping[str, Phrases], *, lenient: bool
) -> list[str]:
    """Look through a request or a configuration.

    :param asked: The one or the other, of any operation.
    :param filters: The known vocabulary filters.
    :param lenient: Pass over what the local server cannot do.
    :returns: The service's names of the parameters that were passed over.
    :raises BadRequestException: for what it cannot do, by name, and for unknown filters.
    """
    channels = getattr(asked, "number_of_channels", None)
    if channels not in (None, CHANNELS):
        raise BadRequestException(f"NumberOfChannels must be {CHANNELS}, not {channels}")
    encoding = getattr(asked, "media_encoding", None)
    if encoding is not None and (problem := obstacle(encoding)):
        raise BadRequestException(f"MediaEncoding: {problem}")
    for parameter, name in _filter_names(asked):
        if name not in filters:
            raise BadRequestException(
                f"{parameter}: the vocabulary filter {name!r} couldn't be found. Check the"
                " vocabulary filter name and try your request again."
            )
    problems = dict(_problems(asked, engine))
    if problems and not lenient:
        raise BadRequestException(next(iter(problems.values())))
    return list(problems)


def _problems(asked: Any, engine: Engine) -> Iterator[tuple[str, str]]:
    """What the local server cannot do: the parameter, and a sentence."""
    language = getattr(asked, "language_code", None)
    if language not in (None, *engine.languages):
        yield (
            "LanguageCode",
            f"LanguageCode: {engine.name} understands {', '.join(engine.languages)} only,"
            f" not {language}",
        )
    for name, model_name in _UNSUPPORTED.items():
        if getattr(asked, name, None):
            yield model_name, f"{model_name} is not supported by the local server"
    for name, model_name in _VOCABULARIES.items():
        if value := getattr(asked, name, None):
            yield (
                model_name,
                f"{model_name}: the vocabulary {_listed(value)} couldn't be found: the local"
                " server has no custom vocabularies",
            )


def plan(request: Any, configuration: Any, filters: Mapping[str, Phrases]) -> Plan:
    """What a stream's request, and its configuration if any, ask of the ears.

    Both have been checked.
    """
    names = [name for asked in (request, configuration) for _, name in _filter_names(asked)]
    method = getattr(request, "vocab_filter_method", None) or getattr(
        configuration, "vocabulary_filter_method", None
    )
    return Plan(
        encoding=request.media_encoding,
        sample_rate=request.media_sample_rate_hz,
        two_channels=bool(
            getattr(request, "enable_channel_identification", None)
            or getattr(configuration, "channel_definitions", None)
        ),
        vocabulary_filter=VocabularyFilter(
            [filters[name] for name in names], method or DEFAULT_METHOD
        )
        if names
        else None,
        stabilize=bool(getattr(request, "enable_partial_results_stabilization", None)),
        stability=getattr(request, "partial_results_stability", None) or "high",
    )


def _filter_names(asked: Any) -> Iterator[tuple[str, str]]:
    for name, model_name in _FILTERS.items():
        value = getattr(asked, name, None) or ()
        for filter_name in (value,) if isinstance(value, str) else value:
            yield model_name, filter_name


def _listed(value: Any) -> str:
    return repr(value) if isinstance(value, str) else ", ".join(map(repr, value))
