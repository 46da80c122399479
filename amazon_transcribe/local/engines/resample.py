"""Streaming sample-rate conversion to 16 kHz, the rate that every recogniser here works at.

A polyphase FIR filter: output sample `n` lies at the input position `n * M / L`
(`L / M` is the ratio of the rates in lowest terms) and is the scalar product of the
input around it with one of `L` phases of a Kaiser-windowed sinc. Each output sample
depends on its input neighbourhood alone, so the borders of chunks cannot be heard.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ..._protocol import constraints

__all__ = ["SAMPLE_RATE", "Resampler", "Samples"]

SAMPLE_RATE = 16_000
"""The rate, in hertz, of what a `Resampler` returns."""

Samples = npt.NDArray[np.int16]
"""Mono 16-bit samples."""

_HALF_WIDTH = 32  # of the filter, in samples of the lower of the two rates
_CUTOFF = 0.46  # of the lower rate: the stop band begins at that rate's Nyquist frequency
_BLOCK = 16_384  # input samples at a time: the work space is 64 times as large
_KAISER_BETA = 8.0  # about 80 dB of stop-band attenuation


class Resampler:
    """A converter of one stream of samples to 16 kHz.

    The output is aligned with the input (no delay in time), but comes late by the
    filter's half width, 2 to 4 ms; `finish` returns the rest.

    :param sample_rate: The rate of the input in hertz, 8,000 to 48,000, any integer.
    """

    def __init__(self, sample_rate: int) -> None:
        if problem := constraints.SAMPLE_RATE.violation(sample_rate):
            raise ValueError(f"the sample rate {problem}")
        divisor = math.gcd(sample_rate, SAMPLE_RATE)
        self._up = SAMPLE_RATE // divisor
        self._down = sample_rate // divisor
        self._passthrough = self._up == self._down
        self._rate = sample_rate
        self._half = _half_width(sample_rate)
        self._kept = np.zeros(self._half - 1, np.float32)
        self._kept_from = 1 - self._half  # the input position of `_kept[0]`
        self._given = 0
        self._received = 0

    def accept(self, samples: Samples) -> Samples:
        """Take the next samples and return those of the output that are complete."""
        if self._passthrough:
            return samples
        blocks = []
        for at in range(0, len(samples), _BLOCK):
            block = samples[at : at + _BLOCK]
            self._received += len(block)
            # Output n needs input up to floor(n * M / L) + half.
            ready = max(self._given, -(-(self._received - self._half) * self._up // self._down))
            blocks.append(self._convert(block.astype(np.float32), ready))
        return np.concatenate(blocks) if blocks else samples

    def finish(self) -> Samples:
        """Return what is left, as if silence followed."""
        if self._passthrough:
            return np.zeros(0, np.int16)
        total = -(-self._received * self._up // self._down)
        return self._convert(np.zeros(self._half + 1, np.float32), total)

    @cached_property
    def _phases(self) -> npt.NDArray[np.float32]:
        return _phases(self._rate)  # at the first audio, as it may take half a second

    def _convert(self, samples: npt.NDArray[np.float32], until: int) -> Samples:
        kept = np.concatenate((self._kept, samples))
        positions = np.arange(self._given, until, dtype=np.int64) * self._down
        first = positions // self._up - (self._half - 1)  # of the inputs each output needs
        taps = self._phases.shape[1]
        if len(positions):
            windows = np.lib.stride_tricks.sliding_window_view(kept, taps)
            output = np.einsum(
                "ij,ij->i", windows[first - self._kept_from], self._phases[positions % self._up]
            )
        else:
            output = np.zeros(0, np.float32)
        self._given = until
        needed_from = until * self._down // self._up - (self._half - 1)
        self._kept = kept[needed_from - self._kept_from :]
        self._kept_from = needed_from
        samples_out: Samples = np.clip(np.rint(output), -32768, 32767).astype(np.int16)
        return samples_out


def _half_width(sample_rate: int) -> int:
    """Return the filter's reach to either side, in samples of the input."""
    return math.ceil(_HALF_WIDTH * max(1.0, sample_rate / SAMPLE_RATE))


@lru_cache(maxsize=8)
def _phases(sample_rate: int) -> npt.NDArray[np.float32]:
    """Return the filter, one row per phase: `row[k]` weighs the input `k - (half - 1)` further on.

    The largest, for a rate with no common divisor, has 16,000 rows and 12 MB.
    """
    up = SAMPLE_RATE // math.gcd(sample_rate, SAMPLE_RATE)
    scale = min(1.0, SAMPLE_RATE / sample_rate)  # the lower rate, in units of the input's
    half = _half_width(sample_rate)
    offsets = np.arange(1 - half, half + 1)[None, :] - (np.arange(up) / up)[:, None]
    cutoff = 2 * _CUTOFF * scale
    grid = np.linspace(0, 1, 4097)  # i0 is slow: interpolate it
    window = np.interp(np.abs(offsets) / half, grid, np.i0(_KAISER_BETA * np.sqrt(1 - grid**2)))
    weights = np.sinc(cutoff * offsets) * window
    weights /= weights.sum(axis=1, keepdims=True)  # every phase passes a constant unchanged
    return weights.astype(np.float32)
