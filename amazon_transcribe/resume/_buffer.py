"""The audio of a logical stream that may have to be sent again."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .._protocol.events import AudioChunk

SETTLE_TIME = 10.0
"""Seconds without an event after which no more results are expected of the audio sent."""


class ReplayBuffer:
    """The audio that may have to be sent again. Positions are bytes of the logical stream.

    `settled` is the position up to which final results have come, `start` that of the
    first byte held. The two are the same, unless older audio had to make room.

    :param seconds: How much audio the buffer holds.
    :param bytes_per_second: The audio's rate.
    """

    def __init__(self, seconds: float, bytes_per_second: int) -> None:
        self.start = 0
        self.settled = 0
        self._seconds = seconds
        self._capacity = int(seconds * bytes_per_second)
        self._audio = bytearray()
        self._marks: deque[_Mark] = deque()  # what the present connection was sent
        self._heard_at = 0.0

    @property
    def end(self) -> int:
        """The position behind the last byte."""
        return self.start + len(self._audio)

    @property
    def held(self) -> bytes:
        """All audio from `start` to `end`."""
        return bytes(self._audio)

    def restore(self, audio: bytes, start: int, settled: int) -> None:
        """Go on with what another buffer held."""
        self._audio[:] = audio
        self.start, self.settled = start, settled

    def append(self, chunk: AudioChunk) -> None:
        """Add audio at the end; `make_room` comes first."""
        self._audio += chunk

    def read(self, position: int, size: int) -> bytes:
        """Return at most `size` bytes from a position on."""
        offset = position - self.start
        return bytes(self._audio[offset : offset + size])

    def make_room(self, size: int, now: float) -> float:
        """Forget what has been with the service long enough, if `size` bytes need its place.

        :returns: 0 if there is room, else the seconds after which to try again.
        """
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

    def mark_sent(self, position: int, now: float, sound: float = 0.0) -> None:
        """Note that audio up to a position was sent.

        :param sound: How many seconds of what the previous mark does not cover are sound.
        """
        self._marks.append(_Mark(position, now, sound))

    def mark_heard(self, now: float) -> None:
        """Note that the service said something: it is at work on what it has."""
        self._heard_at = now

    def sound_after(self, position: int) -> float:
        """Return the seconds of sound that were sent after a position and are still held."""
        return sum(mark.sound for mark in self._marks if mark.position > position)

    def settle(self, position: int) -> None:
        """Release the audio before a position, up to which final results have come."""
        if position > self.settled:
            self.settled = position
            self._release(position)

    def rewind(self) -> None:
        """Count all audio as unsent: the connection that had it is gone."""
        self._marks.clear()

    def _release(self, position: int) -> None:
        if position > self.start:
            del self._audio[: position - self.start]
            self.start = position
            while self._marks and self._marks[0].position <= position:
                self._marks.popleft()


class _Mark(NamedTuple):
    """A piece of audio that was sent: where it ends, when, and its seconds of sound."""

    position: int
    sent_at: float
    sound: float
