"""The parameters of a stream: what the local server does, ignores or refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..._protocol.constraints import Member, members_of
from ...exceptions import BadRequestException
from ..engines import Engine
from ..engines.base import takes_vocabularies, tells_speakers
from ..engines.vocabulary import Vocabulary
from ..recognition.decoders import unsupported_reason
from ..recognition.pipeline import CHANNELS, PipelineOptions
from .phrases import Phrases
from .pii import TYPES
from .privacy import Privacy
from .vocabulary import DEFAULT_METHOD, VocabularyFilter

__all__ = [
    "HONOURED",
    "check_parameters",
    "keywords_of",
    "open_filter",
    "open_privacy",
    "open_vocabulary",
    "pipeline_options",
]

HONOURED = frozenset(
    """
    LanguageCode MediaSampleRateHertz MediaEncoding SessionId SessionResumeWindow
    EnableChannelIdentification NumberOfChannels ChannelDefinitions
    EnablePartialResultsStabilization PartialResultsStability
    VocabularyFilterName VocabularyFilterNames VocabularyFilterMethod
    ContentIdentificationType ContentRedactionType PiiEntityTypes
    Specialty Type
    ResourceAccessRoleArn EncryptionSettings PostStreamAnalyticsSettings MedicalScribeContext
    """.split()
)
"""The parameters that the local server honours, by the service's names.

Any other one is refused by name, next year's too: a transcript that silently lacks what
was asked for would be a lie. `SessionResumeWindow` is honoured because a session can be
resumed here at any time. The last line is about a scribe's notes: GetMedicalScribeStream
repeats it, and says that no notes are written.
"""

_FILTERS = ("VocabularyFilterName", "VocabularyFilterNames")
_TWO_CHANNELS = ("EnableChannelIdentification", "ChannelDefinitions")


def check_parameters(
    shape: Struct,
    engine: Engine,
    filters: Mapping[str, Phrases],
    vocabularies: Mapping[str, Vocabulary],
    *,
    lenient: bool,
    unknown: Sequence[str] = (),
) -> list[str]:
    """Check the parameters of a request or a configuration.

    :param shape: The request or the configuration, of any operation.
    :param filters: The known vocabulary filters.
    :param vocabularies: The known custom vocabularies.
    :param lenient: Ignore what the local server cannot do, instead of refusing it.
    :param unknown: The names of what came besides and is not in the service model.
    :returns: The service's names of the parameters that are ignored.
    :raises BadRequestException: for what the server cannot do, by name, and for unknown
        filters.
    """
    parameters = _parameters_of(shape)
    channels = parameters.get("NumberOfChannels", CHANNELS)
    if channels != CHANNELS:
        raise BadRequestException(f"NumberOfChannels must be {CHANNELS}, not {channels}")
    encoding = parameters.get("MediaEncoding")
    if encoding is not None and (reason := unsupported_reason(encoding)):
        raise BadRequestException(f"MediaEncoding: {reason}")
    for parameter, name in _filter_names(parameters):
        if name not in filters:
            raise BadRequestException(
                f"{parameter}: the vocabulary filter {name!r} couldn't be found. Check the"
                " vocabulary filter name and try your request again."
            )
    unsupported = dict(_unsupported(parameters, engine, vocabularies))
    unsupported |= {name: _not_supported(name) for name in unknown}
    if unsupported and not lenient:
        raise BadRequestException(next(iter(unsupported.values())))
    return list(unsupported)


def keywords_of(request: Struct) -> dict[str, Any]:
    """Return the parameters that are set, by the names of the client's keyword arguments."""
    return {member.name: value for member, value in _set_members(request)}


def pipeline_options(
    request: Struct,
    configuration: Struct | None,
    engine: Engine,
    vocabulary: Vocabulary | None,
) -> PipelineOptions:
    """Return the options of the pipeline for a request and its configuration, if any.

    Both have been checked; a lenient server asks its engine for what that can do only.
    """
    parameters = _parameters_of(request) | _parameters_of(configuration)
    return PipelineOptions(
        encoding=parameters["MediaEncoding"],
        sample_rate=parameters["MediaSampleRateHertz"],
        language_code=_language(parameters, engine),
        two_channels=not parameters.keys().isdisjoint(_TWO_CHANNELS),
        stabilize="EnablePartialResultsStabilization" in parameters,
        stability=parameters.get("PartialResultsStability", "high"),
        speakers="ShowSpeakerLabel" in parameters and tells_speakers(engine),
        vocabulary=vocabulary,
    )


