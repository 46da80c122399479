"""The exceptions of this package, in one tree under `SDKError`.

    SDKError
    ├── ParserError                  bytes that are not a valid event stream
    ├── SerializationError           a value that the event stream cannot carry
    ├── SerializerException          an event of a kind that cannot be sent
    ├── ValidationException          a value that is refused before anything is sent
    ├── CredentialsException         no usable credentials
    ├── LoopException                something used from another event loop than its own
    ├── HTTPException                the network, TLS, HTTP/2 or WebSocket
    │   ├── ConnectException         no connection could be made
    │   ├── TimeoutException         a timeout; its `phase` says of what
    │   ├── LimiterException         a fleet's limiter cannot reach its server
    │   ├── UnexpectedAnswerException   an answer that is no event stream
    │   └── StreamException          an open stream ended other than cleanly
    ├── ServiceException             the service's own refusals and failures
    │   └── BadRequestException, ConflictException, …
    ├── InvalidEventException        an event that does not fit the service model
    ├── audio.AudioFileException     audio that cannot be read
    ├── transcribe.IncompleteTranscription   a recording's transcription that failed midway
    ├── batch.BatchException         a batch that cannot begin or go on
    └── local.engines.EngineUnavailable   a recogniser whose packages are missing

Four have two base classes, so that a program that catches either one catches them:
`InvalidParameterException` is a `ValidationException` and a `BadRequestException`, the
service's refusal; `TruncatedStreamException` is a `StreamException` and a `ParserError`;
`TimeoutException` is Python's `TimeoutError` too, and `StreamClosedException` an `OSError`,
as the original SDK raises one for audio after the end.

Python's own exceptions come through as well: `TypeError` and `ValueError` for arguments
that a function cannot take at all, `OSError` where the local server cannot listen or read
its files, and whatever a program's own resolvers, handlers and audio raise.
"""

from __future__ import annotations

import re
import sys

from ._version import __version__

__all__ = [
    "BadRequestException",
    "ChecksumMismatch",
    "ConflictException",
    "ConnectException",
    "ConnectionLostException",
    "CredentialsException",
    "DuplicateHeader",
    "HTTPException",
    "HeaderBytesExceedMaxLength",
    "HeaderValueBytesExceedMaxLength",
    "InternalFailureException",
    "InvalidEventException",
    "InvalidHeader",
    "InvalidHeaderValue",
    "InvalidHeadersLength",
    "InvalidMessageLength",
    "InvalidParameterException",
    "InvalidPayloadLength",
    "LimitExceededException",
    "LimiterException",
    "LoopException",
    "ParserError",
    "PayloadBytesExceedMaxLength",
    "ResourceNotFoundException",
    "SDKError",
    "SerializationError",
    "SerializationException",
    "SerializerException",
    "ServiceException",
    "ServiceUnavailableException",
    "StreamClosedException",
    "StreamException",
    "StreamResetException",
    "TimeoutException",
    "TruncatedStreamException",
    "UnexpectedAnswerException",
    "UnknownServiceException",
    "UnreadResultsException",
    "ValidationException",
]


class SDKError(Exception):
    """Base class of every exception of this package.

    An exception that ended an open stream carries `request_id` and `session_id`, as the
    service gave them, and `audio_bytes_sent`, the number of bytes of audio that were queued
    to be sent, so that a program can quote them and resume where the stream broke. A
    refused start carries only the `request_id`.

    Texts of a peer's may be in the message: `str()` shows their control characters escaped,
    so that it may be printed on a terminal or written into a log.
    """

    request_id: str | None = None
    session_id: str | None = None
    audio_bytes_sent: int = 0

    def __str__(self) -> str:
        return printable(self._text())

    def _text(self) -> str:
        return Exception.__str__(self)


# The wire format: reading


class ParserError(SDKError):
    """Bytes that are not a valid event stream.

    There is no resynchronisation after a fault: the decoder that raised it stays failed.

    :param reason: What is wrong, without the position.
    :param offset: The position of the offending byte, counted from the first byte of its
        message.
    """

    def __init__(self, reason: str = "", offset: int = 0) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset

    def _text(self) -> str:
        return f"{self.reason} (at byte {self.offset} of the message)"


