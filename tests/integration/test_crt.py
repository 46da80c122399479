"""What is special about the transport on awscrt; the rest it shares in `test_client.py`."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from amazon_transcribe.exceptions import (
    ConnectException,
    ConnectionLostException,
    StreamResetException,
    TimeoutException,
    ValidationException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.transports.crt import CrtTransport
from tests.integration.test_client import SECOND, client_at, crt_transport, final_texts, start
from tests.peers import peer_server


async def test_without_tls_it_says_what_it_cannot() -> None:
    with pytest.raises(ConnectException, match="TLS only"):
        await start(client_at("http://127.0.0.1:1", transport=crt_transport()))


@pytest.mark.parametrize(
    "missing", ["Http2ClientStream", "Http2ClientStream.remote_end_stream_future"]
)
def test_an_old_awscrt_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crt_transport()
    monkeypatch.delattr(f"awscrt.http.{missing}")
    with pytest.raises(ValidationException, match=r"awscrt>=0\.32"):
        CrtTransport()


def test_the_module_loads_no_awscrt() -> None:
    program = "import sys, amazon_transcribe.transports.crt; print('awscrt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"


async def test_nobody_listens() -> None:
    transport = crt_transport()
    with pytest.raises(ConnectException, match="127.0.0.1:1: AWS_IO_SOCKET"):
        await start(client_at("https://127.0.0.1:1", transport=transport, start_timeout=2))


async def test_the_time_for_a_connection_is_bounded() -> None:
    async with peer_server(lambda peer: peer.gone(), hello=False) as url:
        with pytest.raises(TimeoutException) as late:
            secure = url.replace("http", "https")
            await start(client_at(secure, transport=crt_transport(), start_timeout=0.2))
    assert late.value.phase == "connect"


@pytest.mark.parametrize(
    ("kind", "expected"), [("drop", ConnectionLostException), ("reset", StreamResetException)]
)
async def test_a_stream_that_breaks(
    kind: str, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [Fault(kind, after_events=1)]
    async with LocalTranscribe("scripted", tls=True, faults=faults) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_at(
            server.endpoint_url, credential_resolver=server.credentials, transport=crt_transport()
        ) as client:
            stream = await start(client)
            await stream.input_stream.send_audio_event(SECOND)
            with pytest.raises(expected):
                await final_texts(stream)
            with pytest.raises(expected):
                await stream.input_stream.send_audio_event(SECOND)


async def test_an_aborted_stream_takes_its_connection_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        async with client_at(
            server.endpoint_url, credential_resolver=server.credentials, transport=crt_transport()
        ) as client:
            stream = await start(client)
            (connection,) = server._connections
            await stream.close()
            await asyncio.wait_for(asyncio.shield(connection.lost), 5)
