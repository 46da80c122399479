"""The pytest fixture `local_transcribe`: a running local server for tests.

    def test_my_program(local_transcribe, monkeypatch):
        keys = local_transcribe.credentials
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", local_transcribe.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
        ...

The server runs in a thread with an event loop of its own, so that tests of every kind can
use it: synchronous ones, those of any asyncio plugin, and ones that start a process. The
fixture sets no environment variables; the test does. The ini option
`local_transcribe_engine` names the engine, any of `amazon-transcribe serve --engine`. The
default `scripted` returns the same text for any audio and needs no extra package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import asyncio

    from .local import LocalTranscribe

__all__ = ["local_transcribe", "pytest_addoption"]

_ENGINE_OPTION = "local_transcribe_engine"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option that names the engine."""
    parser.addini(_ENGINE_OPTION, "engine behind the fixture local_transcribe", default="scripted")


@pytest.fixture
def local_transcribe(request: pytest.FixtureRequest) -> Iterator[LocalTranscribe]:
    """Run a local server for one test; it has `endpoint_url` and `credentials`."""
    # Imported here, as pytest loads this plugin in every run.
    import asyncio
    import threading
    from concurrent.futures import Future

    from .local import LocalTranscribe

    server = LocalTranscribe(engine=request.config.getini(_ENGINE_OPTION))
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        async with server:
            running.set_result((asyncio.get_running_loop(), end))
            await end.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if running.done():
                raise
            running.set_exception(error)

    thread = threading.Thread(target=run, name="local_transcribe")
    thread.start()
    try:
        loop, end = running.result()
    except BaseException:
        thread.join()
        raise
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
