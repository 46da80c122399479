"""The run of a batch, whatever becomes of its workers."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe.batch import BatchException, Outcome, Plan, make_plan, run
from amazon_transcribe.batch import _run as module
from amazon_transcribe.batch._work import Answer, Job
from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.limiter import StreamLimiter

FATES = ("done", "failed", "again", "lost", "lost after writing")


class Fates:
    """Workers of which the chance decides."""

    def __init__(self, seed: int, size: int) -> None:
        self._chance = random.Random(seed)
        self._size = size
        self._jobs: list[Job] = []
        self.most = 0

    @property
    def has_room(self) -> bool:
        return len(self._jobs) < self._size

    def submit(self, job: Job) -> None:
        self._jobs.append(job)
        self.most = max(self.most, len(self._jobs))

    def wait(self) -> list[tuple[Job, Answer | None]]:
        self._chance.shuffle(self._jobs)
        ended = [self._jobs.pop() for _ in range(self._chance.randint(1, len(self._jobs)))]
        return [(job, self._answer(job)) for job in ended]

    def close(self) -> None:
        self._jobs.clear()

    def _answer(self, job: Job) -> Answer | None:
        fate = self._chance.choice(FATES)
        if fate in ("done", "lost after writing"):
            Path(job.part).write_text(job.input, "utf-8")
        if fate.startswith("lost"):
            return None
        if fate == "done":
            return {"seconds": 1.0, "words": 2}
        return {"error": "no", "again": fate == "again"}


def plan_in(folder: Path, recordings: int) -> Plan:
    manifest = folder / "m.jsonl"
    lines = (json.dumps({"input": f"{number}.wav"}) for number in range(recordings))
    manifest.write_text("\n".join(lines), "utf-8")
    return make_plan(manifest, output_dir=folder / "out")


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(),
    size=st.integers(1, 5),
    recordings=st.integers(1, 12),
    attempts=st.integers(1, 4),
)
def test_each_recording_has_one_outcome_in_each_run_until_all_are_done(
    seed: int, size: int, recordings: int, attempts: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        plan = plan_in(Path(folder), recordings)
        done: dict[str, Outcome] = {}
        for number in range(200):
            workers = Fates(seed + number, size)
            patch.setattr(module, "_executor", lambda *_, workers=workers: workers)
            left = {task.output for task in plan.left()}
            outcomes = list(run(plan, attempts=attempts))
            assert sorted(each.output for each in outcomes) == sorted(left)
            assert workers.most <= size
            assert all(1 <= each.attempts <= attempts for each in outcomes)
            done |= {each.output: each for each in outcomes if each.error is None}
            assert {task.output for task in plan.tasks} - set(done) == {
                task.output for task in plan.left()
            }
            if not left:
                break
        assert len(done) == recordings
        out = plan.output_dir
        assert all((out / task.output).read_text("utf-8") == task.input for task in plan.tasks)
        assert not list(out.glob(".*.part"))
        lines = (out / "results.jsonl").read_text("utf-8").splitlines()
        written = [json.loads(line) for line in lines]
        assert sorted(line["output"] for line in written) == sorted(done)


def test_a_run_that_is_left_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_executor", lambda *_: Fates(1, 3))
    outcomes = run(plan_in(tmp_path, 10))
    next(outcomes)
    outcomes.close()
    assert not list((tmp_path / "out").glob(".*.part"))


@pytest.mark.parametrize(
    "options",
    [
        {"jobs": 0},
        {"attempts": 0},
        {"limiter": lambda: StreamLimiter()},
        {"limiter": StreamLimiter().acquire},
        {"limiter": partial(StreamLimiter, object())},
    ],
)
def test_what_cannot_be_is_refused_at_once(options: Any, tmp_path: Path) -> None:
    with pytest.raises(ValidationException):
        run(plan_in(tmp_path, 1), **options)
    assert not (tmp_path / "out").exists()


def test_without_ray_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BatchException, match=r"amazon-transcribe\[ray\]"):
        next(run(plan_in(tmp_path, 1), ray=True))


def test_workers_that_cannot_start_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", sys.executable + "-missing")
    with pytest.raises(BatchException, match="workers cannot start"):
        next(run(plan_in(tmp_path, 1)))


def test_what_no_worker_can_do_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = plan_in(tmp_path, 3)
    plan = replace(plan, service=replace(plan.service, local={"engine": "no engine"}))
    with pytest.raises(BatchException, match="no engine"):
        next(run(plan, jobs=1))
    assert "no engine" not in capfd.readouterr().err


def test_without_ray_the_command_that_brings_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BatchException, match=r"the extra 'ray' .* -m pip install .*\[ray\]"):
        list(run(plan_in(tmp_path, 1), ray=True))
