"""Which protocol a connection speaks: HTTP/2 and HTTP/1.1 share every port."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from functools import partial

from ..._net.tls import share_buffer_early
from ...exceptions import missing_extra
from ..log import logger
from .arrivals import Arrivals
from .hooks import ServerHooks
from .http2 import ServerHttp2Connection
from .stage import Stage

# The first bytes of HTTP/2 (RFC 9113, 3.4); no method of HTTP/1.1 begins with them.
_PREFACE = b"PRI"

_NO_HTTP1 = "HTTP/1.1 501 Not Implemented\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"


class NewConnection(Stage):
    """A connection until its protocol is known; then that protocol takes its place.

    With TLS, ALPN names the protocol. Without ALPN, and without TLS, the first bytes show it.

    :param arrivals: Where it is noted until it has proved itself.
    :param context: For TLS, unless the transport has it already.
    """

    def __init__(
        self, hooks: ServerHooks, arrivals: Arrivals, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(hooks)
        self._arrivals = arrivals
        self._context = context
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._arrivals.add(self._transport)
        self._hooks = replace(
            self._hooks,
            on_known=partial(self._arrivals.discard, self._transport),
            turns=self._arrivals.turns,
        )
        if self._context is not None:
            self._handshake = asyncio.get_running_loop().create_task(
                self._shake_hands(self._transport, self._context)
            )
        elif transport.get_extra_info("ssl_object") is not None:
            self._begin_with_tls()

    async def _shake_hands(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        # Not before: Python 3.10 begins to read after `connection_made`, paused or not, and its
        # TLS drops what comes before it is ready.
        plain.pause_reading()
        loop = asyncio.get_running_loop()
        loop.call_soon(share_buffer_early, plain)
        limit = self._hooks.limits.handshake
        try:
            secure = await loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=limit
            )
        except OSError:
            secure = None
        self._handshake = None
        if secure is None or plain.is_closing():
            (secure or plain).abort()
            self._leave()
            self._hooks.on_known()
            return
        self._transport = secure
        self._begin_with_tls()

    def _begin_with_tls(self) -> None:
        protocol = self._transport.get_extra_info("ssl_object").selected_alpn_protocol()
        if protocol == "h2":
            self._become_http2()
        elif protocol is not None:
            self._become_http1()
        elif self._seen:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._handshake is not None:
            return  # its last step is due
        if self._seen.startswith(_PREFACE):
            self._become_http2()
        elif not _PREFACE.startswith(self._seen):
            self._become_http1()

    def connection_lost(self, exc: Exception | None) -> None:
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.cancel()
            handshake.add_done_callback(lambda _: self.connection_lost(exc))
        else:
            super().connection_lost(exc)

    def _become_http2(self) -> None:
        self._become(ServerHttp2Connection(self._hooks))

    def _become_http1(self) -> None:
        try:  # imported here, as HTTP/1.1 needs h11 and wsproto, and the server does not
            from .http1 import ServerHttp1
        except ImportError as error:
            reason = missing_extra("HTTP/1.1", "websocket", error)
            logger.warning("refused a connection: %s", reason)
            self._transport.write(f"{_NO_HTTP1}{reason}\n".encode())
            self._transport.close()
            return
        self._become(ServerHttp1(self._hooks))
