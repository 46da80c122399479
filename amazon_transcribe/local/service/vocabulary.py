"""Vocabulary filters: words removed, masked or tagged, in partial and final results.

They are marked in all that was said, and then hidden in what is sent of it. With a filter
every word has `VocabularyFilterMatch`: true on words of the filter (for `tag`, and for `mask`
beside the `***`), false on the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..._net.named_files import read_file
from ...exceptions import ValidationException
from ...transcription import Alternative, Item, Result
from .phrases import Phrases

__all__ = ["DEFAULT_METHOD", "MARK", "VocabularyFilter", "read_phrases", "text_of", "unsettle"]

DEFAULT_METHOD = "mask"
"""The method of a filter when the request names none."""

_MASK = "***"
_LARGEST_FILE = 16 * 1024 * 1024

MARK = "punctuation"
"""The type of the items that are no words."""


def read_phrases(source: Iterable[str] | Path | str) -> list[str]:
    """Return the words of a filter: as given, or from a file with one entry per line.

    :param source: Words and phrases, or a path; a string is a path.
    :raises OSError: when the file cannot be read.
    :raises ValidationException: when it is no regular file, too large, or not UTF-8.
    """
    if isinstance(source, (Path, str)):
        try:
            source = read_file(source, _LARGEST_FILE).decode("utf-8-sig").splitlines()
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

    def mark(self, result: Result) -> None:
        """Set `VocabularyFilterMatch` of each word in place, by what was said."""
        for alternative in result.alternatives or ():
            self._mark(alternative.items, is_partial=bool(result.is_partial))

    def shown(self, item: Item) -> str:
        """Return what is shown of an item that is marked: nothing of a removed one."""
        if item.vocabulary_filter_match and self._method != "tag":
            return _MASK if self._method == "mask" else ""
        return item.content or ""

    def hide(self, result: Result) -> None:
        """Remove or mask the marked words in place.

        Alternatives that differed only in such words become one.
        """
        distinct: dict[str, Alternative] = {}
        for alternative in result.alternatives or ():
            for item in alternative.items:
                item.content = self.shown(item)
            alternative.items = _without_removed(alternative.items)
            alternative.transcript = text_of(alternative.items)
            distinct.setdefault(alternative.transcript, alternative)
        result.alternatives = list(distinct.values())

    def _mark(self, items: list[Item], *, is_partial: bool) -> None:
        spoken = [item for item in items if item.item_type != MARK]
        words = [item.content or "" for item in spoken]
        for item in spoken:
            item.vocabulary_filter_match = False
        for phrases in self._lists:
            for begin, end in phrases.find(words):
                for item in spoken[begin:end]:
                    item.vocabulary_filter_match = True
            if is_partial and (count := phrases.open_end(words)):
                # The next word may complete a phrase that these words begin.
                unsettle(items, spoken[-count])


def unsettle(items: list[Item], first: Item) -> None:
    """Mark an item and those after it as not stable, where the stream is stabilised."""
    at = next(number for number, item in enumerate(items) if item is first)
    for item in items[at:]:
        if item.stable:
            item.stable = False


def _without_removed(items: list[Item]) -> list[Item]:
    """Return the items that have content; of marks that follow each other, the first."""
    kept: list[Item] = []
    for item in items:
        if item.item_type == MARK:
            if kept and kept[-1].item_type != MARK:
                kept.append(item)
        elif item.content:
            kept.append(item)
    return kept


def text_of(items: list[Item]) -> str:
    """Return the text that items make."""
    text = ""
    for item in items:
        text += f" {item.content}" if text and item.item_type != MARK else item.content or ""
    return text
