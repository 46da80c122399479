"""Recordings of all kinds, decoded by FFmpeg's libraries through PyAV.

The work is done in a thread of the recording's own, a block at a time and only when the program
reads, so memory does not grow with the length. FFmpeg gets the bytes of the recording and nothing
else: it may open no file and no address that the recording names, know no playlist, and decode
no video.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, cast

from .._protocol.constraints import SAMPLE_RATE
from ..exceptions import missing_extra
from ._audio import Channels
from ._channels import output_channels, select
from ._source import BYTES_PER_SAMPLE, AudioFileException, Source

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

_BLOCK_SECONDS = 0.2
_MAX_SPOOLED = 2 * 1024**3
_SPOOL_STEP = 1024 * 1024
_MAX_BOXES = 1024 * 1024  # bytes before the sound of an MP4 that are looked through

# Recordings leave out what is silent, and begin their sound after their picture. A longer gap
# is a fault in the times, and so are gaps that are longer together than a stream may be.
_MIN_GAP, _MAX_GAP, _MAX_GAPS = 0.1, 3600.0, 4 * 3600.0

# Speech needs more. One frame at 1 Hz may become gigabytes, in a call that nothing can cancel.
_MIN_RATE = 1000

# Demuxers of recordings, by FFmpeg's names. Playlists and what refers to other files stay out.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,mxf,nut,ogg,tak,tta,voc,w64,wav,wv"
)


@dataclass(frozen=True)
class Track:
    """The sound of a recording, as it comes out.

    :param channels: How many channels it had.
    :param duration: Its length in seconds, if the recording states it.
    """

    sample_rate_hz: int
    channels: int
    duration: float | None


class Decoder:
    """A recording that is decoded in a thread of its own.

    :param rate: The sample rate that comes out; None for the recording's own.
    :param kind: What the recording is, if its first bytes tell.
    :param max_spooled: The most bytes of a temporary file.
    """

    def __init__(
        self,
        source: Source,
        channels: Channels,
        rate: int | None,
        kind: str | None,
        *,
        max_spooled: int = _MAX_SPOOLED,
    ) -> None:
        self._source = source
        self._channels: Channels = channels
        self._rate = rate
        self._kind = kind
        self._max_spooled = max_spooled
        self._thread = ThreadPoolExecutor(1, "amazon-transcribe-decode")
        self._spool: BinaryIO | None = None
        self._file: _SeekableFile | _LoopFile | None = None
        self._decoded: Generator[Track | bytes, None, None] | None = None
        self._first = b""

    async def open(self, what: str, remedy: str) -> Track:
        """Read up to the first sample.

        :param what: What is to be decoded, for the error where the decoder is not installed.
        :param remedy: What else mends that.
        :raises AudioFileException: If the recording cannot be decoded, or has no sound.
        """
        source = self._source
        # In the thread, as it takes a tenth of a second, once.
        await asyncio.wrap_future(self._thread.submit(_import_av, what, remedy))
        if source.file is None and await _needs_seeking(source):
            self._spool = await self._spooled()
            self._file = _SeekableFile(self._spool, 0)
        elif source.file is not None:
            self._file = _SeekableFile(source.file, source.start)
        else:
            self._file = _LoopFile(source)
        self._decoded = _decode(self._file, source.name, self._channels, self._rate, self._kind)
        track = cast("Track", await self._next())
        self._first = cast("bytes", await self._next())
        if not self._first:
            raise AudioFileException(f"{source.name} holds no audio")
        return track

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield the audio, 16-bit PCM of the channels that are wanted.

        :raises AudioFileException: If the recording is damaged.
        """
        block = self._first
        while block:
            yield block
            block = cast("bytes", await self._next())

    async def close(self) -> None:
        """End the thread, and the read that it waits for."""
        if self._file:
            self._file.close()
        try:
            await asyncio.wrap_future(self._thread.submit(self._close))
            if isinstance(self._file, _LoopFile):
                await self._file.wait_closed()
        finally:
            # The file is at its end, so the thread is, too, in a moment.
            self._thread.shutdown()

    async def _next(self) -> Track | bytes:
        assert self._decoded is not None
        return await asyncio.wrap_future(self._thread.submit(next, self._decoded, b""))

    async def _spooled(self) -> BinaryIO:
        """Copy the source into a temporary file, which vanishes when it is closed."""
        spool = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
        self._spool = spool
        size = 0
        while block := await self._source.take(_SPOOL_STEP):
            size += len(block)
            if size > self._max_spooled:
                raise AudioFileException(
                    f"{self._source.name} has its index behind more than"
                    f" {self._max_spooled:,} bytes; give the file itself, or move its index:"
                    " ffmpeg -i in.mp4 -vn -c copy -movflags +faststart out.mp4"
                )
            try:
                await asyncio.wrap_future(self._thread.submit(spool.write, block))
            except OSError as error:
                raise AudioFileException(
                    f"{self._source.name} needs a temporary file: {error.strerror}"
                ) from error
        return spool

    def _close(self) -> None:
        if self._decoded:
            self._decoded.close()
        if self._spool:
            self._spool.close()


