"""The speakers of one stream, told apart by their voices and numbered as they first speak.

segment -> who speaks when -> runs of one voice -> parts of one voice -> known speakers

The segmentation model says when each of up to three voices speaks, in windows of 10 s. It
hears pauses and most changes. A voice that goes on is listened to piece by piece, and where
one piece sounds unlike the next the run is cut into parts. The known speaker whose voice is
most like a part has said it; where it is like nobody's, it is a new speaker's.

The labels of a segment depend on its audio and on the segments before it, on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from .fbank import FRAME_STEP, mel_energies
from .resample import SAMPLE_RATE, Samples
from .results import Word
from .speaker_models import VOICES, WINDOW, SpeakerModels

__all__ = ["MAX_SPEAKERS", "Speakers"]

MAX_SPEAKERS = 10
"""No stream has more; whoever comes after is taken for the most similar one."""

# Cosines: two parts of 2 s are about 0.6 if one speaker says them, 0.05 if two do.
_ALIKE = 0.35  # at least, of a known speaker's part
_UNLIKE = 0.3  # at most, of the pieces before and behind a change

# Frames of 10 ms.
_FRAMES_PER_SECOND = SAMPLE_RATE // FRAME_STEP
_PIECE = 100
_HOP = 25
_NEW = 100  # of a voice that may be a new speaker's
_FEWEST = 20  # less says nothing

_Frames = npt.NDArray[np.intp]
_Activity = npt.NDArray[np.bool_]
_Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Part:
    """What one voice says.

    :param frames: The segment's frames in which it speaks.
    :param voice: What it is like, a vector of length 1.
    """

    frames: _Frames
    voice: _Vector


class Speakers:
    """The speakers of one stream.

    :param models: What hears them.
    """

    def __init__(self, models: SpeakerModels) -> None:
        self._models = models
        self._known: list[_Vector] = []  # of each speaker the sum of what was heard
        self._latest = 0  # who spoke last

    def label(self, samples: Samples, readings: Sequence[list[Word]]) -> list[list[Word]]:
        """Return the readings of the stream's next segment with their speakers.

        :param samples: The segment's audio at 16 kHz.
        :param readings: The words of each reading; times from the segment's beginning.
        """
        energies = mel_energies(samples)
        said: dict[int, _Activity] = {}  # frames of each speaker
        # Long parts first: they make speakers known, and short ones are hard to recognise.
        for part in sorted(self._parts(samples, energies), key=lambda p: len(p.frames) < _NEW):
            frames = said.setdefault(self._recognise(part), np.zeros(len(energies), np.bool_))
            frames[part.frames] = True
        first = min(said, key=lambda who: int(np.argmax(said[who])), default=self._latest)
        labelled = [_label(words, said, first) for words in readings]
        self._latest = int(labelled[0][-1].speaker or 0)
        return labelled

    def _parts(self, samples: Samples, energies: _Vector) -> list[_Part]:
        """Return the parts of a segment, in the order in which they begin."""
        runs = [run for run in _runs(self._activity(samples, len(energies))) if len(run) >= _FEWEST]
        if not runs:
            return []
        pieces = [(run, piece) for run in runs for piece in _pieces(run)]
        masks = np.zeros((len(pieces), len(energies)), np.bool_)
        for mask, (_, piece) in zip(masks, pieces, strict=True):
            mask[piece] = True
        voices = iter(self._models.voices(energies, masks))
        return [
            part
            for run in runs
            for part in _cut(run, [_Part(piece, next(voices)) for piece in _pieces(run)])
        ]

    def _activity(self, samples: Samples, length: int) -> _Activity:
        """Return when voices speak: a row for each frame, three columns for each window.

        Windows overlap, and each tells of the part of the segment that lies about its middle.
        """
        count = max(1, -(-len(samples) // WINDOW))
        activity = np.zeros((length, count * VOICES), np.bool_)
        for number in range(count):
            start = (len(samples) - WINDOW) * number // max(1, count - 1) if number else 0
            steps = self._models.activity(samples[start : start + WINDOW])
            own = np.arange(length * number // count, length * (number + 1) // count)
            at = (own * FRAME_STEP + FRAME_STEP // 2 - start) * len(steps) // WINDOW
            columns = slice(number * VOICES, (number + 1) * VOICES)
            activity[own, columns] = steps[np.clip(at, 0, len(steps) - 1)]
        return activity

    def _recognise(self, part: _Part) -> int:
        """Return whose part it is, and remember the voice."""
        alike = [float(part.voice @ known / np.linalg.norm(known)) for known in self._known]
        speaker = int(np.argmax(alike)) if alike else 0
        certain = len(part.frames) >= _NEW
        if not alike or (certain and alike[speaker] < _ALIKE and len(alike) < MAX_SPEAKERS):
            self._known.append(len(part.frames) * part.voice)
            return len(self._known) - 1
        if certain and alike[speaker] >= _ALIKE:
            self._known[speaker] = self._known[speaker] + len(part.frames) * part.voice
        return speaker


def _runs(activity: _Activity) -> list[_Frames]:
    """Return the frames of each voice from pause to pause, without those where others speak.

    Where others speak all the while, the frames are those of them together.
    """
    alone = activity.sum(axis=1) == 1
    runs = []
    for speaks in activity.T:
        borders = np.flatnonzero(np.diff(speaks, prepend=False, append=False))
        for begin, end in borders.reshape(-1, 2):
            frames = np.arange(begin, end)
            runs.append(own if len(own := frames[alone[begin:end]]) >= _FEWEST else frames)
    return sorted(runs, key=lambda run: int(run[0]))


def _pieces(run: _Frames) -> Iterator[_Frames]:
    """Yield overlapping pieces of a run, or the whole of a short one."""
    for begin in range(0, max(1, len(run) - _PIECE + 1), _HOP):
        yield run[begin : begin + _PIECE]


def _cut(run: _Frames, pieces: Sequence[_Part]) -> Iterator[_Part]:
    """Yield the parts of a run: it is cut where a piece is least like the one that follows it."""
    step = _PIECE // _HOP
    alike = [float(a.voice @ b.voice) for a, b in zip(pieces, pieces[step:], strict=False)]
    if alike and min(alike) < _UNLIKE:
        change = int(np.argmin(alike))
        border = change * _HOP + _PIECE
        yield from _cut(run[:border], pieces[: change + 1])
        yield from _cut(run[border:], pieces[change + step :])
    else:
        voice = np.sum([piece.voice for piece in pieces], axis=0)
        yield _Part(run, voice / np.linalg.norm(voice))


def _label(words: list[Word], said: dict[int, _Activity], latest: int) -> list[Word]:
    """Label words by who speaks most while they are said, else as the word before."""
    labelled = []
    for word in words:
        begin = int(word.start * _FRAMES_PER_SECOND)
        during = slice(begin, max(begin + 1, int(word.end * _FRAMES_PER_SECOND)))
        shares = {who: int(frames[during].sum()) for who, frames in said.items()}
        most = max(shares.values(), default=0)
        if most and shares.get(latest) != most:
            latest = min(who for who, share in shares.items() if share == most)
        labelled.append(replace(word, speaker=str(latest)))
    return labelled
