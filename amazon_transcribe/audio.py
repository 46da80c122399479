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

The service takes 16-bit little-endian mono PCM at 8,000 to 48,000 Hz, in chunks of
equal length, best 50 to 200 ms, at most 32,768 bytes and one second. It ends a stream
that brings no audio for 15 seconds. The signature of an event is good for five minutes,
so audio must not run much further ahead of the recogniser than that.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ._extras import missing
from ._rules import SAMPLE_RATE
from .exceptions import InvalidParameterException, SDKError

__all__ = ["AudioFileException", "AudioSource", "Lookahead", "open_audio", "paced"]

MICROPHONE_SAMPLE_RATE_HZ = 16_000
CHUNK_SECONDS = 0.1
MAX_CHUNK_SECONDS = 1.0
MAX_CHUNK_BYTES = 32_768
MAX_LOOKAHEAD_SECONDS = 240.0

_BYTES_PER_SAMPLE = 2
_BLOCK = 65_536
_MICROPHONE_BACKLOG_SECONDS = 60.0
# Under the 15 seconds after which the service gives up on a stream without audio.
_PATIENCE_SECONDS = 12.0


class AudioFileException(SDKError):
    """Audio that cannot be read, or that the service would not take as it is.

    The message says what is wrong and, where there is one, the remedy.
    """


