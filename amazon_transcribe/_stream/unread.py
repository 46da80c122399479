"""What has come of a stream and nobody has read yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .._protocol.events import UnknownEvent, UnparsedEvent
from ..eventstream import BaseEvent
from ..exceptions import SDKError

_OVERHEAD = 160  # bytes of memory that an event takes beside its payload, and a header


class UnreadEvents:
    """Events that wait for a reader, as the bytes that they came in.

    A typed event takes a few times the memory of its JSON, and hundreds of times where a
    peer sends JSON for it. So an event is parsed when it is read.
    """

    def __init__(self) -> None:
        self.size = 0
        """Bytes of memory that they take, about; 0 if there are none."""
        self._events: deque[UnparsedEvent | UnknownEvent]  # made with the first: mostly none comes

    def add(self, events: Iterable[UnparsedEvent | UnknownEvent]) -> None:
        """Keep events that are not read yet."""
        if not self.size:
            self._events = deque()
        for event in events:
            self._events.append(event)
            self.size += _size(event)

    def take(self) -> BaseEvent:
        """Return the first event.

        :raises InvalidEventException: If it does not fit its shape. Those behind it are gone:
            it ends the stream.
        """
        event = self._events.popleft()
        self.size -= _size(event)
        if isinstance(event, UnknownEvent):
            return event
        try:
            return event.parse()
        except SDKError:
            self._events.clear()
            self.size = 0
            raise


def observed(events: Iterable[UnparsedEvent | UnknownEvent]) -> Iterator[BaseEvent]:
    """Yield the events for an observer, up to one that is not valid: its reader is told."""
    with suppress(SDKError):
        for event in events:
            yield event if isinstance(event, UnknownEvent) else event.parse()


def _size(event: UnparsedEvent | UnknownEvent) -> int:
    size = _OVERHEAD + len(event.payload)
    if isinstance(event, UnknownEvent):
        for name, value in event.headers.items():
            size += _OVERHEAD + len(name) + len(str(value))
    return size
