"""The fixtures and the mark, in test suites of other people."""

from __future__ import annotations

from pathlib import Path

import pytest

import amazon_transcribe

pytest_plugins = ["pytester"]

PACKAGE = str(Path(amazon_transcribe.__file__).parents[1])

TRANSCRIBE = """
from amazon_transcribe.client import TranscribeStreamingClient

async def transcribe(client=None):
    # Without a client, as a program that knows nothing of the test.
    async with client or TranscribeStreamingClient(region="us-east-1") as client:
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
    return suite.runpytest_subprocess(*options, timeout=120)


def test_synchronous_test_gets_a_running_server(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + """
import asyncio

def test_it(local_transcribe):
    assert asyncio.run(transcribe()) == ["This is the scripted engine"]
"""
    )
    run(suite).assert_outcomes(passed=1)


PLUGINS = {
    "pytest_asyncio.plugin": "@pytest.mark.asyncio",
    "anyio.pytest_plugin": "@pytest.mark.anyio",
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_asynchronous_test_gets_a_running_server(suite: pytest.Pytester, plugin: str) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + f"""
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

{PLUGINS[plugin]}
@pytest.mark.transcribe(script=["Two tickets to Hamburg, please."])
async def test_it(local_transcribe, transcribe_client):
    assert await transcribe(transcribe_client) == ["Two tickets to Hamburg, please."]
    (stream,) = await local_transcribe.streams_ended()
    assert stream.audio_seconds == 2.0
"""
    )
    if plugin == "pytest_asyncio.plugin":
        suite.makeini(
            "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
        )
    run(suite, plugin).assert_outcomes(passed=1)


def test_asynchronous_tests_need_no_mark_of_their_own_in_mode_auto(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + """
async def test_it(local_transcribe):
    assert await transcribe() == ["This is the scripted engine"]
"""
    )
    suite.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = auto\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    run(suite, "pytest_asyncio.plugin").assert_outcomes(passed=1)


def test_program_in_a_process_of_its_own_finds_the_server(suite: pytest.Pytester) -> None:
    suite.makepyfile(program=TRANSCRIBE + "import asyncio\nprint(asyncio.run(transcribe()))\n")
    suite.makepyfile(
        """
        import subprocess, sys, pytest

        @pytest.mark.transcribe(script=["Hello."], tls=True)
        def test_it(local_transcribe):
            program = [sys.executable, "program.py"]
            assert subprocess.check_output(program, timeout=60).split() == [b"['Hello.']"]
            (stream,) = local_transcribe.wait_for_streams()
            assert stream.ended == "complete"
            assert local_transcribe.endpoint_url.startswith("https:")
        """
    )
    run(suite).assert_outcomes(passed=1)


def test_tests_of_several_processes_have_their_own_servers(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + """
import asyncio, pytest

@pytest.mark.parametrize("word", ["Hamburg", "Bremen", "Kiel"])
def test_it(word, request):
    request.applymarker(pytest.mark.transcribe(script=[word]))
    server = request.getfixturevalue("local_transcribe")
    assert asyncio.run(transcribe()) == [word]
    assert len(server.streams) == 1
"""
    )
    suite.makeini("[pytest]\nfilterwarnings = error\naddopts = -n 2\n")
    result = run(suite, "xdist.plugin")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*2 workers*"])


def test_environment_is_the_tests_and_comes_back(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    suite.makepyfile(
        """
        import os, pytest

        def aws():
            return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

        before = aws()

        @pytest.mark.transcribe(credentials={"AKID": "secret"})
        def test_it(local_transcribe):
            assert "AWS_PROFILE" not in os.environ
            assert aws().items() >= {
                "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": local_transcribe.endpoint_url,
                "AWS_ACCESS_KEY_ID": "AKID",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
            }.items()

        def test_after():
            assert aws() == before
        """
    )
    run(suite).assert_outcomes(passed=2)


def test_marks_add_up_and_need_no_fixture(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        TRANSCRIBE
        + """
import asyncio, pytest
from amazon_transcribe.exceptions import StreamResetException
from amazon_transcribe.local import Fault

@pytest.mark.transcribe(script=["Hello."], faults=[Fault("reset", after_events=1)])
class TestIt:
    def test_class(self):
        with pytest.raises(StreamResetException):
            asyncio.run(transcribe())

    @pytest.mark.transcribe(faults=[])
    @pytest.mark.transcribe(script=["Goodbye."])
    def test_method(self):
        assert asyncio.run(transcribe()) == ["Goodbye."]
"""
    )
    run(suite).assert_outcomes(passed=2)


def test_a_marked_test_has_its_server_before_other_fixtures(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import os
        import pytest

        URL = "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING"

        @pytest.fixture
        def program():
            return os.environ.get(URL)

        marked = pytest.param(True, marks=pytest.mark.transcribe())

        @pytest.mark.parametrize("is_marked", [False, marked, False])
        def test_it(program, is_marked):
            assert (program is not None) == is_marked
            assert (URL in os.environ) == is_marked

        @pytest.mark.transcribe()
        def test_with_the_fixture(program, local_transcribe):
            assert program == local_transcribe.endpoint_url
        """
    )
    run(suite).assert_outcomes(passed=4)


def test_a_client_that_nobody_closes_is_silent(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import asyncio

        async def leave_open(client):
            await client.start_stream_transcription(
                language_code="en-US", media_sample_rate_hz=8000, media_encoding="pcm"
            )

        def test_it(local_transcribe, transcribe_client):
            asyncio.run(leave_open(transcribe_client))
            assert local_transcribe.wait_for_streams()[0].ended == "lost"
        """
    )
    run(suite).assert_outcomes(passed=1)


WRONG = {
    "'One line.'": "takes keyword arguments only",
    "scrip=['One line.']": "takes no scrip; it takes engine, *",
    "script='One line.'": "script must be a list of lines, *, not 'One line.'",
    "script=[b'One line.']": "script must be a list of lines, *",
    "script=[]": "the script has no words",
    "script=['One line.'], engine='moonshine'": "* engine is 'moonshine': leave one of them out",
    "engine='parrot'": "no engine is named 'parrot'; there are *",
    "engine=5": "engine must be one of moonshine, *, not 5",
    "faults='drop'": "faults must be a list of Fault, *, not 'drop'",
    "port=-1": "port must be *",
}


def test_wrong_marks_are_errors_of_one_line(suite: pytest.Pytester) -> None:
    tests = (
        f"@pytest.mark.transcribe({arguments})\ndef test_{number}(): pass\n"
        for number, arguments in enumerate(WRONG)
    )
    suite.makepyfile("import pytest\n" + "\n".join(tests))
    result = run(suite)
    result.assert_outcomes(errors=len(WRONG))
    result.stdout.fnmatch_lines([f"local_transcribe: *{text}*" for text in WRONG.values()])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


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
