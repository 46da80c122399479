"""The command as its users see it: output, one-line errors, exit codes, signals."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import amazon_transcribe
from amazon_transcribe import cli
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.cli.display import Display
from amazon_transcribe.cli.output import StandardOutput, print_document
from amazon_transcribe.cli.transcript import Transcript
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.transcription import Alternative, Item, Result, TranscriptEvent
from amazon_transcribe.transcription import Transcript as TranscriptOfService
from tests.support.callers import SECOND, client_at, final_texts, start
from tests.support.media import encode

COMMAND = [sys.executable, "-W", "error", "-m", "amazon_transcribe"]
EXAMPLES = Path(__file__).parents[2] / "examples" / "audio"
PACKAGE = str(Path(amazon_transcribe.__file__).parents[1])
SCRIPT = "Hello there, my friend.\nThis is the second line.\nAnd this is the third.\n"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


def environment(**extra: str) -> dict[str, str]:
    """Return an environment without a home directory or AWS settings."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "SYSTEMROOT", "TMPDIR", "AMAZON_TRANSCRIBE_NO_EXTENSIONS")
        if name in os.environ
    }
    return {**kept, "PYTHONPATH": PACKAGE, "PYTHONIOENCODING": "utf-8", **extra}


def run(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, **extra: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment(**extra),
        cwd=cwd,
        timeout=120,
    )


