"""AWS's JavaScript SDK over WebSocket against `serve`: the words, an exception, refusals.

The SDK dials port 8443 whatever the endpoint, so the server listens there.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.interop.harness import CLIENTS, KEY, SECRET, Server, Task, drive

CLIENT = replace(
    next(client for client in CLIENTS if client.name == "javascript"),
    name="javascript-websocket",
    driver="javascript_websocket.cjs",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8443)) == 0:
            pytest.skip("port 8443, which the SDK dials, is taken")
    ca_file = tmp_path_factory.mktemp("serve") / "ca.pem"
    options = f"--engine scripted --tls-port 8443 --ca-file {ca_file} --credentials {KEY}:{SECRET}"
    with subprocess.Popen(
        [sys.executable, "-m", "amazon_transcribe", "serve", *options.split()],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            urls = [process.stdout.readline().removeprefix("listening on ").strip() for _ in "12"]
            yield Server(*urls, ca_file)
        finally:
            process.terminate()
    assert process.returncode == 0


TASK = Task("https://localhost")


def test_recording_is_transcribed(server: Server) -> None:
    outcome = drive(CLIENT, server, TASK)
    assert outcome["error"] is None
    assert outcome["finals"][0].startswith("This is")


def test_oversized_chunk_ends_the_stream_with_an_exception_event(server: Server) -> None:
    error = drive(CLIENT, server, replace(TASK, chunk=40_000))["error"]
    assert error["class"] == "BadRequestException"
    assert error["message"].startswith("Your stream is too big.")


def test_refusals(server: Server) -> None:
    error = drive(CLIENT, server, replace(TASK, language="de-DE"))["error"]
    assert error["class"] == "BadRequestException"
    assert "de-DE" in error["message"]
    error = drive(CLIENT, server, replace(TASK, key="AKIDOTHER"))["error"]
    assert error["class"] == "UnrecognizedClientException"
    error = drive(CLIENT, server, replace(TASK, secret="another"))["error"]
    assert error["class"] == "InvalidSignatureException"
