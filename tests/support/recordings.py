"""The recordings of `examples/audio`, and what recognising one brings."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

from amazon_transcribe.local.engines import Recognition
from amazon_transcribe.transcription import Alternative, Result

DIRECTORY = Path(__file__).parents[2] / "examples" / "audio"


@dataclass(frozen=True)
class Recording:
    """A recording and what is said in it."""

    sample_rate: int
    pcm: bytes
    text: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.sample_rate


def read_recording(name: str) -> Recording:
    with wave.open(str(DIRECTORY / f"{name}.wav")) as file:
        pcm = file.readframes(file.getnframes())
        text = (DIRECTORY / f"{name}.txt").read_text(encoding="utf-8")
        return Recording(file.getframerate(), pcm, text)


def recognise(recognition: Recognition, pcm: bytes, chunk: int = 3_200) -> list[Result]:
    """Feed audio in chunks of so many bytes; returns all results."""
    results = []
    for at in range(0, len(pcm), chunk):
        results += recognition.accept(pcm[at : at + chunk])
    return results + recognition.finish()


def transcripts(results: list[Result]) -> list[str]:
    """The texts of the final results."""
    return [best(result).transcript for result in results if not result.is_partial]


def best(result: Result) -> Alternative:
    assert result.alternatives
    return result.alternatives[0]
