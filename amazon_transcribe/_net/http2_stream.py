"""One HTTP/2 stream: a request and its answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from struct import Struct
from typing import Protocol

from h2.errors import ErrorCodes

from ..exceptions import HTTPException, StreamClosedException, StreamException, TimeoutException
from .limits import MAX_UNREAD
from .waiting import Ending, Waiters

FRAME_HEADER = Struct(">LBL")  # length and type, flags, stream (RFC 9113, 4.1); DATA has type 0
Headers = Sequence[tuple[str, str]]


class Connection(Protocol):
    """What a stream needs of its connection."""

    is_client: bool
    max_unsent: int

    def send_soon(self, stream: Http2Stream) -> None:
        """Send what the stream has to send, at the end of the loop's turn."""

    def give_back(self, stream: Http2Stream, size: int) -> None:
        """Let the peer send as much again as was read."""

    def reset(self, stream: Http2Stream, code: int) -> None:
        """End the stream with RST_STREAM where it is still open."""


class Http2Stream(Ending):
    """One stream: a request and its answer. Made by its connection."""

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self.id = stream_id
        self.connection = connection
        self.reused = False  # whether its connection lay idle before
        self.failure: StreamException | None = None
        self._headers: Headers | None = None
        self._inbox: list[bytes] = []
        self._to_give_back = 0  # flow-control bytes that came, padding included
        self._input_ended = False
        self._outbox: deque[bytes | memoryview] = deque()
        self._unsent = 0
        self._output_ended = False
        self._end_sent = False
        self._readers = Waiters()
        self._writers = Waiters()

    # Reading

    async def receive_headers(self, timeout: float | None = None) -> Headers:
        """Wait for the peer's headers, pseudo-headers first."""
        while self._headers is None:
            if self.failure is not None:
                raise self.failure.with_traceback(None)
            await self._readers.wait(timeout, "response")
        return self._headers

    async def response(self, timeout: float | None = None) -> tuple[int, dict[str, str]]:
        """Wait for the answer's status and headers."""
        headers = dict(await self.receive_headers(timeout))
        status = headers.get(":status", "")
        if not (status.isascii() and status.isdecimal()):
            raise HTTPException(f"the peer answers with {status[:20]!r} for a status")
        return int(status), headers

    async def read(self, timeout: float | None = None) -> bytes:
        """The bytes that have come, `b""` at the peer's clean end."""
        while not self._inbox:
            if self._input_ended:
                return b""
            if self.failure is not None:
                raise self.failure.with_traceback(None)
            await self._readers.wait(timeout, "read")
        return self.read_nowait()

    def read_nowait(self) -> bytes:
        """The bytes that have come, `b""` when there are none now."""
        data = self._inbox[0] if len(self._inbox) == 1 else b"".join(self._inbox)
        self._inbox.clear()
        if self._to_give_back >= MAX_UNREAD // 4:
            self._give_back()
        return data

    def _give_back(self) -> None:
        size, self._to_give_back = self._to_give_back, 0
        if size:
            self.connection.give_back(self, size)

    # Writing

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send bytes; waits while more than `max_unsent` are unsent."""
        self._check_open()
        if data:
            self._outbox.append(data)
            self._unsent += len(data)
            self.connection.send_soon(self)
        while self._unsent > self.connection.max_unsent:
            await self._writers.wait(timeout, "send")
            if self.failure is not None:
                raise self.failure.with_traceback(None)

    def _check_open(self) -> None:
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        if self._input_ended and self.connection.is_client:
            raise StreamClosedException("the peer has ended the stream: it takes no more")
        if self._output_ended:
            raise StreamClosedException("the stream was ended: nothing more can be sent")

    def end(self) -> None:
        """End our bytes."""
        if not self._output_ended:
            self._output_ended = True
            self.connection.send_soon(self)

    async def finish(self, sending: float, lingering: float) -> None:
        """End our bytes and wait until they are sent and the peer has ended too.

        What the peer still sends is thrown away.

        :param sending: Seconds to wait for the peer to take our bytes, without progress.
        :param lingering: Seconds to wait for its end afterwards.
        """
        self.end()
        loop = asyncio.get_running_loop()
        due, unsent, end_sent = loop.time() + sending, self._unsent, False
        while not self.done:
            if self.failure is not None:
                raise self.failure.with_traceback(None)
            self.read_nowait()
            if self._end_sent and not end_sent:
                due, end_sent = loop.time() + lingering, True
            elif self._unsent < unsent:
                due, unsent = loop.time() + sending, self._unsent
            try:
                await self._readers.wait(max(due - loop.time(), 0.001), "close")
            except TimeoutException:
                timeout = lingering if end_sent else sending
                raise TimeoutException("close", timeout) from None

    def abort(self, code: int = ErrorCodes.CANCEL) -> None:
        """End the stream at once, with RST_STREAM where it is still open."""
        self.read_nowait()
        self.connection.reset(self, code)
        self.fail(StreamClosedException("the stream was closed on this side"))

    async def closed(self) -> None:
        """Wait, with nothing read, until the stream is over."""
        while self.failure is None and not self.done:
            await self._readers.wait(None, "close")

    # Called by the connection

    def receive(self, data: bytes, flow_controlled: int) -> None:
        if not data:  # nothing, or padding alone: no end (RFC 9113, 6.1)
            self.connection.give_back(self, flow_controlled)
            return
        self._inbox.append(data)
        self._to_give_back += flow_controlled
        self._readers.wake()

    def receive_end(self) -> None:
        self._input_ended = True
        self._give_back()  # the connection's window outlives the stream's
        self._readers.wake()
        self.tell_end()
        if self.connection.is_client and self._unsent:
            # The service has said all: what was not sent by now is not wanted.
            self._drop_unsent()

    def take_headers(self, headers: Headers) -> None:
        if self._headers is None:  # trailers and late informational headers say nothing
            self._headers = headers
            self._readers.wake()

    def fail(self, failure: StreamException) -> None:
        if self.failure is None and not self.done:
            self.failure = failure
        self._give_back()
        self._drop_unsent()
        self._readers.wake()
        self.tell_end()

    @property
    def done(self) -> bool:
        """Whether both directions have ended."""
        return self._input_ended and self._end_sent

    @property
    def input_ended(self) -> bool:
        """Whether the peer has ended its bytes."""
        return self._input_ended

    def fill(self, out: list[bytes | memoryview], window: int, frame_size: int) -> int:
        """Append DATA frames of at most `window` bytes in all; the bytes taken."""
        taken = 0
        while self._outbox and taken < window:
            data = self._outbox.popleft()
            size = min(len(data), frame_size, window - taken)
            if size < len(data):
                data = memoryview(data)
                self._outbox.appendleft(data[size:])
                data = data[:size]
            out += (FRAME_HEADER.pack(size << 8, 0, self.id), data)
            taken += size
        self._unsent -= taken
        if self._output_ended:
            self._readers.wake()  # `finish` waits anew
        if self._writers and self._unsent <= self.connection.max_unsent:
            self._writers.wake()
        return taken

    @property
    def has_unsent(self) -> bool:
        return bool(self._outbox)

    @property
    def end_due(self) -> bool:
        return self._output_ended and not self._outbox and not self._end_sent

    def end_was_sent(self) -> None:
        self._end_sent = True
        self._readers.wake()

    def _drop_unsent(self) -> None:
        self._outbox.clear()
        self._unsent = 0
        self._writers.wake()
