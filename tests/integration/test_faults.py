"""The faults of the local server, as a program and the command line meet them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe._protocol.constants import SERVICE_EXCEPTIONS
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    InternalFailureException,
    LimitExceededException,
    SDKError,
    ServiceUnavailableException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
    ValidationException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.faults import KINDS, OPTIONS, Kind
from amazon_transcribe.local.faults.injection import FaultyExchange
from benchmarks import faults as matrix
from tests.support.callers import SECOND, client_of, start, until

SESSION = "6a2c6a6e-5b0c-4d6e-9d2b-0d9f6a4c1c11"


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.name)
async def test_matrix(row: matrix.Row) -> None:
    seen = await matrix.measure(row)
    assert seen.outcome == row.expected
    assert seen.left == 0


async def test_the_log_tells_which_fault_strikes_whom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "amazon_transcribe.local")
    faults = [Fault("refuse", times=1), Fault("delay", by=0), Fault("truncate", after_events=1)]
    async with (
        LocalTranscribe("scripted", faults=faults) as server,
        client_of(server) as client,
    ):
        await (await start(client, session_id=SESSION)).close()
    told = [message for message in caplog.messages if message.startswith("fault ")]
    assert told == [
        "fault refuse injected into a connection",
        f"fault delay injected into session {SESSION}",
        f"fault truncate injected into session {SESSION}",
    ]


async def test_a_server_that_stops_reading_does_not_say_that_no_audio_comes() -> None:
    faults = [Fault("stop-reading")]
    async with (
        LocalTranscribe("scripted", faults=faults, audio_timeout=0.1) as server,
        client_of(server, idle_timeout=1.0) as client,
        await start(client) as stream,
    ):
        await stream.input_stream.send_audio_event(SECOND)
        with pytest.raises(TimeoutException, match="idle"):
            await stream.output_stream.__anext__()


async def test_a_start_that_was_given_up_takes_nobody_s_place() -> None:
    faults = [Fault("delay", by=0.3, times=1)]
    async with (
        LocalTranscribe("scripted", faults=faults) as server,
        client_of(server) as client,
    ):
        given_up = asyncio.create_task(start(client, session_id=SESSION))
        await until(lambda: server._streams)
        delayed = set(server._streams)
        given_up.cancel()
        stream = await start(client, session_id=SESSION)
        await asyncio.wait(delayed)  # it was on its way when the second one began
        assert await stream.drain() == []


async def outcomes(count: int, *faults: Fault, **options: Any) -> list[int | str]:
    """Of streams one after the other: how many events came, or the exception's name."""
    seen: list[int | str] = []
    async with (
        LocalTranscribe("scripted", faults=faults) as server,
        client_of(server, start_attempts=1, **options) as client,
    ):
        for _ in range(count):
            seen.append(await outcome(client))
    return seen


async def outcome(client: TranscribeStreamingClient) -> int | str:
    try:
        return await events(client)
    except SDKError as error:
        return type(error).__name__


async def events(client: TranscribeStreamingClient, seconds: int = 5) -> int:
    async with await start(client) as stream:
        for _ in range(seconds):
            await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        return len([event async for event in stream.output_stream])


async def test_a_fault_strikes_as_often_as_asked() -> None:
    seen = await outcomes(5, Fault("http", status=503, times=2))
    assert seen[:2] == ["ServiceUnavailableException"] * 2
    assert all(isinstance(count, int) for count in seen[2:])


async def test_a_probability_and_a_seed_strike_the_same_streams_again() -> None:
    runs = [
        await outcomes(20, Fault("reset", code=8, probability=0.4, seed=seed)) for seed in (7, 7, 8)
    ]
    struck = [[outcome == "StreamResetException" for outcome in run] for run in runs]
    assert struck[0] == struck[1] != struck[2]
    assert 2 <= sum(struck[0]) <= 14


async def test_a_range_draws_another_point_for_each_stream() -> None:
    assert len(await points((0.5, 4), seed=1)) > 2
    assert await points((0.5, 4), seed=1) == await points((0.5, 4), seed=1)


async def points(seconds: tuple[float, float], seed: int) -> set[int]:
    """The bytes of audio after which streams were cut."""
    cut = set()
    fault = Fault("exception", after_seconds=seconds, seed=seed, message="cut")
    async with (
        LocalTranscribe("scripted", faults=[fault]) as server,
        client_of(server) as client,
    ):
        for _ in range(6):
            stream = await start(client)
            for _ in range(50):
                await stream.input_stream.send_audio_event(SECOND[:3200])
            last = None
            with pytest.raises(InternalFailureException, match="cut"):
                async for event in stream.output_stream:
                    last = event
            ends = last.transcript.results[0].end_time if last else 0
            cut.add(int((ends or 0) * 1000))
    return cut


async def test_no_time_is_the_first_audio() -> None:
    fault = Fault("exception", after_seconds=0, message="cut")
    async with LocalTranscribe("scripted", faults=[fault]) as server, client_of(server) as client:
        async with await start(client) as stream:
            await stream.input_stream.send_audio_event(SECOND[:3200])
            with pytest.raises(InternalFailureException, match="cut"):
                await stream.output_stream.__anext__()


