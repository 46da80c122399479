"""The event-stream codec in Python: the readable specification of its compiled twin.

`docs/topics/wire-format.md` draws the layout. The layout and its limits come from the
Smithy "Amazon Event Stream Specification". Whatever that forbids is refused, always with a
subclass of `ParserError`, in this order: lengths against the limits, prelude CRC, lengths
against each other, message CRC, headers.

`_codec/codec.pyx` does the same with the same names, exceptions and messages.
"""

from __future__ import annotations

import datetime
import operator
import uuid
from _thread import allocate_lock
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Any, ClassVar
from zlib import crc32 as _crc32

from ..exceptions import (
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
    TruncatedStreamException,
)
from .values import (
    ENCODE_MAX_HEADERS_LENGTH,
    ENCODE_MAX_PAYLOAD_LENGTH,
    MAX_HEADER_VALUE_LENGTH,
    MAX_HEADERS_LENGTH,
    MAX_PAYLOAD_LENGTH,
    Buffer,
    HeaderValueInput,
    HeaderValueOutput,
    Int8HeaderValue,
    Int16HeaderValue,
    Int32HeaderValue,
    Int64HeaderValue,
)

IMPLEMENTATION = "python"
SHA256_IMPLEMENTATION = "hashlib"

_PRELUDE_LENGTH = 12
_CRC_LENGTH = 4
_OVERHEAD = _PRELUDE_LENGTH + _CRC_LENGTH

_TRUE, _FALSE, _INT8, _INT16, _INT32, _INT64, _BYTES, _STRING, _TIMESTAMP, _UUID = range(10)

_uint16 = Struct(">H")
_uint32 = Struct(">I")
_lengths = Struct(">II")
_prelude = Struct(">III")
_int64 = Struct(">q")
_integers = {_INT8: Struct(">b"), _INT16: Struct(">h"), _INT32: Struct(">i"), _INT64: _int64}
_integers_read = {**_integers, _TIMESTAMP: _int64}

_DATE_HEADER = b"\x05:date\x08"
_SIGNATURE_HEADER = b"\x10:chunk-signature\x06\x00\x20"
_SIGNATURE_LENGTH = 32
_KEY_LENGTH = 32

# Header blocks read and written lately, since a stream repeats a few of them. Only blocks
# whose values are all text are kept: others (dates, signatures) hardly ever come back.
_remembered: dict[bytes, dict[str, HeaderValueOutput]] = {}
_written: dict[tuple[tuple[str, HeaderValueInput], ...], bytes] = {}
_REMEMBERED_BLOCKS = 8
_REMEMBERED_LENGTH = 512


def crc32(data: Buffer, value: int = 0) -> int:
    """Calculate the CRC-32 of the wire format (the one of zlib and gzip).

    :param data: Any contiguous bytes-like object.
    :param value: The CRC of the bytes before `data`; only its low 32 bits count.
    :returns: The CRC, 0 to 2**32 − 1.
    :raises TypeError: If `data` is not a contiguous bytes-like object.
    """
    return _crc32(_contiguous(data), operator.index(value) & 0xFFFFFFFF)


def encode_headers(headers: Mapping[str, HeaderValueInput]) -> bytes:
    """Write a header block, in the mapping's order.

    `bool`, `bytes` (also `bytearray` and `memoryview`), `str` and `uuid.UUID` become the
    types of their names, an `int` an int32 (other widths: `Int8HeaderValue` and its
    kind), a `datetime` a timestamp in milliseconds (a naive one is local time).

    :param headers: Names (1 to 255 bytes of UTF-8) to values.
    :returns: The block, at most 131,072 bytes.
    :raises InvalidHeaderValue: For a name or value of a type or range that the format
        cannot carry.
    :raises HeaderValueBytesExceedMaxLength: For a text or byte array over 32,767 bytes.
    :raises HeaderBytesExceedMaxLength: For a block over 131,072 bytes.
    """
    items = tuple(headers.items())
    try:
        return _written[items]
    except (KeyError, TypeError, ValueError):  # not remembered, or with an unhashable value
        return _write_headers(items)


