"""Audio for a stream: WAV files, raw PCM, standard input and the microphone, paced.

    async with open_audio("talk.wav") as audio:
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding="pcm",
        )
        async for chunk in paced(audio.chunks, audio.sample_rate_hz):
            await stream.input_stream.send_audio_event(audio_chunk=chunk)
        await stream.input_stream.end_stream()

This module reads 16-bit little-endian mono PCM at 8,000 to 48,000 Hz. The service wants it
in chunks of equal length, best 50 to 200 ms, at most 32,768 bytes and one second. It ends a
stream that sends no audio for 15 seconds. The signature of an event is valid for five
minutes, so audio must not run much further ahead of the recogniser than that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from .._protocol.constants import MAX_AUDIO_CHUNK
from .._protocol.constraints import SAMPLE_RATE
from ..exceptions import InvalidParameterException
from ._microphone import MICROPHONE_SAMPLE_RATE, import_sounddevice, record
from ._source import BYTES_PER_SAMPLE, AudioFileException, open_source
from ._wav import AudioReader, read_header
from .pacing import Lookahead, paced

__all__ = ["AudioFileException", "AudioSource", "Lookahead", "open_audio", "paced"]

CHUNK_SECONDS = 0.1
MAX_CHUNK_SECONDS = 1.0


@dataclass(frozen=True)
class AudioSource:
    """Open audio.

    :param sample_rate_hz: The sample rate in hertz, 8,000 to 48,000.
    :param chunks: The audio, 16-bit little-endian mono PCM in chunks of equal length;
        only the last one may be shorter. It can be read once.
    :param stop: Ends audio that comes in real time and has no end of its own, such as a
        microphone's; None for all other audio.
    """

    sample_rate_hz: int
    chunks: AsyncGenerator[bytes, None]
    stop: Callable[[], None] | None = None


@asynccontextmanager
async def open_audio(
    audio: str | os.PathLike[str] | BinaryIO,
    *,
    sample_rate_hz: int | None = None,
    chunk_seconds: float = CHUNK_SECONDS,
) -> AsyncIterator[AudioSource]:
    """Open audio for reading in chunks of a size that the service accepts.

    Reading never blocks the event loop, and leaving the context closes what was opened.
    A WAV file is recognised by its header, whatever its source. Its audio is that of all its
    data chunks. Where the length of a data chunk is wrong, as programs write it into a pipe
    and recorders leave it when they crash, the audio goes on to the end.

    :param audio: A path (also of a pipe), `"-"` for standard input, `"mic"` for the
        microphone (needs the extra `mic`), or a binary file open for reading.
    :param sample_rate_hz: The sample rate in hertz, 8,000 to 48,000. Raw PCM needs it; a
        WAV header must agree with it; the microphone's default is 16,000.
    :param chunk_seconds: The length of a chunk, more than 0 and at most 1 second and
        32,768 bytes. The service recommends 0.05 to 0.2.
    :raises AudioFileException: If the audio cannot be read, is empty, or is not 16-bit
        mono PCM at a sample rate that the service accepts.
    :raises InvalidParameterException: If `sample_rate_hz` or `chunk_seconds` is outside
        its limits.
    """
    sample_rate_hz = SAMPLE_RATE.normalised(sample_rate_hz)
    if sample_rate_hz is not None and (violation := SAMPLE_RATE.violation(sample_rate_hz)):
        raise InvalidParameterException("sample_rate_hz", f"the sample rate {violation}")
    if not 0 < chunk_seconds <= MAX_CHUNK_SECONDS:
        raise InvalidParameterException(
            "chunk_seconds",
            f"a chunk must be longer than 0 and at most 1 second long, not {chunk_seconds}",
        )
    if audio == "mic":
        import_sounddevice()
        rate = sample_rate_hz or MICROPHONE_SAMPLE_RATE
        blocks: asyncio.Queue[bytes] = asyncio.Queue()
        chunks = record(rate, _chunk_bytes(rate, chunk_seconds), blocks)
        async with aclosing(chunks):
            yield AudioSource(rate, chunks, stop=lambda: blocks.put_nowait(b""))
        return
    async with AsyncExitStack() as stack:
        source = open_source(audio)
        stack.callback(source.close)
        rate, reader = await read_header(source, sample_rate_hz)
        if await reader.is_empty():
            raise AudioFileException(f"{source.name} holds no audio")
        chunks = _chunks(reader, _chunk_bytes(rate, chunk_seconds))
        await stack.enter_async_context(aclosing(chunks))
        yield AudioSource(rate, chunks)


async def _chunks(reader: AudioReader, size: int) -> AsyncGenerator[bytes, None]:
    while chunk := await reader.take(size):
        whole = len(chunk) - len(chunk) % BYTES_PER_SAMPLE
        if whole:
            yield chunk[:whole]
        if len(chunk) < size:
            break


def _chunk_bytes(rate: int, seconds: float) -> int:
    size = max(1, round(rate * seconds)) * BYTES_PER_SAMPLE
    if size > MAX_AUDIO_CHUNK:
        raise InvalidParameterException(
            "chunk_seconds",
            f"a chunk may have at most {MAX_AUDIO_CHUNK} bytes; "
            f"{seconds} s at {rate} Hz are {size}",
        )
    return size
