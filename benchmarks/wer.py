"""Word error rate of the local server on the recordings of `examples/audio`.

    python benchmarks/wer.py [--engine NAME] [NAME ...]

Every recording goes through the whole product: the command line, the client, the
protocol, the local server and its recogniser. Case and punctuation do not count.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import sysconfig
import time
import wave
from dataclasses import dataclass
from pathlib import Path

RECORDINGS = Path(__file__).parents[1] / "examples" / "audio"
COMMAND = Path(sysconfig.get_path("scripts")) / "amazon-transcribe"
ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "dr": "doctor"}


@dataclass(frozen=True)
class Score:
    """How one recording went."""

    name: str
    sample_rate: int
    seconds: float
    took: float
    words: int
    errors: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("names", nargs="*", metavar="NAME", help="recordings; all without any")
    arguments = parser.parse_args()
    names = arguments.names or sorted(path.stem for path in RECORDINGS.glob("*.wav"))
    print(f"{'recording':34} {'rate':>6} {'seconds':>8} {'took':>6} {'words':>6} {'errors':>7}")
    scores = []
    for name in names:
        score = measure(name, arguments.engine)
        scores.append(score)
        print(
            f"{name:34} {score.sample_rate:6} {score.seconds:8.1f} {score.took:6.1f} "
            f"{score.words:6} {score.errors:7} {score.errors / score.words:7.1%}"
        )
    for rate in sorted({score.sample_rate for score in scores}, reverse=True):
        of_rate = [score for score in scores if score.sample_rate == rate]
        words, errors = sum(s.words for s in of_rate), sum(s.errors for s in of_rate)
        print(f"all at {rate} Hz: {errors} of {words} words wrong, {errors / words:.1%}")


def measure(name: str, engine: str) -> Score:
    """Transcribe a recording and compare with what is said in it."""
    path = RECORDINGS / f"{name}.wav"
    with wave.open(str(path)) as file:
        sample_rate, frames = file.getframerate(), file.getnframes()
    command = [str(COMMAND), "transcribe", str(path), "--local", "--engine", engine]
    start = time.perf_counter()
    run = subprocess.run(
        [*command, "--format", "json", "--no-realtime"], capture_output=True, text=True
    )
    took = time.perf_counter() - start
    if run.returncode:
        sys.exit(f"{' '.join(command)}: {run.stderr.strip()}")
    reference = normalise(path.with_suffix(".txt").read_text(encoding="utf-8"))
    heard = normalise(json.loads(run.stdout)["transcript"])
    errors = edit_distance(reference, heard)
    return Score(name, sample_rate, frames / sample_rate, took, len(reference), errors)


def normalise(text: str) -> list[str]:
    """Return the words as they are spoken: lower case, no punctuation, no hyphens."""
    words = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("\u2019", "'")).split()
    return [ABBREVIATIONS.get(word, word) for word in words]


def edit_distance(reference: list[str], heard: list[str]) -> int:
    """Return how many words were substituted, inserted or left out, at the least."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], count
        for n, other in enumerate(heard, 1):
            substituted = diagonal + (word != other)
            diagonal, row[n] = row[n], min(row[n] + 1, row[n - 1] + 1, substituted)
    return row[-1]


if __name__ == "__main__":
    main()
