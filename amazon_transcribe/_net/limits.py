"""Bounds and times of connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

MAX_UNSENT = 1024 * 1024
MAX_UNREAD = 1024 * 1024

# How often a connection with open streams is asked for a sign of life. One that gave
# none for a whole interval is dead.
PING_INTERVAL = 20.0

# A piece of data as small as this carries next to nothing. No event-stream message is so small
# that it does not take twice as much.
MAX_TINY = 31


class Allowance(NamedTuple):
    """What frames that carry nothing may cost in a connection (RFC 9113, 10.5).

    A WINDOW_UPDATE costs 1, about 10 µs of work.

    :param burst: How much they may cost at once.
    :param per_second: How much more each second, until it is `burst` again.
    :param per_turn: What is done for a connection before the others have their turn.
    """

    burst: int = 20_000
    per_second: int = 5_000
    per_turn: int = 200


ALLOWANCE = Allowance()


class Budget:
    """What a peer has left of its allowance.

    Useful work adds to `earned`, which counts up to four times the burst.

    :param allowance: What it begins with, and gets each second.
    :param clock: Gives the present in seconds.
    """

    def __init__(self, allowance: Allowance, clock: Callable[[], float]) -> None:
        self.per_turn = allowance.per_turn
        self.earned = 0  # since the last cost
        self._burst = allowance.burst
        self._per_second = allowance.per_second
        self._clock = clock
        self._left: float = allowance.burst
        self._asked = clock()

    def spend(self, cost: int) -> bool:
        """Take a cost; False if there was less than that left."""
        now = self._clock()
        if self._left < self._burst:
            gained = (now - self._asked) * self._per_second
            self._left = min(self._left + gained, self._burst)
        self._asked = now
        self._left = min(self._left + self.earned, 4 * self._burst) - cost
        self.earned = 0
        return self._left >= 0


class Turns:
    """What several connections may cost together in a turn of the loop: all share one share.

    :param share: How much that is, by the measure of `Allowance`.
    """

    def __init__(self, share: int = ALLOWANCE.per_turn) -> None:
        self._share = self._left = share
        self._waiting: deque[Callable[[], None]] = deque()
        self._next_due = False

    @property
    def is_over(self) -> bool:
        """Whether the share of this turn is used up, or others wait already."""
        return self._left <= 0 or bool(self._waiting)

    def take(self, cost: int) -> None:
        """Take a cost, of a turn that a connection has had."""
        self._left -= cost
        self._call_next()

    def wait(self, go_on: Callable[[], None]) -> None:
        """Have a connection called for its turn, behind those that wait already."""
        self._waiting.append(go_on)
        self._call_next()

    def _call_next(self) -> None:
        if not self._next_due:
            self._next_due = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._next_due = False
        self._left = self._share
        try:
            for _ in range(len(self._waiting)):
                if self._left <= 0:
                    break
                self._waiting.popleft()()
        finally:
            if self._waiting:
                self._call_next()
