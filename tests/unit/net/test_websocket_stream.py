"""A WebSocket connection's ends, without a network."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("wsproto")

from amazon_transcribe.local.listeners.hooks import Limits, ServerHooks
from amazon_transcribe.local.listeners.websocket import ServerWebSocket
from tests.support.websockets import BINARY, close_frame, frame, upgrade


class Wire(asyncio.Transport):
    """Takes everything, and is full as soon as it is told its limits."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.protocol.pause_writing()

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


async def test_the_end_waits_for_no_room_on_a_connection_that_is_lost() -> None:
    """The client says goodbye, takes nothing more and goes."""
    exchanges: list[Any] = []
    connection = ServerWebSocket(ServerHooks(exchanges.append, lambda _: None, Limits()))
    wire = Wire()
    wire.protocol = connection
    connection.connection_made(wire)
    connection.data_received(upgrade("/", "localhost"))
    (exchange,) = exchanges
    exchange.respond(200, [])
    connection.data_received(close_frame(1000, mask=True))
    finishing = asyncio.create_task(exchange.finish(sending=60.0, lingering=60.0))
    await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.wait_for(finishing, 60)


async def test_many_short_messages_at_once_wait_for_the_turns_of_others() -> None:
    exchanges: list[Any] = []
    connection = ServerWebSocket(ServerHooks(exchanges.append, lambda _: None, Limits()))
    wire = Wire()
    wire.protocol = connection
    connection.connection_made(wire)
    connection.data_received(upgrade("/", "localhost"))
    exchanges[0].respond(200, [])
    connection.data_received(frame(BINARY, bytes(62), mask=True) * 2_000)
    assert wire.paused
    come = 0
    while wire.paused:
        come += len(connection.read_nowait())
        await asyncio.sleep(0)
    assert 0 < come < 2_000 * 62
    assert come + len(connection.read_nowait()) == 2_000 * 62
    connection.connection_lost(None)
