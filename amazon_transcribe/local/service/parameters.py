"""What a stream asks for, and what of it the local server does, ignores or refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..._protocol.constraints import members_of
from ...exceptions import BadRequestException
from ..engines import Engine
from ..recognition.channels import CHANNELS
from ..recognition.decoders import obstacle
from ..recognition.pipeline import PipelineOptions
from .phrases import Phrases
from .vocabulary import DEFAULT_METHOD, VocabularyFilter

__all__ = ["HONOURED", "check", "open_filter", "pipeline_options"]

HONOURED = frozenset(
    """
    LanguageCode MediaSampleRateHertz MediaEncoding SessionId SessionResumeWindow
    EnableChannelIdentification NumberOfChannels ChannelDefinitions
    EnablePartialResultsStabilization PartialResultsStability
    VocabularyFilterName VocabularyFilterNames VocabularyFilterMethod
    Specialty Type
    ResourceAccessRoleArn EncryptionSettings PostStreamAnalyticsSettings MedicalScribeContext
    """.split()
)
"""What the local server does, by the service's names.

Whatever else a stream asks for is refused by name, next year's parameters too: a transcript
that silently lacks what was asked for would be a lie. `SessionResumeWindow` is kept because
a session can be resumed here at any time. The last line is about a scribe's notes:
GetMedicalScribeStream gives it back, and tells that no notes are written.
"""

_VOCABULARIES = ("VocabularyName", "VocabularyNames")
_FILTERS = ("VocabularyFilterName", "VocabularyFilterNames")


def check(
    asked: Any,
    engine: Engine,
    filters: Mapping[str, Phrases],
    *,
    lenient: bool,
    unknown: Sequence[str] = (),
) -> list[str]:
    """Look through a request or a configuration.

    :param asked: The one or the other, of any operation.
    :param filters: The known vocabulary filters.
    :param lenient: Pass over what the local server cannot do.
    :param unknown: What is asked for besides and is not in the model.
    :returns: The service's names of the parameters that were passed over.
    :raises BadRequestException: for what it cannot do, by name, and for unknown filters.
    """
    wanted = _set_in(asked)
    channels = wanted.get("NumberOfChannels", CHANNELS)
    if channels != CHANNELS:
        raise BadRequestException(f"NumberOfChannels must be {CHANNELS}, not {channels}")
    if "MediaEncoding" in wanted and (problem := obstacle(wanted["MediaEncoding"])):
        raise BadRequestException(f"MediaEncoding: {problem}")
    for parameter, name in _filter_names(wanted):
        if name not in filters:
            raise BadRequestException(
                f"{parameter}: the vocabulary filter {name!r} couldn't be found. Check the"
                " vocabulary filter name and try your request again."
            )
    problems = dict(_problems(wanted, engine)) | {name: _unsupported(name) for name in unknown}
    if problems and not lenient:
        raise BadRequestException(next(iter(problems.values())))
    return list(problems)


def pipeline_options(request: Struct, configuration: Struct | None) -> PipelineOptions:
    """What a stream's request, and its configuration if any, ask of the pipeline.

    Both have been checked.
    """
    wanted = _set_in(request) | _set_in(configuration)
    return PipelineOptions(
        encoding=wanted["MediaEncoding"],
        sample_rate=wanted["MediaSampleRateHertz"],
        two_channels="EnableChannelIdentification" in wanted or "ChannelDefinitions" in wanted,
        stabilize="EnablePartialResultsStabilization" in wanted,
        stability=wanted.get("PartialResultsStability", "high"),
    )


def open_filter(
    request: Struct, configuration: Struct | None, filters: Mapping[str, Phrases]
) -> VocabularyFilter | None:
    """The vocabulary filter that they ask for, if any."""
    wanted = _set_in(request) | _set_in(configuration)
    lists = [filters[name] for _, name in _filter_names(wanted)]
    method = wanted.get("VocabularyFilterMethod", DEFAULT_METHOD)
    return VocabularyFilter(lists, method) if lists else None


def _set_in(asked: Struct | None) -> dict[str, Any]:
    """What is asked for, by the service's names."""
    if asked is None:
        return {}
    given = ((member, getattr(asked, member.name)) for member in members_of(type(asked)))
    return {
        member.model_name: value
        for member, value in given
        if not member.rule.is_unset(value) and value is not False
    }


def _problems(wanted: Mapping[str, Any], engine: Engine) -> Iterator[tuple[str, str]]:
    """What the local server cannot do: the parameter, and a sentence."""
    for name, value in wanted.items():
        if name == "LanguageCode" and value not in engine.languages:
            yield (
                name,
                f"{name}: {engine.name} understands {', '.join(engine.languages)} only,"
                f" not {value}",
            )
        elif name in _VOCABULARIES:
            yield (
                name,
                f"{name}: the vocabulary {', '.join(map(repr, _listed(value)))} couldn't be"
                " found: the local server has no custom vocabularies",
            )
        elif name not in HONOURED:
            yield name, _unsupported(name)


def _unsupported(name: str) -> str:
    return f"{name} is not supported by the local server"


def _filter_names(wanted: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in _FILTERS:
        for name in _listed(wanted.get(parameter, [])):
            yield parameter, name


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
