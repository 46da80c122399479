"""G.711, the telephone's encoding: one byte for each sample."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping


def expand(data: bytes, media_encoding: str) -> bytes:
    """Return G.711 audio as 16-bit little-endian PCM.

    :param data: One byte for each sample.
    :param media_encoding: `"g711-alaw"` or `"g711-ulaw"`.
    """
    low, high = _TABLES[media_encoding]
    samples = bytearray(2 * len(data))
    samples[0::2] = data.translate(low)
    samples[1::2] = data.translate(high)
    return bytes(samples)


def quiet_bytes(media_encoding: str, limit: int) -> bytes:
    """Return the bytes of all samples that are quiet.

    :param media_encoding: `"g711-alaw"` or `"g711-ulaw"`.
    :param limit: The largest of them, of 16 bits.
    """
    samples = array("h", expand(bytes(range(256)), media_encoding))
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes(code for code, sample in enumerate(samples) if abs(sample) <= limit)


def _a_law(code: int) -> int:
    """Return the sample of ITU-T G.711, table 1: every other bit inverted, segments of 16 steps."""
    code ^= 0x55
    segment, step = (code >> 4) & 7, code & 15
    low = (step << 4) + 8
    size = (low + 0x100) << (segment - 1) if segment else low
    return size if code & 0x80 else -size


def _mu_law(code: int) -> int:
    """Return the sample of ITU-T G.711, table 2: all bits inverted, a bias of 33 (132 of 16)."""
    code ^= 0xFF
    segment, step = (code >> 4) & 7, code & 15
    size = (((step << 3) + 132) << segment) - 132
    return -size if code & 0x80 else size


def _tables(samples: list[int]) -> tuple[bytes, bytes]:
    return bytes(s & 0xFF for s in samples), bytes(s >> 8 & 0xFF for s in samples)


# For each encoding the low bytes of all 256 samples, and the high ones.
_TABLES: Mapping[str, tuple[bytes, bytes]] = {
    "g711-alaw": _tables([_a_law(code) for code in range(256)]),
    "g711-ulaw": _tables([_mu_law(code) for code in range(256)]),
}
