"""Endpoints: the URLs that clients connect to."""

from __future__ import annotations

import os
import re
from enum import Enum

from .exceptions import ValidationException

# The regions with FIPS endpoints, and by region prefix the domains of each partition: the
# plain one and the dual-stack one. Source: botocore's endpoints.json.
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

# The regions of the service, by the same source.
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "mx-central-1", "sa-east-1"),
    *("eu-central-1", "eu-central-2", "eu-west-1", "eu-west-2", "af-south-1", "ap-south-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2"),
    *("ap-southeast-5", "ap-southeast-7", "cn-north-1", "cn-northwest-1"),
    *("us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-isof-east-1", "us-isof-south-1"),
    "eusc-de-east-1",
)

_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def checked_region(region: object) -> str:
    """Return a region's name without the white space around it.

    :param region: A name, or a member of an enumeration whose value is one.
    :raises ValidationException: If it cannot be one.
    """
    name = region.value if isinstance(region, Enum) else region
    name = name.strip() if isinstance(name, str) else name
    # Wider than AWS's own, as a server of another kind may have other names.
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
        raise ValidationException(f"region must be a name such as 'us-west-2', not {region!r}")
    return name


class BaseEndpointResolver:
    """Base class of objects that find the endpoint of a region."""

    async def resolve(self, region: str) -> str:
        """Return the endpoint of a region.

        :param region: An AWS region, e.g. `"us-west-2"`.
        :returns: A URL with scheme and host, e.g. `"https://transcribestreaming.…"`.
        """
        raise NotImplementedError("resolve")


class StaticEndpointResolver(BaseEndpointResolver):
    """One endpoint for every region.

    :param endpoint: The URL; see the client's `endpoint_url`.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def resolve(self, region: str) -> str:
        return self._endpoint


class RegionEndpointResolver(BaseEndpointResolver):
    """The service's endpoint in a region, by the rules of botocore.

    No endpoint is silently replaced by another.

    :param use_fips: Use the endpoint with FIPS 140 validated cryptography; by default as
        AWS_USE_FIPS_ENDPOINT says.
    :param use_dualstack: Use the endpoint that has IPv6 addresses too; by default as
        AWS_USE_DUALSTACK_ENDPOINT says.
    :raises ValidationException: From `resolve`, for an impossible region name, a region
        without such an endpoint, or a variable that is neither true nor false.
    """

    def __init__(self, *, use_fips: bool | None = None, use_dualstack: bool | None = None) -> None:
        self._use_fips = use_fips
        self._use_dualstack = use_dualstack

    async def resolve(self, region: str) -> str:
        if not isinstance(region, str) or not _REGION.fullmatch(region):
            hint = _nearest(region) if isinstance(region, str) else ""
            raise ValidationException(
                f"region must be a name such as 'us-west-2', not {region!r}{hint}"
            )
        fips = _chosen(self._use_fips, "AWS_USE_FIPS_ENDPOINT")
        if fips and region not in _FIPS_REGIONS:
            raise ValidationException(
                f"no FIPS endpoint is known in {region}, only in {', '.join(_FIPS_REGIONS)};"
                " name another endpoint with endpoint_url"
            )
        suffix, dualstack_suffix = next(
            names for prefix, names in _SUFFIXES.items() if region.startswith(prefix)
        )
        if _chosen(self._use_dualstack, "AWS_USE_DUALSTACK_ENDPOINT"):
            if dualstack_suffix is None:
                raise ValidationException(f"there is no dual-stack endpoint in {region}")
            suffix = dualstack_suffix
        return f"https://transcribestreaming{'-fips' if fips else ''}.{region}.{suffix}"


# The original SDK's name, which programs use.
_TranscribeRegionEndpointResolver = RegionEndpointResolver


def default_resolver() -> BaseEndpointResolver:
    """Return the resolver of a client that is given none.

    AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING, then AWS_ENDPOINT_URL, name its endpoint;
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true turns both off. The names and their order are
    those of AWS's SDK reference guide.

    :raises ValidationException: If AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is neither true nor
        false.
    """
    if not _chosen(None, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        for name in ("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", "AWS_ENDPOINT_URL"):
            if url := os.environ.get(name):
                return StaticEndpointResolver(url)
    return RegionEndpointResolver()


def region_hint(host: str) -> str:
    """Return what to say of an endpoint that does not exist, as its region is not known.

    :param host: The endpoint's name.
    :returns: The region's nearest one, or empty where the region is known, as there is none.
    """
    found = re.match(r"transcribestreaming(?:-fips)?\.([a-z0-9-]+)\.", host)
    if found is None or found[1] in REGIONS:
        return ""
    return f"; {found[1]!r} is no region that is known to have the service{_nearest(found[1])}"


def _nearest(region: str) -> str:
    from difflib import get_close_matches  # here, as hardly any program needs it

    if near := get_close_matches(region.strip().lower().replace("_", "-"), REGIONS, n=1):
        return f": did you mean {near[0]!r}?"
    return f": it is in {', '.join(REGIONS)}"


def _chosen(given: bool | None, variable: str) -> bool:
    if given is not None:
        return given
    value = os.environ.get(variable, "")
    if value.lower() not in ("true", "false", ""):
        raise ValidationException(f"{variable} must be true or false, not {value!r}")
    return value.lower() == "true"
