"""The mapping of an operation's shapes to HTTP headers, paths and JSON (restJson1).

What an operation takes stands in the fields of its shapes, see `constraints`; the client's
writing and the server's reading both follow from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec

from ..exceptions import (
    BadRequestException,
    InvalidEventException,
    InvalidParameterException,
    SerializerException,
)
from .constants import PREFIX, REQUEST_ID, SESSION_ID
from .constraints import normalised
from .events import json_decoder
from .operation import InputEvent, Operation, client_name, service_name
from .shapes import EventShape

write_json = msgspec.json.Encoder().encode

# The client's side


class WrittenRequest(NamedTuple):
    """A request's parameters as they are sent.

    :param target: The path.
    :param headers: The parameters that travel in headers.
    :param plain: The request with the plain values that were checked and written.
    """

    target: str
    headers: list[tuple[str, str]]
    plain: Any


def write_request(operation: Operation, request: Any) -> WrittenRequest:
    """Check a request and write its parameters.

    :raises InvalidParameterException: for a value the service model forbids, or
        parameters that need or exclude each other.
    """
    plain = normalised(operation.members, request)
    if found := operation.first_violation(plain, client_name):
        raise InvalidParameterException(*found)
    return WrittenRequest(operation.target(plain), _parameter_headers(operation, plain), plain)


def write_event(operation: Operation, event: object) -> tuple[InputEvent, dict[str, str], bytes]:
    """Write an event besides audio: what it is, its headers and its payload.

    :raises SerializerException: when the operation takes no such event.
    :raises InvalidParameterException: for a value the service model forbids; its
        `parameter` is the path to it.
    """
    for known in operation.inputs:
        if isinstance(event, known.shape):
            plain = known.structure.normalised(event)
            if found := known.first_violation(plain, known.parameter, client_name):
                raise InvalidParameterException(*found)
            return known, event_headers(known.name), write_json(plain)
    names = " or ".join(known.shape.__name__ for known in operation.inputs) or "audio only"
    raise SerializerException(f"{operation.name} takes {names}, not {event!r}")


def read_response(operation: Operation, headers: Mapping[str, str], result_stream: Any) -> Any:
    """Read the response from an answer's headers.

    A value that does not read as its type is left out: an echo is not worth a failure.
    """
    fields: dict[str, Any] = {}
    for member, header in operation.header_members:
        text = headers.get(header)
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
    """Read the response from an answer of one JSON body.

    :raises InvalidEventException: when it does not fit the service model.
    """
    return json_decoder(operation.response, strict=False)(body)


# The server's side


def read_request(
    operation: Operation, headers: Mapping[str, str], labels: Mapping[str, str]
) -> Any:
    """Read the request that a call's headers and path describe.

    :param labels: The parameters in its path, by their names in the service model.
    :raises BadRequestException: for whatever the client's own check would refuse.
    """
    given = [(member, headers.get(header)) for member, header in operation.header_members]
    given += [(member, labels.get(member.model_name)) for member in operation.label_members]
    fields: dict[str, Any] = {}
    for member, text in given:
        if text is not None:
            try:
                fields[member.name] = member.rule.read(text)
            except ValueError:
                raise BadRequestException(
                    f"{member.model_name} {member.rule.violation(text)}"
                ) from None
    request = operation.request(**fields)
    if found := operation.first_violation(request, service_name):
        raise BadRequestException(found[1])
    return request


def unknown_parameters(operation: Operation, headers: Iterable[str]) -> list[str]:
    """List the headers with the parameters' prefix that the operation does not define."""
    known = {header for _, header in operation.header_members}
    return [name for name in headers if name.startswith(PREFIX) and name not in known]


def response_headers(
    operation: Operation, request: Any, *, request_id: str, session_id: str
) -> list[tuple[str, str]]:
    """Write the headers of the answer: who it is, and the request's parameters once more."""
    repeated = [(n, v) for n, v in _parameter_headers(operation, request) if n != SESSION_ID]
    return [(REQUEST_ID, request_id), (SESSION_ID, session_id), *repeated]


def read_event(
    operation: Operation, name: str | None, payload: bytes
) -> tuple[InputEvent, EventShape]:
    """Read an event besides audio that a client has sent, and say what it is.

    :raises BadRequestException: when the operation takes no such event, or for whatever
        the client's own check would refuse.
    """
    for known in operation.inputs:
        if known.name == name:
            try:
                event = json_decoder(known.shape)(payload)
            except InvalidEventException as error:
                raise BadRequestException(f"{name} is not valid: {error.reason}") from None
            if found := known.first_violation(event, known.name, service_name):
                raise BadRequestException(found[1])
            return known, event
    raise BadRequestException(f"Unexpected event {name!r} in the stream.")


def write_answer(response: Any) -> bytes:
    """Write an answer of one JSON body; times are seconds since 1970 (restJson1)."""
    return write_json(_with_seconds(msgspec.to_builtins(response, builtin_types=(datetime,))))


def _with_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_seconds(part) for name, part in value.items()}
    return value.timestamp() if isinstance(value, datetime) else value


# Both sides


@cache
def event_headers(name: str) -> dict[str, str]:
    """Return the headers of an event; one dict for all events of its type."""
    return {
        ":message-type": "event",
        ":event-type": name,
        ":content-type": "application/json",
    }


def _parameter_headers(operation: Operation, request: Any) -> list[tuple[str, str]]:
    written = []
    for member, header in operation.header_members:
        value = getattr(request, member.name)
        if value is not None and not member.rule.is_unset(value):
            written.append((header, member.rule.write(value)))
    return written
