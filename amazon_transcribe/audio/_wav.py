"""The header and the audio of a WAV file.

RIFF: `RIFF` | length | `WAVE`, then chunks of id | length | bytes, padded to an even length.
Files in the wild lack pad bytes, and recorders that crash leave lengths that are wrong. So the
length of the file is ignored, and the bytes after a chunk decide where the next one begins.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from .._protocol.constants import SILENT_SAMPLE
from ._audio import RawEncoding
from ._source import AudioFileException, Preview, Readable, Source

_LENGTH_UNKNOWN = 0xFFFFFFFF
PIPE_PATIENCE = 1.0
"""Seconds to wait for what follows all audio that a WAV file in a pipe announces."""

_MAX_BYTES_BEFORE_DATA = 16 * 1024**2
_MAX_FORMAT_LENGTH = 4096
_WAVE_FORMAT_PCM = 1
_WAVE_FORMAT_EXTENSIBLE = 0xFFFE

_KNOWN_CHUNKS = frozenset(
    (
        *(b"data", b"fmt ", b"fact", b"LIST", b"RIFF", b"JUNK", b"junk", b"PAD ", b"FLLR"),
        *(b"bext", b"iXML", b"axml", b"chna", b"cart", b"link", b"levl", b"umid", b"_PMX"),
        *(b"cue ", b"plst", b"labl", b"note", b"smpl", b"inst", b"acid", b"strc", b"regn"),
        *(b"id3 ", b"ID3 ", b"DISP", b"PEAK", b"afsp", b"minf", b"elm1", b"MD5 ", b"ds64"),
    )
)
_CHUNK_ID = re.compile(rb"[ -~]{4}")
# Bytes after the audio that belong to no chunk and are no audio either: a pad byte, the
# beginning of a header that is cut off, and tags of MP3 files.
_NO_AUDIO = re.compile(rb"\0?[ -~]{0,7}\Z|TAG|ID3")

# KSDATAFORMAT_SUBTYPE_…: the format tag, then this constant.
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_ENCODINGS: Mapping[tuple[int, int], RawEncoding] = {
    (_WAVE_FORMAT_PCM, 16): "pcm",
    (6, 8): "g711-alaw",
    (7, 8): "g711-ulaw",
}
_FORMAT_NAMES = {2: "ADPCM", 3: "floating point", 6: "A-law", 7: "µ-law", 17: "ADPCM", 85: "MP3"}


@dataclass(frozen=True)
class Samples:
    """Audio that needs no codec, with or without a header.

    :param name: What it is called.
    :param media_encoding: Its encoding as the service calls it; None if the service has none.
    :param rate: The sample rate.
    :param channels: How many there are.
    :param start: The position of the first sample.
    :param length: The bytes of the first data chunk; None for raw audio.
    """

    name: str
    media_encoding: RawEncoding | None
    rate: int
    channels: int
    start: int = 0
    length: int | None = None

    @property
    def frame_size(self) -> int:
        """Bytes of one instant: a sample of each channel."""
        return len(SILENT_SAMPLE[self.media_encoding or "pcm"]) * self.channels

    def duration(self, size: int | None) -> float | None:
        """Return the length in seconds of a file with so many bytes, if that is known."""
        if size is None:
            return None
        left = max(0, size - self.start)
        stated = self.length or left
        return (min(stated, left)) / self.frame_size / self.rate


class AudioReader:
    """The audio of a source: the data chunks of a WAV file, or everything.

    :param source: The source, at its first sample.
    """

    def __init__(self, source: Source, samples: Samples) -> None:
        self._source = source
        self._frame_size = samples.frame_size
        self._left: int | None = None  # bytes of this chunk; None: all that follows is audio
        self._part = 0  # bytes after them, of an instant that is not whole
        self._odd = 0  # 1 in a chunk of odd length, which may have a pad byte
        self._is_stated = False  # whether this chunk states its length
        self._at_end = False
        if samples.length is not None:
            self._begin_data(samples.length)

    async def is_empty(self) -> bool:
        """Return whether not even one instant is left."""
        if not await self._find_audio():
            return True
        return len(await self._source.peek(self._frame_size)) < self._frame_size

    async def take(self, size: int) -> bytes:
        """Return the next bytes of audio; fewer than `size` only at the end."""
        audio = bytearray()
        while len(audio) < size and await self._find_audio():
            wanted = size - len(audio)
            part = await self._source.take(
                wanted if self._left is None else min(wanted, self._left)
            )
            if not part:
                break
            audio += part
            if self._left is not None:
                self._left -= len(part)
        return bytes(audio)

    def _begin_data(self, length: int) -> None:
        # A length that is not known is treated as 0: what follows decides whether it is audio.
        known = 0 if length == _LENGTH_UNKNOWN else length
        self._is_stated = known > 0
        self._part = known % self._frame_size
        self._odd = known % 2
        self._left = known - self._part

    async def _find_audio(self) -> bool:
        """Move on to the next data chunk where one ends; return False where none follows."""
        while self._left == 0 and not self._at_end:
            # All that was announced has come: a pipe that stays open need not bring more.
            self._source.patience = PIPE_PATIENCE if self._is_stated else None
            rest = await self._source.peek(9, self._part)
            padding = _padding(rest, self._odd)
            if padding is not None:
                await self._source.skip(self._part + padding)
                await self._find_data()
            elif _NO_AUDIO.match(rest):
                self._at_end = True
            else:
                self._left = None  # the length is too small: a recorder crashed
        self._source.patience = None
        return not self._at_end

    async def _find_data(self) -> None:
        """Skip chunks up to the next data chunk, or note that there is none."""
        while _is_known(head := await self._source.take(8)) or _is_possible(head):
            chunk_id, length = struct.unpack("<4sI", head)
            if chunk_id == b"data":
                self._begin_data(length)
                return
            await self._source.skip(length)
            await _skip_padding(self._source, length)
        self._at_end = True


async def read_wav_header(source: Source) -> Samples:
    """Read up to the first data chunk of a WAV file, without taking anything from the source.

    :raises AudioFileException: If the header is cut off or damaged.
    """
    header = Preview(source)
    await header.skip(12)
    fmt = b""
    while header.position < _MAX_BYTES_BEFORE_DATA:
        head = await header.take(8)
        if len(head) < 8:
            raise AudioFileException(f"{source.name} is cut off before its audio")
        chunk_id, length = struct.unpack("<4sI", head)
        if chunk_id == b"data":
            if not fmt:
                raise AudioFileException(f"{source.name} names no format before its audio")
            return _samples(source, fmt, header.position, length)
        if chunk_id == b"fmt " and not fmt:
            if not 16 <= length <= _MAX_FORMAT_LENGTH:
                raise AudioFileException(f"{source.name} has a format chunk of {length} bytes")
            fmt = await header.take(length)
            if len(fmt) < length:
                raise AudioFileException(f"{source.name} is cut off before its audio")
        elif header.position + length > _MAX_BYTES_BEFORE_DATA:
            break
        else:
            await header.skip(length)
        await _skip_padding(header, length)
    raise AudioFileException(f"{source.name} has no audio in its first 16 MiB")


async def _skip_padding(source: Readable, length: int) -> None:
    """Skip the pad byte after a chunk of this length, if the file has it."""
    if odd := length % 2:
        padding = _padding(await source.peek(9), odd)
        await source.skip(odd if padding is None else padding)


def _padding(following: bytes, odd: int) -> int | None:
    """Return how many pad bytes are ahead of the next chunk, or None if no chunk follows.

    :param following: The bytes after a chunk, 9 of them or up to the end.
    :param odd: 1 after a chunk of odd length, which may have a pad byte; else 0.
    """
    for is_chunk in (_is_known, _is_possible):
        for padding in range(odd, -1, -1):
            if is_chunk(following[padding : padding + 8]):
                return padding
    return None


def _is_known(head: bytes) -> bool:
    return len(head) == 8 and head[:4] in _KNOWN_CHUNKS


def _is_possible(head: bytes) -> bool:
    """Return whether these 8 bytes can be the head of a chunk that is not known."""
    if len(head) < 8 or not _CHUNK_ID.match(head):
        return False
    return int.from_bytes(head[4:], "little") <= _MAX_BYTES_BEFORE_DATA


def _samples(source: Source, fmt: bytes, start: int, length: int) -> Samples:
    """Read a format chunk."""
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _WAVE_FORMAT_EXTENSIBLE and fmt[26:40] == _SUBFORMAT_TAIL:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    if not channels:
        raise AudioFileException(f"{source.name} has no channels")
    kind = _FORMAT_NAMES.get(tag, f"of format 0x{tag:04X}")
    if tag == _WAVE_FORMAT_PCM:
        kind = f"of {bits} bits"
    return Samples(f"WAV {kind}", _ENCODINGS.get((tag, bits)), rate, channels, start, length)
