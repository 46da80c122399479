"""The service's parameters: one table, and the mapping to HTTP headers and back.

A row of the table names a member of the service model and the rule its values obey;
everything else (validation before sending, header names, the server's reading) follows
from it. Names, enumerations, lengths and patterns are the service model's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .exceptions import BadRequestException, InvalidParameterException
from .model import (
    TRANSCRIPT_EVENTS,
    EventParser,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
    TranscriptResultStream,
)

PREFIX = "x-amzn-transcribe-"

# --- Rules ----------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What values a parameter takes. `problem` says what is wrong with one, if anything."""

    def problem(self, value: Any) -> str | None:
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """The value as a header's text."""
        return str(value)

    def read(self, text: str) -> Any:
        """The value of a header's text; ValueError when there is none."""
        return text


@dataclass(frozen=True)
class OneOf(Rule):
    """One of a few words."""

    values: tuple[str, ...]

    def problem(self, value: Any) -> str | None:
        if value in self.values:
            return None
        return f"must be one of {', '.join(self.values)}, not {value!r}"


@dataclass(frozen=True)
class Integer(Rule):
    """A whole number from `low` to `high`."""

    low: int
    high: int | None = None
    unit: str = ""

    def problem(self, value: Any) -> str | None:
        if type(value) is int and self.low <= value and (self.high is None or value <= self.high):
            return None
        upper = f"from {self.low:,} to {self.high:,}" if self.high else f"of at least {self.low}"
        return f"must be a whole number {upper}{self.unit}, not {value!r}"

    def read(self, text: str) -> int:
        return int(text)


@dataclass(frozen=True)
class Boolean(Rule):
    """True or False."""

    def problem(self, value: Any) -> str | None:
        return None if type(value) is bool else f"must be True or False, not {value!r}"

    def write(self, value: Any) -> str:
        return "true" if value else "false"

    def read(self, text: str) -> bool:
        # The original SDK sends Python's spelling: True.
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"


@dataclass(frozen=True)
class Text(Rule):
    """A string of `low` to `high` characters that matches a pattern throughout."""

    low: int
    high: int
    pattern: str

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"must be a string, not {value!r}"
        if not self.low <= len(value) <= self.high:
            size = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high:,}"
            return f"must have {size} characters, not {len(value):,}"
        if not re.fullmatch(self.pattern, value):
            return f"must match {self.pattern}, not {value!r}"
        return None


@dataclass(frozen=True)
class TextList(Text):
    """A list of strings, or one string with commas between them, as it is sent."""

    def problem(self, value: Any) -> str | None:
        if isinstance(value, str):
            return super().problem(value)
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            return f"must be a list of strings, not {value!r}"
        if any("," in v or not v for v in value):
            return f"must be a list of names without commas, not {value!r}"
        return super().problem(",".join(value))

    def write(self, value: Any) -> str:
        return value if isinstance(value, str) else ",".join(value)

    def read(self, text: str) -> list[str]:
        return [part.strip() for part in text.split(",")]


# --- Members --------------------------------------------------------------------


class Member:
    """A member of the service model that travels in a header.

    :param model_name: Its name in the service model.
    :param rule: The values it takes.
    :param name: Its name in Python, where that is not the model's in snake_case.
    :param header: Its header behind the prefix, where that is not the model's name in
        kebab-case.
    """

    def __init__(
        self, model_name: str, rule: Rule, *, name: str | None = None, header: str | None = None
    ) -> None:
        words = re.findall("[A-Z][a-z]*", model_name)
        self.model_name = model_name
        self.rule = rule
        self.name = name or "_".join(words).lower()
        self.header = PREFIX + (header or "-".join(words).lower())


LANGUAGE_CODES = tuple(
    """
    en-US en-GB es-US fr-CA fr-FR en-AU it-IT de-DE pt-BR ja-JP ko-KR zh-CN th-TH es-ES ar-SA
    pt-PT ca-ES ar-AE hi-IN zh-HK nl-NL no-NO sv-SE pl-PL fi-FI zh-TW en-IN en-IE en-NZ en-AB
    en-ZA en-WL de-CH af-ZA eu-ES hr-HR cs-CZ da-DK fa-IR gl-ES el-GR he-IL id-ID lv-LV ms-MY
    ro-RO ru-RU sr-RS sk-SK so-SO tl-PH uk-UA vi-VN zu-ZA am-ET be-BY bg-BG bn-IN bs-BA ckb-IQ
    ckb-IR cy-WL es-MX et-ET fa-AF gu-IN ht-HT hu-HU hy-AM is-IS jv-ID ka-GE kab-DZ kk-KZ km-KH
    kn-IN lg-IN lt-LT mk-MK ml-IN mr-IN my-MM ne-NP or-IN pa-IN ps-AF si-LK sl-SI sq-AL su-ID
    sw-BI sw-KE sw-RW sw-TZ sw-UG ta-IN te-IN tr-TR uz-UZ
    """.split()
)
MEDIA_ENCODINGS = ("pcm", "ogg-opus", "flac", "g711-alaw", "g711-ulaw", "g729")

