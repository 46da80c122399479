"""Observers and logs: everything is told, nothing secret is."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from amazon_transcribe._live import LiveStream
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectionLostException,
    HTTPException,
    InvalidEventException,
    LimitExceededException,
    ParserError,
    SDKError,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
)
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.observe import Observer, end_of
from tests.integration.test_client import SECOND, client_at, start
from tests.integration.test_starts import Answers, accept, drop, refusal
from tests.peers import Peer, peer_server


class Recorder(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in Observer.__dict__ and not name.startswith("_"):
            return lambda *arguments: self.told.append((name, arguments))
        return super().__getattribute__(name)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for told, arguments in self.told if told == name]


async def one_stream(observer: Observer) -> Any:
    async with LocalTranscribe("scripted") as server:
        async with client_at(
            server.endpoint_url, credential_resolver=server.credentials, observer=observer
        ) as client:
            async with await start(client) as stream:
                for _ in range(5):
                    await stream.input_stream.send_audio_event(SECOND)
                await stream.drain()
    return stream.response


async def test_a_stream_is_watched_from_start_to_end() -> None:
    recorder = Recorder()
    response = await one_stream(recorder)
    names = [name for name, _ in recorder.told]
    assert names[0] == "stream_opened"
    assert names[-1] == "stream_ended"
    stream, seconds = recorder.of("stream_opened")[0]
    assert stream.operation == "StartStreamTranscription"
    assert stream.session_id == response.session_id
    assert stream.request_id == response.request_id
    assert 0 < seconds < 12
    assert [size for _, size in recorder.of("audio_sent")] == [len(SECOND)] * 5
    assert sum(count for *_, count in recorder.of("events_received")) >= 2
    assert all(size > 0 for _, size, _ in recorder.of("events_received"))
    ((_, partial),) = recorder.of("first_partial")
    ((_, final),) = recorder.of("first_final")
    assert 0 < partial <= final
    assert all(0 <= lag <= 5 for _, lag in recorder.of("audio_lag"))
    ((_, end, lasted, error),) = recorder.of("stream_ended")
    assert (end, error) == ("clean", None)
    assert lasted >= final


async def test_retries_limits_and_failures_are_told() -> None:
    recorder = Recorder()
    script = Answers(refusal(429, "LimitExceededException"), drop, drop)
    async with peer_server(script) as url, client_at(url, observer=recorder) as client:
        with pytest.raises(ConnectionLostException):
            await start(client)
    retries = recorder.of("start_retried")
    assert [(attempt, type(error).__name__) for _, attempt, _, error in retries] == [
        (1, "LimitExceededException"),
        (2, "ConnectionLostException"),
    ]
    assert [limit for _, limit in recorder.of("limit_hit")] == ["service"]
    ((operation, _, error),) = recorder.of("start_failed")
    assert operation == "StartStreamTranscription"
    assert isinstance(error, ConnectionLostException)


async def tell_news(peer: Peer, stream: int) -> None:
    await accept(peer, stream)
    event = {":message-type": "event", ":event-type": "NewEvent"}
    exception = {":message-type": "exception", ":exception-type": "NewException"}
    peer.send(stream, 2 * encode_message(event, b"{}") + encode_message(exception, b"{}"))


async def hear_news(observer: Observer) -> Any:
    async with peer_server(Answers(tell_news)) as url, client_at(url, observer=observer) as client:
        stream = (await start(client)).output_stream
        with pytest.raises(UnknownServiceException):
            async for _ in stream:
                pass
    return stream


async def test_what_is_not_known_is_told_and_counted() -> None:
    recorder = Recorder()
    stream = await hear_news(recorder)
    assert (stream.unknown_events, stream.unknown_exceptions) == (2, 1)
    assert sum(count for _, count in recorder.of("unknown_events")) == 2
    assert [end for _, end, *_ in recorder.of("stream_ended")] == ["unknown"]


async def test_a_limiter_that_has_no_slot_is_told() -> None:
    recorder = Recorder()
    limiter = StreamLimiter(1)
    async with peer_server(Answers(accept)) as url:
        async with client_at(url, observer=recorder, limiter=limiter, start_timeout=0.2) as client:
            async with await start(client):
                with pytest.raises(TimeoutException):
                    await start(client)
    assert [limit for _, limit in recorder.of("limit_hit")] == ["slot"]
    assert [end for _, end, *_ in recorder.of("stream_ended")] == ["closed"]


async def test_a_dropped_stream_is_told() -> None:
    recorder = Recorder()
    async with peer_server(Answers(accept)) as url:
        async with client_at(url, observer=recorder) as client:
            await start(client)
            gc.collect()
    assert [end for _, end, *_ in recorder.of("stream_ended")] == ["dropped"]


async def test_an_observer_that_fails_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Observer):
        def audio_sent(self, stream: object, size: int) -> None:
            raise RuntimeError("broken")

    await one_stream(Broken())
    assert "the observer failed in audio_sent" in caplog.text


async def test_without_observer_and_policy_a_stream_is_the_plain_one() -> None:
    async with peer_server(Answers(accept)) as url, client_at(url) as client:
        async with await start(client) as stream:
            assert type(stream.input_stream._input_stream) is LiveStream


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (None, "clean"),
        (TruncatedStreamException("cut"), "truncated"),
        (StreamResetException("reset", 2), "reset"),
        (ConnectionLostException("lost"), "lost"),
        (TimeoutException("send", 60), "timeout"),
        (BadRequestException("no"), "exception"),
        (LimitExceededException("no"), "exception"),
        (UnknownServiceException(400, "NewException", "no"), "unknown"),
        (StreamClosedException("closed"), "closed"),
        (ParserError("bad"), "malformed"),
        (InvalidEventException("TranscriptEvent", "bad"), "malformed"),
        (HTTPException("odd"), "malformed"),
    ],
)
def test_ends_have_names(error: SDKError | None, end: str) -> None:
    assert end_of(error) == end


async def test_logs_have_ids_and_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with LocalTranscribe("scripted") as server:
        keys = server.credentials
        async with client_at(server.endpoint_url, credential_resolver=keys) as client:
            async with await start(client) as stream:
                await stream.input_stream.send_audio_event(SECOND)
                texts = [
                    event.transcript.results[0].alternatives[0].transcript
                    for event in await stream.drain()
                ]
            broken = await start(client)
            await broken.close()
    records = [r.getMessage() for r in caplog.records if r.name.startswith("amazon_transcribe")]
    ids = (stream.response.session_id, stream.response.request_id)
    assert f"session {ids[0]} begins: request {ids[1]}" in records
    assert f"session {ids[0]} ends: clean (request {ids[1]})" in records
    assert f"session {broken.response.session_id} ends: closed" in "\n".join(records)
    for secret in (keys.access_key_id, keys.secret_access_key, *texts):
        assert secret not in caplog.text


async def test_opentelemetry_gets_every_number() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from amazon_transcribe.otel import OpenTelemetryObserver

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    observer = OpenTelemetryObserver(provider)
    await one_stream(observer)
    await hear_news(observer)
    script = Answers(refusal(429, "LimitExceededException"), drop, drop)
    async with peer_server(script) as url, client_at(url, observer=observer) as client:
        with pytest.raises(ConnectionLostException):
            await start(client)
    data = reader.get_metrics_data()
    assert data is not None
    metrics: dict[str, list[Any]] = {
        metric.name.removeprefix("amazon_transcribe.client."): list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    provider.shutdown()

    def total(name: str) -> float:
        return sum(getattr(p, "value", None) or getattr(p, "sum", 0) for p in metrics[name])

    assert total("open_streams") == 0
    assert total("audio_sent") == 5 * len(SECOND)
    assert total("audio_events") == 5
    assert total("events") >= 2
    assert total("received") > 0
    assert total("start_retries") == 2
    assert total("start_failures") == 1
    assert total("limits") == 1
    assert total("unknown_events") == 2
    assert [dict(ended.attributes) for ended in metrics["ends"]] == [
        {"operation": "StartStreamTranscription", "end": end} for end in ("clean", "unknown")
    ]
    for name, count in (("start", 2), ("first_partial", 1), ("first_final", 1), ("stream", 2)):
        (point,) = metrics[name + ".duration"]
        assert point.count == count
        assert 0 < point.sum < 12
    assert metrics["audio_lag"][0].count >= 2


def test_the_adapter_loads_opentelemetry_only_when_made(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from amazon_transcribe.otel import OpenTelemetryObserver

    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(SDKError, match="the extra 'otel'"):
        OpenTelemetryObserver()
