"""What the connections of a server need of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..._net.http2 import MAX_ANSWERED, MAX_UNREAD_ANSWERS
from ..exchange import NetworkExchange


class Connection(Protocol):
    """What the server closes in the end."""

    lost: asyncio.Future[None]

    def close(self) -> None:
        """Close once everything is written."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


@dataclass(frozen=True)
class Limits:
    """How long the server waits for a client, in seconds, and how much it answers.

    :param hello: For a connection's first words: the TLS handshake, HTTP/2's preface or
        the request to upgrade to WebSocket.
    :param next_stream: For another stream on an HTTP/2 connection without one; clients keep
        a connection for less.
    :param unseen: For a WebSocket client while reading is paused: we cannot see it
        disconnect then.
    :param max_unread_answers: See `Http2Connection`.
    :param max_answered: See `Http2Connection`.
    """

    hello: float = 30.0
    next_stream: float = 120.0
    unseen: float = 90.0
    max_unread_answers: int = MAX_UNREAD_ANSWERS
    max_answered: int = MAX_ANSWERED


@dataclass(frozen=True)
class ServerHooks:
    """How a connection reports to its server.

    :param on_exchange: Called with each exchange as it begins.
    :param on_change: Called when a connection is made, and when it is lost or replaced.
    :param limits: How long a connection waits, and how much it answers.
    """

    on_exchange: Callable[[NetworkExchange], None]
    on_change: Callable[[Connection], None]
    limits: Limits
