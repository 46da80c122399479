"""Search for words and phrases in what was said, whatever the case and the punctuation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Phrases"]


class Phrases:
    """A set of words and phrases.

    :param phrases: One or several words each; case and punctuation do not count.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        spelled = (tuple(map(_plain, phrase.split())) for phrase in phrases)
        self._phrases = {phrase for phrase in spelled if phrase}
        self._beginnings = {p[:n] for p in self._phrases for n in range(1, len(p))}
        self._longest = max(map(len, self._phrases), default=0)

    def find(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """Return where they stand among the words: begin and end of each.

        Where several begin at one word, the longest is found.
        """
        spelled = [_plain(word) for word in words]
        found = []
        at = 0
        while at < len(spelled):
            for length in range(min(self._longest, len(spelled) - at), 0, -1):
                if tuple(spelled[at : at + length]) in self._phrases:
                    found.append((at, at + length))
                    at += length
                    break
            else:
                at += 1
        return found

    def open_end(self, words: Sequence[str]) -> int:
        """Return how many of the last words may be the beginning of a phrase."""
        spelled = [_plain(word) for word in words]
        for length in range(min(self._longest - 1, len(spelled)), 0, -1):
            if tuple(spelled[-length:]) in self._beginnings:
                return length
        return 0


def _plain(word: str) -> str:
    return word.replace("\u2019", "'").strip(".,?!;:\"'()").casefold()
