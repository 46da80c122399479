"""An HTTP/2 connection on asyncio, in either role, and its streams.

The `h2` library keeps the state of the protocol. What it costs most in, DATA frames, is
written and read here against its windows. Writes are gathered and go out once per turn
of the event loop.

Bounds: a stream is full above `MAX_UNSENT` bytes unsent (`drain` waits), and holds at most
`MAX_UNREAD` bytes unread (then the peer's window is shut). A peer that makes this side
answer, by PING or by requests, and reads nothing loses its connection once
`MAX_UNREAD_ANSWERS` bytes wait for it. Frames that carry nothing have a budget, see
`Allowance`: a peer that exceeds it loses its connection, and one that sends many of them at
once waits for the turns of the others.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, cast

from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import FrameTooLargeError, H2Error, ProtocolError
from h2.settings import SettingCodes
from h2.stream import H2Stream

from ..exceptions import (
    ConnectionLostException,
    HTTPException,
    StreamClosedException,
    StreamException,
    StreamResetException,
    TimeoutException,
)
from .h2_library import H2Connection
from .http2_stream import FRAME_HEADER, Headers, Http2Stream
from .limits import (
    ALLOWANCE,
    MAX_TINY,
    MAX_UNREAD,
    MAX_UNSENT,
    PING_INTERVAL,
    Allowance,
    Budget,
    Turns,
)
from .tls import share_buffer
from .waiting import Waiters

# At DEBUG it would write every header to the log, credentials among them.
if logging.getLogger("hpack").level == logging.NOTSET:
    logging.getLogger("hpack").setLevel(logging.INFO)

_FIRST_WINDOW = 65_535  # until the peer is told otherwise (RFC 9113, 6.9.2)
MAX_UNREAD_ANSWERS = 1024 * 1024
_MAX_WINDOW = 2**31 - 1
_MAX_LAST_WORDS = 200  # bytes of a GOAWAY's text that are kept
_MAX_STREAM_ID = 2**31 - 1
_DATA, _HEADERS, _SETTINGS, _CONTINUATION = 0, 1, 4, 9  # types of frames (RFC 9113, 6)
_PADDED = 8  # a flag of DATA

# What frames cost of the budget by their types, where it is not 1. A stream that is accepted
# gives back what its request costs; what is sent pays for the peer's WINDOW_UPDATEs.
_COSTS = {_HEADERS: 8, 3: 5, _SETTINGS: 5, 6: 5, 7: 5}  # RST_STREAM, PING, GOAWAY
_JUDGED_DATA = 2  # DATA that `h2` judges: of a stream that takes none, most of all
_EARNED_BY_STREAM = 16
_BYTES_FOR_WINDOW_UPDATE = 64
_MAX_HEADERS = 64 * 1024  # bytes of a header block, and of the headers in it
_FREE_HEADERS = 4 * 1024  # of a request's headers, by the measure of RFC 9113, 10.5.1
_BYTES_OF_HEADERS = 64  # that cost 1 beyond
_FIELD_OVERHEAD = 32  # of that measure
_BYTES_OF_TURN = 16  # of header blocks, of a byte a field at worst, that take 1 of a turn
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # a client's first bytes

_EVERY_PEER = 16 * 1024  # bytes that every peer takes in a frame (RFC 9113, 6.5.2)

# What a stream sends at most before the others of its connection have their turn.
_SHARE = 64 * 1024

# What is written to the transport at a time. More leaves the processor's cache before TLS
# is done with it: pieces of 1 MiB cost 3 µs more for each event of 3.2 KB.
_PIECE = 128 * 1024


class Http2Connection(asyncio.Protocol):
    """A connection in either role.

    :param client: True in the client's role.
    :param on_request: In the server's role: called with each new stream and its headers.
    :param on_change: Called when the connection may take more streams, has fewer, or is
        gone.
    :param max_unsent: Bytes of one stream that may be unsent before `drain` waits.
    :param max_streams: How many streams the peer may have open at a time.
    :param max_unread_answers: Bytes of answers that the peer asks for and does not read,
        until it loses the connection.
    :param allowance: What the peer's frames that carry nothing may cost.
    :param turns: What the connection shares a turn of the loop with; None for one of its own.
    :param clock: Gives the present in seconds, for the allowance; the loop's by default.
    :param ping_interval: Seconds between two questions for a sign of life, asked while
        streams are open. A connection that gives none for a whole interval is dead.
    """

    # More than 30 attributes share no keys between instances: a dict of them takes 1.5 KiB.
    __slots__ = (
        "_blocked",
        "_budget",
        "_changed",
        "_credit",
        "_debtor",
        "_flush_due",
        "_h2",
        "_h2_has_answers",
        "_header_block",
        "_heard",
        "_heard_ever",
        "_last_code",
        "_last_stream_id",
        "_loop",
        "_max_unread_answers",
        "_on_change",
        "_on_request",
        "_partial",
        "_paused",
        "_ping_interval",
        "_pinger",
        "_pongs",
        "_preface",
        "_transport",
        "_turn_due",
        "_turns",
        "_unflushed",
        "_unread_answers",
        "draining",
        "is_client",
        "last_words",
        "lost",
        "max_unsent",
        "ready",
        "streams",
    )

    def __init__(
        self,
        *,
        client: bool,
        on_request: Callable[[Http2Stream, Headers], None] | None = None,
        on_change: Callable[[Http2Connection], None] | None = None,
        max_unsent: int = MAX_UNSENT,
        max_streams: int = 1000,
        max_unread_answers: int = MAX_UNREAD_ANSWERS,
        allowance: Allowance = ALLOWANCE,
        turns: Turns | None = None,
        clock: Callable[[], float] | None = None,
        ping_interval: float = PING_INTERVAL,
    ) -> None:
        self.is_client: bool = client
        self.max_unsent: int = max_unsent
        self._max_unread_answers = max_unread_answers
        self._ping_interval = ping_interval
        self.streams: dict[int, Http2Stream] = {}
        self.draining: bool = False
        self.last_words: str = ""  # what the peer said with GOAWAY
        self._last_code = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._budget = Budget(allowance, clock or self._loop.time)
        self._turns = turns
        self._on_request = on_request
        self._on_change = on_change
        self._h2 = H2Connection(
            H2Configuration(client_side=client, header_encoding=None),
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MAX_HEADERS,
                **(
                    {SettingCodes.ENABLE_PUSH: 0, SettingCodes.INITIAL_WINDOW_SIZE: MAX_UNREAD}
                    if client
                    else {}
                ),
            },
        )
        self._last_stream_id = _MAX_STREAM_ID  # until GOAWAY is sent
        self._transport: asyncio.Transport | None = None
        self._unflushed: dict[int, Http2Stream] = {}  # have something to send
        self._blocked: dict[int, Http2Stream] = {}  # wait for the peer's window
        self._flush_due = False
        self._credit = 0  # bytes that are lent to the only stream
        self._debtor: H2Stream | None = None  # its windows
        self._changed = False
        self._paused = False
        self._unread_answers = 0
        self._partial = b""  # of a frame that has not come whole, or waits for its turn
        self._turn_due = False
        self._h2_has_answers = False  # maybe, to frames of this turn
        self._header_block = 0  # bytes of the one that is coming
        self._preface = 0 if client else len(_PREFACE)
        self._heard = self._heard_ever = False
        self._pinger: asyncio.TimerHandle | None = None
        self._pongs = Waiters()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        share_buffer(transport)
        self._h2.initiate_connection()
        # Each stream has its own bound; the connection's window adds none.
        self._h2.increment_flow_control_window(_MAX_WINDOW - _FIRST_WINDOW)
        self._flush()
        self._tell_change()

    def data_received(self, data: bytes) -> None:
        # A server's first frame is SETTINGS (RFC 9113, 3.4).
        if self.is_client and not self._heard_ever and data[3:4] not in (bytes([_SETTINGS]), b""):
            # `h2` would take HTTP/1.1's first bytes for a long frame and wait for its end.
            is_tls = data[:1] in (b"\x15", b"\x16")  # an alert or a handshake
            self._give_up("the peer speaks TLS" if is_tls else "the peer does not speak HTTP/2")
            return
        self._heard = self._heard_ever = True
        if self._turn_due:
            self._partial += data
        elif self._turns is not None and self._turns.is_over:
            self._partial += data
            self._wait_for_turn()
        else:
            self._take_turn(self._partial + data, self._budget.per_turn)

    def eof_received(self) -> bool:
        self._take_rest()
        self._fail_all("the peer closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_rest()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()  # Python 3.10's TLS takes one that the peer closed for unclosed
        self.lost.set_result(None)
        self._fail_all(f"the connection was lost: {exc}" if exc else "the connection was lost")

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._unread_answers = 0
        self._flush()

    # Streams

    def request(self, headers: Headers) -> Http2Stream:
        """Open a stream with these headers, pseudo-headers first."""
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, list(headers))
        except H2Error as error:
            raise HTTPException(f"the request cannot be sent: {error}") from error
        self._budget.earned += _EARNED_BY_STREAM  # the answer is wanted
        if stream_id == _MAX_STREAM_ID:
            self.draining = True  # no other can be opened (RFC 9113, 5.1.1)
        stream = self.streams[stream_id] = Http2Stream(self, stream_id)
        self._flush_soon()
        self._watch()
        return stream

    def respond(self, stream: Http2Stream, headers: Headers, *, accepted: bool) -> None:
        """Send the answer's headers, the status first.

        :param accepted: Whether the request is worth its cost.
        """
        if accepted:
            self._budget.earned += _EARNED_BY_STREAM
        state = self._h2.streams.get(stream.id)
        # An eager task may answer a request of which `h2` knows already that it was taken back.
        if stream.failure is None and state is not None and not state.closed:
            self._h2.send_headers(stream.id, list(headers))
            self._flush_soon()

    def leave_turns(self) -> None:
        """Have turns of its own from now on."""
        self._turns = None

    @property
    def capacity(self) -> int:
        """How many streams the peer lets this side open now."""
        if self.draining or self._transport is None:
            return 0
        return self._h2.remote_settings.max_concurrent_streams - len(self.streams)

    def send_soon(self, stream: Http2Stream) -> None:
        """Send what a stream has to send, at the end of the loop's turn."""
        self._unflushed[stream.id] = stream
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def give_back(self, stream: Http2Stream, size: int) -> None:
        """Let the peer send as much again as was read."""
        with suppress(H2Error):  # the connection is gone, and its window with it
            self._h2.acknowledge_received_data(size, stream.id)
            if self._transport is not None:
                self._flush_soon()

    def reset(self, stream: Http2Stream, code: int) -> None:
        if stream.id in self.streams:
            with suppress(H2Error):  # ended on its own in this very turn
                self._h2.reset_stream(stream.id, code)
            self._forget(stream)
            self._flush_soon()

    # The end

    def close(self) -> None:
        """Say GOAWAY and close once everything is written; open streams fail."""
        transport = self._transport
        if transport is None:
            return
        self._fail_all("the connection was closed on this side", StreamClosedException)
        with suppress(H2Error):  # never got as far as a connection
            self._h2.close_connection()
        self._flush()
        transport.close()

    def abort(self) -> None:
        """Close at once, whether or not the peer reads."""
        self.draining = True
        if self._transport is not None:
            self._transport.abort()

    def retire(self) -> None:
        """Say GOAWAY and close at once: for a connection on which nothing is under way."""
        with suppress(H2Error):
            self._h2.close_connection()
        self._flush()
        self.abort()

    def go_away(self, code: int, last_stream_id: int) -> None:
        """Say GOAWAY and keep the connection, but no stream above the last one.

        The peer sends those again elsewhere: none may be served twice.
        """
        if self._transport is not None and not self._transport.is_closing():
            self._flush()
            frame = b"\x00\x00\x08\x07" + bytes(5)  # GOAWAY (RFC 9113, 6.8)
            last = last_stream_id.to_bytes(4, "big")
            self._transport.write(frame + last + code.to_bytes(4, "big"))
        self._last_stream_id = last_stream_id
        for stream in [s for s in self.streams.values() if s.id > last_stream_id]:
            stream.fail(StreamResetException("the stream was refused with GOAWAY", code))
            self._forget(stream)

    def flush(self) -> None:
        """Write now what the peer's windows allow, not at the end of the loop's turn."""
        self._flush()

    async def is_alive(self, timeout: float) -> bool:
        """Ask the peer for a sign of life.

        :param timeout: Seconds to wait for it.
        """
        if self.draining or self._transport is None:
            return False
        self._h2.ping(b"alive?\x00\x01")
        self._flush()
        try:
            await self._pongs.wait(timeout, "ping")
        except TimeoutException:
            return False
        return not self.draining

    @property
    def tls(self) -> ssl.SSLObject | ssl.SSLSocket | None:
        """What TLS has agreed on; None without TLS, and once the connection is lost."""
        return None if self._transport is None else self._transport.get_extra_info("ssl_object")

    def _give_up(self, reason: str) -> None:
        """End the connection for the peer's fault; `h2` has the GOAWAY ready."""
        self._flush()
        self._not_ready(HTTPException(reason))
        self._fail_all(reason)
        if self._transport is not None:
            self._transport.close()

    def _lost(self, reason: str) -> ConnectionLostException:
        return ConnectionLostException(reason + self.last_words, self._last_code)

    def _fail_all(self, reason: str, kind: Callable[[str], StreamException] | None = None) -> None:
        kind = kind or self._lost
        self.draining = True
        if self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None
        streams, self.streams = list(self.streams.values()), {}
        self._unflushed.clear()
        self._blocked.clear()
        self._pongs.wake()
        for stream in streams:
            stream.fail(kind(reason))  # its own: the client writes the stream's ids on it
        self._not_ready(self._lost(reason))
        self._tell_change()

    def _not_ready(self, error: HTTPException) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # seen: whoever waits gets it, no one else must

    def _tell_change(self) -> None:
        self._changed = False
        if self._on_change is not None:
            self._on_change(self)

    def _forget(self, stream: Http2Stream) -> None:
        self.streams.pop(stream.id, None)
        self._unflushed.pop(stream.id, None)
        self._blocked.pop(stream.id, None)
        self._changed = True
        self._flush_soon()

    # Events from the peer

    def _take_turn(self, data: bytes, share: int) -> None:
        """Take plain DATA frames and give `h2` all others, whole and in their order.

        :param data: What came and was not taken yet.
        :param share: What frames may cost now; the rest waits for the loop's next turn.
        """
        if len(data) < self._preface:
            self._partial = data
            return
        begin, position, cost, headers = 0, self._preface, 0, 0
        try:
            while position + 9 <= len(data) and cost + headers // _BYTES_OF_TURN < share:
                head, flags, stream_id = FRAME_HEADER.unpack_from(data, position)
                size = head >> 8
                end = position + 9 + size
                if size > self._h2.max_inbound_frame_size:
                    if begin < position:
                        self._give_h2(data[begin:position])
                    self._h2.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
                    raise FrameTooLargeError(f"a frame of {size:,} bytes")
                if end > len(data):
                    break
                # DATA, unpadded and not the last
                if size > MAX_TINY and not (head & 0xFF or flags):
                    if begin < position:
                        self._give_h2(data[begin:position])
                        begin = position
                    stream = self.streams.get(stream_id)
                    if (
                        stream is not None
                        and not stream.ended
                        and self._h2.take_data(stream_id, size)
                    ):
                        stream.to_give_back += size
                        stream.feed_data(data[position + 9 : end])
                        begin = end
                    else:
                        cost += _JUDGED_DATA
                else:
                    kind = head & 0xFF
                    cost += self._cost(kind, flags, size)
                    if kind in (_HEADERS, _CONTINUATION):
                        headers += size
                position = end
            if begin < position:
                self._give_h2(data[begin:position])
            self._partial = data[position:]
            if cost:
                if self._turns is not None:
                    self._turns.take(cost + headers // _BYTES_OF_TURN)
                self._spend(cost)
                if cost + headers // _BYTES_OF_TURN >= share:
                    self._wait_for_turn()
        except H2Error as error:
            self._partial = b""
            self._turn_due = False
            self._give_up(f"the peer broke the HTTP/2 protocol: {error}")
            return
        if self._h2_has_answers:
            self._h2_has_answers = False
            self._flush(answering=True)

    def _cost(self, kind: int, flags: int, size: int) -> int:
        """Return what a frame costs of the budget."""
        if kind == _DATA:
            return 2 if size <= MAX_TINY or flags & _PADDED else 0
        if kind in (_HEADERS, _CONTINUATION):
            self._header_block = size + (self._header_block if kind == _CONTINUATION else 0)
            if self._header_block > _MAX_HEADERS:
                self._lose_patience(f"headers of more than {_MAX_HEADERS:,} bytes")
        elif kind == _SETTINGS:
            return _COSTS[_SETTINGS] + size // 6
        return _COSTS.get(kind, 1)

    def _spend(self, cost: int) -> None:
        if not self._budget.spend(cost):
            self._lose_patience("too many frames that carry nothing")

    def _lose_patience(self, reason: str) -> None:
        self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        raise ProtocolError(reason)

    def _wait_for_turn(self) -> None:
        """Go on with what has come once the loop's other connections had their turn."""
        if self._transport is not None:
            self._turn_due = True
            self._transport.pause_reading()
            wait = self._loop.call_soon if self._turns is None else self._turns.wait
            wait(self._go_on)

    def _go_on(self) -> None:
        if self._turn_due and self._transport is not None:
            self._turn_due = False
            self._take_turn(self._partial, self._budget.per_turn)
            if not self._turn_due:
                self._transport.resume_reading()

    def _take_rest(self) -> None:
        """Take what waits for its turn, as nothing more will come.

        What a client sent that is gone leads nowhere, and may be much.
        """
        if self._turn_due:
            self._turn_due = False
            if self.is_client:
                self._take_turn(self._partial, sys.maxsize)

    def _give_h2(self, data: bytes) -> None:
        self._preface = 0
        self._h2_has_answers = True
        if self._debtor is not None:
            self._settle()
        for event in self._h2.receive_data(data):
            handle = self._HANDLERS.get(type(event))
            if handle is not None:
                handle(self, event)

    def _on_data(self, event: DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None:  # reset by us while the bytes were under way
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif event.data:
            stream.to_give_back += event.flow_controlled_length
            stream.feed_data(event.data)
        else:  # nothing, or padding alone: no end (RFC 9113, 6.1)
            self.give_back(stream, event.flow_controlled_length)

    def _on_window(self, event: WindowUpdated) -> None:
        self._unblock(event.stream_id)

    def _on_new_request(self, event: RequestReceived) -> None:
        if event.stream_id > self._last_stream_id:
            return
        size = sum(len(n) + len(v) + _FIELD_OVERHEAD for n, v in event.headers)
        excess = size - _FREE_HEADERS
        if excess > 0:
            self._spend(excess // _BYTES_OF_HEADERS)
        stream = self.streams[event.stream_id] = Http2Stream(self, event.stream_id)
        self._open_window(stream)
        if self._on_request is not None:
            self._on_request(stream, _decoded(event.headers))

    def _on_response(self, event: ResponseReceived) -> None:
        if stream := self.streams.get(event.stream_id):
            stream.receive_headers(_decoded(event.headers))

    def _on_end(self, event: StreamEnded) -> None:
        if stream := self.streams.get(event.stream_id):
            stream.receive_end()
            if stream.done:
                self._forget(stream)
            elif self.is_client:
                stream.end()

    def _on_reset(self, event: StreamReset) -> None:
        if stream := self.streams.get(event.stream_id):
            if not (stream.ended and event.error_code == ErrorCodes.NO_ERROR):
                stream.fail(_reset(event.error_code))
            if self.is_client and event.error_code == ErrorCodes.REFUSED_STREAM:
                self.draining = True  # the next stream is better off elsewhere
            self._forget(stream)

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
        self._unblock(0)
        self._changed = True

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        """Open no more streams; those that the peer has seen may finish."""
        self.draining = True
        last = event.last_stream_id or 0
        code = event.error_code or ErrorCodes.NO_ERROR
        text = (event.additional_data or b"")[:_MAX_LAST_WORDS].decode("utf-8", "replace")
        if code or text:
            self._last_code = int(code)
            self.last_words = f" after GOAWAY with {_name(code)}" + (f": {text!r}" if text else "")
        for stream in [s for s in self.streams.values() if self.is_client and s.id > last]:
            stream.fail(
                StreamResetException(
                    f"the peer refused the stream{self.last_words or ' with GOAWAY'}",
                    int(code or ErrorCodes.REFUSED_STREAM),
                    unprocessed=True,
                )
            )
            self._forget(stream)
        self._changed = True

    def _on_pong(self, event: PingAckReceived) -> None:
        self._pongs.wake()

    _HANDLERS: ClassVar[Mapping[type[Event], Callable[[Any, Any], None]]] = {
        DataReceived: _on_data,
        WindowUpdated: _on_window,
        RequestReceived: _on_new_request,
        ResponseReceived: _on_response,
        StreamEnded: _on_end,
        StreamReset: _on_reset,
        RemoteSettingsChanged: _on_settings,
        ConnectionTerminated: _on_goaway,
        PingAckReceived: _on_pong,
    }

    def _open_window(self, stream: Http2Stream) -> None:
        """Let the client send `MAX_UNREAD` bytes.

        Not by SETTINGS: where these come after awscrt has used up the first window, it
        never goes on, for it waits for a WINDOW_UPDATE.
        """
        with suppress(H2Error, KeyError):  # reset by the client in this very turn
            self._h2.increment_flow_control_window(MAX_UNREAD - _FIRST_WINDOW, stream.id)

    # Writing

    def _unblock(self, stream_id: int | None) -> None:
        """Let the stream whose window has opened send again, or with 0 all streams.

        The flush behind this turn's frames sends it.
        """
        if not stream_id:
            if self._blocked:
                # Those that were not served when it closed come first.
                self._blocked.update(self._unflushed)
                self._unflushed, self._blocked = self._blocked, {}
        elif stream := self._blocked.pop(stream_id, None):
            self._unflushed[stream_id] = stream

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self, answering: bool = False) -> None:
        self._flush_due = False
        transport = self._transport
        if transport is None:
            return
        h2 = self._h2
        if (
            self._credit
            and len(self._unflushed) == 1
            and not (h2._data_to_send or self._paused or self._changed or self.draining)
        ):
            (stream,) = self._unflushed.values()
            if frame := stream.take_frame(min(self._credit, _EVERY_PEER)):
                self._credit -= len(frame) - FRAME_HEADER.size
                self._unflushed.clear()
                transport.write(frame)
                return
        if self._debtor is not None:
            self._settle()
        out: list[bytes | memoryview] = [h2.data_to_send()]
        if self._paused and (answering or not self.is_client):
            self._unread_answers += len(out[0])
            if self._unread_answers > self._max_unread_answers:
                self._fail_all("the peer reads none of the answers that it asks for")
                self.abort()
                return
        if self._unflushed and not self._paused:
            ended, sent, written = False, 0, 0
            queue = list(self._unflushed.values())
            for stream in queue:  # grows while it is gone through
                if sent - written >= _PIECE and not transport.is_closing():
                    transport.write(b"".join(out))
                    out.clear()
                    written = sent
                    if self._paused:
                        break
                state = h2.streams.get(stream.id)
                if state is None:
                    del self._unflushed[stream.id]  # closed in this very turn
                    continue
                window = min(
                    h2.outbound_flow_control_window, state.outbound_flow_control_window, _SHARE
                )
                taken = 0
                if window > 0:
                    taken = stream.fill(out, window, h2.max_outbound_frame_size)
                    h2.outbound_flow_control_window -= taken
                    state.outbound_flow_control_window -= taken
                    sent += taken
                if stream.outbox:
                    if taken:
                        # Behind the others, or it would starve them.
                        queue.append(stream)
                        self._unflushed[stream.id] = self._unflushed.pop(stream.id)
                        continue
                    self._blocked[stream.id] = stream
                elif stream.end_due:
                    ended = True
                    self._end(stream)
                del self._unflushed[stream.id]
            if ended:
                out.append(h2.data_to_send())
            self._budget.earned += sent // _BYTES_FOR_WINDOW_UPDATE
        data = b"".join(out)
        # asyncio writes a line to the log for each write to a transport that is closing.
        if data and not (self.draining and transport.is_closing()):
            transport.write(data)
        if self._changed:
            self._tell_change()
        elif self.is_client and len(self.streams) == 1 and not self._blocked:
            self._lend()

    def _lend(self) -> None:
        """Take out of the windows what the only stream may send until they are looked at again.

        For each event of paced audio they would cost a twentieth of all its time.
        """
        h2 = self._h2
        (stream_id,) = self.streams
        state = self._debtor = h2.streams.get(stream_id)
        if state is not None:
            windows = h2.outbound_flow_control_window, state.outbound_flow_control_window
            credit = self._credit = max(0, min(*windows, _SHARE))
            h2.outbound_flow_control_window -= credit
            state.outbound_flow_control_window -= credit
            self._budget.earned += credit // _BYTES_FOR_WINDOW_UPDATE

    def _settle(self) -> None:
        """Put back into the windows what was lent and not sent, before anybody looks at them."""
        assert self._debtor is not None
        self._h2.outbound_flow_control_window += self._credit
        self._debtor.outbound_flow_control_window += self._credit
        self._budget.earned -= self._credit // _BYTES_FOR_WINDOW_UPDATE
        self._debtor, self._credit = None, 0

    def _end(self, stream: Http2Stream) -> None:
        with suppress(H2Error):  # reset by the peer in this very turn
            self._h2.end_stream(stream.id)
        stream.end_was_sent()
        if stream.done:
            self.streams.pop(stream.id, None)
            self._changed = True

    # Signs of life

    def _watch(self) -> None:
        if self._pinger is None:
            self._heard = True
            self._pinger = self._loop.call_later(self._ping_interval, self._ping)

    def _ping(self) -> None:
        self._pinger = None
        if not self.streams:
            return
        if not self._heard:
            self._fail_all(f"the peer gave no sign of life for {self._ping_interval:g} s")
            self.abort()
            return
        self._heard = False
        self._h2.ping(b"alive?\x00\x00")
        self._flush()
        self._pinger = self._loop.call_later(self._ping_interval, self._ping)


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _name(code: ErrorCodes | int) -> str:
    return code.name if isinstance(code, ErrorCodes) else str(code)


def _reset(code: ErrorCodes | int) -> StreamResetException:
    return StreamResetException(
        f"the peer reset the stream with {_name(code)}",
        int(code),
        unprocessed=code == ErrorCodes.REFUSED_STREAM,
    )
