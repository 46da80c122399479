"""Word error rate of the local server on the recordings of `examples/audio`.

    python benchmarks/wer.py [--engine NAME] [--alternatives N] [NAME ...]

Every recording goes through the whole product: the command line, the client, the
protocol, the local server and its recogniser. Case and punctuation do not count. `least`
are the errors that would be left if of each result the best of its alternatives were taken.
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
    least: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--alternatives", type=int, default=1, metavar="N")
    parser.add_argument("names", nargs="*", metavar="NAME", help="recordings; all without any")
    arguments = parser.parse_args()
    names = arguments.names or sorted(path.stem for path in RECORDINGS.glob("*.wav"))
    print(
        f"{'recording':34} {'rate':>6} {'seconds':>8} {'took':>6} "
        f"{'words':>6} {'errors':>7} {'':7} {'least':>6}"
    )
    scores = []
    for name in names:
        score = measure(name, arguments.engine, arguments.alternatives)
        scores.append(score)
        print(
            f"{name:34} {score.sample_rate:6} {score.seconds:8.1f} {score.took:6.1f} "
            f"{score.words:6} {score.errors:7} {score.errors / score.words:7.1%} {score.least:6}"
        )
    for rate in sorted({score.sample_rate for score in scores}, reverse=True):
        of_rate = [score for score in scores if score.sample_rate == rate]
        words, errors = sum(s.words for s in of_rate), sum(s.errors for s in of_rate)
        print(f"all at {rate} Hz: {errors} of {words} words wrong, {errors / words:.1%}")


def measure(name: str, engine: str, alternatives: int) -> Score:
    """Transcribe a recording and compare with what is said in it."""
    path = RECORDINGS / f"{name}.wav"
    with wave.open(str(path)) as file:
        sample_rate, frames = file.getframerate(), file.getnframes()
    command = [str(COMMAND), "transcribe", str(path), "--local", "--engine", engine]
    command += ["--alternatives", str(alternatives)]
    start = time.perf_counter()
    run = subprocess.run(
        [*command, "--format", "json", "--no-realtime"], capture_output=True, encoding="utf-8"
    )
    took = time.perf_counter() - start
    if run.returncode:
        sys.exit(f"{' '.join(command)}: {run.stderr.strip()}")
    reference = normalise(path.with_suffix(".txt").read_text(encoding="utf-8"))
    document = json.loads(run.stdout)
    errors = word_errors(reference, [[normalise(document["transcript"])]])
    least = word_errors(
        reference,
        [[normalise(a["Transcript"]) for a in r["Alternatives"]] for r in document["results"]],
    )
    return Score(name, sample_rate, frames / sample_rate, took, len(reference), errors, least)


def normalise(text: str) -> list[str]:
    """Return the words as they are spoken: lower case, no punctuation, no hyphens."""
    words = re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("\u2019", "'")).split()
    return [ABBREVIATIONS.get(word, word) for word in words]


def word_errors(reference: list[str], results: list[list[list[str]]]) -> int:
    """Return how many words were substituted, inserted or left out, at the least.

    :param results: The alternatives of each result; of each the one that fits best counts.
    """
    errors = list(range(len(reference) + 1))  # by how much of the reference is behind
    for alternatives in results:
        errors = [
            min(column)
            for column in zip(*(after(errors, a, reference) for a in alternatives), strict=True)
        ]
    return errors[-1]


def after(errors: list[int], heard: list[str], reference: list[str]) -> list[int]:
    """The errors after some more words were heard."""
    for word in heard:
        row = [errors[0] + 1]
        for n, said in enumerate(reference):
            row.append(min(errors[n + 1] + 1, row[n] + 1, errors[n] + (said != word)))
        errors = row
    return errors


if __name__ == "__main__":
    main()
