"""The local server's log, which no peer can fill."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..observe import package_logger

logger: logging.Logger = package_logger("amazon_transcribe.local")

LINES = 20  # of one kind in one period
PERIOD = 1.0


class AtMost(logging.Filter):
    """Lets a number of lines of each kind pass in a period; the next one tells how many did not.

    A kind is a text before its arguments are put in.

    :param lines: How many lines of a kind.
    :param period: Seconds.
    :param clock: Gives the present in seconds.
    """

    def __init__(
        self,
        lines: int = LINES,
        period: float = PERIOD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._lines = lines
        self._period = period
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}  # the period's begin, and its lines

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = str(record.msg), self._clock()
        begin, lines = self._kinds.get(kind, (now, 0))
        if now - begin >= self._period:
            if lines > self._lines:
                record.msg = f"{record.msg} (and {lines - self._lines:,} more before)"
            begin, lines = now, 0
        self._kinds[kind] = (begin, lines + 1)
        return lines < self._lines


logger.addFilter(AtMost())
