"""Batches, with real workers: what is done, what kills lose, what the command tells."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.batch import Outcome, make_plan, run
from amazon_transcribe.cli.batch import BatchProgress
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import Fault
from amazon_transcribe.local.engines import RecognitionOptions
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from tests.support.valkey import valkey_server

from .test_cli import COMMAND, EXAMPLES, POSIX, environment, wav
from .test_cli import run as command
from .test_cli_recordings import wait_for

RAY = Path(__file__).parents[2] / ".venv-ray" / "bin" / "python"
SCRIPTED = ["--local", "--engine", "scripted", "--jobs", "2"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.wav").write_bytes(wav(1 + number / 10))
    return folder


def lines(out: Path) -> list[dict[str, Any]]:
    text = (out / "results.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def assert_whole(archive: Path, out: Path) -> None:
    """Check that each recording has one output and one line, and that there is nothing else."""
    found = lines(out)
    recordings = sorted(map(str, archive.iterdir()))
    assert sorted(line["input"] for line in found) == recordings
    outputs = {line["output"] for line in found}
    assert {path.name for path in out.iterdir()} == outputs | {"results.jsonl", ".batch.lock"}
    for line in found:
        assert line["error"] is None
        assert len((out / line["output"]).read_text("utf-8").split()) == line["words"] > 0


def test_an_archive_is_done_once(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = (archive / "2.wav").read_bytes()
    (archive / "2.wav").write_bytes(b"this is not audio")

    first = command("batch", *SCRIPTED, archive, "--output-dir", out)
    assert first.returncode == 1
    error, summary = first.stderr.decode().splitlines()
    assert error.startswith(f"amazon-transcribe: {archive / '2.wav'}: ")
    assert summary.startswith("3 transcribed, 1 failed, 7 words in 0:03 of audio, ")
    assert [line["attempts"] for line in lines(out)] == [1, 1, 1, 1]

    (archive / "2.wav").write_bytes(whole)
    second = command("batch", *SCRIPTED, archive, "--output-dir", out)
    assert second.returncode == 0, second.stderr
    assert second.stderr.startswith(b"1 transcribed, 3 there already, ")
    third = command("batch", *SCRIPTED, archive, "--output-dir", out)
    assert third.stderr == b"0 transcribed, 4 there already\n"
    assert first.stdout + second.stdout + third.stdout == b""
    (archive / "2.wav").write_bytes(whole)
    # The failure belongs to a recording that is no more.
    failure = [line for line in lines(out) if line["error"]]
    assert [line["input"] for line in failure] == [str(archive / "2.wav")]


def test_a_script_reaches_the_workers(archive: Path, tmp_path: Path) -> None:
    out, script = tmp_path / "out", tmp_path / "script.txt"
    script.write_text("Hello.\n", "utf-8")
    options = ["--script", script, "--output-dir", out]
    done = command("batch", "--local", *options, archive / "0.wav")
    assert done.stderr.startswith(b"1 transcribed, 1 words in 0:01 of audio, ")
    (line,) = lines(out)
    assert (out / line["output"]).read_text("utf-8") == "Hello.\n"


def test_a_batch_of_empty_files_has_a_summary(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    done = command("batch", *SCRIPTED, "empty.wav", "--output-dir", "out", cwd=tmp_path)
    assert done.stderr.decode().splitlines()[-1] == "0 transcribed, 1 failed"


@POSIX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_is_killed_is_run_again(
    number: signal.Signals, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (archive / "long.wav").write_bytes(wav(120))  # so that the driver never ends by itself
    arguments = ["batch", *SCRIPTED, str(archive), "--output-dir", str(out)]
    driver = subprocess.Popen(
        [*COMMAND, *arguments, "--realtime"],
        stderr=subprocess.PIPE,
        env=environment(),
        encoding="utf-8",
    )
    results = out / "results.jsonl"
    wait_for(lambda: results.exists() and results.stat().st_size)
    driver.send_signal(number)
    _, errors = driver.communicate(timeout=60)  # to its end: the workers have it open too
    if number == signal.SIGTERM:
        assert driver.returncode == 128 + number
        assert " not done" in errors
        assert not list(out.glob(".*.part"))
    assert command(*arguments).returncode == 0
    assert_whole(archive, out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--local missing.wav", "no file missing.wav"),
        ("--local . --output-dir .", "no recording lies in ."),
        ("--local --engine scripted --names x a.wav", "LABEL=NAME"),
        ("--engine scripted a.wav", "--local"),
        ("--pause 1 a.wav", "--local"),
        ("--local --operation call-analytics a.wav", "--channels split"),
        ("--local --ray --ray-address x:1 a.wav", "not allowed with"),
        ("--local --format jsonl a.wav", "jsonl"),
        ("a.wav", "no region"),
        ("--local --vocabulary names=none.txt a.wav", "none.txt: No such file"),
        ("--local --vocabulary names=m.csv a.wav", "m.csv, line 1: Phrase"),
        ("--local m.csv", "line 2: there is no parameter 'speaker'"),
        ("--local --limiter valkey://x a.wav", "leave it out with --local"),
        ("--max-streams 2 a.wav", "go with --limiter"),
        ("--limiter http://:secret@x a.wav", "a URL such as valkey://"),
        ("--limiter valkey://:secret@127.0.0.1:1 a.wav", "the limiter's server is away: "),
    ],
)
def test_bad_usage_is_one_line(arguments: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(1))
    (tmp_path / "m.csv").write_text("input,speaker\na.wav,1\n", "utf-8")
    if words.startswith("no recording"):
        (tmp_path / "a.wav").unlink()
    done = command("batch", "--output-dir", "out", *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert words in done.stderr.decode()
    assert b"secret" not in done.stderr


def test_a_vocabulary_reaches_the_server_by_what_is_in_it(archive: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "out", tmp_path / "names.txt"
    for text in ("Etcetera", "Anna", "Anna"):
        names.write_text(text, "utf-8")
        vocabulary = ["--vocabulary", f"names={names}", "--output-dir", str(out)]
        done = command("batch", *SCRIPTED, *vocabulary, str(archive / "0.wav"))
        assert b"VocabularyName: scripted takes no custom vocabularies" in done.stderr
    assert len({line["output"] for line in lines(out)}) == 2


class Waited(ScriptedEngine):
    """An engine that tells when a stream comes."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = threading.Semaphore(0)

    def open(self, options: RecognitionOptions) -> Any:
        self.streams.release()
        return super().open(options)


