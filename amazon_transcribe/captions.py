"""Results as text, words, captions and JSON.

    srt = to_srt(results, duration=28.7)

The results may be those of any operation, and its events.

Captions follow the usual rules: at most two lines of 42 columns, at most seven seconds, at
least one second where the next cue leaves room, and breaks at sentences, clauses and pauses
where possible. Each channel and each speaker has cues of its own, which appear when the words
are spoken and overlap those of others who speak at the same time.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

import msgspec

from ._protocol.constraints import is_number
from ._protocol.shapes import Keys, Shape
from ._protocol.times import LATEST, believable
from .call_analytics import CategoryEvent
from .exceptions import ValidationException
from .results import Said, parts_of, results_of
from .transcription import Item, Result

__all__ = [
    "Cue",
    "Word",
    "cues",
    "text_width",
    "to_json",
    "to_srt",
    "to_text",
    "to_vtt",
    "vtt_cue",
    "words",
]

LINE_WIDTH = 42
MAX_LINES = 2
MAX_CUE_SECONDS = 7.0
MIN_CUE_SECONDS = 1.0
PAUSE_SECONDS = 0.8
TURN_SECONDS = 0.25

# The duration of a column of text in speech of unknown times.
_SECONDS_PER_COLUMN = 0.06
# The longest that a result can be: the service's streams end after four hours.
_LONGEST_RESULT = 4 * 3600.0
_SENTENCE_ENDS = ".?!…。？！"
_CLAUSE_ENDS = ",;:、，；："


class Cue(msgspec.Struct, frozen=True):
    """One caption.

    :param number: The number, from 1.
    :param start: The time at which it appears, in seconds from the beginning of the audio.
    :param end: The time at which it disappears, in seconds; later than `start`.
    :param lines: One or two lines of at most 42 columns.
    :param speaker: The name of who speaks, else the label of the speaker or of the channel;
        None if they are not told apart.
    """

    number: int
    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None


class Word(msgspec.Struct, frozen=True):
    """One word, with the punctuation that belongs to it.

    :param text: The word.
    :param start: The time at which it begins, in seconds from the beginning of the audio.
    :param end: The time at which it ends, in seconds.
    :param confidence: How sure the recogniser is, from 0 to 1; None if it does not say.
    :param speaker: The label of the speaker, such as `"0"`; None if speakers are not told
        apart.
    :param channel: The channel, such as `"ch_0"`, or the role of a call's participant;
        None if channels are not told apart.
    :param stable: True if the word will not change any more; None without stabilisation.
    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None
    channel: str | None = None
    stable: bool | None = None


def to_text(results: Iterable[Said], *, names: Mapping[str, str] | None = None) -> str:
    """Write the transcript as plain text, one line for each final result.

    :param results: The results or events in the order in which they came; partial ones and
        ones without text are skipped.
    :param names: The names of speakers, channels or roles by their labels. Each turn of a
        speaker then has a line of its own, which begins with the name, or with the label
        if it has none: `Anna: Hello.`
    """
    if names is None:
        return "".join(f"{text}\n" for text in _texts(results))
    return "".join(f"{line}\n" for line in _named_lines(_finals(results), names))


