"""Precision and recall of the local server's rules for personal information.

    python -m benchmarks.pii

The sentences of `pii.txt` are judged by themselves. A finding is right if its words and its
type are. `hidden` counts the words in braces that a redaction hides, whatever their type.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from amazon_transcribe.local.service.pii import TYPES, Span, find_pii

LIST = Path(__file__).with_suffix(".txt")
_MARKED = re.compile(r"\{(\w+) ([^}]*)\}(\S*)")


def read_list(path: Path = LIST) -> list[tuple[list[str], list[Span]]]:
    """Return the words of each sentence, and what is to be found in them."""
    lines = path.read_text("utf-8").splitlines()
    return [parse(line) for line in lines if line and not line.startswith("#")]


def parse(line: str) -> tuple[list[str], list[Span]]:
    """Return the words of a sentence, and what its braces mark."""
    words: list[str] = []
    spans = []
    at = 0
    for match in _MARKED.finditer(line):
        words += line[at : match.start()].split()
        begin = len(words)
        words += (match[2] + match[3]).split()
        spans.append(Span(begin, len(words), match[1]))
        at = match.end()
    return words + line[at:].split(), spans


def main() -> None:
    right, wanted, found = Counter[str](), Counter[str](), Counter[str]()
    hidden = secret = needless = 0
    for words, expected in read_list():
        got = find_pii(words)
        wanted.update(span.entity_type for span in expected)
        found.update(span.entity_type for span in got)
        right.update(span.entity_type for span in got if span in expected)
        private, covered = positions(expected), positions(got)
        secret += len(private)
        hidden += len(private & covered)
        needless += len(covered - private)
        if got != expected:
            print("differs:", " ".join(words))
            print("         got", [(s.entity_type, *words[s.begin : s.end]) for s in got])
    print(f"\n{'type':22}{'wanted':>7}{'found':>7}{'right':>7}{'precision':>11}{'recall':>8}")
    for name in (*TYPES, "all"):
        w, f, r = (c.total() if name == "all" else c[name] for c in (wanted, found, right))
        print(f"{name:22}{w:7}{f:7}{r:7}{r / max(f, 1):11.0%}{r / max(w, 1):8.0%}")
    print(f"hidden: {hidden} of {secret} private words, and {needless} others")


def positions(spans: list[Span]) -> set[int]:
    return {at for span in spans for at in range(span.begin, span.end)}


if __name__ == "__main__":
    main()
