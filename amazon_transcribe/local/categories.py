"""Categories of call analytics: rules in a file, matched by what the participants say.

The file is a JSON object: each category's name, and the phrases of which one is enough.

    {"Cancellation": ["cancel my contract", "close my account"], "Praise": ["thank you"]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..exceptions import ValidationException
from ..model import CategoryEvent, PointsOfInterest, TimestampRange, UtteranceEvent
from .phrases import Phrases

__all__ = ["Categories", "read_categories"]


def read_categories(path: Path) -> dict[str, list[str]]:
    """Read a rules file.

    :raises OSError: It cannot be read.
    :raises ValidationException: It holds no such rules.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValidationException(f"{path}: no rules of categories: {error}") from None


class Categories:
    """The rules.

    :param rules: The phrases of each category by its name.
    """

    def __init__(self, rules: Mapping[str, Sequence[str]]) -> None:
        self._rules = {name: Phrases(phrases) for name, phrases in rules.items()}

    def match(self, utterance: UtteranceEvent) -> CategoryEvent | None:
        """The categories that an utterance matches, and where; None without any."""
        spoken = [i for i in utterance.items or () if i.item_type == "pronunciation"]
        words = [item.content or "" for item in spoken]
        details: dict[str, PointsOfInterest] = {}
        for name, phrases in self._rules.items():
            ranges = [
                TimestampRange(spoken[begin].begin_offset_millis, spoken[end - 1].end_offset_millis)
                for begin, end in phrases.find(words)
            ]
            if ranges:
                details[name] = PointsOfInterest(ranges)
        return CategoryEvent(list(details), details) if details else None
