"""Audio at the speed of speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

from .._protocol.times import believable
from ..exceptions import InvalidParameterException
from ._source import BYTES_PER_SAMPLE

MAX_LOOKAHEAD_SECONDS = 240.0

# The longest wait for a result; the service ends a stream after 15 seconds without audio.
_MAX_WAIT_SECONDS = 12.0


async def paced(chunks: AsyncIterable[bytes], sample_rate_hz: int) -> AsyncGenerator[bytes, None]:
    """Yield chunks of 16-bit mono PCM at the speed of the speech in them.

    Each chunk has its time on the loop's clock, counted from the first chunk, so delays do
    not add up: late chunks follow each other at once until they have caught up.

    :param chunks: The audio.
    :param sample_rate_hz: The sample rate in hertz.
    """
    pace = RealTime(BYTES_PER_SAMPLE * sample_rate_hz)
    async for chunk in chunks:
        await pace.wait(len(chunk))
        yield chunk


class RealTime:
    """The pace of audio at the speed of speech, on the event loop's clock.

    :param bytes_per_second: The size of a second of audio.
    """

    def __init__(self, bytes_per_second: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._due: float | None = None

    async def wait(self, size: int) -> None:
        """Wait until the audio so far has been spoken, then count `size` bytes more.

        The first call starts the clock.
        """
        now = asyncio.get_running_loop().time()
        due = now if self._due is None else self._due
        self._due = due + size / self._bytes_per_second
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
        if not 0 < seconds < 300:
            raise InvalidParameterException(
                "seconds", f"the lookahead must be more than 0 and under 300 s, not {seconds}"
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

    async def limit(
        self, chunks: AsyncIterable[bytes], sample_rate_hz: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield chunks of 16-bit mono PCM as far as the lookahead allows.

        :param chunks: The audio.
        :param sample_rate_hz: The sample rate in hertz.
        """
        loop = asyncio.get_running_loop()
        samples = 0
        max_wait = _MAX_WAIT_SECONDS
        async for chunk in chunks:
            samples += len(chunk) // BYTES_PER_SAMPLE
            while samples / sample_rate_hz > self.position + self.seconds:
                position = self.position
                self._advanced.clear()
                # Not wait_for, which up to Python 3.11 can swallow a cancellation.
                timer = loop.call_later(max_wait, self._advanced.set)
                try:
                    await self._advanced.wait()
                finally:
                    timer.cancel()
                if self.position == position:
                    max_wait = len(chunk) / (BYTES_PER_SAMPLE * sample_rate_hz)
                    break
                max_wait = _MAX_WAIT_SECONDS
            self._sent = samples / sample_rate_hz
            yield chunk