def encode_message(headers: Mapping[str, HeaderValueInput], payload: Buffer) -> bytes:
    """Write one whole message.

    :param headers: As for `encode_headers`.
    :param payload: Any contiguous bytes-like object of at most 16 MiB.
    :returns: The message with its lengths and both CRCs.
    :raises PayloadBytesExceedMaxLength: For a payload over 16 MiB.
    :raises SerializationError: As `encode_headers` raises it.
    :raises TypeError: If `payload` is not a contiguous bytes-like object.
    """
    payload = _contiguous(payload)
    if len(payload) > ENCODE_MAX_PAYLOAD_LENGTH:
        raise PayloadBytesExceedMaxLength(len(payload))
    return _frame(encode_headers(headers), payload)


class SignatureChain:
    """The signatures of one stream's events, each of which continues the one before.

    A signed event is a message wrapped in a message whose headers are date and signature.
    The signature is an HMAC-SHA256 (RFC 2104) of the head of the second, hex of the prior
    signature, hex of the SHA-256 of the encoded date header and hex of the SHA-256 of the
    wrapped message, the last three on a line each (AWS Signature Version 4, event streams).

    :param prior_signature: The 32 bytes of the signature that the first event continues.
    :param clock: Returns the present time, in seconds since 1970.
    :param renew: Returns for a second since 1970 the head of its strings to sign (algorithm,
        timestamp and scope, each with its newline), and the signing key of its day, 32 bytes.
    :param audio_headers: The header block of an audio event, from `encode_headers`.
    :raises ValueError: If the signature does not have 32 bytes.
    :raises HeaderBytesExceedMaxLength: For a header block over 131,072 bytes.
    """

    __slots__ = ("_audio_headers", "_clock", "_inner", "_outer", "_prior", "_renew", "_second")

    def __init__(
        self,
        prior_signature: bytes,
        clock: Callable[[], float],
        renew: Callable[[int], tuple[bytes, bytes]],
        audio_headers: bytes,
    ) -> None:
        self.prior = prior_signature
        if len(audio_headers) > ENCODE_MAX_HEADERS_LENGTH:
            raise HeaderBytesExceedMaxLength(len(audio_headers))
        self._audio_headers = audio_headers
        self._clock = clock
        self._renew = renew
        self._second: int | None = None  # whose head and key are in the hashes
        # The HMAC's two hashes, with the key's pads and the head taken in.
        self._inner = self._outer = sha256()

    @property
    def prior(self) -> bytes:
        """The last signature, which the next event continues."""
        return self._prior

    @prior.setter
    def prior(self, signature: bytes) -> None:
        if len(signature) != _SIGNATURE_LENGTH:
            raise ValueError(f"a signature must be 32 bytes, not {len(signature)}")
        self._prior = signature

    def audio_event(self, chunk: Buffer) -> bytes:
        """Return the signed frame of one chunk of audio, ready to be sent.

        :param chunk: Any contiguous bytes-like object; with headers at most 16 MiB.
        :raises PayloadBytesExceedMaxLength: For a longer one.
        :raises InvalidHeaderValue: If the time does not fit in a timestamp.
        :raises ValueError: If the signing key does not have 32 bytes.
        :raises TypeError: If `chunk` is not a contiguous bytes-like object.
        """
        chunk = _contiguous(chunk)
        length = _OVERHEAD + len(self._audio_headers) + len(chunk)
        if length > ENCODE_MAX_PAYLOAD_LENGTH:
            raise PayloadBytesExceedMaxLength(length)
        return self.wrap(_frame(self._audio_headers, chunk))

    def wrap(self, message: Buffer) -> bytes:
        """Return the signed frame around a whole encoded message of at most 16 MiB.

        It raises what `audio_event` raises.
        """
        message = _contiguous(message)
        if len(message) > ENCODE_MAX_PAYLOAD_LENGTH:
            raise PayloadBytesExceedMaxLength(len(message))
        date = int(self._clock() * 1000)
        self._prior = self.signature(date, message)
        headers = _date_header(date) + _SIGNATURE_HEADER + self._prior
        return _frame(headers, message)

    def end(self) -> bytes:
        """Return the signed frame that ends the input: its payload is empty."""
        return self.wrap(b"")

    def signature(self, date: int, message: Buffer) -> bytes:
        """Return the signature that continues the chain with this event; the chain stays.

        :param date: The event's time, in milliseconds since 1970.
        :param message: The message that it wraps.
        :raises InvalidHeaderValue: If the time does not fit in a timestamp.
        :raises ValueError: If the signing key does not have 32 bytes.
        :raises TypeError: If `message` is not a contiguous bytes-like object.
        """
        message = _contiguous(message)
        date_hash = _date_hash(_date_header(date))
        if date // 1000 != self._second:
            self._begin(date // 1000)
        inner = self._inner.copy()
        inner.update(f"{self._prior.hex()}\n{date_hash}\n{sha256(message).hexdigest()}".encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def _begin(self, second: int) -> None:
        """Prepare the HMAC of the events of a second."""
        head, key = self._renew(second)
        if len(key) != _KEY_LENGTH:
            raise ValueError(f"a signing key must be {_KEY_LENGTH} bytes, not {len(key)}")
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes([byte ^ 0x36 for byte in block]) + head)
        self._outer = sha256(bytes([byte ^ 0x5C for byte in block]))
        self._second = second


def _date_header(date: int) -> bytes:
    if not -(2**63) <= date < 2**63:
        raise InvalidHeaderValue(date, "Header value does not fit in a timestamp")
    return _DATE_HEADER + _int64.pack(date)


@lru_cache(maxsize=1)
def _date_hash(date_header: bytes) -> str:
    # Events of the same millisecond, in all streams, have the same date header.
    return sha256(date_header).hexdigest()


def decode_message(data: Buffer) -> EventStreamMessage:
    """Read exactly one whole message of at most 24 MiB payload and 128 KiB headers.

    :param data: The message and nothing else, in any contiguous bytes-like object.
    :raises ParserError: If the message is invalid; the subclass names the fault. Bytes
        that are missing or left over are an `InvalidMessageLength`.
    :raises TypeError: If `data` is not a contiguous bytes-like object.
    """
    data = _contiguous(data)
    if len(data) < _PRELUDE_LENGTH:
        raise InvalidMessageLength(
            f"Message is incomplete: {len(data)} bytes of at least {_OVERHEAD}", len(data)
        )
    prelude = _read_prelude(data, 0, MAX_PAYLOAD_LENGTH, MAX_HEADERS_LENGTH)
    if len(data) < prelude.total_length:
        raise InvalidMessageLength(
            f"Message is incomplete: {len(data)} bytes of {prelude.total_length}", len(data)
        )
    if len(data) > prelude.total_length:
        raise InvalidMessageLength(
            f"{len(data) - prelude.total_length} bytes left over after the message",
            prelude.total_length,
        )
    return _read_message(data, 0, prelude)


class MessagePrelude:
    """The first twelve bytes of a message.

    :param total_length: Length of the whole message in bytes.
    :param headers_length: Length of the header block in bytes.
    :param crc: CRC-32 of the two lengths as written.
    """

    __slots__ = ("crc", "headers_length", "total_length")

    total_length: int
    headers_length: int
    crc: int

    def __init__(self, total_length: int, headers_length: int, crc: int) -> None:
        self.total_length = total_length
        self.headers_length = headers_length
        self.crc = crc

    @property
    def payload_length(self) -> int:
        """Length of the payload in bytes."""
        return self.total_length - self.headers_length - _OVERHEAD

    @property
    def headers_end(self) -> int:
        """Offset of the first byte after the header block."""
        return _PRELUDE_LENGTH + self.headers_length

    @property
    def payload_end(self) -> int:
        """Offset of the first byte after the payload."""
        return self.total_length - _CRC_LENGTH

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MessagePrelude):
            return NotImplemented
        return (
            self.total_length == other.total_length
            and self.headers_length == other.headers_length
            and self.crc == other.crc
        )

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"MessagePrelude(total_length={self.total_length!r}, "
            f"headers_length={self.headers_length!r}, crc={self.crc!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return MessagePrelude, (self.total_length, self.headers_length, self.crc)


