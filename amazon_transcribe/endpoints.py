"""Which URL a client talks to."""

from __future__ import annotations

import os
import re

from .exceptions import ValidationException

_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class BaseEndpointResolver:
    """Base class of anything that turns a region into an endpoint."""

    async def resolve(self, region: str) -> str:
        """Give the endpoint of a region.

        :param region: An AWS region, e.g. `"us-west-2"`.
        :returns: A URL of scheme and host, e.g. `"https://transcribestreaming.…"`.
        """
        raise NotImplementedError("resolve")


class StaticEndpointResolver(BaseEndpointResolver):
    """One endpoint for every region.

    :param endpoint: The URL, `https://…`, or `http://…` for HTTP/2 without TLS.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def resolve(self, region: str) -> str:
        return self._endpoint


class _TranscribeRegionEndpointResolver(BaseEndpointResolver):
    """The service's endpoint in a region, those of China included."""

    async def resolve(self, region: str) -> str:
        if not isinstance(region, str) or not _REGION.fullmatch(region):
            raise ValidationException(f"region must be a name such as 'us-west-2', not {region!r}")
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://transcribestreaming.{region}.{suffix}"


def default_resolver() -> BaseEndpointResolver:
    """The resolver of a client that was given none.

    AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING, then AWS_ENDPOINT_URL, name an endpoint for
    programs that do not; AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true turns both off. The
    names and their order are those of AWS's SDK reference guide.
    """
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        for name in ("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", "AWS_ENDPOINT_URL"):
            if url := os.environ.get(name):
                return StaticEndpointResolver(url)
    return _TranscribeRegionEndpointResolver()
