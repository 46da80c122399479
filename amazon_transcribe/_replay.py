"""What is kept of a stream that outlives its connections: its audio and its results."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from .model import AudioChunk, Result

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


class LogicalResults:
    """Turns the results of many connections into those of one stream.

    `settled` is the time up to which there are final results: the end of the last one,
    or the beginning of an earlier segment that is still open (on another channel).
    """

    def __init__(self) -> None:
        self.settled = 0.0
        self._finals: dict[str | None, float] = {}  # by channel: the end of the last one
        self._open: dict[str, Result] = {}  # by our id: partial results of this connection
        self._void: dict[str | None, Result] = {}  # by channel: of the connection before
        self._ids: dict[str, str] = {}  # the connection's ids of open segments, and ours
        self._connection = 1

    def begin(self, connection: int) -> None:
        self._connection = connection

    def cut(self) -> tuple[str, ...]:
        """The connection is gone: the ids of the partial results that are void."""
        for result in self._open.values():
            self._void[result.channel_id] = result
        self._open.clear()
        self._ids.clear()
        return tuple(result.result_id for result in self._void.values() if result.result_id)

    def take(self, results: list[Result], offset: float) -> tuple[list[Result], bool]:
        """Results as the program sees them, and whether there is a final one among them."""
        taken = []
        final = False
        for result in results:
            if offset:
                _shift(result, offset)
            if self._is_repeated(result):
                continue
            taken.append(result)
            theirs = result.result_id or ""
            ours = self._ids.get(theirs) or self._new_id(result)
            self._ids[theirs] = result.result_id = ours
            if result.is_partial:
                self._open[ours] = result
            else:
                final = True
                self._open.pop(ours, None)
                del self._ids[theirs]
                channel = result.channel_id
                self._finals[channel] = max(self._finals.get(channel, 0), result.end_time or 0)
        if final:
            starts = [result.start_time or 0 for result in self._open.values()]
            self.settled = max(self.settled, min([max(self._finals.values()), *starts]))
        return taken, final

    def _is_repeated(self, result: Result) -> bool:
        """Whether an earlier connection gave the final result: one channel's replay may
        begin where the other's had gone on."""
        if self._connection == 1 or result.result_id in self._ids:
            return False
        middle = ((result.start_time or 0) + (result.end_time or 0)) / 2
        return middle < self._finals.get(result.channel_id, 0)

    def _new_id(self, result: Result) -> str:
        theirs = result.result_id or ""
        void = self._void.pop(result.channel_id, None)
        if void is not None and (result.start_time or 0) < (void.end_time or 0):
            return void.result_id or ""
        # A UUID is unique by itself.
        if self._connection == 1 or len(theirs) == 36:
            return theirs
        return f"{theirs}/{self._connection}"


def _shift(result: Result, offset: float) -> None:
    """Count the result's times from an earlier beginning."""
    pieces: list[Any] = [result]
    for alternative in result.alternatives or ():
        pieces += alternative.items
        pieces += alternative.entities or ()
    for piece in pieces:
        if piece.start_time is not None:
            piece.start_time = round(piece.start_time + offset, 3)
        if piece.end_time is not None:
            piece.end_time = round(piece.end_time + offset, 3)
