"""The programs in `examples/` and in the documentation run, told by the environment alone."""

from __future__ import annotations

import ast
import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import complaints

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
RECORDING = "examples/audio/goforward.wav"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


README = blocks(ROOT / "README.md")


def output(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    return done.stdout


def test_transcribe_file(local_transcribe):
    said = output("examples/transcribe_file.py", RECORDING)
    assert said.startswith("This is")


def test_write_captions():
    captions = output("examples/write_captions.py", RECORDING)
    assert re.fullmatch(r"1\n00:00:00,\d+ --> 00:00:0\d,\d+\nGo forward ten meters.\n", captions)


def test_two_channels():
    recordings = [f"examples/audio/sense_and_sensibility_{n}.wav" for n in ("0870", "0920")]
    lines = output("examples/two_channels.py", *recordings, "Dashwood", "amiable").splitlines()
    (first,), (second,) = ([line for line in lines if name in line] for name in ("ch_0", "ch_1"))
    assert "ch_0: And Mr. John *** had then leisure" in first
    assert "ch_1: Had he married a more *** woman" in second


@pytest.fixture
def interruptible():
    """Processes hear SIGINT; what a shell starts in the background ignores it, heirs too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT to send")
@pytest.mark.usefixtures("interruptible")
def test_server(local_transcribe):
    command = [sys.executable, "-W", "error", "examples/server.py", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as server:
        try:
            port = int(server.stdout.readline().split()[-1])
            with socket.create_connection(("127.0.0.1", port), 30) as connection:
                connection.sendall((ROOT / RECORDING).read_bytes()[44:])
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile(encoding="utf-8") as answer:
                    assert answer.read().startswith("This is")
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
            if sys.version_info >= (3, 11):  # 3.10 interrupts asyncio wherever it stands
                assert server.stderr.read() == ""
        finally:
            server.kill()


def test_readme_program(local_transcribe):
    (program,) = (block for block in README if "asyncio.run" in block)
    assert output("-c", program).startswith("This is")


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/one-call.md"])
def test_one_call(page):
    program = next(block for block in blocks(ROOT / page) if "sync.transcribe_file" in block)
    assert output("-c", program) == "Go forward ten meters.\n"


@pytest.mark.parametrize("number", [0, 1])
def test_programs_of_the_migration_page(number, local_transcribe):
    program = blocks(ROOT / "docs/how-to/migrate.md")[number]
    assert output("-c", program, RECORDING).startswith("This is")


def test_call_centre(pytester):
    shutil.copytree(ROOT / "examples/call_centre", pytester.path, dirs_exist_ok=True)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/testing.md"])
def test_first_test_of_a_page(page, pytester):
    test = next(block for block in blocks(ROOT / page) if "def test_" in block)
    pytester.makepyfile(test)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name
)
def test_programs_of_the_documentation_are_python_and_find_what_they_import(page):
    for block in blocks(page):
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for node in ast.walk(compile(block, page, "exec", flags)):
            if isinstance(node, ast.ImportFrom):
                exec(ast.unparse(node), {})


async def test_many_streams(local_transcribe):
    heard = []

    async def send(stream, call):
        await stream.input_stream.send_audio_event(audio_chunk=bytes(16_000))
        await stream.input_stream.end_stream()

    async def receive(stream):
        heard.append([event async for event in stream.output_stream])

    program = {"send": send, "receive": receive}
    exec(blocks(ROOT / "docs/how-to/many-streams.md")[0], program)
    assert await asyncio.wait_for(program["main"](range(20)), 30) == [None] * 20
    assert len(heard) == 20
    assert all(heard)
    assert [stream.audio_seconds for stream in local_transcribe.streams] == [1.0] * 20
