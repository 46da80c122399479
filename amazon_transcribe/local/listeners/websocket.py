"""WebSocket on the server's side: a connection is an exchange.

The request is a GET with a presigned URL. A refusal is an HTTP answer in place of the
upgrade; the answer of an accepted request has no headers but the request's id. Browsers
hide a refusal from their programs, and AWS's JavaScript SDK ends the process on it in
Node: both are refused by an exception event after the upgrade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

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
from ...exceptions import TimeoutException
from .hooks import ServerHooks

_UPGRADE_REQUIRED = b"This is a Transcribe: it speaks HTTP/2, or WebSocket after an upgrade.\n"


class WebSocketExchange(WebSocketStream):
    """A WebSocket connection, as the service sees it; the request to upgrade begins it."""

    method = "GET"

    def __init__(self, hooks: ServerHooks) -> None:
        super().__init__(
            client=False, on_change=cast("Callable[[WebSocketStream], None]", hooks.on_change)
        )
        self.target = ""
        self.headers: Sequence[tuple[str, str]] = ()
        self._hooks = hooks
        self._refused = False
        self._exception = ""  # the name of a refusal that is sent as an event
        self._timer: asyncio.TimerHandle | None = None

    # What the service calls

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Accept the upgrade with 200, refuse it with anything else."""
        if self.failure is not None:
            return
        fields = [(name.encode(), value.encode()) for name, value in headers]
        if status != 200 and self._needs_events():
            self._exception = dict(headers).get("x-amzn-errortype", "")
        if status == 200 or self._exception:
            request_id = [field for field in fields if field[0] == b"x-amzn-request-id"]
            self._send(self._ws.send(AcceptConnection(extra_headers=request_id)))
        else:
            self._refused = True
            fields.append((b"connection", b"close"))
            answer = RejectConnection(status_code=status, headers=fields, has_body=True)
            self._send(self._ws.send(answer))

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send a message, or the body of a refusal."""
        if self._exception:
            data = exception_frame(self._exception, data)
        if not self._refused:
            await super().write(data, timeout)
        elif self.failure is None:
            self._send(self._ws.send(RejectData(data, body_finished=True)))

    async def finish(self, sending: float, lingering: float) -> None:
        """Close in order, and discard what the client still sends.

        :param sending: Seconds to wait for the client to take our bytes.
        :param lingering: Seconds to wait for its own end afterwards.
        """
        self._discarding = True
        self.read_nowait()
        if not self._refused:
            self._send_close(CloseReason.NORMAL_CLOSURE)
        if self._transport is None:
            return
        # Not 0: asyncio's TLS would count nothing unsent as too much and never go on.
        self._transport.set_write_buffer_limits(high=1, low=0)
        await self._written(sending)
        if self._transport is not None and (self._refused or self._input_ended):
            self._transport.close()
        await asyncio.wait([self.lost], timeout=lingering)

    async def closed(self) -> None:
        """Wait, without reading, until the client has left."""
        unseen = self._hooks.timeouts.unseen
        try:
            while self.failure is None and not self._input_ended:
                await self._readers.wait(unseen if self._reading_paused else None, "close")
        except TimeoutException:
            self._drop()

    @property
    def is_over(self) -> bool:
        return self.failure is not None

    def reset(self, code: int) -> None:
        """End the stream with a close code; an error code of HTTP/2 becomes 1011."""
        self._give_up(code if code >= 1000 else CloseReason.INTERNAL_ERROR, "told to reset")

    def drop(self) -> None:
        """Cut the connection, after what was written."""
        self._drop()

    def go_away(self, code: int, *, graceful: bool) -> None:
        """Say that the server goes away; a connection has no other streams to refuse."""
        if not graceful:
            self._give_up(CloseReason.GOING_AWAY, "told to go away")

    def _needs_events(self) -> bool:
        by_the_javascript_sdk = "x-amz-user-agent=" in self.target.lower()
        return by_the_javascript_sdk or any(name == "origin" for name, _ in self.headers)

    # What the server calls

    def close(self) -> None:
        """Close once everything is written."""
        self._send_close(CloseReason.GOING_AWAY)
        if self._transport is not None:
            self._transport.close()

    # The opening handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._hooks.timeouts.hello, self._drop)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(error)

    def _shake_hands(self, event: Event) -> None:
        if isinstance(event, Request):
            self._stop_timer()
            self.target = event.target
            self.headers = [
                ("host", event.host),
                *((n.decode("latin-1"), v.decode("latin-1")) for n, v in event.extra_headers),
            ]
            self._hooks.on_exchange(self)

    def _refuse_handshake(self, reason: str) -> None:
        if self._ws.state is ConnectionState.CONNECTING and self.failure is None:
            answer = RejectConnection(
                status_code=426,
                headers=[
                    (b"upgrade", b"websocket"),
                    (b"connection", b"upgrade, close"),
                    (b"content-type", b"text/plain"),
                    (b"content-length", str(len(_UPGRADE_REQUIRED)).encode()),
                ],
                has_body=True,
            )
            self._send(self._ws.send(answer))
            self._send(self._ws.send(RejectData(_UPGRADE_REQUIRED, body_finished=True)))
        if self._transport is not None:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
