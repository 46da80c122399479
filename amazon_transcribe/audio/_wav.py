"""The header and the audio of a WAV file.

RIFF: `RIFF` | length | `WAVE`, then chunks of id | length | bytes, padded to an even length.
Files in the wild lack pad bytes, and recorders that crash leave lengths that are wrong. So the
length of the file is ignored, and the bytes after a chunk decide where the next one begins.
"""

from __future__ import annotations

import re
import shlex
import struct

from .._protocol.constraints import SAMPLE_RATE
from ._source import BYTES_PER_SAMPLE, AudioFileException, Source

_LENGTH_UNKNOWN = 0xFFFFFFFF
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


class AudioReader:
    """The audio of a source: the data chunks of a WAV file, or everything.

    :param data_length: The length of the data chunk that begins here; None for raw PCM.
    """

    def __init__(self, source: Source, data_length: int | None = None) -> None:
        self._source = source
        self._left: int | None = None  # bytes of this chunk; None: all that follows is audio
        self._odd = 0  # bytes after them, of half a sample
        self._at_end = False
        if data_length is not None:
            self._begin_data(data_length)

    async def is_empty(self) -> bool:
        """Return whether not even one sample is left."""
        if not await self._find_audio():
            return True
        return len(await self._source.peek(BYTES_PER_SAMPLE)) < BYTES_PER_SAMPLE

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
        self._odd = known % BYTES_PER_SAMPLE
        self._left = known - self._odd

    async def _find_audio(self) -> bool:
        """Move on to the next data chunk where one ends; return False where none follows."""
        while self._left == 0 and not self._at_end:
            rest = (await self._source.peek(self._odd + 9))[self._odd :]
            padding = _padding(rest, self._odd)
            if padding is not None:
                await self._source.skip(self._odd + padding)
                await self._find_data()
            elif _NO_AUDIO.match(rest):
                self._at_end = True
            else:
                self._left = None  # the length is too small: a recorder crashed
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


async def read_header(source: Source, sample_rate_hz: int | None) -> tuple[int, AudioReader]:
    """Read up to the first byte of audio; without a WAV header, the audio is raw PCM.

    :param sample_rate_hz: The sample rate that the caller names, if it does.
    :returns: The sample rate and the audio.
    :raises AudioFileException: If the audio is not 16-bit mono PCM at a sample rate that
        the service accepts, or raw PCM without a named sample rate.
    """
    head = await source.peek(12)
    if not head:
        raise AudioFileException(f"{source.name} is empty")
    if head[:4] == b"RIFF":
        if head[8:12] != b"WAVE":
            raise AudioFileException(f"{source.name} is a RIFF file but not a WAV file")
        await source.skip(12)
        rate, length = await _read_wav_header(source)
        if sample_rate_hz not in (None, rate):
            raise AudioFileException(
                f"{source.name} has a sample rate of {rate} Hz, not {sample_rate_hz} Hz"
            )
        return rate, AudioReader(source, length)
    name = "MP4" if head[4:8] == b"ftyp" else _OTHER_FORMATS.get(head[:4])
    if name:
        raise AudioFileException(
            f"{source.name} is {name}, not WAV or raw PCM; {_conversion(source)}"
        )
    if sample_rate_hz is None:
        raise AudioFileException(
            f"{source.name} is not a WAV file, and raw PCM needs its sample rate named; "
            f"for a WAV file, {_conversion(source)}"
        )
    return sample_rate_hz, AudioReader(source)


async def _read_wav_header(source: Source) -> tuple[int, int]:
    """Read up to the first data chunk; return the sample rate and the chunk's length."""
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
            return rate, length
        passed += 8 + length
        if chunk_id == b"fmt " and rate is None:
            if not 16 <= length <= _MAX_FORMAT_LENGTH:
                raise AudioFileException(f"{source.name} has a format chunk of {length} bytes")
            body = await source.take(length)
            if len(body) < length:
                raise AudioFileException(f"{source.name} is cut off before its audio")
            rate = _sample_rate(source, body)
        elif passed <= _MAX_BYTES_BEFORE_DATA:
            await source.skip(length)
        await _skip_padding(source, length)
    raise AudioFileException(f"{source.name} has no audio in its first 16 MiB")


async def _skip_padding(source: Source, length: int) -> None:
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


def _sample_rate(source: Source, fmt: bytes) -> int:
    """Return the sample rate of a format chunk, after checking that the service accepts it."""
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _WAVE_FORMAT_EXTENSIBLE and fmt[26:40] == _SUBFORMAT_TAIL:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    if tag != _WAVE_FORMAT_PCM:
        name = _FORMAT_NAMES.get(tag, f"of format 0x{tag:04X}")
        raise AudioFileException(
            f"{source.name} is {name}, only 16-bit PCM is accepted; {_conversion(source)}"
        )
    if bits != 16:
        raise AudioFileException(
            f"{source.name} has {bits} bits per sample, only 16 are accepted; {_conversion(source)}"
        )
    if channels != 1:
        count = {0: "no", 2: "2 (stereo)"}.get(channels, channels)
        raise AudioFileException(
            f"{source.name} has {count} channels, only mono is accepted; {_conversion(source)}"
        )
    if violation := SAMPLE_RATE.violation(rate):
        raise AudioFileException(
            f"the sample rate of {source.name} {violation}; {_conversion(source, '-ar 16000 ')}"
        )
    return int(rate)


def _conversion(source: Source, option: str = "") -> str:
    """Return the command that converts the audio."""
    name = shlex.quote(source.path.name) if source.path else "in.wav"
    return f"convert it: ffmpeg -i {name} -ac 1 {option}-c:a pcm_s16le out.wav"
