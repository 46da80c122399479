"""Vocabulary filters: words removed, masked or tagged, in partial and final results.

With a filter every word has `VocabularyFilterMatch`: true on words of the filter (for
`tag`, and for `mask` beside the `***`), false on the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...exceptions import ValidationException
from ...transcription import Alternative, Item, Result
from .phrases import Phrases

__all__ = ["DEFAULT_METHOD", "MARK", "VocabularyFilter", "read_phrases", "text_of", "unsettle"]

DEFAULT_METHOD = "mask"
"""The method of a filter when the request names none."""

_MASK = "***"

MARK = "punctuation"
"""The type of the items that are no words."""


def read_phrases(source: Iterable[str] | Path | str) -> list[str]:
    """Return the words of a filter: as given, or from a file with one entry per line.

    :param source: Words and phrases, or a path; a string is a path.
    :raises OSError: when the file cannot be read.
    :raises ValidationException: when the file is not UTF-8.
    """
    if isinstance(source, (Path, str)):
        try:
            source = Path(source).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValidationException(f"{source}: not UTF-8: {error}") from None
    return [line.strip() for line in source if line.strip()]


class VocabularyFilter:
    """One stream's filter.

    :param lists: Its words and phrases, of all lists together.
    :param method: `"remove"`, `"mask"` or `"tag"`.
    """

    def __init__(self, lists: Sequence[Phrases], method: str) -> None:
        self._lists = lists
        self._method = method

    def apply(self, result: Result) -> Result:
        """Remove, mask or tag the filter's words in place, and return the result.

        Alternatives that differed only in such words become one.
        """
        distinct: dict[str, Alternative] = {}
        for alternative in result.alternatives or ():
            self._apply(alternative, is_partial=bool(result.is_partial))
            distinct.setdefault(alternative.transcript, alternative)
        result.alternatives = list(distinct.values())
        return result

    def _apply(self, alternative: Alternative, *, is_partial: bool) -> None:
        spoken = [item for item in alternative.items if item.item_type != MARK]
        words = [item.content or "" for item in spoken]
        for item in spoken:
            item.vocabulary_filter_match = False
        for phrases in self._lists:
            for begin, end in phrases.find(words):
                for item in spoken[begin:end]:
                    item.vocabulary_filter_match = True
            if is_partial and (count := phrases.open_end(words)):
                # The next word may complete a phrase that these words begin.
                unsettle(alternative.items, spoken[-count])
        if self._method == "mask":
            for item in spoken:
                if item.vocabulary_filter_match:
                    item.content = _MASK
        elif self._method == "remove":
            alternative.items = _without_matches(alternative.items)
        alternative.transcript = text_of(alternative.items)


def unsettle(items: list[Item], first: Item) -> None:
    """Mark an item and those after it as not stable, where the stream is stabilised."""
    at = next(number for number, item in enumerate(items) if item is first)
    for item in items[at:]:
        if item.stable:
            item.stable = False


def _without_matches(items: list[Item]) -> list[Item]:
    """Return the items that stay; of marks that follow each other, the first."""
    kept: list[Item] = []
    for item in items:
        if item.item_type == MARK:
            if kept and kept[-1].item_type != MARK:
                kept.append(item)
        elif not item.vocabulary_filter_match:
            kept.append(item)
    return kept


def text_of(items: list[Item]) -> str:
    """Return the text that items make."""
    text = ""
    for item in items:
        text += f" {item.content}" if text and item.item_type != MARK else item.content or ""
    return text
