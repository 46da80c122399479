"""Who may stream: so many at a time, and one for each session id."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..._protocol.server_session import RequestRefused
from ...exceptions import ConflictException

__all__ = ["Admission", "Lease"]

_T = TypeVar("_T")


class Lease:
    """A stream's right to go on, until another stream takes its session over."""

    def __init__(self) -> None:
        self.lost = False
        self._waiting: asyncio.Task[Any] | None = None

    async def wait(self, call: Callable[..., Coroutine[Any, Any, _T]], *args: object) -> _T:
        """Await a call whose interruption does no harm.

        :raises ConflictException: when the lease is lost, before or meanwhile.
        """
        if self.lost:
            raise _taken_over()
        task = self._waiting = asyncio.current_task()
        try:
            return await call(*args)
        except asyncio.CancelledError:
            if not self.lost or task is None:
                raise
            # Somebody else may want the task to end, besides.
            if sys.version_info >= (3, 11) and task.uncancel():
                raise
            raise _taken_over() from None
        finally:
            self._waiting = None

    def revoke(self) -> None:
        """Take the lease away."""
        if not self.lost:
            self.lost = True
            if self._waiting is not None:
                self._waiting.cancel()


def _taken_over() -> ConflictException:
    return ConflictException(
        "A new stream started with the same session ID. The current stream has been terminated."
    )


class Admission:
    """The leases of one server.

    :param max_streams: How many streams there may be at a time; None for any number.
    """

    def __init__(self, max_streams: int | None) -> None:
        self._max_streams = max_streams
        self._leases: dict[str, Lease] = {}

    def check(self, session_id: str) -> None:
        """See whether there may be another stream.

        :raises RequestRefused: 429, when there may not.
        """
        others = self._leases.keys() - {session_id.lower()}
        if self._max_streams is not None and len(others) >= self._max_streams:
            raise RequestRefused(
                429,
                "LimitExceededException",
                f"You have reached the limit of {self._max_streams} concurrent streams. Wait"
                " until one has ended and try your request again.",
            )

    @contextmanager
    def lease(self, session_id: str) -> Iterator[Lease]:
        """Admit a stream; an earlier one of its session loses its lease."""
        key = session_id.lower()
        if key in self._leases:
            self._leases[key].revoke()
        lease = self._leases[key] = Lease()
        try:
            yield lease
        finally:
            # Others of the session may have come and gone.
            if self._leases.get(key) is lease:
                del self._leases[key]