_LANGUAGE = OneOf(LANGUAGE_CODES)
_NAME = Text(1, 200, "[0-9a-zA-Z._-]+")
_NAMES = TextList(1, 3000, "[a-zA-Z0-9,._-]+")
_UUID = Text(36, 36, "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}")
_PII = OneOf(("PII",))

_MEMBERS = (
    Member("LanguageCode", _LANGUAGE),
    Member(
        "MediaSampleRateHertz",
        Integer(8000, 48000, " Hz"),
        name="media_sample_rate_hz",
        header="sample-rate",
    ),
    Member("MediaEncoding", OneOf(MEDIA_ENCODINGS)),
    Member("VocabularyName", _NAME),
    Member("SessionId", _UUID),
    Member("VocabularyFilterName", _NAME, name="vocab_filter_name"),
    Member("VocabularyFilterMethod", OneOf(("remove", "mask", "tag")), name="vocab_filter_method"),
    Member("ShowSpeakerLabel", Boolean()),
    Member("EnableChannelIdentification", Boolean()),
    Member("NumberOfChannels", Integer(2)),
    Member("EnablePartialResultsStabilization", Boolean()),
    Member("PartialResultsStability", OneOf(("high", "medium", "low"))),
    Member("ContentIdentificationType", _PII),
    Member("ContentRedactionType", _PII),
    Member("PiiEntityTypes", TextList(1, 300, "[A-Z_, ]+")),
    Member("LanguageModelName", _NAME),
    Member("IdentifyLanguage", Boolean()),
    Member("LanguageOptions", TextList(1, 200, "[a-zA-Z,-]+")),
    Member("PreferredLanguage", _LANGUAGE),
    Member("IdentifyMultipleLanguages", Boolean()),
    Member("VocabularyNames", _NAMES),
    Member("VocabularyFilterNames", _NAMES),
    Member("SessionResumeWindow", Integer(1, 300, " minutes")),
    Member("TranscriptFormat", OneOf(("spoken", "written"))),
)


@dataclass(frozen=True)
class Operation:
    """One operation of the service: where it is, what it takes, what it gives."""

    name: str
    path: str
    members: tuple[Member, ...]
    required: tuple[str, ...]
    combinations: Callable[[Any], Iterator[tuple[str, str]]]
    request: type[Any]
    response: type[Any]
    result_stream: type[Any]
    events: EventParser


def _combinations(request: StartStreamTranscriptionRequest) -> Iterator[tuple[str, str]]:
    """The parameters that need or exclude each other: which one, and what is wrong.

    Braces stand for the parameter's name on the side that reports it.
    """
    r = request
    languages = [
        name
        for name in ("language_code", "identify_language", "identify_multiple_languages")
        if getattr(r, name)
    ]
    if not languages:
        yield (
            "language_code",
            (
                "{language_code} is required, unless {identify_language} or"
                " {identify_multiple_languages} is set"
            ),
        )
    if len(languages) > 1:
        both = " and ".join(f"{{{name}}}" for name in languages)
        yield languages[0], f"{both} exclude each other: set only one of them"
    identifies = r.identify_language or r.identify_multiple_languages
    options = r.language_options
    if identifies and (not options or len(_listed(options)) < 2):
        yield (
            "language_options",
            (
                "{language_options} must list at least two language codes when"
                " {identify_language} or {identify_multiple_languages} is set"
            ),
        )
    for name in ("language_options", "preferred_language"):
        if getattr(r, name) and not identifies:
            yield (
                name,
                (f"{{{name}}} needs {{identify_language}} or {{identify_multiple_languages}}"),
            )
    if r.preferred_language and options and r.preferred_language not in _listed(options):
        yield "preferred_language", "{preferred_language} must be one of {language_options}"
    if r.show_speaker_label and r.enable_channel_identification:
        yield (
            "show_speaker_label",
            (
                "{show_speaker_label} and {enable_channel_identification} exclude each other:"
                " set only one of them"
            ),
        )
    if r.enable_channel_identification and r.number_of_channels is None:
        yield (
            "number_of_channels",
            ("{number_of_channels} is required with {enable_channel_identification}"),
        )
    if r.number_of_channels is not None and not r.enable_channel_identification:
        yield "number_of_channels", "{number_of_channels} needs {enable_channel_identification}"
    if r.content_identification_type and r.content_redaction_type:
        yield (
            "content_identification_type",
            (
                "{content_identification_type} and {content_redaction_type} exclude each other:"
                " set only one of them"
            ),
        )
    if r.pii_entity_types and not (r.content_identification_type or r.content_redaction_type):
        yield (
            "pii_entity_types",
            ("{pii_entity_types} needs {content_identification_type} or {content_redaction_type}"),
        )
    for one, many in (
        ("vocabulary_name", "vocabulary_names"),
        ("vocab_filter_name", "vocabulary_filter_names"),
    ):
        if getattr(r, one) and getattr(r, many):
            yield one, f"{{{one}}} and {{{many}}} exclude each other: set only one of them"


