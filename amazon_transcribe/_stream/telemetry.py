"""What an observer is told of one stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from .._protocol.constants import SILENT_SAMPLE
from .._protocol.events import UnknownEvent
from .._protocol.times import believable
from ..eventstream import BaseEvent
from ..exceptions import LimitExceededException, SDKError
from ..observe import Observer, StreamInfo, end_of, notify

_SENDS_KEPT = 4_096  # that a final result may answer: seven minutes of chunks of 100 ms


class Telemetry:
    """Tells an observer what happens on one stream, in numbers and times.

    :param observer: The observer.
    :param clock: Gives the present in seconds: the loop's `time`.
    :param byte_rate: The audio's bytes in a second; 0 where they are unknown.
    """

    def __init__(self, observer: Observer, clock: Callable[[], float], byte_rate: int) -> None:
        self._observer = observer
        self._clock = clock
        self._byte_rate = byte_rate
        self._info = StreamInfo("", None, None)
        self._opened_at = clock()
        self._first_audio_at = 0.0
        self._audio_bytes = 0
        self._sends: deque[tuple[float, float]] = deque(maxlen=_SENDS_KEPT)  # audio so far, when
        self._had_partial = self._had_final = False

    def opened(self, info: StreamInfo, seconds: float) -> None:
        """Tell that the stream is open.

        :param seconds: The time that the start took.
        """
        self._info = info
        notify(self._observer.stream_opened, info, seconds)

    def audio_sent(self, size: int) -> None:
        """Tell that bytes of audio were sent."""
        self._audio_bytes += size
        now = self._clock()
        self._first_audio_at = self._first_audio_at or now
        if self._byte_rate:
            self._sends.append((self._audio_bytes / self._byte_rate, now))
        notify(self._observer.audio_sent, self._info, size)

    def received(self, size: int, events: Sequence[BaseEvent]) -> None:
        """Tell that bytes were received, and what events they brought."""
        notify(self._observer.events_received, self._info, size, len(events))
        if unknown := sum(isinstance(event, UnknownEvent) for event in events):
            notify(self._observer.unknown_events, self._info, unknown)
        for event in events:
            for is_partial, end in event.spans():
                self._result(is_partial, end)

    def _result(self, is_partial: bool, end: float) -> None:
        now = self._clock()
        since = now - (self._first_audio_at or self._opened_at)
        if is_partial and not self._had_partial:
            self._had_partial = True
            notify(self._observer.first_partial, self._info, since)
        elif not is_partial and not self._had_final:
            self._had_final = True
            notify(self._observer.first_final, self._info, since)
        if self._byte_rate:
            sent = self._audio_bytes / self._byte_rate
            if believable(end, sent) is not None:
                notify(self._observer.audio_lag, self._info, max(sent - end, 0.0))
                if not is_partial and (sent_at := self._sent_at(end)) is not None:
                    notify(self._observer.final_delay, self._info, now - sent_at)

    def _sent_at(self, end: float) -> float | None:
        """Return when so many seconds of audio had been sent; None if it is long ago."""
        sent_at = None
        for reached, at in reversed(self._sends):
            if reached < end:
                return sent_at
            sent_at = at
        return None if len(self._sends) == _SENDS_KEPT else sent_at

    def ended(self, error: SDKError | None) -> None:
        """Tell that the stream has ended.

        :param error: What the stream ended with; None for the service's clean end.
        """
        if isinstance(error, LimitExceededException):
            notify(self._observer.limit_hit, self._info.operation, "service")
        seconds = self._clock() - self._opened_at
        notify(self._observer.stream_ended, self._info, end_of(error), seconds, error)

    def dropped(self, call: Callable[..., Any]) -> None:
        """Tell that the program has dropped the stream, from whichever thread.

        :param call: The loop's `call_soon_threadsafe`.
        """
        if self._info.operation:
            seconds = self._clock() - self._opened_at
            ended = (self._observer.stream_ended, self._info, "dropped", seconds, None)
            try:
                call(notify, *ended)
            except RuntimeError:  # the loop is closed
                notify(*ended)


def byte_rate(request: Any) -> int:
    """Return the bytes in a second of a request's audio, 0 where its encoding varies."""
    channels = getattr(request, "number_of_channels", None) or 1
    size = len(SILENT_SAMPLE.get(request.media_encoding, b""))
    return int(request.media_sample_rate_hz) * size * channels
