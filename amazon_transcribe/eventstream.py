"""The event-stream wire format: messages, headers, and signed streams of them.

The functions, the decoder and its messages are the codec, compiled where possible:
`IMPLEMENTATION` is `"compiled"` or `"python"`. The classes defined here keep the names and
behaviour of the original SDK.
"""

from __future__ import annotations

import datetime
import hmac
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Protocol

from ._wire import (
    IMPLEMENTATION,
    SHA256_IMPLEMENTATION,
    Buffer,
    EventStreamDecoder,
    EventStreamMessage,
    MessagePrelude,
    crc32,
    decode_message,
    encode_headers,
    encode_message,
)
from ._wire.sigv4 import signing_key
from ._wire.values import (
    ENCODE_MAX_PAYLOAD_LENGTH,
    MAX_HEADERS_LENGTH,
    HeaderValue,
    HeaderValueInput,
    Int8HeaderValue,
    Int16HeaderValue,
    Int32HeaderValue,
    Int64HeaderValue,
)
from .exceptions import (
    ChecksumMismatch,
    DuplicateHeader,
    HeaderBytesExceedMaxLength,
    HeaderValueBytesExceedMaxLength,
    InvalidHeader,
    InvalidHeadersLength,
    InvalidHeaderValue,
    InvalidMessageLength,
    InvalidPayloadLength,
    ParserError,
    PayloadBytesExceedMaxLength,
    SerializationError,
    StreamClosedException,
    TruncatedStreamException,
    ValidationException,
)

__all__ = [
    "IMPLEMENTATION",
    "SHA256_IMPLEMENTATION",
    "BaseEvent",
    "BaseStream",
    "ByteBuffer",
    "ChecksumMismatch",
    "DuplicateHeader",
    "EventSigner",
    "EventStream",
    "EventStreamBuffer",
    "EventStreamDecoder",
    "EventStreamMessage",
    "EventStreamMessageSerializer",
    "HeaderBytesExceedMaxLength",
    "HeaderValue",
    "HeaderValueBytesExceedMaxLength",
    "Int8HeaderValue",
    "Int16HeaderValue",
    "Int32HeaderValue",
    "Int64HeaderValue",
    "InvalidHeader",
    "InvalidHeaderValue",
    "InvalidHeadersLength",
    "InvalidMessageLength",
    "InvalidPayloadLength",
    "MessageParser",
    "MessagePrelude",
    "ParserError",
    "PayloadBytesExceedMaxLength",
    "RawStream",
    "SerializationError",
    "SigningCredentials",
    "TruncatedStreamException",
    "crc32",
    "decode_message",
    "encode_headers",
    "encode_message",
]


class EventStreamMessageSerializer:
    """A writer of messages; a subclass may choose another width for plain integers."""

    DEFAULT_INT_TYPE: type[HeaderValue] = Int32HeaderValue
    """The wrapper with which a plain `int` header value is written."""

    def serialize(self, headers: Mapping[str, HeaderValueInput], payload: Buffer) -> bytes:
        """Write one whole message.

        :param headers: Names (1 to 255 bytes of UTF-8) to values.
        :param payload: At most 16 MiB.
        :raises SerializationError: As `encode_message` raises it.
        """
        return encode_message(self._with_widths(headers), payload)

    def encode_headers(self, headers: Mapping[str, HeaderValueInput]) -> bytes:
        """Write a header block.

        :param headers: Names (1 to 255 bytes of UTF-8) to values.
        :raises SerializationError: As the function `encode_headers` raises it.
        """
        return encode_headers(self._with_widths(headers))

    def _with_widths(
        self, headers: Mapping[str, HeaderValueInput]
    ) -> Mapping[str, HeaderValueInput]:
        wrapper = self.DEFAULT_INT_TYPE
        if wrapper is Int32HeaderValue:
            return headers
        return {
            name: wrapper(value)
            if isinstance(value, int) and not isinstance(value, bool)
            else value
            for name, value in headers.items()
        }


class EventStreamBuffer:
    """A buffer that takes a stream's bytes and returns its messages one by one.

    Iteration stops when there is no whole message, and goes on after more `add_data`.
    The limits are the original SDK's: 16 MiB of payload, 128 KiB of headers.
    """

    def __init__(self) -> None:
        self._decoder = EventStreamDecoder(ENCODE_MAX_PAYLOAD_LENGTH, MAX_HEADERS_LENGTH)
        self._messages: deque[EventStreamMessage] = deque()

    def add_data(self, data: Buffer) -> None:
        """Append the next bytes of the stream; `next` raises any fault in them.

        :param data: Any contiguous bytes-like object.
        :raises TypeError: If `data` is not a contiguous bytes-like object.
        """
        with suppress(ParserError):  # kept in the decoder's `error`
            self._messages.extend(self._decoder.feed(data))

    def next(self) -> EventStreamMessage:
        """Return the next whole message.

        :raises StopIteration: If there is none yet.
        :raises ParserError: If the stream has a fault at this point; every further call
            raises it again.
        """
        if self._messages:
            return self._messages.popleft()
        if self._decoder.error is not None:
            raise self._decoder.error.with_traceback(None)
        raise StopIteration

    def __next__(self) -> EventStreamMessage:
        return self.next()

    def __iter__(self) -> EventStreamBuffer:
        return self


