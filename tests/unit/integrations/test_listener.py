"""What an adapter hears, over connections that a test makes, in time that passes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from amazon_transcribe.exceptions import ConnectionLostException, InternalFailureException
from amazon_transcribe.integrations._listener import AudioSent, Heard, Listener
from amazon_transcribe.integrations._speech import Phrase, SpeechEnded
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.resume.fake_client import BYTES_PER_SECOND, RATE, FakeClient, segment

SECOND = b"\1" * BYTES_PER_SECOND


class Room:
    """A framework: audio that a test puts in, and what it hears."""

    def __init__(self, **options: Any) -> None:
        self.client = FakeClient()
        self.audio: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.heard: list[Heard] = []
        self.listener = Listener(
            self.client,  # type: ignore[arg-type]
            self.audio.get,
            self._note,
            sample_rate_hz=RATE,
            parameters={"language_code": "en-US"},
            **options,
        )

    async def _note(self, heard: Heard) -> None:
        self.heard.append(heard)

    def names(self) -> list[str]:
        return [type(each).__name__ for each in self.heard if not isinstance(each, AudioSent)]


async def hearing(room: Room, program: Coroutine[Any, Any, None]) -> None:
    """Run a test's program beside the listener, and close that as a framework does."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(room.listener.run())
    try:
        await program
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert asyncio.all_tasks() == before


def test_nothing_connects_before_there_is_audio() -> None:
    async def program(room: Room) -> None:
        await asyncio.sleep(100)
        assert room.client.streams == []
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(0.5)
        assert bytes(room.client.streams[0].sent) == SECOND

    room = Room()
    run_in_virtual_time(hearing(room, program(room)))


def test_silence_stands_in_for_audio_in_time() -> None:
    async def program(room: Room) -> None:
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(30.5)
        sent = room.client.streams[0].sent
        assert sent == SECOND + bytes(30 * BYTES_PER_SECOND)
        assert room.listener.silence == 30
        assert len(room.client.streams) == 1

    room = Room()
    run_in_virtual_time(hearing(room, program(room)))
    used = sum(each.seconds for each in room.heard if isinstance(each, AudioSent))
    assert used == pytest.approx(31)


def test_speech_stays_open_over_a_lost_connection() -> None:
    async def program(room: Room) -> None:
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(0.1)
        room.client.streams[0].say(segment("1", 0, 1, partial=True))
        room.client.streams[0].fail(ConnectionLostException("lost"))
        await asyncio.sleep(5)
        room.client.streams[1].say(segment("1", 0, 1))
        await asyncio.sleep(1)

    room = Room()
    run_in_virtual_time(hearing(room, program(room)))
    assert room.names() == [
        "Connected",
        "SpeechStarted",
        "Phrase",
        "Reconnecting",
        "Reconnected",
        "Phrase",
        "SpeechEnded",
    ]


def test_speech_that_does_not_come_again_has_ended() -> None:
    async def program(room: Room) -> None:
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(0.1)
        room.client.streams[0].say(segment("1", 0, 1, partial=True))
        room.client.streams[0].fail(ConnectionLostException("lost"))
        await asyncio.sleep(9)
        assert room.names()[-1] == "Reconnected"
        await asyncio.sleep(2)
        assert room.heard[-1] == SpeechEnded(1)
        room.client.streams[1].say(segment("2", 8, 9))
        await asyncio.sleep(1)
        assert room.names()[-3:] == ["SpeechStarted", "Phrase", "SpeechEnded"]

    room = Room(return_timeout=10)
    run_in_virtual_time(hearing(room, program(room)))


def test_speech_ends_with_its_listener() -> None:
    async def program(room: Room) -> None:
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(0.1)
        room.client.streams[0].say(segment("1", 0, 1, partial=True))
        await asyncio.sleep(0.1)

    room = Room()
    run_in_virtual_time(hearing(room, program(room)))
    assert room.names() == ["Connected", "SpeechStarted", "Phrase", "SpeechEnded"]


def test_a_failed_start_loses_no_audio() -> None:
    async def program(room: Room) -> None:
        room.client.refusals.append(InternalFailureException("not now"))
        room.audio.put_nowait(SECOND)
        with pytest.raises(InternalFailureException):
            await room.listener.run()
        again = asyncio.create_task(room.listener.run())
        room.audio.put_nowait(None)
        await asyncio.sleep(0.1)
        (stream,) = room.client.streams
        assert bytes(stream.sent) == SECOND
        assert stream.has_input_ended
        stream.say(segment("1", 0, 1))
        stream.end()
        await again

    room = Room()
    run_in_virtual_time(program(room))
    assert room.names() == ["Connected", "SpeechStarted", "Phrase", "SpeechEnded"]


def test_new_parameters_take_a_new_stream_whose_times_go_on() -> None:
    async def program(room: Room) -> None:
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(0.1)
        room.listener.update({"language_code": "en-GB"})
        room.audio.put_nowait(SECOND)
        await asyncio.sleep(0.1)
        (first,) = room.client.streams
        assert bytes(first.sent) == SECOND
        first.say(segment("1", 0, 1))
        first.end()
        await asyncio.sleep(0.1)
        second = room.client.streams[1]
        assert bytes(second.sent) == SECOND
        second.say(segment("1", 0.5, 1))
        await asyncio.sleep(0.1)

    room = Room()
    run_in_virtual_time(hearing(room, program(room)))
    phrases = [each for each in room.heard if isinstance(each, Phrase)]
    assert [each.start for each in phrases] == [0.0, 1.5]
