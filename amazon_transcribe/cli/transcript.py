"""A transcript in one of the command's formats, as it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..results import Said

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
        self._finals: list[Said] = []
        self._open: dict[str | None, Any] = {}  # partial results, by channel

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been recognised."""
        return not (self._finals or self._open)

    @property
    def seconds(self) -> float:
        """Up to where in the audio the results go."""
        from ..results import results_of

        said = [*self._finals, *self._open.values()]
        ends = (result.end_time or 0.0 for part in said for result in results_of(part))
        return max(ends, default=0.0)

    def add(self, event: Said) -> str:
        """Take an event, and return what is written at once."""
        from ..call_analytics import CategoryEvent
        from ..results import parts_of, results_of

        parts = parts_of(event)
        finals: list[Said] = []
        for part in parts:
            for result in results_of(part):  # one, or none of what says nothing
                if result.is_partial:
                    self._open[result.channel_id] = part
                else:
                    self._open.pop(result.channel_id, None)
                    finals.append(part)
            if isinstance(part, CategoryEvent):
                finals.append(part)
        self._finals += finals
        if self._kind == "text":
            return self._text(finals)
        return _json_lines(parts) if self._kind == "jsonl" else ""

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
        from .. import captions

        results = self._finals if complete else self._finals + self._unfinished
        if self._kind == "text":
            return self._text(results)
        if self._kind == "srt":
            return captions.to_srt(results, seconds or None, names=self._names)
        if self._kind == "vtt":
            return captions.to_vtt(results, seconds or None, names=self._names)
        if not complete:
            results.pop()  # the mark, which is no result
        if self._kind == "jsonl":
            return _json_lines(results) + ("" if complete else INCOMPLETE[2])
        text = captions.to_json(results)
        return text if complete else text.removesuffix("\n}\n") + ",\n  " + INCOMPLETE[1]

    @property
    def _unfinished(self) -> list[Said]:
        """What was still changing, as final, and the mark behind it."""
        from msgspec.structs import replace

        from ..transcription import Alternative, Result

        changing = [replace(result, is_partial=False) for result in self._open.values()]
        mark = [Alternative(_MARK)]
        return [*changing, Result("", self.seconds, self.seconds + 1, False, mark)]

    def _text(self, results: Sequence[Said]) -> str:
        from .. import captions

        return captions.to_text(results, names=self._names)


def _json_lines(parts: Sequence[Said]) -> str:
    from .._protocol.shapes import Shape

    return "".join(f"{part.to_json('service')}\n" for part in parts if isinstance(part, Shape))
