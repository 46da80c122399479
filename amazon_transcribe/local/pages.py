"""Pages: what the server answers to a probe, a scraper or a browser, without a signature."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Page", "Pages", "text"]


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


class Pages:
    """The pages of a server.

    :param pages: What makes each page, by its path.
    :param host: Where the server listens. On loopback the pages answer to addresses and to
        localhost only: a site in the user's browser may make DNS lead its own name here.
    """

    def __init__(self, pages: Mapping[str, Callable[[], Page]], host: str = "") -> None:
        self._pages = pages
        self._is_strict = _is_of_loopback(host)

    def find(self, method: str, target: str, host: str) -> Page | None:
        """Return the page that a request asks for, None where no page has this path.

        :param method: `"GET"` or `"HEAD"`; any other gets status 405.
        :param target: The path as sent; a query is ignored.
        :param host: The name that the server is called by, with a port or without; empty
            where the request has none, which no browser sends.
        """
        make = self._pages.get(target.partition("?")[0])
        if make is None:
            return None
        if host and self._is_strict and not _is_safe(host):
            page = text("Ask by the name localhost, or by an address.\n", 421)
        elif method not in ("GET", "HEAD"):
            page = text("Ask with GET.\n", 405)
            page = page._replace(headers=[*page.headers, ("allow", "GET, HEAD")])
        else:
            page = make()
        return page._replace(body=b"") if method == "HEAD" else page


def _is_of_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost"


def _is_safe(host: str) -> bool:
    """Tell whether no site can make DNS lead its own name here: an address, or localhost."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return _address(name) is not None or name.rstrip(".") == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None
