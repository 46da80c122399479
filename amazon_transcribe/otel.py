"""OpenTelemetry metrics of a client: an `observe.Observer` that feeds a meter.

    client = TranscribeStreamingClient(region="us-east-2", observer=OpenTelemetryObserver())

It needs the extra `otel`. Every instrument's name begins with `amazon_transcribe.client.`,
and every measurement of a stream has the attribute `operation`. Ids are not attributes: they
belong in logs, not in metrics. A fleet's limiter takes the observer too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exceptions import SDKError, ValidationException, missing_extra
from .observe import Observer, StreamInfo

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, MeterProvider

__all__ = ["OpenTelemetryObserver"]

_PREFIX = "amazon_transcribe.client."


class OpenTelemetryObserver(Observer):
    """An observer that records counts and times in OpenTelemetry's instruments.

    One observer serves any number of clients and limiters.

    :param meter_provider: The provider of the meter; by default the global one.
    :raises ValidationException: If OpenTelemetry is not installed.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        try:
            from opentelemetry.metrics import get_meter
        except ImportError as error:
            raise ValidationException(
                missing_extra("OpenTelemetryObserver", "otel", error)
            ) from error
        meter = get_meter("amazon_transcribe", meter_provider=meter_provider)

        def count(name: str, unit: str, description: str) -> Counter:
            return meter.create_counter(_PREFIX + name, unit, description)

        def time(name: str, description: str) -> Histogram:
            return meter.create_histogram(_PREFIX + name, "s", description)

        self._open = meter.create_up_down_counter(
            _PREFIX + "open_streams", "{stream}", "Streams that are open"
        )
        self._sent = count("audio_sent", "By", "Audio queued to be sent")
        self._sent_events = count("audio_events", "{event}", "Audio events sent")
        self._received = count("received", "By", "Bytes of the event streams received")
        self._events = count("events", "{event}", "Events received")
        self._unknown = count("unknown_events", "{event}", "Events of unknown types")
        self._retries = count("start_retries", "{retry}", "Failed attempts that were tried again")
        self._failures = count("start_failures", "{start}", "Starts that failed")
        self._limits = count("limits", "{hit}", "Limits that were reached")
        self._losses = count("reconnect_attempts", "{attempt}", "Reconnections tried")
        self._reconnects = count("reconnects", "{reconnect}", "New connections of resumed streams")
        self._replayed = count("audio_replayed", "s", "Audio sent again on a new connection")
        self._forgotten = count("audio_forgotten", "s", "Audio lost with a connection")
        self._ends = count("ends", "{stream}", "Streams that ended, by kind of end")
        self._start = time("start.duration", "From the call of a start to its response")
        self._partial = time("first_partial.duration", "From the first audio to a partial result")
        self._final = time("first_final.duration", "From the first audio to a final result")
        self._lag = time("audio_lag", "Audio sent beyond the end of a result")
        self._delay = time("final.delay", "From the end of a final result's audio to the result")
        self._outage = time("outage.duration", "Time without a connection of resumed streams")
        self._stream = time("stream.duration", "From a stream's opening to its end")
        self._wait = time("limiter.wait.duration", "Waits for a slot of a fleet's limiter")
        self._away = time("limiter.away.duration", "Time in which the limiter's server was away")
        self._lost = count("limiter.lost_leases", "{stream}", "Open streams whose lease was lost")

    def start_retried(self, operation: str, attempt: int, delay: float, error: SDKError) -> None:
        self._retries.add(1, {"operation": operation, "error.type": type(error).__name__})

    def start_failed(self, operation: str, seconds: float, error: SDKError) -> None:
        self._failures.add(1, {"operation": operation, "error.type": type(error).__name__})

    def limit_hit(self, operation: str, limit: str) -> None:
        self._limits.add(1, {"operation": operation, "limit": limit})

    def stream_opened(self, stream: StreamInfo, seconds: float) -> None:
        attributes = {"operation": stream.operation}
        self._open.add(1, attributes)
        self._start.record(seconds, attributes)

    def audio_sent(self, stream: StreamInfo, size: int) -> None:
        attributes = {"operation": stream.operation}
        self._sent.add(size, attributes)
        self._sent_events.add(1, attributes)

    def events_received(self, stream: StreamInfo, size: int, count: int) -> None:
        attributes = {"operation": stream.operation}
        self._received.add(size, attributes)
        self._events.add(count, attributes)

    def unknown_events(self, stream: StreamInfo, count: int) -> None:
        self._unknown.add(count, {"operation": stream.operation})

    def first_partial(self, stream: StreamInfo, seconds: float) -> None:
        self._partial.record(seconds, {"operation": stream.operation})

    def first_final(self, stream: StreamInfo, seconds: float) -> None:
        self._final.record(seconds, {"operation": stream.operation})

    def audio_lag(self, stream: StreamInfo, seconds: float) -> None:
        self._lag.record(seconds, {"operation": stream.operation})

    def final_delay(self, stream: StreamInfo, seconds: float) -> None:
        self._delay.record(seconds, {"operation": stream.operation})

    def stream_ended(
        self, stream: StreamInfo, end: str, seconds: float, error: SDKError | None
    ) -> None:
        attributes = {"operation": stream.operation}
        self._open.add(-1, attributes)
        self._stream.record(seconds, attributes)
        self._ends.add(1, {**attributes, "end": end})

    def reconnecting(
        self, stream: StreamInfo, attempt: int, delay: float, error: SDKError | None
    ) -> None:
        kind = {"error.type": type(error).__name__} if error is not None else {}
        self._losses.add(1, {"operation": stream.operation, **kind})

    def reconnected(
        self, stream: StreamInfo, outage: float, replayed: float, forgotten: float
    ) -> None:
        attributes = {"operation": stream.operation}
        self._reconnects.add(1, attributes)
        self._outage.record(outage, attributes)
        self._replayed.add(replayed, attributes)
        self._forgotten.add(forgotten, attributes)

    def slot_granted(self, seconds: float) -> None:
        self._wait.record(seconds)

    def leases_lost(self, count: int) -> None:
        self._lost.add(count)

    def limiter_back(self, seconds: float) -> None:
        self._away.record(seconds)
