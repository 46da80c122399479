"""What published programs lean on besides the documented names, one kind a test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.exceptions import StreamClosedException
from amazon_transcribe.handlers import TranscriptResultStreamHandler
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import TranscriptEvent
from tests.support.callers import client_at, client_of, start


@pytest.mark.parametrize("transport", [None, "websocket"])
async def test_the_input_says_whether_it_is_closed(transport: str | None) -> None:
    # TEN-framework's extension aws_asr_python asks before each use, and connects again on an
    # IOError.
    async with LocalTranscribe("scripted") as server, client_of(server, transport=transport) as c:
        stream = await start(c)
        assert stream.input_stream._input_stream.closed is False
        await stream.input_stream.send_audio_event(audio_chunk=bytes(3200))
        assert stream.input_stream._input_stream.closed is False
        await stream.input_stream.end_stream()
        assert stream.input_stream._input_stream.closed is True
        with pytest.raises(OSError, match="the input has ended") as refused:
            await stream.input_stream.send_audio_event(audio_chunk=bytes(3200))
        assert isinstance(refused.value, StreamClosedException)
        assert [event async for event in stream.output_stream] == []  # too little was said


async def test_an_aborted_stream_is_closed() -> None:
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        stream = await start(client)
        stream.abort()
        assert stream.input_stream._input_stream.closed is True


async def test_events_by_their_dicts() -> None:
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(audio_chunk=bytes(32000))
        await stream.input_stream.end_stream()
        texts = []
        async for event in stream.output_stream:
            plain = json.loads(json.dumps(event, default=lambda o: o.__dict__))
            assert plain == event.to_dict()
            assert TranscriptEvent.from_dict(plain) == event
            texts.append(plain["transcript"]["results"][0]["alternatives"][0]["transcript"])
        assert any(texts)


async def test_a_handler_that_reads_the_stream_by_itself() -> None:
    class Reads(TranscriptResultStreamHandler):
        text = ""

        async def handle_events(self) -> None:
            async for event in self._transcript_result_stream:
                if hasattr(event, "transcript"):
                    for result in event.transcript.results:
                        self.text = result.alternatives[0].transcript

    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(audio_chunk=bytes(32000))
        await stream.input_stream.end_stream()
        handler = Reads(stream.output_stream)
        await handler.handle_events()
        assert handler.text


@pytest.mark.parametrize("tail", ["\n", "\r\n", " "])
async def test_keys_with_white_space_behind_them(tail: str) -> None:
    # As a file or a Kubernetes secret has them.
    async with LocalTranscribe("scripted") as server:
        keys = StaticCredentialResolver(
            server.credentials.access_key_id + tail, server.credentials.secret_access_key + tail
        )
        url = f"{server.endpoint_url}{tail}"
        async with client_at(url, region=f"us-east-1{tail}", credential_resolver=keys) as client:
            assert client.region == "us-east-1"
            await start(client)


async def test_a_handler_that_does_not_call_its_base_class() -> None:
    class Handles(TranscriptResultStreamHandler):
        def __init__(self, transcript_result_stream: Any) -> None:
            self._transcript_result_stream = transcript_result_stream
            self.events: list[TranscriptEvent] = []

        async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
            self.events.append(transcript_event)

    async def events() -> AsyncIterator[Any]:
        yield TranscriptEvent()
        yield None  # as the original gives events of unknown types
        yield TranscriptEvent()

    handler = Handles(events())  # a fake of a program's own tests
    await handler.handle_events()
    assert len(handler.events) == 2
