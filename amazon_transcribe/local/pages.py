"""Pages: what the server answers to a probe, a scraper or a browser, without a signature."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Page", "Pages", "Route", "text"]


class Page(NamedTuple):
    """An answer: its status, headers and body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def text(content: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Page:
    """Return a page of text that nobody caches."""
    body = content.encode()
    headers = [
        ("content-type", content_type),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ]
    return Page(status, headers, body)


class Route(NamedTuple):
    """What answers at a path.

    :param make: Makes the page, of the request's query.
    :param is_own: Whether only scripts of the server's own pages may ask, with POST; all others
        ask with GET.
    """

    make: Callable[[str], Page]
    is_own: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods to ask with."""
        return ("POST",) if self.is_own else ("GET", "HEAD")


class Pages:
    """The pages of a server.

    :param routes: What answers, by its path.
    :param host: Where the server listens. On loopback the pages answer to addresses and to
        localhost only: a site in the user's browser may make DNS lead its own name here.
    """

    def __init__(self, routes: Mapping[str, Route], host: str = "") -> None:
        self._routes = routes
        self._host = host
        self._is_strict = is_loopback(host)

    def find(self, method: str, target: str, host: str, origin: str = "") -> Page | None:
        """Return the page that a request asks for, None where no page has this path.

        :param method: The method; one that the path does not take gets status 405.
        :param target: The path as sent, with its query.
        :param host: The name that the server is called by, with a port or without; empty
            where the request has none, which no browser sends.
        :param origin: The `Origin` of the request, which browsers send with each POST; empty
            where it has none.
        """
        path, _, query = target.partition("?")
        route = self._routes.get(path)
        if route is None:
            return None
        if host and self._is_strict and not _is_safe(host):
            page = text("Ask by the name localhost, or by an address.\n", 421)
        elif method not in route.methods:
            page = text(f"Ask with {route.methods[0]}.\n", 405)
            page = page._replace(headers=[*page.headers, ("allow", ", ".join(route.methods))])
        elif route.is_own and not self._is_own(host, origin):
            page = text("Only the server's own page may ask this.\n", 403)
        else:
            page = route.make(query)
        return page._replace(body=b"") if method == "HEAD" else page

    def _is_own(self, host: str, origin: str) -> bool:
        """Tell whether a script asks that a browser loaded from this very server."""
        is_same = host != "" and origin.partition("://")[2] == host
        return is_same and (_is_safe(host) or _name(host) == self._host)


def is_loopback(host: str) -> bool:
    """Tell whether a server that listens there is reached from this machine only."""
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost"


def _is_safe(host: str) -> bool:
    """Tell whether no site can make DNS lead its own name here: an address, or localhost."""
    name = _name(host)
    return _address(name) is not None or name.rstrip(".") == "localhost"


def _name(host: str) -> str:
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None
