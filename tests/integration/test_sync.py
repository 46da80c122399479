"""Transcription without asyncio, from any thread."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from amazon_transcribe import sync
from amazon_transcribe.exceptions import (
    InvalidParameterException,
    StreamClosedException,
    ValidationException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.sync import (
    SyncStream,
    open_stream,
    transcribe_call,
    transcribe_file,
    transcribe_medical,
)
from tests.support.recordings import DIRECTORY
from tests.support.sounds import recording

SHORT = DIRECTORY / "goforward.wav"
BEGINNING = "This is the scripted engine"


@pytest.fixture
def here(local_transcribe: LocalTranscribe, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the environment lead to a local server."""
    keys = local_transcribe.credentials
    monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", local_transcribe.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
    yield
    assert sync._background.run(others()) == []


async def others() -> list[Any]:
    """Return what runs in the background."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def a_stream(**options: Any) -> SyncStream:
    return open_stream(**{"media_sample_rate_hz": 16_000, "language_code": "en-US", **options})


@pytest.mark.usefixtures("here")
def test_a_file() -> None:
    events: list[Any] = []
    said = transcribe_file(SHORT, on_event=events.append)
    assert said.text.startswith(BEGINNING)
    assert events


@pytest.mark.usefixtures("here")
def test_a_call_and_medical_speech() -> None:
    call = transcribe_call((SHORT, SHORT))
    assert {word.channel for word in call.words} == {"AGENT", "CUSTOMER"}
    assert transcribe_medical(SHORT, type="DICTATION").text.startswith(BEGINNING)


@pytest.mark.usefixtures("here")
async def test_inside_a_running_loop_and_from_many_threads() -> None:
    assert transcribe_file(SHORT).text.startswith(BEGINNING)
    with ThreadPoolExecutor(4) as pool:
        said = [pool.submit(transcribe_file, SHORT) for _ in range(8)]
        assert all(each.result().text.startswith(BEGINNING) for each in said)
    assert [each.name for each in threading.enumerate()].count("amazon_transcribe") == 1


@pytest.mark.usefixtures("here")
def test_first_all_audio_and_then_all_events() -> None:
    with a_stream() as stream:
        for _ in range(30):
            stream.send(bytes(3_200))
        stream.end()
        stream.end()
        texts = [
            result.alternatives[0].transcript
            for event in stream
            for result in event.transcript.results
            if result.alternatives and not result.is_partial
        ]
        assert list(stream) == []  # over, and still so
        with pytest.raises(StreamClosedException):
            stream.send(b"more")
    assert texts[0].startswith(BEGINNING)


@pytest.mark.usefixtures("here")
def test_one_thread_sends_while_another_one_reads() -> None:
    pcm, rate = recording("sense_and_sensibility_0870")
    heard = threading.Event()

    def send(stream: SyncStream) -> None:
        stream.send(pcm[:32_000])
        assert heard.wait(60)
        for at in range(32_000, len(pcm), 3_200):
            stream.send(pcm[at : at + 3_200])
        stream.end()

    with a_stream(media_sample_rate_hz=rate) as stream, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, stream)
        for event in stream:
            assert event.transcript.results
            heard.set()
        sending.result()


@pytest.mark.usefixtures("here")
def test_events_that_nobody_reads_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MAX_UNREAD", 1)
    with a_stream() as stream:
        stream.send(bytes(32_000))
        stream.send(bytes(32_000))
        stream.end()
        next(stream)
    assert stream._events.qsize() <= 2  # one, and the end


@pytest.mark.usefixtures("here")
def test_a_reader_of_a_stream_that_is_closed_raises() -> None:
    stream = a_stream()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(next, stream)
        stream.close()
        with pytest.raises(StreamClosedException):
            reading.result()
    stream.close()


@pytest.mark.usefixtures("here")
def test_errors_are_those_of_asyncio() -> None:
    with pytest.raises(InvalidParameterException):
        transcribe_file(SHORT, vocabulary_name="?")
    with pytest.raises(InvalidParameterException):
        a_stream(media_sample_rate_hz=1)
    with pytest.raises(ValidationException, match="on_event cannot wait"):
        transcribe_file(SHORT, on_event=lambda event: transcribe_file(SHORT))


@pytest.mark.usefixtures("here")
def test_an_exit_in_on_event_is_the_callers() -> None:
    with pytest.raises(SystemExit, match="3"):
        transcribe_file(SHORT, on_event=lambda event: sys.exit(3))
    assert transcribe_file(SHORT).text.startswith(BEGINNING)


@pytest.mark.usefixtures("here")
def test_an_interrupted_call_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_at_the_end(futures: list[Future[Any]], timeout: float) -> None:
        monkeypatch.setattr(sync, "wait", wait)  # the rest of the call waits in peace
        wait(futures)
        raise KeyboardInterrupt

    with a_stream() as stream:
        stream.send(bytes(32_000))
        stream.send(bytes(32_000))
        stream.end()
        monkeypatch.setattr(sync, "wait", interrupt_at_the_end)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        assert [result.start_time for result in next(stream).transcript.results] == [0.0]
    monkeypatch.setattr(sync, "wait", interrupt_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        a_stream()  # `here` looks for what it leaves


def test_where_no_thread_starts_a_call_fails_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    background = sync._Background()
    monkeypatch.setattr(threading.Thread, "start", fail)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start"):
            background.run(others())


PROGRAM = """
import logging, sys, threading
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a warning tells of a busy machine
from amazon_transcribe import sync

def begun(event):
    print("begun", flush=True)

{body}
"""


def program(body: str, server: LocalTranscribe) -> subprocess.Popen[str]:
    keys = server.credentials
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", "-c", PROGRAM.format(body=body)],
        env={
            **os.environ,
            "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": server.endpoint_url,
            "AWS_ACCESS_KEY_ID": keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_a_program_ends_in_silence_whatever_it_has_left_open(
    local_transcribe: LocalTranscribe,
) -> None:
    body = f"""
sync.transcribe_file({str(SHORT)!r})
stream = sync.open_stream(media_sample_rate_hz=16000, language_code="en-US")
stream.send(bytes(32000))
print(type(next(stream)).__name__)
"""
    with program(body, local_transcribe) as process:
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, output, errors) == (0, "TranscriptEvent\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT to send")
def test_ctrl_c_cancels_the_work(local_transcribe: LocalTranscribe) -> None:
    body = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    sync.transcribe_file({str(SHORT)!r}, realtime=True, on_event=begun)
except KeyboardInterrupt:
    import asyncio
    async def left():
        return len(asyncio.all_tasks())
    print("left", sync._background.run(left()) - 1)
"""
    with program(body, local_transcribe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "left 0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_fork_has_a_background_of_its_own(local_transcribe: LocalTranscribe) -> None:
    body = f"""
import os
with sync.open_stream(media_sample_rate_hz=16000, language_code="en-US") as stream:
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        stream.end()
        print(len(list(stream)), code)
    else:
        try:
            stream.end()
        except sync.StreamClosedException as error:
            print(error, flush=True)
        print(sync.transcribe_file({str(SHORT)!r}).text[:4], flush=True)
"""
    with program(body, local_transcribe) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Deprecat" in errors or errors == ""  # from 3.12 on, of forks with threads
    assert output.splitlines()[:2] == [
        "the stream is another process's: open one after the fork",
        "This",
    ]
    assert output.splitlines()[-1].endswith(" 0")
