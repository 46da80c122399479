"""The same audio gives the same words and speakers, however it arrives.

`AMAZON_TRANSCRIBE_ARRIVALS=50` tries as many arrivals with each engine instead of a few, and
more audio: speech without pauses among it, half of it with labels of speakers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import pytest

from amazon_transcribe.local.engines import Engine
from amazon_transcribe.local.recognition.pipeline import Pipeline, PipelineOptions
from amazon_transcribe.transcription import Result
from tests.support.recordings import read_recording
from tests.support.sounds import interleaved

ARRIVALS = int(os.environ.get("AMAZON_TRANSCRIBE_ARRIVALS", "0"))
FEW = {"moonshine": 3, "pocketsphinx": 1}
STREAMS = 2  # at a time
SHORTEST_PIECE = 0.02  # seconds

BOOK, PARTS = "sense_and_sensibility", ("0870", "0920", "0930")

Heard = list[tuple[object, ...]]


@dataclass(frozen=True)
class Audio:
    """What a stream sends."""

    pcm: bytes
    sample_rate: int
    two_channels: bool = False

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * 2 * (2 if self.two_channels else 1)


def excerpt(name: str, start: float, end: float) -> Audio:
    whole = read_recording(name)
    first, last = (round(seconds * whole.sample_rate) * 2 for seconds in (start, end))
    return Audio(whole.pcm[first:last], whole.sample_rate)


@cache
def audios(engine: str) -> list[Audio]:
    command, question = read_recording("goforward").pcm, read_recording(f"{BOOK}_0930").pcm
    found = [Audio(command, 16_000), Audio(interleaved(command, command[16_000:]), 16_000, True)]
    if engine == "moonshine" or ARRIVALS:
        found += [
            excerpt(f"{BOOK}_all", 7, 12),
            excerpt(f"{BOOK}_all_8k", 16.5, 21.5),
            Audio(interleaved(question, command), 16_000, two_channels=True),
        ]
    if ARRIVALS:
        monologue = b"".join(read_recording(f"{BOOK}_{n}").pcm[8_000:-8_000] for n in PARTS * 2)
        telephone = excerpt(f"{BOOK}_all_8k", 0, 14).pcm
        found += [
            Audio(monologue, 16_000),
            Audio(interleaved(telephone, telephone[40_000:]), 8_000, two_channels=True),
        ]
    return found


def hear(engine: Engine, audio: Audio, options: PipelineOptions, pieces: Iterator[int]) -> Heard:
    """Feed pieces of so many bytes; return what must not depend on them."""
    pipeline = Pipeline(engine, options, max_seconds=60)
    results, at = [], 0
    while at < len(audio.pcm):
        size = next(pieces)
        results += pipeline.accept(audio.pcm[at : at + size])
        while pipeline.behind:
            results += pipeline.accept()
        at += size
    results += pipeline.finish()
    # Stable words are promised by partial results, so those are all there.
    return [as_heard(r) for r in results if options.stabilize or not r.is_partial]


def as_heard(result: Result) -> tuple[object, ...]:
    times = result.start_time, result.end_time
    return result.channel_id, *times, result.is_partial, result.alternatives


@cache
def reference(engine: Engine, audio: Audio, options: PipelineOptions) -> Heard:
    """What is heard when the audio comes in even pieces of a tenth of a second."""
    return hear(engine, audio, options, iter(lambda: audio.bytes_per_second // 10, 0))


def pieces(chance: random.Random, audio: Audio) -> Iterator[int]:
    """Sizes from the shortest piece to all of the audio, and bursts between short ones."""
    shortest = int(SHORTEST_PIECE * audio.bytes_per_second)
    longest = chance.choice([10 * shortest, audio.bytes_per_second, len(audio.pcm)])
    burst = chance.random() / 2
    while True:
        size = shortest * (longest / shortest) ** chance.random()
        yield round(size) if chance.random() > burst else longest


@pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name in FEW for seed in range(ARRIVALS or FEW[name])]
)
def test_results_depend_on_the_audio_alone(
    request: pytest.FixtureRequest, name: str, seed: int
) -> None:
    engine: Engine = request.getfixturevalue(name)
    chance = random.Random(seed)

    def draw() -> tuple[Audio, PipelineOptions]:
        audio = chance.choice(audios(name))
        options = PipelineOptions(
            "pcm",
            audio.sample_rate,
            audio.two_channels,
            stabilize=chance.random() < 0.5,
            stability=chance.choice(["low", "medium", "high"]),
            alternatives=chance.choice([1, 3]),
            speakers=bool(ARRIVALS) and chance.random() < 0.5,
        )
        return audio, options

    streams = [draw() for _ in range(STREAMS)]
    chances = [random.Random(chance.random()) for _ in streams]

    def listen(number: int) -> Heard:
        audio, options = streams[number]
        return hear(engine, audio, options, pieces(chances[number], audio))

    with ThreadPoolExecutor(STREAMS) as pool:
        heard = list(pool.map(listen, range(STREAMS)))
    for results, (audio, options) in zip(heard, streams, strict=True):
        assert results == reference(engine, audio, options)