WAITED = Waited()


def make_limiter() -> StreamLimiter:
    """Make a limiter, in the worker."""
    Path(os.environ["LIMITER_MADE"]).touch()
    return StreamLimiter(max_streams=1)


@pytest.mark.transcribe(engine=WAITED, faults=[Fault("delay", by=100, after_events=0, times=1)])
def test_a_worker_that_is_killed_is_replaced(
    local_transcribe: Any, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITER_MADE", str(tmp_path / "made"))
    workers: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            workers.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    plan = make_plan(archive, output_dir=tmp_path / "out")
    outcomes: list[Outcome] = []

    def drive() -> None:
        outcomes.extend(run(plan, jobs=1, limiter=make_limiter))

    driver = threading.Thread(target=drive)
    driver.start()
    assert WAITED.streams.acquire(timeout=60)  # which then gets nothing for a long time
    workers[0].kill()
    driver.join()
    assert [outcome.attempts for outcome in outcomes] == [2, 1, 1, 1]
    assert len(workers) == 2
    assert (tmp_path / "made").exists()
    assert_whole(archive, tmp_path / "out")


@pytest.mark.transcribe(max_streams=2)
def test_batches_share_a_limit(local_transcribe: Any, archive: Path, tmp_path: Path) -> None:
    keys = local_transcribe.credentials
    where = environment(
        AWS_ACCESS_KEY_ID=keys.access_key_id, AWS_SECRET_ACCESS_KEY=keys.secret_access_key
    )
    with valkey_server() as valkey, ExitStack() as stack:
        arguments = ["--endpoint-url", local_transcribe.endpoint_url, "--realtime", "--jobs", "2"]
        arguments += ["--limiter", valkey.url, "--max-streams", "2", "--attempts", "1"]
        batches = [
            stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, "batch", *arguments, str(archive), "--output-dir", str(out)],
                    stderr=subprocess.PIPE,
                    env=where,
                )
            )
            for out in (tmp_path / "one", tmp_path / "two")
        ]
        for batch in batches:
            stack.callback(batch.kill)
        for batch in batches:
            _, errors = batch.communicate(timeout=120)
            assert batch.returncode == 0, errors
    # Without the limiter four would come at a time, and the server would refuse some.
    assert [stream.ended for stream in local_transcribe.streams] == ["complete"] * 8
    assert_whole(archive, tmp_path / "one")
    assert_whole(archive, tmp_path / "two")


@pytest.mark.transcribe(faults=[Fault("drop", after_events=1, times=1)])
def test_a_failure_that_may_pass_is_tried_again(
    local_transcribe: Any, archive: Path, tmp_path: Path
) -> None:
    # Medical speech, as a stream of this operation does not outlive its connection.
    plan = make_plan(archive / "0.wav", output_dir=tmp_path / "out", operation="medical")
    [outcome] = run(plan)
    assert (outcome.attempts, outcome.error) == (2, None)


def test_progress_tells_speed_time_left_and_failures() -> None:
    progress = BatchProgress(recordings=10, size=1000, there=5, now=100.0)
    assert progress.parts(100.0) == ["0 of 10", "0.0 h of audio an hour"]
    progress.add(Outcome("a.wav", "a.txt", 3600.0, 9000, 1, None), 200)
    progress.add(Outcome("b.wav", "b.txt", None, None, 3, "no"), 50)
    assert progress.parts(190.0) == [
        "2 of 10",
        "40.0 h of audio an hour",
        "4:30 left",
        "1 failed",
    ]
    assert progress.summary(190.0) == (
        "1 transcribed, 5 there already, 1 failed, 8 not done, 9000 words in 1:00:00 of audio,"
        " 40.0 h of audio an hour"
    )


def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/archives.md").read_text("utf-8")
    program = page.split("```python\n")[1].split("```")[0]
    audio = tmp_path / "examples" / "audio"
    audio.mkdir(parents=True)
    (audio / "goforward.wav").write_bytes((EXAMPLES / "goforward.wav").read_bytes())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert re.fullmatch(r"goforward-[0-9a-f]{16}\.txt 4 \n", done.stdout)
    assert done.stderr == ""


@pytest.mark.skipif(not RAY.exists(), reason="make .venv-ray/.installed brings Ray")
def test_on_ray(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--local", "--engine", "scripted", "--ray-address", "local", str(archive)]
    done = subprocess.run(
        [RAY, "-m", "amazon_transcribe", "batch", *arguments, "--output-dir", str(out)],
        env=environment(RAY_USAGE_STATS_ENABLED="0", HOME=str(tmp_path)),  # for Ray's token
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert_whole(archive, out)
