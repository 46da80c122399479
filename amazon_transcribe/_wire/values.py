"""Types of header values, and limits of the wire format, for both codec twins."""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer
else:
    Buffer = bytes | bytearray | memoryview

__all__ = [
    "ENCODE_MAX_HEADERS_LENGTH",
    "ENCODE_MAX_PAYLOAD_LENGTH",
    "MAX_HEADERS_LENGTH",
    "MAX_HEADER_VALUE_LENGTH",
    "MAX_PAYLOAD_LENGTH",
    "Buffer",
    "HeaderValue",
    "HeaderValueInput",
    "HeaderValueOutput",
    "Int8HeaderValue",
    "Int16HeaderValue",
    "Int32HeaderValue",
    "Int64HeaderValue",
]

# Limits in bytes. A reader accepts what the Smithy "Amazon Event Stream Specification"
# allows; a writer stays within what the strictest known reader accepts.
MAX_PAYLOAD_LENGTH = 24 * 1024 * 1024
MAX_HEADERS_LENGTH = 128 * 1024
MAX_HEADER_VALUE_LENGTH = 32 * 1024 - 1
ENCODE_MAX_PAYLOAD_LENGTH = 16 * 1024 * 1024
ENCODE_MAX_HEADERS_LENGTH = 128 * 1024


class HeaderValue:
    """Base class of the wrappers that choose an integer's width on the wire.

    :param value: The integer; its range is the subclass's.
    """

    value: int

    def __init__(self, value: int) -> None:
        """Refuse to make a value without a width.

        :raises NotImplementedError: Always; use one of the subclasses.
        """
        raise NotImplementedError(
            "use Int8HeaderValue, Int16HeaderValue, Int32HeaderValue or Int64HeaderValue"
        )


class Int8HeaderValue(HeaderValue):
    """An integer that is written as int8 (header type 2).

    :param value: −2**7 to 2**7 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


class Int16HeaderValue(HeaderValue):
    """An integer that is written as int16 (header type 3).

    :param value: −2**15 to 2**15 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


class Int32HeaderValue(HeaderValue):
    """An integer that is written as int32 (header type 4), like a plain `int`.

    :param value: −2**31 to 2**31 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


class Int64HeaderValue(HeaderValue):
    """An integer that is written as int64 (header type 5).

    :param value: −2**63 to 2**63 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


HeaderValueInput: TypeAlias = (
    bool | int | bytes | bytearray | memoryview | str | uuid.UUID | datetime.datetime | HeaderValue
)
"""Types of header values that can be written."""

HeaderValueOutput: TypeAlias = bool | int | bytes | str
"""Types of header values as read: a timestamp is an int of milliseconds, a UUID 16 bytes."""
