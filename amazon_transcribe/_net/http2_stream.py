"""One HTTP/2 stream: a request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from typing import Protocol

from h2.errors import ErrorCodes

from ..exceptions import HTTPException, StreamClosedException, TimeoutException
from .inbox import Inbox
from .limits import MAX_UNREAD
from .waiting import Waiters

FRAME_HEADER = Struct(">LBL")  # length and type, flags, stream (RFC 9113, 4.1); DATA has type 0

Headers = Sequence[tuple[str, str]]


class Connection(Protocol):
    """What a stream needs of its connection."""

    is_client: bool
    max_unsent: int

    def send_soon(self, stream: Http2Stream) -> None:
        """Send what the stream has to send, at the end of the loop's turn."""
        ...

    def give_back(self, stream: Http2Stream, size: int) -> None:
        """Let the peer send as much again as was read."""
        ...

    def reset(self, stream: Http2Stream, code: int) -> None:
        """End the stream with RST_STREAM where it is still open."""
        ...


class Http2Stream(Inbox):
    """One stream in either role. Its connection makes it.

    :param connection: The connection that carries it.
    :param stream_id: Its number there (RFC 9113, 5.1.1).
    """

    def __init__(self, connection: Connection, stream_id: int) -> None:
        super().__init__()
        self.id = stream_id
        self.connection = connection
        self.reused = False  # whether its connection lay idle before
        self.is_full: bool = False
        """Whether more than `max_unsent` bytes are unsent."""
        self.to_give_back: int = 0
        """Flow-control bytes that came, padding included, since the window was opened."""
        self.outbox: list[bytes | memoryview] = []  # an empty deque takes 760 bytes
        """What the connection is to send."""
        self.end_due: bool = False
        """Whether the connection is to send the end behind it."""
        self._unsent = 0
        self._output_ended = False
        self._end_sent = False
        self._writers = Waiters()

    # Reading

    def read_nowait(self) -> bytes:
        """Return the bytes that have come, and open the window for as many again."""
        unread = self._unread
        data = unread[0] if len(unread) == 1 else b"".join(unread)
        unread.clear()
        if self.to_give_back >= MAX_UNREAD // 4:
            self._give_back()
        return data

    def _give_back(self) -> None:
        size, self.to_give_back = self.to_give_back, 0
        if size:
            self.connection.give_back(self, size)

    # Writing

    def write(self, data: bytes) -> None:
        """Take bytes to send; the connection sends them at the end of the loop's turn."""
        if self.failure is not None or self.ended or self._output_ended:
            self._refuse_writing()
        if data:
            self.outbox.append(data)
            self._unsent += len(data)
            self.is_full = self._unsent > self.connection.max_unsent
            self.connection.send_soon(self)

    def _refuse_writing(self) -> None:
        self.check()
        if self._output_ended:
            raise StreamClosedException("the stream was ended: nothing more can be sent")
        if self.connection.is_client:
            raise StreamClosedException("the peer has ended the stream: it takes no more")

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until no more than `max_unsent` bytes are unsent."""
        self.check()
        while self.is_full:
            await self._writers.wait(timeout, "send")
            self.check()

    def end(self) -> None:
        """End our bytes."""
        if not self._output_ended:
            self._output_ended = self.end_due = True
            self.connection.send_soon(self)

    async def finish(self, sending: float, lingering: float) -> None:
        """End our bytes and wait until they are sent and the peer has ended too.

        What the peer still sends is thrown away.

        :param sending: Seconds to wait for the peer to take our bytes, without progress.
        :param lingering: Seconds to wait for the peer's end afterwards.
        """
        self.end()
        loop = asyncio.get_running_loop()
        due, unsent, end_sent = loop.time() + sending, self._unsent, False
        while not self.done:
            self.check()
            self.read_nowait()
            if self._end_sent and not end_sent:
                due, end_sent = loop.time() + lingering, True
            elif self._unsent < unsent:
                due, unsent = loop.time() + sending, self._unsent
            left = due - loop.time()
            if left <= 0:  # even while the peer sends
                raise TimeoutException("close", lingering if end_sent else sending)
            with suppress(TimeoutException):
                await self._readers.wait(left, "close")

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

    def receive_end(self) -> None:
        """Take the peer's END_STREAM."""
        self.ended = True
        self._give_back()  # the connection's window outlives the stream's
        if self.connection.is_client and self._unsent:
            # The service has said all: what was not sent by now is not wanted.
            self._drop_unsent()
        self.feed_end()

    def receive_headers(self, headers: Headers) -> None:
        """Take the answer's headers, pseudo-headers first; trailers say nothing."""
        fields = dict(headers)
        status = fields.get(":status", "")
        if status.isascii() and status.isdecimal():
            self.feed_answer(int(status), fields)
        else:
            self.fail(HTTPException(f"the peer answers with {status[:20]!r} for a status"))

    def fail(self, failure: HTTPException) -> None:
        """Take a failure, unless both directions have ended in order."""
        self._give_back()
        self._drop_unsent()
        if self.done:
            self._changed()
        else:
            super().fail(failure)

    @property
    def done(self) -> bool:
        """Whether both directions have ended."""
        return self.ended and self._end_sent

    def take_frame(self, window: int) -> bytes:
        """Return the DATA frame of all that is to be sent; none where it takes more than that.

        Of paced audio there is one piece in a turn of the loop.
        """
        if len(self.outbox) != 1 or self.end_due:
            return b""
        data = self.outbox[0]
        size = len(data)
        if size > window:
            return b""
        self.outbox.clear()
        self._unsent, self.is_full = 0, False
        if self._writers:
            self._writers.wake()
        return FRAME_HEADER.pack(size << 8, 0, self.id) + data

    def fill(self, out: list[bytes | memoryview], window: int, frame_size: int) -> int:
        """Append DATA frames of at most `window` bytes in all; return how many bytes."""
        outbox = self.outbox
        taken = done = 0
        while done < len(outbox) and taken < window:
            data = outbox[done]
            size = min(len(data), frame_size, window - taken)
            if size < len(data):
                data = memoryview(data)
                outbox[done] = data[size:]
                data = data[:size]
            else:
                done += 1
            out += (FRAME_HEADER.pack(size << 8, 0, self.id), data)
            taken += size
        del outbox[:done]
        self._unsent -= taken
        self.is_full = self._unsent > self.connection.max_unsent
        if self._output_ended:
            self._readers.wake()  # `finish` measures its progress
        if self._writers and not self.is_full:
            self._writers.wake()
        return taken

    def end_was_sent(self) -> None:
        """Note that END_STREAM is on its way."""
        self.end_due, self._end_sent = False, True
        self._readers.wake()

    def _drop_unsent(self) -> None:
        self.outbox.clear()
        self._unsent, self.is_full = 0, False
        self._writers.wake()
