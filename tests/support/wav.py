"""WAV files, built chunk by chunk."""

from __future__ import annotations

import struct


def chunk(name: bytes, body: bytes, length: int | None = None, padding: bytes = b"\0") -> bytes:
    size = len(body) if length is None else length
    return name + struct.pack("<I", size) + body + padding * (len(body) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    width = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * width & 0xFFFFFFFF, width, bits)


def riff(*chunks: bytes, length: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def wav(pcm: bytes, **format_fields: int) -> bytes:
    return riff(chunk(b"fmt ", fmt(**format_fields)), chunk(b"data", pcm))
