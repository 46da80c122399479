"""Moonshine on real speech: the right words, at the right time, and nothing for noise."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from amazon_transcribe.local.engines import Engine, RecognitionOptions
from amazon_transcribe.local.engines.moonshine import MoonshineEngine
from amazon_transcribe.transcription import Result
from tests.support.recordings import best, read_recording, recognise, transcripts

Wave = npt.NDArray[np.float64]

SENTENCE = "sense_and_sensibility_0870"


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


def word_errors(reference: list[str], heard: list[str]) -> int:
    row = list(range(len(heard) + 1))
    for count, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], count
        for n, other in enumerate(heard, 1):
            substituted = diagonal + (word != other)
            diagonal, row[n] = row[n], min(row[n] + 1, row[n - 1] + 1, substituted)
    return row[-1]


@pytest.fixture(scope="module")
def read_aloud(moonshine: Engine) -> list[Result]:
    """The results of five sentences."""
    return hear(moonshine, "sense_and_sensibility_all", stabilize=True)


def hear(moonshine: Engine, name: str, stabilize: bool = False) -> list[Result]:
    speech = read_recording(name)
    options = RecognitionOptions(speech.sample_rate, stabilize)
    return recognise(moonshine.open(options), speech.pcm, 64_000)


def test_read_speech_is_recognised(read_aloud: list[Result]) -> None:
    assert_heard("sense_and_sensibility_all", read_aloud)


def test_speech_of_a_telephone_is_recognised(moonshine: Engine) -> None:
    name = "sense_and_sensibility_all_8k"
    assert_heard(name, hear(moonshine, name))


def assert_heard(name: str, results: list[Result]) -> None:
    reference = words(read_recording(name).text)
    assert word_errors(reference, words(" ".join(transcripts(results)))) <= 0.08 * len(reference)


def test_words_have_their_true_times(read_aloud: list[Result]) -> None:
    finals = [best(result).items for result in read_aloud if not result.is_partial]
    # Read off the waveform.
    assert finals[0][3].content == "Dashwood"
    assert finals[0][3].start_time == pytest.approx(1.0, abs=0.1)
    assert finals[4][-2].content == "himself"
    assert finals[4][-2].start_time == pytest.approx(26.9, abs=0.15)


def test_command_is_recognised(moonshine: Engine) -> None:
    speech = read_recording("goforward")
    results = recognise(moonshine.open(RecognitionOptions(speech.sample_rate)), speech.pcm)
    assert transcripts(results) == ["Go forward ten meters."]


def test_what_was_really_said_is_among_the_alternatives(moonshine: Engine) -> None:
    speech = read_recording("sense_and_sensibility_all")
    options = RecognitionOptions(speech.sample_rate, alternatives=5)
    results = recognise(moonshine.open(options), speech.pcm[7 * 32_000 : 12 * 32_000])
    texts = [a.transcript for a in results[-1].alternatives or ()]
    assert "He was not an ill-disposed young man." in texts[1:]
    for alternative in results[-1].alternatives or ():
        spoken = [item for item in alternative.items if item.item_type == "pronunciation"]
        assert all(item.confidence is not None and 0 < item.confidence <= 1 for item in spoken)


@pytest.fixture(scope="module")
def sentence(moonshine: Engine) -> list[Result]:
    """The results of one sentence."""
    speech = read_recording(SENTENCE)
    return recognise(moonshine.open(RecognitionOptions(speech.sample_rate)), speech.pcm)


def test_abbreviation_is_one_item(sentence: list[Result]) -> None:
    assert [item.content for item in best(sentence[-1]).items][1] == "Mr."


@pytest.mark.parametrize("rate", [11_025, 12_345, 44_100, 48_000])
def test_any_sample_rate_is_understood(moonshine: Engine, rate: int) -> None:
    speech = read_recording("sense_and_sensibility_0930")
    samples = np.frombuffer(speech.pcm, np.int16).astype(float)
    times = np.arange(int(speech.seconds * rate)) * speech.sample_rate / rate
    converted = np.interp(times, np.arange(len(samples)), samples).astype("<i2").tobytes()
    results = recognise(moonshine.open(RecognitionOptions(rate)), converted, 7_777)
    (text,) = transcripts(results)
    assert word_errors(words(speech.text), words(text)) <= 1
    assert results[-1].end_time == pytest.approx(speech.seconds, abs=0.1)


def test_partial_results_come_while_speech_goes_on(moonshine: Engine) -> None:
    speech = read_recording(SENTENCE)
    recognition = moonshine.open(RecognitionOptions(speech.sample_rate))
    results = recognition.accept(speech.pcm[: 2 * 16_000 * 2])
    assert [result.is_partial for result in results] == [True]
    assert best(results[0]).transcript.startswith("And Mr. John Dashwood")


def test_partial_result_ends_without_a_guessed_mark(sentence: list[Result]) -> None:
    ends = [best(result).items[-1].item_type for result in sentence]
    assert set(ends[:-1]) == {"pronunciation"}
    assert ends[-1] == "punctuation"


def noise(level: float) -> Wave:
    return np.random.default_rng(0).normal(0, level, 8 * 16_000)


def breath() -> Wave:
    puffs: Wave = np.convolve(noise(1_500), np.hanning(8), "same")
    puffs *= np.clip(np.sin(np.arange(len(puffs)) * np.pi / 8_000), 0, 1)
    return puffs


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(8 * 16_000),
        noise(300),
        noise(3_000),
        np.cumsum(noise(30)),
        8_000 * np.sin(np.arange(8 * 16_000) * 2 * np.pi * 440 / 16_000),
        breath(),
    ],
    ids=["silence", "faint noise", "loud noise", "rumble", "tone", "breath"],
)
def test_sound_that_is_no_speech_brings_no_result(moonshine: Engine, sound: Wave) -> None:
    pcm = np.clip(sound, -32_768, 32_767).astype("<i2").tobytes()
    assert recognise(moonshine.open(RecognitionOptions(16_000)), pcm) == []


def test_same_chunks_bring_the_same_results(moonshine: Engine) -> None:
    speech = read_recording("goforward")

    def outcome() -> list[object]:
        results = recognise(moonshine.open(RecognitionOptions(speech.sample_rate)), speech.pcm)
        return [(result.is_partial, best(result)) for result in results]

    assert outcome() == outcome()


def test_streams_in_parallel_threads_do_not_disturb_each_other(moonshine: Engine) -> None:
    names = ["goforward", "sense_and_sensibility_0930"]

    def transcribe(name: str) -> list[str]:
        speech = read_recording(name)
        recognition = moonshine.open(RecognitionOptions(speech.sample_rate))
        return transcripts(recognise(recognition, speech.pcm))

    alone = [transcribe(name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(transcribe, 2 * names)) == 2 * alone


def test_speech_without_pauses_is_cut_between_words(moonshine: Engine) -> None:
    names = ("0870", "0920", "0930")
    recordings = [read_recording(f"sense_and_sensibility_{name}") for name in names] * 2
    pcm = b"".join(recording.pcm[8_000:-8_000] for recording in recordings)
    reference = words(" ".join(recording.text for recording in recordings))
    results = recognise(moonshine.open(RecognitionOptions(16_000, True)), pcm, 64_000)
    heard = words(" ".join(transcripts(results)))
    assert word_errors(reference, heard) <= 0.08 * len(reference)


def test_closed_engine_begins_no_stream(moonshine: Engine) -> None:
    assert isinstance(moonshine, MoonshineEngine)
    engine = MoonshineEngine(moonshine._model, None)  # type: ignore[arg-type]
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.open(RecognitionOptions(16_000))


def test_without_an_aligner_times_are_estimated(moonshine: Engine) -> None:
    assert isinstance(moonshine, MoonshineEngine)
    assert moonshine._model is not None
    speech = read_recording("goforward")
    engine = MoonshineEngine(moonshine._model, None)
    results = recognise(engine.open(RecognitionOptions(speech.sample_rate)), speech.pcm)
    times = [item.start_time for item in best(results[-1]).items]
    assert times == sorted(times)  # type: ignore[type-var]
    assert len(set(times)) == 5