class _Payload:
    # Defines `__init__` for `BaseEvent`: result events are msgspec Structs, which accept no
    # direct base class that defines one.
    def __init__(self, payload: bytes, event_payload: bool | None = None) -> None:
        self.payload = payload
        self.event_payload = event_payload


class BaseEvent(_Payload):
    """Base class of the typed events of a stream.

    :param payload: The event's bytes.
    :param event_payload: True if the event's payload is these raw bytes.
    """

    event = True

    def spans(self) -> Iterator[tuple[bool, float]]:
        """Yield, for each result in the event, whether it is partial and its end in seconds."""
        yield from ()


class MessageParser(Protocol):
    """An object whose `parse` turns a message into a typed event, or raises."""

    def parse(self, message: EventStreamMessage, /) -> Any:
        """Return the event of a message, or raise the exception that the message carries.

        :param message: A whole message of the stream.
        """
        ...


class RawStream(Protocol):
    """An object whose `chunks` yields the bytes of a body as they come."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Return an iterator over the body's bytes, cut anywhere."""
        ...


class EventStream:
    """The events of a response body, as they come.

    A cancelled read loses nothing: the next one continues where it stopped.

    :param raw_stream: Its `chunks()` returns an async iterator of the body's bytes.
    :param parser: Its `parse(message)` turns a message into an event, or raises.
    """

    def __init__(self, raw_stream: RawStream, parser: MessageParser) -> None:
        self._raw_stream = raw_stream
        self._parser = parser
        self._chunks: AsyncIterator[bytes] | None = None
        self._decoder = EventStreamDecoder()
        self._messages: deque[EventStreamMessage] = deque()
        self._failure: Exception | None = None
        self._ended = False

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Any:
        """Wait for the next event.

        :raises StopAsyncIteration: At the clean end of the body.
        :raises TruncatedStreamException: If the body ended inside a message.
        :raises ParserError: If the body has a fault at this point.
        """
        while not self._messages:
            failure = self._decoder.error or self._failure
            if failure is not None:
                raise failure.with_traceback(None)
            if self._ended:
                raise StopAsyncIteration
            try:
                chunk = await self._next_chunk()
            except StopAsyncIteration:
                self._ended = True
                self._decoder.close()
                raise
            self._messages.extend(self._decoder.feed(chunk))
        return self._parser.parse(self._messages.popleft())

    async def _next_chunk(self) -> bytes:
        if self._chunks is None:
            self._chunks = self._raw_stream.chunks().__aiter__()
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            raise
        except BaseException as error:
            # Any exception ends an async generator. After a cancellation a new one reads
            # the rest; after a failure its StopAsyncIteration is no clean end.
            if hasattr(self._chunks, "aclose"):
                if isinstance(error, Exception):
                    self._failure = error
                else:
                    self._chunks = None
            raise


class SigningCredentials(Protocol):
    """An object with a `secret_access_key`, such as `auth.Credentials`."""

    @property
    def secret_access_key(self) -> str:
        """The secret that signs."""
        ...


class EventSigner:
    """A signer of a stream's events, each of which continues the signature before it.

    :param signing_name: The service in the credential scope, e.g. `"transcribe"`.
    :param region: The region in the credential scope.
    :param utc_now: Returns the time of the next event; by default the present.
    """

    def __init__(
        self,
        signing_name: str,
        region: str,
        utc_now: Callable[[], datetime.datetime] | None = None,
    ) -> None:
        self.signing_name = signing_name
        self.region = region
        self.serializer: EventStreamMessageSerializer = EventStreamMessageSerializer()
        self._utc_now = utc_now or _utc_now

    def sign(
        self, payload: Buffer, prior_signature: bytes, credentials: SigningCredentials
    ) -> dict[str, HeaderValueInput]:
        """Sign one event (AWS Signature Version 4, event streams).

        :param payload: The whole encoded message to wrap; `b""` for the end of a stream.
        :param prior_signature: The request's or the last event's signature, raw.
        :param credentials: The credentials, whose `secret_access_key` signs.
        :returns: The wrapping message's headers, `:date` and `:chunk-signature`.
        """
        now = self._utc_now()
        headers: dict[str, HeaderValueInput] = {":date": now}
        # The scope's day is the event's, in UTC; a naive time is formatted as given.
        utc = now if now.tzinfo is None else now.astimezone(datetime.timezone.utc)
        timestamp = utc.strftime("%Y%m%dT%H%M%SZ")
        date = timestamp[:8]
        string_to_sign = "\n".join(
            (
                "AWS4-HMAC-SHA256-PAYLOAD",
                timestamp,
                f"{date}/{self.region}/{self.signing_name}/aws4_request",
                prior_signature.hex(),
                sha256(self.serializer.encode_headers(headers)).hexdigest(),
                sha256(payload).hexdigest(),
            )
        )
        key = signing_key(credentials.secret_access_key, date, self.region, self.signing_name)
        headers[":chunk-signature"] = hmac.digest(key, string_to_sign.encode(), "sha256")
        return headers


