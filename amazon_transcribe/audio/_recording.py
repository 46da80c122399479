"""A recording: what it is, and how its audio is read."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from .._protocol.constants import MAX_AUDIO_CHUNK, MediaEncoding
from .._protocol.constraints import SAMPLE_RATE
from ._audio import AudioSource, Channels, RawEncoding, Recording
from ._channels import output_channels, select
from ._clock import Clock, clock_of
from ._decoding import Decoder
from ._kinds import HEAD, may_be_known_later, media_kind, other_kind
from ._source import AudioFileException, Source, open_source
from ._wav import AudioReader, Samples, read_wav_header
from .batches import batched, chunk_size
from .g711 import expand

_STEP = 512  # bytes of encoded audio whose time is looked at at once

# What ffmpeg must be told of files that have no header, by their names.
_RAW_NAMES = {
    (".ulaw", ".mulaw", ".ul", ".pcmu"): "-f mulaw -ar 8000 -ac 1 ",
    (".alaw", ".al", ".pcma"): "-f alaw -ar 8000 -ac 1 ",
    (".raw", ".pcm", ".s16", ".s16le", ".sw"): "-f s16le -ar 16000 -ac 1 ",
    (".g722",): "-f g722 ",
    (".gsm",): "-f gsm ",
}


@dataclass(frozen=True)
class Wanted:
    """What is to become of a recording, as the parameters of `open_audio`."""

    rate: int | None
    chunk_seconds: float
    channels: Channels
    raw: RawEncoding | None
    passthrough: bool


async def open_recording(stack: AsyncExitStack, audio: Recording, wanted: Wanted) -> AudioSource:
    """Open one recording; the stack closes it.

    :raises AudioFileException: If it cannot be read or decoded, is empty, or is no audio.
    """
    chunk_size(wanted.rate or SAMPLE_RATE.low, wanted.chunk_seconds)  # before anything is opened
    source = open_source(audio)
    stack.callback(source.close)
    head = await source.peek(12)
    if not head:
        raise AudioFileException(f"{source.name} is empty")
    if wanted.raw:
        return await _open_samples(stack, source, _raw(source, wanted, wanted.raw), wanted)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        samples = await read_wav_header(source)
        if samples.media_encoding and samples.rate == _rate_of(samples, wanted):
            return await _open_samples(stack, source, samples, wanted)
        wav = f"{samples.name} at {samples.rate} Hz"
        if wanted.rate not in (None, samples.rate):
            wav += f", not at {wanted.rate} Hz"
        return await _open_decoded(stack, source, wav, wanted)
    head = source.ahead(HEAD)
    if wanted.rate is None or may_be_known_later(head):
        head = await source.peek(HEAD)
    kind = media_kind(head)
    if kind is None:
        if other := other_kind(head):
            raise AudioFileException(
                f"{source.name} is {other}, not audio; if it is raw audio all the same, name"
                " its encoding: raw='pcm' (--raw pcm)"
            )
        if wanted.rate is not None:
            return await _open_samples(stack, source, _raw(source, wanted, "pcm"), wanted)
    elif wanted.passthrough and (encoded := _encoded(head)) and encoded.suits(wanted):
        return await _open_encoded(stack, source, encoded, wanted)
    return await _open_decoded(stack, source, kind, wanted)


def _rate_of(samples: Samples, wanted: Wanted) -> int | None:
    """Return the rate that is wanted of a recording; None if its own cannot be kept."""
    if wanted.rate is not None:
        return wanted.rate
    return None if SAMPLE_RATE.violation(samples.rate) else samples.rate


def _raw(source: Source, wanted: Wanted, media_encoding: RawEncoding) -> Samples:
    if wanted.rate is None:
        raise AudioFileException(
            f"{source.name} is raw audio, which needs its sample rate named (--sample-rate)"
        )
    return Samples("raw", media_encoding, wanted.rate, 2 if wanted.channels == "split" else 1)


async def _open_samples(
    stack: AsyncExitStack, source: Source, samples: Samples, wanted: Wanted
) -> AudioSource:
    """Open audio that needs no codec."""
    count, encoding = samples.channels, samples.media_encoding
    assert encoding is not None
    channels = output_channels(source.name, count, wanted.channels)
    kept = encoding == "pcm" or (wanted.passthrough and channels == count)
    out = encoding if kept else "pcm"
    duration = samples.duration(await source.size())
    await source.skip(samples.start)
    reader = AudioReader(source, samples)
    if await reader.is_empty():
        raise AudioFileException(f"{source.name} holds no audio")

    def convert(data: bytes) -> bytes:
        pcm = data if kept else expand(data, encoding)
        return pcm if channels == count else select(pcm, count, wanted.channels)

    chunk_size(samples.rate, wanted.chunk_seconds, out, channels)
    frames = max(1, round(samples.rate * wanted.chunk_seconds))
    chunks = _sample_chunks(reader, frames, samples.frame_size, convert)
    await stack.enter_async_context(aclosing(chunks))
    return AudioSource(
        samples.rate, chunks, media_encoding=out, channels=channels, duration=duration
    )


async def _sample_chunks(
    reader: AudioReader, frames: int, frame_size: int, convert: Callable[[bytes], bytes]
) -> AsyncGenerator[bytes, None]:
    size = frames * frame_size
    while chunk := await reader.take(size):
        whole = len(chunk) - len(chunk) % frame_size
        if whole:
            yield convert(chunk[:whole])
        if len(chunk) < size:
            break


async def _open_decoded(
    stack: AsyncExitStack, source: Source, kind: str | None, wanted: Wanted
) -> AudioSource:
    """Open a recording that FFmpeg's libraries decode."""
    if kind:
        what = f"{source.name} is {kind}, which"
    else:
        what = f"{source.name} is no WAV file, raw PCM needs its sample rate named, and all else"
    decoder = Decoder(source, wanted.channels, wanted.rate, kind)
    stack.push_async_callback(decoder.close)
    track = await decoder.open(what, _conversion(source, wanted))
    channels = output_channels(source.name, track.channels, wanted.channels)
    blocks = await stack.enter_async_context(aclosing(decoder.blocks()))
    rate = track.sample_rate_hz
    chunk_size(rate, wanted.chunk_seconds, channels=channels)
    chunks = batched(blocks, rate, channels=channels, seconds=wanted.chunk_seconds)
    await stack.enter_async_context(aclosing(chunks))
    return AudioSource(rate, chunks, channels=channels, duration=track.duration)


