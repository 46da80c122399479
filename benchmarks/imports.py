"""Measure the import of the client, beside the original SDK's and that of asyncio and ssl.

    python -m benchmarks.imports [--rounds N] [--modules N]

Each import has a process of its own, and the imports take turns. The figures are CPU of the
whole process, the interpreter's start included, as minimum and median; the ratio is that of
the minima. A process runs isolated and without `site`, with its environment's packages on the
path: an editable installation has a finder that would count, and other packages' `.pth` files
too. `make interop` builds the original SDK's environment, and without it the row is left out.

The second table has the modules that take longest by `-X importtime`, without those that they
import themselves: milliseconds, the least of the rounds.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALONE = "asyncio and ssl"

MADE = """
from amazon_transcribe.client import TranscribeStreamingClient
TranscribeStreamingClient(region="us-east-1")
"""
PROGRAM = """
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.handlers import TranscriptResultStreamHandler
from amazon_transcribe.model import TranscriptEvent
"""

# What a process imports, and whether the original SDK's environment has it.
CODE = {
    "nothing": ("", False),
    ALONE: ("import asyncio, ssl", False),
    "the client": ("import amazon_transcribe.client", False),
    "the client, and one is made": (MADE, False),
    "client, handlers and model": (PROGRAM, False),
    "the original SDK's client": ("import amazon_transcribe.client", True),
    "the original SDK's client, handlers and model": (PROGRAM, True),
}

# Prints what the process has used, before its end, which takes time too.
CPU = "\nimport resource as r; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"


class Process:
    """A process that imports, in an environment.

    :param python: The environment's interpreter.
    :param path: Where its modules are.
    """

    def __init__(self, python: Path, path: list[str]) -> None:
        self._command = [str(python), "-I", "-S"]
        self._path = f"import sys; sys.path += {path!r}\n"

    def cpu(self, code: str) -> float:
        """Return the milliseconds of CPU that the process takes."""
        return float(self._run("-c", self._path + code + CPU).stdout) * 1e3

    def modules(self, code: str) -> dict[str, float]:
        """Return the milliseconds of each module."""
        report = self._run("-X", "importtime", "-c", self._path + code).stderr
        lines = re.findall(r"import time: +(\d+) \| +\d+ \| +(\S+)", report)
        return {name: int(microseconds) / 1e3 for microseconds, name in lines}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, *arguments],
            check=True,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )


def processes() -> dict[bool, Process]:
    """Return the processes by whether they are of the original SDK's environment."""
    here = Process(Path(sys.executable), [str(ROOT), sysconfig.get_path("purelib")])
    found = {False: here}
    original = Path(f"{sys.prefix}-original")
    if (original / "bin" / "python").exists():
        places = [str(place) for place in original.glob("lib/python*/site-packages")]
        found[True] = Process(original / "bin" / "python", places)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--modules", type=int, default=20, help="how many are listed")
    options = parser.parse_args()
    run = processes()
    cases = {title: case for title, case in CODE.items() if case[1] in run}
    times: dict[str, list[float]] = {title: [] for title in cases}
    modules: dict[str, float] = {}
    for _ in range(options.rounds + 1):  # the first fills the caches, and does not count
        for title, (code, is_original) in cases.items():
            times[title].append(run[is_original].cpu(code))
        for name, milliseconds in run[False].modules(CODE["the client"][0]).items():
            modules[name] = min(modules.get(name, milliseconds), milliseconds)
    alone = min(times[ALONE][1:])
    print("| imported | CPU, ms | to asyncio and ssl |\n|---|--:|--:|")
    for title, (_, *counted) in times.items():
        least, median = min(counted), statistics.median(counted)
        print(f"| {title} | {least:.1f} / {median:.1f} | {least / alone:.2f} |")
    print("\n| module | ms |\n|---|--:|")
    for name in sorted(modules, key=modules.__getitem__, reverse=True)[: options.modules]:
        print(f"| {name} | {modules[name]:.2f} |")


if __name__ == "__main__":
    main()