class EventStreamMessage:
    """A message as read.

    :param prelude: The message's lengths and their CRC.
    :param headers: Names to values.
    :param payload: The payload.
    :param crc: CRC-32 of everything before it.
    """

    __slots__ = ("crc", "headers", "payload", "prelude")

    prelude: MessagePrelude
    headers: dict[str, HeaderValueOutput]
    payload: bytes
    crc: int

    def __init__(
        self,
        prelude: MessagePrelude,
        headers: dict[str, HeaderValueOutput],
        payload: bytes,
        crc: int,
    ) -> None:
        self.prelude = prelude
        self.headers = headers
        self.payload = payload
        self.crc = crc

    def to_response_dict(self, status_code: int = 200) -> dict[str, Any]:
        """Return the message in the form of an HTTP response.

        :param status_code: The status of a message that is neither of type `error` nor
            of type `exception`; those get 400.
        :returns: `status_code`, `headers` and `body`.
        """
        if self.headers.get(":message-type") in ("error", "exception"):
            status_code = 400
        return {"status_code": status_code, "headers": self.headers, "body": self.payload}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EventStreamMessage):
            return NotImplemented
        return (
            self.prelude == other.prelude
            and self.headers == other.headers
            and self.payload == other.payload
            and self.crc == other.crc
        )

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"EventStreamMessage(prelude={self.prelude!r}, headers={self.headers!r}, "
            f"payload={self.payload!r}, crc={self.crc!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return EventStreamMessage, (self.prelude, self.headers, self.payload, self.crc)


