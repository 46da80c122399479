"""Audio for a stream: recordings of any kind, raw audio, the microphone, frames; paced.

    async with open_audio("talk.mp4") as audio:
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding="pcm",
        )
        async for chunk in paced(audio):
            await stream.input_stream.send_audio_event(audio_chunk=chunk)
        await stream.input_stream.end_stream()

Unless it is asked otherwise, this module gives 16-bit little-endian mono PCM at 8,000 to
48,000 Hz. The service wants it in chunks of equal length, best 50 to 200 ms, at most 32,768
bytes and one second. It ends a stream that sends no audio for 15 seconds. The signature of an
event is valid for five minutes, so audio must not run much further ahead of the recogniser
than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import cast

from .._protocol.constants import SILENT_SAMPLE
from .._protocol.constraints import SAMPLE_RATE
from ..exceptions import InvalidParameterException
from ._audio import AsyncReader, AudioSource, Channels, RawEncoding, Recording
from ._channels import interleave
from ._microphone import MICROPHONE_SAMPLE_RATE, import_sounddevice, record
from ._recording import Wanted, open_recording
from ._source import AudioFileException
from .batches import CHUNK_SECONDS, Batcher, batched, chunk_size
from .pacing import Lookahead, paced

__all__ = [
    "AsyncReader",
    "AudioFileException",
    "AudioSource",
    "Batcher",
    "Channels",
    "Lookahead",
    "RawEncoding",
    "Recording",
    "batched",
    "open_audio",
    "paced",
]


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
    rate = _checked_rate(sample_rate_hz)
    _check_choices(channels, raw)
    wanted = Wanted(rate, chunk_seconds, channels, raw, passthrough)
    async with AsyncExitStack() as stack:
        if isinstance(audio, tuple):
            yield await _open_call(stack, audio, wanted)
        elif isinstance(audio, str) and audio == "mic":
            yield await _open_microphone(stack, rate or MICROPHONE_SAMPLE_RATE, chunk_seconds)
        else:
            yield await open_recording(stack, audio, wanted)


async def _open_microphone(stack: AsyncExitStack, rate: int, seconds: float) -> AudioSource:
    import_sounddevice()
    blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
    chunks = record(rate, chunk_size(rate, seconds), blocks)
    await stack.enter_async_context(aclosing(chunks))
    return AudioSource(rate, chunks, stop=lambda: blocks.put_nowait(b""))


async def _open_call(
    stack: AsyncExitStack, sides: tuple[Recording, Recording], wanted: Wanted
) -> AudioSource:
    """Open two recordings as the two channels of one."""
    if len(sides) != 2 or any(isinstance(side, str) and side == "mic" for side in sides):
        raise InvalidParameterException("audio", "a call has two sides, each of them a recording")
    if wanted.channels == "split":
        raise InvalidParameterException(
            "channels", "two recordings are two channels already: mix each of them, or pick one"
        )
    wanted = replace(wanted, passthrough=False)
    first = await open_recording(stack, sides[0], wanted)
    second = await open_recording(stack, sides[1], replace(wanted, rate=first.sample_rate_hz))
    chunk_size(first.sample_rate_hz, wanted.chunk_seconds, channels=2)
    durations = (first.duration, second.duration)
    chunks = _joined(first.chunks, second.chunks)
    await stack.enter_async_context(aclosing(chunks))
    return AudioSource(
        first.sample_rate_hz,
        chunks,
        channels=2,
        duration=None if None in durations else max(d or 0.0 for d in durations),
    )


async def _joined(
    first: AsyncGenerator[bytes, None], second: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    while True:
        left, right = await anext(first, b""), await anext(second, b"")
        if not left and not right:
            return
        yield interleave(left, right)


def _checked_rate(sample_rate_hz: int | None) -> int | None:
    rate = SAMPLE_RATE.normalised(sample_rate_hz)
    if rate is not None and (violation := SAMPLE_RATE.violation(rate)):
        raise InvalidParameterException("sample_rate_hz", f"the sample rate {violation}")
    return cast("int | None", rate)


def _check_choices(channels: object, raw: object) -> None:
    is_number = isinstance(channels, int) and not isinstance(channels, bool) and channels >= 0
    if channels not in ("mix", "split") and not is_number:
        raise InvalidParameterException(
            "channels",
            f"channels must be 'mix', 'split' or the number of one, from 0, not {channels!r}",
        )
    if raw is not None and raw not in SILENT_SAMPLE:
        raise InvalidParameterException(
            "raw", f"raw audio must be one of {', '.join(SILENT_SAMPLE)}, not {raw!r}"
        )
