"""HTTP/1.1 on the server's side: pages, and the way to WebSocket.

The first request decides: one that asks for an upgrade makes the connection a WebSocket.
Others are answered with pages, one after the other.
"""

from __future__ import annotations

import asyncio

import h11

from ..._net.limits import Budget
from ..._net.tls import share_buffer
from ..pages import Page, text
from .hooks import ServerHooks
from .stage import Stage
from .websocket import UPGRADE_REQUIRED, ServerWebSocket

_COST = 8  # of a request, as in HTTP/2
_NO_PAGE = text(UPGRADE_REQUIRED, 426)


class ServerHttp1(Stage):
    """A connection of the server's that speaks HTTP/1.1.

    A request with a body is the connection's last one: no page takes a body, so none is read.
    So is one whose successor does not wait for the answer.
    """

    def __init__(self, hooks: ServerHooks) -> None:
        super().__init__(hooks)
        self._http = h11.Connection(h11.SERVER)
        self._budget = Budget(hooks.limits.allowance, asyncio.get_running_loop().time)
        self._is_first = True
        self._takes_body = True  # but for the answer to HEAD

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        share_buffer(transport)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        self._transport.pause_reading()  # a client that takes no answers gets no more of them

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._is_first:
            self._seen += data
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._take(event)
            elif event is not h11.NEED_DATA:  # it has closed the connection
                self.close()
        except h11.RemoteProtocolError:
            self._answer_last(_NO_PAGE)

    def _take(self, request: h11.Request) -> None:
        if self._is_first and _asks_for_websocket(request):
            self._become(ServerWebSocket(self._hooks))
            return
        self._is_first, self._seen = False, b""
        self._takes_body = request.method != b"HEAD"
        page = self._find(request)
        if page is None:
            self._answer_last(_NO_PAGE)
        elif self._next_is_allowed():
            self._answer(page)
            self._http.start_next_cycle()
            self._takes_body = True
            self._timer.cancel()
            self._give(self._hooks.limits.next_stream)
        else:
            self._answer_last(page)

    def _find(self, request: h11.Request) -> Page | None:
        fields = {name: value.decode("latin-1") for name, value in request.headers}
        method, target = request.method.decode("ascii"), request.target.decode("ascii")
        host, origin = fields.get(b"host", ""), fields.get(b"origin", "")
        return self._hooks.pages.find(method, target, host, origin)

    def _next_is_allowed(self) -> bool:
        return (
            isinstance(self._http.next_event(), h11.EndOfMessage)
            and self._http.their_state is h11.DONE
            and not self._http.trailing_data[0]
            and self._budget.spend(_COST)
        )

    def _answer_last(self, page: Page) -> None:
        upgrade = [("upgrade", "websocket")] if page.status == 426 else []
        connection = "upgrade, close" if upgrade else "close"
        headers = [*page.headers, *upgrade, ("connection", connection)]
        self._answer(page._replace(headers=headers))
        self.close()

    def _answer(self, page: Page) -> None:
        parts = (
            h11.Response(status_code=page.status, headers=page.headers),
            h11.Data(data=page.body if self._takes_body else b""),
            h11.EndOfMessage(),
        )
        self._transport.write(b"".join(self._http.send(part) or b"" for part in parts))


def _asks_for_websocket(request: h11.Request) -> bool:
    upgrades = (value.lower() for name, value in request.headers if name == b"upgrade")
    return any(b"websocket" in value for value in upgrades)
