"""The rules for personal information."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe.local.service.pii import TYPES, count_safe_words, find_pii
from benchmarks.pii import parse, positions, read_list

WORDS = sorted({word for words, _ in read_list() for word in words} | {"at", "dot", "double"})
speech = st.lists(st.sampled_from(WORDS), max_size=25)
types = st.sets(st.sampled_from(TYPES), min_size=1)


@pytest.mark.parametrize(
    "line",
    [
        "my card is {CREDIT_DEBIT_NUMBER four two four two, four two four two, forty two oh one}",
        "it's {CREDIT_DEBIT_NUMBER 4242 4242 4242 4242}, and 4242 4242 4242 4243 is not",
        "so {BANK_ROUTING 021000021}, not 021000022",
        "that's {PHONE 4155552671}, not 1155552671",
        "{SSN 219-09-9999}, not 666-09-9999",
        "dial {PHONE triple five, double one, double two}",
        "expires {CREDIT_DEBIT_EXPIRY April twenty seven}, not 13 27",
        "my account has 5000 dollars, since 2015",
        "expires in {CREDIT_DEBIT_EXPIRY March twenty twenty seven}",
        "{EMAIL john dot smith at example dot com}, and look at example dot com",
        "my email is {EMAIL john smith at g mail dot com} thanks",
        "",
    ],
)
def test_what_is_found(line: str) -> None:
    words, expected = parse(line)
    assert find_pii(words) == expected


def test_precision_and_recall_on_the_list() -> None:
    wanted = found = both = 0
    for words, expected in read_list():
        private, hidden = positions(expected), positions(find_pii(words))
        wanted, found, both = (
            wanted + len(private),
            found + len(hidden),
            both + len(private & hidden),
        )
    assert both / wanted > 0.95
    assert both / found > 0.9


def test_words_before_hold_cues_and_beginnings() -> None:
    assert not find_pii(["four", "two", "one", "one"])
    (found,) = find_pii(["four", "two", "one", "one"], before=["my", "pin", "is"])
    assert found == (0, 4, "PIN")
    (found,) = find_pii(["4242", "4242"], before=["4242", "4242"])
    assert found == (0, 2, "CREDIT_DEBIT_NUMBER")


@given(speech)
def test_spans_ascend_and_do_not_overlap(words: list[str]) -> None:
    ends = [0]
    for begin, end, kind in find_pii(words):
        assert ends[-1] <= begin < end <= len(words)
        assert kind in TYPES
        ends.append(end)


@given(speech, types, speech)
def test_safe_words_stay_safe_whatever_comes(
    words: list[str], wanted: set[str], before: list[str]
) -> None:
    whole = find_pii(words, wanted, before)
    reached = 0
    for length in range(len(words) + 1):
        safe = count_safe_words(words[:length], wanted, before)
        assert reached <= safe <= length
        assert all(span.begin >= safe for span in whole)
        reached = safe


@pytest.mark.parametrize(
    ("words", "safe"),
    [
        ("my pen is 4912 that's it", "my pen is"),  # the recogniser will hear "pin"
        ("no one told me it", "no one told me it"),
        ("he has one", "he"),
        ("my address is john.smithmapple.com so", "my address is"),
        ("they met at noon to talk of it", "they met at noon to talk of it"),
        ("look for john dot smith and", "look for"),
        ("it may", "it"),
    ],
)
def test_safe_words(words: str, safe: str) -> None:
    said = words.split()
    assert said[: count_safe_words(said)] == safe.split()
