"""A transport without a network: the client's streams end in a coroutine of the same loop.

For tests and benchmarks: `MemoryTransport(service.serve)` joins a client to a local
Transcribe's service, or to anything that reads and writes like one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from .._net.waiting import Ending, Waiters
from ..exceptions import (
    ConnectionLostException,
    StreamClosedException,
    StreamException,
    TimeoutException,
)
from .base import Request

MAX_UNREAD = 1024 * 1024


class _Pipe(Ending):
    """Bytes in one direction, at most `MAX_UNREAD` of them unread."""

    def __init__(self) -> None:
        self.ended = False
        self.failure: StreamException | None = None
        self._data: list[bytes] = []
        self._size = 0
        self._changed = Waiters()

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        if self.failure is not None:
            raise self.failure
        if self.ended:
            raise StreamClosedException("the stream was ended: nothing more can be sent")
        if data:
            self._data.append(data)
            self._size += len(data)
            self._changed.wake()
        while self._size > MAX_UNREAD and self.failure is None:
            await self._changed.wait(timeout, "send")

    async def read(self, timeout: float | None = None) -> bytes:
        while not self._data:
            if self.ended:
                return b""
            if self.failure is not None:
                raise self.failure
            await self._changed.wait(timeout, "read")
        return self.read_nowait()

    def read_nowait(self) -> bytes:
        data = b"".join(self._data)
        self._data.clear()
        self._size = 0
        self._changed.wake()
        return data

    def end(self) -> None:
        self.ended = True
        self._changed.wake()
        self.tell_end()

    def fail(self, failure: StreamException) -> None:
        if not self.ended:
            self.failure = self.failure or failure
        self._changed.wake()
        self.tell_end()


class MemoryStream:
    """The client's end of a stream."""

    def __init__(self, exchange: MemoryExchange) -> None:
        self._exchange = exchange
        self.write = exchange.request.write
        self.end = exchange.request.end
        self.read = exchange.answer.read
        self.read_nowait = exchange.answer.read_nowait
        self.when_ended = exchange.answer.when_ended

    async def response(self, timeout: float | None = None) -> tuple[int, Mapping[str, str]]:
        answer = self._exchange.response
        # Not `asyncio.wait_for`: up to Python 3.11 it can swallow a cancellation.
        await asyncio.wait({answer}, timeout=timeout)
        if not answer.done():
            raise TimeoutException("response", timeout or 0.0)
        return answer.result()

    def abort(self) -> None:
        self._exchange.fail(StreamClosedException("the stream was closed by the client"))


class MemoryExchange:
    """The server's end of a stream."""

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.target = request.target
        self.headers = request.headers
        self.request = _Pipe()
        self.answer = _Pipe()
        self.response: asyncio.Future[tuple[int, Mapping[str, str]]] = (
            asyncio.get_running_loop().create_future()
        )
        self.read = self.request.read
        self.write = self.answer.write

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        if not self.response.done():
            self.response.set_result((status, dict(headers)))

    async def finish(self, sending: float, lingering: float) -> None:
        """End the answer; what the client still sends is thrown away."""
        self.answer.end()
        while await self.request.read(lingering):
            pass

    def fail(self, failure: StreamException) -> None:
        self.request.fail(failure)
        self.answer.fail(failure)
        if not self.response.done():
            self.response.set_exception(failure)
            self.response.exception()  # seen: whoever waits gets it, no one else must


class MemoryTransport:
    """Opens streams that `serve` answers, a task for each.

    :param serve: Takes the server's end of a stream, from its request to its end.
    """

    def __init__(self, serve: Callable[[MemoryExchange], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._streams: dict[asyncio.Task[None], MemoryExchange] = {}
        self._closed = False

    async def open(self, request: Request, timeout: float) -> MemoryStream:
        """Open a stream; the origin is not looked at."""
        if self._closed:
            raise StreamClosedException("the client is closed")
        exchange = MemoryExchange(request)
        task = asyncio.get_running_loop().create_task(self._serve(exchange))
        self._streams[task] = exchange
        task.add_done_callback(self._ended)
        return MemoryStream(exchange)

    async def close(self) -> None:
        """Fail the open streams and end their tasks."""
        self._closed = True
        streams = list(self._streams.items())
        for task, exchange in streams:
            exchange.fail(StreamClosedException("the client was closed"))
            task.cancel()
        if streams:
            await asyncio.wait([task for task, _ in streams])

    def _ended(self, task: asyncio.Task[None]) -> None:
        exchange = self._streams.pop(task)
        failed = not task.cancelled() and task.exception()
        exchange.fail(ConnectionLostException(f"the server failed: {failed!r}"))
