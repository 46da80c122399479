"""The header of a WAV file.

RIFF: `RIFF` | length | `WAVE`, then chunks of id | length | bytes, padded to an even length.
"""

from __future__ import annotations

import shlex
import struct

from .._protocol.constraints import SAMPLE_RATE
from ._source import AudioFileException, Source

_LENGTH_UNKNOWN = (0, 0xFFFFFFFF)
_MAX_BYTES_BEFORE_DATA = 16 * 1024**2
_MAX_FORMAT_LENGTH = 4096
_WAVE_FORMAT_PCM = 1
_WAVE_FORMAT_EXTENSIBLE = 0xFFFE

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


async def read_header(source: Source, sample_rate_hz: int | None) -> tuple[int, int | None]:
    """Read up to the first byte of audio; without a WAV header, the audio is raw PCM.

    :param sample_rate_hz: The sample rate that the caller names, if it does.
    :returns: The sample rate, and the number of bytes of audio; None means to the end.
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
        rate, data_length = await _read_wav_header(source)
        if sample_rate_hz not in (None, rate):
            raise AudioFileException(
                f"{source.name} has a sample rate of {rate} Hz, not {sample_rate_hz} Hz"
            )
        return rate, data_length
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
    return sample_rate_hz, None


async def _read_wav_header(source: Source) -> tuple[int, int | None]:
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
