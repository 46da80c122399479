"""Peers that ask for the client's certificate, as gateways before a service do."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import HTTPException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.listeners.certificates import throwaway_context
from amazon_transcribe.transports.h2 import H2Transport
from amazon_transcribe.transports.websocket import WebSocketTransport
from tests.support.callers import SECOND, client_at, final_texts, start
from tests.support.peers import listening

pytestmark = [
    pytest.mark.parametrize("direct", [True, False], ids=["direct", "loop"]),
    pytest.mark.parametrize("kind", [H2Transport, WebSocketTransport]),
]

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

Kind = type[H2Transport | WebSocketTransport]


def certificate() -> bytes:
    """A client's certificate, which is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a client")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the certificate that the gateway knows."""
    file = Path(tmp_path_factory.mktemp("client"), "client.pem")
    file.write_bytes(certificate())
    return file


class Gateway:
    """TLS before a local server without it, for clients whose certificate is known.

    :param version: The one of TLS that it speaks.
    """

    def __init__(self, known: Path, version: ssl.TLSVersion) -> None:
        self.context, authority = throwaway_context(["localhost"])
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(known)
        self.context.minimum_version = self.context.maximum_version = version
        self._authority = authority.decode()

    def client(
        self, kind: Kind, direct: bool, port: int, shown: Path | None, **options: Any
    ) -> TranscribeStreamingClient:
        """Make a client that shows this certificate."""
        if kind is WebSocketTransport:
            pytest.importorskip("wsproto")
        context = ssl.create_default_context(cadata=self._authority)
        if shown is not None:
            context.load_cert_chain(shown)
        scheme = "https" if kind is H2Transport else "wss"
        transport = kind(ssl_context=context, direct_tls=direct)
        return client_at(f"{scheme}://localhost:{port}", transport=transport, **options)

    @asynccontextmanager
    async def to(self, server: LocalTranscribe) -> AsyncIterator[int]:
        """Lead to a server; gives the port."""

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert writer.get_extra_info("peercert")
            port = int(server.endpoint_url.rpartition(":")[2])
            back, out = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_copy(reader, out), _copy(back, writer))

        async with listening(pass_on, self.context) as port:
            yield port

    @contextmanager
    def refusing(self) -> Iterator[int]:
        """Shake hands with nobody, but say why, which asyncio's servers do not; gives the port."""

        def refuse_all() -> None:
            while True:
                sock, _ = listening.accept()
                if is_over:
                    sock.close()
                    return
                with suppress(OSError):
                    self.context.wrap_socket(sock, server_side=True).close()

        is_over = False
        with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
            refused = thread.submit(refuse_all)
            yield listening.getsockname()[1]
            is_over = True
            socket.create_connection(listening.getsockname()).close()
            refused.result(60)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_certificate_that_the_peer_knows_opens_streams(
    kind: Kind, direct: bool, version: ssl.TLSVersion, known: Path
) -> None:
    gateway = Gateway(known, version)
    async with LocalTranscribe("scripted") as server, gateway.to(server) as port:
        keys = server.credentials
        async with gateway.client(kind, direct, port, known, credential_resolver=keys) as client:
            for _ in range(2):  # the second resumes the session of the first
                async with await start(client) as stream:
                    await stream.input_stream.send_audio_event(SECOND)
                    await stream.input_stream.end_stream()
                    assert await final_texts(stream) == ["This is"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", ["none", "another"])
async def test_a_start_without_it_fails_and_says_why(
    kind: Kind, direct: bool, version: ssl.TLSVersion, shown: str, known: Path, tmp_path: Path
) -> None:
    another = None
    if shown == "another":
        another = tmp_path / "another.pem"
        another.write_bytes(certificate())
    gateway = Gateway(known, version)
    with gateway.refusing() as port:
        async with gateway.client(kind, direct, port, another) as client:
            with pytest.raises(HTTPException) as refused:
                await start(client)
    if direct and sys.platform == "linux":  # others drop what a peer said before it reset
        assert "alert" in str(refused.value)
