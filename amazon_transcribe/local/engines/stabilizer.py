"""The words of a growing hypothesis that will not change any more.

A word becomes stable when the last hypotheses agree on it and on all words before it
(local agreement), and it is not among the newest. From then on it stays: later
hypotheses, the final one included, are made to begin with the stable words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from msgspec.structs import replace

from .base import Stability
from .results import Word

__all__ = ["OPEN_WORDS", "Stabilizer"]

OPEN_WORDS: dict[Stability, int] = {"high": 1, "medium": 3, "low": 5}
"""How many of the newest words never count as stable in a partial result."""

_AGREEING: dict[Stability, int] = {"high": 2, "medium": 2, "low": 3}


class Stabilizer:
    """The stable words of one segment.

    :param level: How soon words become stable.
    """

    def __init__(self, level: Stability) -> None:
        self._agree, self._open = _AGREEING[level], OPEN_WORDS[level]
        self._recent: deque[list[str]] = deque(maxlen=self._agree)
        self._stable: list[Word] = []

    @property
    def stable(self) -> int:
        """How many words are stable."""
        return len(self._stable)

    def update(self, hypothesis: Sequence[Word]) -> list[Word]:
        """Take the next partial hypothesis and return it with the stable words kept."""
        words = self.settle(hypothesis)
        self._recent.append([word.text for word in words])
        if len(self._recent) == self._agree:
            columns = zip(*self._recent)  # noqa: B905 - the shortest decides
            agreed = sum(1 for _ in takewhile(lambda texts: len(set(texts)) == 1, columns))
            count = min(agreed, len(words) - self._open)
            if count > self.stable:
                self._stable = words[:count]
        return words

    def settle(self, hypothesis: Sequence[Word]) -> list[Word]:
        """Return a hypothesis, partial or final, with the stable words kept."""
        stable = self._stable
        if not stable:
            return list(hypothesis)
        last = stable[-1]
        head = list(hypothesis[: len(stable)])
        texts = [word.text for word in head] == [word.text for word in stable]
        if texts and all(a.mark == b.mark for a, b in zip(head[:-1], stable[:-1], strict=True)):
            return list(hypothesis)
        # The recogniser revised a stable word: take what it heard after the last one.
        tail = [word for word in hypothesis if (word.start + word.end) / 2 > last.end]
        return [*stable[:-1], replace(last, mark=last.mark if tail else ""), *tail]
