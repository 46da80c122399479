"""WebSocket on the server's side: a connection is an exchange.

The request is a GET with a presigned URL. A refusal is an HTTP answer in place of the
upgrade; the answer of an accepted request has no headers but the request's id. Browsers
hide a refusal from their programs, and AWS's JavaScript SDK ends the process on it in
Node: both are refused by an exception event after the upgrade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, cast

from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    Event,
    RejectConnection,
    RejectData,
    Request,
)
from wsproto.frame_protocol import CloseReason

from ..._net.websocket import WebSocketStream
from ..._protocol.server_session import exception_frame
from ...exceptions import StreamClosedException, TimeoutException
from ..exchange import LINGER_TIMEOUT
from .hooks import ServerHooks, peer_address

UPGRADE_REQUIRED = "This is a Transcribe: it speaks HTTP/2, or WebSocket after an upgrade.\n"
"""What is said to a client of HTTP/1.1 that asks for something else."""


class ServerWebSocket(WebSocketStream):
    """A WebSocket connection of the server's; the request to upgrade begins its exchange."""

    def __init__(self, hooks: ServerHooks) -> None:
        super().__init__(
            client=False,
            on_change=cast("Callable[[WebSocketStream], None]", hooks.on_change),
            allowance=hooks.limits.allowance,
        )
        self._hooks = hooks
        self.client: str = ""
        self.is_leaving: bool = False  # after `reset`
        self._is_refused = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether its request has not come yet."""
        return self._timer is not None

    # For the exchange

    def become_known(self) -> None:
        """Note that its signature was accepted."""
        self._hooks.on_known()

    def accept(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Accept the upgrade."""
        self._send(self._ws.send(AcceptConnection(extra_headers=headers)))

    def refuse(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Refuse the upgrade; `write_refusal` sends the answer's body."""
        self._is_refused = True
        headers.append((b"connection", b"close"))
        answer = RejectConnection(status_code=status, headers=headers, has_body=True)
        self._send(self._ws.send(answer))

    def write_refusal(self, body: bytes) -> None:
        """Send the body of a refused upgrade's answer."""
        if self.failure is None:
            self._send(self._ws.send(RejectData(body, body_finished=True)))

    async def finish(self, sending: float, lingering: float) -> None:
        """Close in order, and discard what the client still sends.

        :param sending: Seconds to wait for the client to take our bytes.
        :param lingering: Seconds to wait for its own end afterwards.
        """
        self._discarding = True
        self.read_nowait()
        if not self._is_refused:
            self._send_close(CloseReason.NORMAL_CLOSURE)
        if self._transport is None:
            return
        # Not 0: asyncio's TLS would count nothing unsent as too much and never go on.
        self._transport.set_write_buffer_limits(high=1, low=0)
        await self.drain(sending)
        if self._transport is not None and (self._is_refused or self.ended):
            self._transport.close()
        await asyncio.wait([self.lost], timeout=lingering)

    def reset(self, code: int) -> None:
        """Send a close code, and leave once the client has read it or its time is over.

        To close at once would discard what is unread here, and with it what the client has
        not read yet (RFC 1122, 4.2.2.13).
        """
        self._discarding = self.is_leaving = True
        self.read_nowait()
        self._send_close(code)
        self.fail(StreamClosedException("the stream was reset on this side"))
        self._timer = self._loop.call_later(LINGER_TIMEOUT, self.drop)

    async def closed(self) -> None:
        """Wait, without reading, until the client has left."""
        unseen = self._hooks.limits.unseen
        try:
            while self.failure is None and not self.ended:
                await self._readers.wait(unseen if self._reading_paused else None, "close")
        except TimeoutException:
            self.drop()

    # For the server

    def close(self) -> None:
        """Close once everything is written."""
        self._send_close(CloseReason.GOING_AWAY)
        if self._transport is not None:
            self._transport.close()

    # The opening handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._hooks.limits.hello, self.drop)
        self.client = peer_address(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._hooks.on_known()
        super().connection_lost(exc)

    def _shake_hands(self, event: Event) -> None:
        if isinstance(event, Request):
            self._stop_timer()
            headers = [
                ("host", event.host),
                *((n.decode("latin-1"), v.decode("latin-1")) for n, v in event.extra_headers),
            ]
            self._hooks.on_exchange(WebSocketExchange(self, event.target, headers))

    def _refuse_handshake(self, reason: str) -> None:
        if self._ws.state is ConnectionState.CONNECTING and self.failure is None:
            answer = RejectConnection(
                status_code=426,
                headers=[
                    (b"upgrade", b"websocket"),
                    (b"connection", b"upgrade, close"),
                    (b"content-type", b"text/plain"),
                    (b"content-length", str(len(UPGRADE_REQUIRED)).encode()),
                ],
                has_body=True,
            )
            self._send(self._ws.send(answer))
            self._send(self._ws.send(RejectData(UPGRADE_REQUIRED.encode(), body_finished=True)))
        if self._transport is not None:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class WebSocketExchange:
    """A WebSocket connection, as the service sees it."""

    method = "GET"

    def __init__(
        self, connection: ServerWebSocket, target: str, headers: Sequence[tuple[str, str]]
    ) -> None:
        self.target = target
        self.headers = headers
        self.client: str = connection.client
        self.read: Final = connection.read
        self.finish: Final = connection.finish
        self.closed: Final = connection.closed
        self.drop: Final = connection.drop
        self._connection = connection
        self._is_refused = False
        self._exception = ""  # the name of a refusal that is sent as an event

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Accept the upgrade with 200, refuse it with anything else."""
        if self.is_over:
            return
        fields = [(name.encode(), value.encode()) for name, value in headers]
        if status != 200 and self._needs_events():
            self._exception = dict(headers).get("x-amzn-errortype", "")
        if status == 200:
            self._connection.become_known()
        if status == 200 or self._exception:
            self._connection.accept([f for f in fields if f[0] == b"x-amzn-request-id"])
        else:
            self._is_refused = True
            self._connection.refuse(status, fields)

    def _needs_events(self) -> bool:
        by_the_javascript_sdk = "x-amz-user-agent=" in self.target.lower()
        return by_the_javascript_sdk or any(name == "origin" for name, _ in self.headers)

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send a message, or the body of a refusal."""
        if self._is_refused:
            self._connection.write_refusal(data)
            return
        if self._exception:
            data = exception_frame(self._exception, data)
        self._connection.write(data)
        if self._connection.is_full:
            await self._connection.drain(timeout)

    @property
    def is_over(self) -> bool:
        """Whether the stream has broken off."""
        return self._connection.failure is not None

    def reset(self, code: int) -> None:
        """End the stream with a close code; an error code of HTTP/2 becomes 1011."""
        close_code = code if code >= 1000 else CloseReason.INTERNAL_ERROR
        self._connection.reset(close_code)

    def go_away(self, code: int, *, graceful: bool) -> None:
        """Say that the server goes away; a connection has no other streams to refuse."""
        if not graceful:
            self._connection.reset(CloseReason.GOING_AWAY)

    def abort(self) -> None:
        """End the stream at once, but for one that was reset."""
        if not self._connection.is_leaving:
            self._connection.abort()
