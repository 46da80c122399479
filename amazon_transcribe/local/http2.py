"""The face over HTTP/2: a stream of a connection is an exchange."""

from __future__ import annotations

from collections.abc import Sequence

from ..transports._http2 import Headers, Http2Stream


class Http2Exchange:
    """A stream of HTTP/2, as the service sees it."""

    def __init__(self, stream: Http2Stream, headers: Headers) -> None:
        pseudo = dict(headers)
        self.method = pseudo.get(":method", "")
        self.target = pseudo.get(":path", "")
        self.headers = headers
        self.read = stream.read
        self.write = stream.write
        self.finish = stream.finish
        self.closed = stream.closed
        self._stream = stream

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self._stream.connection.respond(self._stream, [(":status", str(status)), *headers])

    def reset(self, code: int) -> None:
        self._stream.connection.flush()
        self._stream.abort(code)

    def drop(self) -> None:
        self._stream.connection.flush()
        self._stream.connection.abort()

    def go_away(self, code: int, *, graceful: bool) -> None:
        last = self._stream.id if graceful else max(self._stream.id - 2, 0)
        self._stream.connection.go_away(code, last)

    def abort(self) -> None:
        # The answer may be whole already: then NO_ERROR tells the client to stop sending.
        self._stream.abort(0)
