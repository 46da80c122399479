"""A transport without a network: the client's streams end in a coroutine of the same loop.

For tests and benchmarks: `MemoryTransport(service.serve)` joins a client to a local
Transcribe's service, or to anything that reads and writes like one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from .._net.inbox import Inbox
from .._net.limits import MAX_UNREAD
from .._net.waiting import Waiters
from ..exceptions import ConnectionLostException, HTTPException, StreamClosedException
from .base import Request


class _Pipe(Inbox):
    """Bytes in one direction, at most `MAX_UNREAD` of them unread."""

    def __init__(self) -> None:
        super().__init__()
        self._size = 0
        self._writers = Waiters()

    def write(self, data: bytes) -> None:
        """Pass bytes on to the reader."""
        self.check()
        if self.ended:
            raise StreamClosedException("the stream was ended: nothing more can be sent")
        if data:
            self._size += len(data)
            self.feed_data(data)

    @property
    def is_full(self) -> bool:
        """Whether more than `MAX_UNREAD` bytes are unread."""
        return self._size > MAX_UNREAD and self.failure is None

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until no more than `MAX_UNREAD` bytes are unread."""
        self.check()
        while self.is_full:
            await self._writers.wait(timeout, "send")

    def read_nowait(self) -> bytes:
        """Return the bytes that have come, and make room for more."""
        self._size = 0
        self._writers.wake()
        return super().read_nowait()

    def fail(self, failure: HTTPException) -> None:
        """Take a failure, unless the bytes have ended in order."""
        self._writers.wake()
        if self.ended:
            self._changed()
        else:
            super().fail(failure)


class MemoryStream:
    """The client's end of a stream.

    :param exchange: The server's end.
    """

    def __init__(self, exchange: MemoryExchange) -> None:
        request, answer = exchange.request, exchange.answer
        self._exchange = exchange
        self.write: Final = request.write
        self.drain: Final = request.drain
        self.end: Final = request.feed_end
        self.response: Final = answer.response
        self.read: Final = answer.read
        self.read_nowait: Final = answer.read_nowait
        self.when_changed: Final = answer.when_changed

    @property
    def is_full(self) -> bool:
        """Whether more than `MAX_UNREAD` bytes are unread by the server."""
        return self._exchange.request.is_full

    @property
    def ended(self) -> bool:
        """Whether the server has ended its bytes."""
        return self._exchange.answer.ended

    @property
    def failure(self) -> HTTPException | None:
        """What the stream has failed with, if it has."""
        return self._exchange.answer.failure

    def abort(self) -> None:
        """End the stream at once."""
        self._exchange.fail(StreamClosedException("the stream was closed by the client"))


class MemoryExchange:
    """The server's end of a stream.

    :param request: What the client has asked for.
    """

    def __init__(self, request: Request) -> None:
        self.method: str = request.method
        self.target: str = request.target
        self.headers: Sequence[tuple[str, str]] = request.headers
        self.request: Final = _Pipe()
        self.answer: Final = _Pipe()
        self.read: Final = self.request.read

    @property
    def is_over(self) -> bool:
        """Whether the stream has failed."""
        return self.answer.failure is not None

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the answer's status and headers.

        :param status: The HTTP status; 200 accepts the stream.
        :param headers: Names in lower case, and values.
        """
        self.answer.feed_answer(status, dict(headers))

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send bytes, and wait while the client has too many of them unread.

        :param data: The next bytes of the answer.
        :param timeout: Seconds to wait; None for no limit.
        :raises TimeoutException: with the phase `"send"`.
        """
        self.answer.write(data)
        if self.answer.is_full:
            await self.answer.drain(timeout)

    async def finish(self, sending: float, lingering: float) -> None:
        """End the answer; what the client still sends is thrown away.

        :param sending: Unused: nothing is on its way in memory.
        :param lingering: Seconds to wait for more from the client, until it ends too.
        """
        self.answer.feed_end()
        while await self.request.read(lingering):
            pass

    def fail(self, failure: HTTPException) -> None:
        """Fail both directions, unless they have ended.

        :param failure: What readers and writers raise.
        """
        self.request.fail(failure)
        self.answer.fail(failure)


class MemoryTransport:
    """Opens streams that `serve` answers, a task for each.

    :param serve: Takes the server's end of a stream, from its request to its end.
    """

    def __init__(self, serve: Callable[[MemoryExchange], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._streams: dict[asyncio.Task[None], MemoryExchange] = {}
        self._closed = False

    async def open(self, request: Request, timeout: float) -> MemoryStream:
        """Open a stream.

        :param request: What the server's end gets; its origin does not matter.
        :param timeout: Unused: a stream opens at once.
        """
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
