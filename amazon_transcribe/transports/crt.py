"""HTTP/2 on awscrt, for those who want AWS's own TLS stack: `transport=CrtTransport()`.

The default transport does the same for less CPU and memory.
What awscrt has no way for differs here:

- TLS only: it has no HTTP/2 without TLS.
- No RST_STREAM: aborting a stream closes its connection. So each stream has a connection
  of its own, which ends with it.
- No PING: a peer that is gone without a word is found by TCP's keep-alive, 40 s after the
  last byte. While audio is on its way TCP does not ask; then `send_audio_event` times out,
  60 s after the buffers are full, its own megabyte and the system's.
- The code of a reset by the peer is not told: `StreamResetException.code` is 0, and a
  start that ended so is not tried again.
- Authorities in AWS_CA_BUNDLE or SSL_CERT_FILE replace the system's, where elsewhere the
  former are added.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from typing import Any

from h2.errors import ErrorCodes

from .._net.inbox import Inbox
from .._net.limits import MAX_UNREAD, MAX_UNSENT
from .._net.named_files import read_file
from .._net.origin import Origin
from .._net.proxy import Proxy, proxy_for
from .._net.waiting import Waiters
from ..exceptions import (
    ConnectException,
    ConnectionLostException,
    HTTPException,
    StreamClosedException,
    StreamException,
    StreamResetException,
    TimeoutException,
    ValidationException,
)
from .base import Request

CLOSE_TIMEOUT = 2.0

# Seconds of silence before the peer is asked for a sign of life, and between questions,
# and how many go unanswered before the connection is lost. awscrt sets each of its two
# times as the other (0.38 on Linux), so they are one.
KEEP_ALIVE = 10
KEEP_ALIVE_PROBES = 3

_MOST_AUTHORITIES = 16 * 1024 * 1024  # bytes of a file


class CrtTransport:
    """Opens streams on HTTP/2 connections of awscrt, one connection for each.

    :param connect_timeout: Seconds for name resolution, TCP and TLS.
    :param tls_context: An `awscrt.io.ClientTlsContext`; None makes one that trusts the
        authorities in AWS_CA_BUNDLE and SSL_CERT_FILE, else the system's.
    :param bootstrap: An `awscrt.io.ClientBootstrap`; None takes the process's own.
    :param max_unsent: Bytes of one stream that may be unsent before the stream is full.
    :raises ValidationException: when awscrt is older than 0.32.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 5.0,
        tls_context: Any = None,
        bootstrap: Any = None,
        max_unsent: int = MAX_UNSENT,
    ) -> None:
        # Imported here: no one pays for the runtime who does not use it.
        import awscrt
        from awscrt import http

        # The newest of what is used here: manual writes came in 0.27, windows in 0.31.
        stream = getattr(http, "Http2ClientStream", None)
        if not hasattr(stream, "remote_end_stream_future"):
            raise ValidationException(
                f"CrtTransport needs awscrt 0.32 or later, not {awscrt.__version__}:"
                " pip install 'awscrt>=0.32'"
            )
        self.connect_timeout = connect_timeout
        self.max_unsent = max_unsent
        self._tls_context = tls_context
        self._bootstrap = bootstrap
        self._loop_calls: _LoopCalls | None = None
        self._streams: set[CrtStream] = set()
        self._closed = False

    async def open(self, request: Request, timeout: float) -> CrtStream:
        """Open a connection and send a request's headers.

        :param request: What to send, and where to: an `https` origin.
        :param timeout: Seconds for the connection; at most `connect_timeout` counts.
        """
        from awscrt import http

        origin = request.origin
        if origin.scheme != "https":
            raise ConnectException(
                f"awscrt speaks HTTP/2 with TLS only: {origin.authority} must be an https endpoint"
            )
        loop = asyncio.get_running_loop()
        if self._loop_calls is None or self._loop_calls.loop is not loop:
            self._loop_calls = _LoopCalls(loop)
        connection = await self._connect(
            origin, min(timeout, self.connect_timeout), self._loop_calls
        )
        headers = http.HttpHeaders(list(request.headers))
        sent = http.HttpRequest(request.method, request.target, headers)
        stream = CrtStream(self, connection, sent, self._loop_calls)
        self._streams.add(stream)
        return stream

    async def close(self) -> None:
        """Close every connection; bounded by 2 s."""
        self._closed = True
        loop = asyncio.get_running_loop()
        streams = [stream for stream in self._streams if stream.gone.get_loop() is loop]
        for stream in streams:
            stream.abort(StreamClosedException("the client was closed"))
        if streams:
            await asyncio.wait([stream.gone for stream in streams], timeout=CLOSE_TIMEOUT)

    def forget(self, stream: CrtStream) -> None:
        """Let go of a stream that is over.

        :param stream: One that `open` has returned.
        """
        self._streams.discard(stream)

    async def _connect(self, origin: Origin, timeout: float, calls: _LoopCalls) -> Any:
        from awscrt import http

        if self._closed:
            raise StreamClosedException("the client is closed")
        proxy = proxy_for(origin)
        where = f"{origin.host}:{origin.port}"
        if proxy is not None:
            where += f" (through the proxy {proxy.where})"
        opened: asyncio.Future[None] = calls.loop.create_future()
        connecting = http.Http2ClientConnection.new(
            origin.host,
            origin.port,
            bootstrap=self._bootstrap,
            socket_options=_socket_options(timeout),
            tls_connection_options=self._tls(origin),
            proxy_options=proxy and _proxy_options(proxy),
            manual_window_management=True,
            initial_window_size=MAX_UNREAD,
        )
        connecting.add_done_callback(lambda _: calls(_finish, opened))
        try:
            await asyncio.wait({opened}, timeout=max(timeout, 0))
        except BaseException:
            connecting.add_done_callback(_close_unwanted)
            raise
        if not opened.done():
            connecting.add_done_callback(_close_unwanted)
            raise TimeoutException("connect", timeout)
        if error := connecting.exception():
            raise ConnectException(
                f"no connection to {where}: {_name(error)}: {error}",
                transient=_is_transient(error),
            ) from error
        if self._closed:
            _close_unwanted(connecting)
            raise StreamClosedException("the client was closed")
        return connecting.result()

    def _tls(self, origin: Origin) -> Any:
        context = self._tls_context
        if context is None:
            named = [os.environ.get(name) for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE")]
            context = _default_context(tuple(file for file in named if file))
        connection = context.new_connection_options()
        connection.set_server_name(origin.host)
        connection.set_alpn_list(["h2"])
        return connection


class CrtStream(Inbox):
    """One stream on its connection. At most one piece of it is on its way to awscrt."""

    def __init__(
        self, owner: CrtTransport, connection: Any, request: Any, calls: _LoopCalls
    ) -> None:
        super().__init__()
        self.gone: asyncio.Future[None] = calls.loop.create_future()
        self.gone.add_done_callback(lambda _: self._gone())
        self._owner = owner
        self._connection = connection
        self._loop_calls = calls
        self._outbox: list[bytes] = []
        self._unsent = 0
        self._sending = 0
        self._output_ended = False
        self._end_passed_on = False
        self._writers = Waiters()
        # A future keeps its callbacks, and awscrt this one as long as there is the connection:
        # a callback that led back to it by way of the stream would keep both for ever.
        gone = self.gone
        connection.shutdown_future.add_done_callback(lambda _: calls(_finish, gone))
        try:
            self._crt = connection.request(
                request, self._on_response, self._on_body, manual_write=True
            )
            self._crt.remote_end_stream_future.add_done_callback(self._on_remote_end)
            self._crt.completion_future.add_done_callback(self._on_completion)
            self._crt.activate()
        except Exception as error:
            connection.close()
            raise ConnectException(
                f"the request cannot be sent: {error}", transient=_is_transient(error)
            ) from error

    def read_nowait(self) -> bytes:
        """Return the bytes that have come, and open the window for as many again."""
        data = super().read_nowait()
        if data and not self.ended and self.failure is None:
            self._crt.update_window(len(data))
        return data

    def write(self, data: bytes) -> None:
        """Take bytes to send."""
        self.check()
        if self.ended:
            raise StreamClosedException("the peer has ended the stream: it takes no more")
        if self._output_ended:
            raise StreamClosedException("the stream was ended: nothing more can be sent")
        if data:
            self._outbox.append(data)
            self._unsent += len(data)
            self._send()

    @property
    def is_full(self) -> bool:
        """Whether more than `max_unsent` bytes are unsent."""
        return self._unsent > self._owner.max_unsent

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until no more than `max_unsent` bytes are unsent."""
        self.check()
        while self.is_full:
            await self._writers.wait(timeout, "send")
            self.check()

    def end(self) -> None:
        """End our bytes."""
        self._output_ended = True
        self._send()

    def abort(self, failure: StreamException | None = None) -> None:
        """Close the connection: awscrt cannot reset a stream."""
        self.fail(failure or StreamClosedException("the stream was closed on this side"))
        self._unread.clear()
        self._connection.close()

    # In the event loop

    def _send(self) -> None:
        """Pass everything on to awscrt, in one piece, once it has taken the last one."""
        if self._sending or self._end_passed_on or not (self._outbox or self._output_ended):
            return
        data = b"".join(self._outbox)
        self._outbox.clear()
        self._sending = len(data)
        self._end_passed_on = self._output_ended
        try:
            written = self._crt.write_data(io.BytesIO(data) if data else None, self._output_ended)
            written.add_done_callback(lambda _: self._loop_calls(self._sent))
        except Exception as error:
            # The stream is over. Why, its completion says, which may not be here yet.
            failure = _failure(error)
            self._crt.completion_future.add_done_callback(
                lambda _: self._loop_calls(self.fail, failure)
            )

    def _sent(self) -> None:
        self._unsent -= self._sending
        self._sending = 0
        self._send()
        if self._writers and not self.is_full:
            self._writers.wake()

    def _receive_end(self) -> None:
        self.ended = True
        self._drop_unsent()  # the service has said all: what was not sent by now is not wanted
        self.end()
        self.feed_end()

    def _complete(self, error: BaseException | None) -> None:
        if error is not None or not self.ended:
            self.fail(_failure(error))
        self._connection.close()

    def fail(self, failure: HTTPException) -> None:
        """Take a failure, unless both directions have ended in order."""
        self._drop_unsent()
        if self.ended and self._end_passed_on:
            self._changed()
        else:
            super().fail(failure)

    def _drop_unsent(self) -> None:
        self._outbox.clear()
        self._unsent = self._sending
        self._writers.wake()

    def _gone(self) -> None:
        self.fail(ConnectionLostException("the connection was lost"))
        self._owner.forget(self)

    # In awscrt's threads: an exception here would end up in the runtime

    def _on_response(
        self, status_code: int, headers: Sequence[tuple[str, str]], **_: object
    ) -> None:
        self._loop_calls(self.feed_answer, status_code, {n.lower(): value for n, value in headers})

    def _on_body(self, chunk: bytes, **_: object) -> None:
        self._loop_calls(self.feed_data, chunk)

    def _on_remote_end(self, ended: Future[None]) -> None:
        if ended.exception() is None:
            self._loop_calls(self._receive_end)

    def _on_completion(self, completed: Future[int]) -> None:
        self._loop_calls(self._complete, completed.exception())


class _LoopCalls:
    """Carries calls from awscrt's threads, in which it calls back, to the event loop.

    Many go in one wake-up: it costs 6 µs, an item in the queue a fiftieth of it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._armed = False

    def __call__(self, call: Callable[..., None], *arguments: Any) -> None:
        self._calls.append((call, arguments))
        if not self._armed:
            self._armed = True
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                self.loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self._armed = False  # first: what comes from now on wakes the loop again
        for _ in range(len(self._calls)):
            call, arguments = self._calls.popleft()
            call(*arguments)


def _socket_options(timeout: float) -> Any:
    from awscrt.io import SocketOptions

    options = SocketOptions()
    options.connect_timeout_ms = max(round(timeout * 1000), 1)
    options.keep_alive = True
    options.keep_alive_timeout_secs = options.keep_alive_interval_secs = KEEP_ALIVE
    options.keep_alive_max_probes = KEEP_ALIVE_PROBES
    return options


def _proxy_options(proxy: Proxy) -> Any:
    from awscrt import http

    options = http.HttpProxyOptions(
        proxy.host, proxy.port, connection_type=http.HttpProxyConnectionType.Tunneling
    )
    if proxy.user is not None:
        options.auth_type = http.HttpProxyAuthenticationType.Basic
        options.auth_username, options.auth_password = proxy.user
    return options


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@lru_cache(maxsize=8)
def _default_context(files: tuple[str, ...]) -> Any:
    """Return a context that trusts the authorities in these files; without any, the system's."""
    from awscrt.io import ClientTlsContext, TlsContextOptions

    options = TlsContextOptions()
    try:
        if files:
            authorities = b"\n".join(read_file(file, _MOST_AUTHORITIES) for file in files)
            options.override_default_trust_store(authorities)
        return ClientTlsContext(options)
    except Exception as error:
        raise ConnectException(
            f"the authorities in {' and '.join(files)} do not load: {error}"
        ) from error


def _close_unwanted(connecting: Future[Any]) -> None:
    if connecting.exception() is None:
        connecting.result().close()


def _name(error: BaseException) -> str:
    """Return awscrt's name of an error. A call that fails at once has it in its text only."""
    in_text = re.search(r"AWS_\w+", str(error))
    return getattr(error, "name", in_text[0] if in_text else type(error).__name__)


def _is_transient(error: BaseException) -> bool:
    """Return whether another attempt may succeed: not for unknown names, not for TLS."""
    return _name(error).startswith(("AWS_IO_SOCKET_", "AWS_ERROR_HTTP_CONNECTION_CLOSED"))


def _failure(error: BaseException | None) -> StreamException:
    """Return the exception for what awscrt says that a stream ended with."""
    if error is None:  # it says nothing, and the answer has no end
        return ConnectionLostException("the connection was lost")
    name = _name(error)
    if name in ("AWS_ERROR_HTTP_RST_STREAM_RECEIVED", "AWS_ERROR_HTTP_RST_STREAM_SENT"):
        return StreamResetException(f"the stream was reset ({name})")
    if name == "AWS_ERROR_HTTP_GOAWAY_RECEIVED":
        return StreamResetException(
            "the peer refused the stream", ErrorCodes.REFUSED_STREAM, unprocessed=True
        )
    return ConnectionLostException(f"the connection was lost ({name})")
