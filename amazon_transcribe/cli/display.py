"""Display of captions while they are spoken, and of the progress of files.

On a terminal the last lines change in place: first what is being said, then a line for each
file, if `rich` is installed. All that stays is written above them.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from ..exceptions import printable
from .errors import notice
from .output import Output, StandardOutput

if TYPE_CHECKING:
    from ..results import Said
    from ..transcription import Result

PLAIN_INTERVAL = 10.0
"""Seconds between two lines about a file where lines cannot change in place."""

_REDRAW_INTERVAL = 0.1
_METER_COLUMNS = 12
_QUIETEST = -60.0  # decibels of full scale, where the meter begins
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Progress:
    """How far a recording has come.

    :param duration: Its length in seconds; None if it is not known.
    :param now: The time at which it began.
    """

    def __init__(self, name: str, duration: float | None, now: float) -> None:
        self.name: str = name
        self.duration: float | None = duration
        self.position: float = 0.0
        self.resumed: int = 0
        self.peak: float | None = None
        """The loudest sample of a microphone's last chunk, from 0 to 1."""
        self.told_at: float = now
        self.began: float = now

    def parts(self, now: float) -> list[str]:
        """Return position and length, speed, time left, resumed connections: what there is."""
        length = f" of {clock_time(self.duration)}" if self.duration else ""
        parts = [clock_time(self.position) + length]
        speed = self.position / max(now - self.began, 0.001)
        if self.duration and speed:
            parts.append(f"{speed:.1f}×")
            parts.append(f"{clock_time(max(0.0, self.duration - self.position) / speed)} left")
        if self.resumed:
            parts.append(f"resumed {self.resumed}×")
        if self.peak is not None:
            parts.append(_meter(self.peak))
        return parts


