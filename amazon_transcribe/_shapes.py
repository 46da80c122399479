"""The service's parameters: one table, and the mapping to HTTP headers, paths and JSON.

A row of the table names a member of the service model, the rule its values obey, and the
operations that take it; everything else (validation before sending, header names, the
server's reading) follows from it. What is sent as JSON stands in tables of the same
rows. Names, enumerations, lengths and patterns are the service model's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from ._events import EventParser, json_decoder
from .eventstream import BaseEvent
from .exceptions import (
    BadRequestException,
    InvalidEventException,
    InvalidParameterException,
    SerializerException,
)
from .model import (
    CALL_ANALYTICS_EVENTS,
    END_OF_SESSION,
    MEDICAL_SCRIBE_EVENTS,
    MEDICAL_TRANSCRIPT_EVENTS,
    TRANSCRIPT_EVENTS,
    CallAnalyticsTranscriptResultStream,
    ChannelDefinition,
    ClinicalNoteGenerationSettings,
    ConfigurationEvent,
    GetMedicalScribeStreamRequest,
    GetMedicalScribeStreamResponse,
    MedicalScribeChannelDefinition,
    MedicalScribeConfigurationEvent,
    MedicalScribeContext,
    MedicalScribeEncryptionSettings,
    MedicalScribePatientContext,
    MedicalScribePostStreamAnalyticsSettings,
    MedicalScribeResultStream,
    MedicalScribeSessionControlEvent,
    MedicalTranscriptResultStream,
    PostCallAnalyticsSettings,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartCallAnalyticsStreamTranscriptionResponse,
    StartMedicalScribeStreamRequest,
    StartMedicalScribeStreamResponse,
    StartMedicalStreamTranscriptionRequest,
    StartMedicalStreamTranscriptionResponse,
    StartStreamTranscriptionRequest,
    StartStreamTranscriptionResponse,
    TranscriptResultStream,
)

PREFIX = "x-amzn-transcribe-"

# Rules


@dataclass(frozen=True)
class Rule:
    """What values a parameter takes. `problem` says what is wrong with one, if anything."""

    def problem(self, value: Any) -> str | None:
        raise NotImplementedError

    def is_unset(self, value: Any) -> bool:
        """Whether a value says that the parameter is not set: it is not sent then."""
        return value is None

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        """Where in a value something is wrong, and what: `problem` for a value of one piece."""
        problem = self.problem(value)
        return (path, problem) if problem else None

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

    low: int = 0
    high: int | None = None
    pattern: str = "(?s:.*)"

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"must be a string, not {value!r}"
        if self.high is not None and not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} characters, not {len(value):,}"
        if not re.fullmatch(self.pattern, value):
            return f"must match {self.pattern}, not {value!r}"
        return None


@dataclass(frozen=True)
class TextList(Text):
    """A list of strings, or one string with commas between them, as it is sent.

    An empty list is none, as with the original SDK: programs pass the lists they have.
    """

    def is_unset(self, value: Any) -> bool:
        return value is None or (isinstance(value, (list, tuple)) and not value)

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


@dataclass(frozen=True)
class ListOf(Rule):
    """A list of `low` to `high` values that each obey a rule."""

    low: int
    high: int
    of: Rule

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, (list, tuple)):
            return f"must be a list, not {value!r}"
        if not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} members, not {len(value):,}"
        return None

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        found = super().fault(value, path, naming)
        for position, part in enumerate(() if found else value):
            found = found or self.of.fault(part, f"{path}[{position}]", naming)
        return found


@dataclass(frozen=True)
class MapOf(Rule):
    """A mapping of `low` to `high` pairs whose keys and values obey a rule."""

    low: int
    high: int
    of: Rule

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, Mapping):
            return f"must be a mapping, not {value!r}"
        if not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} pairs, not {len(value):,}"
        for key in value:
            if problem := self.of.problem(key):
                return f"must have good keys: {key!r} {problem}"
        return None

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        found = super().fault(value, path, naming)
        for key, part in () if found else value.items():
            found = found or self.of.fault(part, f"{path}[{key!r}]", naming)
        return found


@dataclass(frozen=True)
class Structure(Rule):
    """A JSON shape whose members each obey a rule."""

    shape: type[Any]
    members: tuple[Member, ...]

    def problem(self, value: Any) -> str | None:
        if isinstance(value, self.shape):
            return None
        return f"must be a {self.shape.__name__}, not {value!r}"

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        found = super().fault(value, path, naming)
        required = frozenset(member.name for member in self.members if member.required)
        return found or _first_fault(self.members, required, value, f"{path}.", naming)


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high:,}"


# Members


class Member:
    """A member of the service model.

    :param model_name: Its name in the service model.
    :param rule: The values it takes.
    :param operations: The operations that take it, by their short names (see
        `Operation.key`); `!` behind one: it must be given. A member of a JSON shape
        has none.
    :param name: Its name in Python, where that is not the model's in snake_case.
    :param header: Its header behind the prefix, where that is not the model's name in
        kebab-case.
    :param required: In a JSON shape: it must be given.
    """

    def __init__(
        self,
        model_name: str,
        rule: Rule,
        operations: str = "",
        *,
        name: str | None = None,
        header: str | None = None,
        required: bool = False,
    ) -> None:
        words = re.findall("[A-Z]+(?![a-z])|[A-Z][a-z]*", model_name)
        self.model_name = model_name
        self.rule = rule
        self.operations = {word.rstrip("!"): word.endswith("!") for word in operations.split()}
        self.name = name or "_".join(words).lower()
        self.header = PREFIX + (header or "-".join(words).lower())
        self.required = required


Naming = Callable[[Member], str]
"""What a side calls a member: the client by its name in Python, the server by the model's."""