def _import_av(what: str, remedy: str) -> None:
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise AudioFileException(f"{missing_extra(what, 'media', error)}; or {remedy}") from error


class _SeekableFile:
    """A file for FFmpeg that can be read at any position."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start
        self._closed = False
        file.seek(start)

    def read(self, size: int) -> bytes:
        return b"" if self._closed else self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET:
            offset += self._start
        return self._file.seek(offset, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def close(self) -> None:
        self._closed = True


class _LoopFile:
    """A file for FFmpeg whose bytes come from the event loop, in order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._reading: Future[bytes] | None = None
        self._task: asyncio.Task[bytes] | None = None
        self._closed = False

    def read(self, size: int) -> bytes:
        reading = asyncio.run_coroutine_threadsafe(self._read(size), self._loop)
        self._reading = reading
        if self._closed:
            reading.cancel()
        try:
            return reading.result()
        except CancelledError:
            return b""

    def close(self) -> None:
        self._closed = True
        if self._reading:
            self._reading.cancel()

    async def wait_closed(self) -> None:
        """Wait for the end of a read that was cancelled."""
        if self._task:
            await asyncio.wait({self._task})

    async def _read(self, size: int) -> bytes:
        self._task = asyncio.current_task()
        return await self._source.take_some(size)


async def _needs_seeking(source: Source) -> bool:
    """Tell whether this is an MP4 whose index comes behind its sound, or WavPack."""
    at = 0
    while len(head := await source.peek(16, at)) == 16 and at <= _MAX_BOXES:
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind == b"mdat" or head[:4] == b"wvpk":
            return True
        if kind not in (b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pnot") or size < 8:
            return False
        at += size
    return False


def _decode(
    file: _SeekableFile | _LoopFile,
    name: str,
    channels: Channels,
    rate: int | None,
    kind: str | None,
) -> Generator[Track | bytes, None, None]:
    """Yield the track, then its audio."""
    import av
    from av.error import FFmpegError

    options = {
        "format_whitelist": _FORMATS,
        "codec_whitelist": _audio_codecs(),
        "protocol_whitelist": "none",
    }
    opened = False
    try:
        with av.open(file, container_options=options) as container:
            opened = True
            stream = container.streams.best("audio")
            if stream is None:
                raise AudioFileException(f"{name} has no sound")
            sound = _Sound(cast("av.AudioStream", stream), name, channels, rate)
            yield sound.track(container)
            for packet in _packets(container, cast("av.AudioStream", stream)):
                yield from sound.blocks(packet)
            yield from sound.rest()
    except (FFmpegError, OSError, ValueError) as error:  # ValueError: PyAV's own checks
        if kind is None and not opened:
            raise AudioFileException(
                f"{name} is no recording that FFmpeg knows; raw PCM needs its sample rate named"
            ) from error
        reason = getattr(error, "strerror", None) or str(error)
        what = f"{name} cannot be decoded" + (f" as {kind}" if kind else "")
        raise AudioFileException(f"{what}: {reason}") from error


def _packets(
    container: InputContainer, stream: av.AudioStream
) -> Iterator[av.Packet[av.AudioStream]]:
    # At the end PyAV 18 stumbles over streams that began late, as where recordings were joined.
    with suppress(IndexError):
        yield from container.demux(stream)


class _Sound:
    """The sound of one recording on its way to 16-bit PCM."""

    def __init__(
        self, stream: av.AudioStream, name: str, channels: Channels, rate: int | None
    ) -> None:
        codec = stream.codec_context
        if codec is None or not codec.sample_rate:
            raise ValueError("its codec is not known")
        self.rate = rate or _nearest(codec.sample_rate)
        self._stream = stream
        self._name = name
        self._channels = channels
        self._count = codec.layout.nb_channels
        self._frame_size = BYTES_PER_SAMPLE * output_channels(name, self._count, channels)
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[object, ...] = ()
        self._block = bytearray()
        self._size = 0  # bytes that came out
        self._start: float | None = None
        self._gaps = 0.0

    def track(self, container: InputContainer) -> Track:
        if container.start_time is not None:
            self._start = container.start_time / 1_000_000
        duration = None
        if container.duration is not None and container.duration > 0:
            duration = container.duration / 1_000_000
        return Track(self.rate, self._count, duration)

    def blocks(self, packet: av.Packet[av.AudioStream]) -> Iterator[bytes]:
        """Yield whole blocks as soon as a packet completes them."""
        from av.error import InvalidDataError

        try:
            frames = packet.decode()
        except InvalidDataError:
            return  # a damaged packet is left out, as players do
        for frame in frames:
            yield from self._silence_before(frame)
            self._add(frame)
            yield from self._whole_blocks()

    def rest(self) -> Iterator[bytes]:
        self._flush()
        if self._block:
            yield bytes(self._block)

    def _whole_blocks(self) -> Iterator[bytes]:
        if len(self._block) >= self.rate * self._frame_size * _BLOCK_SECONDS:
            block = bytes(self._block)
            self._block.clear()
            yield block

    def _silence_before(self, frame: av.AudioFrame) -> Iterator[bytes]:
        """Fill the time in which the recording has no sound, so that words have their time."""
        if frame.time is None:
            return
        if self._start is None:
            self._start = frame.time
        second = self.rate * self._frame_size
        gap = frame.time - self._start - self._size / second
        if not _MIN_GAP < gap <= min(_MAX_GAP, _MAX_GAPS - self._gaps):
            return
        self._gaps += gap
        missing = round(gap * self.rate) * self._frame_size
        while missing > 0:
            silence = bytes(min(missing, second))
            self._put(silence)
            missing -= len(silence)
            yield from self._whole_blocks()

    def _add(self, frame: av.AudioFrame) -> None:
        import av

        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or given != self._format:
            self._flush()
            self._format = given
            if frame.sample_rate < _MIN_RATE:
                raise ValueError(
                    f"its sound is sampled at {frame.sample_rate} Hz, below {_MIN_RATE:,}"
                )
            layout = {"mix": "mono", "split": "stereo"}.get(str(self._channels))
            self._resampler = av.AudioResampler("s16", layout or frame.layout, self.rate)
        for part in self._resampler.resample(frame):
            self._put(self._selected(part))

    def _flush(self) -> None:
        if self._resampler:
            for part in self._resampler.resample(None):
                self._put(self._selected(part))

    def _selected(self, part: av.AudioFrame) -> bytes:
        count = part.layout.nb_channels
        # A plane may be longer than its samples.
        data = bytes(part.planes[0])[: part.samples * BYTES_PER_SAMPLE * count]
        if isinstance(self._channels, str):
            return data
        output_channels(self._name, count, self._channels)
        return select(data, count, self._channels)

    def _put(self, data: bytes) -> None:
        self._block += data
        self._size += len(data)


def _nearest(rate: int) -> int:
    return min(max(rate, SAMPLE_RATE.low), SAMPLE_RATE.high or rate)


@lru_cache(maxsize=1)
def _audio_codecs() -> str:
    """Return the names of all decoders of sound."""
    import av

    return ",".join(name for name in av.codecs_available if _decodes_sound(name))


def _decodes_sound(name: str) -> bool:
    from av.codec.codec import Codec, UnknownCodecError

    try:
        return Codec(name, "r").type == "audio"
    except UnknownCodecError:  # an encoder
        return False
