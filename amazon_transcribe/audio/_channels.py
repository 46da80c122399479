"""Channels of 16-bit little-endian PCM: mixed, picked, joined."""

from __future__ import annotations

import sys
from array import array

from ._audio import Channels
from ._source import AudioFileException

_SWAP = sys.byteorder == "big"


def output_channels(name: str, count: int, channels: Channels) -> int:
    """Return how many channels come out of a recording that has so many.

    :raises AudioFileException: If it has not those that are wanted.
    """
    has = f"{name} has {count} channel{'s' * (count != 1)}"
    if channels == "mix":
        return 1
    if channels == "split":
        if count != 2:
            advice = "pick one by its number, or mix them"
            if count == 1:
                advice = "it needs no splitting (the two sides of a call may be two recordings)"
            raise AudioFileException(f"{has}, and 'split' takes two: {advice}")
        return 2
    if channels >= count:
        raise AudioFileException(f"{has}, counted from 0: there is no channel {channels}")
    return 1


def select(data: bytes, count: int, channels: Channels) -> bytes:
    """Return what `channels` asks for of audio with so many channels."""
    if count == 1 or channels == "split":
        return data
    samples = _samples(data)
    if channels == "mix":
        parts = [samples[n::count] for n in range(count)]
        return _bytes(array("h", [sum(instant) // count for instant in zip(*parts, strict=True)]))
    return _bytes(samples[channels::count])


def interleave(left: bytes, right: bytes) -> bytes:
    """Return two channels as one; the shorter one is silent at its end."""
    samples = array("h", bytes(2 * max(len(left), len(right))))
    for n, data in enumerate((left, right)):
        channel = array("h", data)
        samples[n : 2 * len(channel) : 2] = channel
    return samples.tobytes()


def _samples(data: bytes) -> array[int]:
    samples = array("h", data)
    if _SWAP:
        samples.byteswap()
    return samples


def _bytes(samples: array[int]) -> bytes:
    if _SWAP:
        samples.byteswap()
    return samples.tobytes()
