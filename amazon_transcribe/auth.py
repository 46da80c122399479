"""Credentials and their sources."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import os
import re
import string
import threading
from contextlib import suppress
from typing import Any, Protocol, TypeAlias, cast

from .exceptions import CredentialsException, ValidationException

HOW_TO_SET = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run `aws configure` for a profile, or give"
    " the client a credential_resolver; a local server (--local, LocalTranscribe) needs none of"
    " AWS"
)
"""What to do where there are no credentials, for error messages."""

_CREDENTIALS_FILE = "~/.aws/credentials"
_BYTE_ORDER_MARK = "\ufeff"  # at the beginning of a file, as some editors write it


class Credentials:
    """An access key, its secret, and the session token of temporary credentials.

    :param access_key_id: The public part, e.g. `"AKIDEXAMPLE"`.
    :param secret_access_key: The secret part; never shown in a repr or a log.
    :param session_token: The token of temporary credentials; an empty one counts as None.
    """

    def __init__(
        self, access_key_id: str, secret_access_key: str, session_token: str | None = None
    ) -> None:
        self.access_key_id = access_key_id
        self.secret_access_key = secret_access_key
        self.session_token = session_token

    def __repr__(self) -> str:
        return f"{type(self).__name__}(access_key_id={self.access_key_id!r}, secret_access_key=…)"


class CredentialResolver:
    """Base class of credential sources.

    A client asks its resolver once per stream and keeps the answer for the stream's life:
    the service forbids a change in mid-stream.
    """

    async def get_credentials(self) -> Credentials | None:
        """Return credentials that are valid now.

        :raises CredentialsException: If there are none; returning None means the same.
        """
        raise NotImplementedError("get_credentials")


class AsksForCredentials(Protocol):
    """What can be asked for credentials.

    A resolver, a session of boto3, botocore, aioboto3 or aiobotocore, or a credentials
    provider of awscrt.
    """

    def get_credentials(self) -> object:
        """Return credentials, or what gives them when it is awaited."""
        ...


class FreezesCredentials(Protocol):
    """Credentials of botocore or aiobotocore, which refresh themselves."""

    def get_frozen_credentials(self) -> object:
        """Return the credentials as they are now, or what gives them when it is awaited."""
        ...


class KeyPair(Protocol):
    """An access key and its secret, by the names of this package and of awscrt."""

    @property
    def access_key_id(self) -> str:
        """The access key."""
        ...

    @property
    def secret_access_key(self) -> str:
        """Its secret."""
        ...


class BotoKeyPair(Protocol):
    """An access key and its secret, by the names of botocore."""

    @property
    def access_key(self) -> str:
        """The access key."""
        ...

    @property
    def secret_key(self) -> str:
        """Its secret."""
        ...


CredentialSource: TypeAlias = AsksForCredentials | FreezesCredentials | KeyPair | BotoKeyPair
"""What a client takes as its `credential_resolver`."""


class StaticCredentialResolver(Credentials, CredentialResolver):
    """Credentials given in the program; the parameters are those of `Credentials`."""

    async def get_credentials(self) -> Credentials:
        return self


class AwsCrtCredentialResolver(CredentialResolver):
    """The default chain of AWS's Common Runtime.

    The sources are the environment, profile files, web identity, container and instance
    metadata, in this order. The environment is read without the runtime; the runtime and
    its threads start only if a later source is needed.

    :param eventloop: An `awscrt.io.ClientBootstrap`; by default the process's own.
    :raises CredentialsException: From `get_credentials`, if no source has credentials.
    """

    def __init__(self, eventloop: Any = None) -> None:
        self._bootstrap = eventloop
        self._provider: Any = None

    async def get_credentials(self) -> Credentials:
        if found := environment_credentials():
            return found
        return await self._ask(
            "no credentials found: the environment, the profile files and the metadata"
            " services have none",
            os.environ.get("AWS_PROFILE"),
        )

    async def _ask(self, failure: str, profile: str | None) -> Credentials:
        # Imported here, so that only programs that use the runtime load it.
        from awscrt.exceptions import AwsCrtError

        try:
            if self._provider is None:
                self._provider = self._make_provider()
            resolved = await _result(self._provider.get_credentials())
        # RuntimeError: no provider can be made. OSError: older awscrt raises a bare
        # FileNotFoundError for an empty profile.
        except (AwsCrtError, RuntimeError, OSError) as error:
            reason = getattr(error, "name", "") or str(error) or type(error).__name__
            advice = self._profiles().advice(profile)
            raise CredentialsException(f"{failure} ({reason}); {advice}") from error
        return Credentials(
            resolved.access_key_id, resolved.secret_access_key, resolved.session_token
        )

    def _make_provider(self) -> Any:
        from awscrt.auth import AwsCredentialsProvider

        return AwsCredentialsProvider.new_default_chain(self._bootstrap)

    def _profiles(self) -> Profiles:
        return Profiles()


class Profiles:
    """The profiles of AWS's files, read for error messages only.

    :param config_file: See `ProfileCredentialResolver`.
    :param credentials_file: The same.
    """

    def __init__(
        self,
        config_file: str | os.PathLike[str] | None = None,
        credentials_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._files = (
            config_file or os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
            credentials_file or os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or _CREDENTIALS_FILE,
        )
        self.settings: dict[str, set[str]] = {}
        """The names of each profile's settings."""
        # Here, as most programs have no such error.
        from configparser import Error as ConfigParserError
        from configparser import RawConfigParser
        from pathlib import Path

        for file in self._files:
            # One without a default section: `[default]` is a profile as any other.
            parser = RawConfigParser(default_section="", strict=False)
            # RuntimeError: there is no home directory.
            with suppress(OSError, ConfigParserError, UnicodeDecodeError, RuntimeError):
                parser.read(Path(file).expanduser(), encoding="utf-8")
            for section in parser.sections():
                kind, _, name = section.rpartition(" ")
                if kind.strip() in ("", "profile"):
                    self.settings.setdefault(name.strip("\"'"), set()).update(parser[section])

    def advice(self, name: str | None) -> str:
        """Return what to do where a profile gives no credentials.

        :param name: The profile that was asked for, None if none was.
        """
        if name is not None and name != "default" and name not in self.settings:
            return f"there is no profile {name!r}: {self.others()}"
        name = name or "default"
        if self.settings.get(name, set()) & {"sso_session", "sso_start_url"}:
            return (
                f"the profile {name!r} is one of IAM Identity Center (SSO): run `aws sso login"
                f" --profile {name}`, and if that does not help, ask boto3 by"
                f" BotoSessionCredentialResolver(boto3.Session(profile_name={name!r}))"
            )
        return HOW_TO_SET

    def others(self) -> str:
        """Return which profiles there are, and how to make another."""
        places = " and ".join(str(file) for file in self._files)
        names = ", ".join(map(repr, self.settings)) or "none"
        return f"{places} have {names}; `aws configure --profile NAME` makes one"


