"""The idle policy: what to do when a program sends no audio."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, Literal, Protocol

from .._protocol.constants import AUDIO_TIMEOUT, MAX_AUDIO_CHUNK, SILENT_SAMPLE
from .._protocol.constraints import is_number
from ..exceptions import InvalidParameterException, TimeoutException

Idle = Literal["wait", "silence", "end"]

IDLE_AFTER = 10.0
"""Seconds without audio after which the policy acts."""

_SILENCE_SECONDS = 0.1  # enough to count as audio


def check_idle(idle: object, idle_after: float, media_encoding: object) -> None:
    """Refuse an idle policy that cannot be kept.

    :raises InvalidParameterException: for a word or a time that is not allowed, and for
        silence in anything but pcm and G.711.
    """
    if idle not in ("wait", "silence", "end"):
        raise InvalidParameterException(
            "idle", f"idle must be 'wait', 'silence' or 'end', not {idle!r}"
        )
    if not (is_number(idle_after) and 0 < idle_after < AUDIO_TIMEOUT):
        raise InvalidParameterException(
            "idle_after",
            f"idle_after must be above 0 and under the service's {AUDIO_TIMEOUT:g} s,"
            f" not {idle_after!r}",
        )
    if idle == "silence" and media_encoding not in SILENT_SAMPLE:
        raise InvalidParameterException(
            "idle",
            f"silence can be sent as {', '.join(SILENT_SAMPLE)} only, not as {media_encoding}",
        )


def silence_of(request: Any) -> bytes:
    """Return a tenth of a second of silence for a request's audio, pcm or G.711."""
    silent_sample = SILENT_SAMPLE[request.media_encoding]
    channels = getattr(request, "number_of_channels", None) or 1
    # Whole samples of two channels where the request names none: right for one too.
    samples = int(request.media_sample_rate_hz * _SILENCE_SECONDS) // 2 * 2
    return (silent_sample * samples * channels)[: MAX_AUDIO_CHUNK // 4 * 4]


class IdleStream(Protocol):
    """What the policy needs of its stream."""

    is_over: bool

    @property
    def input_ended(self) -> bool:
        """Whether the input has ended: it takes no audio any more."""
        ...

    @property
    def has_waiting_senders(self) -> bool:
        """Whether the program has audio that the peer does not take yet."""
        ...

    def send_silence(self, silence: bytes) -> bool:
        """Send silence; False where the transport has no room for it."""
        ...

    def end_idle_input(self, seconds: float) -> None:
        """End the input because there was no audio for so many seconds."""
        ...

    def fail(self, error: TimeoutException) -> None:
        """End the stream with an error."""
        ...


class KeepAlive:
    """The timer that keeps a stream's idle policy. It holds no reference to the stream.

    :param stream: The stream.
    :param silence: What to send when there is no audio; None to end the input instead.
    :param after: Seconds without audio after which to act.
    :param send_timeout: Seconds in which the peer takes no silence until the stream fails.
    """

    def __init__(
        self, stream: IdleStream, silence: bytes | None, after: float, send_timeout: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = weakref.ref(stream)
        self._silence = silence
        self._after = after
        self._send_timeout = send_timeout
        self._last_audio = self._loop.time()
        self._blocked_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wait_until(self._last_audio + after)

    @property
    def is_running(self) -> bool:
        """Whether the policy will act again."""
        return self._timer is not None

    def audio_sent(self) -> None:
        """Note that the program has sent audio."""
        self._last_audio = self._loop.time()
        self._blocked_since = None  # there was room for it

    def stop(self) -> None:
        """Act no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Act if there was no audio for too long, and come back when there may be none again."""
        self.stop()
        stream = self._stream()
        if stream is None or stream.is_over or stream.input_ended:
            return
        now = self._loop.time()
        due = self._last_audio + self._after
        if stream.has_waiting_senders:  # the program has audio, which the peer does not take
            due = now + self._after
        elif now >= due:
            if self._silence is None:
                stream.end_idle_input(self._after)
                return
            self._send_silence(stream, self._silence, now)
            due = now + self._after
        if not stream.is_over:
            self._wait_until(due)

    def _send_silence(self, stream: IdleStream, silence: bytes, now: float) -> None:
        self._last_audio = now
        if stream.send_silence(silence):
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = now
        elif now - self._blocked_since >= self._send_timeout:
            stream.fail(TimeoutException("send", self._send_timeout))

    def _wait_until(self, due: float) -> None:
        self._timer = self._loop.call_at(due, self.look)
