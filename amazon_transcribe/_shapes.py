"""The service's operations, and the mapping of their shapes to HTTP headers, paths and JSON.

What an operation takes stands in the fields of its shapes, see `_rules`; the client's
writing and the server's reading both follow from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from ._events import EventParser, EventShape, json_decoder
from ._rules import (
    PREFIX,
    REQUEST_ID,
    SESSION_ID,
    Member,
    Naming,
    Structure,
    first_fault,
    members_of,
)
from .eventstream import BaseEvent
from .exceptions import (
    BadRequestException,
    InvalidEventException,
    InvalidParameterException,
    SerializerException,
)
from .model import (
    CALL_ANALYTICS_EVENTS,
    MEDICAL_SCRIBE_EVENTS,
    MEDICAL_TRANSCRIPT_EVENTS,
    TRANSCRIPT_EVENTS,
    CallAnalyticsTranscriptResultStream,
    ConfigurationEvent,
    GetMedicalScribeStreamRequest,
    GetMedicalScribeStreamResponse,
    MedicalScribeConfigurationEvent,
    MedicalScribeResultStream,
    MedicalScribeSessionControlEvent,
    MedicalTranscriptResultStream,
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

# Operations


@dataclass(frozen=True)
class InputEvent:
    """An event that the client sends besides audio.

    :param name: Its `:event-type`.
    :param parameter: What the methods that send it call it.
    :param shape: Its payload.
    :param combinations: Tells which members need or exclude each other.
    """

    name: str
    parameter: str
    shape: type[EventShape]
    combinations: Callable[[Any], Iterator[tuple[str, str]]]

    @property
    def rule(self) -> Structure:
        return Structure(self.shape)

    def problem(self, event: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        """The path to the first member that is wrong, and a sentence that says what is."""
        if found := self.rule.fault(event, path, naming):
            return found[0], " ".join(found)
        names = {m.name: f"{path}.{naming(m)}" for m in members_of(self.shape)}
        for name, template in self.combinations(event):
            return names[name], template.format_map(names)
        return None


@dataclass(frozen=True)
class Operation:
    """One operation of the service: where it is, what it takes, what it gives.

    :param path: Its path; a member's name in braces stands for its value.
    :param combinations: Tells which parameters need or exclude each other.
    :param request: What it takes; each field is a member, see `_rules`.
    :param response: What the service echoes of that.
    :param result_stream: What reads its events; None for an answer of one JSON body.
    :param inputs: What its stream takes besides audio, the configuration first of all.
    :param configured: Whether the stream needs the configuration.
    """

    name: str
    path: str
    combinations: Callable[[Any], Iterator[tuple[str, str]]]
    request: type[msgspec.Struct]
    response: type[Any]
    result_stream: type[Any] | None
    events: EventParser
    inputs: tuple[InputEvent, ...] = ()
    configured: bool = False
    method: str = "POST"

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """What it takes."""
        return members_of(self.request)

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


def _channels_once(
    e: ConfigurationEvent | MedicalScribeConfigurationEvent,
) -> Iterator[tuple[str, str]]:
    """Who speaks on which channel: of each the one or the other (API reference)."""
    channels = [definition.channel_id for definition in e.channel_definitions or ()]
    if len(set(channels)) < len(channels):
        yield (
            "channel_definitions",
            f"{{channel_definitions}} must define each channel once, not {channels[0]} twice",
        )


def _scribe_combinations(e: MedicalScribeConfigurationEvent) -> Iterator[tuple[str, str]]:
    yield from _channels_once(e)
    if e.vocabulary_filter_name and not e.vocabulary_filter_method:  # API reference
        yield (
            "vocabulary_filter_method",
            "{vocabulary_filter_method} is required with {vocabulary_filter_name}",
        )


def _listed(value: Any) -> list[str]:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)


START_STREAM_TRANSCRIPTION = Operation(
    name="StartStreamTranscription",
    path="/stream-transcription",
    combinations=_stream_combinations,
    request=StartStreamTranscriptionRequest,
    response=StartStreamTranscriptionResponse,
    result_stream=TranscriptResultStream,
    events=TRANSCRIPT_EVENTS,
)
START_CALL_ANALYTICS_STREAM_TRANSCRIPTION = Operation(
    name="StartCallAnalyticsStreamTranscription",
    path="/call-analytics-stream-transcription",
    combinations=_call_combinations,
    request=StartCallAnalyticsStreamTranscriptionRequest,
    response=StartCallAnalyticsStreamTranscriptionResponse,
    result_stream=CallAnalyticsTranscriptResultStream,
    events=CALL_ANALYTICS_EVENTS,
    inputs=(InputEvent("ConfigurationEvent", "configuration", ConfigurationEvent, _channels_once),),
)
START_MEDICAL_STREAM_TRANSCRIPTION = Operation(
    name="StartMedicalStreamTranscription",
    path="/medical-stream-transcription",
    combinations=_channels,
    request=StartMedicalStreamTranscriptionRequest,
    response=StartMedicalStreamTranscriptionResponse,
    result_stream=MedicalTranscriptResultStream,
    events=MEDICAL_TRANSCRIPT_EVENTS,
)
START_MEDICAL_SCRIBE_STREAM = Operation(
    name="StartMedicalScribeStream",
    path="/medical-scribe-stream",
    combinations=_no_combinations,
    request=StartMedicalScribeStreamRequest,
    response=StartMedicalScribeStreamResponse,
    result_stream=MedicalScribeResultStream,
    events=MEDICAL_SCRIBE_EVENTS,
    inputs=(
        InputEvent(
            "ConfigurationEvent",
            "configuration",
            MedicalScribeConfigurationEvent,
            _scribe_combinations,
        ),
        InputEvent(
            "SessionControlEvent",
            "session_control",
            MedicalScribeSessionControlEvent,
            _no_combinations,
        ),
    ),
    configured=True,
)
GET_MEDICAL_SCRIBE_STREAM = Operation(
    name="GetMedicalScribeStream",
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
        if found := known.problem(configuration, known.parameter, _python_name):
            raise InvalidParameterException(*found)


def write_event(operation: Operation, event: object) -> tuple[dict[str, str], bytes]:
    """The headers and the payload of an event besides audio.

    :raises SerializerException: when the operation takes no such event.
    :raises InvalidParameterException: for a value the service model forbids; its
        `parameter` is the path to it.
    """
    for known in operation.inputs:
        if isinstance(event, known.shape):
            if found := known.problem(event, known.parameter, _python_name):
                raise InvalidParameterException(*found)
            return _event_headers(known.name), _json.encode(event)
    names = " or ".join(known.shape.__name__ for known in operation.inputs) or "audio only"
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
        request_id=headers.get(REQUEST_ID),
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


def unknown_parameters(operation: Operation, headers: Iterable[str]) -> list[str]:
    """Which of a call's headers would be parameters, but of the operation are none."""
    known = {member.header for member in operation.members}
    return [name for name in headers if name.startswith(PREFIX) and name not in known]


