"""What many live streams cost: ours, ours on awscrt, the original SDK and its successor.

    python -m benchmarks.streams [--quick] [--first] [--only CLIENT ...] [--into FILE]

One run measures all of them against the same server, each client alone in a process, on
one core, the server on another. The original and its successor live in environments of
their own, which `make interop` builds beside this one; without them they are left out.
`docs/streams.md` says what the figures mean. The tables go to standard output and to
FILE, in place of what stands behind its mark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amazon_transcribe import __version__
from amazon_transcribe.eventstream import IMPLEMENTATION
from amazon_transcribe.local.listeners.certificates import make_certificates

ROOT = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("client.py")
LATE_MS = 20.0
MARK = "<!-- What follows is written by python -m benchmarks.streams. -->"
TIME_LIMIT = 120


@dataclass(frozen=True)
class Subject:
    """A client in one of its shapes."""

    name: str
    title: str
    client: str
    loop: str = "asyncio"
    shared: bool = False
    environment: str | None = None
    crowd: int = 1000  # streams for the figures of many
    capacity: tuple[int, ...] = (1000, 1250, 1500, 2000, 2500, 3000)

    @property
    def carries_crowd(self) -> bool:
        """Whether it can send on 1,000 streams in time: else what is late takes memory."""
        return self.capacity[0] >= 1000

    @property
    def interpreter(self) -> Path:
        if self.environment is None:
            return Path(sys.executable)
        return Path(f"{sys.prefix}-{self.environment}") / "bin" / "python"


PACED = (200, 300)  # streams; the successor carries no more
PEERS = (100, 200, 300, 400, 600, 800, 1000)
SUBJECTS = [
    Subject("ours-uvloop", "ours, uvloop", "ours", "uvloop"),
    Subject("ours", "ours, asyncio", "ours"),
    Subject("shared-uvloop", "ours, uvloop, one connection", "ours", "uvloop", shared=True),
    Subject("shared", "ours, asyncio, one connection", "ours", shared=True),
    Subject("crt", "ours on awscrt, asyncio", "crt", capacity=(200, 400, 600, 800, 1000)),
    Subject(
        "original",
        "amazon-transcribe 0.6.4, one connection",
        "original",
        environment="original",
        crowd=200,
        capacity=PEERS,
    ),
    Subject(
        "successor",
        "aws-sdk-transcribe-streaming 0.12.0, one connection",
        "successor",
        environment="aws-sdk",
        crowd=200,
        capacity=PEERS,
    ),
]


FLOORS = [
    Subject("wire-uvloop", "TLS alone, uvloop", "wire", "uvloop"),
    Subject("wire", "TLS alone, asyncio", "wire"),
    Subject("nothing-uvloop", "the benchmark's own pacing, uvloop", "nothing", "uvloop"),
    Subject("nothing", "the benchmark's own pacing, asyncio", "nothing"),
]


class Bench:
    """The server's address and what every run has in common."""

    def __init__(self, url: str, ca_file: str, core: int | None, options: argparse.Namespace):
        self.url = url
        self.core = core
        self.rounds = 1 if options.quick else options.rounds
        self.seconds = 2.0 if options.quick else options.seconds
        self.first = options.first
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "PYTHON"))}
        self.environment = {**kept, "SSL_CERT_FILE": ca_file}

    def run(self, subject: Subject, streams: int, **what: Any) -> dict[str, float] | None:
        """The figures of one client process, None when it failed or took too long."""
        task = {
            "client": subject.client,
            "loop": subject.loop,
            "shared": subject.shared,
            "url": self.url,
            "core": self.core,
            "first": False,
            "streams": streams,
            "kept": False,
            "idle": 0,
            "real_time": 0,
            "full_rate": 0,
            **what,
        }
        environment = dict(self.environment)
        if subject.environment is None:
            environment["PYTHONPATH"] = str(ROOT)
        try:
            done = subprocess.run(
                [subject.interpreter, CLIENT, json.dumps(task)],
                env=environment,
                cwd=CLIENT.parent,
                capture_output=True,
                encoding="utf-8",
                timeout=TIME_LIMIT,
            )
        except subprocess.TimeoutExpired:
            print(f"{subject.name}: {streams} streams: no end in {TIME_LIMIT} s", file=sys.stderr)
            return None
        if not done.stdout:
            print(f"{subject.name}: {streams} streams: {done.stderr[-300:]}", file=sys.stderr)
            return None
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def rounds_of(self, subjects: list[Subject], **what: Any) -> dict[str, dict[str, list[float]]]:
        """Figures by client and name, one of each round; the clients take turns."""
        found: dict[str, dict[str, list[float]]] = {}
        for _ in range(self.rounds):
            for subject in subjects:
                given = dict(what)
                streams = given.pop("streams") or subject.crowd
                for name, figure in (self.run(subject, streams, **given) or {}).items():
                    found.setdefault(subject.name, {}).setdefault(name, []).append(figure)
        return found

    def capacity(self, subject: Subject) -> tuple[int, dict[str, float]]:
        """The most streams whose events are in time, and the figures of that run."""
        best: tuple[int, dict[str, float]] = (0, {})
        for streams in subject.capacity:
            for attempt in range(max(self.rounds, 2)):
                # A thread that never sleeps takes whole turns of 100 ms from the others
                # under SCHED_RR: who fails so gets a chance without.
                first = self.first and attempt % 2 == 0
                figures = self.run(subject, streams, real_time=self.seconds, first=first)
                if figures and figures["p99_ms"] <= LATE_MS:
                    best = (streams, figures)
                    break
            else:
                return best
        return best


