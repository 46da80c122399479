"""HTTP proxies: which one the environment names for an origin, and the tunnel through it.

Rules, those of curl and most other programs: HTTPS_PROXY for `https` and `wss`,
HTTP_PROXY for `http` and `ws`, ALL_PROXY for what has none of its own, the names in
lower case first. NO_PROXY lists hosts, domains, addresses and networks that are reached
directly; so is this machine itself, always. Every tunnel is made by CONNECT (RFC 9110,
9.3.6), TLS inside it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from base64 import b64encode
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ..exceptions import ConnectException
from .origin import Origin

MAX_ANSWER = 16 * 1024


class Proxy(NamedTuple):
    """A proxy and what it wants to know of its user: name and password, if anything."""

    host: str
    port: int
    user: tuple[str, str] | None

    @property
    def authorization(self) -> str | None:
        """What says who the user is (RFC 7617)."""
        if self.user is None:
            return None
        return "Basic " + b64encode(":".join(self.user).encode()).decode()

    @property
    def where(self) -> str:
        """Its host and port, for messages: never the user's name or password."""
        return f"{self.host}:{self.port}"


def proxy_for(origin: Origin) -> Proxy | None:
    """Return the proxy that the environment names for this origin; None if there is none.

    :raises ConnectException: when what it names is not the URL of an HTTP proxy.
    """
    if is_local(origin.host) or _is_excepted(origin):
        return None
    own = "https_proxy" if origin.is_secure else "http_proxy"
    for name in (own, own.upper(), "all_proxy", "ALL_PROXY"):
        # A CGI program's HTTP_PROXY is the client's `Proxy` header.
        if name == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ:
            continue
        if value := os.environ.get(name):
            return _parse(name, value)
    return None


def _parse(name: str, value: str) -> Proxy:
    # The value may hold a password: no message shows it.
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if not host or parts.scheme != "http":
        raise ConnectException(f"{name} must be http://[USER:PASSWORD@]HOST[:PORT]")
    user = None
    if parts.username is not None:
        user = (unquote(parts.username), unquote(parts.password or ""))
    return Proxy(host, port, user)


def is_local(host: str) -> bool:
    """Tell whether a host is this machine: localhost or a loopback address."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _is_excepted(origin: Origin) -> bool:
    excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    address = _address(origin.host)
    for entry in excepted.lower().replace(",", " ").split():
        if entry == "*":
            return True
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                    return True
            except ValueError:
                pass
        name, _, port = entry.partition(":")
        if port and port != str(origin.port):
            continue
        name = name.removeprefix("*").removeprefix(".")
        if name and (origin.host == name or (address is None and origin.host.endswith("." + name))):
            return True
    return False


@lru_cache(maxsize=64)  # a name costs two exceptions, and each connection asks twice
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


async def open_tunnel(proxy: Proxy, origin: Origin) -> socket.socket:
    """Connect to the proxy and have it connect to the origin, whose name it resolves.

    :raises ConnectException: when the proxy cannot be reached, refuses or is none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectException(f"no connection to the proxy {proxy.where}: {error}") from error
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, address)
            except OSError as error:
                failure = error
                sock.close()
                continue
            await _tunnel(sock, proxy, origin)
        except BaseException:
            sock.close()
            raise
        return sock
    raise ConnectException(f"no connection to the proxy {proxy.where}: {failure}") from failure


async def _tunnel(sock: socket.socket, proxy: Proxy, origin: Origin) -> None:
    loop = asyncio.get_running_loop()
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode("ascii"))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            # Byte by byte: what follows the answer is the origin's and not read here.
            byte = await loop.sock_recv(sock, 1)
            answer += byte
            if not byte or len(answer) > MAX_ANSWER:
                break
    except (OSError, UnicodeError) as error:
        raise ConnectException(f"no tunnel through the proxy {proxy.where}: {error}") from error
    status = answer.partition(b"\r\n")[0].split(b" ", 2)
    if not status[0].startswith(b"HTTP/1.") or not answer.endswith(b"\r\n\r\n"):
        raise ConnectException(f"{proxy.where} does not speak like an HTTP proxy")
    if status[1:2] == [b"407"]:
        raise ConnectException(
            f"the proxy {proxy.where} asks for a user and a password, or for others (HTTP 407)"
        )
    if not (len(status) > 1 and status[1][:1] == b"2" and len(status[1]) == 3):
        code = b" ".join(status[1:])[:80].decode("ascii", "replace")
        raise ConnectException(f"the proxy {proxy.where} refused to connect to {host}: {code!r}")
