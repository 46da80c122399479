"""The page for browsers: its files, its keys, and what it shows of the streams."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec

from ..pages import Page, Route, text
from ..service.records import StreamRecord

__all__ = ["BrowserPage", "PageKeys"]

LIFETIME = 300.0
"""Seconds for which a page's keys are good after it last asked; it asks every few seconds."""

_MAX_PAGES = 100  # that are open at a time; the one that asked longest ago makes room
_MAX_REASON = 300  # characters, as in the log
_MAX_ROWS = 50  # of streams that are open, and of those that have ended

_FOLDER = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "microphone=(self), camera=(), geolocation=()"),
    ("referrer-policy", "same-origin"),
]


class BrowserPage:
    """The page of one server.

    :ivar keys: The server's keys, and those of the pages that are open.
    :ivar routes: What answers, by its path.

    :param known: The server's own keys, see `PageKeys`.
    :param describe: Tells the page about the server, in JSON's types.
    """

    def __init__(self, known: Mapping[str, str], describe: Callable[[], Mapping[str, Any]]) -> None:
        self.keys: PageKeys = PageKeys(known)
        self._describe = describe
        self._open: dict[StreamRecord, float] = {}  # with the time at which each began
        self._ended: deque[tuple[StreamRecord, float, float]] = deque(maxlen=_MAX_ROWS)
        self.routes: Mapping[str, Route] = {
            "/": Route(partial(_file, "index.html")),
            **{f"/page/{name}": Route(partial(_file, name)) for name in _names()},
            "/page/session": Route(self._begin, is_own=True),
            "/page/streams": Route(self._streams, is_own=True),
            "/page/leave": Route(self._leave, is_own=True),
        }

    def clear(self) -> None:
        """End the pages' keys and forget all streams, as the server starts anew."""
        self.keys.discard_all()
        self._open.clear()
        self._ended.clear()

    def take(self, record: StreamRecord) -> None:
        """Take note of a stream that has begun, or has ended."""
        now = time.monotonic()
        if record.ended is None:
            self._open[record] = now
        else:
            began = self._open.pop(record, now)
            if record.operation:  # else the request named none
                self._ended.appendleft((record, began, now))

    def _begin(self, _: str) -> Page:
        access_key, secret = self.keys.make()
        return _json({**self._describe(), "accessKey": access_key, "secretKey": secret})

    def _streams(self, query: str) -> Page:
        if not self.keys.renew(_session(query)):
            return text("This page's session is over.\n", 410)
        now = time.monotonic()
        shown = islice(reversed(self._open.items()), _MAX_ROWS)
        rows = [_row(record, now - began) for record, began in shown if record.operation]
        rows += [_row(record, ended - began) for record, began, ended in self._ended]
        return _json({"open": len(self._open), "streams": rows})

    def _leave(self, query: str) -> Page:
        self.keys.discard(_session(query))
        return text("")


class PageKeys(dict[str, str]):
    """The secrets by their access keys: the server's own, and a pair for each page that is open.

    Only `[]` finds the pairs of pages, which come and go.

    :param known: The server's own.
    :param lifetime: Seconds after which a pair that is not renewed ends.
    :param limit: How many pairs there may be; then the one renewed longest ago ends.
    :param clock: Gives the present, in seconds.
    """

    def __init__(
        self,
        known: Mapping[str, str],
        *,
        lifetime: float = LIFETIME,
        limit: int = _MAX_PAGES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(known)
        self._lifetime = lifetime
        self._limit = limit
        self._clock = clock
        self._pairs: dict[str, tuple[str, float]] = {}  # with its end, in the order of the ends

    def make(self) -> tuple[str, str]:
        """Make a pair, and return it."""
        access_key, secret = "PAGE" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
        self._drop_old()
        if len(self._pairs) >= self._limit:
            del self._pairs[next(iter(self._pairs))]
        self._pairs[access_key] = secret, self._clock() + self._lifetime
        return access_key, secret

    def renew(self, access_key: str) -> bool:
        """Let a pair live on; tell whether it still does."""
        self._drop_old()
        pair = self._pairs.pop(access_key, None)
        if pair is None:
            return False
        self._pairs[access_key] = pair[0], self._clock() + self._lifetime
        return True

    def discard(self, access_key: str) -> None:
        """End a pair, if it is there."""
        self._pairs.pop(access_key, None)

    def discard_all(self) -> None:
        """End all pairs of pages."""
        self._pairs.clear()

    def _drop_old(self) -> None:
        now = self._clock()
        while self._pairs and self._pairs[next(iter(self._pairs))][1] <= now:
            del self._pairs[next(iter(self._pairs))]

    def __missing__(self, access_key: str) -> str:
        self._drop_old()
        return self._pairs[access_key][0]


def _names() -> list[str]:
    return sorted(path.name for path in _FOLDER.iterdir() if path.suffix in _TYPES)


def _file(name: str, _: str) -> Page:
    path = _FOLDER / name
    page = text(path.read_text("utf-8"), content_type=_TYPES[path.suffix])
    return page._replace(headers=[*page.headers, *_HEADERS])


def _json(content: object) -> Page:
    return text(msgspec.json.encode(content).decode(), content_type="application/json")


def _session(query: str) -> str:
    return parse_qs(query).get("session", [""])[0]


def _row(record: StreamRecord, seconds: float) -> dict[str, object]:
    """Return what the page shows of a stream: nothing of what was said, and no keys."""
    return {
        "operation": record.operation,
        "client": record.client,
        "session": record.session_id,
        "seconds": seconds,
        "audioSeconds": record.audio_seconds,
        "lag": record.lag,
        "finals": record.finals,
        "end": record.ended,
        "reason": record.reason[:_MAX_REASON],
    }
