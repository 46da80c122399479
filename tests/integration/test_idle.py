"""What happens to streams that get no audio."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    BadRequestException,
    InvalidParameterException,
    StreamClosedException,
    TimeoutException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import AudioEvent
from tests.integration.test_ends import read_all
from tests.support.callers import SECOND, client_at, client_of, final_texts, start
from tests.support.peers import Peer, peer_server


@pytest.fixture
async def client() -> AsyncIterator[TranscribeStreamingClient]:
    """At a service that waits 1 s for audio."""
    async with LocalTranscribe("scripted", audio_timeout=1.0) as server:
        async with client_of(server) as made:
            yield made


async def test_silence_keeps_a_stream_open(client: TranscribeStreamingClient) -> None:
    async with await start(client, idle="silence", idle_after=0.1) as stream:
        await stream.input_stream.send_audio_event(SECOND)
        live: Any = stream.input_stream._input_stream
        assert live._keep_alive.is_running
        with pytest.raises(asyncio.TimeoutError):  # open for twice the service's patience
            await asyncio.wait_for(read_all(stream), 2.2)
        silence = live._session.audio_bytes_sent - len(SECOND)
        assert silence >= 10 * 3200
        assert silence % 3200 == 0  # a tenth of a second each
        await stream.drain()
        assert not live._keep_alive.is_running


async def test_an_idle_stream_ends_cleanly(client: TranscribeStreamingClient) -> None:
    stream = await start(client, idle="end", idle_after=0.1)
    await stream.input_stream.send_audio_event(SECOND)
    assert await final_texts(stream) == ["This is"]
    with pytest.raises(StreamClosedException, match="ended after 0.1 s without audio") as ended:
        await stream.input_stream.send_audio_event(SECOND)
    assert ended.value.audio_bytes_sent == len(SECOND)
    await stream.input_stream.end_stream()


@pytest.mark.parametrize("as_event", [False, True])
async def test_audio_puts_the_end_off(client: TranscribeStreamingClient, as_event: bool) -> None:
    async with await start(client, idle="end", idle_after=0.3) as stream:
        live: Any = stream.input_stream._input_stream
        for _ in range(4):
            live._keep_alive._last_audio = -1e9  # as if long ago
            if as_event:
                await stream.input_stream.send_event(AudioEvent(SECOND))
            else:
                await stream.input_stream.send_audio_event(SECOND)
            live._keep_alive.look()
        assert not live._session.ended


async def test_who_waits_to_send_is_not_idle() -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await go_on.wait()
        await peer.end_of(stream)
        peer.h2.end_stream(stream)
        peer.flush()

    async with peer_server(script) as url, client_at(url, max_unsent=4096) as client:
        async with await start(client, idle="end", idle_after=10.0) as stream:
            live: Any = stream.input_stream._input_stream
            sending = [
                asyncio.create_task(stream.input_stream.send_audio_event(SECOND)) for _ in range(9)
            ]
            await asyncio.sleep(0)
            live._keep_alive._last_audio = -1e9
            live._keep_alive.look()
            go_on.set()
            await asyncio.gather(*sending)
            await stream.drain()


async def test_nobody_waits_for_ever_for_a_service_that_says_nothing() -> None:
    async def silent(peer: Peer) -> None:
        peer.respond(await peer.request())

    async with peer_server(silent) as url, client_at(url, idle_timeout=0.2) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        with pytest.raises(TimeoutException) as late:
            await read_all(stream)
        assert (late.value.phase, late.value.seconds) == ("idle", 0.2)
        assert late.value.audio_bytes_sent == len(SECOND)


async def test_by_default_the_service_decides(client: TranscribeStreamingClient) -> None:
    stream = await start(client)
    with pytest.raises(BadRequestException, match="timed out"):
        await final_texts(stream)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"idle": "sleep"}, "idle"),
        ({"idle": "silence", "media_encoding": "flac"}, "idle"),
        ({"idle": "end", "idle_after": 15.0}, "idle_after"),
        ({"idle_after": "10"}, "idle_after"),
        ({"idle": "end", "idle_after": 0}, "idle_after"),
    ],
)
async def test_policies_that_cannot_be(parameters: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidParameterException) as refused:
        await start(client_at("http://127.0.0.1:1"), **parameters)
    assert refused.value.parameter == name


async def test_nothing_is_left_of_an_idle_stream() -> None:
    async def script(peer: Peer) -> None:
        while True:
            peer.respond(await peer.request())

    async with peer_server(script) as url, client_at(url) as client:
        for end in ("close", "drop"):
            stream = await start(client, idle="silence", idle_after=0.01)
            live: Any = stream.input_stream._input_stream
            alive = weakref.ref(live)
            if end == "close":
                await stream.close()
                assert not live._keep_alive.is_running
            del stream, live
            assert alive() is None


async def test_a_peer_that_takes_nothing_gets_no_endless_silence() -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request())

    async with (
        peer_server(script) as url,
        client_at(url, {"send_timeout": 0.0}, max_unsent=10_000) as client,
    ):
        async with await start(client, idle="silence", idle_after=10.0) as stream:
            live: Any = stream.input_stream._input_stream
            for _ in range(100):
                live._keep_alive._last_audio = -1e9
                live._keep_alive.look()
            with pytest.raises(TimeoutException) as ended:
                await stream.output_stream.__anext__()
            assert ended.value.phase == "send"
            assert ended.value.audio_bytes_sent < 120_000
