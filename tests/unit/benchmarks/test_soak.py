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
from benchmarks.soak.watch import CAN_LOOK, Footprint, Watch

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


def memory(
    resident: list[float], after: float = 70_000.0, heap: float = 0.0, objects: int = 0
) -> list[str]:
    """The problems of a run of 1,000 streams.

    :param resident: KiB during the run; before it there were 70,000.
    :param heap: KiB left of it, and so many objects.
    """
    idle = {"resident": 70_000.0, "heap": 700.0, "objects": 9000}
    report = {
        "idle": {"resident": after, "heap": 700.0 + heap, "objects": 9000 + objects},
        "memory": [(15.0 * at, {"resident": kib}) for at, kib in enumerate(resident)],
    }
    reports = {"server": report, "client": {"streams": 1000}}
    run = {"reports": reports, "warm_up": {"server": {"idle": idle}}}
    return [*Memory.of(run, "server").problems()]


def test_memory_that_grows() -> None:
    flat, rising = [100_000.0] * 30, [100_000.0 + 2000 * at for at in range(30)]
    assert not memory(flat)
    assert not memory([50_000.0] * 10 + flat[10:])  # it fills up at first
    assert not memory([*flat[:20], 120_000.0, *flat[21:]])  # a peak
    assert memory(rising) == ["its memory grows from 127.0 to 144.5 MiB"]
    assert memory(flat, after=80_000) == ["its memory grows from 68.4 to 78.1 MiB"]
    assert memory(flat, heap=100) == ["each stream leaves 102 bytes of the heap"]
    assert memory(flat, objects=1000) == ["each stream leaves 1.0 objects"]


@pytest.mark.skipif(not CAN_LOOK, reason="needs glibc 2.33")
def test_footprint_sees_what_is_in_use() -> None:
    before = Footprint.now()
    large, small = bytearray(8 * 1024 * 1024), [float(number) for number in range(10_000)]
    after = Footprint.now()
    # Give or take what other tests left behind, and what goes with it.
    assert after.heap - before.heap == pytest.approx(len(large) / 1024, abs=1000)
    assert after.objects - before.objects == pytest.approx(len(small), abs=1000)


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
