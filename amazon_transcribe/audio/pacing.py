"""Audio at the speed of speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable

from ..exceptions import InvalidParameterException
from ._source import _BYTES_PER_SAMPLE

MAX_LOOKAHEAD_SECONDS = 240.0

# Under the 15 seconds after which the service gives up on a stream without audio.
_PATIENCE_SECONDS = 12.0


async def paced(chunks: AsyncIterable[bytes], sample_rate_hz: int) -> AsyncGenerator[bytes, None]:
    """Hand on chunks of 16-bit mono PCM at the speed of the speech in them.

    Every chunk has its moment on the loop's clock, counted from the first chunk, so
    delays do not add up: late chunks follow each other at once until time is made good.

    :param chunks: The audio.
    :param sample_rate_hz: Its sample rate in hertz.
    """
    clock = asyncio.get_running_loop().time
    start: float | None = None
    samples = 0
    async for chunk in chunks:
        if start is None:
            start = clock()
        wait = start + samples / sample_rate_hz - clock()
        if wait > 0:
            await asyncio.sleep(wait)
        samples += len(chunk) // _BYTES_PER_SAMPLE
        yield chunk


class Lookahead:
    """Holds audio back that would run too far ahead of the recogniser.

    Audio sent faster than real time piles up at the service, and an event whose
    signature is more than five minutes old by the time it is looked at ends the stream.
    Tell `advance` how far the results have come and send what `limit` hands on:

        lookahead = Lookahead()
        async for chunk in lookahead.limit(audio.chunks, audio.sample_rate_hz):
            await stream.input_stream.send_audio_event(audio_chunk=chunk)

    Speech brings results, a long silence brings none, and 15 seconds without audio end
    the stream. So when no result has come for 12 seconds while audio was held back, it
    goes on in real time until the next result.

    :param seconds: How far the audio may be ahead of the last result, in seconds; more
        than 0 and less than 300.
    :raises InvalidParameterException: `seconds` is outside its limits.
    """

    def __init__(self, seconds: float = MAX_LOOKAHEAD_SECONDS) -> None:
        if not 0 < seconds < 300:
            raise InvalidParameterException(
                "seconds", f"the lookahead must be more than 0 and under 300 s, not {seconds}"
            )
        self.seconds = seconds
        self.position: float = 0.0
        self._advanced = asyncio.Event()

    def advance(self, position: float | None) -> None:
        """Note that results have come up to a position.

        :param position: The end time of a result, partial or final, in seconds from
            the beginning of the stream; nothing happens for None or an earlier one.
        """
        if position is not None and position > self.position:
            self.position = position
            self._advanced.set()

    async def limit(
        self, chunks: AsyncIterable[bytes], sample_rate_hz: int
    ) -> AsyncGenerator[bytes, None]:
        """Hand on chunks of 16-bit mono PCM as far as the lookahead allows.

        :param chunks: The audio.
        :param sample_rate_hz: Its sample rate in hertz.
        """
        loop = asyncio.get_running_loop()
        samples = 0
        patience = _PATIENCE_SECONDS
        async for chunk in chunks:
            samples += len(chunk) // _BYTES_PER_SAMPLE
            while samples / sample_rate_hz > self.position + self.seconds:
                position = self.position
                self._advanced.clear()
                # Not wait_for, which up to Python 3.11 can swallow a cancellation.
                timer = loop.call_later(patience, self._advanced.set)
                try:
                    await self._advanced.wait()
                finally:
                    timer.cancel()
                if self.position == position:
                    patience = len(chunk) / (_BYTES_PER_SAMPLE * sample_rate_hz)
                    break
                patience = _PATIENCE_SECONDS
            yield chunk
