"""A client whose connections do what a test says, in the order in which it says so."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from amazon_transcribe.exceptions import SDKError, StreamClosedException
from amazon_transcribe.observe import Observer
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.transcription import (
    Alternative,
    Item,
    Result,
    StartStreamTranscriptionResponse,
    Transcript,
    TranscriptEvent,
)

RATE = 8000
BYTES_PER_SECOND = 2 * RATE


class FakeStream:
    """An open stream: both halves of it, and the service behind them."""

    def __init__(self, number: int, session_id: str) -> None:
        self.response = StartStreamTranscriptionResponse(
            transcript_result_stream=None,  # type: ignore[arg-type]
            request_id=f"request-{number}",
            session_id=session_id,
        )
        self.input_stream = self.output_stream = self
        self.sent = bytearray()
        self.has_input_ended = False
        self.is_closed = False
        self.takes_audio = asyncio.Event()
        self.takes_audio.set()
        self.send_error: SDKError | None = None
        self._events: deque[TranscriptEvent | BaseException] = deque()
        self._has_events = asyncio.Event()

    # The service

    def say(self, *results: Result) -> None:
        self._put(TranscriptEvent(Transcript(list(results))))

    def fail(self, error: SDKError) -> None:
        self._put(error)

    def end(self) -> None:
        self._put(StopAsyncIteration())

    def _put(self, event: TranscriptEvent | BaseException) -> None:
        self._events.append(event)
        self._has_events.set()

    # The program

    async def send_audio_event(self, audio_chunk: bytes) -> None:
        await self.takes_audio.wait()
        if self.send_error is not None:
            raise self.send_error
        self.sent += audio_chunk

    async def end_stream(self) -> None:
        self.has_input_ended = True

    def including_unknown(self) -> FakeStream:
        return self

    async def __anext__(self) -> TranscriptEvent:
        await self._has_events.wait()
        event = self._events.popleft() if self._events else StreamClosedException("closed")
        if not self._events and not self.is_closed:
            self._has_events.clear()
        if isinstance(event, BaseException):
            raise event
        return event

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.is_closed = True
        self._has_events.set()  # what came before can still be read


class FakeClient:
    """A client whose starts can be refused, held up, or deaf to cancellation."""

    def __init__(self, observer: Observer | None = None) -> None:
        self.observer = observer or Observer()
        self.streams: list[FakeStream] = []
        self.refusals: deque[SDKError] = deque()
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.swallows_cancellation = False
        self.starting = 0

    async def start_stream_transcription(self, **parameters: Any) -> FakeStream:
        self.starting += 1
        try:
            await self.may_start.wait()
        except asyncio.CancelledError:
            if not self.swallows_cancellation:
                raise
        finally:
            self.starting -= 1
        if self.refusals:
            raise self.refusals.popleft()
        stream = FakeStream(len(self.streams) + 1, parameters["session_id"])
        self.streams.append(stream)
        return stream

    def resumable(self, **options: Any) -> ResumableTranscription:
        defaults = {"language_code": "en-US", "media_sample_rate_hz": RATE, "backoff": 0}
        return ResumableTranscription(self, **{**defaults, **options})  # type: ignore[arg-type]


def segment(result_id: str, start: float, end: float, *, partial: bool = False) -> Result:
    text = f"{start:g}-{end:g}"
    items = [Item(start, end, "pronunciation", text)]
    return Result(result_id, start, end, partial, [Alternative(text, items)])


async def turns(count: int = 20) -> None:
    """Let everything happen that waits for no time and no peer."""
    for _ in range(count):
        await asyncio.sleep(0)
