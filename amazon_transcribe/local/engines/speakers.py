"""The speakers of one stream, told apart by their voices and numbered as they first speak.

A segment is looked at in windows of 10 s, in which the segmentation model says when each of
up to three voices speaks, with pauses between them or without. What a voice says alone gives
a direction, and the known speaker whose voice points most nearly there has said it; where all
of them point elsewhere, it is a new speaker.

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

_ALIKE = 0.35  # cosine; pieces of 2 s by one speaker have 0.6, by two 0.05, at most 0.3
_NEW_FRAMES = 80  # 0.8 s of a voice alone make a speaker known
_FEWEST_FRAMES = 20  # less says nothing
_MOST_FRAMES = 400  # 4 s; more says no more, and costs 0.06 s a second
_FRAMES_PER_SECOND = SAMPLE_RATE // FRAME_STEP

_Activity = npt.NDArray[np.bool_]
_Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Voice:
    """What one voice says in a window.

    :param speaking: For each frame of the segment, whether it does.
    :param frames: How many frames the direction is from.
    :param direction: What it is like, a vector of length 1.
    """

    speaking: _Activity
    frames: int
    direction: _Vector


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
        voices = list(self._hear(samples))
        speaking: dict[int, _Activity] = {}
        # Those that can be recognised with certainty first, in the order in which they speak.
        for voice in sorted(voices, key=lambda v: (v.frames < _NEW_FRAMES, np.argmax(v.speaking))):
            speaker = self._recognise(voice)
            speaking[speaker] = voice.speaking | speaking.get(speaker, False)
        first = min(speaking, key=lambda who: int(np.argmax(speaking[who])), default=self._latest)
        labelled = [self._label(words, speaking, first) for words in readings]
        if readings and labelled[0]:
            self._latest = int(labelled[0][-1].speaker or 0)
        return labelled

    def _hear(self, samples: Samples) -> Iterator[_Voice]:
        """Yield the voices of a segment; one that speaks in two windows comes twice."""
        energies = mel_energies(samples)
        length = len(energies)
        count = max(1, -(-len(samples) // WINDOW))
        # Windows overlap, and each has the part of the segment that lies about its middle.
        for number in range(count):
            start = (len(samples) - WINDOW) * number // max(1, count - 1) if number else 0
            activity = self._models.activity(samples[start : start + WINDOW])
            own = np.arange(length * number // count, length * (number + 1) // count)
            rows = (own * FRAME_STEP - start) * len(activity) // WINDOW
            activity = activity[np.clip(rows, 0, len(activity) - 1)]
            alone = activity.sum(axis=1) == 1
            for column in range(VOICES):
                speaks = activity[:, column]
                chosen = own[speaks & alone]
                if len(chosen) < _FEWEST_FRAMES:
                    chosen = own[speaks]
                if len(chosen) >= _FEWEST_FRAMES:
                    speaking = np.zeros(length, np.bool_)
                    speaking[own[speaks]] = True
                    chosen = chosen[:_MOST_FRAMES]
                    yield _Voice(speaking, len(chosen), self._models.voice(energies[chosen]))

    def _recognise(self, voice: _Voice) -> int:
        """Return whose voice it is, and remember it."""
        alike = [
            float(voice.direction @ known) / float(np.linalg.norm(known)) for known in self._known
        ]
        speaker = int(np.argmax(alike)) if alike else 0
        certain = voice.frames >= _NEW_FRAMES
        if not alike or (certain and alike[speaker] < _ALIKE and len(alike) < MAX_SPEAKERS):
            self._known.append(voice.frames * voice.direction)
            return len(self._known) - 1
        if certain and alike[speaker] >= _ALIKE:
            self._known[speaker] = self._known[speaker] + voice.frames * voice.direction
        return speaker

    @staticmethod
    def _label(words: list[Word], speaking: dict[int, _Activity], first: int) -> list[Word]:
        """Label words by who speaks most while they are said, else as the word before."""
        labelled = []
        latest = first
        for word in words:
            start = int(word.start * _FRAMES_PER_SECOND)
            during = slice(start, max(start + 1, int(word.end * _FRAMES_PER_SECOND)))
            shares = {who: int(active[during].sum()) for who, active in speaking.items()}
            most = max(shares.values(), default=0)
            if most and shares.get(latest) != most:
                latest = min(who for who, share in shares.items() if share == most)
            labelled.append(replace(word, speaker=str(latest)))
        return labelled
