"""Which streams are admitted: a limited number at a time, and one for each session id."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..._protocol.server_session import RequestRefused
from ...exceptions import (
    BadRequestException,
    ConflictException,
    ServiceException,
    ServiceUnavailableException,
)

__all__ = ["Admission", "AudioTimer", "Lease"]

_SHUTDOWN = "The server is shutting down. Start the stream again, here later or elsewhere."


class Lease:
    """A stream's right to go on, until another stream takes its session over.

    :ivar waiting: Whether the stream waits for the client's bytes.
    :ivar error: What the stream is to end with; None as long as it may go on. The stream
        looks before it waits.
    """

    def __init__(self) -> None:
        self.lost: bool = False
        self.waiting: bool = False
        self.error: ServiceException | None = None
        self._interrupted = False
        self._task = asyncio.current_task()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let `end` interrupt the stream where it waits.

        :raises ServiceException: what `end` was called with meanwhile.
        """
        try:
            yield
        except asyncio.CancelledError:
            if not self._interrupted or self._task is None or self.error is None:
                raise
            # The task may have been cancelled by someone else too.
            if sys.version_info >= (3, 11) and self._task.uncancel():
                raise
            raise self.error from None
        finally:
            self.waiting = False

    def end(self, error: ServiceException) -> None:
        """End the stream before it waits the next time, or now if it waits."""
        if self.error is None:
            self.error = error
            if self.waiting and self._task is not None:
                self._interrupted = True
                self._task.cancel()

    def revoke(self) -> None:
        """Take the lease away, as another stream has the session now."""
        self.lost = True
        self.end(
            ConflictException(
                "A new stream started with the same session ID. The current stream has been"
                " terminated."
            )
        )


class AudioTimer:
    """Ends a stream whose client sends no audio. Only time spent waiting for it counts.

    :param lease: The stream's.
    :param timeout: Seconds without audio.
    """

    def __init__(self, lease: Lease, timeout: float) -> None:
        self._lease = lease
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self.audio_came_at: float = self._loop.time()
        """When audio came last, by the loop's clock."""
        self._check()

    def close(self) -> None:
        """Stop the timer."""
        self._closed = True
        self._timer.cancel()

    def _check(self) -> None:
        if self._closed:
            return
        now = self._loop.time()
        if not self._lease.waiting:
            self.audio_came_at = now
        left = self.audio_came_at + self._timeout - now
        if left > 0:
            # Bytes that come in the same turn of the loop are read before the check.
            self._timer = self._loop.call_later(left, self._loop.call_soon, self._check)
            return
        self._lease.end(
            BadRequestException(
                "Your request timed out because no new audio was received for"
                f" {self._timeout:g} seconds."
            )
        )


class Admission:
    """The leases of one server.

    :param max_streams: How many streams there may be at a time; None for any number.
    """

    def __init__(self, max_streams: int | None) -> None:
        self._max_streams = max_streams
        self._leases: dict[str, Lease] = {}
        self.closed: bool = False

    def close(self) -> None:
        """Admit no more streams."""
        self.closed = True

    def end_all(self) -> None:
        """End all streams with the exception of a server that shuts down."""
        for lease in self._leases.values():
            lease.end(ServiceUnavailableException(_SHUTDOWN))

    def check(self, session_id: str) -> None:
        """Refuse a stream above the limit, and any once the server shuts down.

        :raises RequestRefused: 429, when there may not be another stream; 503.
        """
        if self.closed:
            raise RequestRefused(503, "ServiceUnavailableException", _SHUTDOWN)
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
        """Admit the current task's stream; an earlier one of its session loses its lease."""
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