def _python_name(member: Member) -> str:
    return member.name


def _model_name(member: Member) -> str:
    return member.model_name


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

CALL_ANALYTICS_LANGUAGE_CODES = LANGUAGE_CODES[:9]

_LANGUAGE = OneOf(LANGUAGE_CODES)
_CALL_LANGUAGE = OneOf(CALL_ANALYTICS_LANGUAGE_CODES)
_NAME = Text(1, 200, "[0-9a-zA-Z._-]+")
_NAMES = TextList(1, 3000, "[a-zA-Z0-9,._-]+")
_UUID = Text(36, 36, "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}")
_PII = OneOf(("PII",))
_FILTER_METHOD = OneOf(("remove", "mask", "tag"))
_SPECIALTY = OneOf(("PRIMARYCARE", "CARDIOLOGY", "NEUROLOGY", "ONCOLOGY", "RADIOLOGY", "UROLOGY"))


def _sample_rate(low: int, operations: str) -> Member:
    return Member(
        "MediaSampleRateHertz",
        Integer(low, 48000, " Hz"),
        operations,
        name="media_sample_rate_hz",
        header="sample-rate",
    )


_MEMBERS = (
    Member("LanguageCode", _LANGUAGE, "stream medical!"),
    Member("LanguageCode", _CALL_LANGUAGE, "call"),
    Member("LanguageCode", OneOf(("en-US",)), "scribe!"),
    _sample_rate(8000, "stream! call! medical!"),
    _sample_rate(16000, "scribe!"),
    Member("MediaEncoding", OneOf(MEDIA_ENCODINGS), "stream! call! medical!"),
    Member("MediaEncoding", OneOf(("pcm", "ogg-opus", "flac")), "scribe!"),
    Member("VocabularyName", _NAME, "stream call medical"),
    Member("Specialty", _SPECIALTY, "medical!"),
    Member("Type", OneOf(("CONVERSATION", "DICTATION")), "medical!"),
    Member("SessionId", _UUID, "stream call medical scribe get!"),
    Member("VocabularyFilterName", _NAME, "stream call", name="vocab_filter_name"),
    Member("VocabularyFilterMethod", _FILTER_METHOD, "stream call", name="vocab_filter_method"),
    Member("ShowSpeakerLabel", Boolean(), "stream medical"),
    Member("EnableChannelIdentification", Boolean(), "stream medical"),
    Member("NumberOfChannels", Integer(2), "stream medical"),
    Member("EnablePartialResultsStabilization", Boolean(), "stream call"),
    Member("PartialResultsStability", OneOf(("high", "medium", "low")), "stream call"),
    Member("ContentIdentificationType", _PII, "stream call"),
    Member("ContentIdentificationType", OneOf(("PHI",)), "medical"),
    Member("ContentRedactionType", _PII, "stream call"),
    Member("PiiEntityTypes", TextList(1, 300, "[A-Z_, ]+"), "stream call"),
    Member("LanguageModelName", _NAME, "stream call"),
    Member("IdentifyLanguage", Boolean(), "stream call"),
    Member("LanguageOptions", TextList(1, 200, "[a-zA-Z,-]+"), "stream call"),
    Member("PreferredLanguage", _LANGUAGE, "stream"),
    Member("PreferredLanguage", _CALL_LANGUAGE, "call"),
    Member("IdentifyMultipleLanguages", Boolean(), "stream"),
    Member("VocabularyNames", _NAMES, "stream call"),
    Member("VocabularyFilterNames", _NAMES, "stream call"),
    Member("SessionResumeWindow", Integer(1, 300, " minutes"), "stream"),
    Member("TranscriptFormat", OneOf(("spoken", "written")), "stream"),
)

