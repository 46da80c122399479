"""Categories of call analytics: rules that match what the participants say.

A rules file is a JSON object: the name of each category, and its phrases. One of them is
enough for a match.

    {"Cancellation": ["cancel my contract", "close my account"], "Praise": ["thank you"]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..._net.named_files import read_file
from ...exceptions import ValidationException
from ...model import CategoryEvent, PointsOfInterest, TimestampRange
from ...transcription import Result
from .phrases import Phrases

__all__ = ["Categories", "millis", "read_categories"]

_LARGEST_FILE = 16 * 1024 * 1024


def read_categories(path: Path) -> dict[str, list[str]]:
    """Read a rules file.

    :raises OSError: when it cannot be read.
    :raises ValidationException: when it is not a rules file.
    """
    try:
        return msgspec.json.decode(read_file(path, _LARGEST_FILE), type=dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValidationException(f"{path}: not a file of category rules: {error}") from None


class Categories:
    """The rules of a server.

    :param rules: The phrases of each category by its name.
    """

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        self._rules = {name: Phrases(phrases) for name, phrases in rules.items()}

    def match(self, result: Result) -> CategoryEvent | None:
        """Return the categories that a result matches, and where; None without any."""
        items = result.alternatives[0].items if result.alternatives else []
        spoken = [i for i in items if i.item_type == "pronunciation"]
        words = [item.content or "" for item in spoken]
        details: dict[str, PointsOfInterest] = {}
        for name, phrases in self._rules.items():
            ranges = [
                TimestampRange(millis(spoken[begin].start_time), millis(spoken[end - 1].end_time))
                for begin, end in phrases.find(words)
            ]
            if ranges:
                details[name] = PointsOfInterest(ranges)
        return CategoryEvent(list(details), details) if details else None


def millis(seconds: float | None) -> int | None:
    """Convert a time to call analytics' milliseconds."""
    return None if seconds is None else round(seconds * 1000)