def wav(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(round(rate * seconds) * 2 * channels))
    return data.getvalue()


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Write twelve seconds of audio, enough for the script."""
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(12))
    return path


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.txt"
    path.write_text(SCRIPT, "utf-8")
    return path


@pytest.fixture
def local(script: Path) -> list[object]:
    """Return the options of a quick transcription with known words."""
    return ["--local", "--script", script, "--no-realtime"]


def assert_one_line(text: bytes | str, *words: str) -> None:
    line = text.decode() if isinstance(text, bytes) else text
    assert line.startswith("amazon-transcribe")
    assert line.count("\n") == 1
    assert line.endswith("\n")
    for word in words:
        assert word in line


def assert_rescued(stderr: bytes, text: str, *words: str) -> None:
    """Check that what was recognised lies where the line before the error says."""
    *_, place, error = stderr.decode().splitlines(keepends=True)
    assert_one_line(error, *words)
    rescued = Path(re.search(r"went to ([^\s,]+)", place)[1])
    assert text in rescued.read_text("utf-8")
    rescued.unlink()


class TestUsage:
    @pytest.mark.skipif(sys.flags.dev_mode, reason="tells the traceback in development mode")
    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ("", "COMMAND"),
            ("dance", "dance"),
            ("transcribe", "AUDIO"),
            ("transcribe --local --endpoint-url http://x a.wav", "--endpoint-url"),
            ("transcribe --format doc a.wav", "doc"),
            ("transcribe --sample-rate much a.wav", "much"),
            ("transcribe --local --sample-rate 4000 a.wav", "8,000 to 48,000"),
            ("transcribe --engine scripted a.wav", "--local"),
            ("transcribe --alternatives 2 a.wav", "--local"),
            ("transcribe --pause 1 a.wav", "--pause goes with --local"),
            ("transcribe --longest-segment 5 a.wav", "--longest-segment goes with --local"),
            ("transcribe --local --alternatives 0 a.wav", "1 to 10"),
            ("transcribe --local --pause 0.1 a.wav", "0.2 to 5 seconds"),
            ("serve --alternatives 11", "1 to 10"),
            ("transcribe --local --engine whisper a.wav", "whisper"),
            ("transcribe --local --engine moonshine --script s.txt {wav}", "--script"),
            ("transcribe --local --script missing.txt {wav}", "missing.txt"),
            ("transcribe {wav}", "--region"),
            ("transcribe --local missing.wav", "missing.wav"),
            ("transcribe --local .", "directory"),
            ("transcribe --local -o missing/out.txt {wav}", "missing/out.txt"),
            ("transcribe --local -o . {wav}", "directory"),
            ("transcribe --local -o {wav} {wav}", "it is the audio"),
            ("transcribe --region us-west-2 --language-code en-uk {wav}", "did you mean en-"),
            ("serve --port 65536", "65536"),
            ("serve --port x", "'x'"),
            ("serve --credentials key", "ACCESS_KEY:SECRET_KEY"),
            ("serve --credentials KEY:one --credentials KEY:two", "'KEY' more than once"),
            ("serve --ca-file ca.pem", "--tls-port"),
            ("serve --tls-port 0 --key k.pem", "--cert"),
            ("serve --tls-port 0 --cert c.pem --key k.pem", "c.pem"),
            ("serve --engine moonshine --script s.txt", "--script"),
            ("serve --vocabulary-filter words.txt", "NAME=FILE"),
            ("serve --engine scripted --vocabulary-filter names=missing.txt", "missing.txt"),
            ("serve --vocabulary words.txt", "NAME=FILE"),
            ("serve --engine scripted --vocabulary names=missing.txt", "missing.txt"),
            ("serve --engine scripted --vocabulary names={wav}", "more than 51,200 bytes"),
            ("serve --vocabulary n={wav} --vocabulary n={wav}", "'n' more than once"),
            ("transcribe --local --vocabulary =x {wav}", "--vocabulary must have the form"),
            ("serve --engine scripted --vocabulary-filter a/b={wav}", "'a/b'"),
            ("serve --vocabulary-filter n={wav} --vocabulary-filter n={wav}", "'n' more than once"),
            ("serve --engine scripted --categories missing.json", "missing.json"),
            ("serve --engine scripted --categories {wav}", "not a file of category rules"),
            ("serve --max-streams 0", "'0'"),
            ("serve --max-seconds inf", "'inf'"),
            ("serve --pause 6", "0.2 to 5 seconds"),
            ("serve --longest-segment nan", "3 to 30 seconds"),
            ("inspect", "FILE"),
            ("inspect missing.bin", "missing.bin"),
            ("inspect .", "directory"),
        ],
    )
    def test_bad_usage_is_one_line_and_exit_code_2(
        self,
        arguments: str,
        word: str,
        talk: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        assert cli.main(arguments.format(wav=talk.name).split()) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert_one_line(err, word)

    def test_secret_of_a_malformed_key_pair_is_not_shown(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["serve", "--credentials", ":verysecret"]) == 2
        assert "verysecret" not in capsys.readouterr().err

    @pytest.mark.parametrize(
        "command", ["", "transcribe", "batch", "serve", "inspect", "devices", "completion"]
    )
    def test_help_has_exit_code_0(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main([*command.split(), "--help"]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith("usage: amazon-transcribe " + command)
        assert shown.isascii()  # whatever the encoding of the terminal

    @pytest.mark.parametrize(
        "command", ["", "transcribe", "batch", "serve", "inspect", "devices", "completion"]
    )
    def test_help_fits_the_terminal(
        self, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        cli.main([*command.split(), "--help"])
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["--version"]) == 0
        assert capsys.readouterr().out == f"amazon-transcribe {amazon_transcribe.__version__}\n"

    @pytest.mark.parametrize("command", ["", "transcribe", "serve", "inspect"])
    def test_help_loads_nothing_heavy(self, command: str) -> None:
        code = (
            "import sys; from amazon_transcribe.cli import main;"
            f"main([*{command.split()}, '--help']);"
            "print(*sorted({'awscrt', 'h2', 'msgspec', 'numpy', 'onnxruntime'} & {*sys.modules}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, env=environment(), check=True
        )
        assert done.stdout.splitlines()[-1] == b""


class TestTranscribe:
    def test_text_is_one_line_for_each_final_result(self, talk: Path, local: list[object]) -> None:
        done = run("transcribe", *local, talk)
        assert done.stdout.decode() == SCRIPT
        assert done.stderr.decode() == "local: scripted answers\n"
        assert done.returncode == 0

    def test_json_is_one_document(self, talk: Path, local: list[object]) -> None:
        done = run("transcribe", *local, "--format", "json", talk)
        document = json.loads(done.stdout)
        assert document["transcript"] == SCRIPT.replace("\n", " ").strip()
        assert [r["Alternatives"][0]["Transcript"] for r in document["results"]] == (
            SCRIPT.splitlines()
        )
        assert not any(r["IsPartial"] for r in document["results"])

    def test_json_shows_the_alternatives(self) -> None:
        options = ("--local", "--no-realtime", "--alternatives", 3, "--format", "json")
        done = run("transcribe", *options, EXAMPLES / "goforward.wav")
        document = json.loads(done.stdout)
        (result,) = document["results"]
        best, *others = [a["Transcript"] for a in result["Alternatives"]]
        assert document["transcript"] == best == "Go forward ten meters."
        assert "Go forward ten metres." in others

    def test_a_local_segment_ends_at_the_time_that_is_chosen(self) -> None:
        options = ("--local", "--no-realtime", "--longest-segment", 3)
        done = run("transcribe", *options, EXAMPLES / "sense_and_sensibility_0920.wav")
        assert len(done.stdout.splitlines()) > 1  # as a whole it is one

    @pytest.mark.parametrize("kind", ["srt", "vtt"])
    def test_captions_follow_each_other_within_the_audio(
        self, kind: str, talk: Path, local: list[object]
    ) -> None:
        done = run("transcribe", *local, "--format", kind, talk)
        text = done.stdout.decode()
        moments = re.findall(r"(\d\d):(\d\d):(\d\d)[,.](\d{3})", text)
        seconds = [int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000 for h, m, s, ms in moments]
        assert seconds == sorted(seconds)
        assert len(seconds) == 6
        assert seconds[-1] <= 12
        assert re.findall(r"^\d+$", text, re.MULTILINE) == ["1", "2", "3"]

    def test_output_file_is_written_whole(
        self, talk: Path, local: list[object], tmp_path: Path
    ) -> None:
        out = tmp_path / "out" / "talk.txt"
        out.parent.mkdir()
        done = run("transcribe", *local, "-o", out, talk)
        assert done.stdout == b""
        assert out.read_text("utf-8") == SCRIPT
        assert [*out.parent.iterdir()] == [out]

    def test_failed_transcription_leaves_the_output_file_as_it_was(
        self, talk: Path, local: list[object], tmp_path: Path
    ) -> None:
        out = tmp_path / "out" / "talk.txt"
        out.parent.mkdir()
        out.write_text("before", "utf-8")
        done = run("transcribe", *local, "--language-code", "de-DE", "-o", out, talk)
        assert done.returncode == 1
        assert out.read_text("utf-8") == "before"
        assert [*out.parent.iterdir()] == [out]

    @POSIX
    def test_output_to_a_device(self, talk: Path, local: list[object]) -> None:
        assert run("transcribe", *local, "-o", "/dev/null", talk).returncode == 0
        assert Path("/dev/null").is_char_device()

    def test_raw_audio_from_standard_input(self, local: list[object]) -> None:
        done = run("transcribe", *local, "--sample-rate", "8000", "-", stdin=bytes(12 * 16_000))
        assert done.stdout.decode() == SCRIPT

    def test_wav_from_standard_input(self, local: list[object]) -> None:
        done = run("transcribe", *local, "-", stdin=wav(12))
        assert done.stdout.decode() == SCRIPT

    def test_any_recording_from_standard_input(self, local: list[object]) -> None:
        recording = encode(bytes(12 * 32_000), "mp3", "libmp3lame", 44_100, "stereo")
        done = run("transcribe", *local, "-", stdin=recording)
        assert done.stdout.decode() == SCRIPT

    def test_whoever_insists_has_raw_audio(self, local: list[object]) -> None:
        options = ("--sample-rate", "8000", "--raw", "g711-ulaw")
        done = run("transcribe", *local, *options, "-", stdin=b"any text. " * 10_000)
        assert done.stdout.decode() == SCRIPT

    @POSIX
    def test_wav_redirected_to_standard_input(self, talk: Path, local: list[object]) -> None:
        with talk.open("rb") as file:
            done = subprocess.run(
                [*COMMAND, "transcribe", *map(str, local), "-"],
                stdin=file,
                capture_output=True,
                env=environment(),
            )
        assert done.stdout.decode() == SCRIPT

    @pytest.mark.parametrize(
        ("stdin", "words"),
        [
            (b"", ["standard input is empty"]),
            (b"<!doctype html><title>404</title>", ["text", "not audio", "--raw pcm"]),
            (wav(0), ["no audio"]),
            (bytes(1000), ["sample rate"]),
        ],
        ids=["empty", "text", "no audio", "raw without rate"],
    )
    def test_unreadable_input_is_one_line_and_exit_code_2(
        self, stdin: bytes, words: list[str]
    ) -> None:
        done = run("transcribe", "--local", "-", stdin=stdin)
        assert done.returncode == 2
        assert done.stdout == b""
        assert_one_line(done.stderr, *words)

    def test_refusal_of_the_service_is_told_in_its_words(
        self, talk: Path, local: list[object]
    ) -> None:
        done = run("transcribe", *local, "--language-code", "de-DE", talk)
        assert done.returncode == 1
        notice, error = done.stderr.decode().splitlines(keepends=True)
        assert notice == "local: scripted answers\n"
        assert_one_line(error, "BadRequestException: ", "en-US")

    def test_control_characters_of_a_peer_are_shown_escaped(self, talk: Path) -> None:
        fault = "http:status=409,message=a\x1b]0;b\x07\n\u202ec"
        with serving("--fault", fault, **KEYS) as (_, (url,)):
            done = run("transcribe", "--endpoint-url", url, talk, **KEYS)
        words = "ConflictException: a\\u001b]0;b\\u0007\\n\\u202ec"
        assert_one_line(done.stderr, words)

    def test_nobody_listening_is_one_line_and_exit_code_1(self, talk: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = run("transcribe", "--endpoint-url", url, talk, **KEYS)
        assert done.returncode == 1
        assert_one_line(done.stderr)

    def test_missing_credentials_are_one_line_and_exit_code_2(self, talk: Path) -> None:
        url = "http://127.0.0.1:9"
        extra = {"AWS_EC2_METADATA_DISABLED": "true"}
        done = run("transcribe", "--endpoint-url", url, talk, **extra)
        assert done.returncode == 2
        assert_one_line(done.stderr, "credentials")

    def test_interrupt_while_the_command_is_imported_is_no_traceback(self) -> None:
        program = """
