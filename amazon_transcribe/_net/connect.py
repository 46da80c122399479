"""Connections as every transport opens them: by name, through a proxy, with TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from ..endpoints import region_hint
from ..exceptions import ConnectException
from .direct_tls import can_be_direct, open_directly
from .origin import Origin
from .proxy import open_tunnel, proxy_for
from .shutdown import Connection, close_at_shutdown
from .tls import ContextOfConnection, Sessions, default_context

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)
_Begun = tuple[asyncio.Transport, _Protocol]

HEAD_START = 1.0
"""Seconds after which a name's next address is tried too.

RFC 8305 has a quarter of that, for TCP without TLS.
"""

UNSENT_IN_SOCKET = 256 * 1024
"""Bytes that the system takes before it can send them.

Without a bound it takes megabytes for a peer that reads nothing, and audio counts as sent
long before it is. What is under way to the peer and not acknowledged comes on top, so the
bound costs no throughput on a link of any length: it only has to last until the loop's next
turn, which it does for 2 ms at 1 Gbit/s.
"""


async def connect(
    make: Callable[[], _Protocol],
    origin: Origin,
    ssl_context: ssl.SSLContext | None,
    alpn: str,
    head_start: float = HEAD_START,
    sessions: Sessions | None = None,
    direct_tls: bool = True,
) -> _Protocol:
    """Open a connection to an origin, through the proxy that the environment names for it.

    :param make: Makes the connection's protocol, which is a `Connection` too.
    :param ssl_context: For an origin with TLS; its ALPN is overwritten. None makes one that
        trusts the system's authorities and those in SSL_CERT_FILE and AWS_CA_BUNDLE.
    :param alpn: The protocol to ask for with TLS.
    :param head_start: See `HEAD_START`.
    :param sessions: TLS sessions of earlier connections, to resume one of them.
    :param direct_tls: Whether TLS runs on the socket itself, where it can.
    :raises ConnectException: whatever it failed by.
    """
    context = None
    if origin.is_secure:
        ssl_context = ssl_context or default_context()
        session = sessions.to(origin, ssl_context) if sessions is not None else None
        context = ContextOfConnection(alpn, ssl_context, session)
        direct_tls = direct_tls and can_be_direct(ssl_context)

    async def begin(sock: socket.socket) -> _Begun[_Protocol]:
        try:
            # Else a small write would wait until the peer has acknowledged the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            _bound_unsent(sock)
            if context is None:
                return await _open_by_loop(make, sock)
            opened = open_directly if direct_tls else _open_by_loop
            return await opened(make, sock, context, origin.host)
        except BaseException:
            sock.close()
            raise

    proxy = proxy_for(origin)
    where = f"{origin.host}:{origin.port}"
    if proxy is not None:
        where += f" (through the proxy {proxy.where})"
    try:
        if proxy is None:
            _, protocol = await _first_that_answers(begin, origin, head_start)
        else:
            _, protocol = await begin(await open_tunnel(proxy, origin))
        close_at_shutdown(cast(Connection, protocol))
        return protocol
    except (OSError, UnicodeError) as error:
        if sessions is not None and ssl_context is not None:
            sessions.forget(origin, ssl_context)
        raise ConnectException(
            f"no connection to {where}: {error}{_hint(origin, error)}",
            transient=_is_transient(error),
        ) from error


async def _open_by_loop(
    make: Callable[[], _Protocol],
    sock: socket.socket,
    context: ContextOfConnection | None = None,
    host: str | None = None,
) -> _Begun[_Protocol]:
    ssl_context = cast("ssl.SSLContext | None", context)
    return await asyncio.get_running_loop().create_connection(
        make, sock=sock, ssl=ssl_context, server_hostname=host
    )


async def _first_that_answers(
    begin: Callable[[socket.socket], Coroutine[None, None, _Begun[_Protocol]]],
    origin: Origin,
    head_start: float,
) -> _Begun[_Protocol]:
    """Connect to a name's addresses in the resolver's order, each with a head start.

    Some may be dead without a word, and all may be slow.

    :raises OSError: as the last one failed.
    """
    loop = asyncio.get_running_loop()
    try:
        found = socket.getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:  # a name, and the answer may take time
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    if len(found) == 1:
        *kind, _, address = found[0]
        return await _begin_at(kind, address, begin)
    running: set[asyncio.Task[_Begun[_Protocol]]] = set()
    failure: BaseException = OSError("the name has no address")
    try:
        while found or running:
            if found:
                *kind, _, address = found.pop(0)
                running.add(loop.create_task(_begin_at(kind, address, begin)))
            patience = head_start if found else None
            done, _ = await asyncio.wait(running, timeout=patience, return_when="FIRST_COMPLETED")
            for task in done:
                running.remove(task)
                error = task.exception()
                if error is None:
                    return task.result()
                if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
                    raise error
                failure = error
    finally:
        for task in running:
            task.add_done_callback(_abort)
            task.cancel()
        if running:
            await asyncio.wait(running)
    raise failure


async def _begin_at(
    kind: Sequence[int],
    address: tuple[Any, ...],
    begin: Callable[[socket.socket], Coroutine[None, None, _Begun[_Protocol]]],
) -> _Begun[_Protocol]:
    sock = socket.socket(*kind)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return await begin(sock)


def _bound_unsent(sock: socket.socket) -> None:
    """Let the system take no more than `UNSENT_IN_SOCKET` bytes ahead.

    Linux and macOS can; the others' own bounds are small.
    """
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_IN_SOCKET)


def _abort(task: asyncio.Task[_Begun[_Protocol]]) -> None:
    """Close what was opened when nobody wanted it any more."""
    if not task.cancelled() and task.exception() is None:
        task.result()[0].abort()


def _hint(origin: Origin, error: OSError | UnicodeError) -> str:
    """Return what to do about an error, for its message; empty if that is not known."""
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return f"; the peer does not speak TLS: use {origin.url(tls=False)}"
    return region_hint(origin.host) if isinstance(error, socket.gaierror) else ""


# OpenSSL's words for an answer that is plain text.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")


def _is_transient(error: OSError | UnicodeError) -> bool:
    """Return whether another attempt may succeed."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, ssl.SSLError):  # certificates and versions stay what they are
        return isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    return isinstance(error, OSError)
