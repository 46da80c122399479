"""What a stream said, and whether that is what was said to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from amazon_transcribe.exceptions import SDKError, StreamResetException, TimeoutException
from amazon_transcribe.local.engines import RecognitionOptions
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.resume import Reconnected, Reconnecting
from amazon_transcribe.transcription import Result, TranscriptEvent

RATE = 16_000
AUDIO = bytes(3200)
CHUNK_SECONDS = 0.1
GAP_SECONDS = 1.05  # the script's pause and its longest part of a word


@dataclass
class Heard:
    """What one stream said, and how much was said to it."""

    chunks: int = 0
    finals: list[Result] = field(default_factory=list)
    forgotten: float = 0.0
    reconnects: int = 0
    detail: str = ""  # of an error that ended it

    def take(self, event: object) -> None:
        if isinstance(event, TranscriptEvent):
            self.finals += [r for r in event.transcript.results if not r.is_partial]
        elif isinstance(event, Reconnecting):
            self.reconnects += 1
        elif isinstance(event, Reconnected):
            self.forgotten += event.forgotten

    def ended(self, phase: str, error: SDKError) -> str:
        """The name of an end by an error: its class, and what tells errors of a class apart."""
        self.detail = str(error)
        name = type(error).__name__
        if isinstance(error, TimeoutException):
            name += f" ({error.phase})"
        elif isinstance(error, StreamResetException):
            name += f" ({error.code})"
        return f"{phase}: {name}"

    def differs(self, script: Script, end: str, silence: bool) -> str | None:
        """What is wrong with the final results of a stream on one connection.

        :param silence: Whether the client sent some of its own, nobody knows how much.
        """
        finals = [text(result) for result in self.finals]
        more = range(200 if silence else 1)
        if any(finals == script.after(self.chunks + silent) for silent in more):
            return None
        if end != "clean end":
            return None if finals == script.lines[: len(finals)] else f"it said {finals}"
        return f"{len(finals)} final results for {self.chunks} chunks are not what was said"

    def is_out_of_step(self, end: str) -> str | None:
        """What is wrong with the final results of a resumed stream.

        The script begins anew on each connection: so it is the times that must fit.
        """
        ids = {result.result_id for result in self.finals}
        if len(ids) < len(self.finals):
            return "a final result came twice"
        at = missing = 0.0
        for result in self.finals:
            start, stop = result.start_time or 0.0, result.end_time or 0.0
            if start < at - 0.001:
                return f"final results overlap at {start:.1f} s"
            missing += max(0.0, start - at - GAP_SECONDS)
            at = stop
        if end == "clean end":
            missing += max(0.0, self.chunks * CHUNK_SECONDS - at - GAP_SECONDS)
        if missing > self.forgotten + 0.001:
            return f"{missing:.1f} s are without final results, {self.forgotten:.1f} s forgotten"
        return None


class Script:
    """What the scripted engine says to so many chunks of audio.

    :param chunks: How many there are at most.
    """

    def __init__(self, chunks: int) -> None:
        recognition = ScriptedEngine().open(RecognitionOptions(RATE))
        self.lines: list[str] = []
        self._whole = [0]  # lines, by chunks
        self._cut = [""]  # the last line's part, by chunks
        for _ in range(chunks):
            self.lines += [text(r) for r in recognition.accept(AUDIO) if not r.is_partial]
            self._whole.append(len(self.lines))
            self._cut.append("".join(map(text, recognition.finish())))

    def after(self, chunks: int) -> list[str]:
        """The final results when the input ends."""
        cut = self._cut[chunks]
        return self.lines[: self._whole[chunks]] + ([cut] if cut else [])


def text(result: Result) -> str:
    return (result.alternatives or [])[0].transcript or ""
