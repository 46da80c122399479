"""An open stream over memory: its readers, its drain, and what keeps it."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    InvalidEventException,
    SDKError,
    StreamClosedException,
    TimeoutException,
    UnreadResultsException,
)
from amazon_transcribe.transports.memory import MemoryExchange, MemoryTransport
from tests.support.callers import BAD_REQUEST, SECOND, TRANSCRIPT, client_at, start


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


# Events that nobody reads


def transcript(text: str) -> bytes:
    body = {"Transcript": {"Results": [{"Alternatives": [{"Transcript": text}]}]}}
    headers = {":message-type": "event", ":event-type": "TranscriptEvent"}
    return encode_message(headers, json.dumps(body).encode())


async def numbers(stream: Any) -> list[int]:
    """Read to the end the numbers that the transcripts are."""
    found = []
    with suppress(SDKError):
        async for event in stream.output_stream:
            found.append(int(event.transcript.results[0].alternatives[0].transcript))
    return found


@pytest.mark.parametrize("cut", [1, 1000])
async def test_events_are_read_in_order_however_many_lay_unread(cut: int) -> None:
    written = asyncio.Event()
    events = b"".join(transcript(str(number)) for number in range(3000))

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        for at in range(0, len(events), len(events) // cut):
            await exchange.write(events[at : at + len(events) // cut])
        written.set()
        await until_input_ends(exchange)
        await exchange.write(transcript("3000"))
        await exchange.finish(1.0, 1.0)

    async with joined(serve) as client, await start(client) as stream:
        await written.wait()
        first = await anext(stream.output_stream)
        await stream.input_stream.end_stream()
        rest = await stream.drain()
        assert len(rest) == 3000
        texts = [e.transcript.results[0].alternatives[0].transcript for e in (first, *rest)]
        assert texts == [str(number) for number in range(3001)]


async def test_a_sender_learns_at_once_that_too_much_lies_unread() -> None:
    count = 0

    async def serve(exchange: MemoryExchange) -> None:
        nonlocal count
        exchange.respond(200, [])
        while await exchange.read():
            await exchange.write(transcript(str(count)))
            count += 1

    async with joined(serve) as client:
        client._starter.max_unread = 50_000
        stream = await start(client)
        with pytest.raises(UnreadResultsException, match="read output_stream") as told:
            while True:
                await stream.input_stream.send_audio_event(bytes(3200))
                await asyncio.sleep(0)
        assert told.value.limit == 50_000
        assert told.value.audio_bytes_sent >= 3200 * count
        with pytest.raises(UnreadResultsException):
            await stream.input_stream.end_stream()
        read = await numbers(stream)
        assert read == list(range(len(read)))
        assert len(read) >= count - 1
        with pytest.raises(UnreadResultsException):
            await anext(stream.output_stream)


@pytest.mark.parametrize(
    "event",
    [
        TRANSCRIPT,
        transcript("word " * 500),
        encode_message(
            {":message-type": "event", ":event-type": "TranscriptEvent"},
            b'{"Transcript":{"Results":[' + b",".join([b"{}"] * 5000) + b"]}}",
        ),
        encode_message({":message-type": "event", **{chr(n): True for n in range(48, 91)}}, b""),
    ],
    ids=["small", "usual", "empty objects", "headers"],
)
async def test_a_flood_of_events_takes_no_more_memory_than_allowed(event: bytes) -> None:
    burst = event * max(1, 16_000 // len(event))
    limit = 1_000_000

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        with suppress(SDKError):
            while True:
                await exchange.write(burst)

    async with joined(serve) as client:
        client._starter.max_unread = limit
        tracemalloc.start()
        try:
            stream = await start(client)
            live: Any = stream.input_stream._input_stream
            while not live.is_over:
                await asyncio.sleep(0)
            assert isinstance(live.failure, UnreadResultsException)
            live._events.clear()  # a few are held as typed events
            assert tracemalloc.get_traced_memory()[0] < limit * 1.25
        finally:
            tracemalloc.stop()
        await stream.close()


async def test_an_event_that_is_not_valid_ends_the_stream_in_its_place() -> None:
    before = 200  # more than are made events at once
    events = b"".join(transcript("word " * 50) for _ in range(before))
    odd = encode_message({":message-type": "event", ":event-type": "TranscriptEvent"}, b"{")

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.read()
        await exchange.write(events + odd + TRANSCRIPT)
        await exchange.finish(1.0, 1.0)

    async with joined(serve) as client, await start(client) as stream:
        await stream.input_stream.end_stream()
        for _ in range(before):
            assert await anext(stream.output_stream)
        for _ in range(2):
            with pytest.raises(InvalidEventException):
                await anext(stream.output_stream)
        with pytest.raises(InvalidEventException):
            await stream.drain()


@pytest.mark.parametrize("end", ["cancelled", "aborted"])
async def test_what_came_before_a_reader_had_its_turn_is_not_lost(end: str) -> None:
    written = asyncio.Event()

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.read()
        await exchange.write(TRANSCRIPT)
        await exchange.write(TRANSCRIPT * 2)
        if end == "cancelled":
            reader.cancel()
        else:
            stream.abort()
        written.set()

    async with joined(serve) as client, await start(client) as stream:
        reader = asyncio.create_task(anext(stream.output_stream))
        await asyncio.sleep(0)
        await stream.input_stream.send_audio_event(SECOND)
        await written.wait()
        await asyncio.wait([reader])
        assert reader.cancelled() == (end == "cancelled")
        for _ in range(3 if reader.cancelled() else 2):
            assert await anext(stream.output_stream)


async def test_a_sender_learns_of_an_exception_behind_unread_events() -> None:
    said = asyncio.Event()

    async def serve(exchange: MemoryExchange) -> None:
        exchange.respond(200, [])
        await exchange.write(TRANSCRIPT * 3)
        await exchange.read()
        await exchange.write(TRANSCRIPT * 3 + BAD_REQUEST)
        said.set()
        await until_input_ends(exchange)

    async with joined(serve) as client, await start(client) as stream:
        await stream.input_stream.send_audio_event(SECOND)
        await said.wait()
        with pytest.raises(BadRequestException):
            await stream.input_stream.send_audio_event(SECOND)
        for _ in range(6):
            assert await anext(stream.output_stream)
        with pytest.raises(BadRequestException):
            await anext(stream.output_stream)
