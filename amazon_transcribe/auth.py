"""Where credentials come from."""

from __future__ import annotations

import os
from typing import Any

from .exceptions import CredentialsException


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
    """Credentials given in the program."""

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
        # Imported here: no one pays for the runtime who does not use it.
        import asyncio

        from awscrt.auth import AwsCredentialsProvider
        from awscrt.exceptions import AwsCrtError

        try:
            if self._provider is None:
                self._provider = AwsCredentialsProvider.new_default_chain(self._bootstrap)
            resolved = await asyncio.wrap_future(self._provider.get_credentials())
        except AwsCrtError as error:
            raise CredentialsException(
                "no credentials found: the environment, the profile files and the metadata"
                f" services have none ({error.name})"
            ) from error
        return Credentials(
            resolved.access_key_id, resolved.secret_access_key, resolved.session_token
        )


def environment_credentials() -> Credentials | None:
    """The credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN") or None)
    return None
