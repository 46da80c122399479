"""Recognition by segments: the part that all real engines share.

PCM -> 16 kHz -> segments -> words (the engine's own part) -> stable words -> results

A final result is a function of the audio alone, whatever the pieces in which it comes. The
words that partial results have made stable stand in it, so partial results are made at
positions of the audio: with stabilisation at all of them. Without, no final result depends
on them, and of the positions in one piece only the last one brings a partial result.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from msgspec.structs import replace

from ...transcription import Result
from .alignment import spoken
from .base import RecognitionOptions
from .resample import Resampler, Samples
from .results import Word, build_result
from .segments import Segment, Segmenter
from .speaker_models import find_speaker_models
from .speakers import Speakers
from .stabilizer import Stabilizer

__all__ = ["SegmentDecoder", "SegmentedRecognition"]

_FIRST_PARTIAL = 0.9  # seconds of the segment, of which 0.5 s came before the onset
_PARTIAL_INTERVAL = 0.6  # seconds at least; and
_PARTIAL_GROWTH = 0.1  # of the segment, as a partial costs in proportion to its length


class SegmentDecoder(Protocol):
    """A decoder of segments into words, one segment after the other.

    Times of words count from the beginning of the segment. A class that derives from this
    one needs `partial` only.

    :ivar incremental: Whether `partial` only adds the new audio to the old, so that leaving
        one out saves nothing.
    """

    incremental: bool = False

    def begin(self) -> None:
        """Begin a segment; nothing of the one before is kept."""
        return

    def partial(self, samples: Samples, keep: int) -> list[Word]:
        """Return the words of the segment so far.

        :param samples: All of the segment's audio so far, at 16 kHz.
        :param keep: How many words of the last hypothesis must stay.
        """
        ...

    def final(self, samples: Samples, keep: int) -> list[Word]:
        """Return the words of the whole segment.

        Where no word must stay, they do not depend on the partial hypotheses.

        :param samples: The segment's audio at 16 kHz.
        :param keep: How many words of the last hypothesis must stay.
        """
        return self.partial(samples, keep)

    def place(self, samples: Samples, words: list[Word]) -> list[Word]:
        """Return the final words with their best times.

        :param samples: The segment's audio at 16 kHz.
        :param words: What `final` returned, or a reading.
        """
        return words

    def readings(self, samples: Samples, count: int) -> Iterable[list[Word]]:
        """Return other readings of the segment of the last `final`, likeliest first.

        The words of `final` may be among them, and readings that differ in punctuation.

        :param samples: The segment's audio.
        :param count: How many different readings are wanted; few more are worth a search.
        """
        return ()

    def close(self) -> None:
        """Release what the stream held."""
        return


class SegmentedRecognition:
    """The recognition of one stream.

    :param options: What the stream asks for.
    :param decoder: The engine's part; closed with the stream.
    :ivar hurried: See `Hurried`.
    """

    def __init__(self, options: RecognitionOptions, decoder: SegmentDecoder) -> None:
        self._options = options
        self._decoder = decoder
        models = find_speaker_models() if options.speakers else None
        self._speakers = Speakers(models) if models is not None else None
        self._resampler = Resampler(options.sample_rate)
        self._segmenter = Segmenter(options.pause, options.longest_segment)
        self._half_sample = b""
        self.hurried = False
        self._begin_segment()

    def accept(self, pcm: bytes) -> list[Result]:
        """Take the next audio; see `Recognition.accept`.

        :param pcm: Signed 16-bit little-endian mono samples of any length.
        """
        pcm = self._half_sample + pcm
        whole = len(pcm) & ~1
        self._half_sample = pcm[whole:]
        samples = np.frombuffer(pcm[:whole], "<i2").astype(np.int16, copy=False)
        return self._recognise(self._resampler.accept(samples))

    def finish(self) -> list[Result]:
        """Take the end of the audio; see `Recognition.finish`."""
        results = self._recognise(self._resampler.finish())
        last = self._segmenter.finish()
        if last is not None:
            results += self._final(last)
        self._decoder.close()
        return results

    def _begin_segment(self) -> None:
        self._decoder.begin()
        self._result_id = str(uuid.uuid4())
        self._stabilizer = Stabilizer(self._options.stability) if self._options.stabilize else None
        self._next_partial = _FIRST_PARTIAL  # seconds into the segment
        self._positions: list[int] = []  # samples at which partial results are due, so far
        self._due: int | None = None  # the last of them while its result is not made
        self._made = 0
        self._shown: list[Word] = []  # of the last partial result

    @property
    def _stable(self) -> int | None:
        return self._stabilizer.stable if self._stabilizer else None

    def _recognise(self, samples: Samples) -> list[Result]:
        results: list[Result] = []
        every = self._options.stabilize or self._decoder.incremental
        for closed in self._segmenter.accept(samples):
            if closed is not None:
                results += self._final(closed)
            if self._reaches_position():
                self._due = len(self._segmenter.open_segment().samples)
                self._positions.append(self._due)
                if every:
                    results += self._partial()
        return results if self.hurried else results + self._partial()

    def _reaches_position(self) -> bool:
        """Tell, once for each, whether the audio has come to a partial result's position."""
        seconds = self._segmenter.open_seconds
        if not self._next_partial <= seconds <= self._segmenter.certain_seconds:
            return False
        self._next_partial = seconds + max(_PARTIAL_INTERVAL, _PARTIAL_GROWTH * seconds)
        return True

    def _partial(self) -> list[Result]:
        """Return the partial result that is due, if any."""
        if self._due is None:
            return []
        segment = self._segmenter.open_segment()
        segment = Segment(segment.start, segment.samples[: self._due])
        self._due = None
        self._made += 1
        words = self._hypothesis(segment.samples)
        return [self._result(segment, words, is_partial=True)] if words else []

    def _hypothesis(self, samples: Samples) -> list[Word]:
        """Return the words of the segment so far, as a partial result shows them."""
        words = self._decoder.partial(samples, self._stable or 0)
        if self._stabilizer:
            words = self._stabilizer.update(words)
        if words:
            # Punctuation behind the newest word depends on what follows.
            self._shown = words = [*words[:-1], replace(words[-1], mark="")]
        return words

    def _final(self, segment: Segment) -> list[Result]:
        heard = self._decoder.final(segment.samples, self._stable or 0)
        words = self._stabilizer.settle(heard) if self._stabilizer else heard
        # A client that has seen a partial result waits for the final one of its segment.
        words = words or self._last_shown(segment.samples)
        results = []
        if words:
            others = self._others(segment, words) if heard else []
            words = self._decoder.place(segment.samples, words)
            if self._speakers is not None:
                words, *others = self._speakers.label(segment.samples, [words, *others])
            results = [self._result(segment, words, is_partial=False, others=others)]
        self._begin_segment()
        return results

    def _last_shown(self, samples: Samples) -> list[Word]:
        """Return the words of the segment's last partial result, had none been left out."""
        if self._made < len(self._positions):
            self._shown = []
            self._decoder.begin()
            for position in self._positions:
                self._hypothesis(samples[:position])
        return self._shown

    def _others(self, segment: Segment, words: list[Word]) -> list[list[Word]]:
        """Return the further alternatives of a final result."""
        count = self._options.alternatives - 1
        if not count:
            return []
        known = {_as_spoken(words)}
        others = []
        for reading in self._decoder.readings(segment.samples, count):
            spoken = _as_spoken(reading)
            if spoken and spoken not in known:
                known.add(spoken)
                others.append(self._decoder.place(segment.samples, reading))
                if len(others) == count:
                    break
        return others

    def _result(
        self,
        segment: Segment,
        words: list[Word],
        *,
        is_partial: bool,
        others: Sequence[list[Word]] = (),
    ) -> Result:
        return build_result(
            self._result_id,
            [word.shifted(segment.start) for word in words],
            segment.start,
            segment.end,
            is_partial=is_partial,
            stable=self._stable,
            others=[[word.shifted(segment.start) for word in other] for other in others],
        )


def _as_spoken(words: Iterable[Word]) -> tuple[str, ...]:
    """Return what is said, however it is written: no case, no punctuation, figures as words."""
    return tuple(piece.strip("'") for word in words for piece in spoken(word.text))
