"""HTTP/2 peers that do as they are told: for what no honest server does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from h2.settings import SettingCodes, Settings


class Peer:
    """One connection, in the server's role, under a test's control."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: dict[SettingCodes, int],
    ) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False))
        if settings:
            self.h2.local_settings = Settings(client=False, initial_values=settings)
        self.received = 0
        self._reader = reader
        self._writer = writer
        self._events: list[Event] = []

    def hello(self) -> None:
        self.h2.initiate_connection()
        self.flush()

    async def next(self, *kinds: type[Event]) -> Event:
        """The next event of these kinds, of any without; others are passed over."""
        while True:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, DataReceived):
                    self.received += len(event.data)
                if not kinds or isinstance(event, kinds):
                    return event
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionError("the client is gone")
            self._events += self.h2.receive_data(data)
            self.flush()

    async def request(self) -> int:
        event = await self.next(RequestReceived)
        assert isinstance(event, RequestReceived)
        assert event.stream_id is not None
        return event.stream_id

    async def end_of(self, stream_id: int) -> None:
        """Wait for the client's end, letting it send as much as it will."""
        while True:
            event = await self.next(DataReceived, StreamEnded)
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
                self.flush()
            if isinstance(event, StreamEnded) and event.stream_id == stream_id:
                return

    def respond(
        self, stream_id: int, status: int = 200, *, end: bool = False, **headers: str
    ) -> None:
        """Answer with headers, named with underscores; an empty one is left out."""
        if status == 200:
            headers = {"content_type": "application/vnd.amazon.eventstream", **headers}
        fields = [(name.replace("_", "-"), value) for name, value in headers.items() if value]
        self.h2.send_headers(stream_id, [(":status", str(status)), *fields], end_stream=end)
        self.flush()

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        self.h2.send_data(stream_id, data, end_stream=end)
        self.flush()

    def reset(self, stream_id: int, code: int) -> None:
        self.h2.reset_stream(stream_id, code)
        self.flush()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())

    def stop_reading(self) -> None:
        """Read no more from the socket: what comes stays with the kernels."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the connection once everything is written."""
        self._writer.transport.close()

    def drop(self) -> None:
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server whose every connection is handled so, with TLS if told; gives its port."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        try:
            await handle(reader, writer)
        except (ConnectionError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def peer_server(
    script: Callable[[Peer], Awaitable[None]],
    *,
    settings: dict[SettingCodes, int] | None = None,
    hello: bool = True,
) -> AsyncIterator[str]:
    """A server whose every connection is handled by `script`; gives its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, settings or {})
        if hello:
            peer.hello()
        await script(peer)
        await peer.gone()

    async with listening(handle) as port:
        yield f"http://127.0.0.1:{port}"
