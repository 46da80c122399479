"""Endpoints: by region, FIPS, dual-stack, partitions, and from the environment."""

from __future__ import annotations

import asyncio
import socket
from enum import Enum
from typing import Any

import pytest

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import (
    RegionEndpointResolver,
    StaticEndpointResolver,
    _TranscribeRegionEndpointResolver,
    default_resolver,
    region_hint,
)
from amazon_transcribe.exceptions import ConnectException, ValidationException

VARIABLES = (
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("region", "options", "host"),
    [
        ("us-east-2", {}, "transcribestreaming.us-east-2.amazonaws.com"),
        ("cn-north-1", {}, "transcribestreaming.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", {}, "transcribestreaming.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", {}, "transcribestreaming.us-iso-east-1.c2s.ic.gov"),
        ("us-west-2", {"use_fips": True}, "transcribestreaming-fips.us-west-2.amazonaws.com"),
        ("eu-west-1", {"use_dualstack": True}, "transcribestreaming.eu-west-1.api.aws"),
        (
            "us-gov-west-1",
            {"use_fips": True, "use_dualstack": True},
            "transcribestreaming-fips.us-gov-west-1.api.aws",
        ),
        (
            "cn-northwest-1",
            {"use_dualstack": True},
            "transcribestreaming.cn-northwest-1.api.amazonwebservices.com.cn",
        ),
    ],
)
async def test_region(region: str, options: dict[str, bool], host: str) -> None:
    assert await RegionEndpointResolver(**options).resolve(region) == f"https://{host}"


@pytest.mark.parametrize(
    ("region", "options", "told"),
    [
        ("eu-west-1", {"use_fips": True}, "us-east-1"),
        ("us-iso-east-1", {"use_dualstack": True}, "dual-stack"),
        ("us-east-1/evil", {}, "region"),
        ("Us-East-1", {}, "region"),
        (None, {}, "region"),
    ],
)
async def test_what_there_is_not(region: Any, options: dict[str, bool], told: str) -> None:
    with pytest.raises(ValidationException, match=told):
        await RegionEndpointResolver(**options).resolve(region)


async def test_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_USE_FIPS_ENDPOINT", "True")
    environment.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    both = "https://transcribestreaming-fips.us-east-1.api.aws"
    assert await default_resolver().resolve("us-east-1") == both
    plain = RegionEndpointResolver(use_fips=False, use_dualstack=False)
    assert "fips" not in await plain.resolve("us-east-1")
    environment.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    assert isinstance(default_resolver(), StaticEndpointResolver)


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
async def test_a_variable_that_is_neither_true_nor_false(
    variable: str, environment: pytest.MonkeyPatch
) -> None:
    plain = await RegionEndpointResolver().resolve("us-east-1")
    for value in ("1", "yes", "on", "treu", " true"):
        environment.setenv(variable, value)
        with pytest.raises(ValidationException, match=f"{variable} must be true or false"):
            await RegionEndpointResolver().resolve("us-east-1")
        await RegionEndpointResolver(use_fips=False, use_dualstack=False).resolve("us-east-1")
    for value in ("FALSE", ""):
        environment.setenv(variable, value)
        assert await RegionEndpointResolver().resolve("us-east-1") == plain


def test_ignoring_the_environment_s_endpoint(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    environment.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True")
    assert isinstance(default_resolver(), RegionEndpointResolver)
    environment.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1")
    with pytest.raises(ValidationException, match="AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        default_resolver()


def test_the_original_s_name_is_kept() -> None:
    assert isinstance(_TranscribeRegionEndpointResolver(), RegionEndpointResolver)


async def test_botocore_agrees() -> None:
    session = pytest.importorskip("botocore.session").get_session()
    data = session.get_component("data_loader").load_data("endpoints")
    count = 0
    for partition in data["partitions"]:
        service = partition["services"].get("transcribestreaming", {"endpoints": {}})
        for region, endpoint in service["endpoints"].items():
            if endpoint.get("deprecated"):
                continue
            plain = f"transcribestreaming.{region}.{partition['dnsSuffix']}"
            variants = {(): plain} | {
                tuple(sorted(variant["tags"])): variant["hostname"]
                for variant in endpoint.get("variants", ())
            }
            for tags, host in variants.items():
                resolver = RegionEndpointResolver(
                    use_fips="fips" in tags, use_dualstack="dualstack" in tags
                )
                assert await resolver.resolve(region) == f"https://{host}"
                count += 1
            if ("fips",) not in variants:
                with pytest.raises(ValidationException):
                    await RegionEndpointResolver(use_fips=True).resolve(region)
    assert count > 40


class Region(str, Enum):
    OREGON = "us-west-2"


@pytest.mark.parametrize("region", ["us-west-2", " us-west-2\r\n", Region.OREGON])
def test_a_region_of_a_client_is_a_plain_name(region: str) -> None:
    client = TranscribeStreamingClient(region=region)
    assert type(client.region) is str
    assert client.region == "us-west-2"


@pytest.mark.parametrize("region", ["", " ", "us\nwest", "us west", "a/b", "é", 5, None, "x" * 65])
def test_a_region_that_cannot_be_sent_is_refused(region: Any) -> None:
    with pytest.raises(ValidationException, match="region must be a name"):
        TranscribeStreamingClient(region=region)


@pytest.mark.parametrize(
    ("region", "near"),
    [
        ("us-west-3", "us-west-2"),
        ("us-west2", "us-west-2"),
        ("eu-wset-1", "eu-west-1"),
        ("us-east-1a", "us-east-1"),
        ("ap-norteast-1", "ap-northeast-1"),
    ],
)
async def test_a_region_that_does_not_exist_is_suggested_the_nearest(
    region: str, near: str
) -> None:
    host = (await RegionEndpointResolver(use_fips=False).resolve(region)).removeprefix("https://")
    assert f"{region!r} is no region" in region_hint(host)
    assert region_hint(host).endswith(f"did you mean {near!r}?")


def test_a_region_that_is_like_no_other_is_told_all() -> None:
    assert "it is in us-east-1, us-east-2," in region_hint("transcribestreaming.moon.amazonaws.com")


@pytest.mark.parametrize(
    "host",
    [
        "transcribestreaming.us-east-1.amazonaws.com",
        "transcribestreaming-fips.us-gov-east-1.amazonaws.com",
        "localhost",
        "us-west-3.example",
    ],
)
def test_other_names_are_told_nothing_of_regions(host: str) -> None:
    assert region_hint(host) == ""


@pytest.mark.parametrize("region", ["US-EAST-1", "us_east_1", "us-east-1."])
async def test_an_impossible_region_is_suggested_the_nearest(region: str) -> None:
    with pytest.raises(ValidationException, match="did you mean 'us-east-1'"):
        await RegionEndpointResolver().resolve(region)


async def test_a_start_in_a_region_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    client = TranscribeStreamingClient(
        region="us-west-3", credential_resolver=StaticCredentialResolver("AKID", "secret")
    )
    with pytest.raises(ConnectException, match="not known; 'us-west-3' is no .* 'us-west-2'"):
        await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
