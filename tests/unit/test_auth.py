"""Credentials of a profile, and of a boto3 or botocore session."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amazon_transcribe.auth import (
    AwsCrtCredentialResolver,
    BotoSessionCredentialResolver,
    Credentials,
    ProfileCredentialResolver,
    StaticCredentialResolver,
    checked_credentials,
    environment_credentials,
)
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import CredentialsException, ValidationException

AWSCRT = tuple(map(int, version("awscrt").split(".")[:2]))
CREDENTIALS = """
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = default-secret

[work]
aws_access_key_id = AKIDWORK
aws_secret_access_key = work-secret
aws_session_token = work-token

[empty]
region = us-east-1
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    for name in ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "credentials").write_text(CREDENTIALS, "utf-8")
    (tmp_path / "config").write_text("", "utf-8")
    return {"credentials_file": tmp_path / "credentials", "config_file": tmp_path / "config"}


def parts(credentials: Credentials) -> tuple[str, str, str | None]:
    return (
        credentials.access_key_id,
        credentials.secret_access_key,
        credentials.session_token,
    )


async def test_a_profile_by_its_name(files: dict[str, Path]) -> None:
    found = await ProfileCredentialResolver("work", **files).get_credentials()
    assert parts(found) == ("AKIDWORK", "work-secret", "work-token")


async def test_the_profile_of_the_environment(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await ProfileCredentialResolver(**files).get_credentials()
    assert found.access_key_id == "AKIDDEFAULT"
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files["credentials_file"]))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files["config_file"]))
    found = await ProfileCredentialResolver().get_credentials()
    assert found.access_key_id == "AKIDWORK"


@pytest.mark.skipif(AWSCRT < (0, 22), reason="awscrt runs no program before 0.22")
async def test_a_profile_of_a_program(files: dict[str, Path]) -> None:
    program = files["config_file"].parent / "program.py"
    answer = {"Version": 1, "AccessKeyId": "AKIDPROGRAM", "SecretAccessKey": "program-secret"}
    program.write_text(f"print({json.dumps(json.dumps(answer))})", "utf-8")
    command = f'"{sys.executable}" "{program}"'
    files["config_file"].write_text(f"[profile program]\ncredential_process = {command}\n", "utf-8")
    found = await ProfileCredentialResolver("program", **files).get_credentials()
    assert parts(found) == ("AKIDPROGRAM", "program-secret", None)


async def test_a_wait_that_is_cancelled_leaves_awscrt_its_future(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    come, go_on = asyncio.Event(), asyncio.Event()

    async def container(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        come.set()
        await go_on.wait()
        answer = json.dumps(
            {
                "AccessKeyId": "AKIDLATE",
                "SecretAccessKey": "late-secret",
                "Token": "token",
                "Expiration": "2100-01-01T00:00:00Z",
            }
        )
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())
        writer.close()

    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files["config_file"]))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files["config_file"]))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    server = await asyncio.start_server(container, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/")
    resolver = AwsCrtCredentialResolver()
    provider = resolver._make_provider()
    asked: list[Any] = []

    def ask() -> Any:
        asked.append(provider.get_credentials())
        return asked[0]

    resolver._provider = SimpleNamespace(get_credentials=ask)
    asking = asyncio.create_task(resolver.get_credentials())
    await asyncio.wait_for(come.wait(), 10)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    go_on.set()
    # A cancelled future raises InvalidStateError in awscrt's thread, where no test sees it.
    late = await asyncio.to_thread(asked[0].result, 10)
    assert late.access_key_id == "AKIDLATE"
    server.close()


@pytest.mark.parametrize("name", ["nobody", "empty"])
async def test_a_profile_without_credentials(name: str, files: dict[str, Path]) -> None:
    with pytest.raises(CredentialsException, match=name):
        await ProfileCredentialResolver(name, **files).get_credentials()


async def test_a_profile_without_files(files: dict[str, Path], tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(CredentialsException, match="default"):
        await ProfileCredentialResolver(
            credentials_file=nowhere, config_file=nowhere
        ).get_credentials()


CONFIG = """
[default]
region = us-east-1

[profile new]
sso_session = company
sso_account_id = 123456789012
sso_role_name = reader

[sso-session company]
sso_start_url = https://company.example/start
sso_region = us-east-1

[profile old]
sso_start_url = https://company.example/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = reader
"""


@pytest.fixture
def without_keys(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files["credentials_file"]))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files["config_file"]))
    files["config_file"].write_text(CONFIG, "utf-8")
    files["credentials_file"].write_text("[work]\naws_access_key_id = AKID\n", "utf-8")
    return files


