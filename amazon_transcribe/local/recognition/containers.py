"""Parsers of FLAC and Ogg, for streams.

FFmpeg's own parsers pull from a file, and hold back ten frames of FLAC, which is seconds
of speech. These return each packet as soon as its end has come, and check its checksum. Written
from RFC 9639 (FLAC), RFC 3533 (Ogg) and RFC 7845 (Opus in Ogg).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ..._protocol.constraints import SAMPLE_RATE

__all__ = ["FlacFrames", "Header", "Malformed", "OggPackets"]


class Malformed(Exception):
    """The bytes are not a container of this kind."""


@dataclass(frozen=True)
class Header:
    """What a container says about its audio.

    :param sample_rate: In hertz.
    :param channels: 1 or 2.
    :param setup: What the decoder needs before the first packet.
    """

    sample_rate: int
    channels: int
    setup: bytes

    def __post_init__(self) -> None:
        if self.channels not in (1, 2):
            raise Malformed(f"{self.channels} channels; there must be one or two")
        if problem := SAMPLE_RATE.violation(self.sample_rate):
            raise Malformed(f"the sample rate {problem}")


_MAX_METADATA = 4 * 1024 * 1024  # a picture, for example
_STREAMINFO, _LAST_BLOCK = 0, 0x80


class FlacFrames:
    """The frames of a FLAC stream.

    A frame does not give its length: it ends where the next one begins and its checksum is
    right.
    """

    header: Header

    def __init__(self) -> None:
        self._data = bytearray()
        self._in_metadata = True
        self._opening = b""  # of every frame: the sync code
        self._summed = 0  # bytes of the open frame that are in the checksum
        self._crc = 0
        self._limit = 0  # bytes of the longest frame

    def accept(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield the frames that they complete."""
        self._data += data
        if self._in_metadata and not self._read_metadata():
            return
        while (frame := self._next_frame()) is not None:
            yield frame

    def finish(self) -> Iterator[bytes]:
        """Take the end of the bytes and yield the last frame, if it is whole."""
        if self._in_metadata:
            raise Malformed("FLAC's header is missing or unfinished")
        if self._data and self._sum_up(len(self._data)) == 0:
            yield bytes(self._data)
            self._data.clear()

    def _read_metadata(self) -> bool:
        """Read the header block by block, and tell whether it is complete."""
        data = self._data
        if not b"fLaC".startswith(data[:4]):
            raise Malformed("not FLAC: it does not begin with fLaC")
        at, last = 4, False
        while not last:
            if len(data) < at + 4:
                return False
            kind, size = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
            last = bool(kind & _LAST_BLOCK)
            if at == 4 and (kind & ~_LAST_BLOCK, size) != (_STREAMINFO, 34):
                raise Malformed("FLAC's header does not begin with STREAMINFO")
            at += 4 + size
            if at > _MAX_METADATA:
                raise Malformed("FLAC's header is too long")
        if len(data) < at:
            return False
        self._read_stream_info(bytes(data[8:42]))
        del data[:at]
        self._in_metadata = False
        return True

    def _read_stream_info(self, info: bytes) -> None:
        # 20 bits of rate, 3 of channels, 5 of bits per sample, one less than there are
        packed = int.from_bytes(info[10:14], "big")
        channels, bits = (packed >> 9 & 7) + 1, (packed >> 4 & 31) + 1
        self.header = Header(packed >> 12, channels, info)
        samples = int.from_bytes(info[2:4], "big") or 65_535  # in the longest frame
        self._limit = samples * channels * (bits + 1) // 8 + 256

    def _next_frame(self) -> bytes | None:
        data = self._data
        if not self._opening and len(data) >= 2:
            self._opening = bytes(data[:2])
            if self._opening not in (b"\xff\xf8", b"\xff\xf9"):
                raise Malformed("no FLAC frame where one must begin")
        if not self._opening:
            return None
        at = max(2, self._summed)
        while (at := data.find(self._opening, at)) != -1:
            if self._sum_up(at) == 0:
                frame = bytes(data[:at])
                del data[:at]
                self._summed = self._crc = 0
                return frame
            at += 1
        # The sync code itself may be cut in two.
        self._sum_up(max(self._summed, len(data) - 1))
        if self._summed > self._limit:
            raise Malformed("a FLAC frame is damaged")
        return None

    def _sum_up(self, until: int) -> int:
        """Return the checksum over the open frame up to a position: 0 behind a whole frame."""
        crc, table = self._crc, _CRC16
        for byte in self._data[self._summed : until]:
            crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
        self._crc, self._summed = crc, until
        return crc


def _crc16(byte: int) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = (crc << 1) ^ (0x8005 if crc & 0x8000 else 0)
    return crc & 0xFFFF


_CRC16 = [_crc16(byte) for byte in range(256)]

_PAGE_HEADER = 27
_CONTINUED, _FIRST = 1, 2
_MAX_PACKET = 64 * 1024  # Opus: 61,298 bytes, RFC 7845, section 6; and comments before


class OggPackets:
    """The Opus packets of an Ogg stream."""

    header: Header

    def __init__(self) -> None:
        self._data = bytearray()
        self._serial = b""
        self._packet = bytearray()  # so far
        self._count = 0

    def accept(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield the packets that they complete."""
        self._data += data
        while (page := self._next_page()) is not None:
            for packet in self._packets(page):
                self._count += 1
                if self._count == 1:
                    self._read_head(packet)
                elif self._count > 2:  # the second has comments
                    yield packet

    def finish(self) -> Iterator[bytes]:
        """Take the end of the bytes and yield nothing: an unfinished packet is dropped."""
        if not self._count:
            raise Malformed("Ogg's first page is missing or unfinished")
        yield from ()

    def _next_page(self) -> bytes | None:
        data = self._data
        if not b"OggS\0".startswith(data[:5]):
            raise Malformed("no Ogg page where one must begin")
        if len(data) < _PAGE_HEADER or len(data) < _PAGE_HEADER + data[26]:
            return None
        size = _PAGE_HEADER + data[26] + sum(data[_PAGE_HEADER : _PAGE_HEADER + data[26]])
        if len(data) < size:
            return None
        page = bytes(data[:size])
        del data[:size]
        if _ogg_crc(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            raise Malformed("an Ogg page is damaged")
        if page[5] & _FIRST:
            if self._serial:
                raise Malformed("more than one stream in Ogg")
            self._serial = page[14:18]
        elif page[14:18] != self._serial:
            raise Malformed("an Ogg page of another stream")
        return page

    def _packets(self, page: bytes) -> Iterator[bytes]:
        if not page[5] & _CONTINUED:
            self._packet.clear()
        at = _PAGE_HEADER + page[26]
        for length in page[_PAGE_HEADER:at]:
            if len(self._packet) <= _MAX_PACKET:  # long comments are not kept
                self._packet += page[at : at + length]
            elif self._count != 1:
                raise Malformed("an Opus packet is too long")
            at += length
            if length < 255:
                packet = bytes(self._packet)
                self._packet.clear()
                yield packet

    def _read_head(self, packet: bytes) -> None:
        if not packet.startswith(b"OpusHead") or len(packet) < 19:
            raise Malformed("not Opus in Ogg: it does not begin with OpusHead")
        self.header = Header(48_000, packet[9], packet)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_crc(data: bytes) -> int:
    """Return the CRC-32 with reversed bits and without the inversions."""
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")
