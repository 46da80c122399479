"""Files that a user names: what is no file is refused at once, and none is read without a bound."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from amazon_transcribe._net.named_files import check_file, read_file
from amazon_transcribe._net.tls import default_context
from amazon_transcribe.batch import make_plan
from amazon_transcribe.exceptions import ConnectException, ValidationException
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.local.listeners.certificates import server_context
from amazon_transcribe.local.service.categories import read_categories
from amazon_transcribe.local.service.custom_vocabulary import read_vocabulary
from amazon_transcribe.local.service.vocabulary import read_phrases

READERS: dict[str, Callable[[Path], object]] = {
    "any": lambda path: read_file(path, 100),
    "script": ScriptedEngine.from_file,
    "categories": read_categories,
    "vocabulary filter": read_phrases,
    "vocabulary": read_vocabulary,
    "certificate": lambda path: server_context(path, None),
    "manifest": lambda path: make_plan([path], output_dir=path.parent / "out", local=True),
}


def a_pipe(folder: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes")
    path = folder / "files.csv"
    os.mkfifo(path)
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "files.csv"
    path.mkdir()
    return path


@pytest.mark.parametrize("make", [a_pipe, a_folder])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused(
    reader: str, make: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(ValidationException, match=r"files\.csv is no file, but a folder"):
        READERS[reader](path)


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_in_a_pipe_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(a_pipe(tmp_path)))
    with pytest.raises(ConnectException, match=r"do not load: .*files\.csv is no file"):
        default_context()


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    assert read_file(path, 100) == bytes(100)
    with pytest.raises(ValidationException, match="more than 99 bytes, the most"):
        read_file(path, 99)


def test_what_is_not_there_is_no_matter_of_its_kind(tmp_path: Path) -> None:
    check_file(tmp_path / "none")
    check_file("a" * 5000)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 1)


def test_a_source_with_too_long_a_name_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValidationException, match="there is no file"):
        make_plan(["a" * 5000], output_dir=tmp_path / "out", local=True)
