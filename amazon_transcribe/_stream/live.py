"""An open stream: what stands between the program's two halves of it and the transport."""

from __future__ import annotations

import asyncio
import functools
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import Any, TypeVar

from .._net.loops import check_loop
from .._net.waiting import Waiters
from .._protocol.client_session import ClientSession
from .._protocol.events import AudioChunk
from ..eventstream import BaseEvent
from ..exceptions import (
    HTTPException,
    SDKError,
    StreamClosedException,
    TimeoutException,
    UnreadResultsException,
)
from ..limiter import Slot
from ..observe import end_of, package_logger
from ..transports.base import Stream
from .idle import KeepAlive
from .telemetry import Telemetry
from .unread import UnreadEvents, observed

SEND_TIMEOUT = 60.0
"""Seconds in which a peer takes no audio until a send fails: the service reads as we speak."""

RESULT_TIMEOUT = 30.0
"""Seconds in which a stream neither sends nor receives until a reader that waits fails."""

MAX_UNREAD = 64 * 1024 * 1024
"""Bytes of events that may lie unread until a stream fails: hours of one talk's transcripts.

At five partial results a second a minute of speech takes about half a megabyte.
"""

_MAX_AHEAD = 16 * 1024  # bytes of unread events that are made typed ones at once
_PIECE = 64 * 1024  # bytes that are taken at a time: events may take many times as much
_CHECKS_PER_TIMEOUT = 4

logger = package_logger()

_T = TypeVar("_T")


