"""Relays of `examples/relay.py` in processes of their own, and callers who speak to them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amazon_transcribe.local import LocalTranscribe

PROGRAM = Path(__file__).parents[2] / "examples" / "relay.py"
PATIENCE = 120  # seconds


def environment_of(server: LocalTranscribe, valkey_url: str) -> dict[str, str]:
    """Return the variables that tell a relay where its services are."""
    keys = server.credentials
    return {
        "VALKEY_URL": valkey_url,
        "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
    }


@dataclass
class Relay:
    """A relay in a process.

    :param environment: Where its services are.
    """

    environment: Mapping[str, str]
    port: int = 0
    page_port: int = 0
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it on free ports; the second time on the same ones."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), str(self.port), str(self.page_port)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self.environment},
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        self.port, self.page_port = map(int, line.split()[-2:])

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, and wait for its end."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode or 0

    async def page(self, path: str) -> tuple[int, str]:
        """Ask for a page; return its status and text."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.page_port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: relay\r\n\r\n".encode())
        answer = (await asyncio.wait_for(reader.read(), PATIENCE)).decode()
        writer.close()
        return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


@dataclass
class Call:
    """A call whose caller keeps to the relays' rules, and what came back.

    :param name: Its id.
    :param pcm: All of its audio.
    :param port: Gives the port of a relay that takes calls.
    :param pace: Awaited before each chunk of 0.1 s, with its position.
    """

    name: str
    pcm: bytes
    port: Callable[[], int]
    pace: Callable[[int], Awaitable[object]]
    finals: list[dict[str, Any]] = field(default_factory=list)
    moves: int = 0
    connections: int = 0

    @property
    def words(self) -> list[str]:
        return [word for final in self.finals for word in final["final"].rstrip(".").split()]

    async def run(self) -> None:
        """Speak to the end, on as many connections as it takes."""
        while not await self._connect():
            await asyncio.sleep(0.05)

    async def _connect(self) -> bool:
        """Return whether the call came to its end on a connection."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port(), limit=1 << 20)
        except OSError:
            return False
        self.connections += 1
        sending: asyncio.Task[None] | None = None
        try:
            writer.write(json.dumps({"call": self.name}).encode() + b"\n")
            async for line in reader:
                message = json.loads(line)
                if "position" in message:
                    sending = asyncio.create_task(self._send(writer, message["position"]))
                elif "moved" in message:
                    self.moves += 1
                elif "final" in message:
                    self.finals.append(message)
                if "over" in message or "moved" in message:
                    return "over" in message
            return False
        except ConnectionError:
            return False
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.wait({sending})
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, position: int) -> None:
        try:
            for at in range(position, len(self.pcm), 1600):
                await self.pace(at)
                writer.write(self.pcm[at : at + 1600])
                await writer.drain()
            writer.write_eof()
        except ConnectionError:
            pass  # the relay says, or has said, what to do
