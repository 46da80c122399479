"""What a worker does with one recording, on a local server of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.batch import make_plan
from amazon_transcribe.batch._work import Job, Worker
from amazon_transcribe.limiter import Slot, StreamLimiter
from amazon_transcribe.limiter.valkey import ValkeyStreamLimiter
from tests.support.valkey import valkey_server
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

    def work(
        part: Path = tmp_path / "part", limiter: Any = None, **options: Any
    ) -> tuple[Any, str]:
        plan = make_plan(recording, output_dir=tmp_path, local={"engine": "scripted"}, **options)
        worker = Worker(replace(plan.service, limiter=limiter))
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


class Told(StreamLimiter):
    """A limiter that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(1)
        self.timeouts: list[float] = []
        LIMITERS.append(self)

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        self.timeouts.append(timeout)
        return await super().acquire(timeout, closing)


LIMITERS: list[Told] = []


def test_a_recording_waits_for_its_turn_once_for_all_of_its_time(work: Any) -> None:
    answer, _ = work(limiter=(f"{__name__}:Told", [], {}), timeout=1000.0)
    assert answer["words"]
    limiter = LIMITERS.pop()
    assert limiter.timeouts == [1000.0]
    assert limiter.open == 0


def test_the_slot_of_a_worker_that_is_idle_is_free(work: Any) -> None:
    with valkey_server() as valkey:
        quota = {"max_streams": 1, "lease": 600.0}
        answer, _ = work(
            limiter=("amazon_transcribe.limiter.valkey:ValkeyStreamLimiter", [valkey.url], quota)
        )
        assert answer["words"]

        async def take() -> None:
            async with ValkeyStreamLimiter(valkey.url, **quota) as limiter:
                (await limiter.acquire(60)).release()

        asyncio.run(take())


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
