"""Connections as every transport opens them: by name, through a proxy, with TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from ..endpoints import region_hint
from ..exceptions import ConnectException
from .origin import Origin
from .proxy import open_tunnel, proxy_for
from .shutdown import Connection, close_at_shutdown
from .tls import ContextOfConnection, Sessions, default_context

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)

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
) -> _Protocol:
    """Open a connection to an origin, through the proxy that the environment names for it.

    :param make: Makes the connection's protocol, which is a `Connection` too.
    :param ssl_context: For an origin with TLS; its ALPN is overwritten. None makes one that
        trusts the system's authorities and those in SSL_CERT_FILE and AWS_CA_BUNDLE.
    :param alpn: The protocol to ask for with TLS.
    :param head_start: See `HEAD_START`.
    :param sessions: TLS sessions of earlier connections, to resume one of them.
    :raises ConnectException: whatever it failed by.
    """
    context = None
    if origin.is_secure:
        ssl_context = ssl_context or default_context()
        session = sessions.to(origin, ssl_context) if sessions is not None else None
        wanted = ContextOfConnection(alpn, ssl_context, session)
        context = cast(ssl.SSLContext, wanted)
    loop = asyncio.get_running_loop()
    proxy = proxy_for(origin)
    where = f"{origin.host}:{origin.port}"
    if proxy is not None:
        where += f" (through the proxy {proxy.where})"
    try:
        if proxy is None:
            transport, protocol = await _first_that_answers(make, origin, context, head_start)
        else:
            sock = await open_tunnel(proxy, origin)
            try:
                transport, protocol = await loop.create_connection(
                    make,
                    sock=sock,
                    ssl=context,
                    server_hostname=origin.host if context is not None else None,
                )
            except BaseException:
                sock.close()
                raise
        _bound_unsent(transport.get_extra_info("socket"))
        close_at_shutdown(cast(Connection, protocol))
        return protocol
    except (OSError, UnicodeError) as error:
        if sessions is not None and ssl_context is not None:
            sessions.forget(origin, ssl_context)
        raise ConnectException(
            f"no connection to {where}: {error}{_hint(origin, error)}",
            transient=_is_transient(error),
        ) from error


async def _first_that_answers(
    make: Callable[[], _Protocol],
    origin: Origin,
    context: ssl.SSLContext | None,
    head_start: float,
) -> tuple[asyncio.Transport, _Protocol]:
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
    name = origin.host if context is not None else None
    hosts = [str(address[0]) for *_, address in found]
    running: set[asyncio.Task[tuple[asyncio.Transport, _Protocol]]] = set()
    failure: BaseException = OSError("the name has no address")
    try:
        while hosts or running:
            if hosts:
                connecting = loop.create_connection(
                    make, hosts.pop(0), origin.port, ssl=context, server_hostname=name
                )
                running.add(loop.create_task(connecting))
            patience = head_start if hosts else None
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


def _bound_unsent(sock: socket.socket | None) -> None:
    """Let the system take no more than `UNSENT_IN_SOCKET` bytes ahead.

    Linux and macOS can; the others' own bounds are small.
    """
    if sock is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_IN_SOCKET)


def _abort(task: asyncio.Task[tuple[asyncio.Transport, _Protocol]]) -> None:
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
