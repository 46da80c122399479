"""The directory of a batch: after any kill, the next run finds it in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.batch import BatchException
from amazon_transcribe.batch._outputs import RESULTS, open_outputs


def line(output: str, **more: Any) -> bytes:
    return json.dumps({"output": output, **more}).encode() + b"\n"


def lines(directory: Path) -> list[Any]:
    return [json.loads(each) for each in (directory / RESULTS).read_bytes().splitlines()]


def test_an_output_appears_with_its_line(tmp_path: Path) -> None:
    with open_outputs(tmp_path / "new" / "out", {"a.txt"}) as outputs:
        assert not outputs.has("a.txt")
        part = outputs.new_part()
        Path(part).write_text("hello", "utf-8")
        outputs.add(part, "a.txt", {"output": "a.txt", "words": 1})
    directory = tmp_path / "new" / "out"
    assert (directory / "a.txt").read_text("utf-8") == "hello"
    assert lines(directory) == [{"output": "a.txt", "words": 1}]
    assert not list(directory.glob("*.part"))
    with open_outputs(directory, {"a.txt"}) as outputs:
        assert outputs.has("a.txt")


def test_what_a_kill_left_is_put_in_order(tmp_path: Path) -> None:
    (tmp_path / "done.txt").touch()
    (tmp_path / ".batch-0123.part").touch()
    (tmp_path / RESULTS).write_bytes(
        line("done.txt", words=0)
        + line("done.txt", words=2)
        + line("killed-before-it-appeared.txt")
        + line("elsewhere.txt", error="no audio")
        + line("failed.txt", error="no audio")
        + b'{"output": "half'
    )
    planned = {"done.txt", "killed-before-it-appeared.txt", "failed.txt"}
    with open_outputs(tmp_path, planned) as outputs:
        outputs.tell({"output": "failed.txt", "error": "still no audio"})
    assert lines(tmp_path) == [
        {"output": "done.txt", "words": 2},
        {"output": "elsewhere.txt", "error": "no audio"},
        {"output": "failed.txt", "error": "still no audio"},
    ]
    assert not list(tmp_path.glob(".*.part"))


def test_one_run_at_a_time_has_it(tmp_path: Path) -> None:
    with open_outputs(tmp_path, ()):
        with pytest.raises(BatchException, match="another batch is writing"):
            with open_outputs(tmp_path, ()):
                pass
    with open_outputs(tmp_path, ()):
        pass


def test_a_part_that_is_not_there_is_told(tmp_path: Path) -> None:
    with open_outputs(tmp_path, ()) as outputs:
        with pytest.raises(BatchException, match="the same on all machines"):
            outputs.add(outputs.new_part(), "a.txt", {"output": "a.txt"})
    assert lines(tmp_path) == []


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BatchException, match="file"):
        with open_outputs(tmp_path / "file", ()):
            pass
    (tmp_path / RESULTS).mkdir()
    with pytest.raises(BatchException, match=RESULTS):
        with open_outputs(tmp_path, ()):
            pass


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no endless device")
def test_an_endless_manifest_of_results_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESULTS).symlink_to("/dev/zero")
    with pytest.raises(BatchException, match="no file, but"):
        with open_outputs(tmp_path, ()):
            pass


def test_a_line_without_an_end_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "done.txt").touch()
    (tmp_path / RESULTS).write_bytes(bytes(2_500_000) + b"\n" + line("done.txt"))
    with open_outputs(tmp_path, ()):
        assert lines(tmp_path) == [{"output": "done.txt"}]
