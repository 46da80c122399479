"""Closing what is still open when its event loop ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Protocol
from weakref import WeakKeyDictionary

# Seconds for the loop to let go of connections that were aborted; it takes a few turns.
_TIMEOUT = 1.0


class Connection(Protocol):
    """A connection that the loop must not leave open."""

    lost: asyncio.Future[None]

    def abort(self) -> None: ...


class _ShutdownHook:
    """Aborts the connections that are open when their loop shuts down.

    A loop that ends tells nobody but its asynchronous generators (`asyncio.run` and
    `Runner` close them, with `loop.shutdown_asyncgens`). So one of them waits for that,
    as long as there are connections; it costs no task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._connections: dict[asyncio.Future[None], Connection] = {}
        self._ending = False
        self._waiting = self._until_shutdown()
        # Runs it to its `yield` without a turn of the loop, which then knows it.
        with suppress(StopIteration):
            self._waiting.__anext__().__await__().send(None)

    def add(self, connection: Connection) -> None:
        self._connections[connection.lost] = connection
        connection.lost.add_done_callback(self._discard)

    def _discard(self, lost: asyncio.Future[None]) -> None:
        del self._connections[lost]
        if not self._connections and not self._ending:
            _hooks.pop(self._loop, None)
            with suppress(StopIteration):
                self._waiting.aclose().__await__().send(None)

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._ending = True
            if self._connections:
                for connection in self._connections.values():
                    connection.abort()
                await asyncio.wait(list(self._connections), timeout=_TIMEOUT)
            _hooks.pop(self._loop, None)


_hooks: WeakKeyDictionary[asyncio.AbstractEventLoop, _ShutdownHook] = WeakKeyDictionary()


def close_at_shutdown(connection: Connection) -> None:
    """Abort this connection when the running loop shuts down, if it is still open then."""
    loop = asyncio.get_running_loop()
    hook = _hooks.get(loop)
    if hook is None:
        for other in [other for other in _hooks if other.is_closed()]:
            del _hooks[other]
        hook = _hooks[loop] = _ShutdownHook(loop)
    hook.add(connection)
