"""Presigned URLs: what anyone opens by WebSocket, without keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import decode_message, encode_message
from amazon_transcribe.exceptions import (
    InvalidParameterException,
    StreamClosedException,
    ValidationException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import (
    StartCallAnalyticsStreamTranscriptionRequest,
    StartMedicalScribeStreamRequest,
    StartMedicalStreamTranscriptionRequest,
    StartStreamTranscriptionRequest,
)
from tests.support.callers import client_of
from tests.support.websockets import BINARY, CLOSE, Socket, frame, upgrade

REQUEST = StartStreamTranscriptionRequest(
    language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
)
AUDIO = {":message-type": "event", ":event-type": "AudioEvent"}


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted") as running:
        yield running


async def status_of(url: str) -> bytes:
    """Open a URL as a program without this package would, and leave again."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(upgrade(f"{parts.path}?{parts.query}", parts.netloc))
        return (await reader.readline()).split()[1]
    finally:
        writer.close()


async def test_a_plain_websocket_client_transcribes_by_the_url(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        url = await client.presigned_url(REQUEST)
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    socket = Socket(reader, writer)
    try:
        writer.write(upgrade(f"{parts.path}?{parts.query}", parts.netloc))
        assert b" 101 " in await socket.head()
        for chunk in (*[bytes(32_000)] * 3, b""):
            writer.write(frame(BINARY, encode_message(AUDIO, chunk), mask=True))
        types = set()
        while (received := await socket.frame())[0] != CLOSE:
            types.add(decode_message(received[1]).headers[":event-type"])
        assert types == {"TranscriptEvent"}
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_",
    [
        StartStreamTranscriptionRequest("en-US", 16_000, "pcm"),
        StartCallAnalyticsStreamTranscriptionRequest(
            language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
        ),
        StartMedicalStreamTranscriptionRequest(
            language_code="en-US",
            media_sample_rate_hz=16_000,
            media_encoding="pcm",
            specialty="PRIMARYCARE",
            type="DICTATION",
        ),
        StartMedicalScribeStreamRequest(
            language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm"
        ),
    ],
    ids=lambda request_: type(request_).__name__,
)
async def test_every_stream_has_a_url(request_: object, server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        url = await client.presigned_url(request_, expires=60)
    assert await status_of(url) == b"101"
    assert await status_of(url.replace("16000", "8000")) == b"403"


async def test_the_url_of_the_service() -> None:
    keys = StaticCredentialResolver("AKIDEXAMPLE", "secret/key", "token")
    client = TranscribeStreamingClient(region="eu-west-1", credential_resolver=keys)
    session = "c0ffee00-0000-4000-8000-000000000000"
    request = StartStreamTranscriptionRequest("de-DE", "48000", "flac", session_id=session)
    url = urlsplit(await client.presigned_url(request, expires=1))
    assert f"{url.scheme}://{url.netloc}" == (
        "wss://transcribestreaming.eu-west-1.amazonaws.com:8443"
    )
    assert url.path == "/stream-transcription-websocket"
    query = parse_qs(url.query)
    assert query.pop("X-Amz-Credential")[0].endswith("/eu-west-1/transcribe/aws4_request")
    assert query.pop("X-Amz-Date")
    assert len(query.pop("X-Amz-Signature")[0]) == 64
    assert query == {
        "language-code": ["de-DE"],
        "sample-rate": ["48000"],
        "media-encoding": ["flac"],
        "session-id": [session],
        "X-Amz-Algorithm": ["AWS4-HMAC-SHA256"],
        "X-Amz-Expires": ["1"],
        "X-Amz-SignedHeaders": ["host"],
        "X-Amz-Security-Token": ["token"],
    }


async def test_it_says_nothing_of_what_is_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = StaticCredentialResolver("AKIDEXAMPLE", "secret/key", "token")
    client = TranscribeStreamingClient(region="eu-west-1", credential_resolver=keys)
    url = await client.presigned_url(REQUEST)
    assert "secret" not in url
    assert caplog.text == ""
    assert "AKID" not in repr(client)


@pytest.mark.parametrize("expires", [0, 301, -1, 1.5, True, "60", None])
async def test_other_times_are_refused(expires: object) -> None:
    client = TranscribeStreamingClient(region="eu-west-1")
    with pytest.raises(InvalidParameterException, match="from 1 to 300 seconds") as refused:
        await client.presigned_url(REQUEST, expires=expires)
    assert refused.value.parameter == "expires"


async def test_other_requests_are_refused() -> None:
    client = TranscribeStreamingClient(region="eu-west-1")
    with pytest.raises(ValidationException, match="not a dict"):
        await client.presigned_url({"language_code": "en-US"})
    with pytest.raises(InvalidParameterException) as refused:
        await client.presigned_url(StartStreamTranscriptionRequest("en-US", 16_000))
    assert refused.value.parameter == "media_encoding"
    await client.close()
    with pytest.raises(StreamClosedException):
        await client.presigned_url(REQUEST)