def open_filter(
    request: Struct, configuration: Struct | None, filters: Mapping[str, Phrases]
) -> VocabularyFilter | None:
    """Return the vocabulary filter that a request or its configuration names, if any."""
    parameters = _parameters_of(request) | _parameters_of(configuration)
    lists = [filters[name] for _, name in _filter_names(parameters)]
    method = parameters.get("VocabularyFilterMethod", DEFAULT_METHOD)
    return VocabularyFilter(lists, method) if lists else None


def open_vocabulary(
    request: Struct,
    configuration: Struct | None,
    engine: Engine,
    vocabularies: Mapping[str, Vocabulary],
) -> Vocabulary | None:
    """Return the custom vocabulary that a request or its configuration names, if any."""
    parameters = _parameters_of(request) | _parameters_of(configuration)
    name = parameters.get("VocabularyName", "")
    return vocabularies.get(name) if takes_vocabularies(engine) else None


def open_privacy(request: Struct, configuration: Struct | None) -> Privacy | None:
    """Return what a request or its configuration asks about personal information, if anything."""
    parameters = _parameters_of(request) | _parameters_of(configuration)
    redacts = parameters.get("ContentRedactionType") == "PII"
    if not redacts and parameters.get("ContentIdentificationType") != "PII":
        return None
    return Privacy(_pii_types(parameters) & set(TYPES), redacts=redacts)


def _parameters_of(shape: Struct | None) -> dict[str, Any]:
    """Return the parameters that are set, by the service's names."""
    if shape is None:
        return {}
    return {member.model_name: value for member, value in _set_members(shape)}


def _set_members(shape: Struct) -> Iterator[tuple[Member, Any]]:
    for member in members_of(type(shape)):
        value = getattr(shape, member.name)
        if value is not None and value is not False and not member.rule.is_unset(value):
            yield member, value


def _unsupported(
    parameters: Mapping[str, Any], engine: Engine, vocabularies: Mapping[str, Vocabulary]
) -> Iterator[tuple[str, str]]:
    """Yield what the local server cannot do: the parameter, and a sentence."""
    for name, value in parameters.items():
        if name == "LanguageCode" and value not in engine.languages:
            yield (
                name,
                f"{name}: {engine.name} understands {', '.join(engine.languages)} only,"
                f" not {value}",
            )
        elif name == "VocabularyName":
            if value not in vocabularies:
                yield (
                    name,
                    f"{name}: the vocabulary {value!r} couldn't be found. Check the vocabulary"
                    " name and try your request again. The local server knows those of"
                    " --vocabulary NAME=FILE",
                )
            elif not takes_vocabularies(engine):
                yield name, f"{name}: {engine.name} takes no custom vocabularies"
        elif name == "ShowSpeakerLabel":
            if not tells_speakers(engine):
                yield name, f"{name}: {engine.name} cannot tell speakers apart here"
        elif name == "ContentIdentificationType" and value != "PII":
            yield name, f"{name}: the local server finds no health information ({value})"
        elif name == "PiiEntityTypes" and (others := _pii_types(parameters) - set(TYPES)):
            yield (
                name,
                f"{name}: the local server does not find {', '.join(sorted(others))}; it finds"
                f" {', '.join(TYPES)}. ALL, or no types, stands for these",
            )
        elif name not in HONOURED:
            yield name, _not_supported(name)


def _language(parameters: Mapping[str, Any], engine: Engine) -> str:
    """Return the language to recognise, which is the engine's first where it lacks the stream's."""
    asked: str = parameters.get("LanguageCode", "")
    return asked if asked in engine.languages else engine.languages[0]


def _not_supported(name: str) -> str:
    return f"{name} is not supported by the local server"


def _filter_names(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in _FILTERS:
        for name in _listed(parameters.get(parameter, [])):
            yield parameter, name


def _pii_types(parameters: Mapping[str, Any]) -> set[str]:
    """Return the types of personal information that are looked for."""
    listed = ",".join(_listed(parameters.get("PiiEntityTypes", "ALL")))
    types = {name.strip() for name in listed.split(",")} - {""}
    return types - {"ALL"} | set(TYPES) if "ALL" in types else types


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
