"""Hears what a framework gives: one logical stream, from its first audio to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._protocol.constants import AUDIO_TIMEOUT
from .._protocol.constraints import is_number
from ..audio import Batcher
from ..exceptions import InvalidParameterException, TimeoutException
from ..resume import Reconnected, Reconnecting, ResumableTranscription
from ..transcription import TranscriptEvent, TranscriptionClient
from ._speech import Phrase, Speech, SpeechEnded, SpeechStarted

SILENCE_AFTER = 1.0
"""Seconds without audio after which silence is sent."""

MAX_FAILURES = 10
"""Connections in a row that may fail."""

_USAGE_SECONDS = 5.0


@dataclass(frozen=True)
class Connected:
    """The stream has its first connection.

    :param seconds: How long its start took.
    """

    seconds: float


@dataclass(frozen=True)
class AudioSent:
    """So much more audio was sent, silence and what was sent again included.

    :param seconds: Seconds since the last one.
    """

    seconds: float


Heard: TypeAlias = (
    Connected | AudioSent | SpeechStarted | Phrase | SpeechEnded | Reconnecting | Reconnected
)


class Listener:
    """Takes audio where it can be had, and gives what is heard.

    The stream begins with the first audio, so that nobody pays for a line that is not yet
    open. Later silence stands in for audio that does not come: the service ends a segment
    only by what follows it, and a stream after 15 seconds without audio.

    :param client: Makes the connections. The caller closes it.
    :param receive: Waits for 16-bit mono PCM of any size; None is the end. A call that is
        cancelled loses nothing.
    :param give: Is awaited with each thing that is heard.
    :param sample_rate_hz: Of the audio.
    :param parameters: Of the stream, from `agent_parameters`.
    :param silence_after: Seconds without audio after which silence is sent, above 0 and under
        15; None sends none.
    :param start_timeout: Seconds for the stream's start; None leaves them to the client.
    :param max_failures: Connections in a row that may fail before the last one is raised.
    :param return_timeout: Seconds from a new connection within which speech that the last one
        cut comes again; else it has ended.
    """

    def __init__(
        self,
        client: TranscriptionClient,
        receive: Callable[[], Awaitable[bytes | None]],
        give: Callable[[Heard], Awaitable[None]],
        *,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        silence_after: float | None = SILENCE_AFTER,
        start_timeout: float | None = None,
        max_failures: int = MAX_FAILURES,
        return_timeout: float = 20.0,
    ) -> None:
        check_silence_after(silence_after)
        self.request_id: str | None = None
        """The service's id of the present connection."""
        self.silence: float = 0.0
        """Seconds of silence that stood in for audio."""
        self._client = client
        self._receive = receive
        self._give = give
        self._sample_rate_hz = sample_rate_hz
        self._parameters = parameters
        self._silence_after = silence_after
        self._start_timeout = start_timeout
        self._max_failures = max_failures
        self._return_timeout = return_timeout
        self._speech = Speech()
        self._batcher = Batcher(sample_rate_hz)
        self._first: bytes | None = None  # audio for the stream that is to begin
        self._has_new_parameters = False
        self._has_ended = False
        self._seconds = 0.0  # of audio, over all streams
        self._unreported = 0.0
        self._lost_at: float | None = None  # when open speech counts as lost, by the loop's clock

    def update(self, parameters: Mapping[str, Any]) -> None:
        """Let a new stream with other parameters take the audio from here on."""
        self._parameters = parameters
        self._has_new_parameters = True

    async def run(self) -> None:
        """Hear everything, to the end of the audio and of its results.

        After an error it can be called again: what was not yet sent is, and times go on.

        :raises SDKError: for what a new connection does not mend.
        """
        while not self._has_ended:
            if self._first is None:
                self._first = await self._receive()
            if self._first is None:
                return
            await self._hear_one_stream()

    async def _hear_one_stream(self) -> None:
        self._has_new_parameters = False
        self._lost_at = None
        stream = ResumableTranscription(
            self._client,
            media_sample_rate_hz=self._sample_rate_hz,
            max_failures=self._max_failures,
            **self._parameters,
        )
        offset = round(self._seconds, 3)
        sender: asyncio.Task[None] | None = None
        try:
            await self._start(stream)
            sender = asyncio.get_running_loop().create_task(self._send(stream))
            await self._read(stream, offset)
            await sender
        finally:
            if sender is not None:
                sender.cancel()
                await asyncio.wait({sender})
            await stream.close()
            await self._give_all(self._speech.end())
            await self._report_usage()

    async def _start(self, stream: ResumableTranscription) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await asyncio.wait_for(stream.start(), self._start_timeout)
        except asyncio.TimeoutError as error:
            if isinstance(error, TimeoutException):
                raise
            raise TimeoutException("connect", self._start_timeout or 0.0) from error
        self.request_id = stream.response.request_id
        await self._give(Connected(loop.time() - began))

    # Audio

    async def _send(self, stream: ResumableTranscription) -> None:
        """Send audio until it ends, or other parameters want another stream."""
        audio, self._first = self._first, None
        try:
            while audio is not None:
                for chunk in self._batcher.add(audio):
                    await self._send_chunk(stream, chunk)
                audio = await self._next_audio()
                if self._has_new_parameters and audio is not None:
                    self._first = audio
                    break
            else:
                self._has_ended = True
            if rest := self._batcher.rest():
                await self._send_chunk(stream, rest)
        finally:
            await stream.end_stream()  # the reader meets the end in any case

    async def _next_audio(self) -> bytes | None:
        try:
            return await asyncio.wait_for(self._receive(), self._silence_after)
        except asyncio.TimeoutError:
            seconds = self._silence_after or 0.0
            self.silence += seconds
            return bytes(2 * int(self._sample_rate_hz * seconds))

    async def _send_chunk(self, stream: ResumableTranscription, chunk: bytes) -> None:
        await stream.send_audio_event(chunk)
        seconds = len(chunk) / (2 * self._sample_rate_hz)
        self._seconds += seconds
        self._unreported += seconds
        if self._unreported >= _USAGE_SECONDS:
            await self._report_usage()

    async def _report_usage(self) -> None:
        seconds, self._unreported = self._unreported, 0.0
        if seconds:
            await self._give(AudioSent(seconds))

    # Results

    async def _read(self, stream: ResumableTranscription, offset: float) -> None:
        """Give what is heard, to the end of the stream."""
        loop = asyncio.get_running_loop()
        while True:
            left = None if self._lost_at is None else max(0.0, self._lost_at - loop.time())
            try:
                event = await asyncio.wait_for(anext(stream), left)
            except StopAsyncIteration:
                return
            except asyncio.TimeoutError as error:
                if isinstance(error, TimeoutException):
                    raise
                self._lost_at = None
                await self._give_all(self._speech.end())
                continue
            if isinstance(event, TranscriptEvent):
                for result in event.transcript.results:
                    self._lost_at = None
                    await self._give_all(self._speech.take(result, offset))
                continue
            self._lost_at = None
            if isinstance(event, Reconnected):
                self.request_id = event.response.request_id
                self._unreported += event.replayed
                if self._speech.is_open:
                    self._lost_at = loop.time() + self._return_timeout
            await self._give(event)

    async def _give_all(self, heard: Iterable[Heard]) -> None:
        for each in heard:
            await self._give(each)


def check_silence_after(seconds: float | None) -> None:
    """Refuse a pause that the service does not wait for.

    :raises InvalidParameterException: unless it is above 0 and under 15 seconds, or None.
    """
    if seconds is not None and not (is_number(seconds) and 0 < seconds < AUDIO_TIMEOUT):
        raise InvalidParameterException(
            "silence_after",
            f"silence_after must be above 0 and under the service's {AUDIO_TIMEOUT:g} s,"
            f" or None for no silence, not {seconds!r}",
        )
