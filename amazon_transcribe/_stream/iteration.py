"""Iterating over events: those of known types, or all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._protocol.events import UnknownEvent
from ..observe import package_logger

if TYPE_CHECKING:
    from typing_extensions import Self

_MAX_SKIPPED = 100  # events that are kept
_MAX_NAMES = 100  # types that are logged

logger = package_logger()

_Event = TypeVar("_Event", covariant=True)


class ConnectionEvent:
    """An event about the connection of a stream, which the stream itself makes."""


class EventIteration(Generic[_Event]):
    """The events of a stream in `async for`; those of unknown types do not stand in the way."""

    def __init__(self) -> None:
        self.unknown_events: int = 0
        """How many events of types that this version does not know have come."""
        self._skipped: list[UnknownEvent] | None = None  # mostly there are none

    @property
    def skipped_events(self) -> list[UnknownEvent]:
        """The last hundred such events that an iteration or a drain has passed over."""
        return list(self._skipped or ())

    def _event_now(self) -> Any:
        """Return the next event, of whatever type, if it is there; else None."""
        return None

    async def _next_event(self) -> Any:
        """Wait for the next event, of whatever type; None at the end."""
        raise NotImplementedError

    def _note_reader(self) -> None:
        """Note that the task that calls reads from here on."""

    def __aiter__(self) -> Self:
        self._note_reader()
        return self

    async def __anext__(self) -> _Event:
        """Wait for the next event of a known type."""
        while True:
            event: _Event | UnknownEvent | None = self._event_now()
            if event is None:
                event = await self._next_event()
            if event is None:
                raise StopAsyncIteration
            if not isinstance(event, UnknownEvent):
                return event
            self._skip(event)

    def including_unknown(self) -> AsyncIterator[_Event | UnknownEvent]:
        """Iterate over all events in order, those of unknown types too."""
        return _AllEvents(self)

    def _skip(self, event: UnknownEvent) -> None:
        """Count an event of an unknown type, keep it and name its type once in the log."""
        self.unknown_events += 1
        self._skipped = [*(self._skipped or ())[1 - _MAX_SKIPPED :], event]
        name = ascii(event.event_type)[:100]  # anyone's text
        if name not in _logged_names and len(_logged_names) < _MAX_NAMES:
            _logged_names.add(name)
            logger.warning("skipping events of the unknown type %s", name)


class _AllEvents(AsyncIterator[_Event | UnknownEvent]):
    """All events of a stream, in order.

    No generator: a read that is cancelled would end it.
    """

    def __init__(self, events: EventIteration[_Event]) -> None:
        self._events = events

    async def __anext__(self) -> _Event | UnknownEvent:
        event: _Event | UnknownEvent | None = await self._events._next_event()
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, UnknownEvent):
            self._events.unknown_events += 1
        return event


_logged_names: set[str] = set()