# Members of what is sent as JSON

_STRING = Text()
_NON_EMPTY = Text(1, 2000, r"(?s:.*\S.*)")
_ROLE_ARN = Text(
    20,
    2048,
    "arn:(aws|aws-cn|aws-us-gov|aws-iso-{0,1}[a-z]{0,1}):iam::[0-9]{0,63}"
    ":role/[A-Za-z0-9:_/+=,@.-]{0,1024}",
)
_CHANNEL = Integer(0, 1)

_CONFIGURATION = Structure(
    ConfigurationEvent,
    (
        Member(
            "ChannelDefinitions",
            ListOf(
                2,
                2,
                Structure(
                    ChannelDefinition,
                    (
                        Member("ChannelId", _CHANNEL, required=True),
                        Member("ParticipantRole", OneOf(("AGENT", "CUSTOMER")), required=True),
                    ),
                ),
            ),
        ),
        Member(
            "PostCallAnalyticsSettings",
            Structure(
                PostCallAnalyticsSettings,
                (
                    Member("OutputLocation", _STRING, required=True),
                    Member("DataAccessRoleArn", _STRING, required=True),
                    Member(
                        "ContentRedactionOutput", OneOf(("redacted", "redacted_and_unredacted"))
                    ),
                    Member("OutputEncryptionKMSKeyId", _STRING),
                ),
            ),
        ),
    ),
)

