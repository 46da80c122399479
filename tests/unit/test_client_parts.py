"""The objects that a client is given: what stands for them works, the rest is refused by name."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ssl
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from amazon_transcribe.auth import (
    AwsCrtCredentialResolver,
    BotoSessionCredentialResolver,
    CredentialResolver,
    Credentials,
    StaticCredentialResolver,
)
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver
from amazon_transcribe.exceptions import CredentialsException, ValidationException
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.observe import Observer
from amazon_transcribe.transports.h2 import H2Transport

FROZEN = SimpleNamespace(access_key="AKID", secret_key="secret", token="token")
PLAIN = Credentials("AKID", "secret", "token")


class Refreshable:
    """The part of botocore's credentials that is used."""

    def get_frozen_credentials(self) -> Any:
        return FROZEN


class AsyncRefreshable:
    """The part of aiobotocore's credentials that is used."""

    access_key = secret_key = token = "stale"

    async def get_frozen_credentials(self) -> Any:
        return FROZEN


class AsyncSession:
    """A session of aiobotocore."""

    async def get_credentials(self) -> Any:
        return AsyncRefreshable()


class Session:
    """A session of aioboto3: a plain method that returns a coroutine."""

    def get_credentials(self) -> Any:
        return AsyncSession().get_credentials()


class BotoSession:
    def get_credentials(self) -> Any:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()  # it may wait, so it is asked in a thread
        return Refreshable()


BotoSession.__module__ = "boto3.session"


class Provider:
    """A credentials provider of awscrt."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_credentials(self) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        if isinstance(self.answer, Exception):
            future.set_exception(self.answer)
        else:
            future.set_result(self.answer)
        return future


class Duck:
    async def get_credentials(self) -> Any:
        return PLAIN


class Synchronous:
    def get_credentials(self) -> Any:
        return PLAIN


async def found_by(given: Any) -> Credentials:
    client = TranscribeStreamingClient(region="us-east-1", credential_resolver=given)
    return await client._starter.credentials(5)


@pytest.mark.parametrize(
    "given",
    [
        StaticCredentialResolver("AKID", "secret", "token"),
        PLAIN,
        Duck(),
        Synchronous(),
        AsyncMock(**{"get_credentials.return_value": PLAIN}),
        BotoSession(),
        AsyncSession(),
        Session(),
        BotoSessionCredentialResolver(AsyncSession()),
        BotoSessionCredentialResolver(Session()),
        Refreshable(),
        AsyncRefreshable(),
        FROZEN,
        Provider(PLAIN),
    ],
    ids=lambda given: type(given).__name__,
)
async def test_what_gives_credentials(given: Any) -> None:
    found = await found_by(given)
    assert found.access_key_id == "AKID"
    assert found.secret_access_key == "secret"
    assert found.session_token == "token"


async def test_a_provider_of_awscrt() -> None:
    from awscrt.auth import AwsCredentialsProvider

    found = await found_by(AwsCredentialsProvider.new_static("AKID", "secret"))
    assert (found.access_key_id, found.secret_access_key) == ("AKID", "secret")


async def test_a_session_of_aiobotocore(monkeypatch: pytest.MonkeyPatch) -> None:
    session = pytest.importorskip("aiobotocore.session")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert (await found_by(session.AioSession())).access_key_id == "AKID"


def test_a_resolver_of_the_program_is_kept_as_it_is() -> None:
    for given in (Duck(), StaticCredentialResolver("AKID", "secret")):
        client = TranscribeStreamingClient(region="us-east-1", credential_resolver=given)  # type: ignore[arg-type]
        assert client._credential_resolver is given
    client = TranscribeStreamingClient(region="us-east-1")
    assert isinstance(client._credential_resolver, AwsCrtCredentialResolver)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("AKID", "builtins.str"),
        (("AKID", "secret"), "builtins.tuple"),
        ({"access_key_id": "AKID"}, "builtins.dict"),
        (StaticCredentialResolver, "the class amazon_transcribe.auth.StaticCredentialResolver"),
        (object(), "builtins.object"),
        (False, "builtins.bool"),
    ],
)
def test_what_gives_no_credentials_is_refused_by_name(given: Any, named: str) -> None:
    with pytest.raises(ValidationException, match=f"credential_resolver must .* not {named}$"):
        TranscribeStreamingClient(region="us-east-1", credential_resolver=given)


@pytest.mark.parametrize("answer", ["AKID", ("AKID", "secret"), object()])
async def test_a_resolver_that_gives_something_else_is_named(answer: Any) -> None:
    class Resolver(CredentialResolver):
        async def get_credentials(self) -> Any:
            return answer

    with pytest.raises(CredentialsException, match=r"Resolver\.get_credentials\(\) must give"):
        await found_by(Resolver())


async def test_a_provider_that_fails() -> None:
    with pytest.raises(CredentialsException, match="the Provider gave no credentials .no route"):
        await found_by(Provider(RuntimeError("no route")))


# The other objects


class Resolves:
    async def resolve(self, region: str) -> str:
        return f"https://{region}.example"


class ResolvesAtOnce:
    def resolve(self, region: str) -> str:
        return f"https://{region}.example"


@pytest.mark.parametrize("resolver", [Resolves(), ResolvesAtOnce()])
async def test_an_endpoint_resolver_of_the_program(resolver: Any) -> None:
    client = TranscribeStreamingClient(region="there", endpoint_resolver=resolver)
    assert (await client._starter.origin(is_stream=True)).host == "there.example"


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint_resolver": None, "limiter": None, "observer": None, "transport": None},
        {"endpoint_resolver": MagicMock(), "limiter": MagicMock(), "observer": MagicMock()},
        {"limiter": StreamLimiter(), "observer": Observer(), "transport": H2Transport()},
        {"ssl_context": ssl.create_default_context()},
    ],
)
def test_objects_that_do(options: dict[str, Any]) -> None:
    TranscribeStreamingClient(region="us-east-1", **options)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("endpoint_resolver", "https://a.example", "endpoint_url.* not builtins.str"),
        ("endpoint_resolver", StaticEndpointResolver, "the class StaticEndpointResolver itself"),
        ("endpoint_resolver", object(), "builtins.object"),
        ("limiter", 5, "a StreamLimiter or another Limiter, not builtins.int"),
        (
            "limiter",
            asyncio.Semaphore(5),
            "a StreamLimiter or another Limiter, not asyncio.locks.Semaphore",
        ),
        ("limiter", StreamLimiter, "the class StreamLimiter itself"),
        ("observer", print, "an Observer.* not builtins.builtin_function_or_method"),
        ("observer", Observer, "the class Observer itself"),
        (
            "observer",
            SimpleNamespace(start_failed=print),
            "an Observer.* not types.SimpleNamespace",
        ),
        ("transport", object(), "'websocket' or a transport, not builtins.object"),
        ("transport", H2Transport, "the class H2Transport itself"),
        ("ssl_context", False, "an ssl.SSLContext, not False"),
    ],
)
def test_objects_that_do_not_are_refused_by_name(name: str, given: Any, says: str) -> None:
    with pytest.raises(ValidationException, match=f"^{name} must be .*{says}"):
        TranscribeStreamingClient(region="us-east-1", **{name: given})
