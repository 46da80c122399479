"""A transcript in one of the command's formats, as it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..transcription import Result, TranscriptEvent

FORMATS = ("text", "json", "jsonl", "srt", "vtt")

SUFFIXES = {"text": ".txt", **{kind: f".{kind}" for kind in FORMATS[1:]}}
"""What the names of files end with."""

_MARK = "[incomplete]"

INCOMPLETE = (f"{_MARK}\n", '"incomplete": true\n}\n', '{"incomplete": true}\n')
"""What a transcript ends with that is not whole, in one format or another."""


class Transcript:
    """The transcript of one recording.

    Text and JSON lines come piece by piece, the other formats as one document at the end.
    What was still changing when the recording broke off is a part of an incomplete one.

    :param names: The names of speakers and channels by their labels, where they are told
        apart.
    """

    def __init__(self, kind: str, names: Mapping[str, str] | None) -> None:
        self._kind = kind
        self._names = names
        self._finals: list[Result] = []
        self._open: dict[str | None, Result] = {}  # partial results, by channel

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been recognised."""
        return not (self._finals or self._open)

    @property
    def seconds(self) -> float:
        """Up to where in the audio the results go."""
        results = [*self._finals, *self._open.values()]
        return max((result.end_time or 0.0 for result in results), default=0.0)

    def add(self, event: TranscriptEvent) -> str:
        """Take an event, and return what is written at once."""
        results = event.transcript.results
        for result in results:
            if result.is_partial:
                self._open[result.channel_id] = result
            else:
                self._open.pop(result.channel_id, None)
                self._finals.append(result)
        if self._kind == "text":
            return self._text([result for result in results if not result.is_partial])
        if self._kind == "jsonl":
            return "".join(f"{result.to_json('service')}\n" for result in results)
        return ""

    def rest(self, *, complete: bool, seconds: float | None = None) -> str:
        """Return what is written at the end.

        :param seconds: The length of the audio, where it is known.
        """
        if self._kind == "text":
            return "" if complete else self._text(self._unfinished)
        if self._kind == "jsonl":
            return "" if complete else INCOMPLETE[2]
        return self.document(complete=complete, seconds=seconds)

    def document(self, *, complete: bool, seconds: float | None = None) -> str:
        """Return the whole transcript."""
        from ..transcribe import Transcription

        results = self._finals if complete else self._finals + self._unfinished
        if self._kind == "text":
            return self._text(results)
        if self._kind == "srt":
            return Transcription(results, seconds).to_srt(names=self._names)
        if self._kind == "vtt":
            return Transcription(results, seconds).to_vtt(names=self._names)
        if not complete:
            results.pop()  # the mark, which is no result
        if self._kind == "jsonl":
            lines = "".join(f"{result.to_json('service')}\n" for result in results)
            return lines + ("" if complete else INCOMPLETE[2])
        text = Transcription(results).to_json()
        return text if complete else text.removesuffix("\n}\n") + ",\n  " + INCOMPLETE[1]

    @property
    def _unfinished(self) -> list[Result]:
        """What was still changing, as final, and the mark behind it."""
        from msgspec.structs import replace

        from ..transcription import Alternative, Result

        changing = [replace(result, is_partial=False) for result in self._open.values()]
        mark = [Alternative(_MARK)]
        return [*changing, Result("", self.seconds, self.seconds + 1, False, mark)]

    def _text(self, results: Sequence[Result]) -> str:
        from .. import captions

        return captions.to_text(results, names=self._names)