async def test_faults_strike_one_after_the_other() -> None:
    late = Fault("delay", by=0.05)
    cut = Fault("exception", after_events=1, error="ServiceUnavailable")
    assert await outcomes(1, late, cut) == ["ServiceUnavailableException"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("http", status=429), LimitExceededException),
        (Fault("http", status=418), UnknownServiceException),
        (
            Fault("exception", after_seconds=1, error="ServiceUnavailable"),
            ServiceUnavailableException,
        ),
        (Fault("truncate", after_events=1), TruncatedStreamException),
        (Fault("reset", after_events=1), SDKError),
        (Fault("goaway", after_events=1), SDKError),
        (Fault("drop", after_seconds=1), SDKError),
        (Fault("silent"), SDKError),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
async def test_faults_over_websocket(fault: Fault, kind: type[SDKError]) -> None:
    pytest.importorskip("wsproto")
    async with (
        LocalTranscribe("scripted", faults=[fault]) as server,
        client_of(server, transport="websocket", start_timeout=0.5, start_attempts=1) as client,
    ):
        with pytest.raises(kind):
            await events(client)


# The description


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("refuse", Fault("refuse")),
        ("reset:after=3,code=8", Fault("reset", after_events=3, code=8)),
        (
            "drop:seconds=1.5,probability=0.2,seed=7",
            Fault("drop", after_seconds=1.5, probability=0.2, seed=7),
        ),
        ("drop:seconds=0.5..4", Fault("drop", after_seconds=(0.5, 4.0))),
        ("silent:after=1..5", Fault("silent", after_events=(1, 5))),
        ("goaway:graceful", Fault("goaway", graceful=True)),
        ("goaway:graceful,after=3", Fault("goaway", graceful=True, after_events=3)),
        ("goaway:graceful=false,code=11", Fault("goaway", code=11)),
        ("delay:by=0.2,after=0", Fault("delay", by=0.2, after_events=0)),
        (
            "http:status=429,error=ThrottlingException,times=2",
            Fault("http", status=429, error="ThrottlingException", times=2),
        ),
        (
            "exception:error=Conflict,message=one, two=2",
            Fault("exception", error="ConflictException", message="one, two=2"),
        ),
    ],
)
def test_text_form(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no fault is named ''"),
        ("explode", "the kinds are refuse, silent"),
        ("reset:after=x", "after cannot be 'x'"),
        ("reset:after=-1", "after cannot be -1"),
        ("reset:after=5..1", "after cannot be"),
        ("reset:after=1,seconds=1", "not both"),
        ("reset:after=1,after=2", "given twice"),
        ("reset:after", "'after' is no option"),
        ("reset:when=1", "'when' is no option"),
        ("reset:code=99999999999", "code cannot be"),
        ("drop:code=3", "drop takes no code; it takes after, seconds, probability"),
        ("refuse:after=3", "refuse takes no after"),
        ("http:seconds=1", "http takes no seconds"),
        ("http:status=200", "status cannot be 200; it goes from 400 to 599"),
        ("drop:probability=0", "probability cannot be"),
        ("drop:probability=nan", "probability cannot be"),
        ("drop:times=0", "times cannot be 0"),
        ("delay:by=nan", "by cannot be nan"),
        ("exception:error=Nope", "the service has BadRequestException"),
        ("goaway:graceful=perhaps", "graceful cannot be 'perhaps'"),
    ],
)
def test_wrong_text_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValidationException, match=reason) as refused:
        Fault.parse(text)
    assert "\n" not in str(refused.value)


def test_serve_refuses_a_wrong_fault() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "amazon_transcribe", "serve", "--fault", "explode"],
        env={**os.environ, "PYTHONDEVMODE": ""},  # in which the traceback is told
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("amazon-transcribe: fault 'explode': no fault is named")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.inject])
def test_what_injects_a_fault_takes_its_options(kind: Kind) -> None:
    inject = getattr(FaultyExchange, str(kind.inject))
    assert [*inspect.signature(inject).parameters][1:] == [*kind.options]
    assert {*kind.takes} <= {*OPTIONS}


def test_the_documentation_has_all_kinds_and_their_options() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/testing.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) ?\|$", page, re.MULTILINE)
    assert rows == [
        (name, kind.help, ", ".join(f"`{option}`" for option in kind.options))
        for name, kind in KINDS.items()
    ]


def test_the_documentation_has_all_exceptions_of_the_service() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/ends.md").read_text("utf-8")
    rows = "".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))
    assert [name for name in SERVICE_EXCEPTIONS if f"`{name}`" not in rows] == []


def test_the_matrix_has_all_kinds() -> None:
    assert KINDS.keys() <= {re.split("[: ]", row.name)[0] for row in matrix.ROWS}


def test_serve_tells_all_kinds_and_their_options() -> None:
    serve = [sys.executable, "-m", "amazon_transcribe", "serve", "--help"]
    told = subprocess.run(
        serve, capture_output=True, encoding="utf-8", timeout=120, check=True
    ).stdout
    (told,) = re.findall(r"^  --fault (.*?)^  -", told, re.MULTILINE | re.DOTALL)
    words = set(re.findall(r"[\w-]+", re.sub(r"-\n +", "-", told)))
    assert {*KINDS, *(option for kind in KINDS.values() for option in kind.takes)} <= words
