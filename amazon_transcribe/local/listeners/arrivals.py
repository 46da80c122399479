"""Connections that have not proved themselves: no signature of theirs was accepted yet."""

from __future__ import annotations

import asyncio
from typing import Final

from ..._net.limits import Turns


class Arrivals:
    """They are bounded, in all and for one address; the oldest makes room for the newest.

    In each turn of the loop all of them have one share together.

    :param in_all: How many there may be.
    :param of_address: How many there may be from one address.
    """

    def __init__(self, in_all: int, of_address: int) -> None:
        self.turns: Final = Turns()
        self._in_all = in_all
        self._of_address = of_address
        self._all: dict[asyncio.Transport, str] = {}  # in the order of their arrival
        self._by_address: dict[str, dict[asyncio.Transport, None]] = {}

    def add(self, transport: asyncio.Transport) -> None:
        """Take note of a connection that has just been made."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        self._all[transport] = address
        neighbours = self._by_address.setdefault(address, {})
        neighbours[transport] = None
        if len(neighbours) > self._of_address:
            self._drop(next(iter(neighbours)))
        elif len(self._all) > self._in_all:
            self._drop(next(iter(self._all)))

    def discard(self, transport: asyncio.Transport) -> None:
        """Forget a connection: it has proved itself, or is lost."""
        address = self._all.pop(transport, None)
        if address is not None:
            neighbours = self._by_address[address]
            del neighbours[transport]
            if not neighbours:
                del self._by_address[address]

    def _drop(self, transport: asyncio.Transport) -> None:
        self.discard(transport)
        transport.abort()
