"""How a server ends while recognition is under way, and streams that nobody wants any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from amazon_transcribe.exceptions import HTTPException, ServiceUnavailableException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.engines import RecognitionOptions
from amazon_transcribe.local.service import TranscriptionService
from amazon_transcribe.transcription import Alternative, Result
from amazon_transcribe.transports.memory import MemoryTransport
from tests.support.callers import KEYS, SECOND, client_at, client_of, final_texts, start, until


class Listener:
    """An engine that says at the end how much it has heard, and goes on only where it may."""

    name = "listener"
    languages = ("en-US",)
    quick = False

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.calls = 0
        self._seconds = 0.0

    def open(self, options: RecognitionOptions) -> Listener:
        return self

    def accept(self, pcm: bytes) -> list[Result]:
        self.calls += 1
        assert self.permits.acquire(timeout=60)
        self._seconds += len(pcm) / len(SECOND)
        return []

    def finish(self) -> list[Result]:
        return [Result("1", 0.0, 1.0, False, [Alternative(f"{self._seconds:g} s")])]

    def close(self) -> None:
        pass

    def go_on(self, calls: int = 1000) -> None:
        self.permits.release(calls)


@pytest.fixture
def engine() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.go_on()


def service_of(engine: Listener, **options: Any) -> TranscriptionService:
    secrets = {KEYS.access_key_id: KEYS.secret_access_key}
    return TranscriptionService(engine, secrets, workers=1, **options)


async def test_a_stream_that_can_finish_gets_all_results(engine: Listener) -> None:
    async with LocalTranscribe(engine) as server, client_of(server) as client:
        stream = await start(client)
        for _ in range(10):
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await stream.input_stream.end_stream()
        await until(lambda: engine.calls)
        draining = asyncio.create_task(server.drain(timeout=60))
        await asyncio.sleep(0)
        engine.go_on()
        assert await final_texts(stream) == ["10 s"]
        await draining


async def test_a_stream_that_goes_on_gets_what_was_heard_and_the_reason(engine: Listener) -> None:
    engine.go_on()
    async with LocalTranscribe(engine) as server, client_of(server, start_attempts=1) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await until(lambda: engine.calls)
        draining = asyncio.create_task(server.drain(timeout=0.01))
        events = stream.output_stream.__aiter__()
        event = await events.__anext__()
        assert event.transcript.results[0].alternatives[0].transcript == "1 s"
        with pytest.raises(ServiceUnavailableException, match="shutting down"):
            await events.__anext__()
        await draining
        with pytest.raises((ServiceUnavailableException, HTTPException)):
            await start(client)


async def test_a_stream_with_much_to_recognise_gets_the_reason(engine: Listener) -> None:
    async with LocalTranscribe(engine) as server, client_of(server) as client:
        stream = await start(client)
        for _ in range(20):
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await stream.input_stream.end_stream()
        await until(lambda: engine.calls)
        draining = asyncio.create_task(server.drain(timeout=0))
        for _ in range(20):  # until the time-out, which needs no time
            await asyncio.sleep(0)
        engine.go_on()
        with pytest.raises(ServiceUnavailableException):
            await final_texts(stream)
        await draining
        assert engine.calls < 4


async def test_recognition_stops_once_the_client_has_left(engine: Listener) -> None:
    async with LocalTranscribe(engine) as server, client_of(server) as client:
        alone = asyncio.all_tasks()
        stream = await start(client)
        for _ in range(20):
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await until(lambda: engine.calls)
        stream.abort()
        engine.go_on(3)  # what has come already may be looked at once
        await until(lambda: asyncio.all_tasks() <= alone)
        assert engine.calls < 5


async def test_closing_does_not_wait_for_a_call_that_does_not_return(
    engine: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_of(engine)
    async with client_at("http://nowhere", transport=MemoryTransport(service.serve)) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await until(lambda: engine.calls)
    await service.close(timeout=0.01)
    assert "left 1 calls of the engine behind" in caplog.text


async def test_long_recognition_without_results_shows_that_it_goes_on(engine: Listener) -> None:
    engine.go_on()
    service = service_of(engine, quiet_seconds=0)
    async with client_at("http://nowhere", transport=MemoryTransport(service.serve)) as client:
        stream = await start(client)
        for _ in range(20):
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await stream.input_stream.end_stream()
        results = [event.transcript.results async for event in stream.output_stream]
    assert results[0] == []
    assert results[-1][0].alternatives[0].transcript == "20 s"
    await service.close()
