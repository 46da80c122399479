"""One connection of a logical stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .._net.waiting import Waiters
from .._protocol.events import UnknownEvent
from ..exceptions import SDKError, StreamException, TimeoutException, UnreadResultsException
from ..transcription import StartStreamTranscriptionEventStream, TranscriptEvent
from ._buffer import ReplayBuffer
from ._pcm import PcmFormat
from ._policy import RetryPolicy, is_pause

RENEWAL_GRACE = 300.0
"""Seconds for which a renewal waits for a final result."""


@dataclass(frozen=True)
class ConnectionLimits:
    """How long a connection may live, and how much sound it may leave unanswered.

    :param renew_after: The age in seconds at which it is renewed behind a final result.
    :param enough_sound: Seconds of sound that must be answered within the time-out.
    :param renewal_grace: Seconds after which it is renewed without a final result.
    """

    renew_after: float
    enough_sound: float
    renewal_grace: float = RENEWAL_GRACE


class Connection:
    """A connection that ends itself when it is too old or leaves sound unanswered.

    Positions are bytes of the logical stream, times are those of the loop's clock. Audio is
    sent again on the next connection from the buffer's start on, whatever became of it here.

    :param number: 1 for the logical stream's first connection.
    :param stream: The open stream that it is made of.
    :param changes: Whom to wake when the connection has ended.
    """

    def __init__(
        self,
        number: int,
        stream: StartStreamTranscriptionEventStream,
        buffer: ReplayBuffer,
        pcm: PcmFormat,
        policy: RetryPolicy,
        limits: ConnectionLimits,
        changes: Waiters,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.number = number
        self.stream = stream
        self._events = stream.output_stream.including_unknown()
        self.start = self.sent = buffer.start
        self.end_sent = False
        self.is_broken = False  # takes no more audio; its last events are still to be read
        self.unread: UnreadResultsException | None = None  # what broke it, if that did
        self.opened_at = now
        self.ended_at: float | None = None
        self.reason: SDKError | None = None
        self.has_failed = False  # False too where it was replaced or the program paused
        self._buffer = buffer
        self._pcm = pcm
        self._policy = policy
        self._limits = limits
        self._changes = changes
        self._answered = 0  # up to where there are results, partial ones too
        self._heard_at = now
        self._is_being_read = False
        self._timer: asyncio.TimerHandle | None = None
        self._check()

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    @property
    def is_complete(self) -> bool:
        """Whether the service has ended the stream after the end of the input."""
        return self.has_ended and self.end_sent and self.reason is None

    async def read(self) -> TranscriptEvent | UnknownEvent | None:
        """Return the next event; None once the connection has ended.

        A read that is cancelled loses nothing. Only one may run at a time.
        """
        self._is_being_read = True
        try:
            event: TranscriptEvent | UnknownEvent = await anext(self._events)
        except StopAsyncIteration:
            early = StreamException("the service ended the stream before the audio did")
            self.end(None if self.end_sent else early)
            return None
        except SDKError as error:
            self.end(error)
            return None
        finally:
            self._is_being_read = False
        if self.has_ended:  # in this very moment: the next connection hears it again
            return None
        self._heard_at = self._loop.time()
        self._buffer.mark_heard(self._heard_at)
        self._policy.event_received()
        return event

    def note_result(self, position: int) -> None:
        """Note a result, which answers the sound up to a position."""
        self._answered = max(self._answered, position)

    async def send_audio(self, data: bytes) -> None:
        """Send the audio that follows what was sent before; an error breaks the connection."""
        self.sent += len(data)  # first: its results may come while we wait
        try:
            await self.stream.input_stream.send_audio_event(data)
        except SDKError as error:
            self.sent -= len(data)
            self._break(error)
        else:
            if not self.has_ended:
                sound = self._pcm.seconds(len(data)) if self._pcm.has_sound(data) else 0.0
                self._buffer.mark_sent(self.sent, self._loop.time(), sound)

    async def end_input(self) -> None:
        """End the input; an error breaks the connection."""
        self.end_sent = True
        try:
            await self.stream.input_stream.end_stream()
        except SDKError as error:
            self._break(error)

    def _break(self, error: SDKError) -> None:
        """Wait for a reader, which meets the reason after the connection's last events."""
        self.is_broken = True
        if isinstance(error, UnreadResultsException):
            self.unread = error.with_traceback(None)
            self._changes.wake()  # the program, which sends and does not read
        self._buffer.rewind()

    def renew_if_due(self) -> None:
        """Replace the connection if it is old enough: a final result has just come."""
        renewal_at = self.opened_at + self._limits.renew_after
        if self._heard_at >= renewal_at and not self.end_sent:
            self.end(None)

    def end(self, reason: SDKError | None, *, failed: bool = True) -> None:
        """Abort the stream and wake all who wait for changes; harmless after the end.

        :param reason: None for a renewal, a close, and the service's end at the right time.
        :param failed: Whether the reason is a failure; that of a pause never is.
        """
        if self.has_ended:
            return
        self.ended_at = self._loop.time()
        if reason is not None:
            # The frames of a traceback would keep the stream until the next collection.
            self.reason = reason.with_traceback(None)
            self.has_failed = failed and not is_pause(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.stream.abort()
        self._buffer.rewind()
        self._policy.connection_ended(self.ended_at - self.opened_at, reason)
        self._changes.wake()

    def _check(self) -> None:
        """Replace the connection if it is too old or silent, else check again in time.

        It is not silent while nobody reads: there may be events that wait to be read.
        """
        self._timer = None
        if self.end_sent:
            return  # the client's own time-out ends it
        now = self._loop.time()
        lifetime = self._limits.renew_after + self._limits.renewal_grace
        time_left = self.opened_at + lifetime - now
        limit = self._policy.silence_limit
        quiet = now - self._heard_at
        if time_left <= 0:
            self.end(None)
        elif quiet >= limit and self._is_being_read and self._owes_an_answer():
            self._policy.connection_silent()
            self.end(TimeoutException("read", limit), failed=False)
        else:
            delay = min(max(limit - quiet, limit / 10), time_left)
            self._timer = self._loop.call_later(delay, self._check)

    def _owes_an_answer(self) -> bool:
        unanswered = self._buffer.sound_after(self._answered)
        return self.is_broken or unanswered >= self._limits.enough_sound
