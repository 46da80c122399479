"""What the connections of a server need of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..._net.http2 import MAX_UNREAD_ANSWERS
from ..._net.limits import ALLOWANCE, Allowance, Turns
from ..exchange import NetworkExchange
from ..pages import Pages


class Connection(Protocol):
    """What the server closes in the end."""

    lost: asyncio.Future[None]

    def close(self) -> None:
        """Close once everything is written."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way on it."""
        ...


@dataclass(frozen=True)
class Limits:
    """How long the server waits for a client, in seconds, and how much it does for one.

    :param hello: For a connection's first words: HTTP/2's preface or the first request of
        HTTP/1.1.
    :param handshake: For the TLS handshake.
    :param next_stream: For another stream on an HTTP/2 connection without one, or another
        request of HTTP/1.1; clients keep a connection for less.
    :param unseen: For a WebSocket client while reading is paused: we cannot see it
        disconnect then.
    :param out_of_resources: Until the next attempt to take connections, after one failed.
    :param unproved: Connections without an accepted signature, in all; above that the oldest
        is cut.
    :param unproved_of_address: The same of one address.
    :param untaken_refusals: Refusals that the client of an HTTP/2 connection has not taken yet;
        above that the oldest is reset.
    :param max_unread_answers: See `Http2Connection`.
    :param allowance: What a client's frames that carry nothing may cost.
    """

    hello: float = 30.0
    handshake: float = 10.0
    next_stream: float = 120.0
    unseen: float = 90.0
    out_of_resources: float = 0.25
    unproved: int = 8192
    unproved_of_address: int = 4096
    untaken_refusals: int = 100
    max_unread_answers: int = MAX_UNREAD_ANSWERS
    allowance: Allowance = ALLOWANCE


@dataclass(frozen=True)
class ServerHooks:
    """How a connection reports to its server.

    :param on_exchange: Called with each exchange as it begins.
    :param on_change: Called when a connection is made, and when it is lost or replaced.
    :param limits: How long a connection waits, and how much it answers.
    :param pages: What is answered without an exchange.
    :param on_known: Called when a signature of the connection is accepted, and when it is lost.
    :param turns: What the connections share that have not proved themselves.
    """

    on_exchange: Callable[[NetworkExchange], None]
    on_change: Callable[[Connection], None]
    limits: Limits
    pages: Pages = field(default_factory=lambda: Pages({}))
    on_known: Callable[[], None] = lambda: None
    turns: Turns | None = None


def peer_address(transport: asyncio.BaseTransport) -> str:
    """Return the address of a connection's other end, as in a URL; empty if it has none."""
    peer = transport.get_extra_info("peername")
    if not peer:
        return ""
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