class InvalidMessageLength(ParserError):
    """The message's lengths contradict each other or the bytes at hand.

    Raised for a total length under 16 bytes, headers longer than the message,
    bytes missing at the end of the input, and bytes left over.
    """


class InvalidHeadersLength(ParserError):
    """The header block is longer than the limit.

    :param length: Its length in bytes, as the message states it.
    :param limit: The longest header block that the decoder accepts, in bytes.
    """

    def __init__(self, length: int, limit: int = 128 * 1024) -> None:
        super().__init__(f"Header length of {length} exceeded the maximum of {limit}", 4)
        self.args: tuple[object, ...] = (length, limit)


class InvalidPayloadLength(ParserError):
    """The payload is longer than the limit.

    :param length: Its length in bytes, as the message states it.
    :param limit: The longest payload that the decoder accepts, in bytes.
    """

    def __init__(self, length: int, limit: int = 16 * 1024**2) -> None:
        super().__init__(f"Payload length of {length} exceeded the maximum of {limit}", 0)
        self.args: tuple[object, ...] = (length, limit)


class ChecksumMismatch(ParserError):
    """A CRC in the message differs from the one calculated over its bytes.

    :param expected: The CRC-32 in the message.
    :param calculated: The CRC-32 of its bytes.
    :param offset: The position of the CRC in the message.
    """

    def __init__(self, expected: int, calculated: int, offset: int = 8) -> None:
        super().__init__(
            f"Checksum mismatch: expected 0x{expected:08x}, calculated 0x{calculated:08x}", offset
        )
        self.args: tuple[object, ...] = (expected, calculated, offset)
        self.expected = expected
        self.calculated = calculated


class InvalidHeader(ParserError):
    """A header's name, type or value breaks the wire format."""


class DuplicateHeader(ParserError):
    """A header name occurs twice in one message.

    :param header: The name.
    :param offset: The position of its second occurrence in the message.
    """

    def __init__(self, header: str, offset: int = 12) -> None:
        super().__init__(f'Duplicate header present: "{header}"', offset)
        self.args: tuple[object, ...] = (header, offset)
        self.header = header


# The wire format: writing


class SerializationError(SDKError):
    """A header or payload that cannot be written as an event-stream message."""


class InvalidHeaderValue(SerializationError):
    """A header name or value of a type, range or content the format cannot carry.

    :param value: The name or value.
    :param reason: What is wrong with it; by default its type.
    """

    def __init__(self, value: object, reason: str | None = None) -> None:
        super().__init__(value, reason)
        self.value = value
        self.reason: str = reason or f"Invalid header value type: {type(value)}"

    def _text(self) -> str:
        return self.reason


class _ExceedsMaxLength(SerializationError):
    """Something that is longer than the format allows.

    :param length: Its length in bytes.
    """

    _message = ""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def _text(self) -> str:
        return self._message.format(self.length)


class HeaderBytesExceedMaxLength(_ExceedsMaxLength):
    """The encoded headers are longer than 128 KiB."""

    _message = "Headers exceeded max serialization length of 128 KiB at {} bytes"


class HeaderValueBytesExceedMaxLength(_ExceedsMaxLength):
    """One string or byte-array header value is longer than 32,767 bytes."""

    _message = "Header bytes value exceeds max serialization length of (32 KiB - 1) at {} bytes"


class PayloadBytesExceedMaxLength(_ExceedsMaxLength):
    """The payload is longer than 16 MiB."""

    _message = "Payload exceeded max serialization length of 16 MiB at {} bytes"


# Before anything is sent


class SerializerException(SDKError):
    """An event of a kind that this stream cannot send."""


class ValidationException(SDKError):
    """A value that is refused before anything is sent."""


class CredentialsException(SDKError):
    """Credentials could not be resolved, or lack their access key or secret."""


# The network


class HTTPException(SDKError):
    """A failure below the service: of the network, TLS, HTTP/2 or WebSocket."""


