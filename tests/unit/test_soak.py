"""The soak's verdicts: what it must not let pass."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from typing import Any

import pytest

from amazon_transcribe.local.engines import RecognitionOptions
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from benchmarks.soak.heard import AUDIO, RATE, Heard, Script
from benchmarks.soak.verdict import Memory, judge
from benchmarks.soak.watch import Watch

STREAM = {"way": "http2", "ending": "end", "idle": "wait", "cut": False, "problem": None}


@pytest.mark.parametrize(
    ("end", "strikes"),
    [
        ("clean end", []),
        ("clean end", ["reset"]),
        ("read: StreamResetException (8)", ["delay", "reset"]),
        ("own time-out", ["silent"]),
    ],
)
def test_ends_that_may_be(end: str, strikes: list[str]) -> None:
    assert judge({**STREAM, "end": end}, strikes) is None


@pytest.mark.parametrize(
    ("end", "strikes"),
    [
        ("own time-out", []),
        ("closed", []),
        ("hangs", ["silent"]),
        ("broke: OSError", ["drop"]),
        ("read: ConnectionLostException", ["truncate"]),
    ],
)
def test_ends_that_cannot_be(end: str, strikes: list[str]) -> None:
    assert judge({**STREAM, "end": end}, strikes)


def test_final_results_are_those_of_the_audio() -> None:
    recognition = ScriptedEngine().open(RecognitionOptions(RATE))
    results = [result for _ in range(80) for result in recognition.accept(AUDIO)]
    results = [result for result in (*results, *recognition.finish()) if not result.is_partial]
    assert len(results) > 1
    script = Script(100)
    assert Heard(80, results).differs(script, "clean end", silence=False) is None
    assert Heard(80, results[:-1]).differs(script, "clean end", silence=False)
    assert Heard(80, results[:-1]).differs(script, "closed", silence=False) is None
    assert Heard(80, results).differs(script, "closed", silence=False) is None
    assert Heard(80, results[1:]).differs(script, "closed", silence=False)
    assert Heard(80, results).is_out_of_step("clean end") is None
    assert Heard(80, results[:-1]).is_out_of_step("clean end")
    assert Heard(80, results[1:]).is_out_of_step("closed")
    assert Heard(80, [*results, results[-1]]).is_out_of_step("clean end")


def test_memory_that_grows() -> None:
    warm_up = [(float(at), 1000.0 * at) for at in range(10)]
    assert Memory.of([*warm_up, *((10.0 + at, 9000.0) for at in range(20))]).slope == 0
    growing = Memory.of([*warm_up, *((10.0 + at, 9000.0 + at) for at in range(20))])
    assert growing.slope == pytest.approx(60)


async def test_what_would_go_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sys.unraisablehook", "threading.excepthook"):
        monkeypatch.setattr(name, None)
    watch = Watch()
    try:
        logging.getLogger("amazon_transcribe").warning("a word of it")

        async def fails() -> None:
            raise ValueError("lost")

        task: Any = asyncio.ensure_future(fails())
        await asyncio.wait({task})
        del task

        class Dropped:
            def __del__(self) -> None:
                warnings.warn("left open", ResourceWarning, stacklevel=1)

        Dropped()
        gc.collect()
    finally:
        logging.getLogger().removeHandler(watch)
    heard = "\n".join(watch.complaints)
    assert "a word of it" in heard
    assert "never retrieved ValueError('lost')" in heard
    assert "left open" in heard
