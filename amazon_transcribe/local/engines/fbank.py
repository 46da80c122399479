"""Logarithmic mel energies, as Kaldi defines them: what speaker models hear.

A frame of 25 ms every 10 ms: its mean is taken off, high tones are raised, a Hamming window
is laid over it, and 80 triangles, even on the mel scale from 20 Hz to 8 kHz, weigh its power
spectrum. Models are trained on just these numbers, so little here is free to choose.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from .resample import SAMPLE_RATE, Samples

__all__ = ["FRAME_STEP", "mel_energies"]

FRAME_STEP = 160
"""Samples from one frame to the next: 10 ms."""

_FRAME = 400  # samples: 25 ms
_TRANSFORM = 512
_BANDS = 80
_LOWEST, _HIGHEST = 20.0, SAMPLE_RATE / 2  # hertz
_PREEMPHASIS = 0.97
_FLOOR = 1.0  # less than the noise of 16 bits; digital silence would be far from any sound

_Array = npt.NDArray[np.float32]


def mel_energies(samples: Samples) -> _Array:
    """Return the energies of the whole frames of some audio, a row for each.

    :param samples: At 16 kHz; less than 25 ms have no frame.
    """
    if len(samples) < _FRAME:
        return np.zeros((0, _BANDS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::FRAME_STEP]
    frames = windows.astype(np.float32)
    frames -= frames.mean(axis=1, keepdims=True)
    before = np.concatenate((frames[:, :1], frames[:, :-1]), axis=1)
    frames = (frames - np.float32(_PREEMPHASIS) * before) * np.hamming(_FRAME).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, _TRANSFORM))).astype(np.float32)
    energies: _Array = np.log(np.maximum(power @ _bands(), np.float32(_FLOOR)))
    return energies


@cache
def _bands() -> _Array:
    """Return the triangles: a column of weights for each, over the spectrum's frequencies."""
    frequencies = np.arange(_TRANSFORM // 2 + 1) * SAMPLE_RATE / _TRANSFORM
    corners = np.linspace(_mel(_LOWEST), _mel(_HIGHEST), _BANDS + 2)
    at = _mel(frequencies)[:, None]
    rising = (at - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - at) / (corners[2:] - corners[1:-1])
    weights: _Array = np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
    return weights


def _mel(frequency: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)
