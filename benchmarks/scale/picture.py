"""The picture of an archive's outputs while its node and its driver are killed."""

from __future__ import annotations

from typing import Any

WIDTH, HEIGHT, LEFT, TOP = 640, 280, 48, 24
INK, LINE, MARK = "currentColor", "#0969da", "#cf222e"
STYLE = f"""
svg {{ color: #57606a; }}
@media (prefers-color-scheme: dark) {{
  svg {{ color: #9da7b3; }}
  [fill="{MARK}"] {{ fill: #ff7b72; }}
  [stroke="{MARK}"] {{ stroke: #ff7b72; }}
  [stroke="{LINE}"] {{ stroke: #79b8ff; }}
}}
"""


def draw(kills: dict[str, Any]) -> str:
    """Draw the outputs by the time, as an SVG document."""
    right, bottom = WIDTH - 16, HEIGHT - 32
    across = (right - LEFT) / kills["seconds"]
    up = (bottom - TOP) / kills["recordings"]

    def at(seconds: float, done: float) -> str:
        return f"{LEFT + seconds * across:.1f},{bottom - done * up:.1f}"

    parts = [f'<path d="M{at(0, 0)} H{right}" stroke="{INK}"/>']
    for done in range(0, kills["recordings"] + 1, 100):
        y = bottom - done * up
        parts.append(f'<path d="M{LEFT} {y:.1f} H{right}" stroke="{INK}" opacity=".2"/>')
        parts.append(_text(LEFT - 6, y + 4, str(done), "end"))
    step = next(s for s in (10, 20, 30, 60, 120, 300) if kills["seconds"] / s <= 8)
    for seconds in range(0, int(kills["seconds"]) + 1, step):
        parts.append(_text(LEFT + seconds * across, bottom + 18, f"{seconds} s", "middle"))
    for name in ("node killed", "driver killed"):
        seconds, done = kills[name]
        x = LEFT + seconds * across
        parts.append(f'<path d="M{x:.1f} {TOP} V{bottom}" stroke="{MARK}" stroke-dasharray="4"/>')
        parts.append(_text(x + 5, bottom - 10, f"{name}, {done} done", "start", MARK))
    points = " ".join(at(*point) for point in kills["curve"])
    parts.append(f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img" '
        'aria-label="Outputs by the time, while a node and the driver are killed">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