import sys

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "amazon_transcribe.cli.transcribe":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from amazon_transcribe.__main__ import main
sys.exit(main())
"""
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, env=environment(), timeout=60
        )
        assert (done.returncode, done.stderr) == (128 + signal.SIGINT, b"")

    @POSIX
    def test_reader_of_the_output_that_goes_away_is_no_error(
        self, talk: Path, local: list[object]
    ) -> None:
        process = subprocess.Popen(
            [*COMMAND, "transcribe", *map(str, local), str(talk)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate()
        assert err.decode() == "local: scripted answers\n"
        assert process.returncode == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_full_disk_is_one_line_and_exit_code_1(self, talk: Path, local: list[object]) -> None:
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*COMMAND, "transcribe", *map(str, local), "--format", "json", str(talk)],
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment(TMPDIR=str(talk.parent)),
            )
        assert done.returncode == 1
        assert_rescued(done.stderr, SCRIPT.splitlines()[0], "No space left")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_full_disk_behind_an_output_file_names_it(
        self, talk: Path, local: list[object]
    ) -> None:
        temporary = str(talk.parent)
        done = run("transcribe", *local, "-o", "/dev/full", talk, TMPDIR=temporary)
        assert done.returncode == 1
        assert_rescued(done.stderr, "Hello there", "cannot write /dev/full: No space left")

    @pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
    def test_output_file_that_is_standard_output_keeps_what_is_there(
        self, tmp_path: Path, talk: Path, local: list[object]
    ) -> None:
        out = tmp_path / "out.txt"
        with out.open("wb") as file:
            file.write(b"before\n")
            file.flush()
            subprocess.run(
                [*COMMAND, "transcribe", *map(str, local), "-o", "/dev/stdout", str(talk)],
                stdout=file,
                env=environment(),
                check=True,
            )
            file.write(b"after\n")
        lines = out.read_text("utf-8").splitlines()
        assert (lines[0], lines[-1]) == ("before", "after")
        assert len(lines) > 2

    def test_output_file_without_a_name_is_bad_usage(self, talk: Path, local: list[object]) -> None:
        done = run("transcribe", *local, "-o", "", talk)
        assert done.returncode == 2
        assert_one_line(done.stderr, "-o")

    def test_text_into_a_pipe_is_utf_8_whatever_the_locale(
        self, talk: Path, script: Path, local: list[object]
    ) -> None:
        script.write_text("Café.\n", encoding="utf-8")
        done = run("transcribe", *local, talk, PYTHONIOENCODING="ascii")
        assert done.stdout.decode() == "Café.\n"
        done = run("transcribe", *local, "--format", "srt", talk, PYTHONIOENCODING="ascii")
        assert done.stdout.decode().splitlines()[-1] == "Café."

    @POSIX
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_signal_before_anything_is_recognised_leaves_nothing(
        self, number: signal.Signals, tmp_path: Path, talk: Path, script: Path
    ) -> None:
        script.write_text(" ".join(["word"] * 100), "utf-8")
        out = str(tmp_path / "out.txt")
        options = ["--local", "--realtime", "--script", str(script), "-o", out]
        process = subprocess.Popen(
            [*COMMAND, "transcribe", *options, str(talk)],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert process.stderr is not None
        assert process.stderr.readline() == b"local: scripted answers\n"
        process.send_signal(number)
        _, err = process.communicate()
        assert err == b""
        assert process.returncode == 128 + number
        assert {path.name for path in tmp_path.iterdir()} == {"talk.wav", "script.txt"}

    @POSIX
    def test_interrupt_ends_a_recording_and_keeps_what_was_said(
        self, script: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "sounddevice.py").write_text(MICROPHONE, "utf-8")
        process = subprocess.Popen(
            [*COMMAND, "transcribe", "--local", "--script", str(script), "mic"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(PYTHONPATH=f"{PACKAGE}{os.pathsep}{tmp_path}"),
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate()
        assert SCRIPT.startswith((first + rest.rstrip(b".\n")).decode())
        assert err == b"local: scripted answers\n"
        assert process.returncode == 0

    @POSIX
    def test_terminal_ends_with_the_same_text(self, talk: Path, local: list[object]) -> None:
        import pty

        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, "transcribe", *map(str, local), str(talk)],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env=environment(TERM="xterm"),
        )
        os.close(theirs)
        shown = b"".join(chunks_of(ours)).decode().replace("\r\n", "\n")
        os.close(ours)
        assert process.wait() == 0
        assert "\x1b[2m" in shown
        assert on_screen(shown) == SCRIPT


MICROPHONE = """
import threading
from types import SimpleNamespace

