"""What all operations share: audio in, messages to events, an open stream's two ends.

The shapes of one operation stand in a module of their own; programs find all of them in
`amazon_transcribe.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ..eventstream import BaseEvent, EventStreamMessage
from ..exceptions import InvalidEventException, ServiceException, UnknownServiceException
from .constants import SERVICE_EXCEPTIONS

AudioChunk = bytes | bytearray | memoryview
_Shape = TypeVar("_Shape", bound=Struct)


class Shape(Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True, gc=False):
    """A JSON shape of the service: PascalCase on the wire, unset fields left out.

    Shapes are trees: the garbage collector has nothing to find in them, and is spared
    the search.
    """


class EventShape(Shape, BaseEvent, gc=True):
    """An event whose payload is a shape, as JSON."""


class AudioEvent(BaseEvent):
    """A chunk of audio on its way to the service.

    :param audio_chunk: At most 32,768 bytes; None counts as empty. The service takes an
        event without audio as the end of the input.
    """

    def __init__(self, audio_chunk: AudioChunk | None) -> None:
        super().__init__(payload=b"" if audio_chunk is None else bytes(audio_chunk))

    @property
    def audio_chunk(self) -> bytes:
        """The audio."""
        return self.payload

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AudioEvent):
            return NotImplemented
        return self.payload == other.payload

    __hash__ = None  # type: ignore[assignment]  # as any mutable value

    def __repr__(self) -> str:
        return f"AudioEvent(<{len(self.payload)} bytes>)"


class UnknownEvent(BaseEvent):
    """An event of a type that this version does not know, as it came.

    :param event_type: Its `:event-type`, None when it has none.
    :param payload: Its bytes.
    :param headers: All its headers.
    """

    def __init__(self, event_type: str | None, payload: bytes, headers: dict[str, Any]) -> None:
        super().__init__(payload=payload)
        self.event_type = event_type
        self.headers = headers

    def __repr__(self) -> str:
        return f"UnknownEvent(event_type={self.event_type!r}, <{len(self.payload)} bytes>)"


# Messages to events

_INVALID_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MAX_TEXT = 1_000  # of a body that is no JSON: it may be a proxy's whole page
NO_REASON = "the service gave no reason"


def service_exception(name: str | None, payload: bytes, status_code: int = 400) -> ServiceException:
    """The exception that a refusal stands for.

    :param name: Its name at the service; one without a class of its own is kept in
        `UnknownServiceException.error_code`.
    :param payload: Its JSON body. The text is under `Message`; some parts of AWS write
        `message`. A body that is no JSON is the text itself, up to 1,000 bytes of it.
    :param status_code: The HTTP status it came with.
    """
    try:
        body = msgspec.json.decode(payload)
    except _INVALID_JSON:
        body = {"Message": payload[:_MAX_TEXT].decode("utf-8", "replace").strip()}
    message = None
    if isinstance(body, dict):
        message = _text(body.get("Message") or body.get("message"))
    return _exception(name, message or NO_REASON, status_code)


def _exception(name: str | None, message: str, status_code: int) -> ServiceException:
    if kind := SERVICE_EXCEPTIONS.get(name or ""):
        return kind(message)
    return UnknownServiceException(status_code, name, message)


def _text(value: object) -> str | None:
    """The value if it is text: a peer may send any type."""
    return value if isinstance(value, str) else None


class EventParser:
    """Turns the messages of one operation's result stream into events.

    :param shapes: Event types and what their payloads are.
    """

    def __init__(self, shapes: Mapping[str, type[Any]]) -> None:
        self.names = {shape: name for name, shape in shapes.items()}
        """The event type of each shape."""
        self._decoders = {name: json_decoder(shape) for name, shape in shapes.items()}

    def parse(self, message: EventStreamMessage) -> BaseEvent:
        """The event in a message; what is not known comes out as `UnknownEvent`.

        :param message: A message of the result stream.
        :raises ServiceException: when the message is an exception or an error.
        :raises InvalidEventException: when a known event does not fit its shape.
        """
        headers = message.headers
        kind = headers.get(":message-type")
        name = _text(headers.get(":event-type"))
        if kind == "event":
            decode = self._decoders.get(name or "")
            if decode is not None:
                event: BaseEvent = decode(message.payload)
                return event
        elif kind == "exception":
            # The service's HTTP/2 guide puts the name in :event-type, every SDK reads
            # :exception-type.
            raise service_exception(_text(headers.get(":exception-type")) or name, message.payload)
        elif kind == "error":
            raise _exception(
                _text(headers.get(":error-code")),
                _text(headers.get(":error-message")) or NO_REASON,
                ServiceException.status_code,
            )
        return UnknownEvent(name, message.payload, headers)


def json_decoder(shape: type[_Shape], *, strict: bool = True) -> Callable[[bytes], _Shape]:
    """What makes a shape of its JSON.

    :param strict: False takes numbers of seconds since 1970 for times.
    :raises InvalidEventException: from the decoder, for JSON that does not fit.
    """
    decode = msgspec.json.Decoder(shape, strict=strict).decode

    def decoder(payload: bytes) -> _Shape:
        try:
            return decode(payload)
        except _INVALID_JSON:
            pass
        # Once more with the rarer liberties: no payload at all, and null for absent.
        try:
            body = msgspec.json.decode(payload) if payload else {}
            return msgspec.convert(_without_nulls(body), shape, strict=strict)
        except _INVALID_JSON as error:
            raise InvalidEventException(shape.__name__, str(error)) from error

    return decoder


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value
