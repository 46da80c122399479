"""Pictures of the limiter and of the relays, with their figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, BOX, LINE = 680, 260, 190, 16
COLUMNS = (8, (WIDTH - BOX) // 2, WIDTH - BOX - 8)
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.box { fill: #f6f8fa; stroke: #57606a; }
.way { stroke: #0969da; stroke-width: 1.5; }
.gone { stroke: #cf222e; stroke-dasharray: 5 4; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .box { fill: #161b22; stroke: #8b949e; }
  .way { stroke: #79b8ff; }
  .gone { stroke: #ff7b72; }
}
"""


def draw_limiter(figures: dict[str, Any]) -> str:
    """Draw the processes between the server of the count and the service, one of them killed."""
    back = figures["not yet back, and back, after"][1]
    killed = (
        f"killed: its {figures['slots of the killed process']} slots|are back after {back:.1f} s"
    )
    return _draw(
        f"{figures['processes']} processes that share a limit of {figures['limit']} streams",
        [f"Valkey|counts the streams|of all processes: {figures['limit']}"],
        [f"process 1|{killed}", "process 2", "…", f"process {figures['processes']}"],
        [
            f"the local server|has {figures['most at the server']} streams at most,"
            f"|refuses {figures['refused by the server']}"
        ],
    )


def draw_relays(figures: dict[str, Any]) -> str:
    """Draw the relays between the callers and the service, one of them restarting."""
    relays = figures["relays"]
    return _draw(
        f"{figures['calls']} calls while {relays} relays restart, one after the other",
        [
            f"{figures['calls']} callers|connect again:|{figures['moves']} moves",
            "Valkey|keeps the state of a call|on its way",
        ],
        ["relay 1|restarts", *(f"relay {number}" for number in range(2, relays + 1))],
        [
            f"the local server|hears {figures['words']:,} words:|{figures['lost']} lost,"
            f" {figures['doubled']} doubled"
        ],
    )


def _draw(title: str, left: Sequence[str], centre: Sequence[str], right: Sequence[str]) -> str:
    """Draw three columns of boxes; the first box in the centre is the one that is gone."""
    columns = [left, centre, right]
    places = [
        [(index + 0.5) * HEIGHT / len(column) for index in range(len(column))] for column in columns
    ]
    parts = []
    for index, y in enumerate(places[1]):
        way = "way gone" if index == 0 else "way"
        for side, x in ((0, COLUMNS[0] + BOX), (2, COLUMNS[2])):
            end = COLUMNS[1] if side == 0 else COLUMNS[1] + BOX
            parts += [
                f'<line class="{way}" x1="{x}" y1="{other:.0f}" x2="{end}" y2="{y:.0f}"/>'
                for other in places[side]
            ]
    for column, x, ys in zip(columns, COLUMNS, places, strict=True):
        for text, y in zip(column, ys, strict=True):
            parts.append(_box(text, x, y, gone=column is centre and y == ys[0]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _box(text: str, x: float, y: float, *, gone: bool) -> str:
    lines = text.split("|")
    height = LINE * len(lines) + 12
    top = y - height / 2
    kind = "box gone" if gone else "box"
    return (
        f'<rect class="{kind}" x="{x}" y="{top:.0f}" width="{BOX}" height="{height}" rx="6"/>'
        + (
            "".join(
                f'<text x="{x + BOX / 2}" y="{top + LINE * (number + 1) + 1:.0f}" '
                f'text-anchor="middle">{escape(line)}</text>'
                for number, line in enumerate(lines)
            )
        )
    )
