"""The command that a message about a missing extra names."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from amazon_transcribe import __version__, exceptions
from amazon_transcribe.exceptions import missing_extra

CLONE = Path(__file__).parents[2]
NOT_HERE = ImportError("No module named 'sounddevice'")


def command() -> str:
    """Return the command that the message names."""
    message = missing_extra("the microphone", "mic", NOT_HERE)
    beginning = f"the microphone needs the extra 'mic' ({NOT_HERE}): "
    assert message.startswith(beginning)
    return message.removeprefix(beginning)


def installed(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    """Let this environment hold a version of the distribution, or none."""

    def look_up(name: str) -> str:
        assert name == "amazon-transcribe"
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", look_up)


def test_what_is_installed_is_named_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, __version__)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert command() == f'/usr/bin/python3 -m pip install "amazon-transcribe[mic]=={__version__}"'


@pytest.mark.parametrize("version", [None, "0.6.4"])
def test_a_clone_that_is_not_installed_is_named_by_its_path(
    version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, version)
    monkeypatch.setattr(sys, "executable", r"C:\Program Files\python.exe")
    assert command() == rf'"C:\Program Files\python.exe" -m pip install "{CLONE}[mic]"'


def test_a_copy_that_nothing_can_install_is_named_by_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed(monkeypatch, None)
    monkeypatch.setattr(exceptions, "__file__", str(tmp_path / "amazon_transcribe/exceptions.py"))
    assert f'"amazon-transcribe[mic]=={__version__}"' in command()


def test_pip_takes_what_is_installed_and_asks_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pip")
    monkeypatch.setattr(sys, "executable", Path(sys.executable).as_posix())
    done = subprocess.run(
        [*shlex.split(command()), "--no-index", "--no-deps"],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    # Some versions of pip leave the extra out.
    said = rf"already satisfied: amazon-transcribe(\[mic\])?=={re.escape(__version__)} "
    assert re.search(said, done.stdout), done.stdout
