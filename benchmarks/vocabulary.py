"""Names that the local server hears with a custom vocabulary and without, harm and cost.

    python -m benchmarks.vocabulary

Debian's `flite` and `espeak-ng` speak each sentence of `vocabulary.txt`, with the voices of
either that are at hand. The vocabulary has all names of the list, those that nobody says too.
`invented` counts names that are heard where they were not said. Then the recordings of
`examples/audio` are recognised with the names alone that nobody says in them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

from amazon_transcribe.local.engines import Engine, load_engine
from amazon_transcribe.local.engines.vocabulary import Vocabulary
from amazon_transcribe.local.recognition.pipeline import Pipeline, PipelineOptions
from amazon_transcribe.local.service.custom_vocabulary import CustomVocabulary, read_vocabulary
from amazon_transcribe.transcription import Result
from benchmarks.wer import RECORDINGS, normalise, word_errors

LIST = Path(__file__).with_suffix(".txt")
VOICES = {
    "slt": ("flite", "-voice", "slt", "-o", "{file}", "-t", "{text}"),
    "rms": ("flite", "-voice", "rms", "-o", "{file}", "-t", "{text}"),
    "awb": ("flite", "-voice", "awb", "-o", "{file}", "-t", "{text}"),
    "espeak": ("espeak-ng", "-v", "en-us", "-w", "{file}", "{text}"),
}


def main() -> None:
    said, others = read_list()
    names = [*(name for name, _ in said), *others]
    vocabulary = read_vocabulary(names)
    engine = load_engine("moonshine")
    hear(engine, RECORDINGS / "goforward.wav", vocabulary)  # what is only done once
    print(f"{len(said)} names said, {len(names)} in the vocabulary")
    print(f"{'voice':10}{'heard without':>14}{'with':>6}{'invented':>10}{'CPU':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for voice, command in VOICES.items():
            if shutil.which(command[0]) is None:
                print(f"{voice:10} left out: {command[0]} is not installed")
                continue
            plain = hits = invented = 0
            cost = [0.0, 0.0]
            for number, (name, text) in enumerate(said):
                path = Path(folder, f"{voice}{number}.wav")
                speak = [part.format(file=path, text=text) for part in command]
                subprocess.run(speak, check=True, capture_output=True)
                before, seconds = hear(engine, path, None)
                cost[0] += seconds
                after, seconds = hear(engine, path, vocabulary)
                cost[1] += seconds
                plain += has(before, name)
                hits += has(after, name)
                invented += sum(has(after, other) for other in names if not has(text, other))
            print(
                f"{voice:10}{plain:14}{hits:6}{invented:10}{cost[0]:7.1f}{cost[1]:5.1f} s",
                flush=True,
            )
    print("word errors of the recordings, without and with names that nobody says in them:")
    unrelated = read_vocabulary(others)
    for path in sorted(RECORDINGS.glob("*.wav")):
        reference = normalise(path.with_suffix(".txt").read_text("utf-8"))
        heard = [hear(engine, path, each) for each in (None, unrelated)]
        errors = [word_errors(reference, [[normalise(text)]]) for text, _ in heard]
        print(f"{path.stem:34}{len(reference):5} words: {errors[0]}, {errors[1]}")
    print("CPU for a second of speech, of the longest recording:")
    path = RECORDINGS / "sense_and_sensibility_all.wav"
    with wave.open(str(path)) as file:
        length = file.getnframes() / file.getframerate()
    for stabilize in (False, True):
        costs = [hear(engine, path, v, stabilize=stabilize)[1] for v in (None, unrelated)]
        with_partials = "partial results, stabilised" if stabilize else "final results"
        print(f"{with_partials:30}{costs[0] / length:7.1%}{costs[1] / length:7.1%}")


def read_list(path: Path = LIST) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the names with the sentences that have them, and the others."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line[:1] != "#"]
    pairs = [line.split("\t") for line in lines]
    return (
        [(pair[0], pair[1]) for pair in pairs if len(pair) == 2],
        [pair[0] for pair in pairs if len(pair) == 1],
    )


def hear(
    engine: Engine, path: Path, vocabulary: Vocabulary | None, *, stabilize: bool = False
) -> tuple[str, float]:
    """Return what is heard in a recording, and the seconds of CPU for it."""
    with wave.open(str(path)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    begin = time.process_time()
    options = PipelineOptions("pcm", rate, stabilize=stabilize, vocabulary=vocabulary)
    pipeline = Pipeline(engine, options, 3600.0)
    texts = []
    for result in results_of(pipeline, pcm, rate if stabilize else len(pcm)):
        if vocabulary is not None:
            CustomVocabulary(vocabulary).apply(result)
        if not result.is_partial and result.alternatives:
            texts.append(result.alternatives[0].transcript)
    return " ".join(map(str, texts)), time.process_time() - begin


def results_of(pipeline: Pipeline, pcm: bytes, size: int) -> Iterator[Result]:
    for at in range(0, len(pcm), size):
        yield from pipeline.accept(pcm[at : at + size])
        while pipeline.behind:
            yield from pipeline.accept()
    yield from pipeline.finish()


def has(text: str, name: str) -> bool:
    """Tell whether a name is in a text, whatever parts its words."""
    return letters(name) in letters(text)


def letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalpha())


if __name__ == "__main__":
    main()
