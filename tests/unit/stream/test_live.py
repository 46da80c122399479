"""An open stream over memory: its readers, its drain, and what keeps it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import StreamClosedException, TimeoutException
from amazon_transcribe.transports.memory import MemoryExchange, MemoryTransport
from tests.support.callers import SECOND, TRANSCRIPT, client_at, start


@asynccontextmanager
async def joined(
    serve: Callable[[MemoryExchange], Coroutine[Any, Any, None]],
) -> AsyncIterator[TranscribeStreamingClient]:
    async with client_at("http://memory", transport=MemoryTransport(serve)) as client:
        yield client


async def until_input_ends(exchange: MemoryExchange) -> None:
    while await exchange.read():
        pass


async def test_a_reader_that_nobody_keeps_gets_everything() -> None:
    proceed = asyncio.Event()
    finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await until_input_ends(exchange)
        await proceed.wait()
        await exchange.write(TRANSCRIPT * 3)
        await exchange.finish(1.0, 1.0)

    async def read(output: Any) -> None:
        finished.set_result(len([event async for event in output]))

    async def use(client: TranscribeStreamingClient) -> None:
        stream = await start(client)
        asyncio.create_task(read(stream.output_stream))  # noqa: RUF006  # what is tested
        await asyncio.sleep(0)
        await stream.input_stream.end_stream()

    async with joined(serve) as client:
        await use(client)
        gc.collect()
        proceed.set()
        assert await asyncio.wait_for(finished, 60) == 3


async def test_an_event_of_an_unknown_type_counts_once_though_a_drain_saw_it_too() -> None:
    handled = asyncio.Event()
    unknown = encode_message({":message-type": "event", ":event-type": "New"}, b"")

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.write(TRANSCRIPT)
        await until_input_ends(exchange)
        await exchange.write(unknown + TRANSCRIPT)
        await exchange.finish(1.0, 1.0)

    async def read_slowly() -> int:
        count = 0
        async for _ in stream.output_stream:
            count += 1
            await handled.wait()
        return count

    async with joined(serve) as client, await start(client) as stream:
        reader = asyncio.create_task(read_slowly())
        await asyncio.sleep(0)
        assert len(await stream.drain()) == 1
        handled.set()
        assert await reader == 2
        assert stream.output_stream.unknown_events == 1


async def test_a_reader_that_never_had_to_wait_keeps_its_events_from_a_drain() -> None:
    handled = asyncio.Event()
    read = []

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.write(TRANSCRIPT * 2)
        await until_input_ends(exchange)
        await exchange.write(TRANSCRIPT)
        await exchange.finish(1.0, 1.0)

    async def read_slowly() -> None:
        async for event in stream.output_stream:
            read.append(event)
            await handled.wait()

    async with joined(serve) as client, await start(client) as stream:
        live: Any = stream.input_stream._input_stream
        while not live._events:
            await asyncio.sleep(0)
        reader = asyncio.create_task(read_slowly())
        await asyncio.sleep(0)
        assert len(await stream.drain()) == 2
        handled.set()
        await reader
        assert len(read) == 3


async def test_a_drain_is_bounded_though_events_come_and_come() -> None:
    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        while True:
            await exchange.write(TRANSCRIPT)
            await asyncio.sleep(0)

    async with joined(serve) as client, await start(client) as stream:
        with pytest.raises(TimeoutException) as late:
            await stream.drain(0.02)
        assert late.value.phase == "drain"


@pytest.mark.parametrize("end", ["abort", "idle"])
async def test_sends_after_the_end_do_not_pile_up_in_its_traceback(end: str) -> None:
    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await until_input_ends(exchange)
        await asyncio.Event().wait()

    async with joined(serve) as client, await start(client) as stream:
        live: Any = stream.input_stream._input_stream
        if end == "abort":
            await stream.input_stream.end_stream()
            stream.abort()
        else:
            live.end_idle_input(10.0)
        depths = set()
        for _ in range(3):
            with pytest.raises(StreamClosedException) as told:
                await stream.input_stream.send_audio_event(SECOND)
            depths.add(len(told.traceback))
        assert len(depths) == 1


async def test_a_stream_whose_read_was_cancelled_is_gone_once_it_is_dropped() -> None:
    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.write(TRANSCRIPT)
        await until_input_ends(exchange)

    gc.disable()
    try:
        async with joined(serve) as client:
            stream = await start(client)
            alive = weakref.ref(stream.input_stream._input_stream)
            assert await anext(stream.output_stream)
            reader = asyncio.create_task(anext(stream.output_stream))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            reader.cancel()
            await asyncio.wait({reader})
            del stream, reader
            assert alive() is None
    finally:
        gc.enable()
