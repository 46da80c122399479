"""Bias of a search towards the phrases of a vocabulary.

A token that goes along a phrase costs less. What it costs less is lent: a text that leaves the
phrase before its end pays it back. No token costs less than nothing, so that no phrase is worth
saying for its own sake, over and over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
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

    :param spelled: The spelling of each token; "\0" for what is no text.
    :param end: The token behind a whole text.
    """

    def __init__(self, spelled: Sequence[str], end: int) -> None:
        self.of = spelled
        self.tokens: dict[str, list[int]] = {}
        for token, spelling in enumerate(spelled):
            self.tokens.setdefault(spelling, []).append(token)
        self.longest = max(map(len, self.tokens))
        inside = np.array([not spelling.startswith(" ") for spelling in spelled])
        inside[end] = False
        self.inside: npt.NDArray[np.bool_] = inside
        """The tokens that go on with a word."""


class _Ways(NamedTuple):
    """The tokens that go along a phrase from a place.

    :param tokens: The tokens.
    :param lent: The most that each is lent.
    :param places: Where each leads.
    :param beginning: Those among them that leave the place and begin another phrase.
    :param is_beginning: Whether each is one of these.
    """

    tokens: npt.NDArray[np.int64]
    lent: npt.NDArray[np.float32]
    places: Mapping[int, str]
    beginning: Set[int]
    is_beginning: npt.NDArray[np.bool_]


class Bias:
    """The bias of one stream.

    A place is the beginning of a phrase that a text has come to, a node of the vocabulary.

    :param vocabulary: The phrases.
    :param spellings: What the model's tokens spell.
    """

    def __init__(self, vocabulary: Vocabulary, spellings: Spellings) -> None:
        self._vocabulary = vocabulary
        self._spellings = spellings
        self._ways: dict[str, _Ways] = {}

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
        ways = self._from(place)
        discounts = np.minimum(-logs[ways.tokens], ways.lent)
        kept = totals[ways.tokens] + discounts
        if self._vocabulary.ends_at(place):
            totals[self._spellings.inside] -= lent
        else:
            totals -= lent
            kept[ways.is_beginning] -= lent
        totals[ways.tokens] = kept

    def go_on(self, place: str, token: int, lent: float, change: float) -> tuple[str, float]:
        """Return where a token leads from a place, and what a text has to pay back there.

        :param lent: What the text had to pay back before.
        :param change: By how much `adjust` made the token cheaper.
        """
        ways = self._from(place)
        to = ways.places.get(token)
        if to is None:
            return self.leave(token), 0.0
        if to.endswith(" ") and self._vocabulary.ends_at(to):
            return to, 0.0
        if token in ways.beginning and self._vocabulary.ends_at(place):
            lent = 0.0  # the phrase before was whole: nothing was paid back
        return to, lent + change

    def walk(self, tokens: Sequence[int]) -> str:
        """Return where a text of these tokens is."""
        place = ""
        for token in tokens:
            place = self._from(place).places.get(token, self.leave(token))
        return place

    def leave(self, token: int) -> str:
        """Return where a token leads that goes along no phrase."""
        return " " if self._spellings.of[token].endswith(" ") else ""

    def _from(self, place: str) -> _Ways:
        if place not in self._ways:
            begun = {token: (to, new) for token, to, new in self._along(" ", begins=True)}
            along = {token: (to, new) for token, to, new in self._along(place)} if place else {}
            reached = begun | along
            letters = np.array([new for _, new in reached.values()], np.float32)
            self._ways[place] = _Ways(
                np.fromiter(reached, np.int64, len(reached)),
                np.minimum(letters * _FOR_A_LETTER, _FOR_A_TOKEN).astype(np.float32),
                {token: to for token, (to, _) in reached.items()},
                begun.keys() - along.keys(),
                np.array([token not in along for token in reached], bool),
            )
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