class EventStreamDecoder:
    """A decoder of a stream's bytes, wherever they are cut, into whole messages.

    It takes time linear in the bytes fed and holds no more than the one unfinished
    message. After a fault it stays failed: the format has no resynchronisation.

    :param max_payload_length: Longest payload accepted, in bytes.
    :param max_headers_length: Longest header block accepted, in bytes.
    :raises ValueError: For a negative limit.
    """

    __slots__ = ("_error", "_lock", "_max_headers", "_max_payload", "_prelude", "_unfinished")

    def __init__(
        self,
        max_payload_length: int = MAX_PAYLOAD_LENGTH,
        max_headers_length: int = MAX_HEADERS_LENGTH,
    ) -> None:
        self._max_payload = _limit(max_payload_length)
        self._max_headers = _limit(max_headers_length)
        self._unfinished = bytearray()
        self._prelude: MessagePrelude | None = None
        self._error: ParserError | None = None
        self._lock = allocate_lock()

    @property
    def error(self) -> ParserError | None:
        """The fault that stopped this decoder, if there was one."""
        return self._error

    def feed(self, data: Buffer) -> list[EventStreamMessage]:
        """Take the next bytes of the stream and return the messages they complete.

        Whole messages before a fault are returned first; the fault is then kept in `error`
        and raised by the next `feed` or `close`.

        :param data: Any contiguous bytes-like object.
        :raises ParserError: For a fault, in this and every further call.
        :raises TypeError: If `data` is not a contiguous bytes-like object.
        :raises RuntimeError: If another thread is feeding this decoder.
        """
        view = _contiguous(data)
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("EventStreamDecoder is in use by another thread")
        try:
            return self._feed(view)
        finally:
            self._lock.release()
            if type(view) is memoryview:
                view.release()  # a kept fault's traceback must not pin the caller's buffer

    def feed_events(
        self,
        data: Buffer,
        events: list[Any],
        decoders: dict[str, Callable[[bytes], Any]],
        parse: Callable[[EventStreamMessage], Any],
    ) -> None:
        """Take the next bytes and append the events of the messages they complete.

        Faults in the bytes are those of `feed`.

        :param data: Any contiguous bytes-like object.
        :param events: Gets an event for each message.
        :param decoders: Make events of payloads, by `:event-type`, for messages whose
            `:message-type` is `event`.
        :param parse: Makes events of all other messages, and of those whose decoder raises.
            What it raises itself ends the feed: the messages behind are lost.
        """
        for message in self.feed(data):
            headers = message.headers
            if headers.get(":message-type") == "event":
                decode = decoders.get(headers.get(":event-type"))  # type: ignore[arg-type]
                if decode is not None:
                    try:
                        events.append(decode(message.payload))
                        continue
                    except Exception:  # noqa: S110  # `parse` finds out why
                        pass
            events.append(parse(message))

    def close(self) -> None:
        """Declare the end of the stream.

        :raises TruncatedStreamException: If the stream ended inside a message.
        :raises ParserError: For the fault that stopped the decoder before.
        :raises RuntimeError: If another thread is feeding this decoder.
        """
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("EventStreamDecoder is in use by another thread")
        try:
            if self._error is None and self._unfinished:
                length = len(self._unfinished)
                self._fail(
                    TruncatedStreamException(f"Stream ended {length} bytes into a message", length)
                )
            if self._error is not None:
                raise self._error.with_traceback(None)
        finally:
            self._lock.release()

    def _feed(self, data: bytes | memoryview) -> list[EventStreamMessage]:
        if self._error is not None:
            raise self._error.with_traceback(None)
        messages: list[EventStreamMessage] = []
        try:
            position = self._finish(data, messages) if self._unfinished else 0
            while len(data) - position >= _PRELUDE_LENGTH:
                prelude = _read_prelude(data, position, self._max_payload, self._max_headers)
                if len(data) - position < prelude.total_length:
                    self._prelude = prelude
                    break
                messages.append(_read_message(data, position, prelude))
                position += prelude.total_length
            if position < len(data):
                self._unfinished += data[position:]
        except ParserError as error:
            self._fail(error)
            if not messages:
                raise
            error.__traceback__ = None
        return messages

    def _finish(self, data: bytes | memoryview, messages: list[EventStreamMessage]) -> int:
        """Complete the unfinished message as far as `data` goes; return how many bytes it took."""
        unfinished = self._unfinished
        taken = 0
        if self._prelude is None:
            taken = min(_PRELUDE_LENGTH - len(unfinished), len(data))
            unfinished += data[:taken]
            if len(unfinished) < _PRELUDE_LENGTH:
                return taken
            self._prelude = _read_prelude(unfinished, 0, self._max_payload, self._max_headers)
        rest = data[taken : taken + self._prelude.total_length - len(unfinished)]
        unfinished += rest
        if len(unfinished) == self._prelude.total_length:
            messages.append(_read_message(memoryview(unfinished), 0, self._prelude))
            self._unfinished = bytearray()
            self._prelude = None
        return taken + len(rest)

    def _fail(self, error: ParserError) -> None:
        self._error = error
        self._unfinished = bytearray()
        self._prelude = None


