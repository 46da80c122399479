"""Streams under everything at once: cancellations, several readers and senders, slow peers.

Every event must be read exactly once and in order, and the peer must get the audio of every
send that was not cancelled, and of no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import EventStreamDecoder, decode_message, encode_message
from amazon_transcribe.local.exchange import Exchange
from amazon_transcribe.local.listeners.arrivals import Arrivals
from amazon_transcribe.local.listeners.detection import NewConnection
from amazon_transcribe.local.listeners.hooks import Limits, ServerHooks
from amazon_transcribe.transports.memory import MemoryTransport
from tests.support.callers import client_at, start

MAX_UNSENT = 4096  # low, so that senders wait
SENDERS, READERS, SENDS = 3, 3, 30

Serve = Callable[[Any], Coroutine[Any, Any, None]]


@asynccontextmanager
async def served(scheme: str, serve: Serve) -> AsyncIterator[TranscribeStreamingClient]:
    """A client whose streams end in `serve`, over a transport."""
    if scheme == "memory":
        async with client_at("http://memory", transport=MemoryTransport(serve)) as client:
            yield client
        return
    if scheme == "ws":
        pytest.importorskip("wsproto")
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    hooks = ServerHooks(
        lambda exchange: tasks.add(loop.create_task(serve(exchange))), lambda _: None, Limits()
    )
    arrivals = Arrivals(in_all=1000, of_address=1000)
    server = await loop.create_server(lambda: NewConnection(hooks, arrivals, None), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        url = f"{scheme}://127.0.0.1:{port}"
        async with client_at(url, max_unsent=MAX_UNSENT) as client:
            yield client
        await asyncio.gather(*tasks)
    finally:
        server.close()


class Service:
    """A peer that sends numbered events in odd pieces at odd times, and takes audio so too."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.audio: list[bytes] = []
        self.sent = 0

    async def serve(self, exchange: Exchange) -> None:
        exchange.respond(200, [])
        reading = asyncio.create_task(self._read(exchange))
        try:
            while not reading.done():
                await self._send(exchange)
            await reading
            for _ in range(self.random.randrange(4)):
                await self._send(exchange)
        finally:
            reading.cancel()
        await exchange.finish(5.0, 5.0)

    async def _read(self, exchange: Exchange) -> None:
        decoder = EventStreamDecoder()
        while data := await exchange.read():
            for message in decoder.feed(data):
                audio = decode_message(message.payload).payload if message.payload else b""
                if not audio:
                    return
                self.audio.append(audio)
            await pause(self.random)

    async def _send(self, exchange: Exchange) -> None:
        """Send some events, at times many, cut anywhere."""
        count = self.random.choice([1, 1, 2, 5, 100])
        data = b"".join(self._event() for _ in range(count))
        while data:
            size = self.random.choice([1, 7, 100, 16_384, len(data)])
            await exchange.write(data[:size])
            data = data[size:]
            if self.random.random() < 0.3:
                await pause(self.random)

    def _event(self) -> bytes:
        text = f'{{"Transcript":{{"Results":[{{"ResultId":"{self.sent}"}}]}}}}'
        padding = b" " * self.random.choice([0, 0, 0, 0, 10_000])
        self.sent += 1
        return encode_message(
            {":message-type": "event", ":event-type": "TranscriptEvent"}, text.encode() + padding
        )


async def pause(random: random.Random) -> None:
    for _ in range(random.choice([1, 1, 2, 10])):
        await asyncio.sleep(0)


class Program:
    """A program with several senders and readers, which give up now and then."""

    def __init__(self, stream: Any, seed: int) -> None:
        self.random = random.Random(seed)
        self.sent: list[bytes] = []
        self.read: list[int] = []
        self._stream = stream
        self._has_read_all = False

    async def run(self) -> None:
        readers = [asyncio.create_task(self._read()) for _ in range(READERS)]
        await asyncio.gather(*(self._send(number) for number in range(SENDERS)))
        drained = await self._give_up(self._stream.drain())
        if drained is not None:  # what nobody had read by then; a reader may still get it
            await asyncio.wait(readers)
            self.read += [number for number in numbers(drained) if number not in self.read]
        elif self.random.random() < 0.5:
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers)
            self.read += numbers(await self._stream.drain())
        else:
            await asyncio.wait(readers)

    async def _give_up(self, call: Awaitable[Any]) -> Any:
        """Return a call's result; None if it was not there after some turns of the loop."""
        task = asyncio.ensure_future(call)
        await pause(self.random)
        task.cancel()
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    async def _read(self) -> None:
        while not self._has_read_all:
            if self.random.random() < 0.2:
                await self._give_up(self._read_once())
            else:
                await self._read_once()
            if self.random.random() < 0.2:
                await pause(self.random)

    async def _read_once(self) -> None:
        try:
            event = await anext(self._stream.output_stream)
        except StopAsyncIteration:
            self._has_read_all = True
        else:
            self.read += numbers([event])  # in this very turn: the order is that of the stream

    async def _send(self, number: int) -> None:
        for count in range(SENDS):
            chunk = bytes([number, count]) * self.random.choice([1, 160, 1600, 16_000])
            call = self._send_chunk(chunk)
            if self.random.random() < 0.3:
                await self._give_up(call)
            else:
                await call
            if self.random.random() < 0.3:
                await pause(self.random)

    async def _send_chunk(self, chunk: bytes) -> None:
        await self._stream.input_stream.send_audio_event(chunk)
        self.sent.append(chunk)  # in this very turn, as above


def numbers(events: list[Any]) -> list[int]:
    return [int(event.transcript.results[0].result_id) for event in events]


@pytest.mark.parametrize("scheme", ["memory", "http", "ws"])
@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_lost_doubled_or_out_of_order(scheme: str, seed: int) -> None:
    service = Service(seed)
    async with served(scheme, service.serve) as client:
        async with await start(client) as stream:
            program = Program(stream, seed)
            await program.run()
    assert service.audio == program.sent
    assert program.read == list(range(service.sent))
