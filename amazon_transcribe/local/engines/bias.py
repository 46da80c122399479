"""Bias of a search towards the phrases of a vocabulary.

A token that goes along a phrase costs less. What it costs less is lent: a text that leaves the
phrase before its end pays it back. No token costs less than nothing, so that no phrase is worth
saying for its own sake, over and over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .vocabulary import Vocabulary

__all__ = ["Bias", "Spellings"]

# Log-likelihoods, chosen by `benchmarks.vocabulary`: with more for a token, long phrases are
# heard where nobody says them.
_FOR_A_LETTER = 2.0
_FOR_A_TOKEN = 4.0


class Spellings:
    """What the tokens of a model spell, as `vocabulary.spell` does.

    :param spelled: The spelling of each token; a NUL for what is no text.
    :param end: The token behind a whole text.
    """

    def __init__(self, spelled: Sequence[str], end: int) -> None:
        self.of = spelled
        self.tokens: dict[str, list[int]] = {}
        for token, spelling in enumerate(spelled):
            self.tokens.setdefault(spelling, []).append(token)
        self.longest: int = max(map(len, self.tokens))
        inside = np.array([not spelling.startswith(" ") for spelling in spelled])
        inside[end] = False
        self.inside: npt.NDArray[np.bool_] = inside
        """The tokens that go on with a word."""


class _Ways(NamedTuple):
    """Tokens that go along a phrase.

    :param tokens: The tokens.
    :param lent: The most that each is lent.
    :param places: Where each leads.
    """

    tokens: npt.NDArray[np.int64]
    lent: npt.NDArray[np.float32]
    places: Mapping[int, str]


class Bias:
    """The bias of one stream.

    A place is the beginning of a phrase that a text has come to, a node of the vocabulary.

    :param vocabulary: The phrases.
    :param spellings: What the model's tokens spell.
    """

    def __init__(self, vocabulary: Vocabulary, spellings: Spellings) -> None:
        self._vocabulary = vocabulary
        self._spellings = spellings
        self._ways: dict[str, _Ways] = {"": _ways([])}

    def adjust(
        self,
        totals: npt.NDArray[np.float32],
        logs: npt.NDArray[np.float32],
        place: str,
        lent: float,
    ) -> None:
        """Change the scores of a text with each token that could be next.

        :param totals: The scores.
        :param logs: The tokens' log-likelihoods.
        :param place: Where the text is.
        :param lent: What it has to pay back.
        """
        on, new = self._on(place), self._begin
        going_on = totals[on.tokens] + np.minimum(-logs[on.tokens], on.lent)
        if self._vocabulary.ends_at(place):
            totals[self._spellings.inside] -= lent
        else:
            totals -= lent
        totals[new.tokens] += np.minimum(-logs[new.tokens], new.lent)
        totals[on.tokens] = going_on

    def go_on(self, place: str, token: int, lent: float, change: float) -> tuple[str, float]:
        """Return where a token leads from a place, and what a text has to pay back there.

        :param lent: What the text had to pay back before.
        :param change: By how much `adjust` made the token cheaper.
        """
        to = self._step(place, token)
        if token not in self._on(place).places and self._vocabulary.ends_at(place):
            lent = 0.0  # the phrase before was whole: nothing was paid back
        is_over = not to.strip() or (to.endswith(" ") and self._vocabulary.ends_at(to))
        return to, 0.0 if is_over else lent + change

    def walk(self, tokens: Sequence[int]) -> str:
        """Return where a text of these tokens is."""
        place = ""
        for token in tokens:
            place = self._step(place, token)
        return place

    def _step(self, place: str, token: int) -> str:
        for ways in (self._on(place), self._begin):
            if token in ways.places:
                return ways.places[token]
        return " " if self._spellings.of[token].endswith(" ") else ""

    @cached_property
    def _begin(self) -> _Ways:
        """The tokens that begin a phrase, from anywhere."""
        return _ways(self._along(" ", begins=True))

    def _on(self, place: str) -> _Ways:
        """Return the tokens that go on with a phrase."""
        if place not in self._ways:
            self._ways[place] = _ways(self._along(place))
        return self._ways[place]

    def _along(self, place: str, *, begins: bool = False) -> Iterator[tuple[int, str, int]]:
        """Yield the tokens along the phrases: where each leads, how many letters it adds.

        :param begins: Only those that begin a word.
        """
        ways = [""]
        while ways:
            way = ways.pop()
            to = place + way
            spelled = [] if begins else [way]
            if place.endswith(" "):
                spelled.append(f" {way}")
            for spelling in spelled:
                for token in self._spellings.tokens.get(spelling, ()):
                    yield token, to, len(way) - way.count(" ")
            if len(way) < self._spellings.longest:
                ways += [way + letter for letter in self._vocabulary.nodes.get(to, "")]


def _ways(found: Iterable[tuple[int, str, int]]) -> _Ways:
    ways = {token: (to, letters) for token, to, letters in found}
    letters = np.array([letters for _, letters in ways.values()], np.float32)
    return _Ways(
        np.array(list(ways), np.int64),
        np.minimum(letters * np.float32(_FOR_A_LETTER), np.float32(_FOR_A_TOKEN)),
        {token: to for token, (to, _) in ways.items()},
    )
