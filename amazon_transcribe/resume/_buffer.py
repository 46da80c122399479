"""The audio of a logical stream that may have to be sent again."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .._protocol.events import AudioChunk

SETTLE_TIME = 10.0
"""Seconds without an event after which the service has shown what it makes of audio."""


class ReplayBuffer:
    """The audio that may have to go out again. Positions are bytes of the logical stream.

    `settled` is the position up to which there are final results, `start` that of the
    first byte held: the same, unless older audio had to make room.
    """

    def __init__(self, seconds: float, bytes_per_second: int) -> None:
        self.start = 0
        self.settled = 0
        self._seconds = seconds
        self._capacity = int(seconds * bytes_per_second)
        self._audio = bytearray()
        self._marks: deque[_Mark] = deque()
        self._heard_at = 0.0

    @property
    def end(self) -> int:
        """The position behind the last byte."""
        return self.start + len(self._audio)

    def append(self, chunk: AudioChunk) -> None:
        self._audio += chunk

    def read(self, position: int, size: int) -> bytes:
        at = position - self.start
        return bytes(self._audio[at : at + size])

    def wait_for(self, size: int, now: float) -> float:
        """Make room for more; 0 if there is, else the seconds after which it may be."""
        while self.end - self.start + size > self._capacity:
            if not self._marks:
                return SETTLE_TIME
            mark = self._marks[0]
            quiet_since = max(mark.sent_at, self._heard_at)
            due = min(mark.sent_at + self._seconds, quiet_since + SETTLE_TIME)
            if due > now:
                return due - now
            self._release(mark.position)
        return 0.0

    def sent(self, position: int, now: float, sound: float = 0.0) -> None:
        """Audio up to a position was sent; so many seconds more of it are sound."""
        self._marks.append(_Mark(position, now, sound))

    def sound_behind(self, position: int) -> float:
        """Seconds of the sound that was sent from a position on and is still held."""
        return sum(mark.sound for mark in self._marks if mark.position > position)

    def heard(self, now: float) -> None:
        """The service said something: it is at work on what it has."""
        self._heard_at = now

    def settle(self, position: int) -> None:
        """There are final results up to a position."""
        if position > self.settled:
            self.settled = position
            self._release(position)

    def rewind(self) -> None:
        """A new connection has been sent nothing."""
        self._marks.clear()

    def _release(self, position: int) -> None:
        if position > self.start:
            del self._audio[: position - self.start]
            self.start = position
            while self._marks and self._marks[0].position <= position:
                self._marks.popleft()


class _Mark(NamedTuple):
    """A piece that was sent: up to where, when, and how many seconds of it are sound."""

    position: int
    sent_at: float
    sound: float
