"""HTTP CONNECT proxies from the environment, for every transport."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe._net.origin import Origin
from amazon_transcribe._net.proxy import proxy_for
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import ConnectException, SDKError, TimeoutException
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.listeners.certificates import make_certificates
from tests.support.callers import crt_transport
from tests.support.peers import listening

# A name that no resolver knows: only the proxy can lead there.
NAME = "transcribe.test"
VARIABLES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


class ConnectProxy:
    """A small CONNECT proxy: every name leads to this machine."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []
        self.user: str | None = None  # wanted, as "user:password"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(request)
        method, target, _ = request.split(" ", 2)
        assert method == "CONNECT"
        if self.user is not None:
            given = request.partition("Proxy-Authorization: Basic ")[2].partition("\r\n")[0]
            if b64decode(given).decode() != self.user:
                writer.write(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")
                return
        there = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        # The origin may speak first: its bytes come in one piece with the answer.
        writer.write(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        try:
            await asyncio.gather(_pump((reader, there[1])), _pump((there[0], writer)))
        finally:
            there[1].transport.abort()


async def _pump(pair: Stream) -> None:
    reader, writer = pair
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[ConnectProxy]:
    made = ConnectProxy()
    async with listening(made.serve) as port:
        made.port = port
        yield made


async def transcribe(client: TranscribeStreamingClient) -> list[str]:
    async with client:
        stream = await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
        await stream.input_stream.send_audio_event(bytes(32_000))
        await stream.input_stream.end_stream()
        return [
            result.alternatives[0].transcript
            async for event in stream.output_stream
            for result in event.transcript.results
            if not result.is_partial
        ]


def client_at(authority: str, scheme: str, **options: Any) -> TranscribeStreamingClient:
    """A client of a scheme; `crt` is awscrt's transport."""
    if scheme == "crt":
        scheme, options["transport"] = "https", crt_transport()
    return TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url=f"{scheme}://{authority}",
        **{
            "credential_resolver": StaticCredentialResolver("a", "b"),
            "start_attempts": 1,
            **options,
        },
    )


def client_of(server: LocalTranscribe, scheme: str) -> TranscribeStreamingClient:
    authority = f"{NAME}:{server.endpoint_url.rpartition(':')[2]}"
    return client_at(authority, scheme, credential_resolver=server.credentials)


@pytest.fixture
def certificate(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A certificate of the server's name, which is trusted."""
    made = make_certificates([NAME])
    (tmp_path / "server.pem").write_bytes(made.certificate + made.key)
    (tmp_path / "authority.pem").write_bytes(made.authority)
    environment.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return tmp_path / "server.pem"


@pytest.mark.parametrize("scheme", ["https", "wss", "http", "ws", "crt"])
async def test_streams_go_through_the_proxy(
    scheme: str, proxy: ConnectProxy, certificate: Path, environment: pytest.MonkeyPatch
) -> None:
    secure = scheme in ("https", "wss", "crt")
    environment.setenv("HTTPS_PROXY" if secure else "http_proxy", f"http://127.0.0.1:{proxy.port}")
    async with LocalTranscribe("scripted", tls=secure, cert=certificate) as server:
        assert await transcribe(client_of(server, scheme)) == ["This is"]
        port = server.endpoint_url.rpartition(":")[2]
    assert [line.split("\r\n")[0] for line in proxy.requests] == [f"CONNECT {NAME}:{port} HTTP/1.1"]
    assert "Proxy-Authorization" not in proxy.requests[0]


@pytest.mark.parametrize(("scheme", "says"), [("http", "407"), ("ws", "407"), ("crt", "PROXY")])
async def test_the_proxy_s_user(
    scheme: str, says: str, proxy: ConnectProxy, certificate: Path, environment: pytest.MonkeyPatch
) -> None:
    proxy.user = "me:pass:w/ord@"
    async with LocalTranscribe("scripted", tls=scheme == "crt", cert=certificate) as server:
        url = f"http://me:pass%3Aw%2Ford%40@127.0.0.1:{proxy.port}"
        environment.setenv("all_proxy", url)
        assert await transcribe(client_of(server, scheme)) == ["This is"]
        environment.setenv("all_proxy", f"http://me:hunter2@127.0.0.1:{proxy.port}")
        with pytest.raises(ConnectException, match=says) as refused:
            await transcribe(client_of(server, scheme))
    assert "hunter2" not in str(refused.value)
    assert "me:" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 2000 ok\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\0\0\x06\x04\0\0\0\0\0",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 20_000,
        b"HTTP/1.1 200 OK\r\n",
        b"",
    ],
)
@pytest.mark.parametrize("scheme", ["https", "wss", "crt"])
async def test_proxies_that_refuse_or_are_none(
    scheme: str, answer: bytes, environment: pytest.MonkeyPatch
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with listening(serve) as port:
        environment.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{port}")
        with pytest.raises(ConnectException, match="proxy") as failed:
            await transcribe(client_at(NAME, scheme))
    assert "hunter2" not in f"{failed.value} {failed.value.__cause__}"


async def test_a_silent_proxy_times_out(environment: pytest.MonkeyPatch) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port:
        environment.setenv("ALL_PROXY", f"127.0.0.1:{port}")
        for scheme, bound in (
            ("https", {"connect_timeout": 0.1}),
            ("ws", {"connect_timeout": 0.1}),
            ("crt", {"start_timeout": 0.1}),
        ):
            with pytest.raises(TimeoutException) as late:
                await transcribe(client_at(NAME, scheme, **bound))
            assert late.value.phase == "connect"


async def test_nobody_listens_at_the_proxy(environment: pytest.MonkeyPatch) -> None:
    async with listening(lambda reader, writer: asyncio.sleep(0)) as port:
        pass
    for host in ("127.0.0.1", "no-such-proxy.invalid", "a" * 70 + ".test"):
        environment.setenv("https_proxy", f"http://me:hunter2@{host}:{port}")
        for scheme in ("https", "crt"):
            with pytest.raises(SDKError, match=f"proxy {host[:9]}") as failed:
                await transcribe(client_at(NAME, scheme))
            assert "hunter2" not in str(failed.value)


# Which proxy


def proxy_of(url: str) -> str | None:
    proxy = proxy_for(Origin.parse(url))
    return proxy and proxy.where


def test_which_variable_counts(environment: pytest.MonkeyPatch) -> None:
    assert proxy_of("https://host") is None
    environment.setenv("ALL_PROXY", "all")
    assert proxy_of("https://host") == proxy_of("ws://host") == "all:80"
    environment.setenv("HTTPS_PROXY", "http://upper:1")
    environment.setenv("HTTP_PROXY", "http://plain:2")
    assert proxy_of("https://host") == proxy_of("wss://host") == "upper:1"
    assert proxy_of("http://host") == proxy_of("ws://host") == "plain:2"
    environment.setenv("https_proxy", "http://lower:3")
    assert proxy_of("https://host") == "lower:3"
    environment.setenv("REQUEST_METHOD", "GET")  # a CGI program: HTTP_PROXY is the client's
    assert proxy_of("http://host") == "all:80"


@pytest.mark.parametrize(
    ("excepted", "url", "direct"),
    [
        ("*", "https://host", True),
        ("other, host", "https://host", True),
        ("host", "https://my.host", True),
        (".host", "https://my.host", True),
        ("*.host", "https://my.host", True),
        ("host", "https://myhost", False),
        ("HOST", "https://host", True),
        ("host:443", "https://host", True),
        ("host:444", "https://host", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("2.3", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::1]", True),
        (",", "https://host", False),
        (".", "https://host", False),
        ("", "https://localhost", True),
        ("", "http://127.0.0.2:8080", True),
        ("", "wss://[::1]:8443", True),
    ],
)
def test_exceptions(excepted: str, url: str, direct: bool, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "http://proxy:3128")
    environment.setenv("NO_PROXY", excepted)
    assert (proxy_of(url) is None) is direct


@pytest.mark.parametrize(
    "value",
    ["socks5://u:hunter2@h:1", "https://u:hunter2@h", "http://u:hunter2@", "http://h:hunter2"],
)
def test_what_is_no_http_proxy(value: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConnectException, match="HTTPS_PROXY") as refused:
        proxy_of("https://host")
    assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"