def response_headers(
    operation: Operation, request: Any, *, request_id: str, session_id: str
) -> list[tuple[str, str]]:
    """The headers of the answer: who it is, and the request's parameters once more."""
    written = [(n, v) for n, v in _written(operation, request) if n != SESSION_ID]
    return [
        (REQUEST_ID, request_id),
        (SESSION_ID, session_id),
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
                event: BaseEvent = json_decoder(known.shape)(payload)
            except InvalidEventException as error:
                raise BadRequestException(f"{name} is not valid: {error.reason}") from None
            if found := known.problem(event, known.name, _model_name):
                raise BadRequestException(found[1])
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


def _python_name(member: Member) -> str:
    return member.name


def _model_name(member: Member) -> str:
    return member.model_name


def _first_problem(operation: Operation, request: Any, naming: Naming) -> tuple[str, str] | None:
    """The first parameter that is wrong, and a sentence that says what is wrong with it."""
    if found := first_fault(operation.members, request, "", naming):
        return found[0], " ".join(found)
    names = {member.name: naming(member) for member in operation.members}
    for name, template in operation.combinations(request):
        return name, template.format_map(names)
    return None


def _written(operation: Operation, request: Any) -> list[tuple[str, str]]:
    return [
        (member.header, member.rule.write(value))
        for member in operation.members
        if not operation.is_label(member)
        and not member.rule.is_unset(value := getattr(request, member.name))
    ]
