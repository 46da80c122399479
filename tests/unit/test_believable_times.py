"""Times of a peer that cannot be, wherever they are used."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from amazon_transcribe._protocol.times import believable
from amazon_transcribe._stream.telemetry import Telemetry
from amazon_transcribe.audio import Lookahead
from amazon_transcribe.call_analytics import CALL_ANALYTICS_EVENTS, UtteranceEvent
from amazon_transcribe.captions import cues, to_srt, to_vtt
from amazon_transcribe.eventstream import decode_message, encode_message
from amazon_transcribe.exceptions import ConnectionLostException
from amazon_transcribe.observe import Observer
from amazon_transcribe.results import results_of
from amazon_transcribe.transcription import Alternative, Result, Transcript, TranscriptEvent
from tests.unit.resume.fake_client import FakeClient, segment, turns

ABSURD = [1e6, 1e305, -1.0, -1e305, math.nan, math.inf, -math.inf]
absurd = pytest.mark.parametrize("end", ABSURD)


@pytest.mark.parametrize("time", [None, *ABSURD])
def test_what_cannot_be_is_no_time(time: float | None) -> None:
    assert believable(time, 10.0) is None
    assert believable(10.0, 10.0) == 10.0


@absurd
@pytest.mark.parametrize("where", ["result", "item", "start"])
async def test_a_resumed_stream_says_again_what_no_time_settles(end: float, where: str) -> None:
    client = FakeClient()
    one = segment("a", 0, 1)
    if where == "start":
        one.start_time = end
    if where in ("start", "result"):
        one.end_time = end
    else:
        one.alternatives[0].items[0].end_time = end  # type: ignore[index]
    async with client.resumable() as stream:
        await stream.send_audio_event(bytes(32_000))  # two seconds
        await turns()
        client.streams[0].say(one)
        assert await anext(stream)
        await stream.send_audio_event(bytes(32_000))
        await turns()
        client.streams[0].fail(ConnectionLostException("lost"))
        read = asyncio.ensure_future(anext(stream))
        await turns(50)
        settled = 16_000 if where == "item" else 0
        assert len(client.streams[1].sent) == 64_000 - settled
        await read


@absurd
@pytest.mark.parametrize("duration", [None, 10.0])
def test_captions_behind_an_absurd_end_keep_their_times(end: float, duration: float | None) -> None:
    results = [
        Result("a", 1.0, end, False, [Alternative("Good morning.", [])]),
        Result("b", 4.0, 5.0, False, [Alternative("And to you.", [])]),
    ]
    first, second = cues(results, duration)
    assert (first.start, second.start, second.end) == (1.0, 4.0, 5.0)
    assert "00:00:04,000 --> 00:00:05,000" in to_srt(results, duration)
    assert "00:00:04.000 --> 00:00:05.000" in to_vtt(results, duration)


class Lags(Observer):
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def audio_lag(self, stream: Any, seconds: float) -> None:
        self.seconds.append(seconds)


@absurd
def test_no_lag_is_told_of_an_absurd_end(end: float) -> None:
    observer = Lags()
    telemetry = Telemetry(observer, lambda: 0.0, 32_000)
    telemetry.audio_sent(320_000)
    for time in (end, 9.0):
        event = TranscriptEvent(Transcript([Result("a", 0.0, time, False)]))
        telemetry.received(1, [event])
    assert observer.seconds == [1.0]


class Delays(Observer):
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def final_delay(self, stream: Any, seconds: float) -> None:
        self.seconds.append(seconds)


def test_delay_of_a_final_counts_from_when_its_end_was_sent() -> None:
    observer, now = Delays(), [0.0]
    telemetry = Telemetry(observer, lambda: now[0], 32_000)
    for second in range(1, 6):
        now[0] = float(second)
        telemetry.audio_sent(32_000)
    now[0] = 7.5
    for end, is_partial in ((2.0, False), (2.5, True), (2.5, False), (1.0, False)):
        event = TranscriptEvent(Transcript([Result("a", 0.0, end, is_partial)]))
        telemetry.received(1, [event])
    assert observer.seconds == [5.5, 4.5, 6.5]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_too_large_for_a_float_is_no_end(sign: int) -> None:
    body = json.dumps({"EndOffsetMillis": sign * 10**400, "Transcript": "Hello."}).encode()
    headers = {":message-type": "event", ":event-type": "UtteranceEvent"}
    event = CALL_ANALYTICS_EVENTS.parse(decode_message(encode_message(headers, body)))
    assert list(event.spans()) == []
    assert isinstance(event, UtteranceEvent)
    assert [result.end_time for result in results_of(event)] == [None]


@absurd
async def test_the_lookahead_ignores_an_absurd_end(end: float) -> None:
    async def audio() -> Any:
        for _ in range(50):
            yield bytes(3200)

    lookahead = Lookahead(2.0)
    chunks = lookahead.limit(audio(), 16_000)
    for _ in range(20):
        await anext(chunks)
    lookahead.advance(end)
    waiting = asyncio.ensure_future(anext(chunks))  # type: ignore[var-annotated]
    await turns()
    assert not waiting.done()
    lookahead.advance(1.5)
    await waiting
    await chunks.aclose()
