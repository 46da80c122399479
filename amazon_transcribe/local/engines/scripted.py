"""The scripted engine: speaks a text at an even pace, whatever the audio.

For tests and load tests: the results depend on the text and on the length of the audio,
not on its content, and cost next to nothing. A word takes 0.4 s of audio, each line of the
text is a segment, and 0.6 s lie between two segments. The end of the audio ends the segment
after the last word that the audio had room for; the rest of the text is not spoken.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path

from ..._net.named_files import read_file
from ...exceptions import ValidationException
from ...transcription import Result
from .base import Recognition, RecognitionOptions
from .results import Word, build_result, split_mark
from .stabilizer import OPEN_WORDS

__all__ = ["ScriptedEngine"]

_WORD_TENTHS = 4  # of a second
_PAUSE_TENTHS = 6
_CONFIDENCE = 0.99
_LARGEST_SCRIPT = 16 * 1024 * 1024

_TEXT = """\
This is the scripted engine of the local server.
It speaks the same few lines over and over, at an even pace.
No one is listening to the audio, so silence will do.
Every word takes four tenths of a second.
"""

_Line = list[tuple[str, str]]  # words and the marks behind them


class ScriptedEngine:
    """The engine.

    :param text: What to speak, once, one segment per line. By default a built-in text is
        repeated as long as audio comes.
    :raises ValidationException: The text has no words.
    """

    name = "scripted"
    languages: tuple[str, ...] = ("en-US",)
    quick = True

    def __init__(self, text: str | None = None) -> None:
        self._repeats = text is None
        lines = (_TEXT if text is None else text).splitlines()
        self._lines = [_split(line) for line in lines if line.strip()]
        if not self._lines:
            raise ValidationException("the script has no words")

    @classmethod
    def from_file(cls, path: Path) -> ScriptedEngine:
        """Make an engine that speaks a UTF-8 text file.

        :param path: The file; each of its lines becomes a segment.
        :raises OSError: It cannot be read.
        :raises ValidationException: It is no regular file, too large, not UTF-8, or has no words.
        """
        try:
            return cls(read_file(path, _LARGEST_SCRIPT).decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValidationException(f"{path}: not UTF-8: {error}") from None

    def open(self, options: RecognitionOptions) -> Recognition:
        """Begin a stream; each hears the text from its beginning.

        :param options: What the stream asks for.
        """
        return _Recognition(cycle(self._lines) if self._repeats else self._lines, options)

    def close(self) -> None:
        """Do nothing; there is no model."""


def _split(line: str) -> _Line:
    words = (split_mark(word) for word in line.split())
    return [(text, mark) if text else (mark, "") for text, mark in words]


class _Recognition:
    """One stream; positions count samples, so times are exact."""

    def __init__(self, lines: Iterable[_Line], options: RecognitionOptions) -> None:
        self._lines: Iterator[_Line] = iter(lines)
        self._rate = options.sample_rate
        self._word_length = options.sample_rate * _WORD_TENTHS // 10
        self._open_words = OPEN_WORDS[options.stability] if options.stabilize else None
        self._received = 0  # bytes
        self._next_word = 0  # bytes at which the next word is complete
        self._said = 0  # words of the line
        self._begin_segment(0)

    def accept(self, pcm: bytes) -> list[Result]:
        self._received += len(pcm)
        if self._received < self._next_word:
            return []
        results = []
        while self._line:
            said = (self._received // 2 - self._start) // self._word_length
            if said < len(self._line):
                if said > self._said:
                    self._said = said
                    results.append(self._result(is_partial=True))
                self._next_word = 2 * (self._start + (max(0, said) + 1) * self._word_length)
                break
            self._said = len(self._line)
            results.append(self._result(is_partial=False))
            end = self._start + self._said * self._word_length
            self._begin_segment(end + self._rate * _PAUSE_TENTHS // 10)
        return results

    def finish(self) -> list[Result]:
        return [self._result(is_partial=False)] if self._said else []

    def _begin_segment(self, start: int) -> None:
        self._line: Sequence[tuple[str, str]] = next(self._lines, [])
        self._result_id = str(uuid.uuid4())
        self._start = start  # sample
        self._said = 0
        self._next_word = 2 * (start + self._word_length)

    def _result(self, *, is_partial: bool) -> Result:
        rate, length = self._rate, self._word_length
        words = []
        at = self._start
        for text, mark in self._line[: self._said]:
            words.append(Word(text, at / rate, (at + length) / rate, _CONFIDENCE, mark))
            at += length
        open_words = self._open_words
        return build_result(
            self._result_id,
            words,
            self._start / rate,
            at / rate,
            is_partial=is_partial,
            stable=None if open_words is None else max(0, self._said - open_words),
        )
