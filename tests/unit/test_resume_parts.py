"""The parts of resume that know no connection: the replay buffer, results made one stream."""

from __future__ import annotations

import struct

import pytest

from amazon_transcribe._replay import SETTLE_TIME, LogicalResults, ReplayBuffer
from amazon_transcribe.model import Alternative, Entity, Item, Result
from amazon_transcribe.resume import _is_sound

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
        assert buffer.wait_for(RATE, 0) == 0
        buffer.append(bytes(RATE))
        if sent_at is not None:
            buffer.sent(position, sent_at)
    return buffer


def test_unsent_audio_is_never_forgotten() -> None:
    buffer = full_buffer(sent_at=None)
    assert buffer.wait_for(1, now=1e6) > 0
    assert buffer.start == 0


def test_a_settled_piece_makes_room() -> None:
    buffer = full_buffer(sent_at=0)
    assert buffer.wait_for(RATE, now=1) > 0
    buffer.settle(RATE)
    assert buffer.wait_for(RATE, now=1) == 0
    assert buffer.wait_for(RATE + 1, now=1) > 0


def test_audio_without_any_event_is_forgotten_after_the_settle_time() -> None:
    buffer = full_buffer(sent_at=100)
    assert buffer.wait_for(RATE, now=101) == pytest.approx(SETTLE_TIME - 1)
    assert buffer.wait_for(RATE, now=100 + SETTLE_TIME) == 0
    assert (buffer.settled, buffer.start) == (0, RATE)


def test_audio_on_which_the_service_is_at_work_is_kept_for_the_buffer_s_length() -> None:
    buffer = full_buffer(sent_at=100)
    buffer.heard(109)
    assert buffer.wait_for(RATE, now=111) > 0
    buffer.heard(155)
    assert buffer.wait_for(RATE, now=159) == pytest.approx(1)
    assert buffer.wait_for(RATE, now=160) == 0


def test_what_a_lost_connection_was_sent_is_unsent_again() -> None:
    buffer = full_buffer(sent_at=0)
    buffer.rewind()
    assert buffer.wait_for(1, now=1e6) > 0


def test_sound_is_counted_from_a_position_on_while_it_is_held() -> None:
    buffer = ReplayBuffer(60, RATE)
    buffer.append(bytes(3 * RATE))
    for number, sound in enumerate((1.0, 0.0, 0.5), 1):
        buffer.sent(number * RATE, 0, sound)
    assert buffer.sound_behind(0) == 1.5
    assert buffer.sound_behind(RATE) == 0.5
    buffer.settle(RATE)
    assert buffer.sound_behind(0) == 0.5
    buffer.rewind()
    assert buffer.sound_behind(0) == 0


@pytest.mark.parametrize(
    ("amplitude", "share", "sound"),
    [(0, 1, False), (500, 1, False), (520, 1, True), (-600, 1, True), (9000, 0.02, False)],
)
def test_sound_is_what_is_loud_for_more_than_a_moment(
    amplitude: int, share: float, sound: bool
) -> None:
    loud = int(1600 * share)
    pcm = struct.pack("<1600h", *([amplitude] * loud + [0] * (1600 - loud)))
    assert _is_sound(pcm) is sound


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


def test_audio_is_settled_up_to_the_segment_that_another_channel_has_open() -> None:
    results = LogicalResults()
    taken(results, result("a", 0.5, 3, partial=True, channel="ch_0"))
    taken(results, result("b", 1, 4, channel="ch_1"))
    assert results.settled == 0.5
    taken(results, result("a", 0.5, 3.5, channel="ch_0"))
    assert results.settled == 4


def test_a_final_result_is_not_given_again_from_the_replay_of_another_channel() -> None:
    results = LogicalResults()
    taken(results, result("a", 0.5, 3, partial=True, channel="ch_0"))
    taken(results, result("b", 1, 4, channel="ch_1"))
    assert results.cut() == ("a",)
    results.begin(2)
    again, _ = results.take(
        [
            result("x", 0.5, 3.5, channel="ch_1"),
            result("y", 0, 3, channel="ch_0"),
            result("z", 3.6, 5, channel="ch_1"),
        ],
        0.5,
    )
    assert [one.result_id for one in again] == ["a", "z/2"]


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
