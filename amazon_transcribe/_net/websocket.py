"""A WebSocket connection on asyncio, in either role; it carries one stream.

The `wsproto` library keeps the state of the protocol (RFC 6455). Binary frames are made
by a frame writer of their own: the library sends none after the peer's close frame, when
the server's last results are still due.

Bounds: full above `MAX_UNSENT` bytes unsent (`drain` waits), and about `MAX_UNREAD` bytes
unread (then nothing more is taken from the socket). Frames that carry nothing have a budget,
see `Allowance`, and those that come at once wait for the turns of other connections.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason, FrameProtocol
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from ..exceptions import (
    ConnectionLostException,
    HTTPException,
    StreamClosedException,
    StreamResetException,
)
from .inbox import Inbox
from .limits import ALLOWANCE, MAX_TINY, MAX_UNREAD, MAX_UNSENT, Allowance, Budget
from .tls import share_buffer
from .waiting import Waiters

# Close codes with which a peer ends in order. 1005 stands for a frame without a code.
_CLEAN = (CloseReason.NORMAL_CLOSURE, CloseReason.NO_STATUS_RCVD)

# Bytes that the library takes at once: its costs are known afterwards only.
_PIECE = 4096
_TURN = 32 * 1024  # and before the other connections have their turn: messages may be short
_PING_COST = 5


class WebSocketStream(asyncio.Protocol, Inbox):
    """The connection and its one stream, less the opening handshake.

    :param client: True in the client's role.
    :param on_change: Called when the connection is made, at its answer, and when it is gone.
    :param max_unsent: Bytes that may be unsent before `drain` waits.
    :param allowance: What the peer's frames that carry nothing may cost.
    :param clock: Gives the present in seconds, for the allowance; the loop's by default.
    """

    def __init__(
        self,
        *,
        client: bool,
        on_change: Callable[[WebSocketStream], None] | None = None,
        max_unsent: int = MAX_UNSENT,
        allowance: Allowance = ALLOWANCE,
        clock: Callable[[], float] | None = None,
    ) -> None:
        Inbox.__init__(self)
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._budget = Budget(allowance, clock or self._loop.time)
        self._rest = b""  # has come and waits for its turn
        self._turn_due = False
        self._answers = bytearray()  # to PINGs, until they go out together
        self._is_client = client
        self._on_connection_change = on_change
        self._max_unsent = max_unsent
        self._ws = WSConnection(ConnectionType.CLIENT if client else ConnectionType.SERVER)
        self._frames = FrameProtocol(client, [])
        self._transport: asyncio.Transport | None = None
        self._unread_size = 0
        self._close_sent = False
        self._writing_paused = self._reading_paused = self._discarding = False
        self._heard = False
        self._writers = Waiters()

    # Reading

    def read_nowait(self) -> bytes:
        """Return the bytes that have come, and take more from the socket again."""
        data = super().read_nowait()
        self._unread_size = 0
        if self._reading_paused:
            self._reading_paused = False
            self._resume_reading()
        return data

    def _resume_reading(self) -> None:
        if self._transport is not None and not (self._reading_paused or self._turn_due):
            self._transport.resume_reading()

    # Writing

    def write(self, data: bytes) -> None:
        """Send a binary message."""
        self.check()
        if self._close_sent or (self._is_client and self.ended):
            raise StreamClosedException("the stream was ended: it takes no more")
        if data:
            self._send(self._frames.send_data(data))

    @property
    def is_full(self) -> bool:
        """Whether more than `max_unsent` bytes are unsent."""
        return self._writing_paused and not (self._is_client and self.ended)

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until no more than `max_unsent` bytes are unsent."""
        self.check()
        while self.is_full:
            await self._writers.wait(timeout, "send")
            self.check()

    def _send(self, data: bytes | bytearray) -> None:
        # asyncio writes a line to the log for each write after the peer has left.
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def abort(self, code: int = CloseReason.GOING_AWAY) -> None:
        """End the stream at once, with a close frame where it is still open."""
        self._send_close(code)
        self.fail(StreamClosedException("the stream was closed on this side"))
        self.drop()

    def _send_close(self, code: int) -> None:
        if not self._close_sent:
            self._close_sent = True
            with suppress(LocalProtocolError):  # no handshake yet, or closed by both
                self._send(self._ws.send(CloseConnection(code=code)))

    def drop(self) -> None:
        """Cut the connection."""
        self._unread.clear()
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(self._max_unsent, self._max_unsent)
        share_buffer(transport)
        self._tell_change()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._rest += data
        if not self._turn_due:
            self._take_turn(self._budget.per_turn, _TURN)

    def _take_turn(self, share: int, size: int) -> None:
        """Take what has come, a piece at a time; what goes beyond cost or size waits."""
        data, self._rest = self._rest, b""
        position = cost = 0
        while position < min(len(data), size) and cost < share:
            cost += self._take(data[position : position + _PIECE])
            position += _PIECE
        answers, self._answers = bytes(self._answers), bytearray()
        self._send(answers)
        if self._transport is None:
            return
        if cost and not self._budget.spend(cost):
            self.give_up(CloseReason.POLICY_VIOLATION, "too many frames that carry nothing")
        elif position < len(data):
            self._rest = data[position:]
            self._turn_due = True
            self._transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._turn_due:
            self._turn_due = False
            self._take_turn(self._budget.per_turn, _TURN)
            self._resume_reading()

    def _take_rest(self) -> None:
        """Take what waits for its turn, as nothing more will come.

        What a client sent that is gone leads nowhere, and may be much.
        """
        if self._turn_due:
            self._turn_due = False
            if self._is_client:
                self._take_turn(sys.maxsize, sys.maxsize)

    def _take(self, data: bytes) -> int:
        """Give bytes to the library; return what their frames cost of the budget."""
        cost = 0
        try:
            self._ws.receive_data(data)
            for event in self._ws.events():
                cost += _cost(event)
                self._dispatch(event)
        except (RemoteProtocolError, UnicodeError) as error:  # the latter of odd headers
            self._refuse_handshake(str(error))
        except LocalProtocolError:
            pass  # bytes after both close frames
        return cost

    def eof_received(self) -> bool:
        self._take_rest()
        self.fail(ConnectionLostException("the peer closed the connection without a close frame"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_rest()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()  # Python 3.10's TLS takes one that the peer closed for unclosed
        self.lost.set_result(None)
        self._writing_paused = False  # nobody waits for room any more
        reason = f"the connection was lost: {exc}" if exc else "the connection was lost"
        self.fail(ConnectionLostException(reason))
        self._tell_change()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._writers.wake()

    def _tell_change(self) -> None:
        if self._on_connection_change is not None:
            self._on_connection_change(self)

    # Events from the peer

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, BytesMessage):
            self._receive(bytes(event.data))
        elif isinstance(event, TextMessage):
            self.give_up(CloseReason.UNSUPPORTED_DATA, "it sent text")
        elif isinstance(event, Ping):
            # One that reads nothing gets no answers: they would pile up.
            if not self._writing_paused and not self._close_sent:
                self._answers += self._ws.send(event.response())
        elif isinstance(event, CloseConnection):
            if self._ws.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
                # No close frame of the peer's: the library tells its fault so.
                self.give_up(event.code, event.reason or "")
            else:
                self._receive_close(event.code, event.reason)
        else:
            self._shake_hands(event)

    def _receive(self, data: bytes) -> None:
        if not data or self._discarding:
            return
        self._unread_size += len(data)
        if (
            self._unread_size > MAX_UNREAD
            and not self._reading_paused
            and self._transport is not None
        ):
            self._reading_paused = True
            self._transport.pause_reading()
        self.feed_data(data)

    def _receive_close(self, code: int, reason: str | None) -> None:
        if code in _CLEAN:
            self._end_input()
        else:
            told = f": {reason}" if reason else ""
            self.fail(
                StreamResetException(
                    f"the peer closed the stream with code {int(code)}{told}", code
                )
            )
        if self._is_client or self.failure is not None:
            self._send_close(CloseReason.NORMAL_CLOSURE)
        if self._close_sent:
            self._finish_closing()

    def _finish_closing(self) -> None:
        """Close the connection, as both close frames have been exchanged."""
        if self._transport is None:
            return
        if self._is_client:
            # Everything is said; TLS's own farewell would be waited for in vain.
            self._transport.abort()
        else:
            self._transport.close()

    def _end_input(self) -> None:
        if self._is_client:
            self._writers.wake()  # what was not sent by now is not wanted
        self.feed_end()

    def give_up(self, code: int, reason: str) -> None:
        """End the connection for the peer's fault."""
        self._send_close(code)
        self.fail(ConnectionLostException(f"the peer broke the WebSocket protocol: {reason}"))
        if self._transport is not None:
            self._transport.close()

    def fail(self, failure: HTTPException) -> None:
        """Take a failure, unless both directions have ended in order."""
        self._writers.wake()
        if self.ended and (self._is_client or self._close_sent):
            self._changed()
        else:
            super().fail(failure)

    # The opening handshake, a role's own

    def _shake_hands(self, event: Event) -> None:
        raise NotImplementedError

    def _refuse_handshake(self, reason: str) -> None:
        raise NotImplementedError


def _cost(event: Event) -> int:
    """Return what a frame costs of the budget."""
    if isinstance(event, BytesMessage):
        return 2 if len(event.data) <= MAX_TINY else 0
    return _PING_COST if isinstance(event, (Ping, Pong)) else 0
