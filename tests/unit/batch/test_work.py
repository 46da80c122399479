"""What a worker does with one recording, on a local server of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.batch import make_plan
from amazon_transcribe.batch._work import Job, Worker
from tests.support.wav import wav


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(bytes(2 * 2 * 16_000 * 2), channels=2))
    return path


@pytest.fixture
def work(recording: Path, tmp_path: Path) -> Iterator[Any]:
    """Transcribe the recording by a worker with these settings; give its answer and the text."""
    workers = []

    def work(part: Path = tmp_path / "part", **options: Any) -> tuple[Any, str]:
        plan = make_plan(recording, output_dir=tmp_path, local={"engine": "scripted"}, **options)
        worker = Worker(plan.service)
        workers.append(worker)
        assert worker.open() == {}
        answer = worker.do(Job(str(recording), str(part), dict(plan.tasks[0].parameters)))
        return answer, part.read_text("utf-8") if part.exists() else ""

    yield work
    for worker in workers:
        worker.close()


def test_text(work: Any) -> None:
    answer, text = work()
    assert answer == {"seconds": 2.0, "words": 5}
    assert text == "This is the scripted engine\n"


def test_channels_have_names(work: Any) -> None:
    answer, text = work(parameters={"channels": "split", "names": {"ch_1": "Anna"}})
    assert answer["words"] == 10
    assert sorted(text.splitlines()) == [
        "Anna: This is the scripted engine",
        "ch_0: This is the scripted engine",
    ]


def test_a_call_in_captions(work: Any) -> None:
    answer, text = work(operation="call-analytics", format="vtt", parameters={"channels": "split"})
    assert answer["words"] == 10
    assert text.startswith("WEBVTT")
    assert "<v AGENT>" in text
    assert "<v CUSTOMER>" in text


def test_a_call_in_json_has_the_utterances(work: Any) -> None:
    _, text = work(operation="call-analytics", format="json", parameters={"channels": "split"})
    assert '"ParticipantRole": "CUSTOMER"' in text


def test_a_recording_that_takes_too_long_has_failed(work: Any) -> None:
    answer, text = work(realtime=True, timeout=0.2)
    assert answer == {"error": "not done after 0.2 s", "again": False}
    assert text == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_that_nobody_writes_holds_nothing_up(work: Any, recording: Path) -> None:
    recording.unlink()
    os.mkfifo(recording)
    answer, _ = work()
    assert answer["error"] == "it is no file, but a folder, a pipe or a device"


def test_an_output_that_cannot_be_written_ends_the_batch(work: Any, tmp_path: Path) -> None:
    answer, _ = work(part=tmp_path / "missing" / "part")
    assert answer["fatal"].startswith(f"cannot write to {tmp_path / 'missing'}: ")
