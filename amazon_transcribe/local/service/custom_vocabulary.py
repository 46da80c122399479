"""Custom vocabularies: their files, and their phrases in results as they are to be written.

A file is a table or a list, as the service takes them. A table has tabs between its columns,
whose names stand in its first line: `Phrase` and, in any order, `DisplayAs`, `SoundsLike` and
`IPA`; the service ignores the last two, and so does the local server. A list has a phrase a
line. The words of a phrase are parted by hyphens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from ..._net.named_files import read_file
from ...exceptions import ValidationException
from ...transcription import Alternative, Item, Result
from ..engines.results import spread
from ..engines.vocabulary import Vocabulary, spell
from .vocabulary import MARK, text_of, unsettle

__all__ = ["LARGEST_FILE", "CustomVocabulary", "read_vocabulary"]

_COLUMNS = ("Phrase", "SoundsLike", "IPA", "DisplayAs")
LARGEST_FILE = 50 * 1024  # bytes
_LONGEST_ENTRY = 256


def read_vocabulary(source: Iterable[str] | Path | str) -> Vocabulary:
    """Read a vocabulary.

    :param source: Phrases, or a path; a string is a path.
    :raises OSError: when the file cannot be read.
    :raises ValidationException: when it is not UTF-8 or too large, or an entry is not allowed;
        the message has the file and the line.
    """
    if isinstance(source, (Path, str)):
        try:
            lines = read_file(source, LARGEST_FILE).decode("utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            raise ValidationException(f"{source}: not UTF-8: {error}") from None
        place = f"{source}, line"
    else:
        lines, place = list(source), "phrase"
    phrases: dict[str, str] = {}
    for number, phrase, written in _rows(lines, place):
        problem = _phrase_problem(phrase) or _length_problem("DisplayAs", written)
        if problem:
            raise ValidationException(f"{place} {number}: {problem}")
        phrases.setdefault(phrase, written or phrase.replace("-", " "))
    if not phrases:
        where = source if isinstance(source, (Path, str)) else "a vocabulary"
        raise ValidationException(f"{where}: there is no phrase")
    return Vocabulary(phrases)


def _rows(lines: Iterable[str], place: str) -> Iterator[tuple[int, str, str]]:
    """Yield each line's number, its phrase, and what is written for it or nothing."""
    columns: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if columns is None:
            if "Phrase" in cells:
                columns = cells
                if unknown := [c for c in cells if c not in _COLUMNS or cells.count(c) > 1]:
                    raise ValidationException(
                        f"{place} {number}: the columns are {', '.join(_COLUMNS)}, each once,"
                        f" with tabs between them; not {unknown[0]!r}"
                    )
                continue
            columns = ["Phrase"]
        if len(cells) > len(columns):
            raise ValidationException(
                f"{place} {number}: {len(cells)} cells with tabs between them, where there are"
                f" {len(columns)} columns; a table begins with a line of their names, such as"
                " Phrase and DisplayAs"
            )
        row = dict(zip(columns, cells, strict=False))
        yield number, row.get("Phrase", ""), row.get("DisplayAs", "")


def _phrase_problem(phrase: str) -> str | None:
    if problem := _length_problem("Phrase", phrase):
        return problem
    if " " in phrase:
        return f"Phrase: hyphens part the words of a phrase, not spaces: {phrase!r}"
    if any(letter.isdigit() for letter in phrase):
        return f"Phrase: digits are written out, as in {'V.X.-zero-two'!r}: {phrase!r}"
    if others := [c for c in phrase if not (c.isalpha() or c in "-.'\u2019")]:
        return f"Phrase has letters, hyphens, periods and apostrophes only, not {others[0]!r}"
    if not any(letter.isalpha() for letter in phrase):
        return f"Phrase has no letters: {phrase!r}"
    return None


def _length_problem(column: str, entry: str) -> str | None:
    if len(entry) > _LONGEST_ENTRY:
        return f"{column} has {_LONGEST_ENTRY} characters at most, not {len(entry)}"
    return None


class CustomVocabulary:
    """What one stream's vocabulary makes of results.

    :param vocabulary: Its phrases.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._written = vocabulary.written
        self._nodes = vocabulary.nodes

    def apply(self, result: Result) -> Result:
        """Write the phrases in a result as they are to be written, and return the result.

        Alternatives that differed only in that become one.
        """
        distinct: dict[str, Alternative] = {}
        for alternative in result.alternatives or ():
            self._apply(alternative, is_partial=bool(result.is_partial))
            distinct.setdefault(alternative.transcript, alternative)
        result.alternatives = list(distinct.values())
        return result

    def _apply(self, alternative: Alternative, *, is_partial: bool) -> None:
        items: list[Item] = []
        words = [at for at, item in enumerate(alternative.items) if item.item_type != MARK]
        spelled = [spell(alternative.items[at].content or "").strip() for at in words]
        open_at: int | None = None  # where the next word may still change what is written
        done = 0  # items of the alternative
        word = 0
        while word < len(words):
            count, written, is_open = self._longest(spelled[word:])
            if is_partial and is_open and open_at is None:
                open_at = len(items) + words[word] - done
            if not count:
                word += 1
                continue
            begin, end = words[word], words[word + count - 1] + 1
            items += alternative.items[done:begin]
            phrase = [i for i in alternative.items[begin:end] if i.item_type != MARK]
            items += _written(phrase, written.split())
            done, word = end, word + count
        items += alternative.items[done:]
        if open_at is not None:
            unsettle(items, items[open_at])
        alternative.items = items
        alternative.transcript = text_of(items)

    def _longest(self, spelled: list[str]) -> tuple[int, str, bool]:
        """Return the longest phrase with which the words begin.

        :returns: How many words it has, what is written for it, and whether all the words may
            be the beginning of a longer one.
        """
        found, way = (0, ""), ""
        for count, word in enumerate(spelled, 1):
            way = f"{way} {word}".strip()
            if f" {way} " not in self._nodes:
                return *found, False
            if way in self._written:
                found = count, self._written[way]
        return *found, bool(self._nodes[f" {way} "]) if way else False


def _written(phrase: list[Item], words: list[str]) -> list[Item]:
    """Return items of the words in place of those of a phrase.

    As many keep their times; others share the time of the phrase.
    """
    if len(words) == len(phrase):
        return [replace(i, content=word) for i, word in zip(phrase, words, strict=True)]
    first, last = phrase[0], phrase[-1]
    known = [item.confidence for item in phrase if item.confidence is not None]
    stable = [item.stable for item in phrase]
    return [
        replace(
            first,
            content=word,
            start_time=round(start, 3),
            end_time=round(end, 3),
            confidence=min(known, default=None),
            stable=None if None in stable else all(stable),
        )
        for word, (start, end) in zip(
            words, spread(words, first.start_time or 0.0, last.end_time or 0.0), strict=True
        )
    ]
