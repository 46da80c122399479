"""Draining a client, and streams that go on in another process."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import StreamClosedException, ValidationException
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.resume import Reconnected, ResumableTranscription
from amazon_transcribe.transcription import Result, TranscriptEvent
from tests.support.callers import SECOND, client_of, start, until
from tests.support.relays import Call, Relay, environment_of
from tests.support.valkey import valkey_server
from tests.support.word_codes import BYTES_PER_SECOND, RATE, WordCodes, audio, two_channels

CHUNK = BYTES_PER_SECOND // 10
SPOKEN = [range(1 + at, 1 + at + 10) for at in range(0, 60, 10)]


def resumable(client: TranscribeStreamingClient, **options: Any) -> ResumableTranscription:
    return ResumableTranscription(
        client, language_code="en-US", media_sample_rate_hz=RATE, **options
    )


class Talk:
    """The audio of a stream on its way through several, and what comes out of all."""

    def __init__(self, pcm: bytes) -> None:
        self.pcm = pcm
        self.results: list[Result] = []
        self.returns: list[Reconnected] = []

    @property
    def finals(self) -> list[Result]:
        return [result for result in self.results if not result.is_partial]

    def words(self, channel: str | None = None) -> list[str]:
        return [
            item.content or ""
            for result in self.finals
            if result.channel_id == channel
            for item in result.alternatives[0].items  # type: ignore[index]
        ]

    async def run(self, stream: ResumableTranscription, until_results: int | None = None) -> str:
        """Speak and listen; return the state after so many results, `""` at the end."""
        async with stream:
            sending = asyncio.create_task(self._send(stream))
            try:
                state = ""
                async for event in stream:
                    if isinstance(event, Reconnected):
                        self.returns.append(event)
                    elif isinstance(event, TranscriptEvent):
                        self.results += event.transcript.results
                    if not state and until_results and len(self.results) >= until_results:
                        state = stream.export_state()
                return state
            finally:
                sending.cancel()
                await asyncio.wait({sending})

    async def _send(self, stream: ResumableTranscription) -> None:
        try:
            for at in range(stream.audio_bytes_taken, len(self.pcm), CHUNK):
                await stream.send_audio_event(self.pcm[at : at + CHUNK])
            await stream.end_stream()
        except StreamClosedException:
            pass  # handed over


@pytest.mark.parametrize("after", [1, 5, 10, 37, 60])
async def test_a_stream_goes_on_elsewhere_with_no_word_lost(after: int) -> None:
    talk = Talk(audio(SPOKEN))
    async with LocalTranscribe(WordCodes(shown_from=2)) as server:
        async with client_of(server) as here, client_of(server) as there:
            first = resumable(here)
            state = await talk.run(first, after)
            assert state
            assert json.loads(state)["version"] == 1
            second = ResumableTranscription.from_state(there, state)
            assert second.session_id == first.session_id
            assert second.audio_bytes_taken == first.audio_bytes_taken
            assert await talk.run(second) == ""
    assert talk.words() == [f"w{word}" for words in SPOKEN for word in words]
    (back,) = talk.returns
    assert back.connection == 2
    times = [(final.start_time, final.end_time) for final in talk.finals]
    assert times == [(round(1.3 * n, 3), round(1.3 * n + 0.98, 3)) for n in range(len(SPOKEN))]
    ids = [final.result_id for final in talk.finals]
    assert len(set(ids)) == len(ids)
    # What was shown in part here has its final result there, under the same id.
    assert {result.result_id for result in talk.results} == set(ids)


async def test_a_stream_with_channels_moves_again_and_again() -> None:
    first, second = SPOKEN[:3], [range(101, 118), range(201, 215)]
    talk = Talk(two_channels(audio(first), audio(second, pause=45)))
    async with LocalTranscribe(WordCodes(channels=2)) as server, client_of(server) as client:
        stream = resumable(client, enable_channel_identification=True, number_of_channels=2)
        moves = 0
        while state := await talk.run(stream, len(talk.results) + 25):
            stream = ResumableTranscription.from_state(client, state)
            moves += 1
    assert moves > 2
    assert talk.words("ch_0") == [f"w{word}" for words in first for word in words]
    assert talk.words("ch_1") == [f"w{word}" for words in second for word in words]


async def test_a_stream_that_was_exported_takes_nothing_more() -> None:
    async with LocalTranscribe(WordCodes()) as server, client_of(server) as client:
        async with resumable(client) as stream:
            await stream.send_audio_event(bytes(CHUNK))
            state = stream.export_state()
            with pytest.raises(StreamClosedException):
                await stream.send_audio_event(bytes(CHUNK))
            assert [event async for event in stream] == []
        assert ResumableTranscription.from_state(client, state).audio_bytes_taken == CHUNK


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"audio": "!"},
        {"settled": "soon"},
        {"parameters": {}},
        {"parameters": {"media_sample_rate_hz": 8000, "colour": "red"}},
        {"parameters": {"media_sample_rate_hz": 8000, "parameters": "red"}},
        {"connections": -1},
        {"audio_start": -2},
        {"audio_settled": 2},
        {"audio_sent": 2},
    ],
)
async def test_a_state_that_is_none(change: dict[str, Any]) -> None:
    async with LocalTranscribe(WordCodes()) as server, client_of(server) as client:
        state = json.loads(resumable(client).export_state())
        with pytest.raises(ValidationException):
            ResumableTranscription.from_state(client, json.dumps({**state, **change}))
        with pytest.raises(ValidationException, match="what export_state returned"):
            ResumableTranscription.from_state(client, "{")


# Draining


async def test_a_client_that_drains_waits_for_its_streams() -> None:
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        streams = [await start(client) for _ in range(2)]
        assert await client.drain_all(0) == 2
        assert await client.drain_all(math.nan) == 2
        with pytest.raises(StreamClosedException, match="drains"):
            await start(client)
        draining = asyncio.create_task(client.drain_all(60))
        for stream in streams:
            await stream.input_stream.send_audio_event(SECOND)
            assert not draining.done()
            await stream.drain()
        assert await draining == 0


async def test_a_drain_counts_starts_and_forgets_streams_that_were_dropped() -> None:
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        starting = asyncio.create_task(start(client))
        await asyncio.sleep(0)
        draining = asyncio.create_task(client.drain_all(60))
        await starting
        assert not draining.done()
        del starting
        assert await draining == 0


async def test_a_resumed_stream_reconnects_while_its_client_drains() -> None:
    talk = Talk(audio(SPOKEN))
    fault = Fault.parse("drop:seconds=1.5,times=1")
    async with LocalTranscribe(WordCodes(), faults=[fault]) as server:
        async with client_of(server) as client:
            stream = resumable(client, backoff=0.001)
            talking = asyncio.create_task(talk.run(stream))
            await until(lambda: talk.results)
            draining = asyncio.create_task(client.drain_all(60))
            await talking
            await draining
    assert len(talk.returns) == 1
    assert talk.words() == [f"w{word}" for words in SPOKEN for word in words]


# The relay


async def test_a_live_call_moves_between_two_processes() -> None:
    pcm = audio(SPOKEN)
    with valkey_server() as valkey:
        async with LocalTranscribe(WordCodes()) as server:
            environment = environment_of(server, valkey.url)
            relays = [Relay(environment), Relay(environment)]
            try:
                for relay in relays:
                    await relay.start()
                ports = [relays[0].port]

                async def pace(at: int) -> None:
                    if at > len(pcm) / 2:
                        await until(lambda: call.moves)

                call = Call("one", pcm, lambda: ports[-1], pace)
                calling = asyncio.create_task(call.run())
                await until(lambda: call.finals)
                assert (await relays[0].page("/ready"))[0] == 200
                assert "relay_calls_open 1\n" in (await relays[0].page("/metrics"))[1]
                ports.append(relays[1].port)
                assert await relays[0].stop() == 0
                await asyncio.wait_for(calling, 120)
            finally:
                for relay in relays:
                    assert await relay.stop() == 0
    assert call.words == [f"w{word}" for words in SPOKEN for word in words]
    assert (call.moves, call.connections) == (1, 2)
