"""A real `serve` for the clients, and the table of what came out."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.interop.harness import (
    CLIENTS,
    KEY,
    OURS,
    RECORDING,
    SECRET,
    WEBSOCKET_PORT,
    Server,
    Task,
    drive,
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this test process's own."""
    folder = tmp_path_factory.mktemp("serve")
    names, rules = folder / "names.txt", folder / "rules.json"
    names.write_text("Dashwood\namiable\n", "utf-8")
    rules.write_text(
        json.dumps({"Marriage": ["amiable woman"], "Cancellation": ["my contract"]}), "utf-8"
    )
    filters = ["--vocabulary-filter", f"names={names}", "--categories", str(rules)]
    with serving(folder, *tls_address(), *filters) as running:
        yield running


@pytest.fixture
def private_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose speaker tells a secret."""
    script = tmp_path / "script.txt"
    script.write_text("My PIN is 4912.\n", "utf-8")
    options = ["--engine", "scripted", "--script", str(script)]
    with serving(tmp_path, *tls_address(1), *options) as running:
        yield running


@contextmanager
def serving(folder: Path, host: str, tls_port: int, *options: str) -> Iterator[Server]:
    """Run `serve`; it must end cleanly and without a traceback."""
    ca_file, log = folder / "ca.pem", folder / "log"
    command = [sys.executable, "-m", "amazon_transcribe", "serve"]
    command += ["--host", host, "--tls-port", str(tls_port), "--ca-file", str(ca_file)]
    command += ["--credentials", f"{KEY}:{SECRET}", *options]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        try:
            urls = [process.stdout.readline().removeprefix("listening on ").strip() for _ in "12"]
            assert all(urls), log.read_text("utf-8")
            yield Server(*urls, ca_file)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert "Traceback" not in log.read_text("utf-8")


def tls_address(number: int = 0) -> tuple[str, int]:
    """The port for WebSocket if it is free, else any.

    On Linux all of 127.0.0.0/8 is this machine: there each server of a process has an address
    of its own, and so the port.

    :param number: Which server of this process, 0 or 1.
    """
    pid = os.getpid()  # of 22 bits at most
    hosts = ["127.0.0.1"]
    if sys.platform == "linux":
        hosts.insert(0, f"127.{number << 6 | pid >> 16}.{pid >> 8 & 255}.{pid & 255}")
    for host in hosts:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, WEBSOCKET_PORT))
            return host, WEBSOCKET_PORT
    return "127.0.0.1", 0


@pytest.fixture(scope="session")
def expected(server: Server) -> list[str]:
    """What this package's own client gets from the same server."""
    outcome = drive(OURS, server, Task(audio=str(RECORDING)))
    assert outcome.error is None
    return outcome.finals


MARKS = {"passed": "ok", "failed": "FAILED", "error": "FAILED", "skipped": "missing"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of clients and cases."""
    outcomes: dict[str, dict[str, str]] = {}
    for kind, mark in MARKS.items():
        for report in terminalreporter.stats.get(kind, ()):
            if case := re.search(r"test_clients\.py::test_(\w+)\[([\w-]+)\]", report.nodeid):
                outcomes.setdefault(case[1], {})[case[2]] = mark
    if not outcomes:
        return
    line = terminalreporter.write_line
    terminalreporter.section("clients")
    width = max(map(len, outcomes))
    line("  ".join([" " * width, *(client.name for client in CLIENTS)]))
    for case, marks in sorted(outcomes.items()):
        cells = [marks.get(client.name, "-").ljust(len(client.name)) for client in CLIENTS]
        line("  ".join([case.replace("_", " ").ljust(width), *cells]).rstrip())
    line("")
    for client in CLIENTS:
        line(f"{client.name}: {client.label}")
