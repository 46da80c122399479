"""Audio at the speed of speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import overload

from .._protocol.constraints import is_number
from .._protocol.times import believable
from ..exceptions import InvalidParameterException
from ._audio import AudioSource
from ._clock import Clock, clock_of

MAX_LOOKAHEAD_SECONDS = 240.0

# The longest wait for a result; the service ends a stream after 15 seconds without audio.
_MAX_WAIT_SECONDS = 12.0


@overload
def paced(audio: AudioSource) -> AsyncGenerator[bytes, None]: ...
@overload
def paced(
    audio: AsyncIterable[bytes],
    sample_rate_hz: int,
    *,
    media_encoding: str = "pcm",
    channels: int = 1,
) -> AsyncGenerator[bytes, None]: ...
async def paced(
    audio: AudioSource | AsyncIterable[bytes],
    sample_rate_hz: int | None = None,
    *,
    media_encoding: str = "pcm",
    channels: int = 1,
) -> AsyncGenerator[bytes, None]:
    """Yield audio at the speed of the speech in it.

    Each chunk has its time on the loop's clock, counted from the first chunk, so delays do
    not add up: late chunks follow each other at once until they have caught up. FLAC and Opus
    in Ogg are paced by the times that they hold.

    :param audio: What `open_audio` gives, which has the other parameters; or its chunks.
    :param sample_rate_hz: The sample rate in hertz; chunks need it.
    :param media_encoding: The encoding of the chunks.
    :param channels: The number of channels in the chunks.
    :raises InvalidParameterException: If chunks come without a sample rate, or in an encoding
        that the service does not know.
    """
    chunks, clock = _timed(audio, sample_rate_hz, media_encoding, channels)
    pace = RealTime()
    async for chunk in chunks:
        await pace.wait(clock.seconds(chunk))
        yield chunk


def _timed(
    audio: AudioSource | AsyncIterable[bytes],
    sample_rate_hz: int | None,
    media_encoding: str,
    channels: int,
) -> tuple[AsyncIterable[bytes], Clock]:
    if isinstance(audio, AudioSource):
        return audio.chunks, clock_of(audio.media_encoding, audio.sample_rate_hz, audio.channels)
    if sample_rate_hz is None:
        raise InvalidParameterException("sample_rate_hz", "chunks need their sample rate named")
    return audio, clock_of(media_encoding, sample_rate_hz, channels)


class RealTime:
    """The pace of audio at the speed of speech, on the event loop's clock."""

    def __init__(self) -> None:
        self._due: float | None = None

    async def wait(self, seconds: float) -> None:
        """Wait until the audio so far has been spoken, then count so many seconds more.

        The first call starts the clock.
        """
        now = asyncio.get_running_loop().time()
        due = now if self._due is None else self._due
        self._due = due + seconds
        if due > now:
            await asyncio.sleep(due - now)


class Lookahead:
    """A limit on how far audio may run ahead of the recogniser.

    Audio sent faster than real time piles up at the service, and an event whose signature
    is more than five minutes old when the service reads it ends the stream. Pass the
    position of the results to `advance`, and send what `limit` yields:

        lookahead = Lookahead()
        async for chunk in lookahead.limit(audio.chunks, audio.sample_rate_hz):
            await stream.input_stream.send_audio_event(audio_chunk=chunk)

    A long silence brings no results, but 15 seconds without audio end the stream. So when
    no result comes within 12 seconds while audio is held back, the audio goes on in real
    time until the next result.

    :param seconds: The most audio ahead of the last result, in seconds; more than 0 and
        less than 300.
    :raises InvalidParameterException: If `seconds` is outside its limits.
    """

    def __init__(self, seconds: float = MAX_LOOKAHEAD_SECONDS) -> None:
        if not (is_number(seconds) and 0 < seconds < 300):
            raise InvalidParameterException(
                "seconds", f"the lookahead must be more than 0 and under 300 s, not {seconds!r}"
            )
        self.seconds = seconds
        self.position: float = 0.0
        self._sent = 0.0
        self._advanced = asyncio.Event()

    def advance(self, position: float | None) -> None:
        """Note the position up to which results have come.

        :param position: The end time of a result, partial or final, in seconds from the
            beginning of the stream; None, positions before the last one, and those behind
            the audio that was sent are ignored.
        """
        position = believable(position, self._sent)
        if position is not None and position > self.position:
            self.position = position
            self._advanced.set()

    @overload
    def limit(self, audio: AudioSource) -> AsyncGenerator[bytes, None]: ...
    @overload
    def limit(
        self,
        audio: AsyncIterable[bytes],
        sample_rate_hz: int,
        *,
        media_encoding: str = "pcm",
        channels: int = 1,
    ) -> AsyncGenerator[bytes, None]: ...
    async def limit(
        self,
        audio: AudioSource | AsyncIterable[bytes],
        sample_rate_hz: int | None = None,
        *,
        media_encoding: str = "pcm",
        channels: int = 1,
    ) -> AsyncGenerator[bytes, None]:
        """Yield audio as far as the lookahead allows.

        :param audio: What `open_audio` gives, which has the other parameters; or its chunks.
        :param sample_rate_hz: The sample rate in hertz; chunks need it.
        :param media_encoding: The encoding of the chunks.
        :param channels: The number of channels in the chunks.
        :raises InvalidParameterException: If chunks come without a sample rate, or in an
            encoding that the service does not know.
        """
        chunks, clock = _timed(audio, sample_rate_hz, media_encoding, channels)
        loop = asyncio.get_running_loop()
        sent = 0.0
        max_wait = _MAX_WAIT_SECONDS
        async for chunk in chunks:
            seconds = clock.seconds(chunk)
            sent += seconds
            while round(sent, 6) > self.position + self.seconds:
                position = self.position
                self._advanced.clear()
                # Not wait_for, which up to Python 3.11 can swallow a cancellation.
                timer = loop.call_later(max_wait, self._advanced.set)
                try:
                    await self._advanced.wait()
                finally:
                    timer.cancel()
                if self.position == position:
                    max_wait = seconds
                    break
                max_wait = _MAX_WAIT_SECONDS
            self._sent = sent
            yield chunk