class ProfileCredentialResolver(AwsCrtCredentialResolver):
    """A profile of AWS's files: its keys, its role, or the output of its `credential_process`.

    Keys in the environment are ignored. awscrt runs a `credential_process` from version
    0.22 on, and the whole process waits for it. If that takes long, or if the profile is one
    of IAM Identity Center (SSO), use a boto3 session with `BotoSessionCredentialResolver`.

    :param profile_name: The profile's name; by default AWS_PROFILE, else `default`.
    :param credentials_file: The credentials file; by default AWS_SHARED_CREDENTIALS_FILE,
        else `~/.aws/credentials`.
    :param config_file: The configuration file; by default AWS_CONFIG_FILE, else
        `~/.aws/config`.
    :raises CredentialsException: From `get_credentials`, if the profile has none.
    """

    def __init__(
        self,
        profile_name: str | None = None,
        *,
        credentials_file: str | os.PathLike[str] | None = None,
        config_file: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self._profile_name = profile_name
        self._credentials_file = credentials_file
        self._config_file = config_file

    async def get_credentials(self) -> Credentials:
        name = self._profile_name or os.environ.get("AWS_PROFILE") or "default"
        return await self._ask(f"the profile {name!r} has no usable credentials", name)

    def _make_provider(self) -> Any:
        from awscrt.auth import AwsCredentialsProvider

        return AwsCredentialsProvider.new_profile(
            profile_name=self._profile_name,
            config_filepath=self._config_file and os.fspath(self._config_file),
            credentials_filepath=self._credentials_file and os.fspath(self._credentials_file),
        )

    def _profiles(self) -> Profiles:
        return Profiles(self._config_file, self._credentials_file)


class BotoSessionCredentialResolver(CredentialResolver):
    """The credentials of a session of boto3, botocore, aioboto3 or aiobotocore.

        BotoSessionCredentialResolver(boto3.Session(profile_name="my-sso-profile"))

    They come from any of the session's sources. The session refreshes them where it can; each
    stream uses those of its start. The session is asked in a thread, since it may read files
    and call services; one of aioboto3 or aiobotocore is awaited.

    :param session: A `boto3.Session`, a `botocore.session.Session`, an `aioboto3.Session`, an
        `aiobotocore.session.AioSession`, or any object whose `get_credentials()` returns an
        object with `get_frozen_credentials()`; either may be a coroutine function.
    :raises CredentialsException: From `get_credentials`, if the session has none.
    """

    def __init__(self, session: Any) -> None:
        if not callable(getattr(session, "get_credentials", None)):
            raise ValidationException(
                f"session must be a boto3 or botocore session, not {type(session).__name__}"
            )
        self._session = session
        self._lock = threading.Lock()

    async def get_credentials(self) -> Credentials:
        try:
            if inspect.iscoroutinefunction(self._session.get_credentials):
                found = await self._session.get_credentials()
            else:
                found = await asyncio.to_thread(self._ask)
                found = await found if inspect.isawaitable(found) else found
            found = await _frozen(found)
        except Exception as error:
            advice = _session_advice(self._session, error)
            raise CredentialsException(
                f"the session gave no credentials: {error}{advice}"
            ) from error
        if not found or not found.access_key or not found.secret_key:
            raise CredentialsException(f"the session has no credentials: {HOW_TO_SET}")
        return Credentials(found.access_key, found.secret_key, found.token)

    def _ask(self) -> Any:
        with self._lock:  # a session is not thread-safe
            found = self._session.get_credentials()
            if inspect.isawaitable(found) or found is None:
                return found
            freeze = found.get_frozen_credentials
            return found if inspect.iscoroutinefunction(freeze) else freeze()


def _session_advice(session: Any, error: Exception) -> str:
    """Return what to do about an error of botocore, for the message."""
    kind = type(error).__name__
    if "SSO" in kind or "SSO" in str(error):
        name = getattr(session, "profile_name", None) or getattr(session, "profile", None)
        return f"; run `aws sso login --profile {name or 'default'}`"
    if kind == "ProfileNotFound":
        return f"; {Profiles().others()}"
    return ""


class _GivenCredentials(CredentialResolver):
    """Credentials of boto3 or aiobotocore, which refresh themselves where they can."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    async def get_credentials(self) -> Any:
        return self._credentials


def credential_resolver_of(given: CredentialSource | None) -> CredentialResolver:
    """Return the resolver that a program's object is, or stands for.

    :param given: The object; None for the default chain.
    :raises ValidationException: If it is none of them.
    """
    if given is None:
        return AwsCrtCredentialResolver()
    if not isinstance(given, type):
        if callable(getattr(given, "get_credentials", None)):
            is_session = {"boto3", "botocore"} & {
                kind.__module__.partition(".")[0] for kind in type(given).__mro__
            }
            if is_session:
                return BotoSessionCredentialResolver(given)
            return cast("CredentialResolver", given)  # or what `ask` takes in its place
        if hasattr(given, "get_frozen_credentials") or _is_credentials(given):
            return _GivenCredentials(given)
    kind = given if isinstance(given, type) else type(given)
    what = "the class " if isinstance(given, type) else ""
    raise ValidationException(
        "credential_resolver must be an object with an async get_credentials(), such as"
        " StaticCredentialResolver(access_key_id, secret_access_key), a session of boto3 or"
        " aioboto3, credentials of one, or a credentials provider of awscrt, not"
        f" {what}{kind.__module__}.{kind.__qualname__}"
    )


async def ask(resolver: CredentialResolver) -> Credentials | None:
    """Return a resolver's credentials, of whatever kind the resolver and they are.

    :param resolver: A resolver, or an object of the program in its place.
    :raises CredentialsException: If what it gives are no credentials.
    """
    found: Any = resolver.get_credentials()
    if isinstance(found, concurrent.futures.Future):  # a provider of awscrt
        try:
            found = await _result(found)
        except Exception as error:
            reason = getattr(error, "name", "") or str(error) or type(error).__name__
            kind = type(resolver).__name__
            raise CredentialsException(f"the {kind} gave no credentials ({reason})") from error
    elif inspect.isawaitable(found):
        found = await found
    found = await _frozen(found)
    if found is None or hasattr(found, "access_key_id"):
        credentials: Credentials | None = found
        return credentials
    if _is_credentials(found):
        return Credentials(found.access_key, found.secret_key, getattr(found, "token", None))
    raise CredentialsException(
        f"{type(resolver).__name__}.get_credentials() must give Credentials, not"
        f" {type(found).__module__}.{type(found).__qualname__}"
    )


async def _frozen(found: Any) -> Any:
    """Return a session's credentials as they are now; other objects as they are."""
    freeze = getattr(found, "get_frozen_credentials", None)
    if freeze is None:
        return found
    if inspect.iscoroutinefunction(freeze):
        return await freeze()
    frozen = await asyncio.to_thread(freeze)  # which may call a service
    return await frozen if inspect.isawaitable(frozen) else frozen


def _is_credentials(value: Any) -> bool:
    names = (("access_key_id", "secret_access_key"), ("access_key", "secret_key"))
    return any(all(hasattr(value, name) for name in pair) for pair in names)


def environment_credentials() -> Credentials | None:
    """Return the credentials of the environment, or None if it has none.

    The variables are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

    :raises CredentialsException: If one has characters that cannot stand in it.
    """
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    found = Credentials(*(os.environ.get(name, "") for name in names))
    if not found.access_key_id or not found.secret_access_key:
        return None
    return checked_credentials(found, names)


def checked_credentials(
    found: Credentials | None,
    names: tuple[str, str, str] = ("access_key_id", "secret_access_key", "session_token"),
) -> Credentials:
    """Return credentials that can go into a request.

    White space around a part, such as the line feed at the end of a file, is taken off.

    :param found: What a resolver gave.
    :param names: The names of the parts in error messages.
    :raises CredentialsException: If there are none, or a part has characters that cannot
        stand in it. The message never shows the part.
    """
    if found is None:
        raise CredentialsException(f"the credential resolver gave no credentials: {HOW_TO_SET}")
    given = (found.access_key_id, found.secret_access_key, getattr(found, "session_token", None))
    key, secret, token = map(_trimmed, given, names)
    if not key or not secret:
        raise CredentialsException(
            f"the credential resolver gave no access key and secret: {HOW_TO_SET}"
        )
    if (key, secret, token) == given:
        return found
    return Credentials(key, secret, token)


def _trimmed(part: object, name: str) -> str | None:
    """Return a part of credentials without the white space around it, None for no part."""
    if part is None:
        return None
    if not isinstance(part, str):
        raise CredentialsException(f"{name} must be a string, not {type(part).__name__}")
    text = part.strip(string.whitespace + _BYTE_ORDER_MARK)
    # The secret is not sent itself, so a local server's may have letters of any kind.
    allowed = str.isprintable if "secret" in name.lower() else _IN_HEADERS.fullmatch
    if text and not allowed(text):
        position, character = next(p for p in enumerate(text) if not allowed(p[1]))
        raise CredentialsException(
            f"{name} has the character {character!a} at position {position} of"
            f" {len(text)}, which cannot stand in it: set it again without that character"
        )
    return text


_IN_HEADERS = re.compile("[!-~]+")


async def _result(future: concurrent.futures.Future[Any]) -> Any:
    """Wait for one of awscrt's futures and return its result.

    Cancelling this wait does not cancel the future, as `asyncio.wrap_future` would: awscrt
    sets its result in any case, which fails in awscrt's own thread if it was cancelled.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: concurrent.futures.Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed, so nothing waits any more
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    await done.wait()
    return future.result()
