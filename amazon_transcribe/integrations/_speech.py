"""What a stream's results say about speech: where it starts, what is said, where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..transcription import Alternative, Item, Result


class Word(NamedTuple):
    """A word with the punctuation behind it; times in seconds, None where they are unknown."""

    text: str
    start: float | None
    end: float | None
    confidence: float | None
    speaker: str | None


@dataclass(frozen=True)
class SpeechStarted:
    """Somebody speaks: the first words of a segment are there.

    :param time: When, in seconds of the audio.
    """

    time: float


@dataclass(frozen=True)
class Phrase:
    """What was said.

    :param kind: `"final"` will not change; `"stable"` is a partial result all of whose words
        are stable; `"partial"` is any other.
    :param start: Where it begins, in seconds of the audio.
    :param end: Where it ends.
    :param confidence: The mean of the words' own, 0 to 1; 0 where the service gives none.
    :param speaker: The speaker's label; of a partial result the last one's.
    :param languages: What was identified, the likeliest first.
    :param result: The result that says it, with the stream's own times.
    """

    kind: Literal["partial", "stable", "final"]
    text: str
    start: float
    end: float
    words: tuple[Word, ...]
    confidence: float
    speaker: str | None
    languages: tuple[str, ...]
    result: Result


@dataclass(frozen=True)
class SpeechEnded:
    """The segment is over; one follows each `SpeechStarted`.

    :param time: Where the last word ended, in seconds of the audio.
    """

    time: float


class Speech:
    """The state that turns the results of one channel into speech that starts and ends."""

    def __init__(self) -> None:
        self.is_open = False
        self._end = 0.0
        self._shown: tuple[str, str] | None = None

    def take(self, result: Result, offset: float) -> Iterator[SpeechStarted | Phrase | SpeechEnded]:
        """Yield what a result says.

        :param result: A partial or final one.
        :param offset: Seconds of audio before the stream began.
        """
        phrases = _phrases(result, offset)
        if phrases and not self.is_open:
            self.is_open = True
            yield SpeechStarted(phrases[0].start)
        for phrase in phrases:
            self._end = phrase.end
            shown = (phrase.kind, phrase.text)
            if phrase.kind == "final" or shown != self._shown:
                self._shown = shown
                yield phrase
        if not result.is_partial:
            yield from self.end()

    def end(self) -> Iterator[SpeechEnded]:
        """End the speech if there is any: the stream is over, or the words do not come back."""
        if self.is_open:
            self.is_open = False
            self._shown = None
            yield SpeechEnded(self._end)


def mean_confidence(words: tuple[Word, ...]) -> float:
    """Return the mean confidence of words; 0 if none has one."""
    known = [word.confidence for word in words if word.confidence is not None]
    return sum(known) / len(known) if known else 0.0


def words_of(items: list[Item], offset: float = 0.0) -> tuple[Word, ...]:
    """Return the words of items, with the punctuation behind each.

    :param offset: Seconds to add to their times.
    """
    words: list[Word] = []
    for item in items:
        content = item.content or ""
        if item.item_type == "punctuation":
            if words:
                words[-1] = words[-1]._replace(text=words[-1].text + content)
            continue
        start, end = _later(item.start_time, offset), _later(item.end_time, offset)
        words.append(Word(content, start, end, item.confidence, item.speaker))
    return tuple(words)


def _phrases(result: Result, offset: float) -> list[Phrase]:
    """Return what a result says: a final one speaker by speaker, a partial one as a whole."""
    if not result.alternatives or not result.alternatives[0].transcript:
        return []
    alternative = result.alternatives[0]
    runs = [(alternative.transcript, alternative.items)]
    kind: Literal["partial", "stable", "final"] = "final"
    if not result.is_partial:
        runs = _by_speaker(alternative)
    elif alternative.items and all(item.stable for item in alternative.items):
        kind = "stable"
    else:
        kind = "partial"
    phrases = []
    for number, (text, items) in enumerate(runs):
        words = words_of(items, offset)
        start = words[0].start if words and number else _later(result.start_time, offset)
        end = _later(result.end_time, offset)
        if words and number < len(runs) - 1:
            end = words[-1].end
        speakers = [word.speaker for word in words if word.speaker]
        start = offset if start is None else start
        phrases.append(
            Phrase(
                kind,
                text,
                start,
                start if end is None else end,
                words,
                mean_confidence(words),
                speakers[-1] if speakers else None,
                _languages(result),
                result,
            )
        )
    return phrases


def _by_speaker(alternative: Alternative) -> list[tuple[str, list[Item]]]:
    """Cut a text where the speaker changes; not every language puts spaces between words."""
    text, items = alternative.transcript, alternative.items
    speaker, begin, first, at = None, 0, 0, 0
    runs = []
    for number, item in enumerate(items):
        found = text.find(item.content or "", at)
        if item.speaker and speaker and item.speaker != speaker and found > begin:
            runs.append((text[begin:found].rstrip(), items[first:number]))
            begin, first = found, number
        speaker = item.speaker or speaker
        if found >= 0:
            at = found + len(item.content or "")
    runs.append((text[begin:], items[first:]))
    return runs


def _languages(result: Result) -> tuple[str, ...]:
    scored = sorted(result.language_identification or (), key=lambda each: -(each.score or 0.0))
    codes = [result.language_code, *(each.language_code for each in scored)]
    return tuple(dict.fromkeys(code for code in codes if code))


def _later(time: float | None, offset: float) -> float | None:
    return None if time is None else round(time + offset, 3)
