"""An endpoint of the other scheme: with TLS where there is none, and the other way round."""

from __future__ import annotations

import asyncio

import pytest

from amazon_transcribe.exceptions import ConnectException, HTTPException
from amazon_transcribe.local import LocalTranscribe
from tests.support.callers import client_at, start
from tests.support.peers import listening

ALERT = b"\x15\x03\x01\x00\x02\x02\x46"  # a fatal alert of TLS: protocol version


async def refusal_at(url: str) -> HTTPException:
    async with client_at(url, start_attempts=1) as client:
        with pytest.raises(HTTPException) as failed:
            await start(client)
    return failed.value


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_tls_at_a_server_without_it(scheme: str) -> None:
    async with LocalTranscribe("scripted") as server:
        place = server.endpoint_url.partition("//")[2]
        failed = await refusal_at(f"{scheme}s://{place}")
        assert isinstance(failed, ConnectException)
        assert not failed.transient
        assert str(failed).endswith(f"the peer does not speak TLS: use {scheme}://{place}")


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", b""),
        ("http", ALERT),
        ("http", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("ws", b""),
        ("ws", ALERT),
    ],
)
async def test_plain_text_at_a_server_with_tls(scheme: str, answer: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)

    async with listening(handle) as port:
        failed = await refusal_at(f"{scheme}://127.0.0.1:{port}")
        assert str(failed).endswith(f"if it speaks TLS, use {scheme}s://127.0.0.1:{port}")
        if scheme == "http" or answer == ALERT:
            assert isinstance(failed, ConnectException)
