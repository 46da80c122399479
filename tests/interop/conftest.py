"""A real `serve` for the clients, and the table of what came out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.harness import CLIENTS, KEY, OURS, RECORDING, SECRET, Server, Task, drive


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this test process's own; it must end cleanly and without a traceback."""
    folder = tmp_path_factory.mktemp("serve")
    ca_file, log = folder / "ca.pem", folder / "log"
    command = [sys.executable, "-m", "amazon_transcribe", "serve", "--tls-port", "0"]
    names = folder / "names.txt"
    names.write_text("Dashwood\namiable\n")
    command += ["--vocabulary-filter", f"names={names}"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, "--ca-file", str(ca_file), "--credentials", f"{KEY}:{SECRET}"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            urls = [process.stdout.readline().removeprefix("listening on ").strip() for _ in "12"]
            assert all(urls), log.read_text()
            yield Server(*urls, ca_file)
        finally:
            process.terminate()
    assert process.returncode == 0
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def expected(server: Server) -> list[str]:
    """What this package's own client gets from the same server."""
    outcome = drive(OURS, server, Task(server.tls, audio=str(RECORDING)))
    assert outcome["error"] is None
    finals: list[str] = outcome["finals"]
    return finals


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of clients and cases."""
    marks = {"passed": "ok", "failed": "FAILED", "error": "FAILED", "skipped": "missing"}
    outcomes = {
        report.nodeid.partition("test_clients.py::")[2]: mark
        for kind, mark in marks.items()
        for report in terminalreporter.stats.get(kind, ())
        if "test_clients.py::" in getattr(report, "nodeid", "")
    }
    if not outcomes:
        return
    cases = list(dict.fromkeys(name.partition("[")[0] for name in outcomes))
    width = max(map(len, cases)) - len("test_")
    terminalreporter.section("clients")
    columns = [client.label for client in CLIENTS]
    terminalreporter.write_line("  ".join([" " * width, *columns]))
    for case in cases:
        cells = [
            outcomes.get(f"{case}[{client.name}]", "-").ljust(len(label))
            for client, label in zip(CLIENTS, columns, strict=True)
        ]
        title = case.removeprefix("test_").replace("_", " ").ljust(width)
        terminalreporter.write_line("  ".join([title, *cells]).rstrip())
