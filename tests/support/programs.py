"""Programs in processes of their own: servers of the examples, and what all of them say."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PORT = re.compile(r"(?:listening on port |running on http://127\.0\.0\.1:)(\d+)")


@contextmanager
def serving(*command: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server in Python: its process and port; at the end interrupt it, and read its words."""
    # What a shell starts in the background ignores SIGINT, and so do its heirs.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        server = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with server:
        try:
            assert server.stdout is not None
            lines = iter(server.stdout.readline, "")
            yield server, next(int(port[1]) for line in lines if (port := PORT.search(line)))
            server.send_signal(signal.SIGINT)
            said = server.stdout.read()
            server.wait(30)
            if sys.version_info >= (3, 11):  # 3.10 interrupts asyncio wherever it stands
                assert "Traceback" not in said
        finally:
            server.kill()


def complaints(stderr: str) -> str:
    """What stands on standard error, but for asyncio's remark that a callback was slow.

    In development mode it comes wherever the machine is busy.
    """
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Executing <"))