class ByteBuffer:
    """The bytes of a stream that leads nowhere, such as one that a test makes."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._ended = False

    @property
    def closed(self) -> bool:
        """Whether the buffer takes no more bytes."""
        return self._ended

    def write(self, data: Buffer) -> None:
        """Append bytes.

        :param data: The bytes.
        :raises StreamClosedException: After `end_stream`.
        """
        if self._ended:
            raise StreamClosedException("the input of this stream has ended")
        self._unread += data

    def read(self, size: int = -1) -> bytes:
        """Return bytes that were written and not yet read.

        :param size: The most bytes to return; all if it is negative.
        """
        end = len(self._unread) if size < 0 else size
        data = bytes(self._unread[:end])
        del self._unread[:end]
        return data

    def end_stream(self) -> None:
        """Take no more bytes."""
        self._ended = True


class BaseStream:
    """The sending half of a conversation, which signs, frames and writes every event.

    The client makes these; a program rarely does.

    :param input_stream: Takes the bytes with `write(bytes)` and `end_stream()`, either of
        which may be a coroutine function. None makes a `ByteBuffer`.
    :param event_serializer: Its `serialize(event)` returns an event's headers and payload.
    :param eventstream_serializer: Frames them; by default `EventStreamMessageSerializer`.
    :param event_signer: Signs them, like `EventSigner`.
    :param initial_signature: The request's signature, raw, which the first event's
        signature continues.
    :param credential_resolver: Its coroutine `get_credentials()` returns the credentials.
    """

    def __init__(
        self,
        input_stream: Any = None,
        event_serializer: Any = None,
        eventstream_serializer: Any = None,
        event_signer: Any = None,
        initial_signature: bytes | None = None,
        credential_resolver: Any = None,
    ) -> None:
        self._input_stream = ByteBuffer() if input_stream is None else input_stream
        self._event_serializer = event_serializer
        self._eventstream_serializer = eventstream_serializer or EventStreamMessageSerializer()
        self._event_signer = event_signer
        self._prior_signature = initial_signature
        self._credential_resolver = credential_resolver
        self._ended = False

    async def send_event(self, event: BaseEvent) -> None:
        """Sign, frame and write one event.

        :param event: An event that `event_serializer` can write.
        :raises StreamClosedException: After `end_stream`.
        :raises SerializationError: If the event does not fit the wire format.
        :raises ValidationException: If the stream was made without the parts to sign it.
        """
        self._check_parts()
        headers, payload = self._event_serializer.serialize(event)
        message = self._eventstream_serializer.serialize(headers, payload)
        credentials = await self._credential_resolver.get_credentials()
        if self._ended:
            raise StreamClosedException("the input of this stream has ended")
        await _done(self._input_stream.write(self._signed(message, credentials)))

    async def end_stream(self) -> None:
        """End the input with a signed empty frame; a second call does nothing.

        :raises ValidationException: If the stream was made without the parts to sign it.
        """
        self._check_parts()
        credentials = await self._credential_resolver.get_credentials()
        if self._ended:
            return
        self._ended = True
        await _done(self._input_stream.write(self._signed(b"", credentials)))
        await _done(self._input_stream.end_stream())

    def _check_parts(self) -> None:
        parts = {
            "event_serializer": self._event_serializer,
            "event_signer": self._event_signer,
            "initial_signature": self._prior_signature,
            "credential_resolver": self._credential_resolver,
        }
        for name, part in parts.items():
            if part is None:
                raise ValidationException(
                    f"this stream was made without {name}, so nothing can be sent by it: a"
                    " stream that the client starts has all parts"
                )

    def _signed(self, message: bytes, credentials: Any) -> bytes:
        # No await from here to the write: frames must go out in the order of their signatures.
        headers = self._event_signer.sign(message, self._prior_signature, credentials)
        self._prior_signature = headers[":chunk-signature"]
        frame: bytes = self._eventstream_serializer.serialize(headers, message)
        return frame


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


async def _done(result: Awaitable[Any] | Any) -> None:
    """Wait for the result of `write` or `end_stream`, if it is awaitable."""
    if hasattr(result, "__await__"):
        await result
