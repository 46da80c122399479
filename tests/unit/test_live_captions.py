"""Captions while people speak: what is final, what is shown, and the segments for HLS."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.captions import Cue
from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.live_captions import LiveCaptions, Segment, playlist
from amazon_transcribe.model import (
    Alternative,
    Item,
    Result,
    Transcript,
    TranscriptEvent,
    UtteranceEvent,
)
from amazon_transcribe.resume import Reconnecting


def said(
    text: str,
    start: float,
    end: float,
    *,
    partial: bool = False,
    id_: str = "r",
    channel: str | None = None,
) -> TranscriptEvent:
    words = text.split()
    step = (end - start) / max(len(words), 1)
    items = [
        Item(start + n * step, start + (n + 1) * step, "pronunciation", word)
        for n, word in enumerate(words)
    ]
    result = Result(id_, start, end, partial, [Alternative(text, items)], channel)
    return TranscriptEvent(Transcript([result]))


def test_what_is_said_is_shown_until_it_is_final() -> None:
    live = LiveCaptions()
    assert live.add(said("Good", 0, 0.5, partial=True)) == []
    assert live.current == [Cue(1, 0.0, 1.0, ("Good",))]
    live.add(said("Good morning", 0, 1.5, partial=True))
    assert live.current == [Cue(1, 0.0, 1.5, ("Good morning",))]
    assert live.add(said("Good morning.", 0, 1.5)) == [Cue(1, 0.0, 1.5, ("Good morning.",))]
    assert live.current == []
    assert [cue.number for cue in live.add(said("Bye.", 9, 9.5, id_="s"))] == [2]


def test_of_a_long_result_the_end_is_shown() -> None:
    live = LiveCaptions()
    live.add(said("one two three four five six seven eight nine ten " * 4, 0, 16, partial=True))
    [cue] = live.current
    assert cue.start > 8
    assert cue.lines[-1].endswith("ten")


def test_everyone_who_speaks_is_shown_with_the_name() -> None:
    live = LiveCaptions(names={"ch_0": "Anna", "AGENT": "Ben"})
    live.add(said("Hello", 0, 1, partial=True, channel="ch_0", id_="a"))
    live.add(said("Hi", 0.5, 1, partial=True, channel="ch_1", id_="b"))
    live.add(UtteranceEvent("u", True, "AGENT", 0, 900, "Good day"))
    assert [(cue.speaker, *cue.lines) for cue in live.current] == [
        ("Anna", "Hello"),
        ("ch_1", "Hi"),
        ("Ben", "Good day"),
    ]


def test_what_a_lost_connection_had_begun_is_dropped() -> None:
    live = LiveCaptions()
    live.add(said("Hel", 0, 1, partial=True))
    live.add(Reconnecting(None, 0, 0.0, superseded=("r",)))
    assert live.current == []


def test_segments_wait_for_what_is_being_said() -> None:
    live = LiveCaptions(segment_seconds=4, mpegts=900_000)
    live.add(said("Hello.", 1, 2))
    live.add(said("It goes", 3, 5, partial=True, id_="s"))
    assert live.segments(up_to=3.9) == []
    assert live.segments(up_to=9) == []  # somebody speaks since the third second
    live.add(said("It goes on.", 3, 6, id_="s"))
    first, second = live.segments(up_to=9)
    head = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n"
    goes_on = "\n00:00:03.000 --> 00:00:06.000\nIt goes on.\n"
    hello = "\n00:00:01.000 --> 00:00:02.000\nHello.\n"
    assert first == Segment(0, 0.0, 4.0, head + hello + goes_on)
    assert second == Segment(1, 4.0, 8.0, head + goes_on)
    assert live.segments(up_to=9) == live.end() == []


def test_what_comes_too_late_is_shown_in_the_next_segment() -> None:
    live = LiveCaptions(segment_seconds=4)
    assert len(live.segments(up_to=8)) == 2
    [late] = live.add(said("Late.", 1, 2))
    assert (late.start, late.end) == (1.0, 2.0)
    [third] = live.end()
    assert "00:00:08.000 --> 00:00:09.000\nLate.\n" in third.text


def test_a_playlist() -> None:
    live = LiveCaptions(segment_seconds=2.5)
    segments = live.segments(up_to=10)
    assert playlist(segments[1:3], uri="c/{number}.vtt") == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:1\n"
        "#EXTINF:2.500,\nc/1.vtt\n#EXTINF:2.500,\nc/2.vtt\n"
    )
    assert playlist(segments, ended=True).endswith("captions-3.vtt\n#EXT-X-ENDLIST\n")
    with pytest.raises(ValidationException, match="at least one"):
        playlist([])


@pytest.mark.parametrize("options", [{"segment_seconds": 0}, {"mpegts": -1}, {"mpegts": 1 << 33}])
def test_what_cannot_be_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValidationException):
        LiveCaptions(**options)


@pytest.mark.parametrize("up_to", [float("inf"), float("nan")])
def test_segments_without_end_are_refused(up_to: float) -> None:
    with pytest.raises(ValidationException, match="number of seconds"):
        LiveCaptions().segments(up_to)


EVENTS = st.tuples(
    st.sampled_from(["a", "b", "c", "d"]),
    st.floats(0, 60),
    st.floats(0, 8),
    st.booleans(),
    st.sampled_from([None, "ch_0", "ch_1"]),
    st.floats(0, 70),
)


@given(st.lists(EVENTS, max_size=30))
@settings(deadline=None)
def test_no_final_word_is_missing_from_the_segments(
    events: list[tuple[str, float, float, bool, str | None, float]],
) -> None:
    live = LiveCaptions(segment_seconds=3)
    segments, finals = [], []
    for n, (id_, start, length, partial, channel, up_to) in enumerate(events):
        event = said(f"word{n}.", start, start + length, partial=partial, id_=id_, channel=channel)
        live.add(event)
        if not partial:
            finals.append(f"word{n}.")
        segments += live.segments(up_to)
    segments += live.end()
    assert [segment.number for segment in segments] == list(range(len(segments)))
    shown = {word for segment in segments for word in re.findall(r"word\d+\.", segment.text)}
    assert shown == set(finals)
    for segment in segments:
        for begin, end in re.findall(r"00:(\d\d:\S+) --> 00:(\d\d:\S+)", segment.text):
            assert seconds(begin) < segment.end
            assert seconds(end) > segment.start


def seconds(time: str) -> float:
    minutes, rest = time.split(":")
    return int(minutes) * 60 + float(rest)
