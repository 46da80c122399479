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

from .._protocol.constants import MAX_AUDIO_CHUNK
from .._protocol.constraints import SAMPLE_RATE
from ..exceptions import InvalidParameterException
from ._audio import AsyncReader, AudioSource, Channels, RawEncoding, Recording
from ._microphone import MICROPHONE_SAMPLE_RATE, import_sounddevice, record
from ._source import BYTES_PER_SAMPLE, AudioFileException, open_source
from ._wav import AudioReader, read_header
from .pacing import Lookahead, paced

__all__ = [
    "AsyncReader",
    "AudioFileException",
    "AudioSource",
    "Lookahead",
    "open_audio",
    "paced",
]

CHUNK_SECONDS = 0.1
MAX_CHUNK_SECONDS = 1.0


@asynccontextmanager
async def open_audio(
    audio: Recording | tuple[Recording, Recording],
    *,
    sample_rate_hz: int | None = None,
    chunk_seconds: float = CHUNK_SECONDS,
    channels: Channels = "mix",
    raw: RawEncoding | None = None,
    passthrough: bool = False,
) -> AsyncIterator[AudioSource]:
    """Open audio for reading in chunks of a size that the service accepts.

    Reading never blocks the event loop, memory does not grow with the length, and leaving the
    context closes what was opened. 16-bit and G.711 WAV and raw audio are read as they are;
    with the extra `media`, so is every recording that FFmpeg can decode: MP3, M4A, FLAC, Ogg,
    WebM, the sound of MP4 and MOV, WAV of all kinds. What a recording is, its first bytes
    decide, not its name. Of several audio tracks the best is taken, as FFmpeg sees it.

    In a WAV file the audio is that of all its data chunks. Where the length of a data chunk is
    wrong, as programs write it into a pipe and recorders leave it when they crash, the audio
    goes on to the end.

    :param audio: A path (also of a pipe), `"-"` for standard input, `"mic"` for the
        microphone (needs the extra `mic`), the bytes of a recording, a binary file open for
        reading, an object whose `read` is awaited, such as an upload of FastAPI, or an async
        iterable of bytes. Two of them are the two sides of a call, which become two channels.
        URLs are refused, also those that a recording refers to.
    :param sample_rate_hz: The sample rate of the audio that comes out, in hertz, 8,000 to
        48,000. Raw audio needs it, for it has no other. Recordings are resampled to it, with
        the extra `media`; their default is their own rate, or the nearest that the service
        accepts. The microphone's default is 16,000.
    :param chunk_seconds: The length of a chunk, more than 0 and at most 1 second and
        32,768 bytes. The service recommends 0.05 to 0.2.
    :param channels: `"mix"` makes one channel of all; a number takes one, counted from 0 as
        the service counts; `"split"` keeps the two of a stereo recording, to be identified.
        Raw audio is mono, with `"split"` stereo.
    :param raw: The audio has no header and is encoded so, whatever its first bytes look like.
        Without it, and with a `sample_rate_hz`, bytes that are of no known kind are raw PCM.
    :param passthrough: Send FLAC, Opus in Ogg and G.711 unchanged, as the `media_encoding` of
        the source tells, unless something must be changed; decode all else. By default all
        becomes PCM, which a stream can be resumed with and filled with silence.
    :raises AudioFileException: If the audio cannot be read or decoded, is empty, or is no
        audio.
    :raises InvalidParameterException: If a parameter is outside its limits.
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
        source = open_source(audio)  # type: ignore[arg-type]
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
