"""Clients for tests, and what they send and receive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.transcription import StartStreamTranscriptionEventStream
from amazon_transcribe.transports.crt import CrtTransport

KEYS = StaticCredentialResolver("AKIDEXAMPLE", "secret")
SECOND = bytes(32_000)
TRANSCRIPT = encode_message(
    {":message-type": "event", ":event-type": "TranscriptEvent"}, b'{"Transcript":{"Results":[]}}'
)
BAD_REQUEST = encode_message(
    {":message-type": "exception", ":exception-type": "BadRequestException"},
    b'{"Message":"The audio is bad."}',
)


def client_at(
    url: str, patience: Mapping[str, Any] | None = None, **options: Any
) -> TranscribeStreamingClient:
    """Make a client for a server.

    :param patience: Time-outs and waits of its starts and of its transports; see `Starter`,
        `H2Transport` and `WebSocketTransport`.
    """
    options = {"credential_resolver": KEYS, "region": "us-east-1", **options}
    client = TranscribeStreamingClient(endpoint_url=url, **options)
    for name, value in (patience or {}).items():
        owners = [
            owner
            for owner in (client._starter, client._transport, client._websocket)
            if hasattr(owner, name)
        ]
        assert owners, name
        for owner in owners:
            setattr(owner, name, value)
    return client


def client_of(
    server: LocalTranscribe, patience: Mapping[str, Any] | None = None, **options: Any
) -> TranscribeStreamingClient:
    """Make a client with the server's own keys."""
    options = {"credential_resolver": server.credentials, **options}
    return client_at(server.endpoint_url, patience, **options)


async def start(
    client: TranscribeStreamingClient, **parameters: Any
) -> StartStreamTranscriptionEventStream:
    return await client.start_stream_transcription(
        **{
            "language_code": "en-US",
            "media_sample_rate_hz": 16000,
            "media_encoding": "pcm",
            **parameters,
        }
    )


async def converse(stream: Any, audio: bytes, chunk: int = 6400) -> list[Any]:
    """Send audio in chunks of so many bytes, as fast as it is taken; returns the events."""

    async def write() -> None:
        for at in range(0, len(audio), chunk):
            await stream.input_stream.send_audio_event(audio_chunk=audio[at : at + chunk])
            await asyncio.sleep(0.002)  # let partial results come between the chunks
        await stream.input_stream.end_stream()

    async def read() -> list[Any]:
        return [event async for event in stream.output_stream]

    async with stream:
        _, events = await asyncio.gather(write(), read())
    return events


async def final_texts(stream: StartStreamTranscriptionEventStream) -> list[str]:
    return [
        result.alternatives[0].transcript
        async for event in stream.output_stream
        for result in event.transcript.results
        if not result.is_partial
    ]


def crt_transport() -> CrtTransport:
    try:
        return CrtTransport()
    except ValidationException as error:
        pytest.skip(str(error))


async def until(happened: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait for what can only be looked at.

    :param timeout: Seconds after which it has failed.
    """
    due = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < due, "it does not happen"
        await asyncio.sleep(0.001)


def leftovers() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
