# mypy: disallow-any-expr
# pyright: strict
"""Audio, its pace, and captions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from typing_extensions import assert_type

from amazon_transcribe.audio import (
    AsyncReader,
    AudioFileException,
    AudioSource,
    Batcher,
    Channels,
    Lookahead,
    RawEncoding,
    Recording,
    batched,
    open_audio,
    paced,
)
from amazon_transcribe.audio.g711 import expand
from amazon_transcribe.captions import Cue, cues, text_width, to_json, to_srt, to_text, to_vtt
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.model import Result, StartStreamTranscriptionEventStream
from amazon_transcribe.utils import apply_realtime_delay


async def pace(path: str | Path | BinaryIO, stream: StartStreamTranscriptionEventStream) -> None:
    async with open_audio(path) as audio:
        assert_type(audio, AudioSource)
        assert_type(audio.sample_rate_hz, int)
        assert_type(audio.chunks, AsyncGenerator[bytes, None])
        assert_type(audio.stop, Callable[[], None] | None)
        async for chunk in paced(audio.chunks, audio.sample_rate_hz):
            assert_type(chunk, bytes)
            await stream.input_stream.send_audio_event(chunk)
    async with open_audio((b"", path), channels=0, passthrough=True, raw="g711-ulaw") as audio:
        print(audio.media_encoding == "g711-ulaw")
        assert_type((audio.channels, audio.duration), tuple[int, float | None])
        async for chunk in paced(audio):
            assert_type(chunk, bytes)
    async with open_audio("mic", sample_rate_hz=16000, chunk_seconds=0.2) as audio:
        if audio.stop:
            asyncio.get_running_loop().call_later(5, audio.stop)


async def read_uploads(upload: AsyncReader, parts: AsyncIterator[bytes]) -> None:
    recordings: list[Recording] = [upload, parts, asyncio.StreamReader()]
    channels: Channels = "split"
    raw: RawEncoding | None = None
    for recording in recordings:
        async with open_audio(recording, channels=channels, raw=raw) as audio:
            assert_type(audio, AudioSource)


async def put_together(frames: AsyncIterator[bytes]) -> None:
    batcher = Batcher(8000, media_encoding="g711-ulaw", channels=1, seconds=0.2)
    assert_type(batcher.add(b""), list[bytes])
    assert_type(batcher.rest(), bytes)
    async for chunk in batched(frames, 8000, media_encoding="g711-alaw"):
        assert_type(chunk, bytes)
    assert_type(expand(b"", "g711-alaw"), bytes)


async def run_ahead(audio: AudioSource, results: Iterable[Result]) -> None:
    lookahead = Lookahead(60)
    async for chunk in lookahead.limit(audio.chunks, audio.sample_rate_hz):
        assert_type(chunk, bytes)
        for result in results:
            lookahead.advance(result.end_time)
    assert_type(lookahead.position, float)


async def delay(stream: StartStreamTranscriptionEventStream, chunks: AsyncIterator[bytes]) -> None:
    await apply_realtime_delay(
        stream, chunks, bytes_per_sample=2, sample_rate=16000, channel_nums=1
    )


def caption(results: list[Result]) -> None:
    assert_type(to_text(results), str)
    assert_type(to_json(iter(results)), str)
    assert_type(to_srt(results, duration=28.7), str)
    assert_type(to_vtt(results), str)
    for cue in cues(results, 28.7):
        assert_type(cue, Cue)
        assert_type((cue.number, cue.start, cue.end), tuple[int, float, float])
        for line in cue.lines:
            assert_type(text_width(line), int)


def refused(error: AudioFileException) -> SDKError:
    return error
