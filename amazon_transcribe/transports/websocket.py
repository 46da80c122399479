"""WebSocket on asyncio: for places where HTTP/2 does not pass.

The request is a presigned URL; see `ClientSession.presigned`. It needs `wsproto`,
which the extra `websocket` brings.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from .._net.connect import HEAD_START, connect
from .._net.limits import MAX_UNSENT, PING_INTERVAL
from .._net.origin import Origin
from .._net.tls import Sessions
from ..exceptions import StreamClosedException, TimeoutException, ValidationException, missing_extra
from .base import Request

if TYPE_CHECKING:
    from ._websocket_stream import ClientStream

CLOSE_TIMEOUT = 2.0


class WebSocketTransport:
    """Opens streams, each on a WebSocket connection of its own.

    :param connect_timeout: Seconds for name resolution, TCP and TLS.
    :param ssl_context: For `wss` endpoints, as `H2Transport`'s. Its ALPN is set to
        `http/1.1` for each connection.
    :param max_unsent: Bytes of one stream that may be unsent before the stream is full.
    :param ping_interval: Seconds between two questions for a sign of life. A connection that
        gives none for a whole interval is dead.
    :param head_start: Seconds after which a name's next address is tried too.
    :param direct_tls: Whether TLS runs on the socket itself; False has the event loop's own TLS,
        as wherever the loop cannot watch sockets (Windows' Proactor), and for a context that is
        not of Python's own class.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 5.0,
        ssl_context: ssl.SSLContext | None = None,
        max_unsent: int = MAX_UNSENT,
        ping_interval: float = PING_INTERVAL,
        head_start: float = HEAD_START,
        direct_tls: bool = True,
    ) -> None:
        self.connect_timeout = connect_timeout
        self.max_unsent = max_unsent
        self.ping_interval = ping_interval
        self.head_start = head_start
        self.direct_tls = direct_tls
        self._ssl_context = ssl_context
        self._opening: set[asyncio.Task[ClientStream]] = set()
        self._streams: set[ClientStream] = set()
        self._sessions = Sessions()
        self._closed = False

    async def open(self, request: Request, timeout: float) -> ClientStream:
        """Open a connection and send the upgrade request.

        :param request: What to send, and where to; its target is presigned.
        :param timeout: Seconds for the connection; at most `connect_timeout` counts.
        """
        try:
            from ._websocket_stream import ClientStream
        except ImportError as error:
            raise ValidationException(missing_extra("WebSocket", "websocket", error)) from error
        if self._closed:
            raise StreamClosedException("the client is closed")
        limit = max(min(timeout, self.connect_timeout), 0)
        task = asyncio.get_running_loop().create_task(
            connect(
                lambda: ClientStream(
                    request,
                    on_change=partial(self._changed, request.origin),
                    max_unsent=self.max_unsent,
                    ping_interval=self.ping_interval,
                ),
                request.origin,
                self._ssl_context,
                "http/1.1",
                self.head_start,
                self._sessions,
                self.direct_tls,
            )
        )
        self._opening.add(task)
        try:
            await asyncio.wait({task}, timeout=limit)
            if not task.done():
                raise TimeoutException("connect", limit)
            if task.cancelled():
                raise StreamClosedException("the client was closed")
            return task.result()
        except BaseException:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None:
                task.result().abort()
            raise
        finally:
            self._opening.discard(task)

    async def close(self) -> None:
        """Abort every connection, those that are being opened too."""
        self._closed = True
        loop = asyncio.get_running_loop()  # what another began ends with it
        opening = [task for task in self._opening if task.get_loop() is loop]
        for task in opening:
            task.cancel()
        streams = [stream for stream in self._streams if stream.lost.get_loop() is loop]
        for stream in streams:
            stream.abort()
        ends: list[asyncio.Future[Any]] = [*opening, *(stream.lost for stream in streams)]
        if ends:
            await asyncio.wait(ends, timeout=CLOSE_TIMEOUT)

    def _changed(self, origin: Origin, stream: ClientStream) -> None:
        if stream.lost.done():
            self._streams.discard(stream)
        else:
            self._streams.add(stream)
            if (tls := stream.tls) is not None:
                self._sessions.keep(origin, tls)
