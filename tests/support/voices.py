"""A voice beside the reader of `examples/audio`."""

from __future__ import annotations

import importlib.util
import wave
from pathlib import Path

import numpy as np

from amazon_transcribe.local.engines.resample import Resampler, Samples


def narrator() -> Samples:
    """10 s of the recording of another voice that comes with the recogniser."""
    spec = importlib.util.find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    with wave.open(str(Path(spec.origin).with_name("assets") / "two_cities.wav")) as file:
        resampler = Resampler(file.getframerate())
        pcm = file.readframes(10 * file.getframerate())
    return np.concatenate([resampler.accept(np.frombuffer(pcm, "<i2")), resampler.finish()])
