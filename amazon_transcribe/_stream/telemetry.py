"""An open stream that somebody watches, or that must not fall silent."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .._protocol.client_session import ClientSession
from .._protocol.constants import MAX_AUDIO_CHUNK
from .._protocol.events import UnknownEvent
from ..exceptions import LimitExceededException, SDKError, StreamClosedException, TimeoutException
from ..limiter import Slot
from ..observe import Observer, StreamInfo, end_of
from ..transports.base import Stream
from . import live as _live
from .idle import _SILENCE, Idle
from .live import WAITS, LiveStream, at_once, call_alive

logger = logging.getLogger("amazon_transcribe")
_T = TypeVar("_T")


def tell(observer: Observer | None, method: str, *arguments: object) -> None:
    """Tell an observer, if there is one, whatever it makes of it."""
    if observer is None:
        return
    try:
        getattr(observer, method)(*arguments)
    except Exception:
        logger.exception("the observer failed in %s", method)


class WatchedStream(LiveStream):
    """A `LiveStream` with an observer, an idle policy, or both.

    It owns no task: the policy is a timer, which holds no reference to the stream.
    """

    def __init__(
        self,
        session: ClientSession,
        stream: Stream,
        slot: Slot | None,
        request: Any,
        observer: Observer | None,
        idle_timeout: float,
    ) -> None:
        super().__init__(session, stream, slot, idle_timeout)
        self._idle: Idle = request.idle
        self._idle_after: float = request.idle_after
        self._observer = observer
        self._info = StreamInfo("", None, None)
        self._opened = self._last_audio = self._loop.time()
        self._first_audio = 0.0
        self._told_partial = self._told_final = False
        self._ended_idle = False
        self._blocked_since: float | None = None
        self._silence = b""
        self._byte_rate = 0
        if request.media_encoding == "pcm":
            channels = getattr(request, "number_of_channels", None) or 1
            self._byte_rate = request.media_sample_rate_hz * 2 * channels
            # Whole samples of two channels where the request names none: right for one too.
            samples = int(request.media_sample_rate_hz * _SILENCE) // 2 * 2
            self._silence = bytes(min(samples * 2 * channels, MAX_AUDIO_CHUNK // 4 * 4))
        self._timer: asyncio.TimerHandle | None = None
        if self._idle != "wait":
            self._wait_until(self._opened + self._idle_after)

    def opened(self, operation: str, seconds: float) -> None:
        """Tell that the stream is open, once its response is there."""
        self._info = StreamInfo(operation, self._session.request_id, self._session.session_id)
        tell(self._observer, "stream_opened", self._info, seconds)

    def _framed(self, frame: Callable[[_T], bytes], sent: _T) -> bytes:
        if self._ended_idle:
            raise self._described(
                StreamClosedException(
                    f"the input was ended after {self._idle_after:g} s without audio"
                )
            )
        before = self._session.audio_bytes_sent
        framed = super()._framed(frame, sent)
        if self._tell_audio(before):
            self._last_audio = self._loop.time()
            self._first_audio = self._first_audio or self._last_audio
        return framed

    def _tell_audio(self, before: int) -> bool:
        """Tell what audio the session has sent since; whether there was any."""
        size = self._session.audio_bytes_sent - before
        if size:
            tell(self._observer, "audio_sent", self._info, size)
        return size > 0

    def _take(self, data: bytes) -> None:
        if not data:
            return
        events = self._session.receive(data)
        failure = events.pop() if events and isinstance(events[-1], SDKError) else None
        tell(self._observer, "events_received", self._info, len(data), len(events))
        if unknown := sum(isinstance(event, UnknownEvent) for event in events):
            tell(self._observer, "unknown_events", self._info, unknown)
        for event in events:
            if not isinstance(event, SDKError):
                for is_partial, end in event.spans():
                    self._tell_result(is_partial, end)
        self._keep(events, failure)

    def _tell_result(self, is_partial: bool, end: float) -> None:
        since = self._loop.time() - (self._first_audio or self._opened)
        if is_partial and not self._told_partial:
            self._told_partial = True
            tell(self._observer, "first_partial", self._info, since)
        elif not is_partial and not self._told_final:
            self._told_final = True
            tell(self._observer, "first_final", self._info, since)
        if self._byte_rate:
            sent = self._session.audio_bytes_sent / self._byte_rate
            tell(self._observer, "audio_lag", self._info, max(sent - end, 0.0))

    def _ended(self, error: SDKError | None) -> None:
        super()._ended(error)
        if isinstance(error, LimitExceededException):
            tell(self._observer, "limit_hit", self._info.operation, "service")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = self._loop.time() - self._opened
        tell(self._observer, "stream_ended", self._info, end_of(error), seconds, error)

    def __del__(self) -> None:
        super().__del__()
        if not self._is_over and self._info.operation:
            seconds = self._loop.time() - self._opened
            told = (self._observer, "stream_ended", self._info, "dropped", seconds, None)
            try:
                self._loop.call_soon_threadsafe(tell, *told)
            except RuntimeError:  # the loop is closed
                tell(*told)

    # The idle policy

    def _wait_until(self, due: float) -> None:
        self._timer = self._loop.call_at(due, call_alive, weakref.ref(self), "look_after")

    def look_after(self) -> None:
        """Act if there was no audio for too long, and come back in time."""
        if self._is_over or self._session.ended:
            return
        due = self._last_audio + self._idle_after
        now = self._loop.time()
        if self._senders:  # the program has audio: the peer takes none
            due = now + self._idle_after
        elif now >= due:
            if self._idle == "end":
                self._ended_idle = True
                self._do(self._end_input())
                return
            before = self._session.audio_bytes_sent
            sent = self._do(self._write(self._session.send_audio(self._silence)))
            self._tell_audio(before)
            if sent:
                self._blocked_since = None
            elif self._blocked_since is None:
                self._blocked_since = now
            elif now - self._blocked_since >= _live.SEND_TIMEOUT:
                self._fail(TimeoutException("send", _live.SEND_TIMEOUT))
            self._last_audio = now
            due = now + self._idle_after
        if not self._is_over:
            self._wait_until(due)

    def _do(self, call: Coroutine[Any, Any, None]) -> bool:
        """Whether a coroutine went through without a wait; one that waits is given up."""
        try:
            return at_once(call) is not WAITS
        except SDKError:
            return True  # the program is told by its next call
