"""Speaker labels of the local server, on conversations mixed from recordings of one voice each.

    python -m benchmarks.speakers [--engine NAME] [--rounds N] [FOLDER ...]

Voices at hand are the reader of `examples/audio` and three of the recordings that come with
`moonshine-voice`; FOLDER is another voice, a folder with recordings. Each conversation has 2, 3
or 4 of them in turns of a second to six: with pauses of about a second, with none, or so that
half of the turns begin half a second before the last one ends.

`missed` is speech without a word, `false` words where nobody speaks or one of two does,
`wrong` words of another speaker; each is a share of the time that is spoken, and together they
are the diarisation error. A quarter of a second about the border of a turn does not count.
`words` are those with the wrong speaker, `speakers` how many were found. `cost` is what the
labels take, in shares of a core.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import time
import wave
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from amazon_transcribe.local.engines import Engine, RecognitionOptions, load_engine
from amazon_transcribe.local.engines.resample import SAMPLE_RATE, Resampler, Samples
from amazon_transcribe.local.engines.segments import Segmenter
from amazon_transcribe.transcription import Item

EXAMPLES = Path(__file__).parents[1] / "examples" / "audio"
STYLES = {"pauses": (0.7, 1.3), "no pauses": (0.05, 0.15), "overlap": (-0.5, 0.1)}
SHORTEST, LONGEST = 1.0, 6.0  # seconds of a turn
CONVERSATION = 40.0  # seconds, about
COLLAR = 0.25  # seconds
JOINED = 0.5  # seconds between two words of one speaker that are one turn
STEPS = 100  # a second

# Turns of a dialogue in `endgame_nagg_nell.wav`; the others are too short or not clear.
NAGG = [(4.8, 8.1), (11.95, 14.0), (17.6, 21.8), (22.5, 27.5)]
NELL = [(8.7, 11.3), (14.65, 17.0)]


@dataclass(frozen=True)
class Turn:
    """What somebody says without a break; times in seconds."""

    voice: str
    start: float
    end: float


@dataclass(frozen=True)
class Score:
    """How the labels of some conversations are; sums of steps, of words, and CPU seconds."""

    spoken: int = 0
    missed: int = 0
    false: int = 0
    wrong: int = 0
    words: int = 0
    wrong_words: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    @property
    def error(self) -> float:
        return (self.missed + self.false + self.wrong) / self.spoken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="conversations a row")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    voices = voices_at_hand() | {folder.name: voice_of(folder) for folder in arguments.folders}
    engine = load_engine(arguments.engine)
    for name, turns in voices.items():
        print(f"{name}: {len(turns)} turns, {sum(map(len, turns)) / SAMPLE_RATE:.0f} s")
    print(
        f"\n{'':12} {'voices':>6} {'missed':>7} {'false':>7} {'wrong':>7} {'error':>7}"
        f" {'words':>7} {'speakers':>9} {'cost':>6}"
    )
    for style in STYLES:
        for count in (2, 3, 4):
            row(engine, voices, style, count, arguments.rounds)


def row(
    engine: Engine, voices: dict[str, list[Samples]], style: str, count: int, rounds: int
) -> None:
    """Measure conversations of one kind, and print their row."""
    total, found, cost, seconds = Score(), [], 0.0, 0.0
    for number in range(rounds):
        chance = random.Random(f"{style} {count} {number}")
        audio, turns = conversation(voices, style, count, chance)
        plain, _ = recognise(engine, audio, speakers=False)
        took, items = recognise(engine, audio, speakers=True)
        total += score(turns, items)
        found.append(len({item.speaker for item in items}))
        cost += took - plain
        seconds += len(audio) / SAMPLE_RATE
    print(
        f"{style:12} {count:6}"
        + "".join(
            f" {share / total.spoken:7.1%}" for share in (total.missed, total.false, total.wrong)
        )
        + f" {total.error:7.1%} {total.wrong_words / max(1, total.words):7.1%}"
        f" {','.join(map(str, found)):>9} {cost / seconds:6.1%}",
        flush=True,
    )


def voices_at_hand() -> dict[str, list[Samples]]:
    spec = importlib.util.find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent / "assets"
    reader = read(EXAMPLES / "sense_and_sensibility_all.wav")
    dialogue = read(wheel / "endgame_nagg_nell.wav")

    def cut(turns: Sequence[tuple[float, float]]) -> list[Samples]:
        return [dialogue[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)] for a, b in turns]

    return {
        "reader": turns_of(reader),
        "narrator": turns_of(read(wheel / "two_cities.wav")),
        "Nagg": cut(NAGG),
        "Nell": cut(NELL),
    }


def voice_of(folder: Path) -> list[Samples]:
    return [turn for path in sorted(folder.glob("*.wav")) for turn in turns_of(read(path))]


def read(path: Path) -> Samples:
    """Read a recording of one channel, at 16 kHz."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
        resampler = Resampler(file.getframerate())
    return np.concatenate((resampler.accept(samples), resampler.finish()))


def turns_of(samples: Samples) -> list[Samples]:
    """Cut a recording at its pauses, so that each piece is as long as a turn may be."""
    segmenter = Segmenter(pause=0.3, longest=LONGEST)
    segments = [segment for segment in segmenter.accept(samples) if segment]
    segments += [last] if (last := segmenter.finish()) else []
    return [segment.samples for segment in segments if segment.seconds >= SHORTEST]


