"""Display of a transcript while it is spoken."""

from __future__ import annotations

import os
import shutil
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from ..exceptions import printable
from .output import write_to

if TYPE_CHECKING:
    from ..transcription import Result


class Display:
    """A display of final results line by line, on a terminal also of the partial result.

    :param output: Standard output, or None if there is none.
    """

    def __init__(self, output: TextIO | None) -> None:
        self._output = output
        if isinstance(output, TextIOWrapper):
            output.reconfigure(errors="replace")
        self._on_terminal = output is not None and output.isatty()
        self._in_place = self._on_terminal and os.environ.get("TERM") != "dumb"
        self._open_line = False

    def show(self, result: Result) -> None:
        """Show a result, which replaces the partial one on display."""
        from ..captions import to_text

        if not result.is_partial:
            self.clear()
            text = to_text([result])
            self._write(printable(text, "\n") if self._on_terminal else text)
        elif self._in_place and result.alternatives:
            columns = shutil.get_terminal_size().columns
            text = " ".join(result.alternatives[0].transcript.split())
            self._write("\r\x1b[K" + _ending(printable(text), columns - 1))
            self._open_line = True

    def clear(self) -> None:
        """Remove a partial result from the terminal."""
        if self._open_line:
            self._open_line = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._output is not None and text:
            write_to(self._output, text)


def _ending(text: str, columns: int) -> str:
    """Return as much of the text's end, the newest words, as fits on a line."""
    from ..captions import text_width

    if text_width(text) <= columns:
        return text
    start = len(text)
    width = 1
    while start and (width := width + text_width(text[start - 1])) <= columns:
        start -= 1
    return "…" + text[start:]
