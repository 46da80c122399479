"""The default transport: HTTP/2 on asyncio, with a pool of connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from .._net.connect import HEAD_START, connect
from .._net.limits import MAX_UNSENT, PING_INTERVAL
from .._net.origin import Origin
from .._net.tls import Sessions
from .._net.waiting import Waiters
from ..exceptions import (
    ConnectException,
    ConnectionLostException,
    HTTPException,
    StreamClosedException,
    TimeoutException,
)
from .base import Request

if TYPE_CHECKING:
    from .._net.http2 import Http2Connection
    from .._net.http2_stream import Http2Stream

CLOSE_TIMEOUT = 2.0

_Key = tuple[asyncio.AbstractEventLoop, Origin]


class H2Transport:
    """Opens streams on pooled HTTP/2 connections.

    A connection takes up to `max_streams_per_connection` streams, and never more than
    the peer's SETTINGS allow. Starts that come together share the connections being
    opened; no stream is sent on one before the peer's SETTINGS are there. Each event loop
    has connections of its own.

    :param max_streams_per_connection: One by default, as the service documents.
    :param connect_timeout: Seconds for name resolution, TCP, TLS and SETTINGS.
    :param ssl_context: For `https` endpoints; None makes one that trusts the system's
        authorities and those in SSL_CERT_FILE and AWS_CA_BUNDLE. ALPN is set to `h2`.
    :param max_unsent: Bytes of one stream that may be unsent before the stream is full.
    :param keep_for: Seconds for which a connection without a stream is kept.
    :param check_after: Seconds after which a connection without a stream is asked for a sign
        of life before it is used: networks forget idle connections without a word.
    :param check_timeout: Seconds to wait for that sign of life.
    :param ping_interval: Seconds between two questions for a sign of life while streams are
        open. A connection that gives none for a whole interval is dead.
    :param head_start: Seconds after which a name's next address is tried too.
    :param direct_tls: Whether TLS runs on the socket itself; False has the event loop's own TLS,
        as wherever the loop cannot watch sockets (Windows' Proactor), and for a context that is
        not of Python's own class.
    """

    def __init__(
        self,
        *,
        max_streams_per_connection: int = 1,
        connect_timeout: float = 5.0,
        ssl_context: ssl.SSLContext | None = None,
        max_unsent: int = MAX_UNSENT,
        keep_for: float = 60.0,
        check_after: float = 5.0,
        check_timeout: float = 1.0,
        ping_interval: float = PING_INTERVAL,
        head_start: float = HEAD_START,
        direct_tls: bool = True,
    ) -> None:
        # Here, as `h2` takes a fifth of the client's import: who makes no client needs none.
        from .._net.http2 import Http2Connection

        self.connection_type = Http2Connection
        self.max_streams_per_connection = max_streams_per_connection
        self.connect_timeout = connect_timeout
        self.max_unsent = max_unsent
        self.keep_for = keep_for
        self.check_after = check_after
        self.check_timeout = check_timeout
        self.ping_interval = ping_interval
        self.head_start = head_start
        self.direct_tls = direct_tls
        # An idle connection is kept only if somebody promised to close it in the end.
        self.keep_idle: bool = False
        self.ssl_context = ssl_context
        self._pool: dict[_Key, _Pool] = {}
        # What each peer allowed on the last connection, until a new one tells.
        self.allowed: dict[Origin, int] = {}
        self.sessions: Sessions = Sessions()
        self._closed = False

    async def open(self, request: Request, timeout: float) -> Http2Stream:
        """Send a request's headers on a connection that has room for it.

        :param request: What to send, and where to.
        :param timeout: Seconds for all of it, a new connection included.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        origin = request.origin
        fields = [
            (":method", request.method),
            (":scheme", origin.scheme),
            (":authority", dict(request.headers)["host"]),
            (":path", request.target),
            *[field for field in request.headers if field[0] != "host"],
        ]
        while True:
            if self._closed:
                raise StreamClosedException("the client is closed")
            pooled = self._claim(origin)
            try:
                connection = await pooled.opened(deadline)
                if connection.capacity > 0:
                    stream = connection.request(fields)
                    stream.reused = pooled.kept
                    return stream
                if not (pooled.kept or connection.streams or self._closed):
                    raise ConnectException(
                        f"{origin.authority} closed the new connection", transient=True
                    )
                # It died while it lay idle, or is full: another takes the stream.
            except BaseException:
                pooled.pool.offer(pooled)
                raise
            finally:
                pooled.claims -= 1
                if not pooled.claims and self._release(pooled):
                    await asyncio.wait({pooled.task})

    async def prewarm(self, origin: Origin, connections: int, timeout: float) -> None:
        """Open connections until so many have room for a stream, and keep them.

        A start that comes meanwhile may take one of them.

        :param origin: Where to.
        :param connections: How many connections with room there are to be, open ones included.
        :param timeout: Seconds for all of them; at most `connect_timeout` counts.
        """
        if self._closed:
            raise StreamClosedException("the client is closed")
        self.keep_idle = True
        pool = self._pool_to(origin)
        ready = [pooled for pooled in pool if pooled.has_room(self.max_streams_per_connection)]
        new = [_Pooled(self, pool, origin) for _ in range(connections - len(ready))]
        wanted = [pooled for pooled in (*ready, *new) if not pooled.task.done()]
        for pooled in wanted:
            pooled.held += 1
        limit = min(timeout, self.connect_timeout)
        try:
            if wanted:
                await asyncio.wait([pooled.task for pooled in wanted], timeout=limit)
            for pooled in wanted:
                if not pooled.task.done():
                    raise TimeoutException("connect", limit)
                if pooled.task.cancelled():
                    raise StreamClosedException("the client was closed")
                pooled.task.result()
        finally:
            for pooled in wanted:
                pooled.held -= 1
            # Before the first wait, in which another cancellation may come.
            given_up = [
                pooled.task for pooled in wanted if not pooled.claims and self._release(pooled)
            ]
            if given_up:
                await asyncio.wait(given_up)

    async def close(self) -> None:
        """Close every connection, those that are being opened too; bounded by 3 s."""
        self._closed = True
        loop = asyncio.get_running_loop()
        # Those of another loop end with it.
        pools = [pool for (owner, _), pool in self._pool.items() if owner is loop]
        everything = [pooled for pool in pools for pooled in pool]
        self._pool.clear()
        for pooled in everything:
            pooled.close()
        ends = [end for pooled in everything for end in pooled.ends()]
        if ends:
            _, late = await asyncio.wait(ends, timeout=CLOSE_TIMEOUT)
            if late:
                for pooled in everything:
                    pooled.abort()
                await asyncio.wait(late, timeout=CLOSE_TIMEOUT / 2)

    def _pool_to(self, origin: Origin) -> _Pool:
        """Return the running loop's connections to an origin: no loop can use another's."""
        key = (asyncio.get_running_loop(), origin)
        if key not in self._pool:
            for other in [other for other in self._pool if other[0].is_closed()]:
                del self._pool[other]  # closed with connections open
            self._pool[key] = _Pool()
        return self._pool[key]

    def _claim(self, origin: Origin) -> _Pooled:
        """Promise a place on a connection, open or being opened; open one more if none has."""
        pool = self._pool_to(origin)
        pooled = pool.first_with_room(self.max_streams_per_connection) or _Pooled(
            self, pool, origin
        )
        pooled.claims += 1
        return pooled

    def _release(self, pooled: _Pooled) -> bool:
        """Give up this connection unless it is open, as nobody waits for it any more.

        :returns: Whether its task is about to end.
        """
        if pooled.connection is not None:
            pooled.changed(pooled.connection)
        elif not pooled.held:
            self.drop(pooled)
            return pooled.task.cancel()
        return False

    def forget_idle(self, origin: Origin) -> None:
        """Give up the connections that were idle for long: one of their kind was dead.

        :param origin: Where they lead to.
        """
        for pooled in list(self._pool_to(origin)):
            if pooled.idle_for() > self.check_after:
                pooled.abort()
                self.drop(pooled)

    def drop(self, pooled: _Pooled) -> None:
        """Take a connection out of the pool, if it is there.

        :param pooled: The connection, open or being opened.
        """
        pooled.pool.remove(pooled)
        if not pooled.pool and self._pool.get(pooled.key) is pooled.pool:
            del self._pool[pooled.key]


class _Pool:
    """The connections to one place, the oldest with room found without a look at the others."""

    def __init__(self) -> None:
        self._members: dict[int, _Pooled] = {}
        # The numbers of those that may have room, the oldest on top: one without room leaves
        # when it is looked at, and comes back when it is offered.
        self._offered: list[int] = []

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[_Pooled]:
        return iter(self._members.values())

    def add(self, pooled: _Pooled) -> None:
        """Take a new connection in."""
        self._members[pooled.number] = pooled
        self.offer(pooled)

    def remove(self, pooled: _Pooled) -> None:
        """Let a connection go, if it is here."""
        self._members.pop(pooled.number, None)

    def offer(self, pooled: _Pooled) -> None:
        """Have the next starts look at a connection, if it is here: it may have room again."""
        if not pooled.is_offered and pooled.number in self._members:
            pooled.is_offered = True
            heappush(self._offered, pooled.number)

    def first_with_room(self, limit: int) -> _Pooled | None:
        """Return the oldest connection with room for a stream."""
        while self._offered:
            pooled = self._members.get(self._offered[0])
            if pooled is not None:
                if pooled.has_room(limit):
                    return pooled
                pooled.is_offered = False
            heappop(self._offered)
        return None


class _Pooled:
    """A connection of the pool, open or being opened.

    `claims` counts the starts that wait for it; a start turns its claim into a stream.
    `held` counts those who want it opened without such a claim.
    """

    _numbers = count()

    def __init__(self, owner: H2Transport, pool: _Pool, origin: Origin) -> None:
        self.pool = pool
        self.origin = origin
        self.claims = 0
        self.held = 0
        self.number: int = next(self._numbers)
        self.is_offered: bool = False  # to the starts that look for room
        self.kept: bool = False  # lay idle, in which time it may have died
        self.connection: Http2Connection | None = None
        self._owner = owner
        self._idle: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._doubtful = False  # lay idle for long, and gave no sign of life since
        self._waiting = Waiters()  # for it to be open
        self._loop = loop = asyncio.get_running_loop()
        self.key: _Key = (loop, origin)
        # In nobody's context: it comes to serve other streams than that which asked for it.
        self.task: asyncio.Task[Http2Connection] = Context().run(loop.create_task, self._connect())
        self.task.add_done_callback(self._connected)
        pool.add(self)

    def has_room(self, limit: int) -> bool:
        if self.connection is None:
            expected = min(limit, self._owner.allowed.get(self.origin, limit))
            return self.claims < expected and not self.task.done()
        used = self.claims + len(self.connection.streams)
        return used < limit and self.claims < self.connection.capacity

    async def opened(self, deadline: float) -> Http2Connection:
        """Wait until the connection is open. Cancelling one waiter leaves the others alone."""
        if self.connection is None:
            if not self.task.done():
                limit = min(deadline - self._loop.time(), self._owner.connect_timeout)
                await self._waiting.wait(max(limit, 0), "connect")
            if self.task.cancelled():
                raise StreamClosedException("the client was closed")
            return self.connection or self.task.result()
        connection = self.connection
        self._doubtful = self._doubtful or self.idle_for() > self._owner.check_after
        self._stop_idling()
        if self._doubtful:  # stays so if the wait is cancelled
            self._doubtful = not await connection.is_alive(self._owner.check_timeout)
            if self._doubtful:
                connection.abort()
                self._owner.drop(self)
                self._owner.forget_idle(self.origin)
        return connection

    def idle_for(self) -> float:
        """Return the seconds since its last stream; 0 while it has streams or is being opened."""
        if self._idle is None:
            return 0.0
        return self._loop.time() - self._idle_since

    def changed(self, connection: Http2Connection) -> None:
        """Keep or retire the connection: it has more or fewer streams, or is lost."""
        if self.connection is None:
            return  # its task ends one way or the other
        if not self.is_offered:
            self.pool.offer(self)
        if connection.streams:
            if self._idle is not None:
                self._stop_idling()
        elif not self.claims:
            if connection.capacity <= 0 or not self._owner.keep_idle:
                self._owner.drop(self)
                self._stop_idling()
                connection.retire()
            elif self._idle is None:
                self.kept = True
                self._idle_since = self._loop.time()
                self._idle = self._loop.call_later(self._owner.keep_for, self._expire, connection)

    def _expire(self, connection: Http2Connection) -> None:
        if not connection.streams and not self.claims:
            self._owner.drop(self)
            connection.retire()

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def close(self) -> None:
        self._stop_idling()
        if self.connection is None:
            self.task.cancel()
        else:
            self.connection.close()

    def abort(self) -> None:
        if self.connection is not None:
            self.connection.abort()

    def ends(self) -> list[asyncio.Future[None]]:
        """Return what to wait for until nothing is left of the connection."""
        if self.connection is not None:
            return [self.connection.lost]
        return [] if self.task.done() else [self.task]  # type: ignore[list-item]

    def _connected(self, task: asyncio.Task[Http2Connection]) -> None:
        self._waiting.wake()
        if task.cancelled() or task.exception() is not None:
            self._owner.drop(self)
        else:
            self.changed(task.result())

    async def _connect(self) -> Http2Connection:
        origin = self.origin
        where = f"{origin.host}:{origin.port}"
        connection = await connect(
            lambda: self._owner.connection_type(
                client=True,
                on_change=self.changed,
                max_unsent=self._owner.max_unsent,
                ping_interval=self._owner.ping_interval,
            ),
            origin,
            self._owner.ssl_context,
            "h2",
            self._owner.head_start,
            self._owner.sessions,
            self._owner.direct_tls,
        )
        try:
            tls = connection.tls
            alpn = tls.selected_alpn_protocol() if tls is not None else "h2"
            if alpn != "h2":
                raise ConnectException(f"{where} does not speak HTTP/2 (ALPN: {alpn or 'none'})")
            try:
                await connection.ready
            except ConnectionLostException as error:
                raise ConnectException(
                    f"no connection to {where}: {error}{origin.tls_hint}", transient=True
                ) from error
            except HTTPException as error:
                raise ConnectException(
                    f"{where} does not speak HTTP/2: {error}{origin.tls_hint}"
                ) from error
            if connection.capacity <= 0:
                reason = (
                    f"it ends{connection.last_words}" if connection.draining else "the limit is 0"
                )
                raise ConnectException(
                    f"a new connection to {where} takes no streams: {reason}", transient=True
                )
        except BaseException:
            connection.abort()
            raise
        self._owner.allowed[origin] = connection.capacity
        if tls is not None:
            self._owner.sessions.keep(origin, tls)
        self.connection = connection
        self._waiting.wake()
        return connection
