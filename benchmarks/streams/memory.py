"""Name what makes up the memory of a TLS stream.

    python -m benchmarks.streams.memory [--streams N] [--rounds N]

Each figure is of a process with one client and N streams, each on a connection of its own, after
20 streams that are not counted: idle, and while each sends ten events a second. One process
measures its resident memory. Another one measures its Python objects with `tracemalloc`, by the
code whose line made them. What lies between the two was taken from the C library: by OpenSSL, by
uvloop, for the pages that are used of uvloop's buffer of 256 KiB, and for what `malloc` cannot
give back. `TLS alone` is the client of `benchmarks.streams` that writes bytes made beforehand,
which count as the benchmark's own.

The figures are the least of the rounds. On a busy machine what cannot be sent in time counts as
memory of the streams that send.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks.streams.__main__ import ROOT, running_server
from benchmarks.streams.client import CLIENTS, Ours, real_time, resident, started

FIRST = 20  # streams that are not counted
BIG = 128 * 1024  # bytes of a block that is mostly pages that nobody uses
SUBJECTS = (
    ("uvloop", "ours", "uvloop"),
    ("asyncio", "ours", "asyncio"),
    ("TLS alone, uvloop", "wire", "uvloop"),
)
ORIGINS = {  # by a part of the file's name, the first that fits
    "/benchmarks/": "the benchmark's own tasks",
    "/amazon_transcribe/_net/": "connection",
    "/amazon_transcribe/transports/": "connection",
    "/amazon_transcribe/": "stream, session, request",
    "/h2/": "`h2`",
    "/hpack/": "`hpack`",
    "/hyperframe/": "`h2`",
    "/ssl.py": "`ssl`: the peer's certificate and the TLS object",
    "": "the loop: transports, timers, tasks",
}
REST = "OpenSSL, uvloop and `malloc`"
ALL = "all: resident memory"


def origin_of(filename: str) -> str:
    """Return whose code a file is."""
    name = filename.replace(os.sep, "/")
    return next(origin for part, origin in ORIGINS.items() if part in name)


def traced() -> Counter[str]:
    """Return the KiB of the Python objects that there are, by their origin."""
    gc.collect()
    sizes: Counter[str] = Counter()
    for trace in tracemalloc.take_snapshot().traces:
        if trace.size < BIG:
            sizes[origin_of(trace.traceback[0].filename)] += trace.size
    return Counter({origin: round(size / 1024) for origin, size in sizes.items()})


async def measure(task: dict[str, Any]) -> None:
    """Print what the streams take, idle and sending."""
    client = CLIENTS.get(task["client"], Ours)(task)
    await client.enter()
    uncounted = await started(client, {**task, "streams": FIRST})
    figures: dict[str, Mapping[str, float]] = {}
    if task["traced"]:
        tracemalloc.start()
    first = resident()
    streams, _, base = await started(client, task)

    def note(state: str) -> None:
        figures[state] = traced() if task["traced"] else {ALL: resident() - first}

    await asyncio.sleep(0.5)
    note("idle")
    sending = asyncio.ensure_future(real_time(streams, task["seconds"], base))
    await asyncio.sleep(task["seconds"])
    note("sending")
    await sending
    del uncounted
    print(json.dumps(figures), flush=True)
    os._exit(0)  # how clients close is not measured


def run(task: dict[str, Any], authority: str) -> dict[str, dict[str, float]]:
    """Return the figures of one process, in KiB a stream."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.streams.memory", "--task", json.dumps(task)],
        env={**kept, "SSL_CERT_FILE": authority},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=300,
        check=True,
    )
    figures: dict[str, dict[str, float]] = json.loads(done.stdout)
    return {
        state: {origin: kib / task["streams"] for origin, kib in of.items()}
        for state, of in figures.items()
    }


def table(columns: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table, a column for each loop and state."""
    rows = [*dict.fromkeys(ORIGINS.values()), REST, ALL]
    lines = ["| KiB a stream | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    for row in rows:
        cells = [f"{column[row]:.1f}" if row in column else "–" for column in columns.values()]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of sending")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        if options.task["loop"] == "uvloop":
            import uvloop

            uvloop.run(measure(options.task))
        else:
            asyncio.run(measure(options.task))
    columns: dict[str, dict[str, float]] = {}
    with running_server(None, False) as (url, authority):
        for title, client, loop in SUBJECTS:
            task = {"url": url, "client": client, "loop": loop, "shared": False}
            task |= {"streams": options.streams, "seconds": options.seconds, "traced": False}
            found = [run(task, authority) for _ in range(options.rounds)]
            for state, objects in run({**task, "traced": True}, authority).items():
                whole = min(each[state][ALL] for each in found)
                rest = whole - sum(objects.values())
                columns[f"{title}, {state}"] = {**objects, REST: rest, ALL: whole}
    print(table(columns))


if __name__ == "__main__":
    main()
