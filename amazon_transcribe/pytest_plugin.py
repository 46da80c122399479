"""A running local Transcribe for tests: the pytest fixture `local_transcribe`.

    def test_my_program(local_transcribe, monkeypatch):
        keys = local_transcribe.credentials
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", local_transcribe.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
        ...

The server runs in a thread with an event loop of its own, so that tests of every kind can
use it: synchronous ones, those of any asyncio plugin, and ones that start a process.
Nothing is set but what the test sets. The ini option `local_transcribe_engine` names the
engine: `scripted` by default, which says the same whatever the audio and needs nothing
installed, or one of those of `amazon-transcribe serve --engine`.
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
    """A local Transcribe of the test's own, with `endpoint_url` and `credentials`."""
    # Imported here: pytest loads this plugin for every run, used or not.
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