default = SimpleNamespace(device=(1, 0))

def query_devices():
    names = ("Speaker", 0), ("Desk", 1), ("Room", 4)
    return [
        {"name": name, "max_input_channels": channels, "default_samplerate": 48000.0}
        for name, channels in names
    ]

class PortAudioError(Exception):
    pass

class RawInputStream:
    def __init__(self, blocksize, callback, **options):
        self.block = bytes(2 * blocksize), blocksize, None, None
        self.callback = callback
        self.off = threading.Event()
        self.thread = threading.Thread(target=self.record)

    def record(self):
        while not self.off.wait(0.01):
            self.callback(*self.block)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *error):
        self.off.set()
        self.thread.join()
"""


def chunks_of(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # EIO: the other end is closed
            return
        if not chunk:
            return
        yield chunk


def on_screen(shown: str) -> str:
    """Return what a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|[^\x1b]", shown):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\x1b[J":
            lines[row] = lines[row][:column]
            del lines[row + 1 :]
        elif not part.startswith("\x1b"):
            lines[row] = lines[row][:column] + part + lines[row][column + 1 :]
            column += 1
    return "\n".join(lines)


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "a+secret/key"}


@contextmanager
def serving(
    *arguments: object, ports: int = 1, **extra: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--engine", "scripted", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**extra),
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().decode() for _ in range(ports)]
        assert all(line.startswith("listening on http") for line in lines), lines
        yield process, [line.split()[-1] for line in lines]
    finally:
        process.kill()
        process.communicate()


