"""Programs that send everything first and read then, over each transport there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from tests.support.callers import client_at, crt_transport, final_texts, start

LINES = [" ".join(f"word{line}x{n}" for n in range(50)) + "." for line in range(40)]
WORD = bytes(6400)  # 0.4 s


@pytest.fixture(params=["http", "crt", "ws"])
async def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TranscribeStreamingClient]:
    engine = ScriptedEngine("\n".join(LINES))
    async with LocalTranscribe(engine, tls=request.param == "crt") as server:
        if server.ca_file:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        url = server.endpoint_url
        if request.param == "ws":
            pytest.importorskip("wsproto")
            url = url.replace("http", "ws")
        transport = crt_transport() if request.param == "crt" else None
        keys = server.credentials
        async with client_at(url, credential_resolver=keys, transport=transport) as made:
            yield made


async def test_all_words_come_after_everything_was_sent(client: TranscribeStreamingClient) -> None:
    stream = await start(client, media_sample_rate_hz=8000)
    for _ in range(len(LINES) * 52):
        await stream.input_stream.send_audio_event(WORD)
        await asyncio.sleep(0)
    await stream.input_stream.end_stream()
    assert await final_texts(stream) == LINES
    live = stream.input_stream._input_stream
    assert live._bytes_received > 1024 * 1024
