"""The client's end of a WebSocket connection: the upgrade and its answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from wsproto import events
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, Event, Ping, RejectConnection, RejectData

from .._net.limits import PING_INTERVAL
from .._net.websocket import WebSocketStream
from ..exceptions import ConnectException, ConnectionLostException, HTTPException
from .base import Request


class ClientStream(WebSocketStream):
    """One stream; sends its upgrade request as soon as the connection is there."""

    def __init__(
        self,
        request: Request,
        *,
        on_change: Callable[[ClientStream], None],
        max_unsent: int,
        ping_interval: float = PING_INTERVAL,
    ) -> None:
        super().__init__(
            client=True,
            on_change=cast("Callable[[WebSocketStream], None]", on_change),
            max_unsent=max_unsent,
        )
        self._request = request
        self._ping_interval = ping_interval
        self._pinger: asyncio.TimerHandle | None = None

    @property
    def tls(self) -> ssl.SSLObject | ssl.SSLSocket | None:
        """What TLS has agreed on; None without TLS, before an answer and once it is over."""
        if self._answer is None or self._transport is None:
            return None
        tls: ssl.SSLObject | ssl.SSLSocket | None = self._transport.get_extra_info("ssl_object")
        return tls

    def end(self) -> None:
        """Do nothing: the signed empty message has already said that the input ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        headers = [
            (name.encode("ascii"), value.encode("latin-1"))
            for name, value in self._request.headers
            if name != "host"
        ]
        origin, target = self._request.origin, self._request.target
        self._send(self._ws.send(events.Request(origin.authority, target, extra_headers=headers)))
        self._heard = True
        self._ping_later()

    def eof_received(self) -> bool:
        if self._ws.state is ConnectionState.REJECTING:
            self.data_received(b"")  # the end of a refusal's body without a length
        elif self._answer is None:
            hint = self._request.origin.tls_hint
            self.fail(
                ConnectionLostException(f"the peer closed the connection before it answered{hint}")
            )
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None
        super().connection_lost(exc)

    def _shake_hands(self, event: Event) -> None:
        if isinstance(event, AcceptConnection):
            self._take_answer(200, event.extra_headers)
        elif isinstance(event, RejectConnection):
            if event.status_code // 100 == 2:
                self._refuse_handshake(f"HTTP {event.status_code}")
                return
            self._take_answer(event.status_code, event.headers)
            if not event.has_body:
                self._end_refusal()
        elif isinstance(event, RejectData):
            self._receive(event.data)
            if event.body_finished:
                self._end_refusal()

    def _take_answer(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.feed_answer(
            status,
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers},
        )
        self._tell_change()

    def _end_refusal(self) -> None:
        self._end_input()
        self._finish_closing()

    def _refuse_handshake(self, reason: str) -> None:
        origin = self._request.origin
        where = f"{origin.host}:{origin.port}"
        failure: HTTPException = ConnectException(
            f"{where} does not speak WebSocket: {reason}{origin.tls_hint}"
        )
        if self._answer is not None:  # a refusal whose body broke off
            failure = ConnectionLostException("the answer to the upgrade broke off")
        self.fail(failure)
        self.drop()

    def _ping(self) -> None:
        """Ask for a sign of life, as long as what comes is read."""
        if not self._heard and not self._reading_paused:
            self.fail(
                ConnectionLostException(
                    f"the peer gave no sign of life for {self._ping_interval:g} s"
                )
            )
            self.drop()
            return
        self._heard = False
        if self._ws.state is ConnectionState.OPEN:
            self._send(self._ws.send(Ping(b"alive?")))
        self._ping_later()

    def _ping_later(self) -> None:
        self._pinger = self.lost.get_loop().call_later(self._ping_interval, self._ping)
