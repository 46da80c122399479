"""Events of all operations, and the parser that makes them of messages.

The shapes of each operation are in its own module; `amazon_transcribe.model` has all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec
from msgspec import Struct

from .._wire.values import HeaderValueOutput
from ..eventstream import BaseEvent
from ..exceptions import InvalidEventException, ServiceException, UnknownServiceException
from .constants import SERVICE_EXCEPTIONS

AudioChunk = bytes | bytearray | memoryview
NO_REASON = "the service gave no reason"

_INVALID_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MAX_TEXT = 1_000  # bytes of a body that is not JSON, as it may be a proxy's whole page
_Shape = TypeVar("_Shape", bound=Struct)


class AudioEvent(BaseEvent):
    """A chunk of audio on its way to the service.

    :param audio_chunk: At most 32,768 bytes; None counts as empty. To the service an event
        without audio is the end of the input.
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

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it is mutable

    def __repr__(self) -> str:
        return f"AudioEvent(<{len(self.payload)} bytes>)"


class UnknownEvent(BaseEvent):
    """An event of a type that this version does not know.

    :param event_type: The `:event-type`, None if there is none.
    :param payload: The payload's bytes.
    :param headers: All headers.
    """

    def __init__(
        self, event_type: str | None, payload: bytes, headers: dict[str, HeaderValueOutput]
    ) -> None:
        super().__init__(payload=payload)
        self.event_type = event_type
        self.headers = headers

    def __repr__(self) -> str:
        return f"UnknownEvent(event_type={self.event_type!r}, <{len(self.payload)} bytes>)"


class Message(Protocol):
    """What the parser needs of a message."""

    @property
    def headers(self) -> dict[str, HeaderValueOutput]: ...

    @property
    def payload(self) -> bytes: ...


class EventParser:
    """A parser of the messages of one operation's result stream.

    :param shapes: The shapes of the payloads, by event type.
    """

    def __init__(self, shapes: Mapping[str, type[Any]]) -> None:
        self.names: dict[type, str] = {shape: name for name, shape in shapes.items()}
        """The event type of each shape."""
        self._shapes = shapes
        self.decoders: dict[str, Callable[[bytes], BaseEvent]] = {
            name: msgspec.json.Decoder(shape).decode for name, shape in shapes.items()
        }
        """What makes events of payloads, by event type; it raises for JSON's rarer forms."""
        self.keepers: dict[str, Callable[[bytes], UnparsedEvent]] = {
            name: partial(UnparsedEvent, self, name) for name in shapes
        }
        """What keeps payloads until their events are wanted, by event type."""

    def parse(self, message: Message) -> BaseEvent:
        """Return the event of a message, an `UnknownEvent` if its type is not known.

        :param message: A message of the result stream.
        :raises ServiceException: If the message is an exception or an error.
        :raises InvalidEventException: If a known event does not fit its shape.
        """
        headers = message.headers
        kind, name = headers.get(":message-type"), _text(headers.get(":event-type"))
        if kind == "event" and name is not None and name in self._shapes:
            return self.parse_payload(name, message.payload)
        if kind == "exception":
            # The service's HTTP/2 guide has the name in :event-type; every SDK reads
            # :exception-type.
            raise service_exception(_text(headers.get(":exception-type")) or name, message.payload)
        if kind == "error":
            raise _exception(
                _text(headers.get(":error-code")),
                _text(headers.get(":error-message")) or NO_REASON,
                ServiceException.status_code,
            )
        return UnknownEvent(name, message.payload, headers)

    def parse_payload(self, name: str, payload: bytes) -> BaseEvent:
        """Return the event of a payload.

        :param name: A known event type.
        :param payload: Its JSON.
        :raises InvalidEventException: If it does not fit its shape.
        """
        try:
            return self.decoders[name](payload)
        except _INVALID_JSON:  # or one of JSON's rarer forms
            event: BaseEvent = json_decoder(self._shapes[name])(payload)
            return event


class UnparsedEvent(Struct, gc=False):
    """An event as the bytes that it came in.

    :param parser: Makes the event of them.
    :param name: Its event type.
    """

    parser: EventParser
    name: str
    payload: bytes

    def parse(self) -> BaseEvent:
        """Return the event.

        :raises InvalidEventException: If it does not fit its shape.
        """
        return self.parser.parse_payload(self.name, self.payload)


def service_exception(name: str | None, payload: bytes, status_code: int = 400) -> ServiceException:
    """Return the exception of a refusal.

    :param name: The service's name of it; a name without a class here is kept in
        `UnknownServiceException.error_code`.
    :param payload: The JSON body, whose text is under `Message`, or under `message` from
        some parts of AWS. The first 1,000 bytes of a body that is not JSON are the text.
    :param status_code: The HTTP status of the response.
    """
    try:
        body = msgspec.json.decode(payload)
    except _INVALID_JSON:
        body = {"Message": payload[:_MAX_TEXT].decode("utf-8", "replace").strip()}
    message = None
    if isinstance(body, dict):
        message = _text(body.get("Message") or body.get("message"))
    return _exception(name, message or NO_REASON, status_code)


def json_decoder(shape: type[_Shape], *, strict: bool = True) -> Callable[[bytes], _Shape]:
    """Return a function that decodes JSON to a shape.

    :param strict: False accepts numbers of seconds since 1970 as times.
    :raises InvalidEventException: From the decoder, for JSON that does not fit the shape.
    """
    decode = msgspec.json.Decoder(shape, strict=strict).decode

    def decoder(payload: bytes) -> _Shape:
        try:
            return decode(payload)
        except _INVALID_JSON:
            pass
        # Again for rarer forms: an empty payload, and null for an absent member.
        try:
            body = msgspec.json.decode(payload) if payload else {}
            return msgspec.convert(_without_nulls(body), shape, strict=strict)
        except _INVALID_JSON as error:
            raise InvalidEventException(shape.__name__, str(error)) from error

    return decoder


def _exception(name: str | None, message: str, status_code: int) -> ServiceException:
    if kind := SERVICE_EXCEPTIONS.get(name or ""):
        return kind(message)
    return UnknownServiceException(status_code, name, message)


def _text(value: object) -> str | None:
    """Return the value if it is text: a peer may send any type."""
    return value if isinstance(value, str) else None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value
