"""From recognised words to the results of the service model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ...transcription import Alternative, Item, Result

__all__ = ["ABBREVIATIONS", "Word", "build_result", "has_period", "split_mark", "spread"]

_WORD = re.compile(r"(?P<text>.*?)(?P<mark>[.,?!;:]*)", re.DOTALL)
_INITIALS = re.compile(r"(?:[A-Za-z]\.){2,}")

ABBREVIATIONS = {
    "Mr": "mister",
    "Mrs": "missus",
    "Ms": "miss",
    "Dr": "doctor",
    "Prof": "professor",
    "St": "saint",
    "Mt": "mount",
    "Jr": "junior",
    "Sr": "senior",
    "Gen": "general",
    "Col": "colonel",
    "Capt": "captain",
    "Lt": "lieutenant",
    "Sgt": "sergeant",
    "Rev": "reverend",
    "vs": "versus",
    "etc": "et cetera",
}
"""Words that are written with a period, here without it, and how they are spoken."""


class Word(Struct, frozen=True):
    """A recognised word and the punctuation right behind it.

    :param text: The word without the mark.
    :param start: Where it begins, in seconds.
    :param end: Where it ends, in seconds.
    :param confidence: The confidence in the word, 0 to 1.
    :param mark: The punctuation behind it, usually one character, or nothing.
    :param speaker: The label of who said it, where speakers are told apart.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    mark: str = ""
    speaker: str | None = None

    def shifted(self, seconds: float) -> Word:
        """Return the word at a later time.

        :param seconds: How much later.
        """
        return replace(self, start=self.start + seconds, end=self.end + seconds)


def build_result(
    result_id: str,
    words: Sequence[Word],
    start: float,
    end: float,
    *,
    is_partial: bool,
    stable: int | None = None,
    others: Sequence[Sequence[Word]] = (),
) -> Result:
    """Build the result of a segment from its words.

    Item times are rounded to milliseconds, ascend, and lie within the segment. Numbers become
    Python's own: models give NumPy's, which are not sent.

    :param others: The words of further alternatives of a final result, best first.
    :param stable: How many of a partial result's words will not change any more; None
        without stabilisation. The mark behind the last of them may still change: it depends
        on what follows.
    """
    start, end = round(float(start), 3), round(float(end), 3)
    alternatives = []
    for version in (words, *others):
        items: list[Item] = []
        transcript = ""
        at = start
        for number, word in enumerate(version):
            word_start = min(max(round(float(word.start), 3), at), end)
            at = min(max(round(float(word.end), 3), word_start), end)
            sure = word.confidence
            items.append(
                Item(
                    word_start,
                    at,
                    "pronunciation",
                    word.text,
                    confidence=None if sure is None else round(float(sure), 4),
                    speaker=word.speaker,
                    stable=None if stable is None else number < stable or not is_partial,
                )
            )
            transcript += f" {word.text}{word.mark}" if transcript else word.text + word.mark
            if word.mark:
                settled = None if stable is None else number + 1 < stable or not is_partial
                items.append(
                    Item(at, at, "punctuation", word.mark, speaker=word.speaker, stable=settled)
                )
        alternatives.append(Alternative(transcript, items))
    return Result(result_id, start, end, is_partial, alternatives)


def split_mark(word: str) -> tuple[str, str]:
    """Split the punctuation off a word's end; the period of an abbreviation stays.

    :param word: As it is written.
    :returns: The word without the mark, and the mark.
    """
    match = _WORD.fullmatch(word)
    assert match is not None
    text, mark = match["text"], match["mark"]
    if mark.startswith(".") and has_period(text):
        return f"{text}.", mark[1:]
    return text, mark


def has_period(text: str) -> bool:
    """Tell whether a period behind this text would belong to it, as in `Mr.` and `U.S.`"""
    return text in ABBREVIATIONS or _INITIALS.fullmatch(f"{text}.") is not None


def spread(words: Sequence[str], start: float, end: float) -> list[tuple[float, float]]:
    """Share a stretch of time out among words in proportion to their letters."""
    letters = sum(len(word) + 1 for word in words)
    times, at = [], 0
    for word in words:
        begin, at = at, at + len(word) + 1
        times.append(
            (start + (end - start) * begin / letters, start + (end - start) * at / letters)
        )
    return times
