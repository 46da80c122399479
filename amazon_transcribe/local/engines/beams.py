"""Beam search: the likeliest texts of a model that writes token by token."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .bias import Bias

__all__ = ["UNLIKELY", "Follow", "search"]

UNLIKELY = math.log(10_000)
"""Hypotheses this much worse than the best (log-likelihood) are dropped."""

_TRIES_PER_BEAM = 4  # continuations considered; some spell the same as a likelier one

Follow = Callable[[list[int], list[int]], npt.NDArray[np.float32]]
"""Takes the newest token of each text and the row of the previous call that the text continues;
returns a row for each text: the log-likelihoods of all tokens that could be next."""


@dataclass(frozen=True)
class _Beam:
    """A text, whole or not.

    :param tokens: Its tokens.
    :param likelihoods: Their likelihoods.
    :param score: The log-likelihood of the text.
    :param letters: What it spells.
    :param place: The beginning of a phrase that it has come to.
    :param lent: What the tokens since then have cost less, to be paid back without its end.
    """

    tokens: list[int]
    likelihoods: list[float]
    score: float
    letters: bytes
    place: str = ""
    lent: float = 0.0


def search(
    follow: Follow,
    letters_of: Callable[[int], bytes],
    *,
    start: int,
    end: int,
    width: int,
    most_tokens: int,
    bias: Bias | None = None,
    place: str = "",
) -> list[tuple[list[int], list[float]]]:
    """Return whole texts, likeliest first: their tokens and the tokens' likelihoods.

    Of texts that spell the same letters only the likeliest goes on; otherwise all would
    soon differ only in commas.

    :param follow: The model.
    :param letters_of: What a token adds to the letters of a text; nothing for punctuation.
    :param start: The token before all texts.
    :param end: The token behind a whole text.
    :param width: How many texts are followed at a time and returned, at most.
    :param most_tokens: The longest text, its end included.
    :param bias: Lends to the tokens along the phrases of a vocabulary.
    :param place: The beginning of a phrase that all texts have come to.
    """
    beams = [_Beam([], [], 0.0, b"", place)]
    newest, rows = [start], [0]
    whole: dict[bytes, _Beam] = {}  # by their letters
    for _ in range(most_tokens):
        logs = follow(newest, rows)
        totals = logs + np.array([[beam.score] for beam in beams], np.float32)
        if bias is not None:
            for beam, log, total in zip(beams, logs, totals, strict=True):
                bias.adjust(total, log, beam.place, beam.lent)
        # Every token makes a text less likely: a text that is behind now stays behind.
        ranked = sorted((beam.score for beam in whole.values()), reverse=True)
        floor = max([float(np.max(totals)), *ranked[:1]]) - UNLIKELY
        floor = max([floor, *ranked[width - 1 : width]])
        found = np.argwhere(totals >= floor)
        # Stable, so that of equally likely ones the better beam and the lower token come first.
        order = np.argsort(-totals[tuple(found.T)], kind="stable")
        found = found[order][: width * _TRIES_PER_BEAM]
        grown: dict[bytes, tuple[_Beam, int]] = {}
        for row, token in found.tolist():
            beam, score = beams[row], float(totals[row, token])
            if token == end:
                if beam.letters not in whole or score > whole[beam.letters].score:
                    whole[beam.letters] = replace(beam, score=score)
                continue
            letters = beam.letters + letters_of(token)
            if letters not in grown and len(grown) < width:
                log = float(logs[row, token])
                next_beam = _Beam(
                    [*beam.tokens, token], [*beam.likelihoods, math.exp(log)], score, letters
                )
                if bias is not None:
                    change = score - beam.score - log
                    place, lent = bias.go_on(beam.place, token, beam.lent, change)
                    next_beam = replace(next_beam, place=place, lent=lent)
                grown[letters] = next_beam, row
        if not grown:
            break
        beams = [beam for beam, _ in grown.values()]
        newest = [beam.tokens[-1] for beam in beams]
        rows = [row for _, row in grown.values()]
    best = sorted(whole.values(), key=lambda beam: beam.score, reverse=True)[:width]
    return [
        (beam.tokens, beam.likelihoods) for beam in best if beam.score >= best[0].score - UNLIKELY
    ]
