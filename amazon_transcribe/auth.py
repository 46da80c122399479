"""Where credentials come from."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .exceptions import CredentialsException, ValidationException

if TYPE_CHECKING:
    from concurrent.futures import Future


class Credentials:
    """An access key, its secret, and the session token of temporary ones.

    :param access_key_id: The public part, e.g. `"AKIDEXAMPLE"`.
    :param secret_access_key: The secret part; never shown in a repr or a log.
    :param session_token: Set for temporary credentials; an empty one counts as none.
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
    """Base class of anything that provides credentials.

    A client asks its resolver once per stream and keeps the answer for the stream's
    life: the service forbids a change in mid-stream.
    """

    async def get_credentials(self) -> Credentials | None:
        """Provide credentials that are valid now.

        :raises CredentialsException: when there are none; returning None says the same.
        """
        raise NotImplementedError("get_credentials")


class StaticCredentialResolver(Credentials, CredentialResolver):
    """Credentials given in the program; the parameters are those of `Credentials`."""

    async def get_credentials(self) -> Credentials:
        return self


class AwsCrtCredentialResolver(CredentialResolver):
    """The default chain of AWS's Common Runtime.

    Environment, profile files, web identity, container and instance metadata, in this
    order. The environment is read without starting the runtime; the runtime and its
    threads start when a later link of the chain is needed.

    :param eventloop: An `awscrt.io.ClientBootstrap`; None takes the process's own.
    :raises CredentialsException: from `get_credentials`, when no link has any.
    """

    def __init__(self, eventloop: Any = None) -> None:
        self._bootstrap = eventloop
        self._provider: Any = None

    async def get_credentials(self) -> Credentials:
        if found := environment_credentials():
            return found
        return await self._ask(
            "no credentials found: the environment, the profile files and the metadata"
            " services have none"
        )

    async def _ask(self, failure: str) -> Credentials:
        # Imported here: no one pays for the runtime who does not use it.
        from awscrt.exceptions import AwsCrtError

        try:
            if self._provider is None:
                self._provider = self._make_provider()
            resolved = await _result(self._provider.get_credentials())
        # A RuntimeError where no provider can be made. Older awscrt tell of an empty profile by
        # a FileNotFoundError, without a word.
        except (AwsCrtError, RuntimeError, OSError) as error:
            reason = getattr(error, "name", "") or str(error) or type(error).__name__
            raise CredentialsException(f"{failure} ({reason})") from error
        return Credentials(
            resolved.access_key_id, resolved.secret_access_key, resolved.session_token
        )

    def _make_provider(self) -> Any:
        from awscrt.auth import AwsCredentialsProvider

        return AwsCredentialsProvider.new_default_chain(self._bootstrap)


class ProfileCredentialResolver(AwsCrtCredentialResolver):
    """A profile of AWS's files: its keys, its role, or what its `credential_process` prints.

    The environment's keys are not looked at. For profiles of IAM Identity Center (SSO),
    pass a session of boto3 to `BotoSessionCredentialResolver`; so too for a
    `credential_process` that takes its time, as awscrt has the whole process wait for it;
    before 0.22 it runs none.

    :param profile_name: The profile's name; None goes by AWS_PROFILE, else `default`.
    :param credentials_file: Its file; by default AWS_SHARED_CREDENTIALS_FILE, else
        `~/.aws/credentials`.
    :param config_file: By default AWS_CONFIG_FILE, else `~/.aws/config`.
    :raises CredentialsException: from `get_credentials`, when it has none.
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
        return await self._ask(f"the profile {name!r} has no credentials that can be used")

    def _make_provider(self) -> Any:
        from awscrt.auth import AwsCredentialsProvider

        return AwsCredentialsProvider.new_profile(
            profile_name=self._profile_name,
            config_filepath=self._config_file and os.fspath(self._config_file),
            credentials_filepath=self._credentials_file and os.fspath(self._credentials_file),
        )


class BotoSessionCredentialResolver(CredentialResolver):
    """The credentials of a session of boto3 or botocore, whatever it has them from.

        BotoSessionCredentialResolver(boto3.Session(profile_name="my-sso-profile"))

    They are refreshed by the session where they can be, and frozen for each stream. The
    session is asked in a thread, since it may read files and call services.

    :param session: A `boto3.Session`, a `botocore.session.Session`, or anything whose
        `get_credentials()` gives an object with `get_frozen_credentials()`.
    :raises CredentialsException: from `get_credentials`, when the session has none.
    """

    def __init__(self, session: Any) -> None:
        if not callable(getattr(session, "get_credentials", None)):
            raise ValidationException(
                f"session must be a session of boto3 or botocore, not {type(session).__name__}"
            )
        self._session = session
        self._lock = threading.Lock()

    async def get_credentials(self) -> Credentials:
        import asyncio

        return await asyncio.to_thread(self._frozen)

    def _frozen(self) -> Credentials:
        try:
            with self._lock:  # sessions are made for one thread
                found = self._session.get_credentials()
                frozen = found and found.get_frozen_credentials()
        except Exception as error:
            raise CredentialsException(f"the session gave no credentials: {error}") from error
        if not frozen or not frozen.access_key or not frozen.secret_key:
            raise CredentialsException("the session has no credentials")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


async def _result(asked: Future[Any]) -> Any:
    """The result of a future of awscrt's.

    A wait that is cancelled leaves it alone, as `asyncio.wrap_future` would not: awscrt sets
    it all the same, in a thread of its own, and fails there.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def tell(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(answered.set)

    asked.add_done_callback(tell)
    await answered.wait()
    return asked.result()


def environment_credentials() -> Credentials | None:
    """The credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN") or None)
    return None
