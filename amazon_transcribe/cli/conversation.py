"""The conversation of one stream: audio goes out while results come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..audio import AudioSource, Lookahead, paced
from ..exceptions import SDKError

if TYPE_CHECKING:
    from ..transcription import Result, StartStreamTranscriptionEventStream
    from .display import Display


class Conversation:
    """The conversation of one stream, whose two directions end together.

    :param realtime: Send recorded audio at the speed of speech; otherwise faster.
    :param display: Shows the results as they come.
    :param reason_timeout: The longest wait for the service's reason when sending failed, in
        seconds.
    """

    def __init__(
        self,
        stream: StartStreamTranscriptionEventStream,
        audio: AudioSource,
        realtime: bool,
        display: Display | None,
        *,
        reason_timeout: float = 5.0,
    ) -> None:
        self.results: list[Result] = []
        self._stream = stream
        self._audio = audio
        self._realtime = realtime
        self._display = display
        self._reason_timeout = reason_timeout
        self._lookahead = Lookahead()
        self._samples = 0
        self._all_sent = False

    @property
    def seconds(self) -> float:
        """Seconds of audio that were sent."""
        return self._samples / self._audio.sample_rate_hz

    async def run(self) -> None:
        """Send all audio and receive all results; an end of one direction ends the other.

        :raises SDKError: If the service refuses, fails or ends the stream before the audio's
            end, or if the audio cannot be read.
        """
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done() and sending.exception():
                # The service's reason comes in the other direction.
                await asyncio.wait({receiving}, timeout=self._reason_timeout)
            elif not receiving.done():
                await asyncio.wait({receiving})  # the client limits the silence between results
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
                self._samples += len(chunk) // 2  # of 16-bit mono
        self._all_sent = True
        await self._stream.input_stream.end_stream()

    def _chunks(self) -> AsyncGenerator[bytes, None]:
        audio = self._audio
        if audio.stop:  # comes in real time by itself
            return audio.chunks
        if self._realtime:
            return paced(audio)
        return self._lookahead.limit(audio)

    async def _receive(self) -> None:
        from ..transcription import TranscriptEvent

        async for event in self._stream.output_stream:
            if not isinstance(event, TranscriptEvent):
                continue  # a newer kind of event
            for result in event.transcript.results:
                self._lookahead.advance(result.end_time)
                if not result.is_partial:
                    self.results.append(result)
                if self._display:
                    self._display.show(result)