_NOTE_TEMPLATE = OneOf(
    ("HISTORY_AND_PHYSICAL", "GIRPP", "DAP", "SIRP", "BIRP", "BEHAVIORAL_SOAP", "PHYSICAL_SOAP")
)
_SCRIBE_CONFIGURATION = Structure(
    MedicalScribeConfigurationEvent,
    (
        Member("VocabularyName", _NAME),
        Member("VocabularyFilterName", _NAME),
        Member("VocabularyFilterMethod", _FILTER_METHOD),
        Member("ResourceAccessRoleArn", _ROLE_ARN, required=True),
        Member(
            "ChannelDefinitions",
            ListOf(
                2,
                2,
                Structure(
                    MedicalScribeChannelDefinition,
                    (
                        Member("ChannelId", _CHANNEL, required=True),
                        Member("ParticipantRole", OneOf(("PATIENT", "CLINICIAN")), required=True),
                    ),
                ),
            ),
        ),
        Member(
            "EncryptionSettings",
            Structure(
                MedicalScribeEncryptionSettings,
                (
                    Member("KmsEncryptionContext", MapOf(1, 10, _NON_EMPTY)),
                    Member(
                        "KmsKeyId",
                        Text(1, 2048, "[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,2048}"),
                        required=True,
                    ),
                ),
            ),
        ),
        Member(
            "PostStreamAnalyticsSettings",
            Structure(
                MedicalScribePostStreamAnalyticsSettings,
                (
                    Member(
                        "ClinicalNoteGenerationSettings",
                        Structure(
                            ClinicalNoteGenerationSettings,
                            (
                                Member(
                                    "OutputBucketName",
                                    Text(0, 64, r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]"),
                                    required=True,
                                ),
                                Member("NoteTemplate", _NOTE_TEMPLATE),
                            ),
                        ),
                        required=True,
                    ),
                ),
            ),
            required=True,
        ),
        Member(
            "MedicalScribeContext",
            Structure(
                MedicalScribeContext,
                (
                    Member(
                        "PatientContext",
                        Structure(
                            MedicalScribePatientContext,
                            (Member("Pronouns", OneOf(("HE_HIM", "SHE_HER", "THEY_THEM"))),),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

_SESSION_CONTROL = Structure(
    MedicalScribeSessionControlEvent,
    (Member("Type", OneOf((END_OF_SESSION,)), required=True),),
)

# Operations


@dataclass(frozen=True)
class InputEvent:
    """An event that the client sends besides audio.

    :param name: Its `:event-type`.
    :param parameter: What the methods that send it call it.
    :param rule: What it may be.
    """

    name: str
    parameter: str
    rule: Structure


@dataclass(frozen=True)
class Operation:
    """One operation of the service: where it is, what it takes, what it gives.

    :param key: Its short name in the table of members.
    :param path: Its path; a member's name in braces stands for its value.
    :param combinations: Tells which parameters need or exclude each other.
    :param result_stream: What reads its events; None for an answer of one JSON body.
    :param inputs: What its stream takes besides audio, the configuration first of all.
    :param configured: Whether the stream needs the configuration.
    """

    name: str
    key: str
    path: str
    combinations: Callable[[Any], Iterator[tuple[str, str]]]
    request: type[Any]
    response: type[Any]
    result_stream: type[Any] | None
    events: EventParser
    inputs: tuple[InputEvent, ...] = ()
    configured: bool = False
    method: str = "POST"

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Its rows of the table."""
        return tuple(member for member in _MEMBERS if self.key in member.operations)

    @cached_property
    def required(self) -> frozenset[str]:
        """The names in Python of the members that must be given."""
        return frozenset(member.name for member in self.members if member.operations[self.key])

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches its paths; the groups are the members that stand in them."""
        return re.compile(re.sub("{([A-Za-z]+)}", "(?P<\\1>[^/]+)", self.path))

    def target(self, request: Any) -> str:
        """The path of a request, its parameters filled in."""
        path = self.path
        for member in self.members:
            if self.is_label(member):
                value = quote(str(getattr(request, member.name)), safe="")
                path = path.replace(f"{{{member.model_name}}}", value)
        return path

    def is_label(self, member: Member) -> bool:
        """Whether a member travels in the path, not in a header."""
        return member.model_name in self.pattern.groupindex


def _stream_combinations(request: StartStreamTranscriptionRequest) -> Iterator[tuple[str, str]]:
    """The parameters that need or exclude each other: which one, and what is wrong.

    Braces stand for the parameter's name on the side that reports it.
    """
    yield from _languages(request, "identify_language", "identify_multiple_languages")
    yield from _channels(request)
    yield from _content(request)
    yield from _one_or_many(request)


def _call_combinations(
    request: StartCallAnalyticsStreamTranscriptionRequest,
) -> Iterator[tuple[str, str]]:
    yield from _languages(request, "identify_language")
    yield from _content(request)
    yield from _one_or_many(request)


def _no_combinations(request: Any) -> Iterator[tuple[str, str]]:
    yield from ()


def _languages(r: Any, *ways: str) -> Iterator[tuple[str, str]]:
    """One language, or one way to find it out."""
    either = " or ".join(f"{{{way}}}" for way in ways)
    given = [name for name in ("language_code", *ways) if getattr(r, name)]
    if not given:
        yield "language_code", f"{{language_code}} is required, unless {either} is set"
    if len(given) > 1:
        both = " and ".join(f"{{{name}}}" for name in given)
        yield given[0], f"{both} exclude each other: set only one of them"
    identifies = any(getattr(r, way) for way in ways)
    options = r.language_options
    if identifies and (not options or len(_listed(options)) < 2):
        yield (
            "language_options",
            f"{{language_options}} must list at least two language codes when {either} is set",
        )
    for name in ("language_options", "preferred_language"):
        if getattr(r, name) and not identifies:
            yield name, f"{{{name}}} needs {either}"
    if r.preferred_language and options and r.preferred_language not in _listed(options):
        yield "preferred_language", "{preferred_language} must be one of {language_options}"


def _channels(r: Any) -> Iterator[tuple[str, str]]:
    """Speakers or channels, and how many channels."""
    yield from _exclusive(r, "show_speaker_label", "enable_channel_identification")
    if r.enable_channel_identification and r.number_of_channels is None:
        yield (
            "number_of_channels",
            "{number_of_channels} is required with {enable_channel_identification}",
        )
    if r.number_of_channels is not None and not r.enable_channel_identification:
        yield "number_of_channels", "{number_of_channels} needs {enable_channel_identification}"


def _content(r: Any) -> Iterator[tuple[str, str]]:
    """Personal information marked or replaced."""
    yield from _exclusive(r, "content_identification_type", "content_redaction_type")
    if r.pii_entity_types and not (r.content_identification_type or r.content_redaction_type):
        yield (
            "pii_entity_types",
            "{pii_entity_types} needs {content_identification_type} or {content_redaction_type}",
        )


def _one_or_many(r: Any) -> Iterator[tuple[str, str]]:
    yield from _exclusive(r, "vocabulary_name", "vocabulary_names")
    yield from _exclusive(r, "vocab_filter_name", "vocabulary_filter_names")


def _exclusive(r: Any, one: str, other: str) -> Iterator[tuple[str, str]]:
    if getattr(r, one) and getattr(r, other):
        yield one, f"{{{one}}} and {{{other}}} exclude each other: set only one of them"


def _listed(value: Any) -> list[str]:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)


START_STREAM_TRANSCRIPTION = Operation(
    name="StartStreamTranscription",
    key="stream",
    path="/stream-transcription",
    combinations=_stream_combinations,
    request=StartStreamTranscriptionRequest,
    response=StartStreamTranscriptionResponse,
    result_stream=TranscriptResultStream,
    events=TRANSCRIPT_EVENTS,
)
START_CALL_ANALYTICS_STREAM_TRANSCRIPTION = Operation(
    name="StartCallAnalyticsStreamTranscription",
    key="call",
    path="/call-analytics-stream-transcription",
    combinations=_call_combinations,
    request=StartCallAnalyticsStreamTranscriptionRequest,
    response=StartCallAnalyticsStreamTranscriptionResponse,
    result_stream=CallAnalyticsTranscriptResultStream,
    events=CALL_ANALYTICS_EVENTS,
    inputs=(InputEvent("ConfigurationEvent", "configuration", _CONFIGURATION),),
)
START_MEDICAL_STREAM_TRANSCRIPTION = Operation(
    name="StartMedicalStreamTranscription",
    key="medical",
    path="/medical-stream-transcription",
    combinations=_channels,
    request=StartMedicalStreamTranscriptionRequest,
    response=StartMedicalStreamTranscriptionResponse,
    result_stream=MedicalTranscriptResultStream,
    events=MEDICAL_TRANSCRIPT_EVENTS,
)
START_MEDICAL_SCRIBE_STREAM = Operation(
    name="StartMedicalScribeStream",
    key="scribe",
    path="/medical-scribe-stream",
    combinations=_no_combinations,
    request=StartMedicalScribeStreamRequest,
    response=StartMedicalScribeStreamResponse,
    result_stream=MedicalScribeResultStream,
    events=MEDICAL_SCRIBE_EVENTS,
    inputs=(
        InputEvent("ConfigurationEvent", "configuration", _SCRIBE_CONFIGURATION),
        InputEvent("SessionControlEvent", "session_control", _SESSION_CONTROL),
    ),
    configured=True,
)
GET_MEDICAL_SCRIBE_STREAM = Operation(
    name="GetMedicalScribeStream",
    key="get",
    path="/medical-scribe-stream/{SessionId}",
    combinations=_no_combinations,
    request=GetMedicalScribeStreamRequest,
    response=GetMedicalScribeStreamResponse,
    result_stream=None,
    events=EventParser({}),
    method="GET",
)

OPERATIONS: Mapping[str, Operation] = {
    operation.path: operation
    for operation in (
        START_STREAM_TRANSCRIPTION,
        START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
        START_MEDICAL_STREAM_TRANSCRIPTION,
        START_MEDICAL_SCRIBE_STREAM,
        GET_MEDICAL_SCRIBE_STREAM,
    )
}
"""The operations by their path."""

# The client's side


def request_headers(operation: Operation, request: Any) -> list[tuple[str, str]]:
    """The headers that carry a request's parameters.

    :raises InvalidParameterException: for a value the service model forbids, or
        parameters that need or exclude each other.
    """
    if found := _first_problem(operation, request, _python_name):
        raise InvalidParameterException(*found)
    return _written(operation, request)


def check_configuration(operation: Operation, configuration: object) -> None:
    """Refuse what cannot be the configuration of a stream.

    :raises InvalidParameterException: for a value the service model forbids; its
        `parameter` is the path to it.
    """
    if operation.inputs and (configuration is not None or operation.configured):
        known = operation.inputs[0]
        if found := known.rule.fault(configuration, known.parameter, _python_name):
            raise InvalidParameterException(found[0], " ".join(found))


def write_event(operation: Operation, event: object) -> tuple[dict[str, str], bytes]:
    """The headers and the payload of an event besides audio.

    :raises SerializerException: when the operation takes no such event.
    :raises InvalidParameterException: for a value the service model forbids; its
        `parameter` is the path to it.
    """
    for known in operation.inputs:
        if isinstance(event, known.rule.shape):
            if found := known.rule.fault(event, known.parameter, _python_name):
                raise InvalidParameterException(found[0], " ".join(found))
            return _event_headers(known.name), _json.encode(event)
    names = " or ".join(known.rule.shape.__name__ for known in operation.inputs) or "such event"
    raise SerializerException(f"{operation.name} takes {names}, not {event!r}")


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
    assert operation.result_stream is not None
    return operation.response(
        operation.result_stream(result_stream),
        request_id=headers.get("x-amzn-request-id"),
        **fields,
    )


def read_answer(operation: Operation, body: bytes) -> Any:
    """The response that an answer of one JSON body is.

    :raises InvalidEventException: when it does not fit the service model.
    """
    return json_decoder(operation.response, strict=False)(body)


# The server's side


def operation_at(path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a path as sent, and the parameters in it by their model names."""
    for operation in OPERATIONS.values():
        if found := operation.pattern.fullmatch(path):
            return operation, {name: unquote(text) for name, text in found.groupdict().items()}
    return None


def read_request(
    operation: Operation, headers: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> Any:
    """The request that a call's headers describe.

    :param labels: What stands in its path, see `operation_at`.
    :raises BadRequestException: for whatever the client's own check would refuse.
    """
    fields: dict[str, Any] = {}
    for member in operation.members:
        if operation.is_label(member):
            text = (labels or {}).get(member.model_name)
        else:
            text = headers.get(member.header)
        if text is not None:
            try:
                fields[member.name] = member.rule.read(text)
            except ValueError:
                raise BadRequestException(
                    f"{member.model_name} {member.rule.problem(text)}"
                ) from None
    request = operation.request(**fields)
    if found := _first_problem(operation, request, _model_name):
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


def read_event(operation: Operation, name: str | None, payload: bytes) -> BaseEvent:
    """The event besides audio that a client has sent.

    :raises BadRequestException: when the operation takes no such event, or for whatever
        the client's own check would refuse.
    """
    for known in operation.inputs:
        if known.name == name:
            try:
                event: BaseEvent = json_decoder(known.rule.shape)(payload)
            except InvalidEventException as error:
                raise BadRequestException(f"{name} is not valid: {error.reason}") from None
            if found := known.rule.fault(event, known.name, _model_name):
                raise BadRequestException(" ".join(found))
            return event
    raise BadRequestException(f"Unexpected event {name!r} in the stream.")


def write_result(operation: Operation, event: BaseEvent) -> tuple[dict[str, str], bytes]:
    """The headers and the payload of an event from the service."""
    return _event_headers(operation.events.names[type(event)]), _json.encode(event)


def write_answer(response: Any) -> bytes:
    """An answer of one JSON body; times are seconds since 1970 (restJson1)."""
    return _json.encode(_with_seconds(msgspec.to_builtins(response, builtin_types=(datetime,))))


def _with_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_seconds(part) for name, part in value.items()}
    return value.timestamp() if isinstance(value, datetime) else value


# Both


_json = msgspec.json.Encoder()


def _event_headers(name: str) -> dict[str, str]:
    return {
        ":message-type": "event",
        ":event-type": name,
        ":content-type": "application/json",
    }


def _first_problem(operation: Operation, request: Any, naming: Naming) -> tuple[str, str] | None:
    """The first parameter that is wrong, and a sentence that says what is wrong with it."""
    if found := _first_fault(operation.members, operation.required, request, "", naming):
        return found[0], " ".join(found)
    names = {member.name: naming(member) for member in operation.members}
    for name, template in operation.combinations(request):
        return name, template.format_map(names)
    return None


def _first_fault(
    members: tuple[Member, ...],
    required: frozenset[str],
    value: Any,
    prefix: str,
    naming: Naming,
) -> tuple[str, str] | None:
    """The path to the first member that is wrong, and what is wrong with it."""
    for member in members:
        part = getattr(value, member.name)
        # The rule's own words for a missing value name what is allowed.
        if member.rule.is_unset(part) and member.name not in required:
            continue
        if found := member.rule.fault(part, prefix + naming(member), naming):
            return found
    return None


def _written(operation: Operation, request: Any) -> list[tuple[str, str]]:
    return [
        (member.header, member.rule.write(value))
        for member in operation.members
        if not operation.is_label(member)
        and not member.rule.is_unset(value := getattr(request, member.name))
    ]