def wait_until_refused(url: str) -> None:
    """Wait until a server takes no more connections."""
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with pytest.raises(ConnectionRefusedError):
        while True:
            with suppress(ConnectionResetError):  # it just came before the end
                socket.create_connection(address).close()


@contextmanager
def talking(url: str, talk: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A transcription in full swing, at the speed of speech."""
    client = subprocess.Popen(
        [*COMMAND, "transcribe", "--realtime", "--endpoint-url", url, str(talk)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**KEYS),
    )
    try:
        assert client.stdout is not None
        assert client.stdout.readline()
        yield client
    finally:
        client.kill()
        client.communicate()


class TestServe:
    def test_known_keys_are_those_of_its_environment(self, talk: Path) -> None:
        with serving(**KEYS) as (_, (url,)):
            done = run("transcribe", "--endpoint-url", url, "--no-realtime", talk, **KEYS)
            assert b"scripted engine" in done.stdout
            assert (done.stderr, done.returncode) == (b"", 0)

    @pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
    def test_more_connections_than_the_usual_limit_of_files(self) -> None:
        import resource

        usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, most))
        with ExitStack() as stack:
            try:
                _, (url,) = stack.enter_context(serving(**KEYS))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
            address = ("127.0.0.1", int(url.rpartition(":")[2]))
            for _ in range(200):
                caller = stack.enter_context(socket.create_connection(address, timeout=10))
                caller.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                assert caller.recv(9)

    def test_known_keys_can_be_given(self, talk: Path) -> None:
        pairs = ["--credentials", "ONE:first", "--credentials", "TWO:sec:ond"]
        two = {"AWS_ACCESS_KEY_ID": "TWO", "AWS_SECRET_ACCESS_KEY": "sec:ond"}
        with serving(*pairs, **KEYS) as (_, (url,)):
            options = ["--no-realtime", "--endpoint-url", url, talk]
            assert run("transcribe", *options, **two).returncode == 0
            refused = run("transcribe", *options, **KEYS)
        assert refused.returncode == 1
        assert_one_line(refused.stderr, "UnrecognizedClientException")

    def test_longest_audio_and_lenience(self, talk: Path) -> None:
        german = ["--no-realtime", "--language-code", "de-DE", talk]
        with serving("--max-seconds", 11.9, "--lenient", **KEYS) as (process, (url,)):
            done = run("transcribe", "--endpoint-url", url, *german, **KEYS)
            assert done.returncode == 0
            lost, resumed = done.stderr.decode().splitlines()
            assert "connection lost: LimitExceededException: " in lost
            assert ": resumed at " in resumed
            process.terminate()
            _, log = process.communicate(timeout=15)
            assert log == b"ignoring unsupported parameters (lenient): LanguageCode\n"

    def test_vocabulary_filter(self, tmp_path: Path) -> None:
        words = tmp_path / "words.txt"
        words.write_text("scripted engine\n", "utf-8")

        async def transcribe(url: str) -> str:
            async with TranscribeStreamingClient(
                region="us-east-1",
                endpoint_url=url,
                credential_resolver=StaticCredentialResolver(*KEYS.values()),
            ) as client:
                stream = await client.start_stream_transcription(
                    language_code="en-US",
                    media_sample_rate_hz=8_000,
                    media_encoding="pcm",
                    vocab_filter_name="names",
                    vocab_filter_method="remove",
                )
                for _ in range(5):
                    await stream.input_stream.send_audio_event(audio_chunk=bytes(16_000))
                await stream.input_stream.end_stream()
                return "".join([str(event) async for event in stream.output_stream])

        with serving("--vocabulary-filter", f"names={words}", **KEYS) as (_, (url,)):
            said = asyncio.run(transcribe(url))
        assert "This is the of the local server." in said
        assert "scripted" not in said

    def test_wrong_secret_is_refused(self, talk: Path) -> None:
        wrong = {**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"}
        with serving(**KEYS) as (_, (url,)):
            done = run("transcribe", "--endpoint-url", url, talk, **wrong)
        assert done.returncode == 1
        assert_one_line(done.stderr, "InvalidSignatureException")

    @POSIX
    def test_what_it_prints_without_keys_can_be_pasted(self, talk: Path) -> None:
        with serving() as (process, (url,)):
            assert process.stdout is not None
            lines = [process.stdout.readline().decode() for _ in range(2)]
            pasted = "".join(lines) + shlex.join(
                [*COMMAND, "transcribe", "--no-realtime", str(talk)]
            )
            assert f"={url}\n" in pasted
            done = subprocess.run(["sh", "-c", pasted], capture_output=True, env=environment())
            assert (done.returncode, done.stderr) == (0, b"")

    def test_environment_can_name_the_server(self, talk: Path) -> None:
        with serving(**KEYS) as (_, (url,)):
            named = {"AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": url}
            assert run("transcribe", "--no-realtime", talk, **KEYS, **named).returncode == 0

    def test_tls_port_with_a_throwaway_authority(self, talk: Path, tmp_path: Path) -> None:
        ca = tmp_path / "ca.pem"
        options = ["--tls-port", 0, "--ca-file", ca]
        with serving(*options, ports=2, **KEYS) as (_, urls):
            assert {url.split(":")[0] for url in urls} == {"http", "https"}
            (url,) = (url for url in urls if url.startswith("https"))
            trust = {"SSL_CERT_FILE": str(ca)}
            asked = ["transcribe", "--no-realtime", "--endpoint-url", url, talk]
            done = run(*asked, **KEYS, **trust)
            assert (done.returncode, done.stderr) == (0, b"")
            assert run(*asked, **KEYS).returncode == 1

    @POSIX
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ends_cleanly_on_a_signal(self, number: signal.Signals) -> None:
        with serving(**KEYS) as (process, _):
            process.send_signal(number)
            out, err = process.communicate(timeout=15)
            assert (out, err, process.returncode) == (b"", b"", 0)

    @POSIX
    def test_ends_cleanly_with_a_stream_open(self, talk: Path) -> None:
        options = ["--drain-timeout", 0.01]
        with serving(*options, **KEYS) as (process, (url,)), talking(url, talk) as client:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=15)
            assert (out, err, process.returncode) == (b"", b"", 0)
            assert client.stderr is not None
            assert "connection lost: ServiceUnavailable" in client.stderr.readline().decode()

    @POSIX
    async def test_stream_goes_on_until_the_drain_timeout(self) -> None:
        keys = StaticCredentialResolver(*KEYS.values())
        with serving("--drain-timeout", 100, **KEYS) as (process, (url,)):
            async with client_at(url, credential_resolver=keys) as client:
                stream = await start(client)
                process.send_signal(signal.SIGTERM)
                wait_until_refused(url)
                for _ in range(10):
                    await stream.input_stream.send_audio_event(SECOND)
                    await asyncio.sleep(0.45)  # all in all longer than by default
                await stream.input_stream.end_stream()
                assert len(" ".join(await final_texts(stream)).split()) > 20
            out, err = process.communicate(timeout=100)
            assert (out, err, process.returncode) == (b"", b"", 0)

    @POSIX
    def test_second_signal_ends_it_at_once(self, talk: Path) -> None:
        with serving(**KEYS) as (process, (url,)), talking(url, talk):
            process.send_signal(signal.SIGTERM)
            wait_until_refused(url)  # once the first one has come
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == -signal.SIGTERM

    @POSIX
    @pytest.mark.parametrize(
        "call", ["await asyncio.to_thread(time.sleep, 60)", "await asyncio.sleep(60)"]
    )
    def test_call_that_does_not_return_does_not_keep_the_process(self, call: str) -> None:
        program = f"""
import asyncio, threading, time
from amazon_transcribe.cli.signals import run

async def hang():
    threading.Thread(target=time.sleep, args=[60]).start()
    print("ready", flush=True)
    {call}

run(hang(), [], after_signal=7, timeout=0.1)
"""
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment()
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 7

    @POSIX
    def test_a_signal_ends_a_process_that_can_have_no_more_threads(self) -> None:
        program = """
import asyncio, os, signal, threading
from amazon_transcribe.cli.signals import run

def refuse(thread):
    raise RuntimeError("can't start new thread")

async def signalled():
    threading.Thread.start = refuse
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)

