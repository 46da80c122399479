"""The networks that tell speakers apart: who speaks when, and what a voice is like.

The library of the `moonshine-voice` wheel carries both, in onnxruntime's own format:
pyannote's segmentation and WeSpeaker's voice embedding, of the `speaker-diarization-community-1`
pipeline (CC-BY-4.0, see NOTICE). They are looked for by their format's mark and known by their
hashes, so that every platform's library will do and another version's models are not taken.
"""

from __future__ import annotations

import hashlib
import importlib.util
from contextlib import suppress
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .resample import SAMPLE_RATE, Samples

__all__ = ["VOICES", "WINDOW", "SpeakerModels", "find_speaker_models", "read_speaker_models"]

WINDOW = 10 * SAMPLE_RATE
"""Samples that are looked at together for who speaks when."""

VOICES = 3
"""How many voices are told apart in a window."""

_Array = npt.NDArray[np.float32]

_LIBRARIES = ("libmoonshine.so", "libmoonshine.dylib", "moonshine.dll")
_MARK, _MARK_AT = b"ORTM", 4  # of a model, and where in it


class _Known(NamedTuple):
    size: int
    sha256: str


_SEGMENTATION = _Known(
    1_594_080, "9715e3996ef181252aa1cc0c9398060f42b2c984c2fb65e3604262555e2efb1a"
)
_EMBEDDING = _Known(6_975_920, "6e4af7d49562e6e7042672e444d6394935cb2c23c3a7dd4919da45922b91735b")


class SpeakerModels:
    """The two networks; safe to use from several threads.

    :param segmentation: The model of who speaks when.
    :param embedding: The model of what a voice is like.
    :raises ImportError: onnxruntime is not installed.
    """

    def __init__(self, segmentation: bytes, embedding: bytes) -> None:
        import onnxruntime  # not every engine needs it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._segmentation: Any  # a run gives arrays here, which onnxruntime does not promise
        self._embedding: Any
        self._segmentation, self._embedding = (
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for model in (segmentation, embedding)
        )

    def activity(self, samples: Samples) -> npt.NDArray[np.bool_]:
        """Return which voices speak when: a row for each of the window's time steps.

        A voice is a column for this call only; the next one has other columns.

        :param samples: Up to `WINDOW` samples at 16 kHz. The rows are those of a whole window.
        """
        wave = np.zeros((1, 1, WINDOW), np.float32)
        wave[0, 0, : len(samples)] = samples
        (activity,) = self._segmentation.run(None, {"waveforms": wave / np.float32(32768)})
        speaking: npt.NDArray[np.bool_] = activity[0] > 0.5
        return speaking

    def voices(self, energies: _Array, parts: npt.NDArray[np.bool_]) -> _Array:
        """Return what the voice of each part is like: a direction, a vector of length 1.

        :param energies: The frames of a segment, as `fbank.mel_energies` returns them.
        :param parts: A row for each part: which of the frames belong to it, one at least. Few
            parts or many take the same time, in proportion to the frames.
        """
        heard = energies[parts.any(axis=0)]
        features = (energies - heard.mean(axis=0))[None]
        (vectors,) = self._embedding.run(
            None, {"fbank": features, "weights": parts.astype(np.float32)}
        )
        directions: _Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return directions


@cache
def find_speaker_models() -> SpeakerModels | None:
    """Return the networks, loaded once for the process; None where they are not installed."""
    spec = importlib.util.find_spec("moonshine_voice")  # found without being imported
    if spec is None or spec.origin is None:
        return None
    for name in _LIBRARIES:
        library = Path(spec.origin).with_name(name)
        if library.is_file():
            with suppress(ImportError):
                return read_speaker_models(library)
    return None


def read_speaker_models(library: Path) -> SpeakerModels | None:
    """Return the networks that are somewhere in a file; None unless it has both.

    :raises ImportError: onnxruntime is not installed.
    """
    with library.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        segmentation, embedding = _find(data, _SEGMENTATION), _find(data, _EMBEDDING)
    if segmentation is None or embedding is None:
        return None
    return SpeakerModels(segmentation, embedding)


def _find(data: mmap, known: _Known) -> bytes | None:
    """Return the model of this hash."""
    at = data.find(_MARK)
    while at >= 0:
        model = data[at - _MARK_AT : at - _MARK_AT + known.size]
        if hashlib.sha256(model).hexdigest() == known.sha256:
            return model
        at = data.find(_MARK, at + 1)
    return None