def _conversion(source: Source, wanted: Wanted) -> str:
    """Return the command that converts the recording."""
    name, raw = "in.wav", ""
    if source.path:
        name = shlex.quote(str(source.path.absolute()))
        suffix = source.path.suffix.lower()
        raw = next((options for names, options in _RAW_NAMES.items() if suffix in names), "")
    channels = {"mix": "-ac 1 ", "split": ""}.get(
        str(wanted.channels), f"-af 'pan=mono|c0=c{wanted.channels}' "
    )
    rate = wanted.rate or 16_000
    return f"convert it: ffmpeg {raw}-i {name} {channels}-ar {rate} -c:a pcm_s16le out.wav"


@dataclass(frozen=True)
class _Encoded:
    """A recording that the service decodes."""

    media_encoding: MediaEncoding
    rate: int
    channels: int
    duration: float | None

    def suits(self, wanted: Wanted) -> bool:
        """Return whether nothing in it must be changed."""
        if wanted.rate not in (None, self.rate) or SAMPLE_RATE.violation(self.rate):
            return False
        return self.channels == (2 if wanted.channels == "split" else 1)


def _encoded(head: bytes) -> _Encoded | None:
    """Read the header of FLAC or of Opus in Ogg."""
    if head[:4] == b"fLaC" and len(head) >= 42:
        # 20 bits of rate, 3 of channels and 5 of sample size, less one, 36 of length
        packed = int.from_bytes(head[18:26], "big")
        rate, samples = packed >> 44, packed & (1 << 36) - 1
        return _Encoded("flac", rate, (packed >> 41 & 7) + 1, samples / rate if rate else None)
    if head[28:36] == b"OpusHead" and len(head) >= 44:
        rate = int.from_bytes(head[40:44], "little")
        return _Encoded("ogg-opus", rate or 48_000, head[37], None)
    return None


async def _open_encoded(
    stack: AsyncExitStack, source: Source, encoded: _Encoded, wanted: Wanted
) -> AudioSource:
    """Open a recording that is sent as it is."""
    clock = clock_of(encoded.media_encoding, encoded.rate, encoded.channels)
    chunks = _encoded_chunks(source, clock, wanted.chunk_seconds)
    await stack.enter_async_context(aclosing(chunks))
    return AudioSource(
        encoded.rate,
        chunks,
        media_encoding=encoded.media_encoding,
        channels=encoded.channels,
        duration=encoded.duration,
    )


async def _encoded_chunks(
    source: Source, clock: Clock, seconds: float
) -> AsyncGenerator[bytes, None]:
    """Yield chunks of about so many seconds, and at once what comes slowly."""
    chunk, length = bytearray(), 0.0
    while block := await source.take_some(_STEP):
        chunk += block
        length += clock.seconds(block)
        full = len(chunk) + _STEP > MAX_AUDIO_CHUNK
        if length >= seconds or full or len(block) < _STEP:
            yield bytes(chunk)
            chunk.clear()
            length = 0.0
    if chunk:
        yield bytes(chunk)
