"""A bar chart of the comparison as SVG, readable on light and dark ground."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

LABEL, WIDTH, BAR, GAP = 230, 760, 13, 16
COLOURS = {
    "compiled": "#0a7d62",
    "python": "#5aa892",
    "upstream": "#c2571a",
    "botocore": "#8a6fb0",
    "smithy": "#b0803a",
    "node": "#b5508a",
    "aws_c": "#3b78b5",
    "sha256": "#8a8a8a",
}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.case { font-weight: 600; }
.axis { stroke: #1f2328; stroke-opacity: 0.25; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .axis { stroke: #e6edf3; }
}
"""


def draw(figures: Mapping[str, Mapping[str, list[float]]], titles: Mapping[str, str]) -> str:
    """Draw each case's minimum as bars, the longest of each case as wide as the chart."""
    cases = dict.fromkeys(case for found in figures.values() for case in found)
    body: list[str] = []
    y = 4.0
    for case in cases:
        found = {peer: min(times[case]) for peer, times in figures.items() if case in times}
        longest = max(found.values())
        y += GAP
        body.append(f'<text class="case" x="4" y="{y}">{escape(case)}</text>')
        y += 5
        top = y
        for peer, nanoseconds in found.items():
            width = max(1.0, (WIDTH - LABEL - 90) * nanoseconds / longest)
            body.append(
                f'<text x="{LABEL - 8}" y="{y + BAR - 3}" text-anchor="end">'
                f"{escape(titles[peer])}</text>"
                f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR - 2}" rx="2" '
                f'fill="{COLOURS[peer]}"/>'
                f'<text x="{LABEL + width + 6:.1f}" y="{y + BAR - 3}">{nanoseconds:,.0f} ns</text>'
            )
            y += BAR + 2
        body.append(f'<line class="axis" x1="{LABEL}" y1="{top}" x2="{LABEL}" y2="{y - 2}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 8:.0f}" '
        f'viewBox="0 0 {WIDTH} {y + 8:.0f}" role="img">'
        f"<title>Nanoseconds per message, shorter is better</title><style>{STYLE}</style>"
        + "".join(body)
        + "</svg>\n"
    )
