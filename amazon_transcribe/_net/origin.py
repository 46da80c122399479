"""Where connections lead: scheme, host and port."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from ..exceptions import ValidationException

_SCHEMES = {"https": 443, "http": 80, "wss": 443, "ws": 80}

# Where the service itself listens for WebSocket.
_AWS_WEBSOCKET_PORT = 8443
_AWS = re.compile(r"transcribestreaming(-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+")


class Origin(NamedTuple):
    """Where connections lead: scheme, host and port.

    :param scheme: `"https"` or `"http"` for HTTP/2 with TLS or without (by prior
        knowledge), `"wss"` or `"ws"` for WebSocket.
    :param host: A name or an address, IPv6 without brackets.
    :param port: The TCP port.
    """

    scheme: str
    host: str
    port: int

    @staticmethod
    def parse(url: str, *, websocket: bool = False) -> Origin:
        """Take an endpoint's URL apart.

        The port is the scheme's own unless the URL names one, and 8443 for WebSocket
        to AWS itself.

        :param websocket: Take `https` for `wss` and `http` for `ws`.
        :raises ValidationException: for anything but scheme, host and port.
        """
        if not isinstance(url, str):
            raise ValidationException(f"the endpoint {url!r} is not a URL")
        return _parse(url.strip(), websocket)

    @property
    def is_websocket(self) -> bool:
        """Whether it is spoken to by WebSocket."""
        return self.scheme in ("ws", "wss")

    @property
    def is_secure(self) -> bool:
        """Whether connections are TLS."""
        return self.scheme in ("https", "wss")

    def url(self, *, tls: bool) -> str:
        """Return the URL of the same place with TLS or without, for a hint."""
        scheme = ("wss" if tls else "ws") if self.is_websocket else ("https" if tls else "http")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def tls_hint(self) -> str:
        """What to say of a peer that takes no plain text; empty where TLS is spoken."""
        return "" if self.is_secure else f"; if it speaks TLS, use {self.url(tls=True)}"

    @property
    def authority(self) -> str:
        """Host, and port unless it is the scheme's own, as sent in `:authority` or `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _SCHEMES[self.scheme] else f"{host}:{self.port}"


@lru_cache(maxsize=64)
def _parse(url: str, websocket: bool) -> Origin:
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, AttributeError, TypeError):
        raise ValidationException(f"the endpoint {url!r} is not a URL") from None
    scheme, host = parts.scheme, parts.hostname
    if scheme not in _SCHEMES or not host or not host.isprintable() or " " in host:
        raise ValidationException(
            "the endpoint must be https://HOST[:PORT] or http://HOST[:PORT], or wss:// or"
            f" ws:// for WebSocket, not {url!r}"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValidationException(
            f"the endpoint must be a scheme, a host and a port only, not {url!r}"
        )
    if websocket:
        scheme = scheme.replace("http", "ws")
    if port is None:
        to_aws = scheme == "wss" and _AWS.fullmatch(host)
        port = _AWS_WEBSOCKET_PORT if to_aws else _SCHEMES[scheme]
    return Origin(scheme, host, port)
