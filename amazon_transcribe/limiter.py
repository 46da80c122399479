"""Holds the streams of a process under the account's limits.

    limiter = StreamLimiter(max_streams=25, starts_per_second=25)
    client = TranscribeStreamingClient(region="us-east-2", limiter=limiter)

The service refuses what goes beyond its quotas (25 concurrent streams and 25 starts a
second for an account and region, unless raised). With a limiter a start waits for its
turn instead, first come first served, within the client's `start_timeout`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

from ._protocol.constraints import check_above_zero
from .exceptions import StreamClosedException, TimeoutException

__all__ = ["Slot", "StreamLimiter"]

MAX_STREAMS = 25
STARTS_PER_SECOND = 25.0


class Slot:
    """The right to one open stream, from `StreamLimiter.acquire`. Given back by `release`, or
    when it is forgotten.
    """

    __slots__ = ("_limiter", "_loop")

    def __init__(self, limiter: StreamLimiter) -> None:
        self._limiter: StreamLimiter | None = limiter
        self._loop = asyncio.get_running_loop()

    def release(self) -> None:
        """Give the slot to the next who waits. A second call is harmless."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter._release(self._loop)

    def __del__(self) -> None:
        # The program dropped its stream; the collector may run in any thread.
        if self._limiter is not None:
            with suppress(RuntimeError):  # the loop is closed, and what waited there gone
                self._loop.call_soon_threadsafe(self._limiter._release, self._loop)


class StreamLimiter:
    """A queue for starts: so many streams open, so many starts in any second.

    One limiter serves one client or several, in one event loop; in the next loop it begins
    anew. Every attempt of a start counts, since the service counts them too.

    :param max_streams: Streams open at a time, those being started included.
    :param starts_per_second: Starts in a second; it may be a fraction.
    :raises ValidationException: for a number that is not above 0.
    """

    def __init__(
        self, max_streams: int = MAX_STREAMS, starts_per_second: float = STARTS_PER_SECOND
    ) -> None:
        check_above_zero(max_streams=max_streams, starts_per_second=starts_per_second)
        self.max_streams = max_streams
        self.starts_per_second = starts_per_second
        # In any `_window` seconds at most `_burst` starts.
        self._burst = max(1, int(starts_per_second))
        self._window = self._burst / starts_per_second
        self._open = 0
        self._starts: deque[float] = deque(maxlen=self._burst)
        self._queue: deque[asyncio.Future[Slot]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def open(self) -> int:
        """Slots that are taken."""
        return self._open

    @property
    def waiting(self) -> int:
        """Starts that wait for one."""
        return sum(not turn.done() for turn in self._queue)

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        """Wait for a slot, behind all who came before.

        :param timeout: Seconds.
        :param closing: Done once nobody wants the slot any more.
        :raises TimeoutException: with the phase `"slot"`.
        :raises StreamClosedException: when `closing` is done before the turn comes.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # What was open or waited in the loop before is gone with it.
            self._loop, self._timer, self._open = loop, None, 0
            self._queue.clear()
        turn: asyncio.Future[Slot] = loop.create_future()
        self._queue.append(turn)
        self._admit()
        try:
            if not turn.done():
                until: set[asyncio.Future[Any]] = {turn} if closing is None else {turn, closing}
                await asyncio.wait(until, timeout=timeout, return_when="FIRST_COMPLETED")
            if turn.done():
                return turn.result()
            if closing is not None and closing.done():
                raise StreamClosedException("the client was closed")
            raise TimeoutException("slot", timeout)
        except BaseException:
            # Cancelled, maybe in the moment in which the turn came.
            if turn.done() and not turn.cancelled():
                turn.result().release()
            turn.cancel()
            self._admit()
            raise

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            self._open -= 1
            self._admit()

    def _admit(self) -> None:
        """Let in who may come in now, and come back when the next one may."""
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        if not self._queue:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        loop = asyncio.get_running_loop()
        while self._queue and self._open < self.max_streams:
            turn = self._queue[0]
            if not turn.done():
                due = self._starts[0] + self._window if len(self._starts) == self._burst else 0.0
                now = loop.time()
                if due > now:
                    if self._timer is None:
                        self._timer = loop.call_later(due - now, self._on_time)
                    return
                self._starts.append(now)
                self._open += 1
                turn.set_result(Slot(self))
            self._queue.popleft()

    def _on_time(self) -> None:
        self._timer = None
        self._admit()