class LiveStream:
    """An open stream: the session that knows the protocol on the transport that carries it.

    `AudioStream` sends by it and `ResultStream` reads by it. Any number of tasks may read at
    once: each event goes to one of them, the end to all. It owns no task.

    :param session: The client's end of the conversation.
    :param stream: The transport's stream.
    :param slot: The limiter's slot, given back at the end.
    :param result_timeout: See `RESULT_TIMEOUT`.
    :param send_timeout: See `SEND_TIMEOUT`.
    :param max_unread: See `MAX_UNREAD`.
    """

    is_over = True  # what was never begun, such as a failed copy, has nothing to end

    def __init__(
        self,
        session: ClientSession,
        stream: Stream,
        *,
        slot: Slot | None = None,
        result_timeout: float = RESULT_TIMEOUT,
        send_timeout: float = SEND_TIMEOUT,
        max_unread: int = MAX_UNREAD,
    ) -> None:
        self.is_over = False
        self.failure: SDKError | None = None  # None where it is over: ended cleanly
        self._session = session
        self._stream = stream
        self._slot = slot
        self.telemetry: Telemetry | None = None
        self.ends: Waiters | None = None  # those who wait for the ends of streams
        self._keep_alive: KeepAlive | None = None
        self._loop = asyncio.get_running_loop()
        # To be asked before each send: up to Python 3.11 `get_running_loop` is a system call.
        self._thread = get_ident()
        # Sending
        self._send_timeout = send_timeout
        self._send_lock = asyncio.Lock()  # first come, first sent
        self._waiting_senders = 0
        self._end_sent = False
        self._idle_end: StreamClosedException | None = None
        # Receiving
        self._events: list[Any] = []  # the next one last: an empty deque takes 760 bytes
        self._unread = UnreadEvents()  # behind them
        self._bytes_ahead = 0  # that `_events` came in, since it was empty
        self._max_unread = max_unread
        self._max_ahead = min(_MAX_AHEAD, max_unread)
        self._waiting_readers = Waiters()
        self._reader_due = False  # to take what has come, in this turn of the loop
        self._last_reader: weakref.ref[asyncio.Task[Any]] | None = None
        self._bytes_received = 0
        self._result_timeout = result_timeout
        self._progress = (0, 0, False)
        self._idle_checks = 0
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def session_id(self) -> str | None:
        return self._session.session_id

    @property
    def closed(self) -> bool:
        """Whether the stream takes no more audio; the original SDK's name, which programs use."""
        return self.is_over or self._session.ended

    def begin(self) -> None:
        """Begin to receive: from here on events are decoded and the end is noticed."""
        # Neither holds the stream: one that the program drops is gone at once. But the
        # transport holds the readers that wait, and so the stream: the loop holds no tasks.
        alive: weakref.ref[LiveStream] = weakref.ref(self)
        self._on_check = functools.partial(_check_progress, alive)
        self._check_later()
        on_change = functools.partial(_take_what_came, alive, self._waiting_readers)
        self._stream.when_changed(on_change)

    def __del__(self) -> None:
        # The program dropped its stream; the collector may run in any thread.
        if self.is_over:
            return
        # Nobody can send to it or read it. One that ends by itself is given time for that.
        delay = self._result_timeout if self._end_sent else 0.0
        with suppress(RuntimeError):  # the loop is closed, and its connections with it
            self._loop.call_soon_threadsafe(self._loop.call_later, delay, self._stream.abort)
        if self.telemetry is not None:
            self.telemetry.dropped(self._loop.call_soon_threadsafe)

    def keep_alive(self, silence: bytes | None, after: float) -> None:
        """Act when the program sends no audio for so many seconds; see `KeepAlive`."""
        self._keep_alive = KeepAlive(self, silence, after, self._send_timeout)

    # Sending

    def send_now(self, chunk: AudioChunk) -> bool:
        """Send a chunk of audio, if nothing stands in its way; False if it must wait."""
        if get_ident() != self._thread or not self._loop.is_running():
            check_loop(self._loop, "the stream")
        if self._waiting_senders or self.is_over or self._stream.is_full:
            return False
        try:
            self._stream.write(self._session.send_audio(chunk))
        except HTTPException as error:
            raise self._failure_behind(error) from None
        if self._keep_alive is not None or self.telemetry is not None:
            self._note_audio(len(chunk))
        return True

    async def send_audio(self, chunk: AudioChunk) -> None:
        """Send a chunk of audio once too much is no longer on its way unsent."""
        await self._send_in_turn(self._session.send_audio, chunk)
        self._note_audio(len(chunk))

    async def send_event(self, event: BaseEvent) -> None:
        """Send an event besides audio; wait first while too much is on its way unsent."""
        check_loop(self._loop, "the stream")
        await self._send_in_turn(self._session.send_event, event)

    async def _send_in_turn(self, frame: Callable[[_T], bytes], sent: _T) -> None:
        """Wait for room behind the senders that came before, then send.

        Framing before the wait would queue audio that a cancelled caller believes unsent.
        """
        self._waiting_senders += 1
        try:
            async with self._send_lock:
                if not self._session.ended:
                    await self._drain()
                try:
                    self._stream.write(frame(sent))
                except HTTPException as error:
                    raise self._failure_behind(error) from None
        finally:
            self._waiting_senders -= 1

    def _note_audio(self, size: int) -> None:
        if size and self._keep_alive is not None:
            self._keep_alive.audio_sent()
        if size and self.telemetry is not None:
            self.telemetry.audio_sent(size)

    async def end_audio(self) -> None:
        """End the input, behind the audio that waits to be sent."""
        check_loop(self._loop, "the stream")
        async with self._send_lock:
            self._end_input()
            if not self.is_over and self._stream.is_full:
                await self._drain()

    async def _drain(self) -> None:
        """Wait for room; raise where there will be none any more."""
        try:
            self._check_alive()
            if self.is_over:
                raise StreamClosedException("the service has ended the stream: it takes no more")
            await self._stream.drain(self._send_timeout)
        except HTTPException as error:
            raise self._failure_behind(error) from None

    def _end_input(self) -> None:
        if self._end_sent:
            return
        self._end_sent = True
        try:
            self._check_alive()
            self._stream.write(self._session.end())
        except StreamClosedException:
            pass  # the service has ended the stream by itself: there is no input to end
        except HTTPException as error:
            raise self._failure_behind(error) from None
        finally:
            if self.failure is None:
                self._stream.end()

    def _check_alive(self) -> None:
        if self.failure is not None:
            raise self.failure.with_traceback(None)

    def _failure_behind(self, error: HTTPException) -> SDKError:
        """Find why a send failed: the service's own exception where it came before the end."""
        self._take()
        if not isinstance(error, StreamClosedException):
            self.fail(error)
        # Without the frames of the last time that it was raised: they would pile up.
        return (self.failure or self._with_ids(self._idle_end or error)).with_traceback(None)

    # For the idle policy

    @property
    def input_ended(self) -> bool:
        """Whether the input has ended: it takes no audio any more."""
        return self._session.ended

    @property
    def has_waiting_senders(self) -> bool:
        """Whether the program has audio that the peer does not take yet."""
        return self._waiting_senders > 0

    def send_silence(self, silence: bytes) -> bool:
        """Send silence; False where the transport has no room for it."""
        if self._stream.is_full:
            return False
        with suppress(SDKError):  # the program is told by its next call
            self._stream.write(self._session.send_audio(silence))
            if self.telemetry is not None:
                self.telemetry.audio_sent(len(silence))
        return True

    def end_idle_input(self, seconds: float) -> None:
        """End the input because there was no audio for so many seconds."""
        self._idle_end = StreamClosedException(
            f"the input was ended after {seconds:g} s without audio"
        )
        with suppress(SDKError):  # the program is told by its next call
            self._end_input()

    # Receiving

    def note_reader(self) -> None:
        """Note that the task that calls reads from here on."""
        task = asyncio.current_task(self._loop)
        if task is None or get_ident() != self._thread:
            check_loop(self._loop, "the stream")
        # A reference that keeps neither the task nor what it holds.
        self._last_reader = None if task is None else weakref.ref(task)

    def event_now(self) -> BaseEvent | None:
        """Return the next event if it is there, else None."""
        if self._events:
            event: BaseEvent = self._events.pop()
            return event
        return self._next_unread() if self._unread.size else None

    async def next_event(self) -> BaseEvent | None:
        """Wait for the next event; None at the service's clean end."""
        self.note_reader()
        while (event := self.event_now()) is None:
            self._check_alive()
            if self.is_over:
                return None
            try:
                await self._waiting_readers.wait(None, "read")
            finally:
                self._take()
        return event

    def _next_unread(self) -> BaseEvent | None:
        """Return the next event of those that are not parsed yet, unless it cannot be."""
        try:
            return self._unread.take()
        except SDKError as error:
            self.fail(error)
            self.failure = self._with_ids(error).with_traceback(None)  # though the end had come
            return None

    async def drain(self, timeout: float) -> tuple[list[BaseEvent], bool]:
        """End the input and wait for the service's end; return the events that nobody took.

        :returns: The events, and whether they stay for another task that was reading before
            and has not finished.
        """
        check_loop(self._loop, "the stream")
        deadline = self._loop.time() + timeout
        if self.failure is None:
            self._end_input()
        self._take()
        while not self.is_over:
            left = deadline - self._loop.time()
            if left <= 0:  # even while events come
                raise self._with_ids(TimeoutException("drain", timeout))
            try:
                with suppress(TimeoutException):
                    await self._waiting_readers.wait(left, "read")
            finally:
                self._take()
        rest = self._events[::-1]
        while self._unread.size:
            if (event := self._next_unread()) is not None:
                rest.append(event)
        self._events = rest[::-1]
        self._check_alive()
        reader = None if self._last_reader is None else self._last_reader()
        if reader is None or reader is asyncio.current_task() or reader.done():
            self._events.clear()
        return rest, bool(self._events)

    def _take(self) -> None:
        """Decode the bytes that the transport has, and take its end if that has come."""
        self._reader_due = False
        if self.is_over:
            return
        stream = self._stream
        data = stream.read_nowait()
        for start in range(0, len(data), _PIECE):
            if self.is_over:
                break
            piece = data[start : start + _PIECE]
            size = len(piece)
            self._bytes_received += size
            if not self._events:
                self._bytes_ahead = 0
            parsed = self._bytes_ahead + size <= self._max_ahead and not self._unread.size
            came = self._session.receive(piece, parsed=parsed)
            failure: SDKError | None = None
            if came and isinstance(came[-1], SDKError):
                failure = came.pop()
            if self.telemetry is not None:
                self.telemetry.received(size, came if parsed else list(observed(came)))
            if parsed:
                self._events[:0] = came[::-1]
                self._bytes_ahead += size
            else:
                self._unread.add(came)
                if failure is None and self._unread.size > self._max_unread:
                    failure = UnreadResultsException(self._max_unread)
            if failure is not None:
                self.fail(failure)
            elif self._waiting_readers:
                self._waiting_readers.wake()
        if stream.ended:
            self._end()
        elif stream.failure is not None:
            self.fail(stream.failure)

    # The end

    def abort(self) -> None:
        """End the stream at once, unless it has ended; events that have come stay readable."""
        check_loop(self._loop, "the stream")
        self._take()
        self._stream.abort()
        self.fail(StreamClosedException("the stream was closed on this side"))

    def _end(self) -> None:
        """Take the end of the service's bytes."""
        if not self.is_over:
            failure = self._session.receive_end()
            if failure is not None:
                self.fail(failure)
            else:
                self._finish(None)

    def fail(self, error: SDKError) -> None:
        """End the stream with an error, unless it has ended."""
        if self._reader_due:
            self._take()
        if not self.is_over:
            # Its traceback's frames hold the stream, which would have to wait for the collector.
            self.failure = self._with_ids(error).with_traceback(None)
            self._finish(error)
            self._stream.abort()

    def _finish(self, error: SDKError | None) -> None:
        """Do what there is to do once, at whatever end."""
        self.is_over = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._keep_alive is not None:
            self._keep_alive.stop()
        if self._slot is not None:
            self._slot.release()
        level = logging.DEBUG if error is None else logging.INFO
        if logger.isEnabledFor(level):
            ids = (self._session.session_id, self._session.request_id)
            logger.log(level, "session %s ends: %s (request %s)", ids[0], end_of(error), ids[1])
        if self.telemetry is not None:
            self.telemetry.ended(error)
        self._waiting_readers.wake()
        if self.ends:
            self.ends.wake()

    def _with_ids(self, error: SDKError) -> SDKError:
        error.request_id = self._session.request_id
        error.session_id = self._session.session_id
        error.audio_bytes_sent = self._session.audio_bytes_sent
        return error

    def _check_later(self) -> None:
        delay = self._result_timeout / _CHECKS_PER_TIMEOUT
        self._watchdog = self._loop.call_later(delay, self._on_check)

    def check_progress(self) -> None:
        """Fail readers that wait while nothing is sent or received for the whole time-out.

        The service ends a stream 15 s after its last audio, so more will not come.
        """
        progress = (self._session.audio_bytes_sent, self._bytes_received, self._end_sent)
        is_stuck = bool(self._waiting_readers) and progress == self._progress
        self._idle_checks = self._idle_checks + 1 if is_stuck else 0
        self._progress = progress
        if self._idle_checks == _CHECKS_PER_TIMEOUT:
            self.fail(TimeoutException("idle", self._result_timeout))
        else:
            self._check_later()


def _take_what_came(alive: weakref.ref[LiveStream], waiting_readers: Waiters) -> None:
    """Take what has come, so that an exception is known even if nobody reads.

    A reader that waits takes all that comes until it has its turn at once.
    """
    live = alive()
    if live is None or live._reader_due:
        return
    if waiting_readers:
        live._reader_due = True
        waiting_readers.wake()
    else:
        live._take()


def _check_progress(alive: weakref.ref[LiveStream]) -> None:
    live = alive()
    if live is not None:
        live.check_progress()
