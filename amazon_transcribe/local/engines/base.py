"""The interface between the local server and its recognisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from ...exceptions import SDKError, missing_extra
from ...transcription import Result
from ..constants import LONGEST_SEGMENT, PAUSE
from .vocabulary import Vocabulary

__all__ = [
    "Engine",
    "EngineUnavailable",
    "Hurried",
    "Recognition",
    "RecognitionOptions",
    "Stability",
    "TakesVocabularies",
    "TellsSpeakers",
    "takes_vocabularies",
    "tells_speakers",
]

Stability = Literal["low", "medium", "high"]
"""How soon words of partial results become stable; the service's own levels."""


class EngineUnavailable(SDKError):
    """A recogniser cannot be loaded, usually for a package that is missing or broken.

    The message is one line that names the extra and the command that installs it, if one brings
    what is missing.

    :param engine: Its name.
    :param reason: What is missing or broken.
    :param extra: The extra of this package that brings it.
    """

    def __init__(self, engine: str, reason: str, extra: str | None = "local") -> None:
        super().__init__(engine, reason, extra)
        self.engine = engine
        self.reason = reason
        self.extra = extra

    def _text(self) -> str:
        what = f"the engine {self.engine!r}"
        if self.extra is None:
            return f"{what} cannot be loaded: {self.reason}"
        return missing_extra(what, self.extra, self.reason)


@dataclass(frozen=True)
class RecognitionOptions:
    """The options of one stream's recognition.

    :param sample_rate: The rate of the audio in hertz, 8,000 to 48,000.
    :param stabilize: Mark the words of partial results that will not change any more.
    :param stability: With `stabilize`: how soon. `"high"` leaves only the newest word
        open, `"low"` more of them.
    :param alternatives: The most alternatives of a final result; partial ones have one.
    :param speakers: Label the words of final results with their speakers. Only asked of an
        engine that `TellsSpeakers`.
    :param pause: Seconds without speech that end a segment.
    :param longest_segment: Seconds after which a segment is cut, paused or not.
    :param language_code: The language, one of the engine's `languages`.
    :param vocabulary: Phrases to expect. Only asked of an engine that `TakesVocabularies`, and
        the server writes them as they are to be written, whatever their case.
    """

    sample_rate: int
    stabilize: bool = False
    stability: Stability = "high"
    alternatives: int = 1
    speakers: bool = False
    pause: float = PAUSE
    longest_segment: float = LONGEST_SEGMENT
    language_code: str = "en-US"
    vocabulary: Vocabulary | None = None


class Recognition(Protocol):
    """The recognition of one stream; not to be used by two threads at once."""

    def accept(self, pcm: bytes) -> list[Result]:
        """Take the next audio and return the results that it brings.

        A real recogniser needs much of the CPU: call it in a worker thread. A call with much
        audio may leave out partial results on which no final result depends.

        :param pcm: Signed 16-bit little-endian mono samples of any length; a sample may
            be split over two calls.
        """
        ...

    def finish(self) -> list[Result]:
        """Take the end of the audio and return the last final results."""
        ...


@runtime_checkable
class Hurried(Protocol):
    """A recognition that can be told that more audio is waiting already.

    :ivar hurried: Set while it is: partial results on which no final result depends are left
        out.
    """

    hurried: bool


@runtime_checkable
class Engine(Protocol):
    """A recogniser: one for each server, its model shared by all streams.

    Any object with these members is one. `segmented.SegmentedRecognition` does what engines
    of segments have in common, so that a model needs little more than a `SegmentDecoder`.
    """

    @property
    def name(self) -> str:
        """Its name for users, e.g. `"Moonshine tiny-en"`."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """The language codes it understands."""
        ...

    @property
    def quick(self) -> bool:
        """Whether a call takes microseconds, so that it needs no worker thread."""
        ...

    def open(self, options: RecognitionOptions) -> Recognition:
        """Begin a stream, at little cost.

        :param options: What the stream asks for.
        """
        ...

    def close(self) -> None:
        """Release the model; no stream can begin afterwards."""
        ...


@runtime_checkable
class TellsSpeakers(Protocol):
    """An engine that can tell speakers apart; one without the property cannot."""

    @property
    def tells_speakers(self) -> bool:
        """Whether it can do so here."""
        ...


def tells_speakers(engine: Engine) -> bool:
    """Tell whether an engine can tell speakers apart, here and now.

    :param engine: The engine.
    """
    return isinstance(engine, TellsSpeakers) and engine.tells_speakers


@runtime_checkable
class TakesVocabularies(Protocol):
    """An engine that can expect the phrases of a vocabulary; one without the property cannot."""

    @property
    def takes_vocabularies(self) -> bool:
        """Whether it can do so here."""
        ...


def takes_vocabularies(engine: Engine) -> bool:
    """Tell whether an engine can expect the phrases of a vocabulary, here and now.

    :param engine: The engine.
    """
    return isinstance(engine, TakesVocabularies) and engine.takes_vocabularies
