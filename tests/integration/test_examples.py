"""The programs in `examples/` and in the README run, told by the environment alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
RECORDING = "examples/audio/goforward.wav"
README = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def environment(local_transcribe):
    keys = local_transcribe.credentials
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": local_transcribe.endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
    }


def output(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_transcribe_file(environment):
    said = output("examples/transcribe_file.py", RECORDING, environment=environment)
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


def test_readme_program(environment):
    (program,) = (block for block in README if "asyncio.run" in block)
    assert output("-c", program, environment=environment).startswith("This is")


def test_readme_test(pytester):
    (test,) = (block for block in README if "def test_" in block)
    pytester.makepyfile(test)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
