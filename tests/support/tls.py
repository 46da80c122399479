"""Both ends of a TLS connection: ours on the socket itself, the peer's in a thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from amazon_transcribe._net.direct_tls import open_directly
from amazon_transcribe._net.tls import ContextOfConnection

LIMIT = 60.0  # catches what hangs

_Result = TypeVar("_Result")

Contexts = tuple[ssl.SSLContext, ssl.SSLContext, Path]


class Ends:
    """Both ends of a TCP connection: ours does not block, the peer speaks TLS in a thread."""

    def __init__(self, contexts: Contexts) -> None:
        self.server, self.client, self.certificate = contexts
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            # Else the system takes megabytes for a peer that does not read.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            self.sock = socket.create_connection(listening.getsockname())
            self.peer, _ = listening.accept()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        self.sock.setblocking(False)
        self.peer.settimeout(LIMIT)
        self._thread = ThreadPoolExecutor(1)

    def have_peer(self, act: Callable[[ssl.SSLSocket], Any]) -> asyncio.Future[Any]:
        """Have the peer speak TLS and act, in a thread; it does not take a cut for an end."""

        def speak() -> Any:
            context = self.server
            with context.wrap_socket(
                self.peer, server_side=True, suppress_ragged_eofs=False
            ) as peer:
                return act(peer)

        return asyncio.get_running_loop().run_in_executor(self._thread, speak)

    def have_records(self, act: Callable[[Records], Any]) -> asyncio.Future[Any]:
        """Have the peer shake hands and then send what it likes, in a thread."""

        def speak() -> Any:
            with self.peer:
                records = Records(self.server, self.peer)
                records.shake_hands()
                return act(records)

        return asyncio.get_running_loop().run_in_executor(self._thread, speak)

    async def open(self, **times: float) -> tuple[asyncio.Transport, Connection]:
        return await open_tls(self.sock, self.client, **times)

    def close(self) -> None:
        self.peer.close()
        self._thread.shutdown()
        assert self.sock.fileno() == -1


async def open_tls(
    sock: socket.socket, context: ssl.SSLContext, **times: float
) -> tuple[asyncio.Transport, Connection]:
    """Agree on TLS on a socket itself, with `localhost`."""
    return await open_directly(
        Connection, sock, ContextOfConnection("h2", context), "localhost", **times
    )


class Connection(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        self.is_paused = False

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.changed.clear()
            await self.changed.wait()


class Records:
    """A server's TLS whose records go no further than told."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # all goes at once
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake_hands(self) -> None:
        """Shake hands as TLS 1.3 does; its tickets are left for the first record."""
        self._finish(self._tls.do_handshake)

    def answer(self) -> None:
        """Take a step of the handshake."""
        self._incoming.write(self.sock.recv(65536))
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self.sock.sendall(self._outgoing.read())

    def record(self, data: bytes) -> bytes:
        """Make a record of data."""
        self._tls.write(data)
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """Make the record that says that no more comes."""
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()

    def alert(self) -> bytes:
        """Make the alert about a record that is none of ours."""
        self._incoming.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        with suppress(ssl.SSLError):
            self._tls.read()
        return self._outgoing.read()

    def read(self) -> bytes:
        """Wait for a record, and return what is in it; nothing at the end."""
        try:
            return self._finish(self._tls.read)
        except ssl.SSLZeroReturnError:
            return b""

    def reset(self) -> None:
        """Close the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _finish(self, step: Callable[[], _Result]) -> _Result:
        while True:
            with suppress(ssl.SSLWantReadError):
                return step()
            self.sock.sendall(self._outgoing.read())
            self._incoming.write(self.sock.recv(65536))
