"""The pytest plugin: a Transcribe for each test, at which the program under test arrives.

    @pytest.mark.transcribe(script=["Two tickets to Hamburg."])
    def test_order(local_transcribe):
        my_program.take_order()
        assert local_transcribe.streams[0].audio_seconds == 2.0

The fixture `local_transcribe` sets the environment, so that a program that makes its own
client connects to the test's server. The server runs in a thread with an event loop of its
own: tests of every kind can use it, synchronous ones, those of any asyncio plugin, and ones
that start a process. Without a mark it speaks a built-in text for any audio, and needs no
extra package; the ini option `local_transcribe_engine` names another engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

# pytest loads this plugin in every run: what the fixtures need is imported in them.

if TYPE_CHECKING:
    from pathlib import Path

    from .client import TranscribeStreamingClient
    from .local import LocalTranscribe

__all__ = [
    "local_transcribe",
    "pytest_addoption",
    "pytest_configure",
    "pytest_itemcollected",
    "transcribe_client",
]

_ENGINE_OPTION = "local_transcribe_engine"
_MARK = "transcribe"
_FIXTURE = "local_transcribe"
_KEPT_STREAMS = 1_000
_REGION = "us-east-1"
_FOREIGN = (
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option that names the engine."""
    parser.addini(_ENGINE_OPTION, "engine behind the fixture local_transcribe", default="scripted")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the mark."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(script=[...], faults=[...], engine=..., **options): what the test's local"
        " Transcribe says, does wrong and is; further options are those of LocalTranscribe.",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each test that has the mark the server, before fixtures that read the environment."""
    if isinstance(item, pytest.Function) and item.get_closest_marker(_MARK):
        others = [name for name in item.fixturenames if name != _FIXTURE]
        item.fixturenames = [_FIXTURE, *others]


@pytest.fixture
def local_transcribe(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalTranscribe]:
    """A Transcribe for one test, to which the environment points: endpoint, keys and region.

    It is a `LocalTranscribe`; its `streams` tell what it received. The mark
    `transcribe(script=…, faults=…, engine=…)` says what it does.
    """
    from .exceptions import SDKError
    from .local import LocalTranscribe

    try:
        options = _marked_options(request)
        if {"tls", "tls_port"} & options.keys() and not {"cert", "host"} & options.keys():
            options |= request.getfixturevalue("_transcribe_certificate")
        server = LocalTranscribe(**options)
        stop = _start(server)
    except SDKError as error:
        raise pytest.fail.Exception(f"{_FIXTURE}: {error}", pytrace=False) from None
    try:
        _point_environment_to(server, monkeypatch)
        yield server
    finally:
        stop()


@pytest.fixture
def transcribe_client(local_transcribe: LocalTranscribe) -> TranscribeStreamingClient:
    """A client of the test's `local_transcribe`, for code that is given its client."""
    from .client import TranscribeStreamingClient

    return TranscribeStreamingClient(
        region=_REGION,
        endpoint_url=local_transcribe.endpoint_url,
        credential_resolver=local_transcribe.credentials,
    )


@pytest.fixture(scope="session")
def _transcribe_certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The certificate of all servers with TLS: making one takes longer than a server's start."""
    from .local.listeners.certificates import make_certificates

    made = make_certificates(["localhost", "127.0.0.1"])
    folder = tmp_path_factory.mktemp(_FIXTURE)
    files = {"cert": folder / "server.pem", "ca_file": folder / "ca.pem"}
    files["cert"].write_bytes(made.certificate + made.key)
    files["ca_file"].write_bytes(made.authority)
    return files


def _marked_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the arguments for the server that a test's marks ask for.

    :raises ValidationException: for marks that are not right.
    """
    import inspect

    from .exceptions import ValidationException
    from .local import LocalTranscribe

    options: dict[str, Any] = {}
    known = inspect.signature(LocalTranscribe).parameters
    for mark in request.node.iter_markers(_MARK):  # the closest to the test first
        if mark.args:
            raise ValidationException(
                f"pytest.mark.{_MARK} takes keyword arguments only, such as script=['One line.']"
            )
        for name in mark.kwargs.keys() - known.keys():
            raise ValidationException(
                f"pytest.mark.{_MARK} takes no {name}; it takes {', '.join(known)}"
            )
        options = {**mark.kwargs, **options}
    _choose_engine(options, request.config.getini(_ENGINE_OPTION))
    options.setdefault("keep_streams", _KEPT_STREAMS)
    return options


def _choose_engine(options: dict[str, Any], default: str) -> None:
    """Put the engine for the script, or the default one, among the options."""
    from pathlib import Path

    from .exceptions import ValidationException
    from .local.engines.scripted import ScriptedEngine

    script = options.get("script")
    if script is None:
        options.setdefault("engine", default)
        return
    if options.setdefault("engine", "scripted") != "scripted":
        raise ValidationException(
            f"script is what the scripted engine says, and engine is {options['engine']!r}: leave"
            " one of them out"
        )
    if isinstance(script, (list, tuple)) and all(isinstance(line, str) for line in script):
        options["engine"] = ScriptedEngine("\n".join(options.pop("script")))
    elif not isinstance(script, Path):
        raise ValidationException(
            "script must be a list of lines, such as ['Two tickets.', 'To Hamburg.'], or the Path"
            f" of a text file, not {script!r}"
        )


def _start(server: LocalTranscribe) -> Callable[[], None]:
    """Run the server in a thread, and return what stops it."""
    import asyncio
    import threading
    from concurrent.futures import Future

    running: Future[None] = Future()
    stopped: Future[None] = Future()

    async def serve() -> None:
        async with server:
            running.set_result(None)
            await asyncio.wrap_future(stopped)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if running.done():
                raise
            running.set_exception(error)

    thread = threading.Thread(target=run, name=_FIXTURE)

    def stop() -> None:
        stopped.set_result(None)
        thread.join()

    thread.start()
    try:
        running.result()
    except BaseException:  # Ctrl-C too
        stop()
        raise
    return stop


def _point_environment_to(server: LocalTranscribe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what a program's own client reads, and take away what would lead it elsewhere."""
    keys = server.credentials
    monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
    monkeypatch.setenv("AWS_REGION", _REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", _REGION)
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    if server.ca_file is not None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(server.ca_file))