def resolvers(profile: str | None) -> list[Any]:
    """The ways to ask for a profile: by AWS_PROFILE, by name, and of a session."""
    found = [AwsCrtCredentialResolver(), ProfileCredentialResolver(profile)]
    with suppress(ImportError):
        import botocore.session

        found.append(BotoSessionCredentialResolver(botocore.session.Session(profile=profile)))
    return found


async def refusal_of(resolver: Any) -> str:
    with pytest.raises(CredentialsException) as refused:
        await resolver.get_credentials()
    return str(refused.value)


async def test_an_unknown_profile_says_which_there_are(
    without_keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "wrok")
    for resolver in resolvers("wrok"):
        text = await refusal_of(resolver)
        assert "wrok" in text
        assert f"{without_keys['config_file']} and {without_keys['credentials_file']} have" in text
        assert "'default', 'new', 'old', 'work'" in text
        assert "aws configure --profile" in text


@pytest.mark.parametrize("profile", ["new", "old"])
async def test_a_profile_of_sso_says_how_to_log_in(
    profile: str, without_keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # its tokens are kept there
    monkeypatch.setenv("AWS_PROFILE", profile)
    for resolver in resolvers(profile):
        assert f"run `aws sso login --profile {profile}`" in await refusal_of(resolver)


async def test_a_default_profile_of_sso(without_keys: dict[str, Path]) -> None:
    text = (
        without_keys["config_file"].read_text("utf-8").replace("[profile old]", "[profile default]")
    )
    without_keys["config_file"].write_text(text, "utf-8")
    assert "aws sso login --profile default" in await refusal_of(AwsCrtCredentialResolver())


async def test_no_credentials_at_all_say_what_to_set(without_keys: dict[str, Path]) -> None:
    for file in without_keys.values():
        file.unlink()
    for resolver in (AwsCrtCredentialResolver(), ProfileCredentialResolver()):
        text = await refusal_of(resolver)
        assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run `aws configure`" in text
        assert "--local" in text
    text = await refusal_of(ProfileCredentialResolver("work"))
    assert f"{without_keys['config_file']} and {without_keys['credentials_file']} have none" in text


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no section", b"[a\n", b"[profile x]\n= y\n"])
async def test_files_that_cannot_be_read_do_not_hide_the_reason(
    content: bytes, without_keys: dict[str, Path]
) -> None:
    for file in without_keys.values():
        file.write_bytes(content)
    assert "no profile 'work'" in await refusal_of(ProfileCredentialResolver("work"))


class Session:
    """The part of a boto3 session that the resolver uses."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.threads: list[int] = []

    def get_credentials(self) -> Any:
        self.threads.append(threading.get_ident())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


PARTS = ("AKID", "secret", "token")


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}\t", "\ufeff{}\n"])
@pytest.mark.parametrize("position", range(3))
def test_white_space_around_a_part_is_taken_off(position: int, around: str) -> None:
    given = list(PARTS)
    given[position] = around.format(given[position])
    assert parts(checked_credentials(Credentials(*given))) == PARTS


def test_credentials_without_white_space_are_taken_as_they_are() -> None:
    for token in (None, "", "token"):
        given = Credentials("AKID", "sécret with a space", token)
        assert checked_credentials(given) is given


@pytest.mark.parametrize("middle", ["\n", "\r\n", "\0", "\x1b", "\x7f", "\u2028"])
@pytest.mark.parametrize(
    ("position", "name"), [(0, "access_key_id"), (1, "secret_access_key"), (2, "session_token")]
)
def test_a_part_that_cannot_be_sent_is_refused_by_name(
    position: int, name: str, middle: str
) -> None:
    given = list(PARTS)
    given[position] = f"hid{middle}den"
    with pytest.raises(CredentialsException) as refused:
        checked_credentials(Credentials(*given))
    assert str(refused.value).startswith(f"{name} has the character {middle[0]!a}")
    assert "hid" not in str(refused.value)


@pytest.mark.parametrize("key", ["two keys", "schlüssel"])
def test_a_key_goes_into_a_header(key: str) -> None:
    with pytest.raises(CredentialsException, match="access_key_id has the character"):
        checked_credentials(Credentials(key, "secret"))


@pytest.mark.parametrize("key", [b"AKID", 5])
def test_a_part_that_is_no_text_is_refused_by_name(key: Any) -> None:
    with pytest.raises(CredentialsException, match="access_key_id must be a string, not"):
        checked_credentials(Credentials(key, "secret"))


@pytest.mark.parametrize("found", [None, Credentials("", "secret"), Credentials("AKID", " \n")])
def test_no_credentials_say_what_to_do(found: Credentials | None) -> None:
    with pytest.raises(CredentialsException, match="AWS_ACCESS_KEY_ID.*aws configure.*--local"):
        checked_credentials(found)


def test_variables_are_read_without_white_space_and_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    for name, part in zip(names, PARTS, strict=True):
        monkeypatch.setenv(name, f"{part}\n")
    found = environment_credentials()
    assert found is not None
    assert parts(found) == PARTS
    for name in names:
        with monkeypatch.context() as patch:
            patch.setenv(name, "a\nb")
            with pytest.raises(CredentialsException, match=f"{name} has the character"):
                environment_credentials()


async def test_nothing_is_sent_with_credentials_that_cannot_be_sent() -> None:
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:1",  # nothing listens there
        credential_resolver=StaticCredentialResolver("AKID", "secret", "to\nken"),
    )
    with pytest.raises(CredentialsException, match="session_token"):
        await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )


def refreshable(*frozen: tuple[str | None, str | None, str | None]) -> Any:
    answers = [
        SimpleNamespace(access_key=key, secret_key=secret, token=token)
        for key, secret, token in frozen
    ]
    return SimpleNamespace(get_frozen_credentials=lambda: answers.pop(0))


async def test_a_session_is_asked_for_each_stream_in_a_thread() -> None:
    credentials = refreshable(("AKID1", "one", "token"), ("AKID2", "two", None))
    session = Session(credentials, credentials)
    resolver = BotoSessionCredentialResolver(session)
    assert parts(await resolver.get_credentials()) == ("AKID1", "one", "token")
    assert parts(await resolver.get_credentials()) == ("AKID2", "two", None)
    assert threading.get_ident() not in session.threads


@pytest.mark.parametrize(
    "answer",
    [
        None,
        refreshable((None, None, None)),
        refreshable(("AKID", "", None)),
        OSError("SSO expired"),
    ],
)
async def test_a_session_without_credentials(answer: Any) -> None:
    with pytest.raises(CredentialsException, match="session"):
        await BotoSessionCredentialResolver(Session(answer)).get_credentials()


async def test_many_starts_ask_one_after_the_other() -> None:
    busy = threading.Lock()

    class Single(Session):
        def get_credentials(self) -> Any:
            assert busy.acquire(blocking=False)
            try:
                threading.Event().wait(0.01)
                return super().get_credentials()
            finally:
                busy.release()

    session = Single(*(refreshable(("AKID", "secret", None)) for _ in range(5)))
    resolver = BotoSessionCredentialResolver(session)
    found = await asyncio.gather(*(resolver.get_credentials() for _ in range(5)))
    assert {credentials.access_key_id for credentials in found} == {"AKID"}


@pytest.mark.parametrize("session", [None, "default", Credentials("AKID", "secret")])
def test_what_is_no_session(session: Any) -> None:
    with pytest.raises(ValidationException, match="session"):
        BotoSessionCredentialResolver(session)


async def test_botocore_s_own_session(files: dict[str, Path], monkeypatch: Any) -> None:
    botocore = pytest.importorskip("botocore.session")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files["credentials_file"]))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files["config_file"]))
    session = botocore.Session(profile="work")
    found = await BotoSessionCredentialResolver(session).get_credentials()
    assert parts(found) == ("AKIDWORK", "work-secret", "work-token")
    with pytest.raises(CredentialsException, match="nobody"):
        await BotoSessionCredentialResolver(botocore.Session(profile="nobody")).get_credentials()


def test_no_botocore_is_imported() -> None:
    program = (
        "import sys, amazon_transcribe.client, amazon_transcribe.auth as auth;"
        "auth.BotoSessionCredentialResolver(type('S', (), {'get_credentials': print}));"
        "print([m for m in sys.modules if m.startswith(('boto', 'awscrt'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    assert done.stdout == "[]\n"


def test_the_event_loop_of_awscrt_is_one_class() -> None:
    import amazon_transcribe

    first = amazon_transcribe.AWSCRTEventLoop
    assert amazon_transcribe.AWSCRTEventLoop is first
