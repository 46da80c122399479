"""The first stages of a connection: one until another protocol takes its place."""

from __future__ import annotations

import asyncio
from typing import cast

from .hooks import ServerHooks


class Stage(asyncio.Protocol):
    """A connection on which nothing is under way yet.

    It is cut once it is due; `_give` seconds more begin anew.

    :param hooks: Those of its server.
    """

    def __init__(self, hooks: ServerHooks) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hooks = hooks
        self._seen = b""  # what the next protocol is to read
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._give(self._hooks.limits.hello)
        self._hooks.on_change(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.close()  # Python 3.10's TLS takes one that the peer closed for unclosed
        self._hooks.on_known()
        self._leave()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way: always, as an answer is made at once."""
        return True

    def close(self) -> None:
        """Close once everything is written."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _give(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _become(self, protocol: asyncio.Protocol) -> None:
        self._leave()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._seen:
            protocol.data_received(self._seen)

    def _leave(self) -> None:
        self._timer.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
            self._hooks.on_change(self)
