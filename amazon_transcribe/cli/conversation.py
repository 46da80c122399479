"""One stream: the audio goes out while the results come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..audio import AudioSource
from ..audio.pacing import Lookahead, paced
from ..exceptions import SDKError, TimeoutException

if TYPE_CHECKING:
    from ..transcription import Result, StartStreamTranscriptionEventStream
    from .display import Display

# How long the service may stay silent after the last audio, and how long its reason may
# take to arrive once it stops taking audio.
_RESULT_SECONDS = 120.0
_REASON_SECONDS = 5.0


class Conversation:
    """One stream: the audio goes out while the results come in."""

    def __init__(
        self,
        stream: StartStreamTranscriptionEventStream,
        audio: AudioSource,
        realtime: bool,
        display: Display | None,
    ) -> None:
        self.results: list[Result] = []
        self._stream = stream
        self._audio = audio
        self._realtime = realtime
        self._display = display
        self._lookahead = Lookahead()
        self._samples = 0
        self._all_sent = False
        self._events = 0

    @property
    def seconds(self) -> float:
        """How much audio was sent."""
        return self._samples / self._audio.sample_rate_hz

    async def run(self) -> None:
        """Hold the conversation; whatever ends one side ends the other."""
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done() and sending.exception():
                # The service says why in the other direction.
                await asyncio.wait({receiving}, timeout=_REASON_SECONDS)
            elif not receiving.done():
                await self._last_results(receiving)
            if receiving.done():
                receiving.result()
            if sending.done():
                sending.result()
            elif not self._all_sent:
                raise SDKError("the service ended the stream before the end of the audio")
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send(self) -> None:
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                await self._stream.input_stream.send_audio_event(audio_chunk=chunk)
                self._samples += len(chunk) // 2
        self._all_sent = True
        await self._stream.input_stream.end_stream()

    def _chunks(self) -> AsyncGenerator[bytes, None]:
        audio = self._audio
        if audio.stop:  # it comes in real time by itself
            return audio.chunks
        if self._realtime:
            return paced(audio.chunks, audio.sample_rate_hz)
        return self._lookahead.limit(audio.chunks, audio.sample_rate_hz)

    async def _receive(self) -> None:
        from ..transcription import TranscriptEvent

        async for event in self._stream.output_stream:
            self._events += 1
            if not isinstance(event, TranscriptEvent):
                continue  # a kind that came to the service later
            for result in event.transcript.results:
                self._lookahead.advance(result.end_time)
                if not result.is_partial:
                    self.results.append(result)
                if self._display:
                    self._display.show(result)

    async def _last_results(self, receiving: asyncio.Task[None]) -> None:
        seen = -1
        while not receiving.done():
            if self._events == seen:
                raise TimeoutException("idle", _RESULT_SECONDS)
            seen = self._events
            await asyncio.wait({receiving}, timeout=_RESULT_SECONDS)
