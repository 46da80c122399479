"""A picture of the command in a terminal: `make terminal`.

    python docs/terminal.py FOLDER

Runs commands in a terminal and draws what it shows while the last one hears somebody speak.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pexpect
import pyte
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

AUDIO = Path(__file__).parents[1] / "examples" / "audio" / "sense_and_sensibility_all.wav"
COMMANDS = (
    "amazon-transcribe transcribe --local --format srt -o talk.srt talk.wav",
    "head -4 talk.srt",
    "amazon-transcribe transcribe --local talk.wav",
)
MOMENT = re.compile(r"Had he married a more amiable.*\n.* of 0:29 .* left")
COLUMNS, LINES = 72, 24
TIMEOUT = 120  # seconds without a word

# The theme's colours stand for variables, so that the picture follows light and dark.
INK, FAINT = (1, 1, 1), (2, 2, 2)
THEME = TerminalTheme((0, 0, 0), INK, [FAINT] * 8)
VARIABLES = {"#010101": "var(--ink)", "#020202": "var(--faint)"}
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>A terminal in which amazon-transcribe writes captions</title>
<style>
svg {{ --ground: #ffffff; --ink: #1f2328; --faint: #59636e; }}
@media (prefers-color-scheme: dark) {{
  svg {{ --ground: #0d1117; --ink: #e6edf3; --faint: #9198a1; }}
}}
svg > rect {{ fill: var(--ground); stroke: var(--faint); }}
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g class="{unique_id}-matrix" transform="translate({terminal_x}, {terminal_y})">{matrix}</g>
</svg>
"""


def main() -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(screen_at_moment())
    svg = console.export_svg(title="", theme=THEME, code_format=SVG, unique_id="terminal")
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    lines = (line.strip() for line in svg.splitlines())
    Path(sys.argv[1], "terminal.svg").write_text("\n".join(filter(None, lines)) + "\n", "utf-8")


def screen_at_moment() -> Text:
    """Run the commands and return the terminal's text at the moment of the picture."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.Stream(screen)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(AUDIO, Path(folder, "talk.wav"))
        for command in COMMANDS:
            stream.feed(f"$ {command}\r\n")
            for output in outputs(command, folder):
                # Pyte knows no faint text: it is grey here.
                stream.feed(output.replace("\x1b[2m", "\x1b[90m").replace("\x1b[22m", "\x1b[39m"))
                if MOMENT.search("\n".join(line.rstrip() for line in screen.display)):
                    return text_of(screen)
    sys.exit("terminal: the moment of the picture did not come; run it again")


def outputs(command: str, folder: str) -> Iterator[str]:
    """Yield what a command writes to a terminal; a command that nobody follows ends."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (
        pexpect.spawn(
            command,
            cwd=folder,
            dimensions=(LINES, COLUMNS),
            encoding="utf-8",
            env={**os.environ, "PATH": path, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            timeout=TIMEOUT,
        ) as terminal,
        suppress(pexpect.EOF),
    ):
        while True:
            yield terminal.read_nonblocking(size=65536)


def text_of(screen: pyte.Screen) -> Text:
    """Return the rows of a terminal with their colours."""
    rows = []
    for number in range(screen.cursor.y + 1):
        row = Text()
        for column in range(COLUMNS):
            cell = screen.buffer[number][column]
            row.append(cell.data, Style(color=colour_of(cell.fg)))
        row.rstrip()
        rows.append(row)
    return Text("\n").join(rows)


def colour_of(name: str) -> Color | None:
    """Return Rich's colour for one of Pyte's, of which this needs grey and those by number."""
    if name == "default":
        return None
    return Color.parse("bright_black" if name == "brightblack" else f"#{name}")


if __name__ == "__main__":
    main()
