"""Speakers: who is told apart, by which models, and that labels depend on the audio alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.local.engines import Engine, RecognitionOptions
from amazon_transcribe.local.engines.fbank import mel_energies
from amazon_transcribe.local.engines.resample import SAMPLE_RATE, Samples
from amazon_transcribe.local.engines.results import Word
from amazon_transcribe.local.engines.segmented import SegmentDecoder, SegmentedRecognition
from amazon_transcribe.local.engines.speaker_models import (
    SpeakerModels,
    find_speaker_models,
    read_speaker_models,
)
from amazon_transcribe.local.engines.speakers import MAX_SPEAKERS, Speakers
from amazon_transcribe.transcription import Item, Result
from tests.support import voices
from tests.support.recordings import best, read_recording, recognise

spec = importlib.util.find_spec("moonshine_voice")
assert spec is not None
assert spec.origin is not None
WHEEL = Path(spec.origin).parent


def seconds(samples: Samples, start: float, end: float) -> Samples:
    return samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


@pytest.fixture(scope="module")
def reader() -> Samples:
    """13 s of one voice."""
    return np.frombuffer(read_recording("sense_and_sensibility_all").pcm, np.int16)[: 17 * 16_000]


@pytest.fixture(scope="module")
def narrator() -> Samples:
    return voices.narrator()


@pytest.fixture(scope="module")
def conversation(reader: Samples, narrator: Samples) -> Samples:
    """Reader, narrator, reader without a pause between them, and the narrator after one."""
    pause = np.zeros(SAMPLE_RATE, np.int16)
    return np.concatenate(
        [
            seconds(reader, 0, 3.0),
            seconds(narrator, 0.1, 3.1),
            seconds(reader, 11.7, 14.2),
            pause,
            seconds(narrator, 4.0, 6.0),
        ]
    )


@pytest.fixture
def models() -> SpeakerModels:
    found = find_speaker_models()
    assert found is not None
    return found


def words_of(results: list[Result]) -> list[Item]:
    finals = [result for result in results if not result.is_partial]
    return [item for result in finals for item in best(result).items]


def label(speakers: Speakers, samples: Samples) -> list[str | None]:
    """The labels of a segment, for a word in each half second of it."""
    words = [Word("word", at, at + 0.5) for at in np.arange(0, len(samples) / SAMPLE_RATE, 0.5)]
    (labelled,) = speakers.label(samples, [words])
    return [word.speaker for word in labelled]


# Labels


@pytest.fixture(scope="module")
def labelled(moonshine: Engine, conversation: Samples) -> list[Result]:
    recognition = moonshine.open(RecognitionOptions(SAMPLE_RATE, speakers=True))
    return recognise(recognition, conversation.tobytes(), 64_000)


def test_two_voices_are_told_apart_with_pauses_and_without(labelled: list[Result]) -> None:
    for item in words_of(labelled):
        middle = ((item.start_time or 0) + (item.end_time or 0)) / 2
        if min(abs(middle - border) for border in (3.0, 6.0, 8.5)) > 0.5:
            by_reader = middle < 3.0 or 6.0 < middle < 8.5
            assert item.speaker == ("0" if by_reader else "1"), item
    assert {item.speaker for item in words_of(labelled)} == {"0", "1"}


def test_partial_results_have_no_labels(labelled: list[Result]) -> None:
    partials = [item for r in labelled if r.is_partial for item in best(r).items]
    assert {item.speaker for item in partials} == {None}


class Ticks(SegmentDecoder):
    """Hears a word in every fifth of a second, whatever is said."""

    def partial(self, samples: Samples, keep: int) -> list[Word]:
        return [Word("tick", at / 5, (at + 1) / 5) for at in range(5 * len(samples) // SAMPLE_RATE)]


Labels = list[tuple[float | None, str | None]]


def labels_of_pieces(audio: bytes, cuts: Iterable[int]) -> Labels:
    """Cut audio at these bytes, and return when each word is said and by whom."""
    recognition = SegmentedRecognition(RecognitionOptions(SAMPLE_RATE, speakers=True), Ticks())
    results = []
    for begin, end in pairwise([0, *cuts, len(audio)]):
        results += recognition.accept(audio[begin:end])
    return [(item.start_time, item.speaker) for item in words_of(results + recognition.finish())]


@pytest.fixture(scope="module")
def short(reader: Samples, narrator: Samples) -> bytes:
    """Reader and narrator without a pause between them, and the reader after one."""
    first, second = seconds(reader, 12, 13.6), seconds(narrator, 4, 5.6)
    pause, third = np.zeros(11_200, np.int16), seconds(reader, 13.6, 14.6)
    return np.concatenate([first, second, pause, third]).tobytes()


@pytest.fixture(scope="module")
def labels_of_whole(short: bytes) -> Labels:
    return labels_of_pieces(short, ())


BYTES = 2 * round(4.9 * SAMPLE_RATE)  # of `short`
even_pieces = st.integers(20, BYTES).map(lambda size: range(size, BYTES, size))
bursts = st.lists(st.integers(0, BYTES), max_size=40).map(sorted)


@settings(max_examples=6)
@given(cuts=even_pieces | bursts)
def test_labels_depend_on_the_audio_alone(
    short: bytes, labels_of_whole: Labels, cuts: Iterable[int]
) -> None:
    assert labels_of_pieces(short, cuts) == labels_of_whole


def test_labels_change_with_the_voice(labels_of_whole: Labels) -> None:
    labels = [speaker for _, speaker in labels_of_whole]
    assert [label for label, _ in groupby(labels)] == ["0", "1", "0"]


def test_without_the_option_nothing_is_labelled(moonshine: Engine, reader: Samples) -> None:
    results = recognise(moonshine.open(RecognitionOptions(SAMPLE_RATE)), reader[:40_000].tobytes())
    assert {item.speaker for item in words_of(results)} == {None}


def test_a_speaker_is_known_again_after_others(
    models: SpeakerModels, reader: Samples, narrator: Samples
) -> None:
    speakers = Speakers(models)
    labels = [
        set(label(speakers, part))
        for part in (
            seconds(reader, 0.4, 3),
            seconds(narrator, 0.3, 3),
            seconds(reader, 12, 15),
            seconds(narrator, 4, 6),
        )
    ]
    assert labels == [{"0"}, {"1"}, {"0"}, {"1"}]


@pytest.mark.parametrize("length", [0, 100, 400, 3_000, SAMPLE_RATE])
def test_audio_that_says_nothing_of_the_speaker_is_labelled_too(
    models: SpeakerModels, length: int
) -> None:
    speakers = Speakers(models)
    (labelled,) = speakers.label(np.zeros(length, np.int16), [[Word("word", 0.0, 0.1)]])
    assert [word.speaker for word in labelled] == ["0"]


class ManyVoices:
    """Models that hear one voice in every segment, each time another one."""

    def __init__(self) -> None:
        self._heard = 0

    def activity(self, samples: Samples) -> npt.NDArray[np.bool_]:
        return np.tile([True, False, False], (589, 1))

    def voices(self, energies: npt.NDArray[np.float32], parts: npt.NDArray[np.bool_]) -> object:
        self._heard += 1
        return np.tile(np.eye(MAX_SPEAKERS + 5, dtype=np.float32)[self._heard], (len(parts), 1))


def test_no_more_speakers_than_ten() -> None:
    speakers = Speakers(ManyVoices())  # type: ignore[arg-type]
    labels = [set(label(speakers, np.zeros(2 * SAMPLE_RATE, np.int16))) for _ in range(13)]
    assert labels[:MAX_SPEAKERS] == [{str(n)} for n in range(MAX_SPEAKERS)]
    assert set().union(*labels) == {str(n) for n in range(MAX_SPEAKERS)}


# Models


def library() -> Path:
    names = ("libmoonshine.so", "libmoonshine.dylib", "moonshine.dll")
    return next(path for name in names if (path := WHEEL / name).is_file())


def test_models_are_found_wherever_they_lie(tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.write_bytes(b"\0" * 4_097 + library().read_bytes())
    assert read_speaker_models(moved) is not None


def test_other_models_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    whole = library().read_bytes()
    at = whole.index(b"ORTM")
    other.write_bytes(whole[: at + 1_000] + b"\xff" + whole[at + 1_001 :])
    assert read_speaker_models(other) is None


# Features


def test_tone_is_loudest_in_the_band_of_its_frequency() -> None:
    for hertz in (200, 1_000, 4_000):
        tone = 8_000 * np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
        energies = mel_energies(tone.astype(np.int16))
        mel = 1127 * np.log1p(np.array([20, hertz, 8_000]) / 700)
        band = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 81 - 1
        assert energies.shape == (98, 80)
        assert np.abs(energies.mean(axis=0).argmax() - band) <= 1


def test_energies_are_those_of_kaldi() -> None:
    """A frame of `goforward`, by kaldi-native-fbank 1.23.0 without dither."""
    samples = np.frombuffer(read_recording("goforward").pcm, np.int16)
    kaldi = [12.911736, 17.504545, 16.709219, 13.162939, 10.8369]
    assert mel_energies(samples)[100, ::16] == pytest.approx(kaldi, abs=1e-3)
