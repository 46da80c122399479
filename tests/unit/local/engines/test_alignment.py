"""Word times: found where the words are, for words that no dictionary has too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from amazon_transcribe.local.engines.alignment import (
    Aligner,
    load_aligner,
    pronounce,
    pronunciations,
    spoken,
)
from amazon_transcribe.local.engines.resample import Samples
from amazon_transcribe.local.engines.results import spread
from tests.support.recordings import read_recording

TEXT = "And Mr. John Dashwood had then leisure to consider how much"


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    aligner = load_aligner()
    assert aligner is not None
    return aligner


@pytest.fixture(scope="module")
def samples() -> Samples:
    return np.frombuffer(read_recording("sense_and_sensibility_0870").pcm, np.int16)[: 4 * 16_000]


def test_words_are_found_where_they_are_spoken(aligner: Aligner, samples: Samples) -> None:
    times = aligner.align(samples, TEXT.split())
    assert times is not None
    starts = [start for start, _ in times[:6]]
    # Read off the waveform: and, mister, John, Dashwood, had, then.
    assert starts == pytest.approx([0.2, 0.37, 0.63, 1.0, 1.59, 1.84], abs=0.1)


@pytest.mark.parametrize("word", ["Dashwould", "Zhashwood", "Ðáşhwødé"])
def test_word_outside_the_dictionary_keeps_the_others_in_place(
    aligner: Aligner, samples: Samples, word: str
) -> None:
    expected = aligner.align(samples, TEXT.split())
    times = aligner.align(samples, TEXT.replace("Dashwood", word).split())
    assert expected is not None
    assert times is not None
    assert [start for start, _ in times] == pytest.approx(
        [start for start, _ in expected], abs=0.25
    )


def test_earlier_calls_change_nothing(aligner: Aligner, samples: Samples) -> None:
    first = aligner.align(samples, TEXT.split())
    aligner.align(samples[::2].copy(), ["something", "else"])
    assert aligner.align(samples, TEXT.split()) == first


def test_a_word_has_all_pronunciations_of_the_dictionary() -> None:
    dictionary = b"\nto T UW\nto(2) T IH\nto(3) T AH\ntoad T OW D\n"
    assert dict(pronunciations(dictionary, "to")) == {
        "to": "T UW",
        "to(2)": "T IH",
        "to(3)": "T AH",
    }
    assert dict(pronunciations(dictionary, "toad")) == {"toad": "T OW D"}
    assert dict(pronunciations(dictionary, "oad")) == {"oad": pronounce("oad")}


def test_threads_share_an_aligner(aligner: Aligner, samples: Samples) -> None:
    expected = aligner.align(samples, TEXT.split())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: aligner.align(samples, TEXT.split()), range(8)))
    assert found == [expected] * 8


def test_text_that_cannot_be_spoken_is_not_aligned(aligner: Aligner, samples: Samples) -> None:
    assert aligner.align(samples, ["—", "?"]) is None
    assert aligner.align(samples, []) is None


def test_text_without_audio_is_not_aligned(aligner: Aligner) -> None:
    assert aligner.align(np.zeros(0, np.int16), ["go", "forward"]) is None
    assert aligner.align(np.zeros(160, np.int16), ["go", "forward"]) is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Mr.", "mister"),
        ("ill-disposed", "ill disposed"),
        ("it\u2019s", "it's"),
        ("7", "seven"),
        ("0", "zero"),
        ("21", "twenty one"),
        ("1,900", "one thousand nine hundred"),
        ("$120", "one hundred twenty dollars"),
        ("5%", "five percent"),
        ("2000000", "two million"),
        ("B2B", "b two b"),
        ("—", ""),
    ],
)
def test_written_words_are_put_as_they_are_spoken(written: str, expected: str) -> None:
    assert " ".join(spoken(written)) == expected


@pytest.mark.parametrize(
    ("word", "expected"), [("ship", "SH IH P"), ("queen", "K W IY N"), ("nation", "N AE SH AH N")]
)
def test_rough_pronunciation_follows_the_spelling(word: str, expected: str) -> None:
    assert pronounce(word) == expected


def test_spread_shares_the_time_by_letters() -> None:
    assert spread(["abc", "d"], 1.0, 4.0) == [(1.0, 3.0), (3.0, 4.0)]
