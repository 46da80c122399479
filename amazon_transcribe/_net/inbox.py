"""The reading half of a stream: the same for every transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..exceptions import ConnectionLostException, HTTPException
from .waiting import Waiters


class Inbox:
    """What has come of one stream and was not read yet.

    The transport fills it by `feed_data`, `feed_end`, `fail` and `feed_answer`. A reader waits
    by `read` and `response`, or is called at each change, see `when_changed`.
    """

    def __init__(self) -> None:
        self.ended: bool = False
        """Whether the peer has ended its bytes."""
        self.failure: HTTPException | None = None
        """What the stream has failed with, if it has."""
        self._answer: tuple[int, Mapping[str, str]] | None = None
        self._unread: list[bytes] = []
        self._readers = Waiters()
        self._on_change: Callable[[], None] | None = None

    # For the transport

    def feed_data(self, data: bytes) -> None:
        """Take bytes that have come."""
        self._unread.append(data)
        if len(self._unread) > 1:
            return  # they were told, and have not read yet
        if self._readers:
            self._readers.wake()
        if self._on_change is not None:
            self._on_change()

    def feed_end(self) -> None:
        """Take the peer's clean end."""
        self.ended = True
        self._changed()

    def fail(self, failure: HTTPException) -> None:
        """Take a failure; the first one stays."""
        if self.failure is None:
            self.failure = failure
        self._changed()

    def feed_answer(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the answer's status and headers; the first ones stay."""
        if self._answer is None:
            self._answer = (status, headers)
            self._readers.wake()

    def _changed(self) -> None:
        if self._readers:
            self._readers.wake()
        if self._on_change is not None:
            self._on_change()

    # For the reader; see `transports.base.Stream`

    async def response(self, timeout: float | None = None) -> tuple[int, Mapping[str, str]]:
        """Wait for the answer's status and headers."""
        while self._answer is None:
            self.check()
            if self.ended:
                raise ConnectionLostException("the stream ended without an answer")
            await self._readers.wait(timeout, "response")
        return self._answer

    async def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them, `b""` at the peer's clean end."""
        while not self._unread:
            if self.ended:
                return b""
            if self.failure is not None:
                raise self.failure.with_traceback(None)
            await self._readers.wait(timeout, "read")
        return self.read_nowait()

    def read_nowait(self) -> bytes:
        """Return the bytes that have come, `b""` when there are none now."""
        unread = self._unread
        data = unread[0] if len(unread) == 1 else b"".join(unread)
        unread.clear()
        return data

    def when_changed(self, call: Callable[[], None]) -> None:
        """Have this called at once when bytes come, at the end and at a failure."""
        self._on_change = call
        if self._unread or self.ended or self.failure is not None:
            call()

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)
