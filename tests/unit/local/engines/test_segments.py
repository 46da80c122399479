"""Segments: where speech begins and ends, and that nothing is lost between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from amazon_transcribe.local.constants import LONGEST_SEGMENT
from amazon_transcribe.local.engines.resample import SAMPLE_RATE, Samples
from amazon_transcribe.local.engines.segments import Segment, Segmenter, has_voice
from tests.support.recordings import read_recording


def samples_of(name: str) -> Samples:
    return np.frombuffer(read_recording(name).pcm, np.int16)


def cut(samples: Samples, chunk: int = 1_600) -> list[Segment]:
    segmenter = Segmenter()
    segments: list[Segment | None] = []
    for at in range(0, len(samples), chunk):
        segments += segmenter.accept(samples[at : at + chunk])
    return [segment for segment in [*segments, segmenter.finish()] if segment is not None]


@pytest.fixture
def speech() -> Samples:
    return samples_of("sense_and_sensibility_all")


@pytest.fixture
def monologue() -> Samples:
    """Some 40 s of speech with hardly a pause."""
    names = ("sense_and_sensibility_0870", "sense_and_sensibility_0920")
    quarter = SAMPLE_RATE // 4
    return np.concatenate([samples_of(name)[quarter:-quarter] for name in names] * 3)


def test_sentences_with_pauses_between_are_segments(speech: Samples) -> None:
    starts = [segment.start for segment in cut(speech)]
    assert starts == pytest.approx([0.0, 7.8, 11.6, 17.7, 24.3], abs=0.3)


def test_silence_and_quiet_noise_are_no_segments() -> None:
    noise = np.random.default_rng(0).normal(0, 100, 10 * SAMPLE_RATE).astype(np.int16)
    assert cut(np.zeros(10 * SAMPLE_RATE, np.int16)) == []
    assert cut(noise) == []


def test_segment_holds_the_audio_of_its_place(speech: Samples) -> None:
    for segment in cut(speech):
        at = round(segment.start * SAMPLE_RATE)
        assert (segment.samples == speech[at : at + len(segment.samples)]).all()


def test_segments_follow_each_other_without_overlap(speech: Samples, monologue: Samples) -> None:
    for samples in (speech, monologue):
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(cut(samples)))


def test_chunking_changes_nothing(speech: Samples) -> None:
    expected = [(segment.start, segment.end) for segment in cut(speech)]
    for chunk in (1, 97, 480, 10**6):
        samples = speech[: 12 * SAMPLE_RATE] if chunk == 1 else speech
        found = [(segment.start, segment.end) for segment in cut(samples, chunk)]
        assert found[:2] == expected[:2]
        assert len(samples) < len(speech) or found == expected


def test_speech_without_a_pause_is_cut_without_loss(monologue: Samples) -> None:
    segments = cut(monologue)
    assert max(segment.seconds for segment in segments) <= LONGEST_SEGMENT
    assert sum(segment.seconds for segment in segments) > 0.97 * len(monologue) / SAMPLE_RATE


def test_end_of_stream_closes_the_open_segment(speech: Samples) -> None:
    end = 3 * SAMPLE_RATE + 7
    (segment,) = cut(speech[:end])
    assert segment.end == pytest.approx(3.0, abs=0.001)


def test_open_segment_grows_with_the_audio(speech: Samples) -> None:
    segmenter = Segmenter()
    assert segmenter.open_seconds == 0
    assert not any(segmenter.accept(speech[: 2 * SAMPLE_RATE]))
    assert segmenter.open_seconds == pytest.approx(2.0, abs=0.1)
    assert segmenter.open_segment().end == pytest.approx(2.0, abs=0.1)


def test_only_speech_has_voice(speech: Samples) -> None:
    noise = np.random.default_rng(0).normal(0, 3_000, SAMPLE_RATE).astype(np.int16)
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    hum = (3_000 * np.sin(2 * np.pi * 100 * times)).astype(np.int16)
    assert has_voice(speech[:SAMPLE_RATE])
    assert not has_voice(noise)
    assert not has_voice(hum)
    assert not has_voice(np.zeros(SAMPLE_RATE, np.int16))
    assert not has_voice(speech[:100])
