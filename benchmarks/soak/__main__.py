"""A soak: many live streams come and go for half an hour while everything goes wrong.

    python -m benchmarks.soak [--seconds 1800] [--streams 500] [--seed 1] [--json FILE]

One process keeps so many streams alive, in real time and over TLS; the other is the local
server, which strikes them with every fault it knows. `docs/soak.md` says what is done and
what is checked. Exit code 1 when anything is not as it must be. Needs Linux.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amazon_transcribe.eventstream import IMPLEMENTATION

from .verdict import Memory, problems_of, settled

ROOT = Path(__file__).parents[2]
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
        options.json.write_text(json.dumps({**run, "problems": problems}))
    return 1 if problems else 0


def soak(seconds: float, streams: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run both processes; what they said, their memory, and the journals."""
    strikes, journal = folder / "strikes", folder / "streams"
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "PYTHON"))}
    processes: list[subprocess.Popen[str]] = []

    def run(module: str, *arguments: str, **environment: str) -> Callable[[], dict[str, Any]]:
        """Start a process; what comes back reads the next thing that it says."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", f"benchmarks.soak.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**kept, **environment},
        )
        processes.append(process)
        stdout = process.stdout
        assert stdout is not None

        def said() -> dict[str, Any]:
            line = stdout.readline()
            if not line:
                sys.exit(f"the {module} ended early, with exit code {process.wait()}")
            told: dict[str, Any] = json.loads(line)
            return told

        return said

    try:
        server = run("server", str(seed), str(strikes))
        task = {
            **server(),
            "seconds": seconds,
            "streams": streams,
            "seed": seed,
            "journal": str(journal),
        }
        client = run("client", json.dumps(task), SSL_CERT_FILE=task["ca_file"])
        began = time.monotonic()
        samples: list[dict[str, Any]] = []
        while "left" not in (told := client()):
            told["at"] = round(time.monotonic() - began, 1)
            samples.append(told)
            if sys.stderr.isatty():
                print(*(f"{name} {figure}" for name, figure in told.items()), file=sys.stderr)
        told["seconds"] = time.monotonic() - began
        processes[1].wait()  # the client has left
        print(file=processes[0].stdin, flush=True)
        reports = {"server": server(), "client": told}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return {
        "reports": reports,
        "samples": samples,
        "streams": [json.loads(line) for line in journal.read_text().splitlines()],
        "strikes": [line.split() for line in strikes.read_text().splitlines()],
    }


def print_streams(run: dict[str, Any]) -> None:
    streams, client = run["streams"], run["reports"]["client"]
    samples = settled(run["samples"])
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
    print("\nprocess  MiB after a third  at the end  most  KiB a minute  CPU  left  complaints")
    for name, report in run["reports"].items():
        memory = Memory.of(report["memory"])
        print(
            f"{name:8} {memory.first / 1024:17.1f} {memory.last / 1024:11.1f}"
            f" {memory.most / 1024:5.0f} {memory.slope:13.1f}"
            f" {report['cpu'] / run['reports']['client']['seconds']:4.0%}"
            f" {sum(report['left'].values()):5} {sum(report['complaints'].values()):11}"
        )


if __name__ == "__main__":
    sys.exit(main())
