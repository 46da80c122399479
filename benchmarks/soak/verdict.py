"""What makes a soak fail: ends that cannot be, and memory that grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from amazon_transcribe._protocol.constants import SERVICE_EXCEPTIONS

# Memory is judged in runs of so many seconds: in shorter ones caches still fill up.
LONG_ENOUGH = 900.0
ALLOWED_RISE = 1.1  # of what is resident
ALLOWED_HEAP = 64.0  # bytes that a stream leaves behind
ALLOWED_OBJECTS = 0.2

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
        if run["seconds"] >= LONG_ENOUGH:
            problems += [f"{name}: {problem}" for problem in Memory.of(run, name).problems()]
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


@dataclass(frozen=True)
class Memory:
    """What became of a process's memory while streams came and went.

    What is resident is in KiB. During a run it follows the streams there are, of which some
    take ten times as much as others: what is left shows between two times without any.

    :param before: Resident between the warm-up, when all of its streams were over, and the run.
    :param middle: In the run's second third, the median.
    :param last: In its last third.
    :param after: When all streams were over.
    :param heap: Bytes of the C heap that each stream left in use.
    :param objects: Small Python objects that each stream left.
    """

    before: float
    middle: float
    last: float
    after: float
    heap: float
    objects: float

    @classmethod
    def of(cls, run: dict[str, Any], name: str) -> Memory:
        report, before = run["reports"][name], run["warm_up"][name]["idle"]
        after = report["idle"]
        resident = [footprint["resident"] for _, footprint in report["memory"]] or [0.0]
        third = len(resident) // 3
        streams = run["reports"]["client"]["streams"]
        return cls(
            before["resident"],
            median(resident[third : 2 * third + 1]),
            median(resident[-third - 1 :]),
            after["resident"],
            1024 * (after["heap"] - before["heap"]) / streams,
            (after["objects"] - before["objects"]) / streams,
        )

    def problems(self) -> Iterator[str]:
        for earlier, later in ((self.middle, self.last), (self.before, self.after)):
            if later > ALLOWED_RISE * earlier:
                yield f"its memory grows from {earlier / 1024:.1f} to {later / 1024:.1f} MiB"
        if self.heap > ALLOWED_HEAP:
            yield f"each stream leaves {self.heap:.0f} bytes of the heap"
        if self.objects > ALLOWED_OBJECTS:
            yield f"each stream leaves {self.objects:.1f} objects"
