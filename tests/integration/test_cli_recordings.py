"""The command on recordings: what is kept of them, several of them, what is asked for."""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe import cli
from amazon_transcribe.cli.display import Display, Progress
from amazon_transcribe.cli.service_options import (
    OPERATIONS,
    SERVICE_OPTIONS,
    add_service_options,
    parameters_of,
    service_parameters,
)
from tests.support.sounds import encoded, recording

from .test_cli import (
    COMMAND,
    KEYS,
    MICROPHONE,
    PACKAGE,
    POSIX,
    SCRIPT,
    Terminal,
    assert_one_line,
    chunks_of,
    environment,
    on_screen,
    run,
    serving,
    wav,
)

FIRST, *_ = SCRIPT.splitlines()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script"
    path.write_text(SCRIPT, "utf-8")
    return path


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """Make a directory with three recordings."""
    directory = tmp_path / "talks"
    directory.mkdir()
    for name in ("one.wav", "two.wav", "three.wav"):
        (directory / name).write_bytes(wav(12))
    return directory


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestWhatIsKept:
    """What was recognised is not lost, whatever ends the command."""

    @POSIX
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_a_signal_keeps_it(self, name: str, tmp_path: Path, script: Path) -> None:
        number = signal.Signals[name]
        out = tmp_path / "out.txt"
        before = signal.signal(number, signal.SIG_DFL)  # under nohup SIGHUP is ignored
        process = subprocess.Popen(
            [
                *COMMAND,
                "transcribe",
                "--local",
                "--script",
                str(script),
                "-o",
                str(out),
                "--sample-rate",
                "8000",
                "-",
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        signal.signal(number, before)
        assert process.stdin is not None
        process.stdin.write(bytes(16_000 * 5))
        process.stdin.flush()
        wait_for(lambda: any(path.stat().st_size for path in tmp_path.glob(".*.part")))
        process.send_signal(number)
        if name == "SIGHUP":  # the shell's and the system's
            process.send_signal(number)
        assert process.stderr is not None
        _, place = process.stderr.read().decode().splitlines()
        assert process.wait() == 128 + number
        process.stdin.close()
        process.stderr.close()
        assert place.startswith("standard input: what was recognised up to ")
        assert place.endswith(f" s went to {out}, marked as incomplete")
        lines = out.read_text("utf-8").splitlines()
        assert (lines[0], lines[-1]) == (FIRST, "[incomplete]")
        assert not [*tmp_path.glob(".*.part")]

    @pytest.mark.parametrize("kind", ["text", "json", "jsonl", "srt", "vtt"])
    def test_a_failure_keeps_it_in_every_format(self, kind: str, talks: Path) -> None:
        fault = "exception:seconds=8,error=BadRequest,message=Bad."
        out = talks / "out"
        with serving("--fault", fault, **KEYS) as (_, (url,)):
            done = run(
                *("transcribe", "--endpoint-url", url, "--format", kind),
                *("-o", out, talks / "one.wav"),
                **KEYS,
            )
        assert done.returncode == 1
        place, error = done.stderr.decode().splitlines(keepends=True)
        assert f"went to {out}, marked as incomplete" in place
        assert_one_line(error, "BadRequestException: Bad.")
        text = out.read_text("utf-8")
        assert "This is the scripted" in text
        if kind == "json":
            assert json.loads(text)["incomplete"] is True
            assert "[incomplete]" not in text
        elif kind == "jsonl":
            assert json.loads(text.splitlines()[-1]) == {"incomplete": True}
        else:
            assert text.endswith("\n[incomplete]\n")

    @POSIX
    def test_an_interrupt_that_ends_the_reader_too_keeps_it(
        self, tmp_path: Path, script: Path
    ) -> None:
        # Nothing may be written between the reader's end and the signal.
        script.write_text(f"{FIRST}\n{'and ' * 100}\n", "utf-8")
        process = subprocess.Popen(
            [
                *COMMAND,
                *("transcribe", "--local", "--script", str(script)),
                "--sample-rate",
                "8000",
                "-",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(TMPDIR=str(tmp_path)),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(bytes(16_000 * 5))
        process.stdin.flush()
        assert process.stdout.readline().decode() == f"{FIRST}\n"
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 130
        (kept,) = tmp_path.glob("amazon-transcribe-*.txt")
        assert str(kept) in errors.decode()
        assert kept.read_text("utf-8").startswith(f"{FIRST}\n")

    def test_a_lost_connection_is_resumed_and_told(self, talks: Path) -> None:
        with serving("--fault", "reset:after=5,times=1", **KEYS) as (_, (url,)):
            done = run("transcribe", "--endpoint-url", url, talks / "one.wav", **KEYS)
        assert done.returncode == 0
        lost, resumed = done.stderr.decode().splitlines()
        assert "one.wav: connection lost: " in lost
        assert "one.wav: resumed at " in resumed
        assert "[incomplete]" not in done.stdout.decode()


class TestOperations:
    """What `--operation` chooses has the same outputs and the same ends."""

    def test_a_call_has_its_roles_and_categories(self, talks: Path, script: Path) -> None:
        options = ("--operation", "call-analytics", "--sides", "--roles", "CUSTOMER,AGENT")
        rules = talks / "rules.json"
        rules.write_text(json.dumps({"Greeting": ["my friend"]}), "utf-8")
        with serving("--script", script, "--categories", rules, **KEYS) as (_, (url,)):
            told = {
                kind: run(
                    *("transcribe", "--endpoint-url", url, *options, "--format", kind),
                    *("one.wav", "two.wav"),
                    cwd=talks,
                    **KEYS,
                ).stdout.decode()
                for kind in ("text", "json", "jsonl", "vtt")
            }
        assert {line.partition(":")[0] for line in told["text"].splitlines()} == {
            *("AGENT", "CUSTOMER")
        }
        document = json.loads(told["json"])
        utterances = document["results"]
        assert utterances[0]["ParticipantRole"] == "CUSTOMER"
        events = [json.loads(line) for line in told["jsonl"].splitlines()]
        categories = [event for event in events if "MatchedCategories" in event]
        assert categories[0]["MatchedCategories"] == ["Greeting"]
        assert document["categories"] == categories
        lines = [event for event in events if event not in categories]
        assert [line["Transcript"] for line in lines if not line["IsPartial"]] == [
            utterance["Transcript"] for utterance in utterances
        ]
        assert len(lines) > len(utterances)
        assert "<v AGENT>" in told["vtt"]

    def test_medical_speech(self, talks: Path, script: Path) -> None:
        options = ("--local", "--script", script, "--operation", "medical", "--format", "srt")
        kind = ("--specialty", "CARDIOLOGY", "--type", "DICTATION")
        done = run("transcribe", *options, *kind, talks / "one.wav")
        assert done.returncode == 0
        assert FIRST in done.stdout.decode()

    def test_a_scribe_s_session(self, talks: Path, script: Path) -> None:
        options = ("--local", "--script", script, "--operation", "medical-scribe")
        role = ("--role", "arn:aws:iam::123456789012:role/scribe", "--bucket", "notes")
        done = run("transcribe", *options, *role, "--format", "json", talks / "one.wav")
        assert done.returncode == 0
        assert json.loads(done.stdout)["results"][0]["Content"] == FIRST
        _, notes = done.stderr.decode().splitlines()
        assert notes.endswith("clinical notes: FAILED The local server writes no clinical notes.")

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ("--bucket notes", "medical-scribe needs --role"),
            ("--role wrong --bucket notes", "--role must have 20 to 2,048 characters"),
            ("--speakers", "--speakers does not go with --operation medical-scribe"),
        ],
    )
    def test_a_session_that_cannot_be_is_refused(
        self, options: str, reason: str, talks: Path, script: Path
    ) -> None:
        where = ("--local", "--script", script, "--operation", "medical-scribe")
        done = run("transcribe", *where, *options.split(), talks / "one.wav")
        assert done.returncode == 2
        assert reason in done.stderr.decode().splitlines()[-1]

    def test_medical_speech_has_health_information(self) -> None:
        parser = argparse.ArgumentParser()
        add_service_options(parser)
        asked = parser.parse_args(["--operation", "medical", "--identify-pii"])
        assert service_parameters(asked) == {"content_identification_type": "PHI"}

    @pytest.mark.parametrize("option", ["--operation call-analytics", "--operation medical"])
    def test_a_lost_connection_keeps_what_was_said(self, option: str, talks: Path) -> None:
        recordings = ("--sides", talks / "one.wav", talks / "two.wav")
        self.check_lost_connection(option, option.split(), recordings, talks / "out.json")

    def test_flac_that_is_passed_through_is_not_resumed(self, tmp_path: Path) -> None:
        pytest.importorskip("av", reason="makes the recording")
        pcm, rate = recording("sense_and_sensibility_all")
        talk = tmp_path / "talk.flac"
        talk.write_bytes(encoded(pcm, rate, "flac"))
        named = "--passthrough of flac"
        self.check_lost_connection(named, ["--passthrough"], [talk], tmp_path / "out.json")

    def check_lost_connection(
        self, named: str, options: Iterable[object], recordings: Iterable[object], out: Path
    ) -> None:
        with serving("--fault", "reset:seconds=8", **KEYS) as (_, (url,)):
            done = run(
                *("transcribe", "--endpoint-url", url, *options),
                *("--format", "json", "-o", out, *recordings),
                **KEYS,
            )
        assert done.returncode == 1
        place, reason, error = done.stderr.decode().splitlines(keepends=True)
        assert f"went to {out}, marked as incomplete" in place
        assert reason.endswith(f": {named} does not resume a connection\n")
        assert_one_line(error)
        document = json.loads(out.read_text("utf-8"))
        assert document["incomplete"] is True
        assert "This is the scripted" in document["transcript"]


class TestTerminal:
    @POSIX
    def test_ctrl_z_leaves_a_clean_terminal_and_goes_on(self, script: Path) -> None:
        import fcntl
        import pty
        import termios

        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        options = ["--local", "--script", str(script), "--sample-rate", "8000", "-"]
        process = subprocess.Popen(
            [*COMMAND, "transcribe", *options],
            stdin=subprocess.PIPE,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env=environment(TERM="xterm"),
        )
        assert process.stdin is not None
        process.stdin.write(bytes(16_000 * 5))
        process.stdin.flush()
        shown = b""
        while FIRST.encode() not in shown:
            shown += os.read(ours, 65_536)
        process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        os.close(theirs)
        process.send_signal(signal.SIGCONT)
        process.stdin.write(bytes(16_000 * 7))
        process.stdin.close()
        shown += b"".join(chunks_of(ours))
        os.close(ours)
        assert process.wait() == 0
        assert on_screen(shown.decode().replace("\r\n", "\n")) == SCRIPT

    def test_progress_has_plain_lines_without_rich(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "rich.console", None)
        now = 0.0
        display = Display(captions=False, clock=lambda: now)
        with display.progress("talk.mp4", 600.0) as progress:
            for now in range(25):
                progress.position = now * 20.0
                progress.resumed = now // 20
                display.update(progress)
        assert capsys.readouterr().err.splitlines() == [
            "talk.mp4: 3:20 of 10:00, 20.0×, 0:20 left",
            "talk.mp4: 6:40 of 10:00, 20.0×, 0:10 left, resumed 1×",
        ]

    @pytest.mark.parametrize(
        ("peak", "columns"), [(0.0, 0), (0.0001, 0), (0.01, 4), (0.1, 8), (1.0, 12)]
    )
    def test_a_microphone_has_a_meter(self, peak: float, columns: int) -> None:
        progress = Progress("the microphone", None, now=0.0)
        progress.position, progress.peak = 61.2, peak
        assert progress.parts(61.2) == ["1:01", f"▕{'█' * columns:12}▏"]

    def test_progress_has_a_bar_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("rich")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys, "stderr", Terminal())
        now = 1.0
        display = Display(captions=False, clock=lambda: now)
        with display.progress("talk.mp4", 600.0) as progress:
            progress.position, now = 300.0, 11.0
            display.update(progress)
            shown = sys.stderr.getvalue()
        assert "talk.mp4 ━━━━━━━━━━" in shown
        assert shown.endswith(" 5:00 of 10:00  30.0×  0:10 left")
        assert "\x1b[3" not in shown
        assert on_screen(sys.stderr.getvalue()) == ""


class TestSeveral:
    def test_outputs_lie_beside_the_recordings(self, talks: Path, script: Path) -> None:
        options = ("--local", "--script", script, "--jobs", 2)
        done = run("transcribe", *options, "talks/*.wav", cwd=talks.parent)
        assert (done.returncode, done.stdout) == (0, b"")
        assert {path.name: path.read_text("utf-8") for path in talks.glob("*.txt")} == (
            dict.fromkeys(("one.txt", "two.txt", "three.txt"), SCRIPT)
        )
        assert done.stderr.decode().splitlines()[-1] == "3 transcribed"

        (talks / "one.txt").write_text("mine", "utf-8")
        (talks / "two.txt").write_text("Hello\n[incomplete]\n", "utf-8")
        done = run("transcribe", *options, "talks/*.wav", cwd=talks.parent)
        assert (talks / "one.txt").read_text("utf-8") == "mine"
        assert (talks / "two.txt").read_text("utf-8") == SCRIPT
        summary = "1 transcribed, 2 there already (--force does them again)"
        assert done.stderr.decode().splitlines()[-1] == summary

        done = run("transcribe", *options, "--quiet", "--force", "talks/*.wav", cwd=talks.parent)
        assert (talks / "one.txt").read_text("utf-8") == SCRIPT
        assert done.stderr == b""

    def test_what_is_named_twice_is_one_recording(self, talks: Path, script: Path) -> None:
        one = talks / "one.wav"
        done = run("transcribe", "--local", "--script", script, one, one)
        assert (done.returncode, done.stdout.decode()) == (0, SCRIPT)

    def test_a_directory_for_the_outputs_and_what_failed(self, talks: Path, script: Path) -> None:
        (talks / "two.wav").write_bytes(b"<html>")
        options = ("--local", "--script", script, "--format", "srt", "--output-dir", "captions")
        done = run("transcribe", *options, "talks/*.wav", cwd=talks.parent)
        assert done.returncode == 2
        assert {path.name for path in (talks.parent / "captions").iterdir()} == {
            *("one.srt", "three.srt")
        }
        told = done.stderr.decode().splitlines()
        assert told[-1] == "2 transcribed, 1 failed: talks/two.wav"
        assert any(line.startswith("amazon-transcribe: talks/two.wav: ") for line in told)

    @pytest.mark.skipif(sys.flags.dev_mode, reason="tells the traceback in development mode")
    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ("*.flac", "no file matches *.flac"),
            ("-o out one.wav two.wav", "--output-dir"),
            ("one.wav -", "'-' goes without"),
            ("one.wav sub/one.wav --output-dir x", "would both be written to x/one.txt"),
            ("--sides one.wav", "two recordings"),
            ("--sides one.wav two.wav --output-dir x", "by -o"),
            ("--channels left one.wav", "mix, split"),
            ("--names Anna one.wav", "LABEL=NAME"),
            ("--jobs 0 one.wav", "1 to 1,000"),
            ("--identify-language one.wav", "--language-options"),
            ("--language-code klingon one.wav", "no language of the service"),
            ("--region us_east_1 one.wav", "did you mean 'us-east-1'"),
            ("--operation dictation one.wav", "'call-analytics', 'medical'"),
            ("--type DICTATION one.wav", "--type does not go with --operation transcription"),
            ("--operation medical --stabilize one.wav", "takes --language-code, --speakers, "),
            ("--operation medical --roles CUSTOMER,AGENT one.wav", "--roles does not go"),
            ("--operation call-analytics --sides --speakers one.wav two.wav", "--speakers does"),
            ("--operation call-analytics one.wav", "needs two channels: --channels split"),
            ("--operation call-analytics --language-code ja-JP --sides one.wav two.wav", "pt-BR"),
        ],
    )
    def test_what_does_not_fit(
        self,
        arguments: str,
        word: str,
        talks: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(talks)
        for name, value in {**KEYS, "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        assert cli.main(["transcribe", *arguments.split()]) == 2
        assert_one_line(capsys.readouterr().err, word)


class TestOptions:
    def test_every_parameter_of_the_service_has_an_option(self) -> None:
        elsewhere = {
            *("language_code", "enable_channel_identification", "number_of_channels"),
            *("vocab_filter_names", "idle", "session_id"),
        }
        keywords = {option.keyword for option in SERVICE_OPTIONS}
        assert keywords == {k for each in OPERATIONS for k in parameters_of(each)} - elsewhere

    def test_json_lines_have_partial_results(self, talks: Path, script: Path) -> None:
        options = ("--local", "--script", script, "--format", "jsonl", "--stabilize")
        done = run("transcribe", *options, talks / "one.wav")
        results: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        finals = [result for result in results if not result["IsPartial"]]
        assert [r["Alternatives"][0]["Transcript"] for r in finals] == SCRIPT.splitlines()
        assert len(results) > len(finals)
        assert "Stable" in results[0]["Alternatives"][0]["Items"][0]

    def test_two_recordings_are_the_sides_of_a_call(self, talks: Path, script: Path) -> None:
        options = ("--local", "--script", script, "--sides", "--names", "ch_0=Anna,ch_1=Ben")
        done = run("transcribe", *options, "one.wav", "two.wav", cwd=talks)
        assert done.returncode == 0
        assert {line.partition(":")[0] for line in done.stdout.decode().splitlines()} == {
            *("Anna", "Ben")
        }

    def test_the_bytes_of_the_service_are_recorded(self, talks: Path, script: Path) -> None:
        record = talks / "wire"
        options = ("--local", "--script", script, "--record", record)
        assert run("transcribe", *options, talks / "one.wav").stdout.decode() == SCRIPT
        messages = [json.loads(line) for line in run("inspect", record).stdout.splitlines()]
        assert {message["headers"][":event-type"] for message in messages} == {"TranscriptEvent"}
        assert FIRST in json.dumps(messages)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_record_that_cannot_be_written(self, talks: Path, script: Path) -> None:
        options = ("--local", "--script", script, "--record", "/dev/full")
        done = run("transcribe", *options, talks / "one.wav")
        assert (done.returncode, done.stdout.decode()) == (1, SCRIPT)
        assert b"--record: cannot write /dev/full: No space" in done.stderr


class TestOtherCommands:
    def test_devices(self, tmp_path: Path) -> None:
        (tmp_path / "sounddevice.py").write_text(MICROPHONE, "utf-8")
        done = run("devices", PYTHONPATH=f"{PACKAGE}{os.pathsep}{tmp_path}")
        assert done.stdout.decode() == (
            "* Desk: 1 channel, 48,000 Hz\n  Room: 4 channels, 48,000 Hz\n"
        )

    def test_a_missing_library_of_the_system_is_named(self, tmp_path: Path) -> None:
        code = "raise OSError('PortAudio library not found')"
        (tmp_path / "sounddevice.py").write_text(code, "utf-8")
        done = run("transcribe", "--local", "mic", PYTHONPATH=f"{PACKAGE}{os.pathsep}{tmp_path}")
        assert done.returncode == 2
        assert_one_line(done.stderr, "libportaudio2")

    @pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
    def test_completion(self, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("shtab")
        assert cli.main(["completion", shell]) == 0
        assert "output-dir" in capsys.readouterr().out

    @pytest.mark.skipif(sys.flags.dev_mode, reason="tells the traceback in development mode")
    @pytest.mark.parametrize(("extra", "argument"), [("shtab", "completion bash")])
    def test_a_missing_extra_is_named(
        self,
        extra: str,
        argument: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setitem(sys.modules, extra, None)
        assert cli.main(argument.split()) == 2
        assert_one_line(capsys.readouterr().err, "'cli'")
