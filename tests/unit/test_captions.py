"""Captions: the layout that players and readers rely on, for results of every kind."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazon_transcribe.captions import (
    LINE_WIDTH,
    Cue,
    Word,
    cues,
    text_width,
    to_json,
    to_srt,
    to_text,
    to_vtt,
    words,
)
from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.model import (
    CallAnalyticsItem,
    CategoryEvent,
    MedicalAlternative,
    MedicalItem,
    MedicalResult,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptItem,
    MedicalScribeTranscriptSegment,
    MedicalTranscript,
    MedicalTranscriptEvent,
    Transcript,
    TranscriptEvent,
    UnknownEvent,
    UtteranceEvent,
)
from amazon_transcribe.results import Said
from amazon_transcribe.transcription import Alternative, Item, Result


def word(content: str, start: float | None = None, end: float | None = None) -> Item:
    return Item(start, end, "pronunciation", content)


def mark(content: str, time: float | None = None) -> Item:
    return Item(time, time, "punctuation", content)


def result(text: str, start: float | None, end: float | None, *items: Item) -> Result:
    return Result("r", start, end, False, [Alternative(text, list(items))])


def spoken(text: str, start: float, end: float) -> Result:
    """Return a result whose words take equal time, with marks as the service sends them."""
    tokens = re.findall(r"[\w']+|[^\w\s]", text)
    words = [token for token in tokens if token[0].isalnum()]
    step = (end - start) / len(words)
    items = []
    time = start
    for token in tokens:
        if token[0].isalnum():
            items.append(word(token, round(time, 3), round(time + step, 3)))
            time += step
        else:
            items.append(mark(token, round(time, 3)))
    return result(text, start, end, *items)


def letters(texts: Iterable[str]) -> str:
    """Join texts without the spaces and control characters that layout may change."""
    return "".join(c for c in "".join(texts) if not c.isspace() and unicodedata.category(c) != "Cc")


HELLO = result("Hello, world.", 0.5, 1.5, word("Hello", 0.5, 0.9), mark(",", 0.9),
               word("world", 1.0, 1.5), mark(".", 1.5))  # fmt: skip


class TestFormats:
    def test_srt(self) -> None:
        later = spoken("Bye.", 3725.25, 3726.5)
        assert to_srt([HELLO, later], 3727) == (
            "1\n00:00:00,500 --> 00:00:01,500\nHello, world.\n"
            "\n"
            "2\n01:02:05,250 --> 01:02:06,500\nBye.\n"
        )

    def test_vtt(self) -> None:
        assert to_vtt([HELLO], 2) == ("WEBVTT\n\n1\n00:00:00.500 --> 00:00:01.500\nHello, world.\n")

    def test_vtt_escapes_what_would_be_markup(self) -> None:
        text = to_vtt([spoken("a <b> & c --> d", 0, 4)], 5)
        assert text.splitlines()[-1] == "a &lt;b&gt; &amp; c --&gt; d"

    def test_text_is_one_line_for_each_final_result(self) -> None:
        partial = Result("r", 0.0, 1.0, True, [Alternative("Hel", [])])
        silent = Result("r", 0.0, 1.0, False, [])
        assert to_text([partial, HELLO, silent, result("And\nmore.", 2, 3)]) == (
            "Hello, world.\nAnd more.\n"
        )

    def test_json_has_the_whole_text_and_the_final_results_in_the_services_shapes(self) -> None:
        partial = Result("r", 0.0, 1.0, True, [Alternative("Hel", [])])
        document = json.loads(to_json([partial, HELLO, result("More.", 2.0, 3.0)]))
        assert document["transcript"] == "Hello, world. More."
        assert [r["StartTime"] for r in document["results"]] == [0.5, 2.0]
        first = document["results"][0]
        assert first["ResultId"] == "r"
        assert first["IsPartial"] is False
        assert first["Alternatives"][0]["Items"][1] == {
            "StartTime": 0.9,
            "EndTime": 0.9,
            "Type": "punctuation",
            "Content": ",",
        }

    def test_nothing_said(self) -> None:
        assert to_text([]) == ""
        assert to_srt([], 3) == ""
        assert to_vtt([], 3) == "WEBVTT\n"
        assert json.loads(to_json([])) == {"transcript": "", "results": []}


class TestLayout:
    def test_long_sentence_breaks_at_the_clause(self) -> None:
        said = spoken(
            "When the morning came at last and the storm was over, "
            "the two brothers went down to the harbour to look for the boat.",
            1.0,
            9.0,
        )
        first, second = cues([said], 10)
        assert " ".join(first.lines).endswith("was over,")
        assert " ".join(second.lines).startswith("the two brothers")

    def test_two_sentences_that_do_not_fit_together_are_two_cues(self) -> None:
        said = spoken(
            "This is the first sentence of the speaker, and a long one. "
            "Here is another one, not much shorter than the first.",
            0,
            8,
        )
        assert [" ".join(cue.lines)[-4:] for cue in cues([said], 8)] == ["one.", "rst."]

    def test_line_breaks_after_a_mark_and_in_the_middle(self) -> None:
        said = spoken("I would not have thought it, but there it stands.", 0, 4)
        assert cues([said], 4)[0].lines == ("I would not have thought it,", "but there it stands.")

    def test_pause_inside_a_result_is_a_break(self) -> None:
        said = result("One two", 0, 9, word("One", 0.0, 1.5), word("two", 6.0, 8.0))
        assert cues([said], 9) == [Cue(1, 0.0, 1.5, ("One",)), Cue(2, 6.0, 8.0, ("two",))]

    def test_pause_after_a_mark_without_a_time_is_a_break(self) -> None:
        said = result("One. Two", 0, 9, word("One", 0, 1.5), mark("."), word("Two", 6, 8))
        assert cues([said], 9)[0] == Cue(1, 0.0, 1.5, ("One.",))

    def test_short_cue_lasts_a_second_where_there_is_room(self) -> None:
        alone, crowded = spoken("Yes.", 1.0, 1.2), spoken("No.", 1.5, 1.7)
        assert cues([alone, crowded], 2) == [
            Cue(1, 1.0, 1.5, ("Yes.",)),
            Cue(2, 1.5, 2.0, ("No.",)),
        ]

    def test_drawn_out_word_is_shown_for_seven_seconds(self) -> None:
        assert cues([spoken("Ohm", 0, 20)], 20) == [Cue(1, 0.0, 7.0, ("Ohm",))]

    def test_language_without_spaces_is_broken_between_words(self) -> None:
        text = "今日は天気がいいので公園まで散歩に行きましょう。明日は雨が降るそうです。"
        items = [word(c) if c != "。" else mark(c) for c in text]
        (cue,) = cues([result(text, 0, 6, *items)], 6)
        assert all(text_width(line) <= LINE_WIDTH for line in cue.lines)
        assert "".join(cue.lines) == text
        assert not any(line.startswith("。") for line in cue.lines)

    def test_opening_mark_stays_with_its_word(self) -> None:
        text = "Y ahora que todos hemos terminado ya, ¿quién paga la cuenta de la cena?"
        items = [word(w) if w[0].isalnum() else mark(w) for w in re.findall(r"\w+|[^\w\s]", text)]
        lines = [line for cue in cues([result(text, 0, 5, *items)], 5) for line in cue.lines]
        assert " ".join(lines) == text
        assert not any(line.endswith("¿") for line in lines)

    def test_words_without_times_are_spread_between_their_neighbours(self) -> None:
        items = [word("sooner", 1.0, 2.0), word("or"), word("later", 3.0, 4.0)]
        (cue,) = cues([result("sooner or later", 1, 4, *items)], 7)
        assert cue == Cue(1, 1.0, 4.0, ("sooner or later",))
        items = [word("sooner", 1.0, 2.0), word("perhaps", 9.0), word("later", None, 13.0)]
        found = cues([result("sooner perhaps later", 0, 16, *items)], 16)
        assert found == [Cue(1, 1.0, 2.0, ("sooner",)), Cue(2, 9.0, 13.0, ("perhaps later",))]

    def test_transcript_counts_where_the_items_say_something_else(self) -> None:
        said = result("Two pounds", 0, 2, word("£2", 0, 1))
        assert cues([said], 2) == [Cue(1, 0.0, 2.0, ("Two pounds",))]

    def test_items_count_where_there_is_no_transcript(self) -> None:
        said = result("", 0, 2, word("Two", 0, 1), word("pounds", 1, 2), mark("."))
        assert cues([said], 2) == [Cue(1, 0.0, 2.0, ("Two pounds.",))]
        assert to_text([said]) == "Two pounds.\n"

    def test_results_out_of_order_are_put_in_order(self) -> None:
        found = cues([spoken("later", 5, 6), spoken("sooner", 1, 2)], 7)
        assert [cue.lines for cue in found] == [("sooner",), ("later",)]

    def test_control_characters_are_left_out(self) -> None:
        assert cues([result("a\x1b[2J\n\nb\0", 0, 2)], 2)[0].lines == ("a[2J b",)

    def test_less_than_a_millisecond_counts_as_one(self) -> None:
        assert cues([], 1 / 16_000) == []
        (one,) = cues([HELLO, HELLO], 1 / 16_000)
        assert (one.start, one.end) == (0.0, 0.001)

    @pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf"), "2"])
    def test_impossible_duration_is_refused(self, duration: Any) -> None:
        with pytest.raises(ValidationException, match="duration must be"):
            cues([HELLO], duration)


def labelled(*turns: tuple[str, str, float]) -> Result:
    """Return one result of turns of speaker, text and start, at 0.3 s a word."""
    items = []
    for speaker, text, start in turns:
        for n, token in enumerate(re.findall(r"\w+", text)):
            one = word(token, round(start + 0.3 * n, 3), round(start + 0.3 * (n + 1), 3))
            one.speaker = speaker
            items.append(one)
        items += [mark(token) for token in text[-1:] if not token.isalnum()]
    ends = [item.end_time or 0.0 for item in items]
    return result(" ".join(text for _, text, _ in turns), turns[0][2], max(ends), *items)


class TestSeveralVoices:
    def test_answer_on_another_channel_is_shown_when_it_is_spoken(self) -> None:
        question = spoken("Good morning, how can I help you today?", 0, 4)
        answer = spoken("Hi, I lost my card.", 1.5, 3)
        thanks = spoken("Sure.", 6, 6.3)
        for one, channel in ((question, "ch_0"), (answer, "ch_1"), (thanks, "ch_0")):
            one.channel_id = channel
        assert to_srt([question, answer, thanks], 9) == (
            "1\n00:00:00,000 --> 00:00:04,000\nGood morning, how can I help you today?\n"
            "\n"
            "2\n00:00:01,500 --> 00:00:03,000\nHi, I lost my card.\n"
            "\n"
            "3\n00:00:06,000 --> 00:00:07,000\nSure.\n"
        )

    def test_channels_without_times_of_their_own_follow_their_own_results(self) -> None:
        first, second = result("one two", 0, 4), result("three", 2, None)
        first.channel_id, second.channel_id = "ch_0", "ch_1"
        assert [(cue.start, cue.lines) for cue in cues([first, second], 9)] == [
            (0.0, ("one two",)),
            (2.0, ("three",)),
        ]

    def test_speakers_who_overlap_in_one_result_have_cues_of_their_own(self) -> None:
        said = labelled(("0", "How can I help you today?", 0.0), ("1", "I lost my card.", 1.2))
        assert cues([said], 5) == [
            Cue(1, 0.0, 1.8, ("How can I help you today?",), "0"),
            Cue(2, 1.2, 2.4, ("I lost my card.",), "1"),
        ]

    def test_speakers_of_overlapping_results_have_a_clock_each(self) -> None:
        first = labelled(("0", "How can I help you today?", 0.0))
        second = labelled(("1", "I lost my card.", 0.6), ("0", "Oh dear.", 2.1))
        assert [(cue.start, cue.lines) for cue in cues([first, second], 5)] == [
            (0.0, ("How can I help you today?",)),
            (0.6, ("I lost my card.",)),
            (2.1, ("Oh dear.",)),
        ]

    def test_turn_of_another_speaker_divides_what_is_said_before_and_after(self) -> None:
        said = labelled(("0", "Ready?", 0.0), ("1", "Yes.", 0.4), ("0", "Then go.", 0.8))
        assert [(cue.start, cue.lines) for cue in cues([said], 3)] == [
            (0.0, ("Ready?",)),
            (0.4, ("Yes.",)),
            (0.8, ("Then go.",)),
        ]

    def test_word_of_another_speaker_does_not_interrupt_who_goes_on(self) -> None:
        said = labelled(("0", "I lost", 0.0), ("1", "Oh.", 0.4), ("0", "my card.", 0.6))
        assert cues([said], 3) == [
            Cue(1, 0.0, 1.2, ("I lost my card.",), "0"),
            Cue(2, 0.4, 1.4, ("Oh.",), "1"),
        ]

    def test_opening_mark_goes_with_the_speaker_of_its_word(self) -> None:
        sure, who = word("Claro", 0, 0.4), word("Quién", 0.5, 0.9)
        sure.speaker, who.speaker = "0", "1"
        said = result("Claro. ¿Quién?", 0, 1, sure, mark("."), mark("¿"), who, mark("?"))
        assert [cue.lines for cue in cues([said], 2)] == [("Claro.",), ("¿Quién?",)]


moments = st.none() | st.floats(0, 60) | st.floats()
texts = st.text("ab. ,?!-'é今。¿\n\x1b\u0301", max_size=40) | st.text(max_size=60)
items = st.builds(
    Item,
    moments,
    moments,
    st.sampled_from(["pronunciation", "punctuation", None]),
    st.none() | texts,
)


@st.composite
def alternatives(draw: st.DrawFn) -> Alternative:
    of = draw(st.lists(items, max_size=12))
    spelled = " ".join(item.content or "" for item in of)
    return Alternative(draw(st.just(spelled) | texts), of)


results = st.builds(
    Result,
    st.just("r"),
    moments,
    moments,
    st.just(False),
    st.none() | st.lists(alternatives(), max_size=2),
)


def said(found: Iterable[Result]) -> str:
    parts = []
    for one in found:
        for best in (one.alternatives or [])[:1]:
            content = [item.content or "" for item in best.items]
            parts.append(letters([best.transcript]) or letters(content))
    return "".join(parts)


# Slow at first: Hypothesis builds its table of all characters on their first use.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(results, max_size=6), st.none() | st.floats(0.001, 100))
def test_any_results_make_cues_in_order_within_the_audio_with_every_word(
    given_results: list[Result], duration: float | None
) -> None:
    found = cues(given_results, duration)
    assert [cue.number for cue in found] == list(range(1, len(found) + 1))
    edge = 0.0
    for cue in found:
        assert edge <= cue.start < cue.end
        edge = cue.end
        assert all(cue.lines)
        assert all(text_width(line) <= LINE_WIDTH for line in cue.lines)
    if duration is not None:
        assert edge <= duration + 1e-9
    shown = letters(line for cue in found for line in cue.lines)
    assert sorted(shown) == sorted(said(given_results))
    if not any(one.start_time for one in given_results):
        assert shown == said(given_results)


@st.composite
def labelled_results(draw: st.DrawFn) -> Result:
    one = draw(results)
    one.channel_id = draw(st.sampled_from([None, "ch_0", "ch_1"]))
    for best in one.alternatives or []:
        for item in best.items:
            item.speaker = draw(st.sampled_from([None, "0", "1"]))
    return one


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(labelled_results(), max_size=6), st.none() | st.floats(0.001, 100))
def test_any_voices_make_cues_in_order_of_their_start_with_every_word(
    given_results: list[Result], duration: float | None
) -> None:
    found = cues(given_results, duration)
    assert [cue.number for cue in found] == list(range(1, len(found) + 1))
    assert [cue.start for cue in found] == sorted(cue.start for cue in found)
    assert all(0 <= cue.start < cue.end and all(cue.lines) for cue in found)
    if duration is not None:
        assert all(cue.end <= duration + 1e-9 for cue in found)
    shown = letters(line for cue in found for line in cue.lines)
    assert sorted(shown) == sorted(said(given_results))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 12), st.floats(0.0, 4.0)).map(
            lambda turn: (turn[0], round(turn[1], 3))
        ),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from(["channels", "speakers"]),
)
def test_every_utterance_of_a_dialogue_is_shown_while_it_is_spoken(
    lengths_and_gaps: list[tuple[int, float]], kind: str
) -> None:
    ends = [0.0, 0.0]
    start = 0.0
    given_results, starts = [], []
    for n, (length, gap) in enumerate(lengths_and_gaps):
        voice = n % 2
        start = max(start + gap, ends[voice] + 1.0)
        text = " ".join(f"w{n}x{k}" for k in range(length))
        one = labelled((str(voice) if kind == "speakers" else "", text, start))
        if kind == "channels":
            one.channel_id = f"ch_{voice}"
            for item in (one.alternatives or [])[0].items:
                item.speaker = None
        given_results.append(one)
        starts.append(start)
        ends[voice] = one.end_time or 0.0
    found = cues(given_results, max(ends) + 1)
    for n, start in enumerate(starts):
        shown = [cue for cue in found if any(f"w{n}x" in line for line in cue.lines)]
        assert abs(shown[0].start - start) < 0.01
        assert shown[-1].end - shown[0].start >= 0.99


@settings(deadline=None)
@given(
    st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=120),
    st.floats(1, 60),
)
def test_readable_speech_makes_readable_cues(said_words: list[str], length: float) -> None:
    found = cues([spoken(" ".join(said_words), 0.0, length)], length + 1)
    assert " ".join(" ".join(cue.lines) for cue in found) == " ".join(said_words)
    assert all(len(cue.lines) <= 2 and cue.end - cue.start <= 7.0005 for cue in found)
    assert found[-1].end <= length + 1


# Words, names and the events of every operation

EVENTS: dict[str, list[Said]] = {
    "transcription": [
        TranscriptEvent(Transcript([Result("r", 0.0, 0.5, True)])),
        TranscriptEvent(
            Transcript(
                [
                    Result(
                        *("r", 0.0, 1.0, False),
                        [
                            Alternative(
                                "Hello.",
                                [
                                    Item(0.0, 0.9, "pronunciation", "Hello", None, None, 0.5),
                                    Item(0.9, 0.9, "punctuation", "."),
                                ],
                            )
                        ],
                        "ch_0",
                    )
                ]
            )
        ),
        UnknownEvent("News", b"", {}),
    ],
    "call": [
        UtteranceEvent("u", True, "AGENT", 0, 500, "Hell"),
        UtteranceEvent(
            *("u", False, "AGENT", 0, 1000, "Hello."),
            [
                CallAnalyticsItem(0, 900, "pronunciation", "Hello", 0.5),
                CallAnalyticsItem(900, 900, "punctuation", "."),
            ],
        ),
        CategoryEvent(["Greetings"]),
    ],
    "medical": [
        MedicalTranscriptEvent(
            MedicalTranscript(
                [
                    MedicalResult(
                        *("r", 0.0, 1.0, False),
                        [
                            MedicalAlternative(
                                "Hello.",
                                [
                                    MedicalItem(0.0, 0.9, "pronunciation", "Hello", 0.5, "1"),
                                    MedicalItem(0.9, 0.9, "punctuation", "."),
                                ],
                            )
                        ],
                    )
                ]
            )
        ),
    ],
    "scribe": [
        MedicalScribeTranscriptEvent(),
        MedicalScribeTranscriptEvent(
            MedicalScribeTranscriptSegment(
                *("s", 0.0, 1.0, "Hello."),
                [
                    MedicalScribeTranscriptItem(0.0, 0.9, "pronunciation", 0.5, "Hello"),
                    MedicalScribeTranscriptItem(0.9, 0.9, "punctuation", None, "."),
                ],
                False,
                "ch_1",
            )
        ),
    ],
}


@pytest.mark.parametrize(
    ("operation", "speaker", "channel", "results"),
    [
        ("transcription", None, "ch_0", 1),
        ("call", "AGENT", "AGENT", 1),
        ("medical", "1", None, 1),
        ("scribe", None, "ch_1", 1),
    ],
)
def test_events_of_every_operation(
    operation: str, speaker: str | None, channel: str | None, results: int
) -> None:
    events = EVENTS[operation]
    assert to_text(events) == "Hello.\n"
    assert words(events) == [Word("Hello.", 0.0, 0.9, 0.5, speaker, channel)]
    assert cues(events, 1) == [Cue(1, 0.0, 1.0, ("Hello.",), speaker or channel)]
    label = speaker or channel or ""
    assert f"--> 00:00:01.000\n<v {label}>Hello.\n" in to_vtt(events, 1)
    assert "<v Anna &amp; Ben>Hello." in to_vtt(events, names={label: "Anna & Ben"})
    assert to_text(events, names={label: "Anna"}) == "Anna: Hello.\n"
    assert to_srt(events, 1, names={}).endswith(f"\n{label}: Hello.\n")
    document = json.loads(to_json(events))
    assert document["transcript"] == "Hello."
    assert len(document["results"]) == results


def test_an_opening_mark_belongs_to_the_word_behind_it() -> None:
    said = result(
        '"Go" now.', 0, 2, mark('"'), word("Go", 0.0, 0.5), mark('"'), word("now", 1, 2), mark(".")
    )
    assert [(each.text, each.start, each.end) for each in words([said])] == [
        ('"Go"', 0.0, 0.5),
        ("now.", 1.0, 2.0),
    ]


def test_words_of_all_channels_come_in_the_order_of_their_start() -> None:
    first, second = spoken("One three.", 0, 4), spoken("Two.", 1, 2)
    first.channel_id, second.channel_id = "ch_0", "ch_1"
    assert [each.text for each in words([first, second])] == ["One", "Two.", "three."]
    with pytest.raises(ValidationException):
        words([first], 0)


def test_each_turn_of_a_speaker_begins_with_the_name() -> None:
    said = labelled(("0", "Hello.", 0.0), ("1", "Good day.", 1.0), ("0", "Well?", 2.0))
    assert to_text([said], names={"0": "Anna"}) == "Anna: Hello.\n1: Good day.\nAnna: Well?\n"
    texts = [cue.split("\n")[2] for cue in to_srt([said], names={"0": "Anna"}).split("\n\n")]
    assert texts == ["Anna: Hello.", "1: Good day.", "Anna: Well?"]


@given(st.text(max_size=60), st.text(st.characters(categories=["L", "P", "Zs"]), max_size=200))
def test_names_leave_lines_within_their_width(name: str, text: str) -> None:
    said = result(text, 0, 3)
    said.channel_id = "ch_0"
    for line in to_srt([said], 3, names={"ch_0": name}).splitlines():
        assert text_width(line) <= LINE_WIDTH
    assert "-->" not in re.sub(r"(?m)^\d\d:.*$", "", to_vtt([said], 3, names={"ch_0": name}))
