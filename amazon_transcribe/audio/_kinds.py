"""What a recording is, by its first bytes.

Raw PCM can begin with any bytes. So a kind is known by 32 bits or more that must be right, or
by a run of bytes that no sound makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HEAD = 4096
"""So many bytes tell the kind."""

_MEDIA = (
    (rb"fLaC[\x00\x80]\0\0\x22", "FLAC"),
    (rb"OggS\0", "Ogg"),
    (rb"\x1aE\xdf\xa3", "Matroska or WebM"),
    (rb"....(?:ftyp|moov|mdat|wide)", "MP4"),
    (rb"ID3[\x02-\x04][\0-\x04].[\0-\x7f]{4}", "MP3"),
    (rb"FORM....AIF[FC]", "AIFF"),
    (rb"RIFF....WAVE", "WAV"),
    (rb"RIFX....WAVE", "big-endian WAV"),
    (rb"RF64....WAVE", "RF64"),
    (rb"riff\x2e\x91\xcf\x11", "Wave64"),
    (rb"RIFF....AVI ", "AVI"),
    (rb"caff\0\x01", "CAF"),
    (rb"\.snd\0", "AU"),
    (rb"#!AMR", "AMR"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA or WMV"),
    (rb"FLV\x01[\0-\x05]\0\0\0\x09", "FLV"),
    (rb"wvpk", "WavPack"),
    (rb"MAC .\x0f", "Monkey's Audio"),
    (rb"TTA1", "True Audio"),
    (rb"\0\0\x01\xba[\x21\x44-\x47]", "MPEG video"),
)
_OTHERS = (
    (rb"%PDF-", "a PDF document"),
    (rb"PK(?:\x03\x04|\x05\x06)", "a ZIP archive or a document in one"),
    (rb"\x1f\x8b\x08[\0-\x1f]....[\0\x02\x04]", "compressed by gzip"),
    (rb"BZh[1-9]1AY&SY", "compressed by bzip2"),
    (rb"\xfd7zXZ\0", "compressed by xz"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (rb"Rar!\x1a\x07", "a RAR archive"),
    (rb"\x89PNG\r\n\x1a\n", "a PNG image"),
    (rb"GIF8[79]a", "a GIF image"),
    (rb"\xff\xd8\xff(?:\xdb|[\xe0-\xef]..(?:JFIF|Exif))", "a JPEG image"),
    (rb"RIFF....WEBP", "a WebP image"),
    (rb"(?:II\*\0\x08\0\0\0|MM\0\*\0\0\0\x08)", "a TIFF image"),
    (rb"BM....\0\0\0\0....[\x28\x6c\x7c]\0\0\0", "a BMP image"),
    (rb"\x7fELF", "a program"),
    (rb"SQLite format 3\0", "a database"),
)

_FRAMES = 3  # of an encoding without a header, one after the other, are no accident
_TS_PACKET, _TS_PACKETS = 188, 5
_MP3_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG-1, layer III
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG-2
)
_MP3_RATES = (44_100, 48_000, 32_000)

# Text has no control characters but these; sound has, for it passes through zero.
_CONTROLS = re.compile(rb"[^\t\n\f\r\x1b\x20-\x7e\x80-\xff]")
_MIN_TEXT = 16
_MIN_CHARACTERS = 8
_ASCII_SHARE = 0.85


def media_kind(head: bytes) -> str | None:
    """Return the name of the recording that these bytes begin, if they begin one."""
    if name := _named(head, _MEDIA):
        return name
    if _has_frames(head, _mp3_frame):
        return "MP3"
    if _has_frames(head, _adts_frame):
        return "AAC"
    packets = [head[n * _TS_PACKET :][:_TS_PACKET] for n in range(_TS_PACKETS)]
    # A tone may repeat itself; these packets do not.
    if all(packet[:1] == b"\x47" for packet in packets) and len(set(packets)) > 1:
        return "MPEG-TS"
    return None


def other_kind(head: bytes) -> str | None:
    """Return what these bytes begin if that is certainly no audio."""
    return _named(head, _OTHERS) or ("text" if _is_text(head) else None)


def may_be_known_later(head: bytes) -> bool:
    """Tell whether more bytes, up to `HEAD`, may show that these begin no raw audio."""
    return len(head) < HEAD and (head[:1] in b"\xff\x47" or not _CONTROLS.search(head))


def _named(head: bytes, kinds: tuple[tuple[bytes, str], ...]) -> str | None:
    for pattern, name in kinds:
        if re.match(pattern, head, re.DOTALL):
            return name
    return None


def _is_text(head: bytes) -> bool:
    if len(head) < _MIN_TEXT or len(set(head)) < _MIN_CHARACTERS or _CONTROLS.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not a letter that is cut in two
            return sum(byte < 0x80 for byte in head) >= _ASCII_SHARE * len(head)
    return True


def _has_frames(head: bytes, length_of: Callable[[bytes], int]) -> bool:
    at = 0
    for _ in range(_FRAMES):
        length = length_of(head[at : at + 6])
        if not length:
            return False
        at += length
    return True


def _mp3_frame(header: bytes) -> int:
    """Return the length of the frame of MPEG audio, layer III, with this header; 0 if none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, kbits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or kbits in (0, 15) or rate == 3:
        return 0
    first = version == 3
    hertz = _MP3_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits_of_frame = (144 if first else 72) * 1000 * _MP3_KBITS[not first][kbits]
    return bits_of_frame // hertz + (header[2] >> 1 & 1)


def _adts_frame(header: bytes) -> int:
    """Return the length of the ADTS frame with this header; 0 if it is none."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 15 > 12:  # the sample rate
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0
