"""The pages of the local server, as probes, scrapers and browsers ask for them; and its log."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from prometheus_client.parser import text_string_to_metric_families

from amazon_transcribe._net.limits import Allowance
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.listeners.hooks import Limits
from amazon_transcribe.local.page import PageKeys
from amazon_transcribe.local.pages import Pages, Route, text
from tests.support.callers import SECOND, client_of, start, until

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
FACES = [(1, False), (1, True), (2, False), (2, True)]


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


@asynccontextmanager
async def calling(
    server: LocalTranscribe, tls: bool = False, protocol: str = "http/1.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = None
    if tls:
        context = ssl.create_default_context(cafile=server.ca_file)
        context.set_alpn_protocols([protocol])
    port = urlsplit(server.endpoint_urls[tls]).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ask(
    server: LocalTranscribe,
    path: str,
    *,
    http: int = 1,
    tls: bool = False,
    method: str = "GET",
    host: str = "localhost",
    origin: str = "",
    body: bytes = b"",
) -> Answer:
    if http == 1:
        port = urlsplit(server.endpoint_urls[tls]).port or 0
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        if tls:
            context = ssl.create_default_context(cafile=server.ca_file)
            connection = HTTPSConnection("127.0.0.1", port, timeout=60, context=context)

        def talk() -> Answer:
            try:
                headers = {"Host": host, "Origin": origin} if origin else {"Host": host}
                connection.request(method, path, body=body or None, headers=headers)
                answer = connection.getresponse()
                found = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, found, answer.read().decode())
            finally:
                connection.close()

        return await asyncio.to_thread(talk)
    async with calling(server, tls, "h2") as (reader, writer):
        found = Answer(0, {}, "")
        h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        h2.initiate_connection()
        names = {":method": method, ":path": path, ":scheme": "http", ":authority": host}
        if origin:
            names["origin"] = origin
        h2.send_headers(1, list(names.items()), end_stream=not body)
        if body:
            h2.send_data(1, body)  # and no end
        while True:
            writer.write(h2.data_to_send())
            data = await asyncio.wait_for(reader.read(65_536), 60)
            assert data, "the server has left"
            for event in h2.receive_data(data):
                if isinstance(event, ResponseReceived):
                    found.headers = {str(n): str(v) for n, v in event.headers or ()}
                    found.status = int(found.headers[":status"])
                elif isinstance(event, DataReceived):
                    found.body += (event.data or b"").decode()
                elif isinstance(event, StreamEnded):
                    return found


async def measures(server: LocalTranscribe) -> dict[tuple[str, ...], float]:
    """All samples, by their names and the values of their labels."""
    answer = await ask(server, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body))
    assert all(family.documentation and family.type != "unknown" for family in families)
    return {
        (sample.name.removeprefix("transcribe_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted") as made:
        yield made


@pytest.mark.parametrize(("http", "tls"), FACES)
async def test_every_face_answers(http: int, tls: bool) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        for path, body in (("/health", "ok\n"), ("/ready?verbose", "ready\n")):
            answer = await ask(server, path, http=http, tls=tls)
            assert (answer.status, answer.body) == (200, body)
            assert answer.headers["cache-control"] == "no-store"
            assert not [name for name in answer.headers if name.startswith("access-control")]
        head = await ask(server, "/health", http=http, tls=tls, method="HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, "3", "")
        posted = await ask(server, "/health", http=http, tls=tls, method="POST", body=b"x" * 100)
        assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")
        assert "transcribe_start_time_seconds" in (await ask(server, "/metrics", http=http)).body
        await until(lambda: not server._connections)


@pytest.mark.parametrize("http", [1, 2])
async def test_on_loopback_a_foreign_name_is_refused(server: LocalTranscribe, http: int) -> None:
    for host, status in {
        "evil.example": 421,
        "evil.example:8770": 421,
        "localhost.evil.example": 421,
        "localhost:8770": 200,
        "127.0.0.1:8770": 200,
        "[::1]:8770": 200,
    }.items():
        assert (await ask(server, "/metrics", http=http, host=host)).status == status


@pytest.mark.parametrize(
    ("listens_on", "status"),
    [("127.0.0.1", 421), ("::1", 421), ("localhost", 421), ("0.0.0.0", 200), ("box", 200)],
)
def test_elsewhere_the_network_names_the_server(listens_on: str, status: int) -> None:
    page = Pages({"/": Route(lambda _: text(""))}, listens_on).find(
        "GET", "/", "transcribe.svc:8770"
    )
    assert page is not None
    assert page.status == status


@pytest.mark.parametrize(("http", "tls"), FACES)
async def test_a_browser_gets_the_page(http: int, tls: bool) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        page = await ask(server, "/", http=http, tls=tls)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "'unsafe" not in page.headers["content-security-policy"]
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", page.body
        )
        for path in re.findall(r'(?:src|href)="(/[^"]+)"', page.body):
            assert (await ask(server, path, http=http, tls=tls)).status == 200
        assert (await ask(server, "/page/..%2Fpages.py", http=1)).status == 426


@pytest.mark.parametrize("http", [1, 2])
@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8770", "http://localhost:8770", 200),
        ("[::1]:8770", "https://[::1]:8770", 200),
        ("localhost:8770", "", 403),
        ("localhost:8770", "null", 403),
        ("localhost:8770", "http://localhost:9999", 403),
        ("localhost:8770", "https://evil.example", 403),
        ("evil.example", "http://evil.example", 421),
    ],
)
async def test_only_the_page_itself_gets_keys(
    server: LocalTranscribe, http: int, host: str, origin: str, status: int
) -> None:
    path = "/page/session"
    answer = await ask(server, path, http=http, method="POST", host=host, origin=origin)
    assert answer.status == status
    assert ("secretKey" in answer.body) is (status == 200)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    read = await ask(server, path, http=http, host=host, origin=origin)
    assert read.status == (421 if status == 421 else 405)


def test_on_a_network_no_other_name_gets_keys() -> None:
    pages = Pages({"/keys": Route(lambda _: text("keys"), is_own=True)}, "box")
    for host, status in {"box:1": 200, "192.0.2.1:1": 200, "evil.example:1": 403, "": 403}.items():
        page = pages.find("POST", "/keys", host, f"http://{host}")
        assert page is not None
        assert page.status == status


async def test_the_keys_of_a_page_end_with_it(server: LocalTranscribe) -> None:
    async def post(path: str) -> Answer:
        return await ask(server, path, method="POST", origin="http://localhost")

    about = json.loads((await post("/page/session")).body)
    key = about["accessKey"]
    assert (about["engine"], about["language"]) == (server.engine_name, "en-US")
    assert about["speakers"] is False  # the scripted engine cannot
    keys = StaticCredentialResolver(key, about["secretKey"])
    async with client_of(server, credential_resolver=keys) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        await stream.output_stream.__anext__()
        (row,) = json.loads((await post(f"/page/streams?session={key}")).body)["streams"]
        assert (row["session"], row["end"]) == (stream.response.session_id, None)
        assert row["audioSeconds"] == 1.0
        assert row["lag"] > 0
        await stream.drain()
    listed = await post(f"/page/streams?session={key}")
    assert json.loads(listed.body)["open"] == 0
    assert json.loads(listed.body)["streams"][0]["end"] == "complete"
    assert about["secretKey"] not in listed.body
    await post(f"/page/leave?session={key}")
    assert (await post(f"/page/streams?session={key}")).status == 410
    async with client_of(server, credential_resolver=keys) as client:
        with pytest.raises(SDKError, match="UnrecognizedClientException"):
            await start(client)


def test_the_keys_of_pages_are_bounded() -> None:
    now = [0.0]
    keys = PageKeys({"AKID": "secret"}, lifetime=10, limit=2, clock=lambda: now[0])
    first, _ = keys.make()
    now[0] = 6.0
    second, _ = keys.make()
    assert keys.renew(first)
    third, secret = keys.make()  # the second asked longest ago
    assert keys[first]
    assert keys[third] == secret
    with pytest.raises(KeyError):
        keys[second]
    now[0] = 15.9
    assert keys.renew(first)
    now[0] = 16.0
    assert keys[first]
    with pytest.raises(KeyError):
        keys[third]
    assert not keys.renew(third)
    assert not keys.renew("AKID")  # the server's own are not a page's
    assert keys["AKID"] == "secret"


@pytest.mark.parametrize(
    ("options", "status"),
    [({"page": False}, 426), ({"host": "0.0.0.0"}, 426), ({"host": "0.0.0.0", "page": True}, 200)],
)
async def test_where_there_is_a_page(options: Mapping[str, Any], status: int) -> None:
    async with LocalTranscribe("scripted", **options) as server:
        assert (await ask(server, "/")).status == status
        answer = await ask(server, "/page/session", method="POST", origin="http://localhost")
        assert answer.status == status


async def test_a_server_that_drains_is_not_ready(server: LocalTranscribe) -> None:
    async with calling(server) as (reader, writer):
        for status in (b"200", b"503"):
            writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert head.startswith(b"HTTP/1.1 " + status)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
            await reader.readexactly(length)
            await server.drain()


async def test_what_is_asked_without_waiting_is_not_answered(server: LocalTranscribe) -> None:
    async with calling(server) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        answers = await asyncio.wait_for(reader.read(), 60)
        assert answers.count(b"HTTP/1.1 200") == 1
        assert b"connection: close" in answers


async def test_a_client_that_asks_all_the_time_is_cut(server: LocalTranscribe) -> None:
    server._limits = Limits(allowance=Allowance(burst=20, per_second=0))
    async with calling(server) as (reader, writer):
        for last in (False, False, True):
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert (b"connection: close" in head) is last
            await reader.readexactly(3)
        assert await asyncio.wait_for(reader.read(), 60) == b""


async def test_a_client_that_asks_no_more_is_cut(server: LocalTranscribe) -> None:
    server._limits = Limits(next_stream=0.05)
    async with calling(server) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 60)).endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize("http", [1, 2])
async def test_a_page_proves_nothing(http: int) -> None:
    """Connections without a signature are bounded, whatever they were shown."""
    server = LocalTranscribe("scripted")
    server._limits = Limits(unproved=1)
    async with server, calling(server) as (reader, writer):
        if http == 1:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        else:
            h2 = H2Connection()
            h2.initiate_connection()
            request = (":method", "GET"), (":path", "/health"), (":scheme", "http")
            h2.send_headers(1, [*request, (":authority", "localhost")], end_stream=True)
            writer.write(h2.data_to_send())
        await asyncio.wait_for(reader.readuntil(b"ok\n"), 60)
        assert (await ask(server, "/ready")).status == 200
        with pytest.raises(ConnectionError):  # cut
            while await asyncio.wait_for(reader.read(1000), 60):
                pass
            raise ConnectionError


async def test_the_metrics_tell_what_happened() -> None:
    faults = [Fault("reset", after_events=1, times=1)]
    async with LocalTranscribe("scripted", faults=faults) as server:
        async with client_of(server) as client:
            stream = await start(client)  # gets the fault
            await stream.input_stream.send_audio_event(SECOND)
            with pytest.raises(SDKError):
                await stream.drain()
            stream = await start(client)
            await stream.input_stream.send_audio_event(SECOND)
            await stream.output_stream.__anext__()
            seen = await measures(server)
            assert seen["streams_open", "StartStreamTranscription"] == 1
            assert seen["audio_seconds_total",] == 2.0
            await stream.drain()
            stranger = StaticCredentialResolver("AKIDSTRANGER", "secret")
            async with client_of(server, credential_resolver=stranger) as refused:
                with pytest.raises(SDKError):
                    await start(refused)
        seen = await measures(server)
    operation = "StartStreamTranscription"
    assert seen["streams_open", operation] == 0
    assert {(*key[1:], value) for key, value in seen.items() if key[0] == "streams_total"} == {
        (operation, "complete", 1.0),
        (operation, "fault", 1.0),
        (operation, "refused", 1.0),
    }
    assert seen["refusals_total", "UnrecognizedClientException"] == 1
    assert seen["faults_total", "reset"] == 1
    assert seen["audio_seconds_total",] == 2.0
    assert seen["results_total", "partial"] > 0
    assert seen["results_total", "final"] > 0
    assert seen["recognition_lag_seconds_count",] == seen["recognition_lag_seconds_bucket", "+Inf"]
    assert 1 <= seen["recognition_lag_seconds_count",] <= 2  # the first is cut short by the fault
    assert seen["connections_open",] >= 1
    assert seen["engine_threads_busy",] == 0


async def test_no_client_makes_up_series(server: LocalTranscribe) -> None:
    before = (await measures(server)).keys()
    for path in ("/a", "/b", "/stream-transcription"):
        await ask(server, path, http=2, method="POST")
    new = (await measures(server)).keys() - before
    assert new == {
        ("streams_total", "StartStreamTranscription", "refused"),
        ("refusals_total", "UnknownOperationException"),
        ("refusals_total", "MissingAuthenticationTokenException"),
    }


async def test_the_log_has_a_line_for_each_stream(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "amazon_transcribe.local")
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        await stream.drain()
        stranger = StaticCredentialResolver("AKIDSTRANGER", "secret")
        async with client_of(server, credential_resolver=stranger) as refused_client:
            with pytest.raises(SDKError):
                await start(refused_client)
    begun, ended, refused = caplog.messages
    session = stream.response.session_id
    assert begun == f"session {session} begins: request {stream.response.request_id}"
    assert ended.startswith(f"session {session} ends: StartStreamTranscription from 127.0.0.1:")
    assert ended.endswith(", 1.0 s of audio, complete")
    assert refused.startswith("refused StartStreamTranscription from 127.0.0.1:")
    assert ": UnrecognizedClientException: " in refused
    assert "AKIDSTRANGER" not in caplog.text


def test_serve_writes_json_lines() -> None:
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "a+secret/key",
    }
    command = [sys.executable, "-W", "error", "-m", "amazon_transcribe", "serve"]
    process = subprocess.Popen(
        [*command, "--engine", "scripted", "--no-page", "-v", "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().split()[-1].decode()).port
        connection = HTTPConnection("127.0.0.1", port or 0, timeout=60)
        connection.request("GET", "/nowhere", headers=UPGRADE)
        assert connection.getresponse().status == 404
        connection.close()
        connection.request("GET", "/")
        assert connection.getresponse().status == 426
        connection.close()
        process.terminate()
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    (line,) = [json.loads(line) for line in said.splitlines()]
    assert line.pop("time")[10] == "T"
    assert line.pop("client").startswith("127.0.0.1:")
    assert line.pop("message").startswith("refused a request from 127.0.0.1:")
    expected: dict[str, Any] = {"level": "info", "session": "", "operation": "a request"}
    reason = "UnknownOperationException: no operation at /nowhere"
    assert line == {**expected, "audio_seconds": 0.0, "end": "refused", "reason": reason}
