"""A stream's way from bytes to results: in slices, its channels in order."""

from __future__ import annotations

import pytest

from amazon_transcribe.local.engines import RecognitionOptions
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.local.recognition.pipeline import (
    ChannelRecognition,
    Pipeline,
    PipelineOptions,
)
from amazon_transcribe.transcription import Alternative, Result
from tests.support.sounds import encoded

RATE = 16_000
MINUTE = bytes(60 * RATE * 2)


class Listener:
    """An engine that says how much it was given at a time."""

    name = "listener"
    languages = ("en-US",)
    quick = True

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def open(self, options: RecognitionOptions) -> Listener:
        return self

    def accept(self, pcm: bytes) -> list[Result]:
        self.seconds.append(len(pcm) / 2 / RATE)
        return []

    def finish(self) -> list[Result]:
        return []

    def close(self) -> None:
        pass


@pytest.mark.parametrize("encoding", ["pcm", "flac", "g711-ulaw"])
def test_one_call_recognises_a_few_seconds(encoding: str) -> None:
    if encoding != "pcm":
        pytest.importorskip("av")
    audio = MINUTE if encoding == "pcm" else encoded(MINUTE, RATE, encoding)
    engine = Listener()
    pipeline = Pipeline(engine, PipelineOptions(encoding, RATE), max_seconds=60)
    calls = [pipeline.accept(audio)]
    heard = [sum(engine.seconds)]
    while pipeline.behind:
        calls.append(pipeline.accept())
        heard.append(sum(engine.seconds) - sum(heard))
    assert max(heard) < 8
    assert len(calls) > 10
    pipeline.finish()
    assert sum(engine.seconds) == pytest.approx(60)


def test_end_takes_the_audio_that_is_waiting() -> None:
    pipeline = Pipeline(ScriptedEngine(), PipelineOptions("pcm", RATE), max_seconds=60)
    at_once = pipeline.accept(MINUTE) + pipeline.finish()
    assert at_once[-1].end_time == pytest.approx(60, abs=1)


def test_audio_may_come_while_other_is_waiting() -> None:
    engine = Listener()
    pipeline = Pipeline(engine, PipelineOptions("pcm", RATE), max_seconds=60)
    for at in range(0, len(MINUTE), 600_000):
        pipeline.accept(MINUTE[at : at + 600_000])
    pipeline.finish()
    assert sum(engine.seconds) == pytest.approx(60)


class Bell:
    """A recognition whose results come after so many seconds, for something a while ago."""

    def __init__(self, *seconds: float) -> None:
        self._left = [round(s * RATE) * 2 for s in seconds]
        self._received = 0

    def accept(self, pcm: bytes) -> list[Result]:
        self._received += len(pcm)
        results = []
        while self._left and self._received >= self._left[0]:
            at = self._left.pop(0) / 2 / RATE
            # As a segment ends the earlier, the longer the pause that closes it.
            results.append(Result("1", 0.0, 10 - at, False, [Alternative(f"{at:g}")]))
        return results

    def finish(self) -> list[Result]:
        return []


@pytest.mark.parametrize("piece", [4, 1_000, 100_000, 10**6])
def test_channels_results_come_in_the_order_of_their_positions(piece: int) -> None:
    bells = iter([Bell(0.5, 1.0, 3.0), Bell(0.6, 2.0)])
    recognition = ChannelRecognition(lambda: next(bells), RATE)
    audio = bytes(4 * 4 * RATE)
    results = [
        result
        for at in range(0, len(audio), piece)
        for result in recognition.accept(audio[at : at + piece])
    ]
    said = [(r.channel_id, r.alternatives[0].transcript) for r in results if r.alternatives]
    assert said == [
        ("ch_0", "0.5"), ("ch_1", "0.6"), ("ch_0", "1"), ("ch_1", "2"), ("ch_0", "3"),
    ]  # fmt: skip
