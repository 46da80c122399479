"""A soak: many live streams come and go for half an hour while everything goes wrong.

    python -m benchmarks.soak [--seconds 1800] [--streams 500] [--seed 1] [--json FILE]

One process keeps so many streams alive, in real time and over TLS; the other is the local
server, which strikes them with every fault it knows. `docs/soak.md` says what is done and
what is checked. Exit code 1 when anything is not as it must be. It needs Linux with glibc
2.33 or later.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from amazon_transcribe.eventstream import IMPLEMENTATION

from .verdict import Memory, problems_of
from .watch import CAN_LOOK

ROOT = Path(__file__).parents[2]
WARM_UP_SECONDS = 120.0
SHOWN = 40  # problems


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--streams", type=int, default=500, help="alive at any time")
    parser.add_argument("--seed", type=int, default=1, help="of the plans and the faults")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all figures go as well")
    options = parser.parse_args()
    if not CAN_LOOK:
        parser.error("the soak looks into its memory: it needs Linux with glibc 2.33 or later")
    with tempfile.TemporaryDirectory() as folder:
        run = soak(options.seconds, options.streams, options.seed, Path(folder))
    problems = problems_of(run)
    print(
        f"{options.seconds:g} s, {options.streams} streams, seed {options.seed};"
        f" CPython {platform.python_version()}, codec {IMPLEMENTATION}, {os.cpu_count()} cores\n"
    )
    print_streams(run)
    print_processes(run)
    print(f"\n{len(problems)} problems")
    for problem in problems[:SHOWN]:
        print(f"  {problem}")
    if options.json:
        options.json.write_text(json.dumps({**run, "problems": problems}), "utf-8")
    return 1 if problems else 0


class Process:
    """One of the two, with the lines that it hears and says."""

    def __init__(self, module: str, *arguments: str, **environment: str) -> None:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "PYTHON"))}
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", f"benchmarks.soak.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=ROOT,
            env={**kept, **environment},
        )

    def tell(self, line: str = "") -> None:
        print(line, file=self._process.stdin, flush=True)

    def said(self) -> dict[str, Any]:
        """The next thing that it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"the {self._module} ended early, with exit code {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def soak(seconds: float, streams: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run both processes, once to warm them up: what they said, their memory, the journals."""
    strikes, journal = folder / "strikes", folder / "streams"
    with ExitStack() as stack:
        server = Process("server", str(seed), str(strikes))
        stack.callback(server.kill)
        ready = server.said()
        task = {**ready, "streams": streams, "seed": seed, "journal": str(journal)}
        client = Process("client", json.dumps(task), SSL_CERT_FILE=ready["ca_file"])
        stack.callback(client.kill)
        warm_up = soak_for(min(WARM_UP_SECONDS, seconds / 6), client, server)
        run = soak_for(seconds, client, server)
    return {
        **run,
        "warm_up": warm_up["reports"],
        "streams": [json.loads(line) for line in journal.read_text("utf-8").splitlines()],
        "strikes": [line.split() for line in strikes.read_text("utf-8").splitlines()],
    }


def soak_for(seconds: float, client: Process, server: Process) -> dict[str, Any]:
    """Keep streams alive for so long: what both say in the end, and the client on the way."""
    began = time.monotonic()
    samples = []
    client.tell(str(seconds))
    while "left" not in (told := client.said()):
        samples.append({"at": round(time.monotonic() - began, 1), **told})
        if sys.stderr.isatty():
            print(*(f"{name} {figure}" for name, figure in samples[-1].items()), file=sys.stderr)
    took = time.monotonic() - began
    server.tell()
    return {
        "seconds": took,
        "samples": samples,
        "reports": {"server": server.said(), "client": told},
    }


def print_streams(run: dict[str, Any]) -> None:
    streams, client = run["streams"], run["reports"]["client"]
    samples = run["samples"]
    samples = samples[len(samples) // 3 :]
    alive = [sample["open"] for sample in samples]
    events = samples[-1]["events"] - samples[0]["events"]
    rate = events / (samples[-1]["at"] - samples[0]["at"])
    ways = Counter(stream["way"] for stream in streams)
    late = " / ".join(str(milliseconds) for milliseconds in client["late_ms"])
    print(f"streams over        {len(streams):10,}")
    print(f"  by their way      {', '.join(f'{way} {n:,}' for way, n in ways.most_common())}")
    print(f"open at a time      {sum(alive) / len(alive):10.0f} on average, {min(alive)} at least")
    print(f"audio events        {client['events']:10,}")
    print(f"  a second          {rate:10,.0f}")
    print(f"  late by ms        {late:>10} at most, for 50 / 99 / 99.9 %")
    print(f"reconnects          {sum(stream['reconnects'] for stream in streams):10,}")
    for title, counted in (
        ("faults that struck", Counter(kind for kind, _ in run["strikes"])),
        ("ends", Counter(stream["end"] for stream in streams)),
    ):
        print(f"{title:19} {sum(counted.values()):10,}")
        for name, count in counted.most_common():
            print(f"  {name:40} {count:7,}")


def print_processes(run: dict[str, Any]) -> None:
    print("\nMiB resident  before  second third  last third  after  left by a stream   CPU")
    for name, report in run["reports"].items():
        memory = Memory.of(run, name)
        cpu = report["cpu"] - run["warm_up"][name]["cpu"]
        print(
            f"{name:12} {memory.before / 1024:7.1f} {memory.middle / 1024:13.1f}"
            f" {memory.last / 1024:11.1f} {memory.after / 1024:6.1f}"
            f" {memory.heap:5.1f} B, {memory.objects:5.3f} objects {cpu / run['seconds']:4.0%}"
        )


if __name__ == "__main__":
    sys.exit(main())
