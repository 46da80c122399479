# mypy: disallow-any-expr
# pyright: strict
"""Credentials and endpoints, from the package and of the program's own."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol

from typing_extensions import assert_type, override

from amazon_transcribe.auth import (
    AwsCrtCredentialResolver,
    BotoSessionCredentialResolver,
    CredentialResolver,
    Credentials,
    CredentialSource,
    ProfileCredentialResolver,
    StaticCredentialResolver,
)
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import (
    BaseEndpointResolver,
    RegionEndpointResolver,
    StaticEndpointResolver,
)


class Session(Protocol):
    """What boto3 and botocore call a session; neither has types."""

    def get_credentials(self) -> object: ...


def of_boto(session: Session) -> CredentialResolver:
    return BotoSessionCredentialResolver(session)


class BotoCredentials(Protocol):
    """What botocore's `Credentials` are to a type checker; either may be awaited."""

    access_key: str
    secret_key: str
    token: str | None

    def get_frozen_credentials(self) -> object: ...


class AioSession(Protocol):
    """What aioboto3 and aiobotocore call a session."""

    async def get_credentials(self) -> BotoCredentials | None: ...


class FrozenCredentials(NamedTuple):
    """What botocore calls `ReadOnlyCredentials`."""

    access_key: str
    secret_key: str
    token: str | None


class Provider(Protocol):
    """What awscrt calls a provider."""

    def get_credentials(self) -> Future[Credentials]: ...


def of_others(
    session: Session, asynchronous: AioSession, credentials: BotoCredentials, provider: Provider
) -> list[TranscribeStreamingClient]:
    frozen = FrozenCredentials("AKID", "secret", None)
    own = Credentials("AKID", "secret")
    given: list[CredentialSource] = [session, asynchronous, credentials, provider, frozen, own]
    return [
        TranscribeStreamingClient(region="us-west-2", credential_resolver=session),
        *[TranscribeStreamingClient(region="us-west-2", credential_resolver=g) for g in given],
    ]


class Vault(CredentialResolver):
    @override
    async def get_credentials(self) -> Credentials | None:
        return Credentials("AKID", "secret", session_token=None)


class Nearest(BaseEndpointResolver):
    @override
    async def resolve(self, region: str) -> str:
        return f"https://{region}.example"


async def ask(static: StaticCredentialResolver) -> None:
    resolvers: list[CredentialResolver] = [
        Vault(),
        static,
        AwsCrtCredentialResolver(),
        ProfileCredentialResolver("work", config_file=Path("config")),
    ]
    for resolver in resolvers:
        assert_type(await resolver.get_credentials(), Credentials | None)
    endpoints: list[BaseEndpointResolver] = [
        Nearest(),
        StaticEndpointResolver("http://localhost:8770"),
        RegionEndpointResolver(use_fips=True, use_dualstack=False),
    ]
    for endpoint in endpoints:
        assert_type(await endpoint.resolve("us-west-2"), str)
    assert_type(await static.get_credentials(), Credentials)
    assert_type(static.access_key_id, str)
    assert_type(static.secret_access_key, str)
    assert_type(static.session_token, str | None)


def client() -> TranscribeStreamingClient:
    return TranscribeStreamingClient(
        region="us-west-2",
        credential_resolver=StaticCredentialResolver("AKID", "secret", session_token="token"),
        endpoint_resolver=Nearest(),
    )
