"""Bias of the search towards the phrases of a vocabulary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from amazon_transcribe.local.engines import Engine, RecognitionOptions
from amazon_transcribe.local.engines.beams import search
from amazon_transcribe.local.engines.bias import Bias, Spellings
from amazon_transcribe.local.engines.vocabulary import Vocabulary
from amazon_transcribe.transcription import Result
from tests.support.sounds import recording

SPELLED = ["\0", "\0", " an", "n", "ual", " lee", " sue", " "]
END, START = 0, 1


def heard(likely: list[dict[int, float]], *phrases: str) -> list[int]:
    """The tokens that are heard where a model has these likelihoods at each step."""

    def follow(newest: list[int], rows: list[int]) -> npt.NDArray[np.float32]:
        steps.append(len(steps))
        row = np.full(len(SPELLED), 1e-9)
        for token, weight in likely[len(steps) - 1].items():
            row[token] = weight
        return np.log(np.array([row] * len(newest))).astype(np.float32)

    steps: list[int] = []
    texts = search(
        follow,
        lambda token: SPELLED[token].strip("\0 ").encode(),
        start=START,
        end=END,
        width=4,
        most_tokens=len(likely),
        bias=Bias(Vocabulary(dict.fromkeys(phrases, "")), Spellings(SPELLED, END)),
    )
    return texts[0][0]


AN, N, UAL, LEE, SUE = 2, 3, 4, 5, 6


def test_a_phrase_is_heard_that_is_less_likely() -> None:
    likely = [{SUE: 0.9, LEE: 0.1}, {END: 1.0}]
    assert heard(likely) == [SUE]
    assert heard(likely, "Lee") == [LEE]


def test_a_phrase_that_is_far_less_likely_is_not_heard() -> None:
    assert heard([{SUE: 0.9999, LEE: 0.0001}, {END: 1.0}], "Lee") == [SUE]


@pytest.mark.parametrize("phrases", [["Ann"], ["Ann-Lee"], ["Ann", "Ann-Lee"]])
def test_a_word_that_only_begins_like_a_phrase_gains_nothing(phrases: list[str]) -> None:
    likely = [{SUE: 0.6, AN: 0.4}, {N: 1.0}, {UAL: 1.0}, {END: 1.0}]
    likely[1] |= {END: 1.0}
    assert heard(likely, *phrases) == [SUE]


def test_a_phrase_counts_before_another_one() -> None:
    likely = [{SUE: 0.6, AN: 0.4}, {N: 0.5, SUE: 0.5}, {LEE: 0.5, SUE: 0.5}, {END: 1.0}]
    assert heard(likely, "Ann", "Lee") == [AN, N, LEE]


def results_of(
    engine: Engine, phrases: list[str], *, stabilize: bool = False, pieces: int = 1
) -> list[Result]:
    pcm, rate = recording("goforward")
    vocabulary = Vocabulary({phrase: phrase for phrase in phrases})
    options = RecognitionOptions(rate, stabilize=stabilize, vocabulary=vocabulary)
    recognition = engine.open(options)
    size = len(pcm) // pieces
    results = []
    for at in range(0, len(pcm), size):
        results += recognition.accept(pcm[at : at + size])
    return results + recognition.finish()


def transcript(result: Result) -> str | None:
    return (result.alternatives or ())[0].transcript


@pytest.mark.parametrize("stabilize", [False, True])
def test_moonshine_hears_the_vocabulary(moonshine: Engine, stabilize: bool) -> None:
    for pieces in (1, 20):
        results = results_of(moonshine, ["metres"], stabilize=stabilize, pieces=pieces)
        assert transcript(results[-1]) == "Go forward ten metres."


def test_stable_words_stand(moonshine: Engine) -> None:
    *partials, final = results_of(moonshine, ["metres", "Gough"], stabilize=True)
    heard = [item.content for item in (final.alternatives or ())[0].items]
    stable = [[i.content for i in (p.alternatives or ())[0].items if i.stable] for p in partials]
    assert any(stable)
    assert all(heard[: len(words)] == words for words in stable)


def test_other_names_change_nothing(moonshine: Engine) -> None:
    others = ["Thorvaldsen", "Nkrumah", "Atorvastatin", "Go-on", "Forwarder"]
    assert transcript(results_of(moonshine, others)[-1]) == "Go forward ten meters."
