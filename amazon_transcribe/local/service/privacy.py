"""Personal information in results: identified as entities, or redacted.

A redacted partial result ends before its first number or address, whatever it is: what is
judged by half a sentence, or by words that are heard differently in a moment, would show what
the final result redacts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ...transcription import Alternative, Entity, Item, Result
from .pii import Span, count_safe_words, find_pii
from .vocabulary import MARK, VocabularyFilter, text_of

__all__ = ["Privacy"]

_CATEGORY = "PII"
_REDACTED = "[PII]"
_CONTEXT_WORDS = 24  # of the results before


class Privacy:
    """What one stream does about personal information.

    :param types: What is looked for, of `pii.TYPES`.
    :param redacts: Replace what is found by `[PII]`, instead of only listing it.
    """

    def __init__(self, types: Collection[str], *, redacts: bool) -> None:
        self._types = types
        self._redacts = redacts
        self._said: dict[str | None, list[str]] = {}

    def apply(self, result: Result, vocabulary_filter: VocabularyFilter | None = None) -> None:
        """Identify or redact in place.

        A partial result may be left without a word. Alternatives that differed only in what
        is redacted become one.

        :param vocabulary_filter: What has marked the words; entities show what it shows.
        """
        shown = vocabulary_filter.shown if vocabulary_filter else _content
        before = self._said.get(result.channel_id, [])
        distinct: dict[str, Alternative] = {}
        said: list[str] = []
        for alternative in result.alternatives or ():
            spoken = _words_with_marks(alternative.items)
            words = ["".join(item.content or "" for item in word) for word in spoken]
            if not distinct:
                said = words
            if result.is_partial and self._redacts:
                words = words[: count_safe_words(words, self._types, before)]
            found = find_pii(words, self._types, before)
            entities = [self._entity(spoken[span.begin : span.end], span, shown) for span in found]
            alternative.entities = [entity for entity in entities if entity.content]
            if self._redacts:
                alternative.items = _redacted(spoken[: len(words)], found)
                alternative.transcript = text_of(alternative.items)
            distinct.setdefault(alternative.transcript, alternative)
        if not result.is_partial:
            self._said[result.channel_id] = [*before, *said][-_CONTEXT_WORDS:]
        result.alternatives = list(distinct.values())

    def _entity(self, spoken: list[list[Item]], span: Span, shown: Callable[[Item], str]) -> Entity:
        words = [word[0] for word in spoken]
        return Entity(
            start_time=words[0].start_time,
            end_time=words[-1].end_time,
            category=_CATEGORY,
            content=_REDACTED if self._redacts else " ".join(filter(None, map(shown, words))),
            entity_type=span.entity_type,
        )


def _content(word: Item) -> str:
    return word.content or ""


def _words_with_marks(items: list[Item]) -> list[list[Item]]:
    """Return each word with the marks behind it."""
    words: list[list[Item]] = []
    for item in items:
        if item.item_type == MARK and words:
            words[-1].append(item)
        else:
            words.append([item])
    return words


def _redacted(spoken: list[list[Item]], found: list[Span]) -> list[Item]:
    """Return the items with one for each piece of personal information."""
    items: list[Item] = []
    at = 0
    for begin, end, _ in found:
        first, last = spoken[begin], spoken[end - 1]
        items += [item for word in spoken[at:begin] for item in word]
        tag = Item(first[0].start_time, last[0].end_time, first[0].item_type, _REDACTED)
        tag.stable = last[0].stable
        tag.speaker = first[0].speaker
        # What the filter says of the words is not true of what stands in their place.
        tag.vocabulary_filter_match = None if first[0].vocabulary_filter_match is None else False
        items += [tag, *last[1:]]
        at = end
    return items + [item for word in spoken[at:] for item in word]
