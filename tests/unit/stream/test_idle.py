"""The idle policy's timer, apart from any stream."""

from __future__ import annotations

import pytest

from amazon_transcribe._stream.idle import KeepAlive
from amazon_transcribe.exceptions import TimeoutException


class Program:
    """A stream, as the policy sees it."""

    is_over = False
    input_ended = False
    has_waiting_senders = False
    has_room = True

    def __init__(self) -> None:
        self.silence: list[bytes] = []
        self.idle_ends = 0
        self.failure: TimeoutException | None = None

    def send_silence(self, silence: bytes) -> bool:
        self.silence.append(silence)
        return self.has_room

    def end_idle_input(self, seconds: float) -> None:
        self.idle_ends += 1

    def fail(self, error: TimeoutException) -> None:
        self.failure = error
        self.is_over = True


def look(keep_alive: KeepAlive) -> None:
    """Let the policy look as if there was no audio for long."""
    keep_alive._last_audio = -1e9
    keep_alive.look()


@pytest.mark.parametrize("silence", [b"silence", None])
async def test_an_input_that_has_ended_is_left_alone(silence: bytes | None) -> None:
    stream = Program()
    keep_alive = KeepAlive(stream, silence, 10.0, 60.0)
    stream.input_ended = True
    look(keep_alive)
    assert (stream.silence, stream.idle_ends) == ([], 0)
    assert not keep_alive.is_running


async def test_a_peer_that_takes_no_silence_has_the_time_to_send() -> None:
    stream = Program()
    stream.has_room = False
    keep_alive = KeepAlive(stream, b"silence", 10.0, 0.0)
    look(keep_alive)
    assert stream.failure is None
    look(keep_alive)
    assert stream.failure is not None
    assert stream.failure.phase == "send"
    assert not keep_alive.is_running


async def test_audio_shows_that_there_was_room_meanwhile() -> None:
    stream = Program()
    stream.has_room = False
    keep_alive = KeepAlive(stream, b"silence", 10.0, 0.0)
    look(keep_alive)
    keep_alive.audio_sent()
    look(keep_alive)
    assert stream.failure is None
    keep_alive.stop()
