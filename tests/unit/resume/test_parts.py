"""The parts of resume that know no connection: the replay buffer, results made one stream."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.local.engines import RecognitionOptions
from amazon_transcribe.local.recognition.pipeline import ChannelRecognition
from amazon_transcribe.resume._buffer import SETTLE_TIME, ReplayBuffer
from amazon_transcribe.resume._pcm import PcmFormat
from amazon_transcribe.resume._results import LogicalResults
from amazon_transcribe.transcription import Alternative, Entity, Item, Result
from tests.support import word_codes
from tests.support.word_codes import FRAME, WordCodes, two_channels

RATE = 1000  # bytes a second


def test_the_buffer_gives_back_what_is_not_settled() -> None:
    buffer = ReplayBuffer(10, RATE)
    buffer.append(b"abcd")
    buffer.append(b"efgh")
    buffer.settle(3)
    assert (buffer.start, buffer.settled, buffer.end) == (3, 3, 8)
    assert buffer.read(3, 100) == b"defgh"
    assert buffer.read(5, 2) == b"fg"
    buffer.settle(2)
    assert buffer.settled == 3


def full_buffer(sent_at: float | None) -> ReplayBuffer:
    buffer = ReplayBuffer(60, RATE)
    for position in range(RATE, 60 * RATE + 1, RATE):
        assert buffer.make_room(RATE, 0) == 0
        buffer.append(bytes(RATE))
        if sent_at is not None:
            buffer.mark_sent(position, sent_at)
    return buffer


def test_unsent_audio_is_never_forgotten() -> None:
    buffer = full_buffer(sent_at=None)
    assert buffer.make_room(1, now=1e6) > 0
    assert buffer.start == 0


def test_a_settled_piece_makes_room() -> None:
    buffer = full_buffer(sent_at=0)
    assert buffer.make_room(RATE, now=1) > 0
    buffer.settle(RATE)
    assert buffer.make_room(RATE, now=1) == 0
    assert buffer.make_room(RATE + 1, now=1) > 0


def test_audio_without_any_event_is_forgotten_after_the_settle_time() -> None:
    buffer = full_buffer(sent_at=100)
    assert buffer.make_room(RATE, now=101) == pytest.approx(SETTLE_TIME - 1)
    assert buffer.make_room(RATE, now=100 + SETTLE_TIME) == 0
    assert (buffer.settled, buffer.start) == (0, RATE)


def test_audio_on_which_the_service_is_at_work_is_kept_for_the_buffer_s_length() -> None:
    buffer = full_buffer(sent_at=100)
    buffer.mark_heard(109)
    assert buffer.make_room(RATE, now=111) > 0
    buffer.mark_heard(155)
    assert buffer.make_room(RATE, now=159) == pytest.approx(1)
    assert buffer.make_room(RATE, now=160) == 0


def test_what_a_lost_connection_was_sent_is_unsent_again() -> None:
    buffer = full_buffer(sent_at=0)
    buffer.rewind()
    assert buffer.make_room(1, now=1e6) > 0


def test_sound_is_counted_from_a_position_on_while_it_is_held() -> None:
    buffer = ReplayBuffer(60, RATE)
    buffer.append(bytes(3 * RATE))
    for number, sound in enumerate((1.0, 0.0, 0.5), 1):
        buffer.mark_sent(number * RATE, 0, sound)
    assert buffer.sound_after(0) == 1.5
    assert buffer.sound_after(RATE) == 0.5
    buffer.settle(RATE)
    assert buffer.sound_after(0) == 0.5
    buffer.rewind()
    assert buffer.sound_after(0) == 0


@pytest.mark.parametrize(
    ("amplitude", "share", "sound"),
    [(0, 1, False), (500, 1, False), (520, 1, True), (-600, 1, True), (9000, 0.02, False)],
)
def test_sound_is_what_is_loud_for_more_than_a_moment(
    amplitude: int, share: float, sound: bool
) -> None:
    loud = int(1600 * share)
    pcm = struct.pack("<1600h", *([amplitude] * loud + [0] * (1600 - loud)))
    assert PcmFormat(16_000, 1).has_sound(pcm) is sound


@pytest.mark.parametrize(
    ("encoding", "quiet", "loud"), [("g711-alaw", 0xD5, 0xAA), ("g711-ulaw", 0xFF, 0x80)]
)
def test_sound_of_telephony(encoding: str, quiet: int, loud: int) -> None:
    telephony = PcmFormat(8_000, 1, encoding)
    assert telephony.bytes_per_second == 8_000
    assert not telephony.has_sound(bytes([quiet, quiet ^ 0x80]) * 800)
    assert telephony.has_sound(bytes([quiet, loud]) * 800)


# Results


def result(
    result_id: str, start: float, end: float, *, partial: bool = False, channel: str | None = None
) -> Result:
    item = Item(start, end, "pronunciation", "word")
    entity = Entity(start, end)
    alternative = Alternative("word", [item], [entity])
    return Result(result_id, start, end, partial, [alternative], channel)


def taken(results: LogicalResults, one: Result, offset: float = 0) -> Result:
    [seen], _ = results.take([one], offset)
    return seen


def test_every_time_counts_from_the_stream_s_beginning() -> None:
    seen = taken(LogicalResults(), result("a", 1.1, 2.2), offset=0.1)
    assert seen.alternatives is not None
    [alternative] = seen.alternatives
    assert alternative.entities is not None
    for piece in (seen, alternative.items[0], alternative.entities[0]):
        assert (piece.start_time, piece.end_time) == (1.2, 2.3)


def test_audio_is_settled_up_to_the_end_of_the_last_final_result() -> None:
    results = LogicalResults()
    taken(results, result("a", 0, 1, partial=True))
    assert results.settled == 0
    taken(results, result("a", 0, 1.5))
    assert results.settled == 1.5


def test_a_cut_segment_keeps_its_id_until_its_final_result() -> None:
    results = LogicalResults()
    taken(results, result("a", 0, 1, partial=True))
    assert results.cut() == ("a",)
    assert results.cut() == ("a",)
    results.begin(2)
    assert taken(results, result("x", 0, 0.5, partial=True)).result_id == "a"
    assert taken(results, result("x", 0, 1.5)).result_id == "a"
    assert taken(results, result("x", 2, 3)).result_id == "x/2"
    assert results.cut() == ()


def test_a_segment_behind_the_cut_one_does_not_take_its_id() -> None:
    results = LogicalResults()
    taken(results, result("a", 0, 1, partial=True))
    results.cut()
    results.begin(2)
    assert taken(results, result("x", 1, 2)).result_id == "x/2"
    assert results.cut() == ()


def test_uuids_stay_as_they_are() -> None:
    results = LogicalResults()
    results.begin(2)
    unique = "11111111-2222-3333-4444-555555555555"
    assert taken(results, result(unique, 0, 1)).result_id == unique


# Two channels


def test_audio_is_settled_up_to_a_little_before_the_segment_that_another_channel_has_open() -> None:
    results = LogicalResults(channels=2)
    taken(results, result("a", 2.5, 3, partial=True, channel="ch_0"))
    taken(results, result("b", 1, 4, channel="ch_1"))
    assert results.settled == 2
    taken(results, result("a", 2.5, 3.5, channel="ch_0"))
    assert results.settled == 3.5


def test_a_channel_without_results_is_owed_what_it_may_have_begun_to_say() -> None:
    results = LogicalResults(channels=2, lag=10)
    taken(results, result("a", 0, 4, channel="ch_1"))
    assert results.settled == 0
    taken(results, result("b", 20, 24, channel="ch_1"))
    assert results.settled == 14
    taken(results, result("c", 23, 30, channel="ch_0"))
    assert results.settled == 24
    taken(results, result("d", 31, 50, channel="ch_0"))
    assert results.settled == 40


def test_a_segment_that_is_shown_too_late_is_not_settled_any_more() -> None:
    results = LogicalResults(channels=2, lag=10)
    taken(results, result("a", 20, 30, channel="ch_1"))
    taken(results, result("b", 12, 31, partial=True, channel="ch_0"))
    assert results.settled == 12
    taken(results, result("c", 30, 40, channel="ch_1"))
    assert results.settled == 12


def test_a_segment_that_the_service_gives_up_holds_nothing_back() -> None:
    results = LogicalResults(channels=2)
    taken(results, result("a", 1, 2, partial=True, channel="ch_0"))
    taken(results, result("b", 3, 4, channel="ch_0"))
    taken(results, result("c", 3, 4, channel="ch_1"))
    assert results.settled == 4
    assert results.cut() == ()


def test_a_final_result_is_not_given_again_from_the_replay_of_another_channel() -> None:
    results = LogicalResults(channels=2)
    taken(results, result("a", 0.5, 3, partial=True, channel="ch_0"))
    taken(results, result("b", 1, 4, channel="ch_1"))
    assert results.cut() == ("a",)
    results.begin(2)
    again, _ = results.take(
        [
            result("x", 0.5, 3, partial=True, channel="ch_1"),
            result("x", 0.5, 3.5, channel="ch_1"),
            result("y", 0, 3, channel="ch_0"),
            result("z", 3.6, 5, channel="ch_1"),
        ],
        0.5,
    )
    assert [one.result_id for one in again] == ["a", "z/2"]


def words(*times: tuple[str, float, float]) -> list[Item]:
    return [
        Item(start, end, "punctuation" if content in ",.。" else "pronunciation", content)
        for content, start, end in times
    ]


def said_again(*alternatives: Alternative, partial: bool = False) -> Result:
    return Result("again", 2.0, 6.0, partial, list(alternatives), "ch_0")


def after_four_seconds() -> LogicalResults:
    """Channel 0 has final results up to 4 s on the first connection; this is the second."""
    results = LogicalResults(channels=2)
    taken(results, result("a", 1, 4, channel="ch_0"))
    results.cut()
    results.begin(2)
    return results


def test_of_a_result_that_is_half_known_the_new_words_are_given() -> None:
    items = words(("Well", 2, 3), (",", 3, 3), ("he", 3.6, 4.2), ("he", 3.9, 4.5), (".", 4.5, 4.5))
    entities = [Entity(2, 3), Entity(3.9, 4.5)]
    seen = taken(after_four_seconds(), said_again(Alternative("Well, he he.", items, entities)))
    [alternative] = seen.alternatives or ()
    assert alternative.transcript == "he."
    assert [(item.content, item.start_time) for item in alternative.items] == [
        ("he", 4),
        (".", 4.5),
    ]
    assert alternative.entities == [Entity(4, 4.5)]
    assert (seen.start_time, seen.end_time) == (4, 6)


def test_words_are_taken_out_of_a_text_without_spaces() -> None:
    items = words(("今日", 2, 3), ("は", 3, 3.4), ("晴れ", 4.2, 5), ("。", 5, 5))
    seen = taken(after_four_seconds(), said_again(Alternative("今日は晴れ。", items)))
    assert seen.alternatives is not None
    assert seen.alternatives[0].transcript == "晴れ。"


@pytest.mark.parametrize(("end", "kept"), [(5.0, False), (6.5, True)])
def test_a_text_without_items_is_old_or_new_as_a_whole(end: float, kept: bool) -> None:
    one = Result("again", 2.0, end, False, [Alternative("said")], "ch_0")
    seen, final = after_four_seconds().take([one], 0)
    assert (bool(seen), final) == (kept, kept)


def test_every_alternative_is_rid_of_the_known_words() -> None:
    alternatives = [
        Alternative(f"old {new}", words(("old", 2, 3), (new, 4, 5))) for new in ("new", "knew")
    ]
    seen = taken(after_four_seconds(), said_again(*alternatives))
    assert [one.transcript for one in seen.alternatives or ()] == ["new", "knew"]


def test_a_partial_result_that_was_shown_gets_its_final_one_even_if_nothing_is_left() -> None:
    results = after_four_seconds()
    more = Alternative("old new", words(("old", 2, 3), ("new", 4, 5)))
    shown = taken(results, said_again(more, partial=True))
    final = taken(results, said_again(Alternative("old", words(("old", 2, 3)))))
    assert final.result_id == shown.result_id
    assert [one.transcript for one in final.alternatives or ()] == [""]


def test_what_one_connection_says_is_left_as_it_is() -> None:
    results = LogicalResults()
    taken(results, result("a", 0, 2))
    one = result("b", 1.9, 3)
    assert taken(results, one) == result("b", 1.9, 3)


@given(data=st.data())
@settings(deadline=None)
def test_two_channels_lose_and_double_no_word_wherever_they_are_cut(data: st.DataObject) -> None:
    channels = []
    for first in (1, 1001):
        pcm, number = b"", first
        for pause, count in data.draw(
            st.lists(st.tuples(st.integers(0, 300), st.integers(1, 12)), min_size=1, max_size=5)
        ):
            spoken = range(number, number + count)
            pcm += bytes(pause * FRAME) + word_codes.audio([spoken])
            number += count
        channels.append(pcm)
    pcm = two_channels(*channels)
    longest = data.draw(st.sampled_from([3, 1000]))
    shown_from = data.draw(st.sampled_from([1, 4, 1000]))
    engine = WordCodes(channels=2, shown_from=shown_from, longest=longest)
    seconds = st.floats(0, 4)
    piece = st.sampled_from([0.1, 0.5, 4])
    unheard = st.integers(0, 9)  # results that the cut takes along
    cuts = data.draw(st.lists(st.tuples(seconds, piece, unheard), max_size=6))

    whole, cut = (_heard(engine, pcm, each) for each in ([], cuts))
    assert cut.words() == whole.words()
    if longest == 1000:  # segments are the same
        assert cut.segments() == whole.segments()
    assert len({one.result_id for one in cut.finals}) == len(cut.finals)
    assert cut.shown <= {one.result_id for one in cut.finals}


class _Heard:
    def __init__(self) -> None:
        self.finals: list[Result] = []
        self.shown: set[str | None] = set()

    def words(self) -> dict[str, list[Item]]:
        return {
            channel: [
                item
                for one in self.finals
                if one.channel_id == channel and one.alternatives
                for item in one.alternatives[0].items
            ]
            for channel in ("ch_0", "ch_1")
        }

    def segments(self) -> set[tuple[str | None, float | None, float | None]]:
        return {(one.channel_id, one.start_time, one.end_time) for one in self.finals}


def _heard(engine: WordCodes, pcm: bytes, cuts: list[tuple[float, float, int]]) -> _Heard:
    """What comes of audio whose connections are cut after so many seconds of it."""
    rate = 2 * word_codes.BYTES_PER_SECOND
    lag = 1.3  # longer than a segment
    heard, results, buffer = _Heard(), LogicalResults(2, lag), ReplayBuffer(240, rate)
    buffer.append(pcm)
    for number, (seconds, piece, unheard) in enumerate([*cuts, (1e6, 0.1, 0)], 1):
        results.begin(number)
        start = at = buffer.start
        recognition = ChannelRecognition(
            lambda: engine.open(RecognitionOptions(word_codes.RATE)), word_codes.RATE
        )
        said: list[Result] = []
        while at < min(len(pcm), start + seconds * rate):
            data = buffer.read(at, int(piece * rate))
            at += len(data)
            said += recognition.accept(data)
        if at == len(pcm):
            said += recognition.finish()
        for event in said[: max(len(said) - unheard, 0)]:
            taken, _ = results.take([event], start / rate)
            for one in taken:
                if one.is_partial:
                    heard.shown.add(one.result_id)
                else:
                    heard.finals.append(one)
        results.cut()
        settled = round(results.settled * rate) // 4 * 4
        buffer.settle(settled)
        assert buffer.start == settled  # nothing was forgotten
    return heard
