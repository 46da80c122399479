"""What the local server asks of a recogniser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ...exceptions import SDKError, missing_extra
from ...transcription import Result

__all__ = [
    "Engine",
    "EngineUnavailable",
    "Recognition",
    "RecognitionOptions",
    "Stability",
]

Stability = Literal["low", "medium", "high"]
"""How eagerly words of partial results become stable; the service's own levels."""


class EngineUnavailable(SDKError):
    """A recogniser needs a package that is missing or broken.

    The message is one line that names the extra.

    :param engine: Its name, one of `ENGINES`.
    """

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(engine, reason)
        self.engine = engine
        self.reason = reason

    def __str__(self) -> str:
        return missing_extra(f"the engine {self.engine!r}", "local", self.reason)


@dataclass(frozen=True)
class RecognitionOptions:
    """What a stream asks of its recogniser.

    :param sample_rate: The rate of the audio in hertz, 8,000 to 48,000.
    :param stabilize: Mark the words of partial results that will not change any more.
    :param stability: With `stabilize`: how soon. `"high"` leaves only the newest word
        open, `"low"` more of them.
    :param alternatives: The most alternatives of a final result; partial ones have one.
    """

    sample_rate: int
    stabilize: bool = False
    stability: Stability = "high"
    alternatives: int = 1


class Recognition(Protocol):
    """The recognition of one stream; not to be used by two threads at once."""

    def accept(self, pcm: bytes) -> list[Result]:
        """Take the next audio and return the results that it brings.

        CPU-heavy with a real recogniser: call it in a worker thread. A call brings at
        most one partial result, so whoever hands over a backlog in one call gets fewer.

        :param pcm: Signed 16-bit little-endian mono samples of any length; a sample may
            be split over two calls.
        """

    def finish(self) -> list[Result]:
        """Take the end of the audio; returns the last final results."""


class Engine(Protocol):
    """A recogniser; one per server, its model shared by all streams."""

    @property
    def name(self) -> str:
        """What to call it before users, e.g. `"Moonshine tiny-en"`."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The language codes it understands."""

    @property
    def quick(self) -> bool:
        """Whether a call takes microseconds, so that it needs no worker thread."""

    def open(self, options: RecognitionOptions) -> Recognition:
        """Begin a stream; cheap."""

    def close(self) -> None:
        """Release the model; no stream can begin after it."""