class ConnectException(HTTPException):
    """No connection for a stream could be made: name resolution, TCP, TLS or HTTP/2 failed.

    :param message: What failed, and why.
    :param transient: False if another attempt cannot help: an unknown name, an untrusted
        certificate, a peer that does not speak HTTP/2.
    """

    def __init__(self, message: str = "", *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class TimeoutException(HTTPException, TimeoutError):
    """A wait took too long.

    :param phase: What was waited for: `"endpoint"`, `"slot"`, `"credentials"`, `"connect"`,
        `"response"`, `"read"`, `"send"`, `"idle"` or `"drain"`.
    :param seconds: The time allowed; below 0 counts as 0.
    """

    def __init__(self, phase: str, seconds: float) -> None:
        super().__init__(phase, seconds)
        self.phase = phase
        self.seconds: float = max(seconds, 0.0)  # the deadline may pass before the wait begins

    def _text(self) -> str:
        return f"timed out after {self.seconds:g} s in phase {self.phase!r}"


class LimiterException(HTTPException):
    """The server that counts a fleet's streams does not answer, or refuses.

    Raised where the program chose that starts fail then: see `ValkeyStreamLimiter`.
    """


class UnexpectedAnswerException(HTTPException):
    """Something answered with HTTP 200, but not with an event stream.

    It is not the service: a proxy's page, a captive portal, or another server at this
    endpoint.

    :param status_code: The HTTP status.
    :param content_type: The answer's content type, None if it has none.
    :param body: The first bytes of the answer.
    """

    def __init__(self, status_code: int, content_type: str | None, body: bytes) -> None:
        super().__init__(status_code, content_type, body)
        self.status_code = status_code
        self.content_type = content_type
        self.body = body

    def _text(self) -> str:
        kind = f"of type {shown(self.content_type)}" if self.content_type else "of no content type"
        text = shown(self.body.decode("utf-8", "replace"))
        content = f"begins with '{text}'" if text else "empty"
        return (
            f"the answer with HTTP {self.status_code} is no event stream: it is {kind} and"
            f" {content}; check the endpoint, and what is on the way to it: a proxy or a captive"
            " portal"
        )


class StreamException(HTTPException):
    """An open stream ended in another way than by the service's clean end."""


class ConnectionLostException(StreamException):
    """The connection of the stream was lost.

    :param message: How it was lost, with the text of a GOAWAY that the peer sent before.
    :param code: The HTTP/2 error code (RFC 9113, section 7) of that GOAWAY, else 0.
    """

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class StreamResetException(StreamException):
    """The peer ended the stream with RST_STREAM or refused it with GOAWAY.

    :param message: What the peer did.
    :param code: The HTTP/2 error code (RFC 9113, section 7).
    :param unprocessed: True if the peer says that it has not processed the request, so that
        the request can safely be sent again (RFC 9113, section 8.7).
    """

    def __init__(self, message: str, code: int = 0, *, unprocessed: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.unprocessed = unprocessed


class TruncatedStreamException(StreamException, ParserError):
    """The stream ended inside a message: its last bytes are missing."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        ParserError.__init__(self, reason, offset)


class StreamClosedException(StreamException, OSError):
    """The stream takes no more audio or events.

    Either it was ended on our side, by `end_stream()` or by `close()` of the stream or its
    client, or the service had ended it cleanly when more audio was sent.

    :param message: What ended the stream.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)


class UnreadResultsException(StreamException):
    """The stream was ended on our side: more results lie unread than `max_unread` allows.

    The sender is told at once. The reader gets it behind the results that came before.

    :param limit: The client's `max_unread`, in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def _text(self) -> str:
        return (
            f"the stream was ended as its results lie unread, more than {self.limit:,} bytes of"
            " them: read output_stream while you send, or give the client a larger max_unread;"
            " those that came can still be read"
        )


class LoopException(SDKError):
    """Something that belongs to one event loop was used from another: a stream, a limiter."""


# The service


class ServiceException(SDKError):
    """A refusal or failure reported by the service.

    `status_code` is the HTTP status of this kind of failure. One that came inside the
    stream without a status of its own has 400, as in `EventStreamMessage.to_response_dict`.

    :param message: The service's text; `message` keeps it as it came.
    """

    status_code: int = 400

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def _text(self) -> str:
        return self.message


class UnknownServiceException(ServiceException):
    """A refusal or failure of a kind for which this version has no class.

    The text ends with the HTTP status.

    :param status_code: The HTTP status.
    :param error_code: The name that the service gave it, if it gave one.
    :param message: The service's text.
    """

    def __init__(self, status_code: int, error_code: str | None, message: str) -> None:
        super().__init__(message)
        self.args: tuple[object, ...] = (status_code, error_code, message)
        self.status_code = status_code
        self.error_code = error_code

    def _text(self) -> str:
        text = f"{self.error_code}: {self.message}" if self.error_code else self.message
        status = f"HTTP {self.status_code}"
        return text if status in text else f"{text} ({status})".lstrip()


class BadRequestException(ServiceException):
    """A parameter or the audio is not acceptable (HTTP 400)."""


class ResourceNotFoundException(ServiceException):
    """The session asked for does not exist (HTTP 404)."""

    status_code = 404


class ConflictException(ServiceException):
    """A newer stream took over the session id (HTTP 409)."""

    status_code = 409


class LimitExceededException(ServiceException):
    """A limit of the account or the service was exceeded (HTTP 429)."""

    status_code = 429
    error = 429  # the original SDK's attribute


class InternalFailureException(ServiceException):
    """The service failed while processing the audio (HTTP 500)."""

    status_code = 500


class ServiceUnavailableException(ServiceException):
    """The service cannot take the request now; try again later (HTTP 503)."""

    status_code = 503


class SerializationException(ServiceException):
    """The service could not read the request (HTTP 400)."""


class InvalidParameterException(BadRequestException, ValidationException):
    """A parameter that the service's model forbids, refused before anything is sent.

    :param parameter: Its name in Python, or the path to the faulty part of it, e.g.
        `configuration.channel_definitions[0].channel_id`.
    :param message: What is wrong, and what is allowed.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.args: tuple[object, ...] = (parameter, message)
        self.parameter = parameter


class InvalidEventException(SDKError):
    """An event's JSON does not fit the service model.

    :param event_type: The event's type.
    :param reason: Where in the JSON the fault is, and what is wrong there.
    """

    def __init__(self, event_type: str, reason: str) -> None:
        super().__init__(event_type, reason)
        self.event_type = event_type
        self.reason = reason

    def _text(self) -> str:
        return f"{self.event_type}: {self.reason}"


# Characters that move a terminal's cursor, reorder a line or begin another one: controls,
# line and paragraph separators, directions that override; and halves of characters, which
# no encoding takes.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, keep: str = "") -> str:
    """Return a text from outside with its control characters escaped, as JSON escapes them.

    :param keep: Controls that may stand, such as the line feeds of a document.
    """

    def escape(match: re.Match[str]) -> str:
        control = match[0]
        if control in keep:
            return control
        return _SHORT_ESCAPES.get(control) or f"\\u{ord(control):04x}"

    return _CONTROLS.sub(escape, text)


def shown(text: str, limit: int = 100) -> str:
    """Return the beginning of a peer's text in one line, with control characters escaped.

    :param limit: The longest text to return, in characters before escaping.
    """
    line = " ".join(text.split())
    return printable(f"{line[:limit]}…" if len(line) > limit else line)


def missing_extra(what: str, extra: str, reason: object) -> str:
    """Return a one-line message that names the extra and the command that installs it.

    :param what: The feature, e.g. `"the microphone"`.
    :param extra: The extra that brings the feature.
    :param reason: What is missing or broken, e.g. the `ImportError`.
    """
    return f"{what} needs the extra {extra!r} ({reason}): {_install_command(extra)}"


def _install_command(extra: str) -> str:
    """Return the command that adds an extra, wherever this package was installed from.

    An index may have the original SDK under this package's name. But pip takes the installed
    package for the version that is named, be it from a clone, a wheel or an index, and
    installs only what the extra needs. Where nothing is installed, as with a clone in
    PYTHONPATH, the clone is.
    """
    from importlib import metadata  # here, as it would double the time that this module takes
    from pathlib import Path

    try:
        is_installed = metadata.version("amazon-transcribe") == __version__
    except metadata.PackageNotFoundError:
        is_installed = False
    package = f"amazon-transcribe[{extra}]=={__version__}"
    clone = Path(__file__).parent.parent
    if not is_installed and (clone / "pyproject.toml").exists():
        package = f"{clone}[{extra}]"
    # Double quotes are quotes in every shell, also those of Windows.
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    return f'{python} -m pip install "{package}"'
