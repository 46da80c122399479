"""TLS on the socket itself, where the peer agrees anew in the middle: OpenSSL's own server can."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.peers import listening
from tests.support.tls import Connection, Contexts, open_tls
from tests.unit.net.conftest import Run


def has_openssl() -> bool:
    try:
        version = subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, check=False)
    except OSError:
        return False
    return version.stdout.startswith(b"OpenSSL")


pytestmark = pytest.mark.skipif(not has_openssl(), reason="OpenSSL's command is not here")


class Server:
    """OpenSSL's server for one connection, whose every letter on a line is an order.

    It is behind a relay, which knows what passes and can hold up what the client sends.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        self.may_pass = asyncio.Event()
        self.may_pass.set()
        self.sent, self.came_back = asyncio.Event(), asyncio.Event()
        self._input = process.stdin
        self._output = bytearray()
        self._more = asyncio.Event()

    @property
    def heard(self) -> bytes:
        """What the client has said, as long as it is no ASCII, which is the server's own."""
        return bytes(self._output.translate(None, bytes(range(0x80))))

    async def listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(65536):
            self._output += data
            self._more.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds that the server's output shows."""
        while not holds():
            self._more.clear()
            await self._more.wait()

    async def port(self) -> int:
        await self.until(lambda: self._listening)
        assert self._listening is not None
        return int(self._listening[1])

    @property
    def _listening(self) -> re.Match[bytes] | None:
        return re.search(rb"ACCEPT \S+:(\d+)\n", self._output)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, out = await asyncio.open_connection("127.0.0.1", await self.port())

        async def pass_on() -> None:
            while data := await reader.read(65536):
                self.sent.set()
                await self.may_pass.wait()
                out.write(data)
            out.close()

        passing = asyncio.ensure_future(pass_on())
        while data := await back.read(65536):
            self.came_back.set()
            writer.write(data)
        writer.close()
        await passing

    def say(self, data: bytes) -> None:
        self._input.write(data)

    async def agree_anew(self, letter: str) -> None:
        """Begin a renegotiation (r, R: with a certificate) or a key update (k, K: of both)."""
        await self.until(lambda: b"Secure Renegotiation" in self._output)  # after the handshake
        self.came_back.clear()
        self.say(f"{letter}\n".encode())
        await self.came_back.wait()


@asynccontextmanager
async def agreed(
    version: str, contexts: Contexts
) -> AsyncIterator[tuple[Server, asyncio.Transport, Connection]]:
    """Give OpenSSL's server and a connection to it."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", version, "-naccept", "1"),
        *("-accept", "127.0.0.1:0", "-cert", str(contexts[2])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    server = Server(process)
    hearing = asyncio.ensure_future(server.listen(process))
    try:
        await server.port()
        async with listening(server.relay) as port:
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setblocking(False)
            transport, connection = await open_tls(sock, contexts[1])
            yield server, transport, connection
            assert await connection.lost is None
            await hearing
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.wait({hearing})
        await process.wait()


@pytest.mark.parametrize(("version", "letters"), [("-tls1_3", "kKkK"), ("-tls1_2", "rRrR")])
def test_nothing_is_lost_where_the_peer_agrees_anew(
    run: Run, contexts: Contexts, version: str, letters: str
) -> None:
    answer = b"\xffan answer\n"

    async def main() -> None:
        async with agreed(version, contexts) as (server, transport, connection):
            said, answers = bytearray(), bytearray()

            def say() -> None:
                piece = bytes([0x80 + len(said) // 50_000]) * 50_000
                transport.write(piece)
                said.extend(piece)

            for letter in letters:
                say()
                await server.agree_anew(letter)
                say()
                await server.until(lambda: server.heard == said)
                server.say(answer)
                answers.extend(answer)
                await connection.until(lambda: connection.received == answers)
            transport.close()

    run(main())


@pytest.mark.parametrize("closes", [True, False])
def test_what_is_written_meanwhile_waits_for_the_peer(
    run: Run, contexts: Contexts, closes: bool
) -> None:
    said = b"\x80" * 100_000

    async def main() -> None:
        async with agreed("-tls1_2", contexts) as (server, transport, _):
            server.may_pass.clear()
            server.sent.clear()
            await server.agree_anew("r")
            await server.sent.wait()  # the client's part, which the server does not get yet
            transport.write(said)
            if closes:
                transport.close()
            server.may_pass.set()
            await server.until(lambda: server.heard == said)
            transport.close()

    run(main())