def _contiguous(data: Buffer) -> bytes | memoryview:
    """Return a flat view of the bytes of `data`."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    if not view.c_contiguous:
        raise TypeError("a contiguous bytes-like object is required")
    if view.nbytes == 0:
        return b""
    try:
        return view.cast("B")
    except TypeError:  # an item format that memoryview cannot cast
        return view.tobytes()


def _limit(length: int) -> int:
    number = operator.index(length)
    if number < 0:
        raise ValueError("a limit must not be negative")
    return number


def _frame(block: bytes | memoryview, payload: bytes | memoryview) -> bytes:
    """Put lengths and CRCs around a header block and a payload."""
    lengths = _lengths.pack(len(block) + len(payload) + _OVERHEAD, len(block))
    prelude_crc = _uint32.pack(_crc32(lengths))
    head = b"".join((lengths, prelude_crc, block))
    return b"".join((head, payload, _uint32.pack(_crc32(payload, _crc32(head)))))


def _write_headers(items: tuple[tuple[str, HeaderValueInput], ...]) -> bytes:
    parts: list[bytes] = []
    only_text = True
    for name, value in items:
        parts.append(_encode_name(name))
        parts.append(_encode_value(value))
        only_text = only_text and type(name) is str and type(value) is str
    block = b"".join(parts)
    if len(block) > ENCODE_MAX_HEADERS_LENGTH:
        raise HeaderBytesExceedMaxLength(len(block))
    if only_text and len(block) <= _REMEMBERED_LENGTH:
        if len(_written) >= _REMEMBERED_BLOCKS:
            _written.clear()
        _written[items] = block
    return block


def _encode_name(name: str) -> bytes:
    if not isinstance(name, str):
        raise InvalidHeaderValue(name, f"Header name must be a string, not {type(name).__name__!r}")
    encoded = _utf8(name, "name")
    if not 1 <= len(encoded) <= 255:
        raise InvalidHeaderValue(name, f"Header name must be 1 to 255 bytes, not {len(encoded)}")
    return b"%c%b" % (len(encoded), encoded)


def _encode_value(value: HeaderValueInput) -> bytes:
    if value is True:
        return b"\x00"
    if value is False:
        return b"\x01"
    if isinstance(value, str):
        return _with_length(_STRING, _utf8(value, "value"))
    if isinstance(value, int):
        return _encode_integer(_INT32, "int32", value)
    if isinstance(value, Int8HeaderValue):
        return _encode_integer(_INT8, "int8", value.value)
    if isinstance(value, Int16HeaderValue):
        return _encode_integer(_INT16, "int16", value.value)
    if isinstance(value, Int32HeaderValue):
        return _encode_integer(_INT32, "int32", value.value)
    if isinstance(value, Int64HeaderValue):
        return _encode_integer(_INT64, "int64", value.value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _with_length(_BYTES, bytes(value))
    if isinstance(value, datetime.datetime):
        try:
            milliseconds = int(value.timestamp() * 1000)
        except (OverflowError, OSError, ValueError):
            raise InvalidHeaderValue(value, "Header value does not fit in a timestamp") from None
        return b"\x08" + _int64.pack(milliseconds)
    if isinstance(value, uuid.UUID):
        return b"\x09" + value.bytes
    raise InvalidHeaderValue(value)


def _encode_integer(kind: int, name: str, value: int) -> bytes:
    width = _integers[kind]
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidHeaderValue(value) from None
    limit = 1 << (8 * width.size - 1)
    if not -limit <= number < limit:
        raise InvalidHeaderValue(value, f"Header value does not fit in {name}")
    return b"%c%b" % (kind, width.pack(number))


def _with_length(kind: int, value: bytes) -> bytes:
    if len(value) > MAX_HEADER_VALUE_LENGTH:
        raise HeaderValueBytesExceedMaxLength(len(value))
    return b"%c%b%b" % (kind, _uint16.pack(len(value)), value)


def _utf8(text: str, field: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidHeaderValue(text, f"Header {field} cannot be encoded as UTF-8") from None


def _read_prelude(
    data: bytes | bytearray | memoryview, start: int, max_payload: int, max_headers: int
) -> MessagePrelude:
    """Read and check the twelve bytes at `start`; the caller checks that they are there."""
    total_length, headers_length, crc = _prelude.unpack_from(data, start)
    if headers_length > max_headers:
        raise InvalidHeadersLength(headers_length, max_headers)
    payload_length = total_length - headers_length - _OVERHEAD
    if payload_length > max_payload:
        raise InvalidPayloadLength(payload_length, max_payload)
    calculated = _crc32(data[start : start + 8])
    if crc != calculated:
        raise ChecksumMismatch(crc, calculated, 8)
    if total_length < _OVERHEAD:
        raise InvalidMessageLength(
            f"Message length of {total_length} is under the minimum of {_OVERHEAD}", 0
        )
    if payload_length < 0:
        raise InvalidMessageLength(
            f"Header length of {headers_length} does not fit in a message of {total_length} bytes",
            4,
        )
    return MessagePrelude(total_length, headers_length, crc)


def _read_message(
    data: bytes | memoryview, start: int, prelude: MessagePrelude
) -> EventStreamMessage:
    """Read the message at `start`; the caller checks that it is whole."""
    headers_end = start + _PRELUDE_LENGTH + prelude.headers_length
    payload_end = start + prelude.total_length - _CRC_LENGTH
    if type(data) is bytes:
        crc_and_block = data[start + 8 : headers_end]
        payload = data[headers_end:payload_end]
    else:
        crc_and_block = bytes(data[start + 8 : headers_end])
        payload = bytes(data[headers_end:payload_end])
    (crc,) = _uint32.unpack_from(data, payload_end)
    calculated = _crc32(payload, _crc32(crc_and_block, prelude.crc))
    if crc != calculated:
        raise ChecksumMismatch(crc, calculated, payload_end - start)
    return EventStreamMessage(prelude, _headers_of(crc_and_block[4:]), payload, crc)


def _headers_of(block: bytes) -> dict[str, HeaderValueOutput]:
    remembered = _remembered.get(block)
    if remembered is not None:
        return remembered.copy()
    headers, only_text = _read_headers(block)
    if only_text and len(block) <= _REMEMBERED_LENGTH:
        if len(_remembered) >= _REMEMBERED_BLOCKS:
            _remembered.clear()
        _remembered[block] = headers.copy()
    return headers


def _read_headers(block: bytes) -> tuple[dict[str, HeaderValueOutput], bool]:
    """Read a header block; also return whether all its values are text."""
    headers: dict[str, HeaderValueOutput] = {}
    only_text = True
    end = len(block)
    position = 0
    while position < end:
        header = position
        name_length = block[position]
        position += 1
        if name_length == 0:
            raise _invalid("Header name is empty", header)
        if name_length > end - position:
            raise _invalid("Header name runs past the header block", header)
        name = _text(block, position, name_length, "name")
        position += name_length
        if position == end:
            raise _invalid("Header type is missing", position)
        kind = block[position]
        position += 1
        value: HeaderValueOutput
        if kind in (_STRING, _BYTES):
            if end - position < 2:
                raise _invalid("Header value runs past the header block", position)
            (length,) = _uint16.unpack_from(block, position)
            if length > MAX_HEADER_VALUE_LENGTH:
                raise _invalid(
                    f"Header value length of {length} exceeded the maximum of "
                    f"{MAX_HEADER_VALUE_LENGTH}",
                    position,
                )
            if length > end - position - 2:
                raise _invalid("Header value runs past the header block", position)
            position += 2
            if kind == _STRING:
                value = _text(block, position, length, "value")
            else:
                value = block[position : position + length]
        elif kind in (_TRUE, _FALSE):
            value = kind == _TRUE
            length = 0
        elif kind in _integers_read:
            width = _integers_read[kind]
            length = width.size
            if length > end - position:
                raise _invalid("Header value runs past the header block", position)
            (value,) = width.unpack_from(block, position)
        elif kind == _UUID:
            length = 16
            if length > end - position:
                raise _invalid("Header value runs past the header block", position)
            value = block[position : position + length]
        else:
            raise _invalid(f"Header type {kind} is unknown", position - 1)
        if name in headers:
            raise DuplicateHeader(name, _PRELUDE_LENGTH + header)
        headers[name] = value
        only_text = only_text and kind == _STRING
        position += length
    return headers, only_text


def _text(block: bytes, start: int, length: int, field: str) -> str:
    try:
        return block[start : start + length].decode()
    except UnicodeDecodeError as error:
        raise _invalid(f"Header {field} is not UTF-8", start + error.start) from None


def _invalid(reason: str, position: int) -> InvalidHeader:
    return InvalidHeader(reason, _PRELUDE_LENGTH + position)
