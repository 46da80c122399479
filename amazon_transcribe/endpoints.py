"""Which URL a client talks to."""

from __future__ import annotations

import os
import re

from .exceptions import ValidationException

# Where the service has FIPS endpoints, and the domains of each partition: the plain one and
# the dual-stack one. Source: botocore's endpoints.json.
_FIPS_REGIONS = (
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ca-central-1",
    "us-gov-east-1",
    "us-gov-west-1",
)
_SUFFIXES: dict[str, tuple[str, str | None]] = {
    "cn-": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-": ("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-": ("c2s.ic.gov", None),
    "us-isob-": ("sc2s.sgov.gov", None),
    "us-isof-": ("csp.hci.ic.gov", None),
    "eu-isoe-": ("cloud.adc-e.uk", None),
    "": ("amazonaws.com", "api.aws"),
}

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

    :param endpoint: The URL, see the client's `endpoint_url`.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def resolve(self, region: str) -> str:
        return self._endpoint


class RegionEndpointResolver(BaseEndpointResolver):
    """The service's endpoint in a region, by the rules of botocore.

    :param use_fips: Take the endpoint with FIPS 140 validated cryptography; None goes by
        AWS_USE_FIPS_ENDPOINT.
    :param use_dualstack: Take the endpoint that has IPv6 addresses too; None goes by
        AWS_USE_DUALSTACK_ENDPOINT.
    :raises ValidationException: from `resolve`, for a region that cannot be, or that has
        no such endpoint, and for a variable that is neither true nor false: an endpoint is
        never silently replaced by another.
    """

    def __init__(self, *, use_fips: bool | None = None, use_dualstack: bool | None = None) -> None:
        self._use_fips = use_fips
        self._use_dualstack = use_dualstack

    async def resolve(self, region: str) -> str:
        if not isinstance(region, str) or not _REGION.fullmatch(region):
            raise ValidationException(f"region must be a name such as 'us-west-2', not {region!r}")
        fips = _chosen(self._use_fips, "AWS_USE_FIPS_ENDPOINT")
        if fips and region not in _FIPS_REGIONS:
            raise ValidationException(
                f"no FIPS endpoint is known in {region}, only in {', '.join(_FIPS_REGIONS)};"
                " endpoint_url can name another"
            )
        suffix, dualstack_suffix = next(
            names for prefix, names in _SUFFIXES.items() if region.startswith(prefix)
        )
        if _chosen(self._use_dualstack, "AWS_USE_DUALSTACK_ENDPOINT"):
            if dualstack_suffix is None:
                raise ValidationException(f"there is no dual-stack endpoint in {region}")
            suffix = dualstack_suffix
        return f"https://transcribestreaming{'-fips' if fips else ''}.{region}.{suffix}"


def _chosen(given: bool | None, variable: str) -> bool:
    if given is not None:
        return given
    value = os.environ.get(variable, "")
    if value.lower() not in ("true", "false", ""):
        raise ValidationException(f"{variable} must be true or false, not {value!r}")
    return value.lower() == "true"


# The name under which existing programs know it.
_TranscribeRegionEndpointResolver = RegionEndpointResolver


def default_resolver() -> BaseEndpointResolver:
    """The resolver of a client that was given none.

    AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING, then AWS_ENDPOINT_URL, name an endpoint for
    programs that do not; AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true turns both off. The
    names and their order are those of AWS's SDK reference guide.

    :raises ValidationException: when the last one is neither true nor false.
    """
    if not _chosen(None, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        for name in ("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", "AWS_ENDPOINT_URL"):
            if url := os.environ.get(name):
                return StaticEndpointResolver(url)
    return RegionEndpointResolver()
