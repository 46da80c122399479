"""Waiting for a change, with a time-out, and losing nothing when the wait is cancelled."""

from __future__ import annotations

import asyncio

from ..exceptions import TimeoutException


class Waiters(list["asyncio.Future[None]"]):
    """Those who wait for one kind of change. True while there are any not told of it.

    There are mostly none or one, and a stream has five of these: an empty set takes 216 bytes.
    """

    __slots__ = ()

    def wake(self) -> None:
        """Tell everyone that there may be a change."""
        for future in self:
            if not future.done():
                future.set_result(None)
        self.clear()

    async def wait(self, timeout: float | None, phase: str) -> None:
        """Wait for a change.

        :param timeout: Seconds, None for ever.
        :param phase: What is waited for, see `TimeoutException`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self.append(future)
        timer = None
        if timeout is not None:
            timer = loop.call_later(timeout, _expire, future, phase, timeout)
        try:
            await future
        finally:
            if future in self:
                self.remove(future)
            if timer is not None:
                timer.cancel()


def _expire(future: asyncio.Future[None], phase: str, timeout: float) -> None:
    if not future.done():
        future.set_exception(TimeoutException(phase, timeout))
