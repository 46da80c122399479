"""Beam search, held against all texts that a small model can write."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe.local.engines.beams import UNLIKELY, Follow, search

END, START = 0, 1
LETTERS = [b"", b"", b"a", b"b", b"c", b""]  # of each token
MOST_TOKENS = 4  # of a text with its end

Table = npt.NDArray[np.float64]
"""How likely each token is behind each."""


def model(table: Table) -> Follow:
    """A model for which only the newest token counts."""

    def follow(newest: list[int], rows: list[int]) -> npt.NDArray[np.float32]:
        with np.errstate(divide="ignore"):
            return np.log(table[newest]).astype(np.float32)

    return follow


def found(table: Table, width: int, most_tokens: int = MOST_TOKENS) -> dict[bytes, float]:
    """What the search tells, in its order: the texts and their likelihoods."""
    texts = search(
        model(table),
        lambda token: LETTERS[token],
        start=START,
        end=END,
        width=width,
        most_tokens=most_tokens,
    )
    spelled = {b"".join(LETTERS[t] for t in tokens): (tokens, known) for tokens, known in texts}
    assert len(spelled) == len(texts) <= width
    likelihoods = {}
    for letters, (tokens, known) in spelled.items():
        assert known == pytest.approx([table[a, b] for a, b in steps(tokens)[:-1]], rel=1e-4)
        likelihoods[letters] = math.prod(table[a, b] for a, b in steps(tokens))
    ordered = list(likelihoods.values())
    assert all(a >= b * 0.9999 for a, b in pairwise(ordered))
    return likelihoods


def steps(tokens: list[int]) -> list[tuple[int, int]]:
    return list(zip([START, *tokens], [*tokens, END], strict=True))


def everything(table: Table) -> dict[bytes, float]:
    """All whole texts and how likely each is."""
    return {
        b"".join(LETTERS[token] for token in tokens): math.prod(
            table[a, b] for a, b in steps(list(tokens))
        )
        for length in range(MOST_TOKENS)
        for tokens in product((2, 3, 4), repeat=length)
    }


@st.composite
def tables(draw: st.DrawFn) -> Table:
    # No token is so unlikely that a text with it is passed over.
    weights = [
        [draw(st.integers(2, 5)) if token != START else 0 for token in range(5)] for _ in range(5)
    ]
    table = np.array(weights, float)
    return table / table.sum(axis=1, keepdims=True)


@given(tables())
def test_wide_search_finds_every_text(table: Table) -> None:
    assert found(table, width=100) == pytest.approx(everything(table))


@given(tables())
def test_search_of_one_beam_takes_the_likeliest_token_each_time(table: Table) -> None:
    (text,) = found(table, width=1)
    token, greedy = START, b""
    for _ in range(MOST_TOKENS):
        token = int(np.argmax(table[token, 2:])) + 2
        greedy += LETTERS[token]
    assert greedy.startswith(text)


def test_search_finds_what_the_first_likely_token_hides() -> None:
    table = np.zeros((5, 5))
    table[START, [2, 3]] = 0.6, 0.4
    table[2] = 0.2  # behind an a comes anything
    table[3, END] = 1.0
    assert next(iter(found(table, width=2))) == b"b"


def test_equally_likely_tokens_come_in_their_order() -> None:
    """Unstable sorts put them in an order that differs between processors."""
    equal = np.full(1_000, -math.log(2_000), np.float32)
    equal[::3] = -math.log(500)  # the likeliest; END is one of them
    ending = np.full(1_000, -np.inf, np.float32)
    ending[END] = 0.0
    texts = search(
        lambda newest, rows: np.array([equal if token == START else ending for token in newest]),
        lambda token: b"%d " % token,
        start=START,
        end=END,
        width=3,
        most_tokens=2,
    )
    assert [tokens for tokens, _ in texts] == [[], [3], [6]]


def test_texts_that_differ_in_what_is_no_letter_are_one() -> None:
    comma = 5
    table = np.zeros((6, 6))
    table[START, [2, 3]] = 0.9, 0.1
    table[2, [comma, END]] = 0.7, 0.3
    table[[3, comma], END] = 1.0
    assert found(table, width=3) == pytest.approx({b"a": 0.63, b"b": 0.1})


def test_texts_that_are_far_behind_are_not_told() -> None:
    rare = math.exp(-UNLIKELY)
    table = np.zeros((5, 5))
    table[START, [2, 3, 4]] = 1 - 2.5 * rare, 2 * rare, rare / 2
    table[2:, END] = 1.0
    assert list(found(table, width=3)) == [b"a", b"b"]


def test_search_gives_up_on_a_text_without_end() -> None:
    table = np.zeros((5, 5))
    table[[START, 2], 2] = 1.0
    assert found(table, width=3, most_tokens=50) == {}
