"""An open stream: what stands between the program's two halves of it and the transport."""

from __future__ import annotations

import asyncio
import functools
import logging
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from .._net.waiting import Waiters
from .._protocol.client_session import ClientSession
from .._protocol.events import AudioChunk, UnknownEvent
from ..eventstream import BaseEvent
from ..exceptions import HTTPException, SDKError, StreamClosedException, TimeoutException
from ..limiter import Slot
from ..observe import end_of
from ..transports.base import Stream

# The service reads as fast as we speak; one that takes nothing for so long never will.
SEND_TIMEOUT = 60.0

# Nobody who waits for results waits in vain for longer.
IDLE_TIMEOUT = 30.0
_LOOKS = 4  # how often it is looked at in that time

logger = logging.getLogger("amazon_transcribe")

_T = TypeVar("_T")


class LiveStream:
    """An open stream: the session that knows the protocol on the transport that carries it.

    It stands behind `AudioStream` as the input stream and behind
    `TranscriptResultStream` as the raw stream. Any number of tasks may read at once:
    each event goes to one of them, the end to all.
    """

    def __init__(
        self,
        session: ClientSession,
        stream: Stream,
        slot: Slot | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        self._slot = slot  # given back at the end
        self._loop = asyncio.get_running_loop()
        self._senders = 0  # that wait for room
        self._turn = asyncio.Lock()  # for them: first come, first sent
        self._crowded = False  # the last send left no room
        self._session = session
        self._stream = stream
        self.unknown_events = 0  # handed over
        self._events: deque[Any] = deque()
        self._over = False  # ended cleanly by the service
        self._failure: SDKError | None = None  # ended otherwise; events may stand before it
        self._end_sent = False
        self._receiving = False
        self._followers = Waiters()  # who wait for what another one receives
        self._reader: asyncio.Task[Any] | None = None
        self._received = 0  # bytes
        self._idle_timeout = idle_timeout
        self._seen = (0, 0, False)
        self._quiet = 0
        # Neither holds the stream: one that the program drops is gone at once.
        live = weakref.ref(self)
        stream.when_ended(functools.partial(call_alive, live, "_settle"))
        self._watch = functools.partial(call_alive, live, "_look_if_idle")
        self._watchdog = self._loop.call_later(idle_timeout / _LOOKS, self._watch)

    def __del__(self) -> None:
        # The program dropped its stream; the collector may run in any thread.
        if not self._is_over:
            # Nobody can send to it or read it. What ends by itself is given time for that.
            delay = self._idle_timeout if self._end_sent else 0.0
            with suppress(RuntimeError):  # the loop is closed, and its connections with it
                self._loop.call_soon_threadsafe(self._loop.call_later, delay, self._stream.abort)

    async def send_audio(self, chunk: AudioChunk) -> None:
        await self._send(self._session.send_audio, chunk)

    async def send_event(self, event: BaseEvent) -> None:
        await self._send(self._session.send_event, event)

    async def _send(self, frame: Callable[[_T], bytes], sent: _T) -> None:
        """Wait until there is room, then send: who gives up the wait has sent nothing.

        What were taken first would pile up, if the program gave up each wait.
        """
        if self._senders or self._crowded or self._is_over:
            self._senders += 1
            try:
                async with self._turn:
                    self._check_alive()
                    if not self._session.ended:
                        await self._write(b"")
                    self._hand_over(frame, sent)
            finally:
                self._senders -= 1
        else:
            self._hand_over(frame, sent)

    def _hand_over(self, frame: Callable[[_T], bytes], sent: _T) -> None:
        self._crowded = at_once(self._write(self._framed(frame, sent))) is WAITS

    def _framed(self, frame: Callable[[_T], bytes], sent: _T) -> bytes:
        try:
            return frame(sent)
        except StreamClosedException as error:
            raise self._described(error) from None

    def _check_alive(self) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    @property
    def _is_over(self) -> bool:
        return self._over or self._failure is not None

    async def end_audio(self) -> None:
        async with self._turn:  # behind what waits to be sent
            await self._end_input()

    async def _end_input(self) -> None:
        if self._end_sent:
            return
        self._end_sent = True
        try:
            self._check_alive()
            await self._write(self._session.end())
        except StreamClosedException:
            pass  # the service has ended the stream by itself: there is no input to end
        finally:
            if self._failure is None:
                self._stream.end()

    async def next_event(self) -> BaseEvent | None:
        """The next event, None at the service's clean end."""
        while not self._events:
            self._check_alive()
            if self._over:
                return None
            await self._receive()
        self._reader = asyncio.current_task()
        event: BaseEvent = self._events.popleft()
        if isinstance(event, UnknownEvent):
            self.unknown_events += 1
        return event

    async def drain(self, timeout: float) -> list[BaseEvent]:
        """End the input and wait for the service's end; the events that nobody took.

        They stay for another task that was reading before and has not finished.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._failure is None:
            # What was taken is sent while we read.
            at_once(self._end_input())
        try:
            while not self._is_over:
                await self._receive(max(deadline - loop.time(), 0.001))
        except TimeoutException:
            raise self._described(TimeoutException("drain", timeout)) from None
        self._check_alive()
        rest = list(self._events)
        reader = self._reader
        if reader is None or reader is asyncio.current_task() or reader.done():
            self._events.clear()
            self.unknown_events += sum(isinstance(event, UnknownEvent) for event in rest)
        return rest

    async def close(self) -> None:
        if not self._is_over:
            self._take(self._stream.read_nowait())
            self._stream.abort()
            self._settle()
        self._stream.abort()

    async def _write(self, frame: bytes) -> None:
        try:
            await self._stream.write(frame, SEND_TIMEOUT)
        except HTTPException as error:
            raise self._reason(error) from None

    async def _receive(self, timeout: float | None = None) -> None:
        """Wait for events or the end; one task receives for all that wait."""
        if self._receiving:
            await self._followers.wait(timeout, "read")
            return
        self._receiving = True
        try:
            data = await self._stream.read(timeout)
        except TimeoutException:
            raise
        except HTTPException as error:
            self._fail(error)
        else:
            if data:
                self._received += len(data)
                self._take(data)
            else:
                self._end()
        finally:
            self._receiving = False
            self._followers.wake()

    def _take(self, data: bytes) -> None:
        """Turn bytes into events, of which the last may be the service's exception."""
        events = self._session.receive(data)
        failure = events.pop() if events and isinstance(events[-1], SDKError) else None
        self._keep(events, failure)

    def _keep(
        self, events: list[BaseEvent | SDKError], failure: BaseEvent | SDKError | None
    ) -> None:
        self._events.extend(events)
        if isinstance(failure, SDKError):
            self._fail(failure)

    def _end(self) -> None:
        """The service's bytes have ended."""
        if self._is_over:
            return
        failure = self._session.receive_end()
        if failure is not None:
            self._fail(failure)
        else:
            self._over = True
            self._ended(None)

    def _fail(self, error: SDKError) -> None:
        if self._is_over:
            return
        # Its traceback's frames hold the stream, which would have to wait for the collector.
        self._failure = self._described(error).with_traceback(None)
        self._stream.abort()
        self._ended(error)

    def _ended(self, error: SDKError | None) -> None:
        """What there is to do once, at whatever end."""
        self._watchdog.cancel()
        if self._slot is not None:
            self._slot.release()
        level = logging.DEBUG if error is None else logging.INFO
        if logger.isEnabledFor(level):
            ids = (self._session.session_id, self._session.request_id)
            logger.log(level, "session %s ends: %s (request %s)", ids[0], end_of(error), ids[1])

    def _look_if_idle(self) -> None:
        """Fail a reader that waits in vain: the service ends what gets no audio for 15 s."""
        seen = (self._session.audio_bytes_sent, self._received, self._end_sent)
        waits_in_vain = self._receiving and seen == self._seen
        self._quiet = self._quiet + 1 if waits_in_vain else 0
        self._seen = seen
        if self._quiet == _LOOKS:
            self._fail(TimeoutException("idle", self._idle_timeout))
        else:
            self._watchdog = self._loop.call_later(self._idle_timeout / _LOOKS, self._watch)

    def _reason(self, error: HTTPException) -> SDKError:
        """Why a write failed: the service's own exception where it came before the end."""
        self._settle()
        if not isinstance(error, StreamClosedException):
            self._fail(error)
        return self._failure or self._described(error)

    def _settle(self) -> None:
        """Take what has come, and the end if it has come too."""
        self._take(self._stream.read_nowait())
        try:
            ended = at_once(self._stream.read()) == b""
        except HTTPException as error:
            self._fail(error)
        else:
            if ended:
                self._end()
        self._followers.wake()

    def _described(self, error: SDKError) -> SDKError:
        error.request_id = self._session.request_id
        error.session_id = self._session.session_id
        error.audio_bytes_sent = self._session.audio_bytes_sent
        return error


def call_alive(stream: weakref.ref[Any], method: str) -> None:
    """Call a method of a stream, if the program has not dropped it."""
    if (live := stream()) is not None:
        getattr(live, method)()


WAITS = object()


def at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """Do what a coroutine does before it would wait: its result, `WAITS` if it would."""
    try:
        call.send(None)
    except StopIteration as done:
        return done.value
    call.close()
    return WAITS