class Display:
    """The display of one command.

    :param captions: Whether the text goes to standard output.
    :param quiet: Show no progress and no notices.
    :param clock: Gives the time in seconds.
    """

    def __init__(
        self, *, captions: bool, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._quiet = quiet
        self._clock = clock
        self._captions = _is_terminal(sys.stdout) and captions
        screens = (sys.stdout if captions else None, sys.stderr)
        in_place = os.environ.get("TERM") != "dumb"
        self._screen = next((s for s in screens if in_place and _is_terminal(s)), None)
        self._console = None if quiet or self._screen is None else _console()
        self._partials: dict[str | None, Result] = {}
        self._files: list[Progress] = []
        self._shown: list[int] = []  # the widths of the lines that change in place
        self._drawn_at = 0.0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Redraw after a change of the terminal's size, and after Ctrl-Z; clear at the end."""
        loop = asyncio.get_running_loop()
        handlers: dict[str, Callable[[], object]] = {
            "SIGWINCH": self._redraw,
            "SIGTSTP": self._suspend,
        }
        numbers = [getattr(signal, name) for name in handlers if hasattr(signal, name)]
        if self._screen is None:
            numbers = []
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            for number in numbers:
                loop.add_signal_handler(number, handlers[number.name])
        try:
            yield
        finally:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                for number in numbers:
                    loop.remove_signal_handler(number)
            self.clear()

    def clear(self) -> None:
        """Erase what changes, for good."""
        self._partials.clear()
        self._files.clear()
        self._erase()

    @contextmanager
    def progress(self, name: str, duration: float | None) -> Iterator[Progress]:
        """Show the progress of a file meanwhile."""
        progress = Progress(name, duration, self._clock())
        with self.showing(progress):
            yield progress

    @contextmanager
    def showing(self, progress: Progress) -> Iterator[None]:
        """Show a progress meanwhile."""
        self._files.append(progress)
        try:
            yield
        finally:
            with suppress(ValueError):  # cleared already
                self._files.remove(progress)
            self._redraw()

    def update(self, progress: Progress) -> None:
        """Show what has changed in a file's progress."""
        now = self._clock()
        if self._console is not None:
            if now - self._drawn_at >= _REDRAW_INTERVAL:
                self._redraw()
        elif not (self._quiet or self._captions) and now - progress.told_at >= PLAIN_INTERVAL:
            progress.told_at = now
            self.notice(f"{progress.name}: {', '.join(progress.parts(now))}")

    def show(self, event: Said) -> None:
        """Show what is being said, in place of what was shown before."""
        if self._screen is None or not self._captions:
            return
        from ..results import results_of

        for result in results_of(event):
            self._partials.pop(result.channel_id, None)
            if result.is_partial:
                self._partials[result.channel_id] = result
        self._redraw()

    def write(self, output: Output, text: str) -> None:
        """Write text to an output, above what changes."""
        if not text:
            return
        if self._captions and isinstance(output, StandardOutput):
            text = "".join(f"{line}\n" for line in _wrapped(text, self._columns))
        if not isinstance(output, StandardOutput):
            output.write(text)
            return
        self._erase()
        output.write(text)
        self._draw()

    def notice(self, line: str) -> None:
        """Print a line on standard error, above what changes, unless all is quiet."""
        if not self._quiet:
            self.error(line)

    def error(self, line: str) -> None:
        """Print a line on standard error, above what changes."""
        self._erase()
        notice(line)
        self._draw()

    def _suspend(self) -> None:
        """Stop as Ctrl-Z wants it, with a clean terminal, and redraw when it goes on."""
        self._erase()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._draw()

    def _redraw(self) -> None:
        self._erase()
        self._draw()

    def _erase(self) -> None:
        """Erase the lines that change; the terminal may have become narrower and wrapped them."""
        if self._screen is None or not self._shown:
            return
        rows = sum(max(1, -(-width // self._columns)) for width in self._shown)
        up = f"\x1b[{rows - 1}A" if rows > 1 else ""
        self._shown = []
        _paint(self._screen, f"\r{up}\x1b[J")

    def _draw(self) -> None:
        if self._screen is None:
            return
        self._drawn_at = self._clock()
        size = _size(self._screen)
        lines = [_caption(result, size.columns - 1) for result in self._partials.values()]
        if self._console is not None and self._files:
            lines += _bars(self._console, self._files, size.columns - 1, self._drawn_at)
        lines = [line for line in lines if line][: max(1, size.lines - 1)]
        if lines:
            self._shown = [_width(_STYLE.sub("", line)) for line in lines]
            _paint(self._screen, "\n".join(lines))

    @property
    def _columns(self) -> int:
        return _size(self._screen).columns


def _paint(screen: TextIO, text: str) -> None:
    """Write what changes; that a terminal is gone ends no transcription."""
    with suppress(OSError):
        screen.write(text)
        screen.flush()


def _caption(result: Result, columns: int) -> str:
    """Return the end of what is being said, the newest words, with unstable words dimmed."""
    if not result.alternatives:
        return ""
    best = result.alternatives[0]
    stable = 0  # characters
    for item in best.items:
        found = best.transcript.find(item.content or "", stable) if item.stable else -1
        if found < 0:
            break
        stable = found + len(item.content or "")
    text = printable(" ".join(best.transcript.split()))
    cut = _ending(text, columns)
    kept = max(0, stable - (len(text) - len(cut)))
    changing = cut[kept:]
    return cut[:kept] + (f"\x1b[2m{changing}\x1b[22m" if changing else "")


def _ending(text: str, columns: int) -> str:
    """Return as much of the text's end as fits on a line."""
    if _width(text) <= columns:
        return text
    start = len(text)
    width = 1
    while start and (width := width + _width(text[start - 1])) <= columns:
        start -= 1
    return "…" + text[start:]


def _wrapped(text: str, columns: int) -> Iterator[str]:
    """Yield the lines of a text, broken between words where they are too long."""
    for line in text.splitlines():
        words, width = [""], 0
        for word in line.split(" "):
            if width and width + 1 + _width(word) > columns:
                yield words[0]
                words, width = [""], 0
            words[0] += f" {word}" if width else word
            width += _width(word) + (1 if width else 0)
        yield words[0]


def _console() -> Any:
    """Return a console of `rich` that renders into text, or None without it."""
    try:
        import io

        from rich.console import Console
    except ImportError:
        return None
    return Console(file=io.StringIO(), force_terminal=True, highlight=False, legacy_windows=False)


def _bars(console: Any, files: list[Progress], columns: int, now: float) -> list[str]:
    """Return a line for each file, with a bar where its length is known."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=max(8, columns // 3))
    for file in files:
        bar: str | ProgressBar = ""
        if file.duration:
            bar = ProgressBar(file.duration, min(file.position, file.duration), 20)
        told = Text("  ".join(file.parts(now)), no_wrap=True, overflow="ellipsis")
        grid.add_row(printable(file.name), bar, told)
    console.width = columns
    with console.capture() as capture:
        console.print(grid)
    return str(capture.get()).splitlines()


def _meter(peak: float) -> str:
    """Show how loud a sound is, in the steps in which an ear hears it."""
    level = 1 - 20 * math.log10(peak) / _QUIETEST if peak else 0.0
    bar = "█" * round(max(0.0, level) * _METER_COLUMNS)
    return f"▕{bar:{_METER_COLUMNS}}▏"


def clock_time(seconds: float) -> str:
    """Write a time as 0:07, 12:07 or 3:12:07."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _is_terminal(screen: TextIO | None) -> bool:
    return screen is not None and screen.isatty()


def _size(screen: TextIO | None) -> os.terminal_size:
    """Return a terminal's size as it is now."""
    with suppress(OSError, ValueError, AttributeError):
        size = os.get_terminal_size(screen.fileno())  # type: ignore[union-attr]
        if size.columns and size.lines:
            return size
    size = shutil.get_terminal_size()
    # Python 3.10 returns a size of zero where a terminal tells it.
    return os.terminal_size((size.columns or 80, size.lines or 24))


def _width(text: str) -> int:
    from ..captions import text_width

    return text_width(text)
