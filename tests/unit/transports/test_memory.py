"""The in-memory transport: what the tests over it do not show by themselves."""

from __future__ import annotations

import asyncio

import pytest

from amazon_transcribe._net.origin import Origin
from amazon_transcribe.exceptions import TimeoutException
from amazon_transcribe.transports.base import Request
from amazon_transcribe.transports.memory import (
    MAX_UNREAD,
    MemoryExchange,
    MemoryStream,
    MemoryTransport,
)

REQUEST = Request(Origin("http", "nowhere", 80), "POST", "/", [])


async def test_a_writer_goes_on_when_its_first_reader_comes_late():
    received = []

    async def serve(exchange):
        while data := await exchange.read():
            received.append(len(data))

    transport = MemoryTransport(serve)
    stream = await transport.open(REQUEST, 1.0)
    for _ in range(3):
        stream.write(bytes(MAX_UNREAD + 1))
        await stream.drain(5.0)
    stream.end()
    while sum(received) < 3 * (MAX_UNREAD + 1):
        await asyncio.sleep(0)
    await transport.close()


async def test_writing_nothing_is_no_end():
    transport = MemoryTransport(lambda exchange: exchange.finish(1.0, 1.0))
    stream = await transport.open(REQUEST, 1.0)
    (exchange,) = transport._streams.values()
    stream.write(b"")
    with pytest.raises(TimeoutException):
        await exchange.read(0.001)
    await transport.close()


async def test_a_cancellation_that_meets_the_answer_is_one():
    exchange = MemoryExchange(REQUEST)
    waiting = asyncio.create_task(MemoryStream(exchange).response(1.0))
    await asyncio.sleep(0)
    exchange.respond(200, [])
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
