"""Observers and logs: everything is told, nothing secret is."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from amazon_transcribe._stream.live import LiveStream
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectionLostException,
    HTTPException,
    InvalidEventException,
    LimitExceededException,
    ParserError,
    SDKError,
    ServiceException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
)
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.observe import Observer, end_of
from amazon_transcribe.resume import Reconnected, ResumableTranscription
from tests.integration.test_starts import Answers, accept, drop, refusal
from tests.support.callers import SECOND, client_at, client_of, crt_transport, start
from tests.support.peers import Peer, peer_server
from tests.support.word_codes import BYTES_PER_SECOND, RATE, WordCodes, audio


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
        async with client_of(server, observer=observer) as client:
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
    ((_, end, lasted, error),) = recorder.of("stream_ended")
    assert (end, error) == ("clean", None)
    assert all(0 <= lag <= 5 for _, lag in recorder.of("audio_lag"))
    assert all(0 < delay <= lasted for _, delay in recorder.of("final_delay"))
    assert len(recorder.of("final_delay")) >= 1
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
    assert [end for _, end, *_ in recorder.of("stream_ended")] == ["dropped"]


async def test_an_observer_that_fails_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Observer):
        def audio_sent(self, stream: object, size: int) -> None:
            raise RuntimeError("broken")

    await one_stream(Broken())
    assert "the observer failed in audio_sent" in caplog.text


async def test_a_known_stream_gives_known_numbers() -> None:
    recorder = Recorder()
    words = audio([range(1, 6), range(6, 11)])  # 0.48 s of the first, 0.8 s later the second
    async with (
        LocalTranscribe(WordCodes()) as server,
        client_of(server, observer=recorder) as client,
        await start(client, media_sample_rate_hz=RATE) as stream,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await stream.input_stream.send_audio_event(words)
        await stream.input_stream.end_stream()
        received = len([event async for event in stream.output_stream])
        took = loop.time() - began
        sent = len(words) / BYTES_PER_SECOND
    assert [size for _, size in recorder.of("audio_sent")] == [len(words)]
    assert sum(count for *_, count in recorder.of("events_received")) == received == 12
    # A partial result for each word, a final one for each segment.
    ends = [0.08, 0.18, 0.28, 0.38, 0.48, 0.48, 0.88, 0.98, 1.08, 1.18, 1.28, 1.28]
    lags = [lag for _, lag in recorder.of("audio_lag")]
    assert lags == pytest.approx([sent - end for end in ends])
    ((_, partial),), ((_, final),) = recorder.of("first_partial"), recorder.of("first_final")
    assert 0 < partial <= final <= took
    assert len(recorder.of("stream_opened")) == len(recorder.of("stream_ended")) == 1


async def test_silence_that_is_sent_for_the_program_is_told() -> None:
    recorder = Recorder()
    async with peer_server(Answers(accept)) as url, client_at(url, observer=recorder) as client:
        async with await start(client, idle="silence") as stream:
            live: Any = stream.input_stream._input_stream
            live._keep_alive._last_audio -= 10
            live._keep_alive.look()
            assert [size for _, size in recorder.of("audio_sent")] == [3200]
            assert live._session.audio_bytes_sent == 3200


async def resumed(observer: Observer) -> ResumableTranscription:
    """A stream that is cut once, after its first segment, and goes on."""
    async with (
        LocalTranscribe(WordCodes(), faults=[Fault("reset", after_seconds=1, times=1)]) as server,
        client_of(server, observer=observer) as client,
        ResumableTranscription(
            client, language_code="en-US", media_sample_rate_hz=RATE, backoff=0.01
        ) as stream,
    ):
        await stream.send_audio_event(audio([range(1, 6), range(6, 11)]))
        await stream.end_stream()
        assert [event async for event in stream]
    return stream


async def test_resumed_streams_tell_of_each_reconnect() -> None:
    recorder = Recorder()
    stream = await resumed(recorder)
    opened = [info for info, _ in recorder.of("stream_opened")]
    assert {info.session_id for info in opened} == {stream.session_id}
    ((lost, attempt, delay, error),) = recorder.of("reconnecting")
    assert (lost, attempt, type(error)) == (opened[0], 1, StreamResetException)
    assert 0 < delay <= 0.01
    ((back, outage, replayed, forgotten),) = recorder.of("reconnected")
    assert back == opened[1]
    assert outage >= delay
    # The first segment ends at 0.48 s; all of the audio had been sent.
    assert (replayed, forgotten) == (pytest.approx(1.6 - 0.48), 0)
    assert [end for _, end, *_ in recorder.of("stream_ended")] == ["reset", "clean"]


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


@pytest.mark.parametrize("scheme", ["http", "https", "crt", "ws", "wss"])
async def test_logs_have_ids_and_no_secrets(
    scheme: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport: Any = crt_transport() if scheme == "crt" else None
    if scheme in ("ws", "wss"):
        pytest.importorskip("wsproto")
        transport = "websocket"
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # every callback is logged, with its arguments
    spoken = ("Xylophone", "zeppelin", "quixotic")
    keys = StaticCredentialResolver("AKIDUNSPOKEN", "unspoken-secret", "unspoken-token")
    async with LocalTranscribe(
        ScriptedEngine(" ".join(spoken)),
        tls=scheme not in ("http", "ws"),
        credentials={keys.access_key_id: keys.secret_access_key},
        faults=[Fault("reset", after_events=1, times=1)],
    ) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file or ""))
        async with client_at(
            server.endpoint_url,
            credential_resolver=keys,
            transport=transport,
            observer=Observer(),
        ) as client:
            async with ResumableTranscription(
                client, language_code="en-US", media_sample_rate_hz=16000, backoff=0.001
            ) as resumed:
                await resumed.send_audio_event(SECOND)
                await resumed.end_stream()
                events = [event async for event in resumed]
            assert [type(e) for e in events].count(Reconnected) == 1
            async with await start(client) as stream:
                for _ in range(3):
                    await stream.input_stream.send_audio_event(SECOND)
                events = await stream.drain()
            assert all(word in str(events) for word in spoken)
            broken = await start(client)
            await broken.close()
            client._starter.credential_resolver = StaticCredentialResolver(
                "AKIDUNKNOWN", "unspoken-too"
            )
            with pytest.raises(ServiceException):
                await start(client)
    records = [r.getMessage() for r in caplog.records if r.name.startswith("amazon_transcribe")]
    ids = (stream.response.session_id, stream.response.request_id)
    assert f"session {ids[0]} begins: request {ids[1]}" in records
    assert f"session {ids[0]} ends: clean (request {ids[1]})" in records
    assert f"session {broken.response.session_id} ends: closed" in "\n".join(records)
    assert f"session {resumed.session_id}: StreamResetException, failure 1" in "\n".join(records)
    assert len(caplog.records) > len(records)  # asyncio's, at least
    for secret in ("AKIDUN", "unspoken", "signature", "security-token", *spoken):
        assert secret.lower() not in caplog.text.lower()


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
    await resumed(observer)
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
    assert total("audio_replayed") == pytest.approx(1.6 - 0.48)
    assert total("audio_forgotten") == 0
    assert total("audio_sent") == 5 * len(SECOND) + int((1.6 + 1.6 - 0.48) * BYTES_PER_SECOND)
    assert total("audio_events") == 5 + 8 + 6  # resumed: 0.2 s each
    assert total("events") >= 2
    assert total("received") > 0
    assert total("start_retries") == 2
    assert total("start_failures") == 1
    assert total("limits") == 1
    assert total("unknown_events") == 2
    assert total("reconnects") == 1
    (attempts,) = metrics["reconnect_attempts"]
    assert dict(attempts.attributes) == {
        "operation": "StartStreamTranscription",
        "error.type": "StreamResetException",
    }
    ends = {point.attributes["end"]: point.value for point in metrics["ends"]}
    assert ends == {"clean": 2, "reset": 1, "unknown": 1}
    for name, count in (
        *(("start", 4), ("first_partial", 3), ("first_final", 3), ("stream", 4)),
        ("outage", 1),
    ):
        (point,) = metrics[name + ".duration"]
        assert point.count == count
        assert 0 < point.sum < 12
    assert metrics["audio_lag"][0].count >= 2
    assert metrics["final.delay"][0].count >= 2


def test_the_adapter_loads_opentelemetry_only_when_made(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from amazon_transcribe.otel import OpenTelemetryObserver

    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(SDKError, match="the extra 'otel'"):
        OpenTelemetryObserver()
