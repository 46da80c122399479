"""Sample-rate conversion: nothing but the rate changes, at any rate and chunking."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.local.engines.resample import SAMPLE_RATE, Resampler, Samples

RATES = [8_000, 11_025, 12_345, 16_000, 22_050, 32_000, 44_100, 47_999, 48_000]


def tone(frequency: float, sample_rate: int, seconds: float = 0.5) -> Samples:
    times = np.arange(int(seconds * sample_rate)) / sample_rate
    wave: Samples = np.rint(10_000 * np.sin(2 * np.pi * frequency * times)).astype(np.int16)
    return wave


def convert(samples: Samples, sample_rate: int) -> Samples:
    resampler = Resampler(sample_rate)
    return np.concatenate([resampler.accept(samples), resampler.finish()])


def decibels(samples: Samples, reference: Samples) -> float:
    power, of = (float(np.mean(x.astype(float) ** 2)) for x in (samples, reference))
    return 10 * math.log10(max(power, 1e-9) / of)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [100, 1_000, 3_300])
def test_tone_keeps_its_pitch_phase_and_level(rate: int, frequency: int) -> None:
    converted = convert(tone(frequency, rate), rate).astype(float)
    expected = tone(frequency, SAMPLE_RATE).astype(float)[: len(converted)]
    middle = slice(200, -200)
    assert decibels((converted - expected)[middle], expected[middle]) < -60


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate > SAMPLE_RATE])
@pytest.mark.parametrize("frequency", [8_300, 9_500, 10_900])
def test_frequencies_above_8_khz_leave_no_alias(rate: int, frequency: int) -> None:
    high = tone(frequency, rate)
    assert decibels(convert(high, rate)[200:-200], high) < -60


@pytest.mark.parametrize("rate", [8_000, 11_025])
def test_raising_the_rate_adds_no_image(rate: int) -> None:
    samples = tone(3_000, rate)
    converted = convert(samples, rate)[200:-200].astype(float)
    spectrum = np.abs(np.fft.rfft(converted * np.hanning(len(converted))))
    frequencies = np.fft.rfftfreq(len(converted), 1 / SAMPLE_RATE)
    image = spectrum[frequencies > rate / 2].max()
    assert image < spectrum.max() / 1000


@settings(deadline=None, max_examples=40)
@given(
    rate=st.one_of(st.sampled_from(RATES), st.integers(80, 480).map(lambda n: n * 100)),
    cuts=st.lists(st.integers(0, 4_000), max_size=8),
)
def test_borders_of_chunks_leave_no_trace(rate: int, cuts: list[int]) -> None:
    samples = np.random.default_rng(rate).integers(-20_000, 20_000, 4_000).astype(np.int16)
    resampler = Resampler(rate)
    borders = [0, *sorted(cuts), len(samples)]
    chunks = [resampler.accept(samples[start:end]) for start, end in pairwise(borders)]
    pieces = np.concatenate([*chunks, resampler.finish()])
    whole = convert(samples, rate)
    assert len(pieces) == len(whole)
    # Sums of floats may round differently by where they lie in memory.
    assert np.abs(pieces.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("count", [0, 1, 2, 1_000, 40_000])
def test_output_is_as_long_as_the_input_in_time(rate: int, count: int) -> None:
    converted = convert(np.zeros(count, np.int16), rate)
    assert len(converted) == math.ceil(count * SAMPLE_RATE / rate)


@pytest.mark.parametrize("rate", RATES)
def test_output_lags_by_a_few_milliseconds_only(rate: int) -> None:
    converted = Resampler(rate).accept(tone(440, rate, seconds=1))
    assert len(converted) >= SAMPLE_RATE * 0.995


@pytest.mark.parametrize("rate", RATES)
def test_full_scale_does_not_wrap_around(rate: int) -> None:
    square = np.where(np.arange(4_000) // 50 % 2, 32_767, -32_768).astype(np.int16)
    converted = convert(square, rate)
    middle = np.arange(25, 3_950, 50)  # of each half wave
    levels = converted[middle * SAMPLE_RATE // rate]
    assert (np.sign(levels) == np.sign(square[middle])).all()


@pytest.mark.parametrize("rate", [0, 7_999, 48_001])
def test_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="8,000 to 48,000"):
        Resampler(rate)
