"""Limiters keep streams within the account's quotas: of a process, or of a fleet of machines.

    limiter = StreamLimiter(max_streams=25, starts_per_second=25)
    client = TranscribeStreamingClient(region="us-east-2", limiter=limiter)

The service refuses starts beyond its quotas: 25 concurrent streams and 25 starts a second
for an account and region, unless raised. With a limiter a start waits for its turn instead,
first come, first served, within the client's `start_timeout`. `valkey.ValkeyStreamLimiter`
does the same for all processes of any number of machines.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, Protocol

from .._net.loops import check_loop
from .._protocol.constraints import check_above_zero, check_finite
from ..exceptions import LoopException, StreamClosedException, TimeoutException

__all__ = ["Limiter", "Slot", "StreamLimiter"]

MAX_STREAMS = 25
STARTS_PER_SECOND = 25.0


class Slot:
    """The right to one open stream, from a limiter's `acquire`.

    It ends with `release`, or when the slot is garbage-collected.

    :param give_back: Called once when it ends, in the loop.
    :param loop: The event loop that the slot is for.
    """

    __slots__ = ("_give_back", "_loop")

    def __init__(self, give_back: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._give_back: Callable[[], None] | None = give_back
        self._loop = loop

    def release(self) -> None:
        """Give the slot back for the next waiting start. A second call does nothing.

        :raises LoopException: In another event loop than the slot's.
        """
        check_loop(self._loop, "the slot")
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __del__(self) -> None:
        # The program dropped its stream; the collector may run in any thread.
        if self._give_back is not None:
            with suppress(RuntimeError):  # the loop is closed, so no start waits in it
                self._loop.call_soon_threadsafe(self._give_back)


class Limiter(Protocol):
    """What a client asks of its limiter: a slot for each attempt of a start."""

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        """Wait for a slot.

        :param timeout: The longest wait, in seconds.
        :param closing: A future that ends the wait when it is done, as a client's closing.
        :raises TimeoutException: After `timeout`, with the phase `"slot"`.
        :raises StreamClosedException: If `closing` is done first.
        """
        ...


class StreamLimiter:
    """A queue for starts that limits the open streams and the starts in any second.

    One limiter serves one or more clients in one event loop at a time: while there are
    streams or starts in one that runs, another loop's starts are refused. Every attempt of a
    start counts, since the service counts them too.

    :param max_streams: The most streams open at a time, including those being started.
    :param starts_per_second: The most starts in a second; fractions are allowed.
    :raises ValidationException: If a number is not above 0.
    """

    def __init__(
        self, max_streams: int = MAX_STREAMS, starts_per_second: float = STARTS_PER_SECOND
    ) -> None:
        check_above_zero(max_streams=max_streams)
        check_finite(starts_per_second=starts_per_second)
        self.max_streams = max_streams
        self.starts_per_second = starts_per_second
        # At most `_burst` starts in any `_window` seconds.
        self._burst = max(1, int(starts_per_second))
        self._window = self._burst / starts_per_second
        self._open = 0
        self._starts: deque[float] = deque(maxlen=self._burst)
        self._queue: deque[asyncio.Future[Slot]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = Lock()  # another thread's loop may come to use it

    @property
    def open(self) -> int:
        """Number of slots in use."""
        return self._open

    @property
    def waiting(self) -> int:
        """Number of starts that wait for a slot."""
        return sum(not turn.done() for turn in self._queue)

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        """Wait for a slot, behind all starts that wait already.

        :param timeout: The longest wait, in seconds.
        :param closing: A future that ends the wait when it is done, as a client's closing.
        :raises TimeoutException: After `timeout`, with the phase `"slot"`.
        :raises StreamClosedException: If `closing` is done first.
        :raises LoopException: While another event loop has streams or starts here.
        """
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Slot] = loop.create_future()
        with self._lock:
            if loop is not self._loop:
                self._move_to(loop)
            self._queue.append(turn)
            self._admit(loop)
        try:
            return await result_of(turn, timeout, closing)
        except BaseException:
            # A cancellation may arrive after the slot has been assigned.
            if turn.done() and not turn.cancelled():
                turn.result().release()
            turn.cancel()
            self._go_on(loop)
            raise

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve another loop from zero; what was open in the last one has ended with it."""
        last = self._loop
        if last is not None and last.is_running() and (self._open or self.waiting):
            raise LoopException(
                "the limiter is in use in another event loop: give each loop a StreamLimiter of"
                " its own, with a share of the account's quotas"
            )
        self._loop, self._timer, self._open = loop, None, 0
        self._queue.clear()
        self._starts.clear()  # by the last loop's clock

    def _go_on(self, loop: asyncio.AbstractEventLoop, ended: int = 0) -> None:
        """Admit those who can be, unless another loop is served by now."""
        with self._lock:
            if loop is self._loop:
                self._open -= ended
                self._admit(loop)

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Assign the free slots, and set a timer for the next start that must wait."""
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        if not self._queue:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        while self._queue and self._open < self.max_streams:
            turn = self._queue[0]
            if not turn.done():
                due = self._starts[0] + self._window if len(self._starts) == self._burst else 0.0
                now = loop.time()
                if due > now:
                    if self._timer is None:
                        self._timer = loop.call_later(due - now, self._on_timer, loop)
                    return
                self._starts.append(now)
                self._open += 1
                turn.set_result(Slot(partial(self._go_on, loop, ended=1), loop))
            self._queue.popleft()

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            self._timer = None
        self._go_on(loop)


async def result_of(
    turn: asyncio.Future[Slot], timeout: float, closing: asyncio.Future[None] | None
) -> Slot:
    """Wait for a turn, as `Limiter.acquire` does, and return its result.

    :param turn: A future, which is left as it is when the wait ends otherwise.
    """
    if not turn.done():
        until: set[asyncio.Future[Any]] = {turn} if closing is None else {turn, closing}
        await asyncio.wait(until, timeout=timeout, return_when="FIRST_COMPLETED")
    if turn.done():
        return turn.result()
    if closing is not None and closing.done():
        raise StreamClosedException("the client was closed")
    raise TimeoutException("slot", timeout)
