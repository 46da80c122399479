"""What was said, as it is said."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, TextIO

from .output import write_to

if TYPE_CHECKING:
    from ..transcription import Result


class Display:
    """Final text line by line; on a terminal also the line that is being spoken."""

    def __init__(self, output: TextIO | None) -> None:
        self._output = output
        if output is not None and hasattr(output, "reconfigure"):
            output.reconfigure(errors="replace")
        self._in_place = output is not None and output.isatty() and os.environ.get("TERM") != "dumb"
        self._open_line = False

    def show(self, result: Result) -> None:
        """Show a result, a partial one in place of the last one of its kind."""
        from ..captions import to_text

        if not result.is_partial:
            self.clear()
            self._write(to_text([result]))
        elif self._in_place and result.alternatives:
            columns = shutil.get_terminal_size().columns
            text = " ".join(result.alternatives[0].transcript.split())
            self._write("\r\x1b[K" + _ending(_printable(text), columns - 1))
            self._open_line = True

    def clear(self) -> None:
        """Take an unfinished line off the terminal."""
        if self._open_line:
            self._open_line = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._output is not None and text:
            write_to(self._output, text)


def _printable(text: str) -> str:
    """The text without characters that could steer the terminal."""
    return "".join(c for c in text if c >= " " and not "\x7f" <= c <= "\x9f")


def _ending(text: str, columns: int) -> str:
    """The end of the text, the newest words, as far as they fit on a line."""
    from ..captions import text_width

    if text_width(text) <= columns:
        return text
    start = len(text)
    width = 1
    while start and (width := width + text_width(text[start - 1])) <= columns:
        start -= 1
    return "…" + text[start:]
