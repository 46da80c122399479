"""The bot's tests: what callers say is in the mark, the server that hears it is the test's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bot import department_for

from amazon_transcribe.local import Fault, LocalTranscribe


async def call(seconds: float) -> AsyncIterator[bytes]:
    """Yield a call's audio by 100 ms; the scripted engine says its lines to silence too."""
    for _ in range(int(seconds * 10)):
        yield bytes(1_600)


@pytest.mark.transcribe(script=["Good morning.", "There is a mistake in my invoice."])
def test_words_choose_the_department() -> None:
    assert asyncio.run(department_for(call(seconds=5))) == "billing"


@pytest.mark.transcribe(script=["I would like to talk about the weather."])
def test_in_doubt_the_reception_takes_the_call() -> None:
    assert asyncio.run(department_for(call(seconds=4))) == "reception"


@pytest.mark.transcribe(script=["My phone is broken."], faults=[Fault("drop", after_seconds=1)])
def test_a_lost_connection_loses_no_caller(local_transcribe: LocalTranscribe) -> None:
    assert asyncio.run(department_for(call(seconds=2))) == "reception"
    assert local_transcribe.streams[0].ended == "fault"


def test_the_whole_call_is_sent_as_telephones_sound(local_transcribe: LocalTranscribe) -> None:
    asyncio.run(department_for(call(seconds=3)))
    (stream,) = local_transcribe.streams
    assert stream.ended == "complete"
    assert stream.audio_seconds == 3.0
    assert stream.parameters["media_sample_rate_hz"] == 8_000
