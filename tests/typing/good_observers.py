# mypy: disallow-any-expr
# pyright: strict
"""Observers, OpenTelemetry's among them, and the limiter."""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider
from typing_extensions import assert_type, override

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import LimiterException, SDKError
from amazon_transcribe.limiter import Limiter, Slot, StreamLimiter
from amazon_transcribe.limiter.valkey import Usage, ValkeyStreamLimiter
from amazon_transcribe.observe import LimiterObserver, Observer, StreamInfo, end_of
from amazon_transcribe.otel import OpenTelemetryObserver


class Log(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    @override
    def start_retried(self, operation: str, attempt: int, delay: float, error: SDKError) -> None:
        self.lines.append(f"{operation}: {attempt}, {delay}, {error}")

    @override
    def start_failed(self, operation: str, seconds: float, error: SDKError) -> None:
        self.lines.append(end_of(error))

    @override
    def limit_hit(self, operation: str, limit: str) -> None:
        self.lines.append(limit)

    @override
    def stream_opened(self, stream: StreamInfo, seconds: float) -> None:
        assert_type(stream.operation, str)
        assert_type(stream.request_id, str | None)
        assert_type(stream.session_id, str | None)

    @override
    def audio_sent(self, stream: StreamInfo, size: int) -> None: ...

    @override
    def events_received(self, stream: StreamInfo, size: int, count: int) -> None: ...

    @override
    def unknown_events(self, stream: StreamInfo, count: int) -> None: ...

    @override
    def first_partial(self, stream: StreamInfo, seconds: float) -> None: ...

    @override
    def first_final(self, stream: StreamInfo, seconds: float) -> None: ...

    @override
    def audio_lag(self, stream: StreamInfo, seconds: float) -> None: ...

    @override
    def final_delay(self, stream: StreamInfo, seconds: float) -> None: ...

    @override
    def stream_ended(
        self, stream: StreamInfo, end: str, seconds: float, error: SDKError | None
    ) -> None: ...

    @override
    def reconnecting(
        self, stream: StreamInfo, attempt: int, delay: float, error: SDKError | None
    ) -> None: ...

    @override
    def reconnected(
        self, stream: StreamInfo, outage: float, replayed: float, forgotten: float
    ) -> None: ...


def watch(provider: MeterProvider) -> None:
    TranscribeStreamingClient(region="us-east-2", observer=Log())
    TranscribeStreamingClient(region="us-east-2", observer=OpenTelemetryObserver())
    TranscribeStreamingClient(region="us-east-2", observer=OpenTelemetryObserver(provider))


async def limit(limiter: StreamLimiter) -> None:
    TranscribeStreamingClient(region="us-east-2", limiter=StreamLimiter(25, starts_per_second=2.5))
    slot = await limiter.acquire(timeout=1.5)
    slot.release()
    assert_type(limiter.max_streams, int)
    assert_type(limiter.starts_per_second, float)
    assert_type(limiter.open, int)
    assert_type(limiter.waiting, int)


class OfFleets(LimiterObserver):
    @override
    def slot_granted(self, seconds: float) -> None: ...

    @override
    def leases_lost(self, count: int) -> None: ...

    @override
    def limiter_away(self, error: LimiterException) -> None: ...

    @override
    def limiter_back(self, seconds: float) -> None: ...


async def limit_a_fleet(client: object) -> None:
    async with ValkeyStreamLimiter(
        "valkey://127.0.0.1", name="a", lease=9, observer=OfFleets()
    ) as fleet:
        TranscribeStreamingClient(region="us-east-2", limiter=fleet)
        assert_type(await fleet.usage(), Usage)
    share = StreamLimiter(3, 3)
    either: list[Limiter] = [share, ValkeyStreamLimiter(client, when_away=share, observer=Log())]
    assert_type(await either[0].acquire(1.5), Slot)
