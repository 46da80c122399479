"""HTTP/2 on the server's side: a stream of a connection is an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, cast

from h2.errors import ErrorCodes

from ..._net.http2 import Http2Connection
from ..._net.http2_stream import Headers, Http2Stream
from ..exchange import LINGER_TIMEOUT
from ..pages import Page
from .hooks import ServerHooks, peer_address


class ServerHttp2Connection(Http2Connection):
    """A connection of the server's; without a stream it is kept for a while only."""

    def __init__(self, hooks: ServerHooks) -> None:
        super().__init__(
            client=False,
            on_request=self._begin,
            on_change=cast("Callable[[Http2Connection], None]", hooks.on_change),
            max_unread_answers=hooks.limits.max_unread_answers,
            allowance=hooks.limits.allowance,
            turns=hooks.turns,
        )
        self._hooks = hooks
        self.client: str = ""
        self._used = False
        self._refused: list[Http2Stream] = []
        loop = asyncio.get_running_loop()
        self._check = loop.call_later(hooks.limits.hello, self._check_hello)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.client = peer_address(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._check.cancel()
        self._hooks.on_known()
        super().connection_lost(exc)

    def _begin(self, stream: Http2Stream, headers: Headers) -> None:
        self._used = True
        exchange = Http2Exchange(self, stream, headers)
        page = self._hooks.pages.find(
            exchange.method, exchange.target, exchange.host, exchange.origin
        )
        if page is None:
            self._hooks.on_exchange(exchange)
        else:
            self._show(stream, page)

    def _show(self, stream: Http2Stream, page: Page) -> None:
        self.respond(stream, [(":status", str(page.status)), *page.headers], accepted=False)
        stream.write(page.body)
        stream.end()
        # What is not taken by then is not waited for, nor is a request's end.
        self._loop.call_later(LINGER_TIMEOUT, stream.abort, ErrorCodes.NO_ERROR)

    @property
    def is_idle(self) -> bool:
        """Whether it has no stream."""
        return not self.streams

    def respond(self, stream: Http2Stream, headers: Headers, *, accepted: bool) -> None:
        """Send the answer's headers; refusals and pages that the client does not take are bounded.

        :param accepted: Whether the request had a signature that was accepted.
        """
        super().respond(stream, headers, accepted=accepted)
        if accepted:
            self._hooks.on_known()
            self.leave_turns()
            return
        if len(self._refused) >= self._hooks.limits.untaken_refusals:
            self._refused = [each for each in self._refused if each.outbox]
            if len(self._refused) >= self._hooks.limits.untaken_refusals:
                self._refused.pop(0).abort(ErrorCodes.ENHANCE_YOUR_CALM)
        self._refused.append(stream)

    def _check_hello(self) -> None:
        if not self.ready.done():
            self.abort()
            return
        self._check_use_later()

    def _check_use(self) -> None:
        if not self.streams and not self._used:
            self.retire()
            return
        self._used = False
        self._check_use_later()

    def _check_use_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._check = loop.call_later(self._hooks.limits.next_stream, self._check_use)


class Http2Exchange:
    """A stream of HTTP/2, as the service sees it."""

    def __init__(
        self, connection: ServerHttp2Connection, stream: Http2Stream, headers: Headers
    ) -> None:
        fields = dict(headers)
        self.method: str = fields.get(":method", "")
        self.target: str = fields.get(":path", "")
        self.host: str = fields.get(":authority") or fields.get("host", "")
        self.origin: str = fields.get("origin", "")
        self.client: str = connection.client
        self.headers: Headers = headers
        self.read: Final = stream.read
        self.finish: Final = stream.finish
        self.closed: Final = stream.closed
        self._connection = connection
        self._stream = stream

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.headers = ()  # they may be long, and are of no use any more
        self._connection.respond(
            self._stream, [(":status", str(status)), *headers], accepted=status == 200
        )

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send bytes, and wait while too many are unsent."""
        self._stream.write(data)
        if self._stream.is_full:
            await self._stream.drain(timeout)

    @property
    def is_over(self) -> bool:
        return self._stream.failure is not None

    def reset(self, code: int) -> None:
        self._connection.flush()
        self._stream.abort(code)

    def drop(self) -> None:
        self._connection.flush()
        self._connection.abort()

    def go_away(self, code: int, *, graceful: bool) -> None:
        last = self._stream.id if graceful else max(self._stream.id - 2, 0)
        self._connection.go_away(code, last)

    def abort(self) -> None:
        # The answer may be whole already: then NO_ERROR tells the client to stop sending.
        self._stream.abort(0)
