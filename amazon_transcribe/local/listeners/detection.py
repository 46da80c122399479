"""Which protocol a connection speaks: HTTP/2 and WebSocket share every port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

from ...exceptions import missing_extra

logger = logging.getLogger("amazon_transcribe.local")

# The first bytes of HTTP/2 (RFC 9113, 3.4); no method of HTTP/1.1 begins so.
_PREFACE = b"PRI"

# A connection that has told nothing for so long never will.
HELLO_TIMEOUT = 30.0

_NO_WEBSOCKET = (
    "HTTP/1.1 501 Not Implemented\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
)


class Connection(Protocol):
    """What the server closes in the end."""

    lost: asyncio.Future[None]

    def close(self) -> None: ...

    def abort(self) -> None: ...


class NewConnection(asyncio.Protocol):
    """A connection until it is known what it speaks; then that protocol takes its place.

    TLS tells by ALPN; without it, and without TLS, the first bytes tell.

    :param http2: Makes the protocol for HTTP/2.
    :param websocket: Makes the one for HTTP/1.1, which is WebSocket's beginning.
    :param on_change: Called when the connection is there and when it is gone or taken over.
    """

    def __init__(
        self,
        http2: Callable[[], asyncio.Protocol],
        websocket: Callable[[], asyncio.Protocol],
        on_change: Callable[[NewConnection], None],
    ) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._http2 = http2
        self._websocket = websocket
        self._on_change = on_change
        self._seen = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self.abort)
        self._on_change(self)
        tls = transport.get_extra_info("ssl_object")
        protocol = tls.selected_alpn_protocol() if tls is not None else None
        if protocol == "h2":
            self._become(self._http2)
        elif protocol is not None:
            self._become(self._websocket)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.startswith(_PREFACE):
            self._become(self._http2)
        elif not _PREFACE.startswith(self._seen):
            self._become(self._websocket)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport.close()  # Python 3.10's TLS takes one that the peer closed for unclosed
        self._leave()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _become(self, make: Callable[[], asyncio.Protocol]) -> None:
        try:
            protocol = make()
        except ImportError as error:
            reason = missing_extra("WebSocket", "websocket", error)
            logger.warning("refused a connection: %s", reason)
            self._transport.write(f"{_NO_WEBSOCKET}{reason}\n".encode())
            self._transport.close()
            return
        self._leave()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if self._seen:
            protocol.data_received(self._seen)

    def _leave(self) -> None:
        self._timer.cancel()
        self.lost.set_result(None)
        self._on_change(self)
