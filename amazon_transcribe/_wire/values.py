"""Header values and the wire format's numbers: what both codec twins build on."""

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

# A reader takes what the Smithy event-stream specification allows; a writer stays
# under what the strictest known reader takes.
MAX_PAYLOAD_LENGTH = 24 * 1024 * 1024
MAX_HEADERS_LENGTH = 128 * 1024
MAX_HEADER_VALUE_LENGTH = 32 * 1024 - 1
ENCODE_MAX_PAYLOAD_LENGTH = 16 * 1024 * 1024
ENCODE_MAX_HEADERS_LENGTH = 128 * 1024


class HeaderValue:
    """Base of the wrappers that choose an integer's width on the wire."""

    value: int

    def __init__(self, value: int) -> None:
        """Refuse to be made: only the subclasses have a width.

        :raises NotImplementedError: Always.
        """
        raise NotImplementedError("use Int8HeaderValue, Int16HeaderValue, …")


class Int8HeaderValue(HeaderValue):
    """An integer to be written as int8 (header type 2).

    :param value: −2**7 to 2**7 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


class Int16HeaderValue(HeaderValue):
    """An integer to be written as int16 (header type 3).

    :param value: −2**15 to 2**15 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


class Int32HeaderValue(HeaderValue):
    """An integer to be written as int32 (header type 4), like a plain `int`.

    :param value: −2**31 to 2**31 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


class Int64HeaderValue(HeaderValue):
    """An integer to be written as int64 (header type 5).

    :param value: −2**63 to 2**63 − 1; checked when it is written.
    """

    def __init__(self, value: int) -> None:
        self.value = value


HeaderValueInput: TypeAlias = (
    bool | int | bytes | bytearray | memoryview | str | uuid.UUID | datetime.datetime | HeaderValue
)
"""What a header value may be when it is written."""

HeaderValueOutput: TypeAlias = bool | int | bytes | str
"""What a header value is when it was read: timestamps as int milliseconds, UUIDs as 16 bytes."""