@dataclass(frozen=True)
class AudioSource:
    """Open audio.

    :param sample_rate_hz: The sample rate in hertz, 8,000 to 48,000.
    :param chunks: The audio, 16-bit little-endian mono PCM in chunks of equal length;
        only the last one may be shorter. It can be read once.
    :param stop: Ends audio that has no end of its own and comes in real time, as from a
        microphone; None for all other audio.
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
    """Open audio for reading in chunks that fit the service.

    Reading never blocks the event loop, and leaving the context leaves nothing behind.
    A WAV file is known by its header, wherever it comes from; a data length of 0 or
    0xFFFFFFFF, as programs write into a pipe, means that the audio goes on to the end.

    :param audio: A path (a pipe will do), `"-"` for standard input, `"mic"` for the
        microphone (needs the extra `mic`), or a binary file open for reading.
    :param sample_rate_hz: The sample rate in hertz, 8,000 to 48,000. Raw PCM needs it;
        a WAV header must agree with it; the microphone takes 16,000 without it.
    :param chunk_seconds: The length of a chunk, more than 0 and at most 1 second and
        32,768 bytes. The service recommends 0.05 to 0.2.
    :raises AudioFileException: The audio cannot be read, holds nothing, or is not
        16-bit mono PCM at a sample rate the service takes.
    :raises InvalidParameterException: `sample_rate_hz` or `chunk_seconds` is outside
        its limits.
    """
    if sample_rate_hz is not None and (problem := SAMPLE_RATE.problem(sample_rate_hz)):
        raise InvalidParameterException("sample_rate_hz", f"the sample rate {problem}")
    if not 0 < chunk_seconds <= MAX_CHUNK_SECONDS:
        raise InvalidParameterException(
            "chunk_seconds",
            f"a chunk must be longer than 0 and at most 1 second long, not {chunk_seconds}",
        )
    if audio == "mic":
        _sounddevice()
        rate = sample_rate_hz or MICROPHONE_SAMPLE_RATE_HZ
        backlog: asyncio.Queue[bytes] = asyncio.Queue()
        chunks = _microphone(rate, _chunk_bytes(rate, chunk_seconds), backlog)
        async with aclosing(chunks):
            yield AudioSource(rate, chunks, stop=lambda: backlog.put_nowait(b""))
        return
    async with AsyncExitStack() as stack:
        source = _open(audio)
        stack.callback(source.close)
        rate, data_length = await _read_header(source, sample_rate_hz)
        if not await source.peek(_BYTES_PER_SAMPLE):
            raise AudioFileException(f"{source.name} holds no audio")
        chunks = _chunks(source, data_length, _chunk_bytes(rate, chunk_seconds))
        await stack.enter_async_context(aclosing(chunks))
        yield AudioSource(rate, chunks)


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
        self.position = 0.0
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


# Bytes


class _Source:
    """Bytes that are read without blocking the event loop.

    A regular file is read in a thread, where it cannot block for long. A pipe, socket
    or device is read when the loop finds it readable, so that no thread is left
    hanging in a read; its flags stay as they are, as others may share it.
    """

    def __init__(self, file: BinaryIO, name: str, fd: int | None, close: bool) -> None:
        self.name = name
        self.path: Path | None = None
        self._file = file
        self._fd = fd
        self._close = close
        self._ahead = bytearray()

    def close(self) -> None:
        if self._close:
            self._file.close()

    async def peek(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end; they stay to be read."""
        while len(self._ahead) < size:
            block = await self._read_block()
            if not block:
                break
            self._ahead += block
        return bytes(self._ahead[:size])

    async def take(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end."""
        data = await self.peek(size)
        del self._ahead[: len(data)]
        return data

    async def skip(self, size: int) -> None:
        while size > 0:
            data = await self.take(min(size, _BLOCK))
            if not data:
                break
            size -= len(data)

    async def _read_block(self) -> bytes:
        try:
            if self._fd is not None:
                try:
                    return await _read_when_ready(self._fd)
                except (NotImplementedError, PermissionError):
                    self._fd = None  # the loop cannot watch it, e.g. /dev/null with epoll
            return await asyncio.to_thread(self._file.read, _BLOCK)
        except OSError as error:
            raise AudioFileException(f"cannot read {self.name}: {error.strerror}") from error


async def _read_when_ready(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    while True:
        ready = asyncio.Event()
        loop.add_reader(fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(fd)
        try:
            return os.read(fd, _BLOCK)
        except BlockingIOError:
            pass


def _open(audio: str | os.PathLike[str] | BinaryIO) -> _Source:
    if not isinstance(audio, (str, os.PathLike)):
        return _Source(audio, str(getattr(audio, "name", "the audio")), None, close=False)
    if audio == "-":
        return _open_standard_input()
    path = os.fspath(audio)
    try:
        # Not blocking, as opening a named pipe would wait for its writer.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioFileException(f"cannot read {path}: {reason}") from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        os.close(fd)
        raise AudioFileException(f"cannot read {path}: it is a directory")
    if stat.S_ISREG(mode):
        # Buffered: its lock makes close() wait for a read that a cancelled task left.
        source = _Source(os.fdopen(fd, "rb"), path, None, close=True)
        source.path = Path(path)
        return source
    return _Source(os.fdopen(fd, "rb", buffering=0), path, fd, close=True)


def _open_standard_input() -> _Source:
    name = "standard input"
    if sys.stdin is None or sys.stdin.closed:
        raise AudioFileException("cannot read standard input: it is closed")
    file = sys.stdin.buffer
    if file.isatty():
        raise AudioFileException("standard input is a terminal: pipe audio into it")
    try:
        fd = file.fileno()
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return _Source(file, name, None, close=False)
    return _Source(file, name, None if regular else fd, close=False)


async def _chunks(
    source: _Source, data_length: int | None, size: int
) -> AsyncGenerator[bytes, None]:
    left = data_length
    while left is None or left > 0:
        chunk = await source.take(size if left is None else min(size, left))
        if left is not None:
            left -= len(chunk)
        whole = len(chunk) - len(chunk) % _BYTES_PER_SAMPLE
        if whole:
            yield chunk[:whole]
        if len(chunk) < size:
            break


def _chunk_bytes(rate: int, seconds: float) -> int:
    size = max(1, round(rate * seconds)) * _BYTES_PER_SAMPLE
    if size > MAX_CHUNK_BYTES:
        raise InvalidParameterException(
            "chunk_seconds",
            f"a chunk may have at most {MAX_CHUNK_BYTES} bytes; "
            f"{seconds} s at {rate} Hz make {size}",
        )
    return size


# WAV
# RIFF: "RIFF" | length | "WAVE", then chunks of id | length | bytes, padded to even.

_LENGTH_UNKNOWN = (0, 0xFFFFFFFF)
_MAX_BYTES_BEFORE_DATA = 16 * 1024**2
_MAX_FORMAT_LENGTH = 4096
_WAVE_FORMAT_PCM = 1
_WAVE_FORMAT_EXTENSIBLE = 0xFFFE
# KSDATAFORMAT_SUBTYPE_…: the format tag, then a constant.
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_FORMAT_NAMES = {2: "ADPCM", 3: "floating point", 6: "A-law", 7: "µ-law", 17: "ADPCM", 85: "MP3"}
_OTHER_FORMATS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b".snd": "AU",
    b"RF64": "RF64",
    b"RIFX": "big-endian WAV",
    b"ID3\x02": "MP3",
    b"ID3\x03": "MP3",
    b"ID3\x04": "MP3",
    b"\x1aE\xdf\xa3": "Matroska or WebM",
}


async def _read_header(source: _Source, sample_rate_hz: int | None) -> tuple[int, int | None]:
    """The sample rate and the number of bytes of audio; None: to the end."""
    head = await source.peek(12)
    if not head:
        raise AudioFileException(f"{source.name} is empty")
    if head[:4] == b"RIFF":
        if head[8:12] != b"WAVE":
            raise AudioFileException(f"{source.name} is a RIFF file but not a WAV file")
        await source.skip(12)
        rate, data_length = await _read_wav_header(source)
        if sample_rate_hz not in (None, rate):
            raise AudioFileException(
                f"{source.name} has a sample rate of {rate} Hz, not {sample_rate_hz} Hz"
            )
        return rate, data_length
    name = "MP4" if head[4:8] == b"ftyp" else _OTHER_FORMATS.get(head[:4])
    if name:
        raise AudioFileException(f"{source.name} is {name}, not WAV or raw PCM; {_remedy(source)}")
    if sample_rate_hz is None:
        raise AudioFileException(
            f"{source.name} is not a WAV file, and raw PCM needs its sample rate named; "
            f"to make a WAV file of it: {_remedy(source)}"
        )
    return sample_rate_hz, None


async def _read_wav_header(source: _Source) -> tuple[int, int | None]:
    rate: int | None = None
    passed = 0
    while passed < _MAX_BYTES_BEFORE_DATA:
        head = await source.take(8)
        if len(head) < 8:
            raise AudioFileException(f"{source.name} is cut off before its audio")
        chunk_id, length = struct.unpack("<4sI", head)
        if chunk_id == b"data":
            if rate is None:
                raise AudioFileException(f"{source.name} names no format before its audio")
            return rate, None if length in _LENGTH_UNKNOWN else length
        padded = length + length % 2
        passed += 8 + padded
        if chunk_id == b"fmt " and rate is None:
            if not 16 <= length <= _MAX_FORMAT_LENGTH:
                raise AudioFileException(f"{source.name} has a format chunk of {length} bytes")
            body = await source.take(padded)
            if len(body) < length:
                raise AudioFileException(f"{source.name} is cut off before its audio")
            rate = _sample_rate(source, body[:length])
        elif passed <= _MAX_BYTES_BEFORE_DATA:
            await source.skip(padded)
    raise AudioFileException(f"{source.name} has no audio in its first 16 MiB")


def _sample_rate(source: _Source, fmt: bytes) -> int:
    """The sample rate that a format chunk names, if all of it suits the service."""
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _WAVE_FORMAT_EXTENSIBLE and fmt[26:40] == _SUBFORMAT_TAIL:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    if tag != _WAVE_FORMAT_PCM:
        name = _FORMAT_NAMES.get(tag, f"of format 0x{tag:04X}")
        raise AudioFileException(
            f"{source.name} is {name}, only 16-bit PCM is taken; {_remedy(source)}"
        )
    if bits != 16:
        raise AudioFileException(
            f"{source.name} has {bits} bits per sample, only 16 are taken; {_remedy(source)}"
        )
    if channels != 1:
        count = {0: "no", 2: "2 (stereo)"}.get(channels, channels)
        raise AudioFileException(
            f"{source.name} has {count} channels, only mono is taken; {_remedy(source)}"
        )
    if problem := SAMPLE_RATE.problem(rate):
        raise AudioFileException(
            f"the sample rate of {source.name} {problem}; {_remedy(source, '-ar 16000 ')}"
        )
    return int(rate)


def _remedy(source: _Source, option: str = "") -> str:
    name = shlex.quote(source.path.name) if source.path else "in.wav"
    return f"convert it: ffmpeg -i {name} -ac 1 {option}-c:a pcm_s16le out.wav"


# Microphone


def _sounddevice() -> Any:
    try:
        import sounddevice  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise AudioFileException(missing("the microphone", "mic", error)) from error
    except OSError as error:  # the package is there, the PortAudio library is not
        raise AudioFileException(f"cannot record from the microphone: {error}") from error
    return sounddevice


async def _microphone(
    rate: int, size: int, backlog: asyncio.Queue[bytes]
) -> AsyncGenerator[bytes, None]:
    """Record from the first read on, until the backlog brings an empty block."""
    sounddevice = _sounddevice()
    loop = asyncio.get_running_loop()

    def record(data: Any, frames: int, moment: Any, status: Any) -> None:
        # From PortAudio's own thread.
        loop.call_soon_threadsafe(backlog.put_nowait, bytes(data))

    try:
        recording = sounddevice.RawInputStream(
            samplerate=rate,
            blocksize=size // _BYTES_PER_SAMPLE,
            channels=1,
            dtype="int16",
            callback=record,
        )
        with recording:
            while chunk := await backlog.get():
                yield chunk
                if backlog.qsize() * size > _MICROPHONE_BACKLOG_SECONDS * rate * _BYTES_PER_SAMPLE:
                    raise AudioFileException("recorded audio is not taken off fast enough")
    except sounddevice.PortAudioError as error:
        raise AudioFileException(f"cannot record from the microphone: {error}") from error
