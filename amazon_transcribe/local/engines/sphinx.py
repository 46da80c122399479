"""CMU Sphinx en-us, run with PocketSphinx: small, and poor.

About three words in ten are wrong on read speech at 16 kHz, and four at 8 kHz, which its
model was not made for. Words are lower case without punctuation. A stream takes
15 % of a core and, for its decoder, 45 MB; decoders are used again by later streams.

PocketSphinx holds the GIL while it decodes, so threads do not make it faster: audio goes
in by single frames of 30 ms, which keep other threads waiting for some 5 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

import pocketsphinx
from msgspec.structs import replace

from .base import Recognition, RecognitionOptions
from .resample import SAMPLE_RATE, Samples
from .results import Word, spread
from .segmented import SegmentedRecognition
from .speaker_models import find_speaker_models

__all__ = ["PocketSphinxEngine", "load"]

_BITE = SAMPLE_RATE * 3 // 100
_FRAMES_PER_SECOND = 100
_PATHS_PER_READING = 50  # most differ in a pronunciation or a pause only


def load() -> PocketSphinxEngine:
    """Load the engine and its first decoder."""
    return PocketSphinxEngine()


class PocketSphinxEngine:
    """The engine: a pool of the decoders that no stream uses now."""

    name = "PocketSphinx en-us"
    languages: tuple[str, ...] = ("en-US",)
    quick = False

    @property
    def tells_speakers(self) -> bool:
        """Whether the models that tell speakers apart are installed."""
        return find_speaker_models() is not None

    def __init__(self) -> None:
        self._idle: list[Any] = [_load_decoder()]

    def open(self, options: RecognitionOptions) -> Recognition:
        """Begin a stream; its decoder is loaded with the first speech."""
        return SegmentedRecognition(options, _Decoder(self._idle))

    def close(self) -> None:
        """Release the decoders."""
        self._idle.clear()


def _load_decoder() -> Any:
    # The second pass over the words (fwdflat) would hold the GIL too long.
    return pocketsphinx.Decoder(samprate=SAMPLE_RATE, fwdflat=False, loglevel="FATAL")


class _Decoder:
    """The segments of one stream."""

    incremental = True

    def __init__(self, idle: list[Any]) -> None:
        self._idle = idle
        self._decoder: Any = None
        self._fed: int | None = None  # samples of the segment; None before its first

    def begin(self) -> None:
        self._fed = None

    def partial(self, samples: Samples, keep: int) -> list[Word]:
        self._feed(samples)
        return [replace(word, confidence=None) for word in self._path()]

    def final(self, samples: Samples, keep: int) -> list[Word]:
        self._feed(samples)
        self._decoder.end_utt()
        return self._path()

    def place(self, samples: Samples, words: list[Word]) -> list[Word]:
        return words

    def readings(self, samples: Samples, count: int) -> Iterator[list[Word]]:
        scores: dict[str, float] = {}
        for path in islice(self._decoder.nbest(), count * _PATHS_PER_READING):
            if path is not None:
                scores[path.hypstr] = max(path.score, scores.get(path.hypstr, 0.0))
        best = self._path()
        # The search returns them in the order of estimates.
        for text in sorted(scores, key=lambda text: scores[text], reverse=True):
            yield _timed(text.split(), best)

    def close(self) -> None:
        if self._decoder is not None:
            self._idle.append(self._decoder)
            self._decoder = None

    def _feed(self, samples: Samples) -> None:
        if self._decoder is None:
            try:
                self._decoder = self._idle.pop()
            except IndexError:
                self._decoder = _load_decoder()
            self._decoder.reinit_feat()  # forget the stream before
        if self._fed is None:
            self._decoder.start_utt()
            self._fed = 0
        for at in range(self._fed, len(samples), _BITE):
            self._decoder.process_raw(samples[at : at + _BITE].tobytes())
        self._fed = len(samples)

    def _path(self) -> list[Word]:
        """Return the words of the best path through all audio so far."""
        if self._decoder.hyp() is None:
            return []
        return [
            Word(
                part.word.partition("(")[0],  # "(2)" is the number of the pronunciation
                part.start_frame / _FRAMES_PER_SECOND,
                (part.end_frame + 1) / _FRAMES_PER_SECOND,
                min(1.0, part.prob),
            )
            for part in self._decoder.seg()
            if part.word[0] not in "<[+"
        ]


def _timed(texts: Sequence[str], best: Sequence[Word]) -> list[Word]:
    """Give the words of another path their times.

    PocketSphinx does not report them. Words that are in the best path too have its times;
    those between share the time that is left, and have no confidence.
    """
    words: list[Word] = []
    matcher = SequenceMatcher(None, [word.text for word in best], texts, autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        if kind == "equal":
            words += best[start:end]
        else:
            began = best[start].start if start < len(best) else best[-1].end
            ended = best[end - 1].end if end else began
            times = spread(texts[first:last], began, max(began, ended))
            words += [Word(t, *at) for t, at in zip(texts[first:last], times, strict=True)]
    return words