def conversation(
    voices: dict[str, list[Samples]], style: str, count: int, chance: random.Random
) -> tuple[Samples, list[Turn]]:
    """Mix a conversation; return it with its turns."""
    present = chance.sample(sorted(voices), count)
    order: list[str] = []
    audio = np.zeros(0, np.int32)
    turns: list[Turn] = []
    while len(audio) < CONVERSATION * SAMPLE_RATE:
        if not order:  # everyone has a turn before anyone has another one
            order = chance.sample(present, count)
        voice = order.pop()
        if turns and turns[-1].voice == voice:
            continue
        said = chance.choice(voices[voice])
        level = 2_500 / np.sqrt(np.mean(np.square(said, dtype=np.float64)))
        gap = chance.uniform(*STYLES[style])
        start = max(0, len(audio) + int(gap * SAMPLE_RATE))
        mixed = np.zeros(max(len(audio), start + len(said)), np.int32)
        mixed[: len(audio)] = audio
        mixed[start : start + len(said)] += (said * level).astype(np.int32)
        audio = mixed
        first, last = edges(said)
        turns.append(Turn(voice, start / SAMPLE_RATE + first, start / SAMPLE_RATE + last))
    # A room is never quite silent.
    noise = np.random.default_rng(chance.randrange(2**32)).normal(0, 12, len(audio))
    return np.clip(audio + noise, -32768, 32767).astype(np.int16), turns


def edges(samples: Samples) -> tuple[float, float]:
    """Return where the speech begins and ends, in seconds: the pauses about it are quiet."""
    step = SAMPLE_RATE // STEPS
    power = np.square(samples[: len(samples) // step * step], dtype=np.float64)
    loud = np.flatnonzero((level := power.reshape(-1, step).mean(axis=1)) > level.max() / 1_000)
    return float(loud[0]) / STEPS, float(loud[-1] + 1) / STEPS


def recognise(engine: Engine, audio: Samples, *, speakers: bool) -> tuple[float, list[Item]]:
    """Return the CPU time and the words."""
    start = time.process_time()
    recognition = engine.open(RecognitionOptions(SAMPLE_RATE, speakers=speakers))
    results = [*recognition.accept(audio.tobytes()), *recognition.finish()]
    took = time.process_time() - start
    finals = [result for result in results if not result.is_partial]
    items = [item for result in finals for item in (result.alternatives or ())[0].items]
    return took, [item for item in items if item.item_type == "pronunciation"]


def score(turns: Sequence[Turn], items: Sequence[Item]) -> Score:
    """Compare labels with the turns, each label standing for the voice that fits it best."""
    length = int(max(turns[-1].end, items[-1].end_time or 0.0) * STEPS) + 1
    voices = {turn.voice: np.zeros(length, np.bool_) for turn in turns}
    counts = np.ones(length, np.bool_)
    for turn in turns:
        voices[turn.voice][int(turn.start * STEPS) : int(turn.end * STEPS)] = True
        for border in (turn.start, turn.end):
            counts[max(0, int((border - COLLAR) * STEPS)) : int((border + COLLAR) * STEPS)] = False
    labels: dict[str, np.ndarray] = {}
    for speaker, start, end in spoken(items):
        steps = labels.setdefault(speaker, np.zeros(length, np.bool_))
        steps[int(start * STEPS) : int(end * STEPS)] = True
    names = mapping(voices, labels, counts)
    said = sum(steps[counts].astype(int) for steps in voices.values())
    heard = sum(steps[counts].astype(int) for steps in labels.values())
    right = sum(
        (steps & voices[names[label]])[counts].astype(int)
        for label, steps in labels.items()
        if label in names
    )
    of_words = Counter(right_word(item, turns, names) for item in items)
    return Score(
        int(np.sum(said)),
        int(np.sum(np.maximum(said - heard, 0))),
        int(np.sum(np.maximum(heard - said, 0))),
        int(np.sum(np.minimum(said, heard) - right)),
        of_words[True] + of_words[False],
        of_words[False],
    )


def spoken(items: Sequence[Item]) -> Iterator[tuple[str, float, float]]:
    """Yield the turns of the labels: words of one speaker with short gaps between them."""
    speaker, start, end = "", 0.0, 0.0
    for item in items:
        at, until = item.start_time or 0.0, item.end_time or 0.0
        if item.speaker != speaker or at - end > JOINED:
            if speaker:
                yield speaker, start, end
            speaker, start = item.speaker or "", at
        end = until
    if speaker:
        yield speaker, start, end


def mapping(
    voices: dict[str, np.ndarray], labels: dict[str, np.ndarray], counts: np.ndarray
) -> dict[str, str]:
    """Return the voice that each label stands for, so that most of the time is right."""
    slots = [*labels, *[""] * max(0, len(voices) - len(labels))]
    shared = {(v, s): int(np.sum((voices[v] & labels[s])[counts])) for v in voices for s in labels}
    best = max(
        permutations(slots, len(voices)),
        key=lambda chosen: sum(shared.get(pair, 0) for pair in zip(voices, chosen, strict=True)),
    )
    return {label: voice for voice, label in zip(voices, best, strict=True) if label}


def right_word(item: Item, turns: Sequence[Turn], names: dict[str, str]) -> bool | None:
    """Tell whether a word's speaker speaks then; None for a word that nobody says."""
    middle = ((item.start_time or 0.0) + (item.end_time or 0.0)) / 2
    speaking = {turn.voice for turn in turns if turn.start <= middle <= turn.end}
    return names.get(item.speaker or "") in speaking if speaking else None


if __name__ == "__main__":
    main()
