"""Vocabulary filters on results, partial and final."""

from __future__ import annotations

from pathlib import Path

import pytest

from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.local.engines.results import Word, build_result, split_mark
from amazon_transcribe.local.service.phrases import Phrases
from amazon_transcribe.local.service.vocabulary import VocabularyFilter, read_phrases
from amazon_transcribe.transcription import Alternative, Result


def filtered(
    text: str, phrases: list[str], method: str, *, partial: bool = False, stable: int | None = None
) -> Alternative:
    words = [
        Word(word, number, number + 1, 0.9, mark)
        for number, (word, mark) in enumerate(map(split_mark, text.split()))
    ]
    result = build_result("id", words, 0.0, len(words), is_partial=partial, stable=stable)
    return apply(VocabularyFilter([Phrases(phrases)], method), result)[0]


def apply(vocabulary_filter: VocabularyFilter, result: Result) -> list[Alternative]:
    vocabulary_filter.mark(result)
    vocabulary_filter.hide(result)
    assert result.alternatives
    return result.alternatives


@pytest.mark.parametrize(
    ("text", "phrases", "kept"),
    [
        ("Oh damn, it rains.", ["damn"], "Oh, it rains."),
        ("Damn, it rains.", ["damn"], "it rains."),
        ("Oh, DAMN, it rains.", ["Damn"], "Oh, it rains."),
        ("It rains, damn.", ["damn"], "It rains,"),
        ("Damn.", ["damn"], ""),
        ("In New York, I ran.", ["new york"], "In, I ran."),
        ("In New, new York I ran.", ["new york", "new york i"], "In New, ran."),
        ("It rains.", ["rain"], "It rains."),
        ("It doesn\u2019t rain.", ["doesn't"], "It rain."),
        ("It rains.", [], "It rains."),
    ],
)
def test_remove(text: str, phrases: list[str], kept: str) -> None:
    best = filtered(text, phrases, "remove")
    assert best.transcript == kept
    assert (
        " ".join(i.content or "" for i in best.items).replace(" ,", ",").replace(" .", ".") == kept
    )
    assert not any(item.vocabulary_filter_match for item in best.items)


def test_mask() -> None:
    best = filtered("In New York, I ran.", ["new york", "RAN"], "mask")
    assert best.transcript == "In *** ***, I ***."
    assert [item.content for item in best.items] == ["In", "***", "***", ",", "I", "***", "."]


def test_tag() -> None:
    best = filtered("In New York, I ran.", ["new york"], "tag")
    assert best.transcript == "In New York, I ran."
    assert [item.vocabulary_filter_match for item in best.items] == [
        *(False, True, True, None, False, False, None)
    ]


def test_the_beginning_of_a_phrase_is_not_stable_yet() -> None:
    partial = filtered("In new", ["new york"], "remove", partial=True, stable=2)
    assert [(i.content, i.stable) for i in partial.items] == [("In", True), ("new", False)]
    later = filtered("In new shoes", ["new york"], "remove", partial=True, stable=3)
    assert all(item.stable for item in later.items)


def test_alternatives_that_the_filter_makes_the_same_are_one() -> None:
    others = [[Word("damned", 0, 1)], [Word("dam", 0, 1)]]
    result = build_result("id", [Word("damn", 0, 1)], 0, 1, is_partial=False, others=others)
    alternatives = apply(VocabularyFilter([Phrases(["damn", "damned"])], "mask"), result)
    assert [a.transcript for a in alternatives] == ["***", "dam"]


def test_several_lists() -> None:
    result = build_result("id", [Word("one", 0, 1), Word("two", 1, 2)], 0, 2, is_partial=False)
    (best,) = apply(VocabularyFilter([Phrases(["one"]), Phrases(["two"])], "mask"), result)
    assert best.transcript == "*** ***"


def test_a_file_of_phrases(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xef\xbb\xbfdamn\r\n\r\n  New York \n")
    assert read_phrases(path) == ["damn", "New York"]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationException, match="words.txt: not UTF-8"):
        read_phrases(path)
