"""Frames of telephony, put together into events of a size that the service likes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from .._protocol.constants import MAX_AUDIO_CHUNK, SILENT_SAMPLE
from .._protocol.constraints import is_number
from ..exceptions import InvalidParameterException

CHUNK_SECONDS = 0.1
MAX_CHUNK_SECONDS = 1.0


class Batcher:
    """Puts frames together: pass each one to `add`, and send what comes back.

    Telephony gives a frame of 20 ms, and each event costs a signature; the service recommends
    50 to 200 ms. What is left at the end is in `rest`.

        batcher = Batcher(8000, media_encoding="g711-ulaw")
        async for message in websocket:
            for chunk in batcher.add(frame_of(message)):
                await stream.input_stream.send_audio_event(audio_chunk=chunk)

    :param sample_rate_hz: The sample rate in hertz.
    :param media_encoding: `"pcm"`, `"g711-alaw"` or `"g711-ulaw"`.
    :param channels: The number of channels, 1 or 2.
    :param seconds: The length of an event, more than 0 and at most 1 second and 32,768 bytes.
    :raises InvalidParameterException: If a parameter is outside its limits.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        *,
        media_encoding: str = "pcm",
        channels: int = 1,
        seconds: float = CHUNK_SECONDS,
    ) -> None:
        self._size = chunk_size(sample_rate_hz, seconds, media_encoding, channels)
        self._frames = bytearray()

    def add(self, frame: bytes) -> list[bytes]:
        """Take a frame and return the events that it completes, often none.

        :param frame: Audio of any size.
        """
        self._frames += frame
        size = self._size
        whole = len(self._frames) - len(self._frames) % size
        chunks = [bytes(self._frames[at : at + size]) for at in range(0, whole, size)]
        del self._frames[:whole]
        return chunks

    def rest(self) -> bytes:
        """Take out what is left, less than an event; nothing if there is none."""
        rest = bytes(self._frames)
        self._frames.clear()
        return rest


async def batched(
    frames: AsyncIterable[bytes],
    sample_rate_hz: int,
    *,
    media_encoding: str = "pcm",
    channels: int = 1,
    seconds: float = CHUNK_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Yield events of equal length from frames of any; only the last one may be shorter.

    :param frames: The audio, such as telephony's frames of 20 ms.
    :param sample_rate_hz: The sample rate in hertz.
    :param media_encoding: `"pcm"`, `"g711-alaw"` or `"g711-ulaw"`.
    :param channels: The number of channels, 1 or 2.
    :param seconds: The length of an event, more than 0 and at most 1 second and 32,768 bytes.
    :raises InvalidParameterException: If a parameter is outside its limits.
    """
    batcher = Batcher(
        sample_rate_hz, media_encoding=media_encoding, channels=channels, seconds=seconds
    )
    async for frame in frames:
        for chunk in batcher.add(frame):
            yield chunk
    if rest := batcher.rest():
        yield rest


def chunk_size(
    sample_rate_hz: int, seconds: float, media_encoding: str = "pcm", channels: int = 1
) -> int:
    """Return the size of an event: whole samples of all channels.

    :raises InvalidParameterException: If it is outside the limits.
    """
    if not (is_number(seconds) and 0 < seconds <= MAX_CHUNK_SECONDS):
        raise InvalidParameterException(
            "chunk_seconds",
            f"a chunk must be longer than 0 and at most 1 second long, not {seconds!r}",
        )
    if media_encoding not in SILENT_SAMPLE:
        raise InvalidParameterException(
            "media_encoding",
            f"audio can be cut as {', '.join(SILENT_SAMPLE)} only, not as {media_encoding}",
        )
    frame_size = len(SILENT_SAMPLE[media_encoding]) * channels
    size = max(1, round(sample_rate_hz * seconds)) * frame_size
    if not 0 < size <= MAX_AUDIO_CHUNK:
        raise InvalidParameterException(
            "chunk_seconds",
            f"a chunk may have at most {MAX_AUDIO_CHUNK} bytes; "
            f"{seconds} s at {sample_rate_hz} Hz are {size}",
        )
    return size