def _listed(value: Any) -> list[str]:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)


START_STREAM_TRANSCRIPTION = Operation(
    name="StartStreamTranscription",
    path="/stream-transcription",
    members=_MEMBERS,
    required=("media_sample_rate_hz", "media_encoding"),
    combinations=_combinations,
    request=StartStreamTranscriptionRequest,
    response=StartStreamTranscriptionResponse,
    result_stream=TranscriptResultStream,
    events=TRANSCRIPT_EVENTS,
)

OPERATIONS: Mapping[str, Operation] = {
    operation.path: operation for operation in (START_STREAM_TRANSCRIPTION,)
}
"""The operations by their path."""

# --- The client's side ----------------------------------------------------------


def request_headers(operation: Operation, request: Any) -> list[tuple[str, str]]:
    """The headers that carry a request's parameters.

    :raises InvalidParameterException: for a value the service model forbids, or
        parameters that need or exclude each other.
    """
    if found := _first_problem(operation, request, lambda member: member.name):
        raise InvalidParameterException(*found)
    return _written(operation, request)


def read_response(operation: Operation, headers: Mapping[str, str], result_stream: Any) -> Any:
    """The response that an answer's headers describe.

    A value that does not read as its type is left out: an echo is not worth a failure.
    """
    fields: dict[str, Any] = {}
    for member in operation.members:
        text = headers.get(member.header)
        if text is not None:
            try:
                fields[member.name] = member.rule.read(text)
            except ValueError:
                continue
    return operation.response(
        operation.result_stream(result_stream),
        request_id=headers.get("x-amzn-request-id"),
        **fields,
    )


# --- The server's side ----------------------------------------------------------


def read_request(operation: Operation, headers: Mapping[str, str]) -> Any:
    """The request that a call's headers describe.

    :raises BadRequestException: for whatever the client's own check would refuse.
    """
    fields: dict[str, Any] = {}
    for member in operation.members:
        text = headers.get(member.header)
        if text is not None:
            try:
                fields[member.name] = member.rule.read(text)
            except ValueError:
                raise BadRequestException(
                    f"{member.model_name} {member.rule.problem(text)}"
                ) from None
    request = operation.request(**fields)
    if found := _first_problem(operation, request, lambda member: member.model_name):
        raise BadRequestException(found[1])
    return request


def response_headers(
    operation: Operation, request: Any, *, request_id: str, session_id: str
) -> list[tuple[str, str]]:
    """The headers of the answer: who it is, and the request's parameters once more."""
    written = [(n, v) for n, v in _written(operation, request) if n != PREFIX + "session-id"]
    return [
        ("x-amzn-request-id", request_id),
        (PREFIX + "session-id", session_id),
        *written,
    ]


# --- Both -----------------------------------------------------------------------


def _first_problem(
    operation: Operation, request: Any, naming: Callable[[Member], str]
) -> tuple[str, str] | None:
    """The first parameter that is wrong, and what is wrong with it."""
    names = {member.name: naming(member) for member in operation.members}
    for member in operation.members:
        value = getattr(request, member.name)
        if value is None:
            if member.name in operation.required:
                # The rule's own words for a missing value name what is allowed.
                return member.name, f"{names[member.name]} {member.rule.problem(None)}"
        elif problem := member.rule.problem(value):
            return member.name, f"{names[member.name]} {problem}"
    for name, template in operation.combinations(request):
        return name, template.format_map(names)
    return None


def _written(operation: Operation, request: Any) -> list[tuple[str, str]]:
    return [
        (member.header, member.rule.write(value))
        for member in operation.members
        if (value := getattr(request, member.name)) is not None
    ]
