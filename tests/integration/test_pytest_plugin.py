"""The fixture `local_transcribe`, in test suites of other people."""

from __future__ import annotations

from pathlib import Path

import pytest

import amazon_transcribe

pytest_plugins = ["pytester"]

PACKAGE = str(Path(amazon_transcribe.__file__).parents[1])

TRANSCRIBE = """
from amazon_transcribe.client import TranscribeStreamingClient

async def transcribe(server):
    async with TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url=server.endpoint_url,
        credential_resolver=server.credentials,
    ) as client:
        stream = await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=8000, media_encoding="pcm"
        )
        for _ in range(20):
            await stream.input_stream.send_audio_event(audio_chunk=bytes(1600))
        await stream.input_stream.end_stream()
        return [
            result.alternatives[0].transcript
            async for event in stream.output_stream
            for result in event.transcript.results
            if not result.is_partial
        ]
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite with no plugin but those a test names, whether or not they are installed."""
    monkeypatch.setenv("PYTHONPATH", PACKAGE)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester


def run(suite: pytest.Pytester, *plugins: str) -> pytest.RunResult:
    options = [f"-p{plugin}" for plugin in ("amazon_transcribe.pytest_plugin", *plugins)]
    return suite.runpytest_subprocess(*options, timeout=60)


def test_synchronous_test_gets_a_running_server(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + """
import asyncio

def test_it(local_transcribe):
    assert asyncio.run(transcribe(local_transcribe)) == ["This is the scripted engine"]
"""
    )
    run(suite).assert_outcomes(passed=1)


def test_asynchronous_test_gets_a_running_server(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + """
async def test_it(local_transcribe):
    assert await transcribe(local_transcribe) == ["This is the scripted engine"]
"""
    )
    suite.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = auto\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    run(suite, "pytest_asyncio.plugin").assert_outcomes(passed=1)


def test_each_test_has_a_server_of_its_own_that_ends_with_it(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import socket, threading
        from urllib.parse import urlsplit
        import pytest

        seen = []

        @pytest.mark.parametrize("n", range(2))
        def test_it(local_transcribe, n):
            seen.append((local_transcribe.endpoint_url, local_transcribe.credentials))

        def test_after():
            assert seen[0][1].secret_access_key != seen[1][1].secret_access_key
            assert [t.name for t in threading.enumerate()] == ["MainThread"]
            for url, _ in seen:
                with pytest.raises(OSError):
                    socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
        """
    )
    run(suite).assert_outcomes(passed=3)


def test_ini_option_names_the_engine(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(local_transcribe): pass")
    suite.makeini("[pytest]\nlocal_transcribe_engine = parrot\n")
    result = run(suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no engine is named 'parrot'*"])


def test_plugin_loads_nothing_heavy(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import sys

        def test_it():
            heavy = {"amazon_transcribe.local", "awscrt", "h2", "msgspec", "numpy"}
            assert not heavy & {*sys.modules}
        """
    )
    run(suite).assert_outcomes(passed=1)
