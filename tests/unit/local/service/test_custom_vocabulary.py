"""Custom vocabularies: their files, and their phrases in results."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.local.engines.results import Word, build_result, split_mark
from amazon_transcribe.local.engines.vocabulary import Vocabulary, spell
from amazon_transcribe.local.service.custom_vocabulary import CustomVocabulary, read_vocabulary
from amazon_transcribe.transcription import Alternative

COLUMNS = ("Phrase", "SoundsLike", "IPA", "DisplayAs")
phrases = st.lists(st.from_regex(r"\A[A-Z][a-z]{1,8}\Z"), min_size=1, max_size=4).map("-".join)
shown = st.text(st.characters(categories=["L", "N"]), max_size=20)


@given(
    st.dictionaries(phrases.map(str.capitalize), shown, min_size=1, max_size=5),
    st.permutations(COLUMNS),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_in_any_order_of_columns(
    tmp_path_factory: pytest.TempPathFactory,
    entries: dict[str, str],
    columns: list[str],
    end: str,
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.txt"
    rows = [dict(zip(COLUMNS, (p, "x", "y", d), strict=True)) for p, d in entries.items()]
    lines = [columns, *([row[c] for c in columns] for row in rows)]
    path.write_bytes(end.join(map("\t".join, lines)).encode())
    written = read_vocabulary(path).written
    for phrase, display in entries.items():
        assert written[spell(phrase).strip()] == (display or phrase.replace("-", " "))


def test_a_list(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfLos-Angeles\r\n\r\nC.L.I.\n")
    written = {"los angeles": "Los Angeles", "c l i": "C.L.I."}
    assert read_vocabulary(path).written == written
    assert read_vocabulary(str(path)).written == written
    assert read_vocabulary(["Los-Angeles", "C.L.I."]).written == written


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Ann\nLos Angeles", "line 2: Phrase: hyphens part the words"),
        ("V2", "line 1: Phrase: digits are written out"),
        ("Ann!", "line 1: Phrase has letters, hyphens, periods and apostrophes only, not '!'"),
        ("-.", "line 1: Phrase has no letters"),
        ("\n" + "a" * 257, "line 2: Phrase has 256 characters at most, not 257"),
        (f"Phrase\tDisplayAs\nAnn\t{'a' * 257}", "line 2: DisplayAs has 256 characters at most"),
        ("Phrase\tDisplayAs\n\tAnn", "line 2: Phrase has no letters"),
        ("Phrase\tDisplay\nAnn\tx", "line 1: the columns are .* not 'Display'"),
        ("Phrase\tPhrase\nAnn\tx", "line 1: the columns are .* not 'Phrase'"),
        ("Ann\tx", "line 1: 2 cells .* where there are 1 columns"),
        ("\n \n", "there is no phrase"),
        ("Phrase\tDisplayAs\n", "there is no phrase"),
        ("Ann\n" * 13_000, "has more than 51,200 bytes"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValidationException, match=f"names.txt.*{problem}"):
        read_vocabulary(path)


@given(st.text(max_size=80))
def test_a_line_is_taken_or_refused_in_our_words(line: str) -> None:
    try:
        vocabulary = read_vocabulary([line])
    except ValidationException:
        return
    assert vocabulary.written


def written(
    text: str, entries: dict[str, str], *, partial: bool = False, stable: int | None = None
) -> Alternative:
    words = [
        Word(word, number, number + 1, 0.9, mark)
        for number, (word, mark) in enumerate(map(split_mark, text.split()))
    ]
    result = build_result("id", words, 0.0, len(words), is_partial=partial, stable=stable)
    (best,) = CustomVocabulary(Vocabulary(entries)).apply(result).alternatives or ()
    return best


@pytest.mark.parametrize(
    ("text", "entries", "shown"),
    [
        ("I met elinor, twice.", {"Elinor": "Elinor"}, "I met Elinor, twice."),
        ("In los Angeles.", {"Los-Angeles": "LA"}, "In LA."),
        ("The CLI.", {"C.L.I.": "command line"}, "The command line."),
        ("Is it it?", {"I.T.": "IT"}, "Is it it?"),
        ("A Mcdonald.", {"McDonald": "McDonald"}, "A McDonald."),
        ("New York City", {"New-York": "NY", "New-York-City": "NYC"}, "NYC"),
        ("New York cities", {"New-York": "NY", "New-York-City": "NYC"}, "NY cities"),
        ("An annual fee.", {"Ann": "ANN"}, "An annual fee."),
    ],
)
def test_phrases_are_written_as_the_vocabulary_has_them(
    text: str, entries: dict[str, str], shown: str
) -> None:
    assert written(text, entries).transcript == shown


def test_items_keep_their_times() -> None:
    best = written("In los Angeles.", {"Los-Angeles": "Los ANGELES"})
    items = [(i.content, i.start_time, i.end_time) for i in best.items]
    assert items == [("In", 0, 1), ("Los", 1, 2), ("ANGELES", 2, 3), (".", 3, 3)]
    best = written("In los Angeles.", {"Los-Angeles": "LA"})
    assert [(i.content, i.start_time, i.end_time) for i in best.items][1] == ("LA", 1, 3)


@pytest.mark.parametrize(
    ("text", "stable"),
    [
        ("Ask Jane", [True, False]),
        ("Ask Jane Doe", [True, True, True]),
        ("Ask Jane Smith", [True, True, True]),
    ],
)
def test_a_word_that_the_next_may_change_is_not_stable(text: str, stable: list[bool]) -> None:
    count = len(text.split())
    best = written(text, {"Jane-Doe": "J. D."}, partial=True, stable=count)
    assert [item.stable for item in best.items] == stable
