"""What has come of a stream and nobody has read yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from .._protocol.events import EventParser
from .._wire import EventStreamMessage
from .._wire.values import HeaderValueOutput
from ..eventstream import BaseEvent

_OVERHEAD = 160  # bytes of memory that an event takes beside its payload
_HEADERS_GROW = 32  # a header of three bytes takes a hundred in a dict


class UnreadEvents:
    """Events that wait for a reader, as the bytes that they came in.

    A typed event takes a few times the memory of its JSON, and hundreds of times where a
    peer sends JSON for it. So a message is parsed for what it says, an exception say, and
    parsed again when it is read.

    :param parser: Makes events of messages.
    """

    def __init__(self, parser: EventParser) -> None:
        self.size = 0
        """Bytes of memory that they take, about; 0 if there are none."""
        self._parser = parser
        self._messages: deque[_Message] = deque()

    def add(self, messages: Iterable[EventStreamMessage]) -> None:
        """Keep messages whose events are not read yet."""
        for message in messages:
            size = len(message.payload) + _OVERHEAD
            headers = self._parser.headers_of(message)
            if headers is message.headers:
                size += message.prelude.headers_length * _HEADERS_GROW
            self._messages.append(_Message(headers, message.payload, size))
            self.size += size

    def take(self) -> BaseEvent:
        """Return the first event."""
        message = self._messages.popleft()
        self.size -= message.size
        return self._parser.parse(message)


class _Message(NamedTuple):
    """What the parser needs of a message."""

    headers: dict[str, HeaderValueOutput]
    payload: bytes
    size: int