def to_json(results: Iterable[Said], keys: Keys = "service") -> str:
    """Write the transcript as one JSON document.

    Its keys are `transcript`, the whole text, and `results`, the final results, in the
    service's own JSON (`ResultId`, `StartTime`, `Alternatives`, …) by default. Where a call
    has matched categories of the account's, they are in `categories`.

    :param results: The results in the order in which they came, or the events; partial
        results are skipped, and of events that have results only these are written.
    :param keys: Whose names the results' fields have: `"service"` or `"python"`.
    :raises ValidationException: for any other `keys`.
    """
    parts = [part for each in results for part in parts_of(each)]
    said = [part for part in parts if any(not result.is_partial for result in results_of(part))]
    document: dict[str, object] = {
        "transcript": " ".join(_texts(said)),
        "results": [part.to_dict(keys) for part in said if isinstance(part, Shape)],
    }
    if categories := [part.to_dict(keys) for part in parts if isinstance(part, CategoryEvent)]:
        document["categories"] = categories
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def to_srt(
    results: Iterable[Said],
    duration: float | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> str:
    """Write the transcript as SubRip captions.

    :param results: The results or events; partial ones are passed over.
    :param duration: The length of the audio in seconds; see `cues`.
    :param names: The names of speakers, channels or roles by their labels. Each turn of a
        speaker then begins with the name, or with the label if it has none: `Anna: Hello.`
    """
    return "\n".join(
        f"{cue.number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        + "".join(f"{line}\n" for line in cue.lines)
        for cue in _laid_out(results, duration, names, is_prefixed=names is not None)
    )


def to_vtt(
    results: Iterable[Said],
    duration: float | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> str:
    """Write the transcript as WebVTT captions, with `&`, `<` and `>` escaped.

    Where speakers, channels or roles are told apart, each cue has its speaker in a voice
    tag: `<v Anna>Hello.`

    :param results: The results or events; partial ones are passed over.
    :param duration: The length of the audio in seconds; see `cues`.
    :param names: The names of speakers, channels or roles by their labels; those without
        a name have their label in the tag.
    """
    return "WEBVTT\n" + "".join(
        f"\n{cue.number}\n{vtt_cue(cue)}" for cue in cues(results, duration, names=names)
    )


def vtt_cue(cue: Cue) -> str:
    """Write a cue for WebVTT: its times, and its lines with the speaker in a voice tag.

    :param cue: The cue.
    """
    voice = f"<v {_escape(cue.speaker)}>" if cue.speaker else ""
    return f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{voice}" + "".join(
        f"{_escape(line)}\n" for line in cue.lines
    )


def words(results: Iterable[Said], duration: float | None = None) -> list[Word]:
    """Return the words of the transcript in the order of their start.

    The words are those of the first alternatives. Words without times of their own are
    spread between their neighbours.

    :param results: The results or events; partial ones are skipped.
    :param duration: The length of the audio in seconds; see `cues`.
    :raises ValidationException: If `duration` is outside its limits.
    """
    _check_duration(duration)
    found = [
        Word(word.text, word.start, word.end, word.confidence, word.speaker, channel, word.stable)
        for channel, of_channel in _by_channel(_finals(results)).items()
        for of_result in _spoken(of_channel, duration)
        for word in of_result
    ]
    return sorted(found, key=lambda word: word.start)


def cues(
    results: Iterable[Said],
    duration: float | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> list[Cue]:
    """Lay the transcript out as captions.

    The cues are numbered from 1 in the order of their start, lie within the audio and have
    every word of the first alternatives. Those of one channel and speaker follow each other
    without overlap, with the words in order. Words without times of their own are spread
    between their neighbours.

    :param results: The results or events; partial ones are skipped, and the others are sorted
        by their start.
    :param duration: The length of the audio in seconds, above 0 and at most 1,000,000; less
        than a millisecond counts as one. By default the audio ends with the last word. A
        speaker with more cues than the audio has milliseconds gets a single cue with everything.
    :param names: The names of speakers, channels or roles by their labels, for `Cue.speaker`.
    :raises ValidationException: If `duration` is outside its limits.
    """
    return _laid_out(results, duration, names, is_prefixed=False)


def text_width(text: str) -> int:
    """Count the columns that a text takes on a terminal or in captions.

    :param text: The text; East Asian wide characters take two columns, combining marks
        and other characters without an advance none.
    """
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


# Results


def _finals(results: Iterable[Said]) -> list[Result]:
    return [result for said in results for result in results_of(said) if not result.is_partial]


def _by_channel(results: Iterable[Result]) -> dict[str | None, list[Result]]:
    channels: dict[str | None, list[Result]] = {}
    for result in results:
        channels.setdefault(result.channel_id, []).append(result)
    return channels


def _name(names: Mapping[str, str] | None, speaker: str | None, channel: str | None) -> str | None:
    """Return the name of who speaks, else the label; None if there is none."""
    for label in (speaker, channel):
        if label is not None and names is not None and label in names:
            return _clean(names[label])
    label = channel if speaker is None else speaker
    return None if label is None else _clean(label)


# Text


def _texts(results: Iterable[Said]) -> Iterator[str]:
    for result in _finals(results):
        if text := _text(result):
            yield text


def _named_lines(results: Iterable[Result], names: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each turn of a speaker, with the name before it."""
    for result in results:
        said = _timed_words(result, {}, None, LATEST)
        for speaker, turn in groupby(said, lambda word: word.speaker):
            name = _name(names, speaker, result.channel_id)
            yield (f"{name}: " if name else "") + _join([*turn])


def _text(result: Result) -> str:
    """Return the text of the best alternative on one line, or that of its items without one."""
    if not result.alternatives:
        return ""
    best = result.alternatives[0]
    return _clean(best.transcript) or "".join(
        (" " if spaced else "") + text for text, spaced, _ in _spelled_out(best.items)
    )


def _clean(text: str) -> str:
    """Return the text with single spaces and without control characters."""
    if not text.isprintable():
        text = "".join(c for c in text if c.isspace() or unicodedata.category(c) != "Cc")
    return " ".join(text.split())


def _spelled_out(items: Iterable[Item]) -> Iterator[tuple[str, bool, Item]]:
    """Yield the text of each item, and whether a space belongs before it."""
    first = True
    for item in items:
        if text := _clean(item.content or ""):
            yield text, not first and item.item_type != "punctuation", item
            first = False


def _as_written(transcript: str, items: Iterable[Item]) -> list[tuple[str, bool, Item]] | None:
    """Return the texts of items with the transcript's spaces, or None if its words differ."""
    found = []
    place = 0
    for text, _, item in _spelled_out(items):
        spaced = transcript.startswith(" ", place)
        place += spaced
        if not transcript.startswith(text, place):
            return None
        place += len(text)
        found.append((text, spaced, item))
    return found if place == len(transcript) else None


# Words and their times


class _Word(msgspec.Struct):
    """A word with its punctuation, which stay together on a line."""

    text: str
    spaced: bool
    start: float
    end: float
    speaker: str | None
    confidence: float | None = None
    stable: bool | None = None


def _in_order(results: list[Result], heard: float) -> list[Result]:
    """Sort results by their start; one without a start stays behind the one before it."""
    keys = []
    latest = 0.0
    for result in results:
        start = believable(result.start_time, heard)
        latest = latest if start is None else start
        keys.append(latest)
    return [results[n] for n in sorted(range(len(results)), key=keys.__getitem__)]


def _timed_words(
    result: Result, clocks: dict[str | None, float], latest: float | None, heard: float
) -> list[_Word]:
    """Return the words of a result, with those of each speaker in the order of their times.

    :param clocks: The time at which each speaker's words so far end; moved on by this function.
    :param latest: The latest end of the result if it has none of its own.
    :param heard: The length of the audio, behind which there is no time.
    """
    if not result.alternatives:
        return []
    best = result.alternatives[0]
    transcript = _clean(best.transcript)
    tokens = _as_written(transcript, best.items) if transcript else [*_spelled_out(best.items)]
    if tokens is None:
        # The transcript counts, so these items and their times cannot be used.
        tokens = [(text, n > 0, Item()) for n, text in enumerate(transcript.split(" "))]
    if not tokens:
        return []
    words: list[_Word] = []
    speakers = _speakers(tokens)
    times = _times(result, tokens, speakers, clocks, latest, heard)
    for (text, spaced, item), speaker, (start, end) in zip(tokens, speakers, times, strict=True):
        last = words[-1] if words and not spaced and words[-1].speaker == speaker else None
        is_mark = item.item_type == "punctuation"
        if last and (is_mark or not any(map(str.isalnum, last.text))):
            last.text += text
            last.end = end
            if not is_mark:  # after an opening mark
                last.confidence, last.stable = item.confidence, item.stable
        else:
            words.append(_Word(text, spaced, start, end, speaker, item.confidence, item.stable))
    return words


def _speakers(tokens: Sequence[tuple[str, bool, Item]]) -> list[str | None]:
    """Return the speaker of each token; one without a label has that of the word it touches."""
    speakers = [item.speaker for _, _, item in tokens]
    for n in range(len(tokens) - 2, -1, -1):
        opens = (n == 0 or tokens[n][1]) and not tokens[n + 1][1]
        if speakers[n] is None and opens:
            speakers[n] = speakers[n + 1]
    latest = next((speaker for speaker in speakers if speaker is not None), None)
    for n, speaker in enumerate(speakers):
        speakers[n] = latest = latest if speaker is None else speaker
    return speakers


def _times(
    result: Result,
    tokens: Sequence[tuple[str, bool, Item]],
    speakers: Sequence[str | None],
    clocks: dict[str | None, float],
    latest: float | None,
    heard: float,
) -> list[tuple[float, float]]:
    """Return start and end of each token: its own if known, else by its place in the text."""
    start = believable(result.start_time, heard)
    if start is not None:
        heard = min(heard, start + _LONGEST_RESULT)
    # Edges alternate: start and end of the first token, of the second, and so on.
    known: list[float | None] = []
    places: list[int] = []
    place = 0
    for text, _, item in tokens:
        times = (believable(item.start_time, heard), believable(item.end_time, heard))
        if times == (None, None) and item.item_type == "punctuation" and known:
            times = (known[-1], known[-1])  # else the pause after it would belong to it
        known += times
        places += (place, place + text_width(text))
        place = places[-1] + 1
    if start is None:
        start = max(clocks.values(), default=0.0) if known[0] is None else 0.0
    begin = max(clocks.get(speakers[0], 0.0), start)
    end = believable(result.end_time, heard)
    if end is None or end <= begin:
        end = max((time for time in known if time is not None), default=begin)
        if end <= begin:
            end = begin + place * _SECONDS_PER_COLUMN
            if latest is not None and latest > begin:
                end = min(end, latest)

    edges: list[float] = []
    low, low_place = begin, 0
    waiting = 0
    for n, time in enumerate(known):
        if time is None and n < len(known) - 1:
            waiting += 1
            continue
        if n and n % 2 == waiting == 0 and speakers[n // 2] != speakers[n // 2 - 1]:
            low = start  # this speaker may have begun before the other one ended
        high = end if time is None else min(max(time, low), end)
        span = places[n] - low_place
        for k in range(n - waiting, n + 1):
            share = (places[k] - low_place) / span if span else 1.0
            speaker = speakers[k // 2]
            clocks[speaker] = max(low + (high - low) * share, clocks.get(speaker, 0.0))
            edges.append(clocks[speaker])
        low, low_place, waiting = high, places[n], 0
    return list(zip(edges[::2], edges[1::2], strict=True))


def _pieces(word: _Word) -> Iterator[_Word]:
    """Yield the word, or pieces of it that fit on a line, each with its share of the time."""
    columns = text_width(word.text)
    if columns <= LINE_WIDTH:
        yield word
        return
    rate = (word.end - word.start) / columns
    start, spaced = word.start, word.spaced
    piece, width = "", 0
    for character in word.text:
        advance = _character_width(character)
        if width + advance > LINE_WIDTH:
            yield _Word(piece, spaced, start, start + width * rate, word.speaker)
            start, spaced, piece, width = start + width * rate, False, "", 0
        piece += character
        width += advance
    yield _Word(piece, spaced, start, max(start, word.end), word.speaker)


# Cues and lines


def _join(words: Sequence[_Word]) -> str:
    return "".join((" " if n and word.spaced else "") + word.text for n, word in enumerate(words))


def _laid_out(
    results: Iterable[Said],
    duration: float | None,
    names: Mapping[str, str] | None,
    *,
    is_prefixed: bool,
) -> list[Cue]:
    """Lay the transcript out; see `cues`.

    :param is_prefixed: Whether each turn begins with the name of who speaks.
    """
    _check_duration(duration)
    voices = [
        (_name(names, speaker, channel), groups)
        for channel, of_channel in _by_channel(_finals(results)).items()
        for speaker, groups in _voices(
            of_channel, duration, names if is_prefixed else None, channel
        ).items()
    ]
    if not voices:
        return []
    if duration is None:
        duration = max(max(groups[-1][-1].end, len(groups) / 1000) for _, groups in voices)
    length = max(1, math.floor(duration * 1000 + 1e-6))
    found: list[tuple[int, int, list[_Word], str | None]] = []
    for name, groups in voices:
        if length < len(groups):
            groups = [[word for group in groups for word in group]]
        spans = _spans([(group[0].start, group[-1].end) for group in groups], length)
        found += [(*span, group, name) for span, group in zip(spans, groups, strict=True)]
    found.sort(key=lambda cue: cue[0])
    return [
        Cue(number, start / 1000, end / 1000, tuple(_lines(group)), name)
        for number, (start, end, group, name) in enumerate(found, 1)
    ]


def _check_duration(duration: float | None) -> None:
    if duration is not None and not (is_number(duration) and 0 < duration <= LATEST):
        raise ValidationException(
            f"duration must be above 0 and at most {LATEST:,.0f} seconds, not {duration!r}"
        )


def _spoken(results: list[Result], duration: float | None) -> Iterator[list[_Word]]:
    """Yield the words of each result of a channel, in the order of the audio."""
    heard = LATEST if duration is None else duration
    results = _in_order(results, heard)
    starts = [believable(result.start_time, heard) for result in results]
    clocks: dict[str | None, float] = {}
    for n, result in enumerate(results):
        latest = next((start for start in starts[n + 1 :] if start is not None), duration)
        yield _timed_words(result, clocks, latest, heard)


def _voices(
    results: list[Result],
    duration: float | None,
    names: Mapping[str, str] | None,
    channel: str | None,
) -> dict[str | None, list[list[_Word]]]:
    """Return the words of each speaker of a channel, grouped into cues.

    :param names: Written before each turn, if there are any.
    """
    voices: dict[str | None, list[list[_Word]]] = {}
    for of_result in _spoken(results, duration):
        for turn in _turns(of_result):
            speaker = turn[0].speaker
            name = None if names is None else _name(names, speaker, channel)
            said = turn
            if name:  # as a word of the turn, so that the lines have room for it
                turn[0].spaced = True
                said = [_Word(f"{name}:", False, turn[0].start, turn[0].start, speaker), *turn]
            pieces = [piece for word in said for piece in _pieces(word)]
            voices.setdefault(speaker, []).extend(_grouped(pieces))
    return voices


def _turns(words: Sequence[_Word]) -> list[list[_Word]]:
    """Divide the words of one result by speaker, and where another one speaks in between.

    What is said while a speaker goes on does not interrupt the speaker.
    """
    turns: list[list[_Word]] = []
    current: dict[str | None, list[_Word]] = {}
    speaker = None
    for word in words:
        turn = current.get(word.speaker)
        has_pause = turn is not None and word.start - turn[-1].end >= TURN_SECONDS
        if turn is None or (has_pause and word.speaker != speaker):
            turn = current[word.speaker] = []
            turns.append(turn)
        turn.append(word)
        speaker = word.speaker
    return turns


def _grouped(words: Sequence[_Word]) -> list[list[_Word]]:
    """Group the words of one result into cues at the lowest total cost."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(words) + 1):
        choices = []
        for start in range(end - 1, -1, -1):
            if end - start > 1 and not _fits(words[start:end]):
                break
            choices.append((best[start][0] + _cost(words, start, end), start))
        best.append(min(choices))
    groups = []
    end = len(words)
    while end:
        start = best[end][1]
        groups.append([*words[start:end]])
        end = start
    return groups[::-1]


def _fits(words: Sequence[_Word]) -> bool:
    if words[-1].end - words[0].start > MAX_CUE_SECONDS:
        return False
    return len(_filled(words)) <= MAX_LINES


def _cost(words: Sequence[_Word], start: int, end: int) -> float:
    """Return how bad a cue of these words would be; the weights are a matter of taste."""
    cue = words[start:end]
    cost = 10.0 + (text_width(_join(cue)) / (MAX_LINES * LINE_WIDTH)) ** 2
    for word, following in pairwise(cue):
        if word.text[-1] in _SENTENCE_ENDS:
            cost += 4
        if following.start - word.end >= PAUSE_SECONDS:
            cost += 12
    if end < len(words):
        pause = words[end].start - cue[-1].end
        if cue[-1].text[-1] not in _SENTENCE_ENDS and pause < PAUSE_SECONDS:
            cost += 3 if cue[-1].text[-1] in _CLAUSE_ENDS else 8
        if words[end].start - cue[0].start < MIN_CUE_SECONDS:
            cost += 6
    return cost


def _filled(words: Sequence[_Word]) -> list[list[_Word]]:
    """Break the words into lines, each filled before the next one begins."""
    lines: list[list[_Word]] = []
    room = 0
    for word in words:
        width = text_width(word.text)
        if not lines or width + word.spaced > room:
            lines.append([word])
            room = LINE_WIDTH - width
        else:
            lines[-1].append(word)
            room -= width + word.spaced
    return lines


def _lines(words: Sequence[_Word]) -> list[str]:
    """Break a cue into as few lines as possible: two of similar length, best after a mark."""
    filled = [_join(line) for line in _filled(words)]
    if len(filled) != 2:
        return filled
    choices = []
    for n in range(1, len(words)):
        first, second = _join(words[:n]), _join(words[n:])
        widths = text_width(first), text_width(second)
        if max(widths) <= LINE_WIDTH:
            after_mark = first[-1] in _SENTENCE_ENDS + _CLAUSE_ENDS
            choices.append((abs(widths[0] - widths[1]) - 20 * after_mark, [first, second]))
    return min(choices)[1]


def _spans(times: Sequence[tuple[float, float]], length: int) -> list[tuple[int, int]]:
    """Return start and end of each cue in milliseconds, within `length` and without overlap.

    :param length: The length of the audio in milliseconds, at least the number of cues.
    """
    starts: list[int] = []
    for start, _ in times:
        starts.append(max(round(start * 1000), starts[-1] + 1 if starts else 0))
    limit = length
    for n in range(len(starts) - 1, -1, -1):
        starts[n] = min(starts[n], limit - 1)
        limit = starts[n]
    spans = []
    for n, (start, (_, end)) in enumerate(zip(starts, times, strict=True)):
        room = (starts[n + 1] if n + 1 < len(starts) else length) - start
        wanted = max(round(end * 1000) - start, round(MIN_CUE_SECONDS * 1000))
        spans.append((start, start + min(wanted, room, round(MAX_CUE_SECONDS * 1000))))
    return spans


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _time(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{whole:02}{point}{rest:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