@contextmanager
def running_server(core: int | None, first: bool) -> Iterator[tuple[str, str]]:
    """The server in a process of its own: its URL and the file with its authority."""
    made = make_certificates(["localhost", "127.0.0.1"])
    with tempfile.TemporaryDirectory() as folder:
        certificate, authority = Path(folder, "server.pem"), Path(folder, "ca.pem")
        certificate.write_bytes(made.certificate + made.key)
        authority.write_bytes(made.authority)
        command = [sys.executable, "-m", "benchmarks.streams.server", str(certificate)]
        server = subprocess.Popen(
            command if core is None else [*command, str(core), *(["first"] if first else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=ROOT,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield f"https://localhost:{int(server.stdout.readline())}", str(authority)
        finally:
            server.stdin.close()
            server.wait()


def two(figures: list[float] | None, form: str = ".1f") -> str:
    """Minimum and median."""
    if not figures:
        return "–"
    return f"{min(figures):{form}} / {statistics.median(figures):{form}}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def cost_of_events(bench: Bench, subjects: list[Subject]) -> str:
    full = bench.rounds_of(subjects, streams=10, full_rate=bench.seconds)
    everyone = [*subjects, *FLOORS]
    few, more = (
        bench.rounds_of(everyone, streams=streams, real_time=bench.seconds) for streams in PACED
    )
    pacing = {
        subject.loop: statistics.median(few[subject.name]["event_us"])
        for subject in FLOORS
        if subject.client == "nothing"
    }
    rows = []
    for subject in everyone:
        fast, slow = full.get(subject.name, {}), few.get(subject.name, {})
        costs = slow.get("event_us", [])
        alone = subject.client == "nothing"
        rows.append(
            [
                subject.title,
                two(fast.get("event_us")),
                f"{max(fast['rate']):,.0f}" if "rate" in fast else "–",
                two(costs),
                "–" if alone else two([cost - pacing[subject.loop] for cost in costs]),
                "–" if alone else two(slow.get("p99_ms")),
                two(more.get(subject.name, {}).get("event_us")),
            ]
        )
    heads = [
        "",
        "full rate, µs an event",
        "events/s",
        f"{PACED[0]} streams, µs an event",
        "without pacing, µs",
        "p99 late, ms",
        f"{PACED[1]} streams, µs",
    ]
    return table(heads, rows)


def idle_and_memory(bench: Bench, subjects: list[Subject]) -> str:
    few = bench.rounds_of(subjects, streams=50, idle=bench.seconds)
    many = bench.rounds_of(subjects, streams=None, idle=bench.seconds)
    everyone = [*subjects, *FLOORS]
    sending = bench.rounds_of(everyone, streams=200, real_time=bench.seconds)
    crowd = bench.rounds_of(
        [s for s in everyone if s.carries_crowd], streams=None, real_time=bench.seconds
    )
    rows = []
    for subject in everyone:
        small, big = few.get(subject.name, {}), many.get(subject.name, {})
        rows.append(
            [
                subject.title,
                two([100 * share for share in small.get("idle", [])], ".2f"),
                two([100 * share for share in big.get("idle", [])], ".2f"),
                f"{subject.crowd:,}" if big else "–",
                two(big.get("kib")),
                two(sending.get(subject.name, {}).get("sending_kib")),
                two(crowd.get(subject.name, {}).get("sending_kib")),
            ]
        )
    heads = [
        "",
        "idle CPU, 50 streams, %",
        "idle CPU, many, %",
        "many",
        "KiB a stream, idle",
        "sending, 200 streams",
        "sending, 1,000",
    ]
    return table(heads, rows)


def starts(bench: Bench, subjects: list[Subject]) -> str:
    found = bench.rounds_of(subjects, streams=21)
    kept = bench.rounds_of([s for s in subjects if s.client == "ours"], streams=1, kept=True)
    rows = [
        [
            subject.title,
            two(found.get(subject.name, {}).get("cold_ms")),
            two(found.get(subject.name, {}).get("warm_ms")),
            two(kept.get(subject.name, {}).get("kept_ms")),
        ]
        for subject in subjects
    ]
    return table(["", "first in the process, ms", "later, ms", "on a kept connection, ms"], rows)


def capacities(bench: Bench, subjects: list[Subject]) -> str:
    rows = []
    for subject in subjects:
        streams, figures = bench.capacity(subject)
        row = ["–", "–", "–", "–"]
        if streams:
            most = "≥ " if streams == subject.capacity[-1] else ""
            row = [
                f"{most}{streams:,}",
                f"{100 * figures['cpu']:.0f}",
                f"{figures['event_us']:.0f}",
                f"{figures['p99_ms']:.1f}",
            ]
        rows.append([subject.title, *row])
    return table(["", "streams", "CPU, %", "µs an event", "p99 late, ms"], rows)


def setting(core: int | None, options: argparse.Namespace) -> str:
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    packages = ", ".join(f"{name} {version(name)}" for name in ("h2", "awscrt", "uvloop"))
    pinned = "client and server each on a core of its own" if core is not None else "not pinned"
    if options.first:
        pinned += (
            ", for the lateness scheduled before the busy machine's other processes (SCHED_RR)"
        )
    rounds = "one short round" if options.quick else f"{options.rounds} rounds"
    return (
        f"{time.strftime('%Y-%m-%d')}; {processor}, {os.cpu_count()} cores, {pinned};"
        f" {platform.system()} {platform.release()}; CPython {platform.python_version()},"
        f" amazon-transcribe {__version__} (codec: {IMPLEMENTATION}), {packages}."
        f" Figures: minimum / median of {rounds}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument(
        "--first",
        action="store_true",
        help="lateness: before all other processes (SCHED_RR; needs the right to it)",
    )
    parser.add_argument("--only", nargs="+", choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "streams.md")
    options = parser.parse_args()
    if find_spec("uvloop") is None:
        sys.exit("benchmarks.streams needs uvloop: pip install uvloop")
    subjects = [s for s in SUBJECTS if not options.only or s.name in options.only]
    for subject in subjects:
        if not subject.interpreter.exists():
            print(f"left out: {subject.title}; `make interop` builds it", file=sys.stderr)
    subjects = [subject for subject in subjects if subject.interpreter.exists()]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    client_core, server_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    parts = [setting(client_core, options)]
    with running_server(server_core, options.first) as (url, authority):
        bench = Bench(url, authority, client_core, options)
        for title, measure in (
            ("CPU of a 3.2 KB event", cost_of_events),
            ("Streams at 10 events a second on one core, 99 % at most 20 ms late", capacities),
            ("Idle streams, and memory", idle_and_memory),
            ("Time to start a stream", starts),
        ):
            parts += [f"## {title}", measure(bench, subjects)]
            print("\n\n".join(parts[-2:]), end="\n\n", flush=True)
    page = options.into.read_text("utf-8") if options.into.exists() else ""
    text = page.partition(MARK)[0] + MARK
    options.into.write_text("\n\n".join([text, *parts]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
