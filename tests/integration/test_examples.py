"""The programs in `examples/` and in the documentation run, told by the environment alone."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import wave
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.local import Fault
from tests.support.programs import ROOT, complaints, serving
from tests.support.sounds import encoded, recording, said_in, share_heard
from tests.support.valkey import valkey_server

pytest_plugins = ["pytester"]

RECORDING = "examples/audio/goforward.wav"
CAPTION = r"1\n00:00:00,\d+ --> 00:00:0\d,\d+\nGo forward ten meters\.\n+"
RUN_NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, resources={"metadata": {"path": "examples"}}).execute()
nbformat.write(notebook, sys.argv[2])
"""
FRAMEWORKS = {"livekit.md", "pipecat.md"}  # tests/frameworks runs the programs of these
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in FRAMEWORKS),
]


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def output(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    return done.stdout


def test_transcribe_file():
    captions = output("examples/transcribe_file.py", RECORDING)
    assert re.fullmatch(CAPTION, captions)


def test_stream_file(local_transcribe):
    said = output("examples/stream_file.py", RECORDING)
    assert said.startswith("This is")


def test_two_channels():
    recordings = [f"examples/audio/sense_and_sensibility_{n}.wav" for n in ("0870", "0920")]
    lines = output("examples/two_channels.py", *recordings, "Dashwood", "amiable").splitlines()
    (first,), (second,) = ([line for line in lines if name in line] for name in ("ch_0", "ch_1"))
    assert "ch_0: And Mr. John *** had then leisure" in first
    assert "ch_1: Had he married a more *** woman" in second


def test_whisper_engine():
    pytest.importorskip("faster_whisper", reason="the package faster-whisper is not installed")
    model = os.environ.get("AMAZON_TRANSCRIBE_WHISPER")
    if not model:
        pytest.skip("AMAZON_TRANSCRIBE_WHISPER names no folder with a model of faster-whisper")
    said = output("examples/whisper_engine.py", model, RECORDING, "en-US")
    assert "forward" in said


@pytest.fixture
def start():
    """Starts servers of the examples; interrupts them at the end, and reads what they say."""
    if sys.platform == "win32":
        pytest.skip("has no SIGINT to send")
    with ExitStack() as servers:

        def start(*command: str) -> int:
            """Start a server; return its port."""
            _, port = servers.enter_context(serving(*command))
            return port

        yield start


def test_server(local_transcribe, start):
    port = start("-W", "error", "examples/server.py", "0")
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall((ROOT / RECORDING).read_bytes()[44:])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile(encoding="utf-8") as answer:
            assert answer.read().startswith("This is")


FASTAPI_RELAY = ("-m", "uvicorn", "--app-dir", "examples", "--port", "0", "fastapi_relay:app")


@pytest.fixture
def relay(local_transcribe, start):
    """The port of the FastAPI program."""
    for package in ("fastapi", "multipart", "uvicorn", "websockets"):
        pytest.importorskip(package, reason=f"{package} comes with the extra examples")
    return start(*FASTAPI_RELAY)


def upload(port: int, content: bytes) -> tuple[int, dict[str, str]]:
    """Post a form with a file; the answer's status and JSON."""
    head = b'Content-Disposition: form-data; name="recording"; filename="a.wav"'
    body = b"--edge\r\n" + head + b"\r\n\r\n" + content + b"\r\n--edge--\r\n"
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        connection.request("POST", "/transcripts", body, headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def test_fastapi_relay_transcribes_what_is_uploaded(relay):
    status, answer = upload(relay, (ROOT / RECORDING).read_bytes())
    assert status == 200
    assert answer["text"].startswith("This is")
    assert answer["captions"].startswith("WEBVTT")


def test_fastapi_relay_brings_its_page(relay):
    with closing(HTTPConnection("127.0.0.1", relay, timeout=60)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.headers["content-type"].startswith("text/html")
        assert 'new URL("captions"' in answer.read().decode()


def test_fastapi_relay_says_why_it_refuses_a_file(relay):
    status, answer = upload(relay, b"<html><body>no sound</body></html>")
    assert status == 415
    assert "not audio" in answer["detail"]


@pytest.mark.transcribe(script=["Good morning.", "Two tickets, please."])
@pytest.mark.parametrize(
    ("query", "encoding"), [("?sample_rate_hz=16000", "pcm"), ("", "ogg-opus")], ids=["pcm", "opus"]
)
def test_fastapi_relay_captions_sound_while_it_comes(relay, query, encoding):
    from websockets.sync.client import connect

    second = bytes(32_000)
    sound = second * 4 if encoding == "pcm" else encoded(second * 4, 16_000, encoding)
    final = []
    with connect(f"ws://127.0.0.1:{relay}/captions{query}", proxy=None) as browser:
        for start in range(0, len(sound), len(sound) // 40):
            browser.send(sound[start : start + len(sound) // 40])
        if encoding == "pcm":
            while not final:  # it comes before the sound has ended
                final += json.loads(browser.recv(60))["final"]
        browser.send(b"")
        for message in browser:
            final += json.loads(message)["final"]
    assert final == ["Good morning.", "Two tickets, please."]
    assert browser.close_code == 1000


def test_fastapi_relay_ends_the_stream_of_a_browser_that_left(relay, local_transcribe):
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{relay}/captions?sample_rate_hz=16000", proxy=None) as browser:
        browser.send(bytes(32_000))
        browser.recv(60)
    (stream,) = local_transcribe.wait_for_streams(1, timeout=60)
    assert stream.ended in ("complete", "lost")


@pytest.mark.transcribe(script=["Good morning."])
def test_fastapi_relay_lets_browsers_go_elsewhere_when_it_ends(relay):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    captions = "ws://127.0.0.1:{}/captions?sample_rate_hz=16000"
    with serving(*FASTAPI_RELAY) as (ending, port):
        with connect(captions.format(port), proxy=None) as browser:
            browser.send(bytes(32_000))
            messages = [json.loads(browser.recv(60))]
            ending.terminate()
            while "leave" not in messages[-1]:
                messages.append(json.loads(browser.recv(60)))
            with pytest.raises(InvalidStatus):
                connect(captions.format(port), proxy=None)
            with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as probe:
                probe.request("GET", "/ready")
                assert probe.getresponse().status == 503
            with connect(captions.format(relay), proxy=None) as elsewhere:
                browser.send(b"")
                messages += map(json.loads, browser)
                assert browser.close_code == 1000
                ending.wait(60)
                elsewhere.send(bytes(32_000))
                elsewhere.send(b"")
                messages += map(json.loads, elsewhere)
    final = [text for message in messages for text in message.get("final", ())]
    assert final == ["Good morning."] * 2


def media_stream(sound: bytes) -> Iterator[str]:
    """The messages of a call, in the form of Twilio's media streams."""
    yield json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    yield json.dumps(
        {"event": "start", "streamSid": "MZ1", "start": {"tracks": ["inbound", "outbound"]}}
    )
    for start in range(0, len(sound), 160):
        for track, heard in [("inbound", sound[start : start + 160]), ("outbound", bytes(160))]:
            payload = b64encode(heard).decode()
            yield json.dumps({"event": "media", "media": {"track": track, "payload": payload}})
    yield json.dumps({"event": "stop", "streamSid": "MZ1"})


@pytest.mark.transcribe(engine="moonshine")
def test_telephony(local_transcribe, start):
    client = pytest.importorskip("websockets.sync.client", reason="comes with the extra examples")
    pcm, _ = recording("sense_and_sensibility_all_8k")
    sound = encoded(pcm[: 2 * 8_000 * 7], 8_000, "g711-ulaw")
    port = start("-W", "error", "examples/telephony.py", "0")
    with client.connect(f"ws://127.0.0.1:{port}", proxy=None) as phone:
        for message in media_stream(sound):
            phone.send(message)
        assert list(phone) == []  # it hangs up when all is recognised
    (stream,) = local_transcribe.wait_for_streams(1, timeout=60)
    assert stream.ended == "complete"
    assert stream.audio_seconds == len(sound) / 8_000
    assert share_heard(stream.transcript, said_in("sense_and_sensibility_0870")) > 0.8


@pytest.mark.transcribe(script=["Good morning."])
def test_telephony_takes_the_call_of_its_page(local_transcribe, start, second):
    pytest.importorskip("websockets", reason="comes with the extra examples")
    port = start("-W", "error", "examples/telephony.py", "0")
    output("-c", program_of("twilio"), f"ws://127.0.0.1:{port}", second)
    (stream,) = local_transcribe.wait_for_streams(1, timeout=60)
    assert (stream.ended, stream.audio_seconds) == ("complete", 1.0)


@pytest.mark.transcribe(
    script=["Good morning."], faults=[Fault("drop", after_seconds=0.5, times=1)]
)
def test_live_captions(local_transcribe, tmp_path):
    output("examples/live_captions.py", RECORDING, str(tmp_path))
    assert (tmp_path / "now.txt").read_text("utf-8") == "Good morning."
    playlist = (tmp_path / "captions.m3u8").read_text("utf-8")
    assert "captions-0.vtt\n" in playlist
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    segment = (tmp_path / "captions-0.vtt").read_text("utf-8")
    assert segment.startswith("WEBVTT")
    assert segment.count("Good morning.") == 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".txt", ".m3u8", ".vtt"}


def test_notebook(tmp_path):
    for package in ("ipykernel", "nbclient"):
        pytest.importorskip(package, reason=f"{package} comes with the extra examples")
    own = {"HOME": tmp_path, "IPYTHONDIR": tmp_path, "JUPYTER_RUNTIME_DIR": tmp_path}
    done = tmp_path / "done.ipynb"
    subprocess.run(
        [sys.executable, "-c", RUN_NOTEBOOK, "examples/notebook.ipynb", done],
        cwd=ROOT,
        env=os.environ | {name: str(value) for name, value in own.items()},
        check=True,
        timeout=200,
    )
    text, words, captions = [
        "".join(said.get("text", said.get("data", {}).get("text/plain", [])))
        for cell in json.loads(done.read_text("utf-8"))["cells"]
        for said in cell.get("outputs", [])
    ]
    assert text == "'Go forward ten meters.'"
    assert [word for word, _, _ in ast.literal_eval(words)] == text.strip("'").split()
    assert captions.startswith("WEBVTT")


def lines_of(program: Path) -> int:
    """Count the lines of a program, without its docstring and empty lines."""
    text = program.read_text("utf-8")
    if program.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    else:
        text = text.split('"""\n', 1)[1]
    return len([line for line in text.splitlines() if line.strip()])


def test_the_list_of_decisions_has_all_of_them():
    page = (ROOT / "docs/decisions.md").read_text("utf-8")
    listed = re.findall(r"\[([^]]+)\]\(#", page.partition("\n## ")[0])
    assert sorted(listed) == sorted(re.findall("^## (.+)$", page, re.MULTILINE))


@pytest.mark.parametrize("folder", ["how-to", "topics"])
def test_the_first_page_of_the_documentation_leads_to_every_other(folder):
    first = (ROOT / "docs/index.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs" / folder).glob("*.md")} - {"index.md"}
    assert {page for page in pages if f"({folder}/{page})" not in first} == set()


def test_the_table_of_examples_has_all_of_them_with_their_lines():
    table = (ROOT / "examples/README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`(.+?)`\].* (\d+) \|$", table, re.MULTILINE)
    programs = [p for kind in ("*.py", "*/*.py", "*.ipynb") for p in ROOT.glob(f"examples/{kind}")]
    assert {name: int(lines) for name, lines in rows} == {
        program.relative_to(ROOT / "examples").as_posix(): lines_of(program)
        for program in programs
        if program.name != "original_usage.py"  # the original SDK's, kept as it is
    }


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("README.md", CAPTION),
        ("docs/index.md", CAPTION),
        ("docs/quickstart.md", CAPTION),
        ("docs/how-to/one-call.md", r"Go forward ten meters\.\n"),
    ],
)
def test_one_call(page, said):
    program = next(block for block in blocks(ROOT / page) if "sync.transcribe_file" in block)
    assert re.fullmatch(said, output("-c", program))


def test_lambda_starts_no_thread(local_transcribe):
    (program,) = blocks(ROOT / "docs/how-to/lambda.md")
    function: dict[str, Any] = {}
    exec(program, function)
    recording = b64encode((ROOT / RECORDING).read_bytes()).decode()
    threads = threading.active_count()
    for _ in range(2):
        assert function["handler"]({"body": recording}, None)["text"].startswith("This is")
        assert threading.active_count() == threads


def program_of(page: str, number: int = 0) -> str:
    return blocks(ROOT / f"docs/how-to/{page}.md")[number]


@pytest.fixture
def second(tmp_path) -> str:
    """The path of a recording of a second, for programs that send at the speed of speech."""
    path = tmp_path / "second.wav"
    with wave.open(str(ROOT / RECORDING)) as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(whole.getframerate()))
    return str(path)


@pytest.mark.parametrize(
    ("page", "number"),
    [
        *(("audio", 0), ("ends", 0), ("migrate", 0), ("migrate", 1)),
        *(("results", 0), ("resume", 0)),
    ],
)
def test_program_of_a_page(page, number, local_transcribe, second):
    assert output("-c", program_of(page, number), second).startswith("This is")


def test_call_of_the_page_of_operations(local_transcribe, second):
    said = output("-c", program_of("operations"), second, second).splitlines()
    assert [line.split()[0] for line in said] == ["AGENT", "CUSTOMER"]


def test_presigned_url_of_its_page(local_transcribe):
    server = local_transcribe.endpoint_url.removeprefix("http")
    assert output("-c", program_of("presigned-urls")).startswith(f"ws{server}/stream-")


def test_program_of_the_page_of_many_streams(local_transcribe, second):
    lines = output("-c", program_of("many-streams"), *[second] * 20, "none.wav").splitlines()
    assert sum(line.startswith("This is") for line in lines) == 20
    assert lines[-2:] == ["none.wav:", "cannot read none.wav: No such file or directory"]
    assert [stream.audio_seconds for stream in local_transcribe.streams] == [1.0] * 20


def test_program_of_the_page_of_quotas(local_transcribe, second):
    with valkey_server() as valkey:
        lines = output("-c", program_of("quotas"), valkey.url, second, second).splitlines()
    assert [line.startswith(f"{second} This is") for line in lines] == [True] * 2


def test_call_centre(pytester):
    shutil.copytree(ROOT / "examples/call_centre", pytester.path, dirs_exist_ok=True)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/testing.md"])
def test_first_test_of_a_page(page, pytester):
    test = next(block for block in blocks(ROOT / page) if "def test_" in block)
    pytester.makepyfile(test)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name
)
def test_programs_of_the_documentation_are_python_and_find_what_they_import(page):
    for block in blocks(page):
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for node in ast.walk(compile(block, page, "exec", flags)):
            if isinstance(node, ast.ImportFrom):
                exec(ast.unparse(node), {})
