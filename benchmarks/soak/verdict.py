"""What makes a soak fail: ends that cannot be, and memory that grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from amazon_transcribe._events import SERVICE_EXCEPTIONS

_T = TypeVar("_T")

# KiB a minute by which the line fitted to a process's memory may rise, in runs of so many
# seconds; in shorter ones caches and buffers still fill up.
ALLOWED_SLOPE = 100.0
LONG_ENOUGH = 900.0

# How a stream ends when nothing goes wrong, by the program's plan.
PLANNED = {
    "end": "clean end",
    "drain": "clean end",
    "close": "closed",
    "cancel": "cancelled",
    "forget": "forgotten",
    "leave": "left",
}
PAUSED = {
    "wait": "read: BadRequestException",
    "silence": "clean end",
    "end": "clean end",
}

# What the program sees of a fault, unless its own end comes first; over HTTP/2 on asyncio,
# WebSocket and awscrt.
SEEN: dict[str, tuple[str, ...]] = {
    "silent": (
        "TimeoutException (response)",
        "TimeoutException (idle)",
        "TimeoutException (drain)",
        "own time-out",
    ),
    "delay": (),
    "http": (
        "BadRequestException",
        "InternalFailureException",
        "LimitExceededException",
        "ServiceUnavailableException",
        "UnknownServiceException",
    ),
    "reset": ("StreamResetException",),
    "drop": ("ConnectionLostException",),
    "goaway": ("StreamResetException",),
    "truncate": ("TruncatedStreamException",),
    "corrupt": ("ChecksumMismatch",),
    "stop-reading": (
        "TimeoutException (send)",
        "TimeoutException (idle)",
        "TimeoutException (drain)",
        "own time-out",
        "ConnectionLostException",  # a WebSocket's PING is not answered either
    ),
    "exception": tuple(SERVICE_EXCEPTIONS),
}


def problems_of(run: dict[str, Any]) -> list[str]:
    """What is not as it must be, a line for each."""
    struck: defaultdict[str, list[str]] = defaultdict(list)
    for kind, session in run["strikes"]:
        struck[session].append(kind)
    problems = []
    for stream in run["streams"]:
        faults = struck[stream["session"]]
        if reason := judge(stream, faults):
            plan = ", ".join(stream[part] for part in ("way", "reading", "ending", "idle"))
            problems.append(
                f"a stream ({plan}) struck by {', '.join(faults) or 'nothing'} ends with"
                f" {stream['end']!r} ({stream['detail']}) after {stream['took']} s: {reason}"
            )
    for name, report in run["reports"].items():
        problems += [f"{name}: {n} times {text}" for text, n in report["complaints"].items()]
        problems += [f"{name}: {n} {what} left" for what, n in report["left"].items() if n]
        memory = Memory.of(report["memory"])
        if run["samples"][-1]["at"] >= LONG_ENOUGH and memory.slope > ALLOWED_SLOPE:
            problems.append(f"{name}: its memory grows by {memory.slope:.0f} KiB a minute")
    return problems


def judge(stream: dict[str, Any], strikes: Sequence[str]) -> str | None:
    """What is wrong with a stream's end, given the faults that struck it."""
    if stream["problem"]:
        return str(stream["problem"])
    end, ending = stream["end"], stream["ending"]
    if end == (PAUSED[stream["idle"]] if ending == "pause" else PLANNED[ending]):
        return None
    if end == "clean end" and ending == "pause" and stream["cut"]:
        return None  # the soak was over before the pause
    if stream["way"] == "shared":
        strikes = [*strikes, "drop", "goaway"]  # maybe a neighbour's
    if stream["way"] == "websocket" and {"reset", "goaway"} & {*strikes}:
        strikes = [*strikes, "drop"]  # of a peer that sends on, TCP may lose the close frame
    seen = end.partition(": ")[2] or end
    if any(seen.startswith(name) for kind in strikes for name in SEEN[kind]):
        return None
    return "it should not end so"


def settled(samples: Sequence[_T]) -> Sequence[_T]:
    """Those of the last two thirds: by then there has been one of everything."""
    return samples[len(samples) // 3 :]


@dataclass(frozen=True)
class Memory:
    """A process's resident memory over the last two thirds of a run, in KiB.

    :param slope: Of the line fitted to it, in KiB a minute.
    """

    first: float
    last: float
    most: float
    slope: float

    @classmethod
    def of(cls, samples: Sequence[tuple[float, float]]) -> Memory:
        """From pairs of seconds and KiB of the whole run."""
        times, sizes = zip(*settled(samples) or [(0.0, 0.0)], strict=True)
        middle, mean = sum(times) / len(times), sum(sizes) / len(sizes)
        covariance = sum((t - middle) * (s - mean) for t, s in zip(times, sizes, strict=True))
        variance = sum((t - middle) ** 2 for t in times)
        return cls(sizes[0], sizes[-1], max(sizes), 60 * covariance / (variance or 1))
