"""Speech for machines: audio that says numbered words, and an engine that hears them.

A word is 80 ms of one sample value, its number, and 20 ms of silence; 200 ms of silence
end a segment. What is heard depends on the audio only, wherever a stream begins.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import cycle

from amazon_transcribe.local.engines.base import Recognition, RecognitionOptions
from amazon_transcribe.local.engines.results import Word, build_result
from amazon_transcribe.transcription import Result

RATE = 8000
FRAME = 2 * RATE // 100  # bytes of 10 ms
BYTES_PER_SECOND = 2 * RATE

_WORD_FRAMES = 8
_HEARD_FRAMES = 7  # of a word: the rest of one is none
_GAP = bytes(2 * FRAME)
_PAUSE_FRAMES = 20


def audio(segments: Iterable[Iterable[int]], pause: int = 30) -> bytes:
    """The audio of segments of words, numbered 1 to 32,767; `pause` frames follow each."""
    pcm = bytearray()
    for words in segments:
        for word in words:
            pcm += word.to_bytes(2, "little") * (_WORD_FRAMES * FRAME // 2) + _GAP
        pcm += bytes(pause * FRAME)
    return bytes(pcm)


def two_channels(first: bytes, second: bytes) -> bytes:
    """The samples of both in turn; the shorter ends in silence."""
    size = max(len(first), len(second))
    samples = array("h", bytes(2 * size))
    samples[0::2] = array("h", first.ljust(size, b"\0"))
    samples[1::2] = array("h", second.ljust(size, b"\0"))
    return samples.tobytes()


class WordCodes:
    """The engine.

    :param channels: As many in a row are opened for each stream.
    :param shown_from: The word of a segment with which its partial results begin.
    :param longest: The most words of a segment: then it depends on where the stream begins.
    """

    name = "word codes"
    languages = ("en-US",)
    quick = True

    def __init__(self, channels: int = 1, shown_from: int = 1, longest: int = 1000) -> None:
        self._names = cycle([f"channel-{n}-segment" for n in range(channels)])
        if channels == 1:
            self._names = cycle(["segment"])
        self._shown_from = shown_from
        self._longest = longest

    def open(self, options: RecognitionOptions) -> Recognition:
        assert options.sample_rate == RATE
        return _Recognition(next(self._names), self._shown_from, self._longest)

    def close(self) -> None:
        pass


class _Recognition:
    def __init__(self, name: str, shown_from: int, longest: int) -> None:
        self._name = name
        self._shown_from = shown_from
        self._longest = longest
        self._pending = b""
        self._at = 0  # frames
        self._silent = 0
        self._value = 0
        self._run = 0  # frames of this value
        self._words: list[Word] = []
        self._segments = 1

    def accept(self, pcm: bytes) -> list[Result]:
        pcm = self._pending + pcm
        whole = len(pcm) - len(pcm) % FRAME
        self._pending = pcm[whole:]
        results: list[Result] = []
        for at in range(0, whole, FRAME):
            results += self._frame(pcm[at : at + FRAME])
        return results

    def finish(self) -> list[Result]:
        return self._close()

    def _frame(self, frame: bytes) -> list[Result]:
        value = int.from_bytes(frame[:2], "little")
        if frame != frame[:2] * (FRAME // 2):
            value = -1  # two words in one frame: the stream began between frames
        results: list[Result] = []
        if value == self._value:
            self._run += 1
        else:
            self._value, self._run = value, 1
        self._at += 1
        self._silent = 0 if value else self._silent + 1
        if value > 0 and self._run == _HEARD_FRAMES:
            start = (self._at - self._run) / 100
            word = Word(f"w{value}", start, start + _WORD_FRAMES / 100)
            self._words.append(word)
            if len(self._words) >= self._shown_from:
                results.append(self._result(is_partial=True))
        if self._silent == _PAUSE_FRAMES or (not value and len(self._words) >= self._longest):
            results += self._close()
        return results

    def _close(self) -> list[Result]:
        if not self._words:
            return []
        result = self._result(is_partial=False)
        self._words = []
        self._segments += 1
        return [result]

    def _result(self, *, is_partial: bool) -> Result:
        return build_result(
            f"{self._name}-{self._segments}",
            self._words,
            self._words[0].start,
            self._words[-1].end,
            is_partial=is_partial,
        )
