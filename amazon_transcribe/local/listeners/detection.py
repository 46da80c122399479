"""Which protocol a connection speaks: HTTP/2 and WebSocket share every port."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from ...exceptions import missing_extra
from ...observe import package_logger
from .hooks import ServerHooks
from .http2 import ServerHttp2Connection

logger: logging.Logger = package_logger("amazon_transcribe.local")

# The first bytes of HTTP/2 (RFC 9113, 3.4); no method of HTTP/1.1 begins with them.
_PREFACE = b"PRI"

_NO_WEBSOCKET = (
    "HTTP/1.1 501 Not Implemented\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
)


class NewConnection(asyncio.Protocol):
    """A connection until its protocol is known; then that protocol takes its place.

    With TLS, ALPN names the protocol. Without ALPN, and without TLS, the first bytes show it.
    """

    def __init__(self, hooks: ServerHooks) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hooks = hooks
        self._seen = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._hooks.limits.hello, self.abort)
        self._hooks.on_change(self)
        tls = transport.get_extra_info("ssl_object")
        protocol = tls.selected_alpn_protocol() if tls is not None else None
        if protocol == "h2":
            self._become_http2()
        elif protocol is not None:
            self._become_websocket()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.startswith(_PREFACE):
            self._become_http2()
        elif not _PREFACE.startswith(self._seen):
            self._become_websocket()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.close()  # Python 3.10's TLS takes one that the peer closed for unclosed
        self._leave()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _become_http2(self) -> None:
        self._become(ServerHttp2Connection(self._hooks))

    def _become_websocket(self) -> None:
        try:  # imported here, as WebSocket needs wsproto and the server does not
            from .websocket import ServerWebSocket
        except ImportError as error:
            reason = missing_extra("WebSocket", "websocket", error)
            logger.warning("refused a connection: %s", reason)
            self._transport.write(f"{_NO_WEBSOCKET}{reason}\n".encode())
            self._transport.close()
            return
        self._become(ServerWebSocket(self._hooks))

    def _become(self, protocol: asyncio.Protocol) -> None:
        self._leave()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._seen:
            protocol.data_received(self._seen)

    def _leave(self) -> None:
        self._timer.cancel()
        self.lost.set_result(None)
        self._hooks.on_change(self)