os._exit(run(signalled(), []))
"""
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, env=environment(), timeout=50
        )
        assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, b"")

    def test_port_in_use_is_one_line_and_exit_code_1(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = run("serve", "--engine", "scripted", "--port", port)
        assert done.returncode == 1
        assert_one_line(done.stderr, "in use")

    def test_unusable_files_are_one_line_and_exit_code_2(self, tmp_path: Path) -> None:
        nowhere = tmp_path / "missing" / "ca.pem"
        scripted = ["serve", "--engine", "scripted", "--tls-port", 0]
        done = run(*scripted, "--ca-file", nowhere)
        assert done.returncode == 2
        assert_one_line(done.stderr, "ca.pem")
        done = run("serve", "--engine", "scripted", "--host", "")
        assert done.returncode == 2
        assert_one_line(done.stderr, "0.0.0.0 for all, not ''")
        text = tmp_path / "text.pem"
        text.write_text("not a certificate", "utf-8")
        done = run(*scripted, "--cert", text, "--key", text)
        assert done.returncode == 2
        assert_one_line(done.stderr)


def event(headers: dict[str, Any], payload: bytes = b"") -> bytes:
    return encode_message({":message-type": "event", **headers}, payload)


class TestInspect:
    def lines(self, done: subprocess.CompletedProcess[bytes]) -> list[Any]:
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_messages_become_json_lines(self, tmp_path: Path) -> None:
        json_event = event({":content-type": "application/json"}, b'{"a": [1.5, "\xc3\xa9"]}')
        text = event({":content-type": "text/plain"}, "né {".encode())
        binary = event({"n": 7, "raw": b"\x00\xff", "yes": True}, b"\x80\x81")
        path = tmp_path / "stream.bin"
        path.write_bytes(json_event + text + binary)
        done = run("inspect", path)
        assert (done.returncode, done.stderr) == (0, b"")
        assert self.lines(done) == [
            {
                "offset": 0,
                "headers": {":message-type": "event", ":content-type": "application/json"},
                "payload": {"a": [1.5, "é"]},
            },
            {
                "offset": len(json_event),
                "headers": {":message-type": "event", ":content-type": "text/plain"},
                "payload": "né {",
            },
            {
                "offset": len(json_event) + len(text),
                "headers": {":message-type": "event", "n": 7, "raw": "00ff", "yes": True},
                "payload_base64": "gIE=",
                "payload_length": 2,
            },
        ]

    def test_signed_message_is_shown_unwrapped(self) -> None:
        audio = event({":content-type": "application/octet-stream"}, b"1234")
        signed = encode_message({":chunk-signature": b"\xab" * 32}, audio)
        end = encode_message({":chunk-signature": b"\xcd" * 32}, b"")
        first, last = self.lines(run("inspect", "-", stdin=signed + end))
        assert first["headers"] == {":chunk-signature": "ab" * 32}
        assert first["message"] == {
            "headers": {":message-type": "event", ":content-type": "application/octet-stream"},
            "payload_base64": "MTIzNA==",
            "payload_length": 4,
        }
        assert last["payload"] == ""

    def test_whole_messages_come_before_the_fault(self) -> None:
        good = event({}, b"{}")
        bad = bytearray(good)
        bad[-1] ^= 1
        done = run("inspect", "-", stdin=good + good + bad + good)
        assert [line["offset"] for line in self.lines(done)] == [0, len(good)]
        assert done.returncode == 2
        place = 3 * len(good) - 4
        assert_one_line(done.stderr, f"standard input: byte {place}: ", "hecksum")

    def test_unfinished_message_is_a_fault(self) -> None:
        good = event({}, b"{}")
        done = run("inspect", "-", stdin=good + good[:-1])
        assert len(self.lines(done)) == 1
        assert done.returncode == 2
        assert_one_line(done.stderr)

    def test_deeply_nested_json_is_shown_as_text(self) -> None:
        deep = b"[" * 100_000
        (line,) = self.lines(run("inspect", "-", stdin=event({}, deep)))
        assert line["payload"] == deep.decode()

    def test_control_characters_are_shown_escaped(self) -> None:
        text = "\x9b\u202e\x7f"
        done = run("inspect", "-", stdin=event({"name": text}, text.encode()))
        assert done.stdout.isascii()
        (line,) = self.lines(done)
        assert (line["headers"]["name"], line["payload"]) == (text, text)

    @POSIX
    def test_lines_come_while_the_input_is_open(self) -> None:
        process = subprocess.Popen(
            [*COMMAND, "inspect", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(event({}, b"{}"))
        assert json.loads(process.stdout.readline())["payload"] == {}
        process.stdin.close()
        assert process.wait() == 0
        process.stdout.close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Shown = Callable[..., str]


class TestDisplay:
    @pytest.fixture
    def shown(self, monkeypatch: pytest.MonkeyPatch) -> Shown:
        """Give a function that shows results on a narrow terminal, and does what it is given."""
        monkeypatch.setenv("COLUMNS", "20")
        monkeypatch.setenv("TERM", "xterm")

        def show(*steps: Any) -> str:
            monkeypatch.setattr(sys, "stdout", Terminal())
            display = Display(captions=True, quiet=True)
            transcript = Transcript("text", None)
            for step in steps:
                if callable(step):
                    step()
                    continue
                result = step
                if isinstance(step, tuple):
                    text, partial = step
                    result = Result("r", 0.0, 1.0, partial, [Alternative(text, [])])
                event = TranscriptEvent(TranscriptOfService([result]))
                display.show(event)
                display.write(StandardOutput(), transcript.add(event))
            display.clear()
            return sys.stdout.getvalue()

        return show

    def test_partial_text_is_updated_in_place(self, shown: Shown) -> None:
        text = shown(("It", True), ("It is", True), ("It is.", False), ("No", True))
        again = "\r\x1b[J"
        dim = "\x1b[2m{}\x1b[22m".format
        assert text == f"{dim('It')}{again}{dim('It is')}{again}It is.\n{dim('No')}{again}"

    def test_stable_words_are_not_dimmed(self, shown: Shown) -> None:
        words = [Item(content="one", stable=True), Item(content="two", stable=False)]
        result = Result("r", 0.0, 1.0, True, [Alternative("one two", words)])
        assert shown(result) == "one\x1b[2m two\x1b[22m\r\x1b[J"

    def test_long_partial_text_shows_its_end(self, shown: Shown) -> None:
        text = shown(("one two three four five six seven", True))
        assert "…our five six seven" in text

    def test_wide_characters_count_as_two_columns(self, shown: Shown) -> None:
        assert "m…散歩に行きましょう\x1b" in shown(("今日は天気がいいので散歩に行きましょう", True))

    def test_final_text_is_broken_between_words(self, shown: Shown) -> None:
        text = shown(("one two three four five six seven", False))
        assert text == "one two three four\nfive six seven\n"

    def test_what_wrapped_when_the_terminal_became_narrower_is_erased(
        self, shown: Shown, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        narrow = lambda: monkeypatch.setenv("COLUMNS", "8")  # noqa: E731
        text = shown(("one two three four", True), narrow, ("Done.", False))
        assert text.endswith("\x1b[22m\r\x1b[2A\x1b[JDone.\n")

    def test_control_characters_do_not_reach_the_terminal(
        self, shown: Shown, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        text = shown(("a\x1b[2Jb\x9b\u202ec", True), ("d\x1b]0;\u2066e", False))
        assert "a\\u001b[2Jb\\u009b\\u202ec" in text
        assert text.endswith("d]0;\\u2066e\n")
        monkeypatch.setattr(sys, "stdout", Terminal())
        print_document("1\n\x9b\u202e\n")
        assert sys.stdout.getvalue() == "1\n\\u009b\\u202e\n"

    def test_nothing_but_final_lines_where_there_is_no_terminal(
        self, shown: Shown, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TERM", "dumb")
        assert shown(("It", True), ("It is.", False), ("", False)) == "It is.\n"
