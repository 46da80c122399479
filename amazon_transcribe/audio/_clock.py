"""How many seconds of audio some bytes are, in every encoding."""

from __future__ import annotations

from typing import Protocol

from .._protocol.constants import SILENT_SAMPLE
from ..exceptions import InvalidParameterException

_G729_BYTES_PER_SECOND = 1000  # 10 bytes for each 10 ms


class Clock(Protocol):
    """The time in a stream of bytes."""

    def seconds(self, data: bytes) -> float:
        """Return how much audio begins in the next bytes of the stream, in seconds."""
        ...


def clock_of(media_encoding: str, sample_rate_hz: float, channels: int) -> Clock:
    """Return a clock for a stream that begins.

    :raises InvalidParameterException: For an encoding that the service does not know.
    """
    if media_encoding == "flac":
        return FlacClock()
    if media_encoding == "ogg-opus":
        return OggOpusClock()
    return EvenClock(bytes_per_second(media_encoding, sample_rate_hz, channels))


def bytes_per_second(media_encoding: str, sample_rate_hz: float, channels: int) -> float:
    """Return the size of a second of audio in an encoding where all seconds have one size.

    :raises InvalidParameterException: For another encoding.
    """
    if media_encoding == "g729":
        return _G729_BYTES_PER_SECOND * channels
    if media_encoding not in SILENT_SAMPLE:
        raise InvalidParameterException(
            "media_encoding", f"a second of {media_encoding!r} has no size of its own"
        )
    return len(SILENT_SAMPLE[media_encoding]) * sample_rate_hz * channels


class EvenClock:
    """The clock of an encoding in which each second has the same size."""

    def __init__(self, bytes_per_second: float) -> None:
        self._bytes_per_second = bytes_per_second

    def seconds(self, data: bytes) -> float:
        return len(data) / self._bytes_per_second


_PAGE_HEADER = 27  # RFC 3533, section 6
_OPUS_RATE = 48_000  # of an Ogg page's position, RFC 7845, section 4
_NO_POSITION = 0xFFFFFFFFFFFFFFFF
_LONGEST_PAGE = 255 * 0.12  # 255 packets of 120 ms


class OggOpusClock:
    """The clock of Opus in Ogg: each page says where its audio ends."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._left = 0  # bytes of the open page
        self._position = 0

    def seconds(self, data: bytes) -> float:
        seconds = 0.0
        while data:
            if self._left:
                self._left, data = max(0, self._left - len(data)), data[self._left :]
                continue
            missing = _PAGE_HEADER - len(self._header)
            if missing <= 0:
                missing = _PAGE_HEADER + self._header[26] - len(self._header)
            self._header += data[:missing]
            data = data[missing:]
            size = len(self._header)
            if size >= _PAGE_HEADER and size == _PAGE_HEADER + self._header[26]:
                seconds += self._read_header()
        return seconds

    def _read_header(self) -> float:
        header = self._header
        position = int.from_bytes(header[6:14], "little")
        self._left = sum(header[_PAGE_HEADER:])
        header.clear()
        if position == _NO_POSITION:  # no packet ends on this page
            return 0.0
        seconds = (position - self._position) / _OPUS_RATE
        self._position = position
        # The first page of a recording that was cut begins anywhere.
        return seconds if 0 <= seconds <= _LONGEST_PAGE else 0.0


_FRAME_HEADER = 16  # bytes, the longest, RFC 9639, section 9.1
_METADATA = 4 + 4 + 34  # `fLaC`, and the block that describes the stream
_BLOCK_SIZES = {1: 192, **{n: 144 << n for n in range(2, 6)}, **{n: 1 << n for n in range(8, 16)}}


class FlacClock:
    """The clock of FLAC: each frame says how many samples it has.

    A frame begins with a code that its audio may hold too; a frame's header has a checksum
    and its number, which is one more than the last one's, or its first sample's.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._rate = 0
        self._skip = 4  # bytes up to the next block of metadata
        self._blocks_follow = True
        self._expected: int | None = None

    def seconds(self, data: bytes) -> float:
        self._data += data
        if (self._blocks_follow or self._skip) and not self._pass_metadata():
            return 0.0
        samples, at = 0, 0
        come = self._data
        while (at := come.find(b"\xff", at)) != -1 and at + _FRAME_HEADER <= len(come):
            samples += self._samples(bytes(come[at : at + _FRAME_HEADER]))
            at += 1
        del come[: len(come) if at == -1 else at]
        return samples / self._rate if self._rate else 0.0

    def _pass_metadata(self) -> bool:
        """Drop the metadata as it comes, and tell whether all of it has."""
        data = self._data
        if not self._rate:
            if len(data) < _METADATA:
                return False
            self._rate = int.from_bytes(data[18:21], "big") >> 4
        while True:
            passed = min(self._skip, len(data))
            del data[:passed]
            self._skip -= passed
            if not self._blocks_follow and not self._skip:
                return True
            if self._skip or len(data) < 4:
                return False
            self._blocks_follow = not data[0] & 0x80
            self._skip = 4 + int.from_bytes(data[1:4], "big")

    def _samples(self, header: bytes) -> int:
        """Return how many samples the frame of this header has; 0 if it is none."""
        if header[1] & 0xFE != 0xF8 or header[3] & 1:
            return 0
        number, at = _coded_number(header, 4)
        size_code, rate_code = header[2] >> 4, header[2] & 15
        samples = _BLOCK_SIZES.get(size_code, 0)
        if size_code in (6, 7):
            samples = int.from_bytes(header[at : at + size_code - 5], "big") + 1
            at += size_code - 5
        at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
        if not samples or _crc8(header[:at]) != header[at]:
            return 0
        if self._expected is not None and number != self._expected:
            return 0
        self._expected = number + (samples if header[1] & 1 else 1)
        return samples


def _coded_number(header: bytes, at: int) -> tuple[int, int]:
    """Return the number that is coded as UTF-8 codes letters, and the position behind it."""
    first = header[at]
    more = 0
    while more < 7 and first << more & 0x80:
        more += 1
    more = max(0, more - 1)
    number = first & (0x7F if not more else 0x3F >> more)
    for byte in header[at + 1 : at + 1 + more]:
        number = number << 6 | byte & 0x3F
    return number, at + 1 + more


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc
