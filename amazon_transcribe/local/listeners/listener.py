"""Listening: sockets that take connections as long as there are resources for them.

asyncio's own listener writes up to a thousand errors a second once the process is out of file
descriptors, and lets nothing go.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from ..log import logger

_AT_ONCE = 64  # connections that are taken before the others have their turn
_QUIET = 60.0  # seconds after a line in the log about what lacks


class Listener:
    """The sockets of one port.

    :param make: Makes the protocol of a connection.
    :param make_room: Called when a connection cannot be taken; lets idle ones go.
    :param pause: Seconds until the next attempt then.
    :param context: For TLS, where connections do not begin it themselves.
    :param handshake: Seconds for its handshake.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        make_room: Callable[[], None],
        pause: float,
        context: ssl.SSLContext | None,
        handshake: float,
    ) -> None:
        self.sockets: Sequence[socket.socket] = ()
        self._make = make
        self._make_room = make_room
        self._pause = pause
        self._tls: dict[str, Any] = (
            {"ssl": context, "ssl_handshake_timeout": handshake} if context is not None else {}
        )
        self._loop = asyncio.get_running_loop()
        self._quiet_until = 0.0
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._servers: list[asyncio.Server] = []

    async def open(self, host: str, port: int) -> int:
        """Listen on each address of a host; return the port.

        :raises OSError: when an address cannot be listened on.
        """
        kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
        try:
            found = socket.getaddrinfo(
                host or None, port, type=kind, flags=flags | socket.AI_NUMERICHOST
            )
        except socket.gaierror:  # a name, for which the loop takes a thread
            found = await self._loop.getaddrinfo(host or None, port, type=kind, flags=flags)
        sockets: list[socket.socket] = []
        self.sockets = sockets
        try:
            for family, address in dict.fromkeys((each[0], each[4]) for each in found):
                where = (address[0], port, *address[2:])
                made = socket.create_server(where, family=family, backlog=1024)
                # asyncio lets only sockets that name TCP send small pieces at once.
                sock = socket.socket(family, kind, socket.IPPROTO_TCP, fileno=made.detach())
                sockets.append(sock)
                sock.setblocking(False)
                port = sock.getsockname()[1]
            for sock in sockets:
                await self._start(sock)
        except BaseException:
            await self.close()
            raise
        return port

    def stop(self) -> None:
        """Take no more connections."""
        for timer in self._timers.values():
            timer.cancel()
        for server in self._servers:
            server.close()
        if not self._servers:
            for sock in self.sockets:
                self._loop.remove_reader(sock)
        for sock in self.sockets:
            sock.close()
        self.sockets = ()

    async def close(self) -> None:
        """Take no more connections; those that were taken are made by now, or cut."""
        self.stop()
        if self._tls:  # a handshake may take long
            for task in self._tasks:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _start(self, sock: socket.socket) -> None:
        try:
            self._loop.add_reader(sock, self._accept, sock)
        except NotImplementedError:  # the loop of Windows
            self._servers.append(await self._loop.create_server(self._make, sock=sock, **self._tls))

    def _accept(self, sock: socket.socket) -> None:
        try:
            for _ in range(_AT_ONCE):
                connection, _ = sock.accept()
                connection.setblocking(False)
                opening = self._loop.connect_accepted_socket(self._make, connection, **self._tls)
                task: asyncio.Task[object] = self._loop.create_task(opening)
                self._tasks.add(task)
                task.add_done_callback(self._opened)
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # no more of them, or one that left already
        except OSError as error:
            if self._loop.time() >= self._quiet_until:
                logger.warning("idle connections make room for new ones: %s", error.strerror)
            self._quiet_until = self._loop.time() + _QUIET
            self._loop.remove_reader(sock)
            self._timers[sock] = self._loop.call_later(self._pause, self._resume, sock)
            self._make_room()

    def _resume(self, sock: socket.socket) -> None:
        del self._timers[sock]
        self._loop.add_reader(sock, self._accept, sock)

    def _opened(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it left, or the loop cannot watch more
