"""Measure whether costs grow: with the streams, with starts, with the events of one stream.

    python -m benchmarks.growth [--rounds N] [--into FOLDER]

All of it is CPU of the client's process, all threads and system calls included, over TLS on
uvloop. The server of `benchmarks.streams` runs in a process of its own. Each count of streams
has a new process, and the figure is the least of the rounds: other processes make it worse,
never better.

- An event: 3,200 bytes of audio. Each stream sends ten and waits for the server's two transcripts
  of them, until all streams together have sent 30,000.
- A start among open streams: of the last ones to be opened, what all but a tenth exceed. Ten
  streams before the first one counted warm up and stay open.
- Starts one after the other: on a connection that is kept, each stream is ended and read to its
  end. The same share of each tenth of them, and the memory that the process has gained since the
  first tenth.
- An hour: the events of a stream that sends ten a second, one after the other as fast as it goes.
  The mean of each tenth, and the memory that the process has gained since the first tenth.

The tables and the picture, `growth.md` and `growth.svg`, go into FOLDER.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.compare.picture import STYLE
from benchmarks.streams.__main__ import ROOT, running_server, table
from benchmarks.streams.client import EVERY, Ours, resident

COUNTS = (1, 10, 100, 1000, 3000)
STARTS = 10_000
SHAPES = {False: "a connection each", True: "one connection"}
COLOURS = {False: "#0a7d62", True: "#c2571a"}
HOUR = 36_000  # events
EVENTS, BATCH = 30_000, 10
WARM_UP = 10
TIME_LIMIT = 600  # of a process


# What a client's process measures


async def among_streams(client: Any, count: int) -> dict[str, float]:
    idle = [await client.start() for _ in range(WARM_UP)]
    streams, costs = [], []
    while len(streams) < count:
        begun = time.process_time()
        streams.append(await client.start())
        costs.append(time.process_time() - begun)
    begun = time.process_time()
    await asyncio.gather(*(carry(stream, EVENTS // count) for stream in streams))
    cost = (time.process_time() - begun) / (EVENTS // count * count)
    assert len(idle) == WARM_UP  # they are kept until here
    return {"event": cost * 1e6, "start": quick(costs[-max(count // 10, 10) :])}


async def carry(stream: Any, count: int) -> None:
    send, results, _ = stream
    for _ in range(count // BATCH):
        for _ in range(BATCH):
            await send()
        for _ in range(BATCH // EVERY):
            await anext(results)


async def in_a_row(client: Any, count: int) -> dict[str, list[float]]:
    figures, memory = [], []
    for _ in range(10):
        costs = []
        for _ in range(count // 10):
            begun = time.process_time()
            _, results, end = await client.start()
            costs.append(time.process_time() - begun)
            await end()
            async for _ in results:
                pass
        figures.append(quick(costs))
        memory.append(resident())
    return {"start": figures, "memory": [kib - memory[0] for kib in memory]}


async def for_an_hour(client: Any, count: int) -> dict[str, list[float]]:
    stream = await client.start()
    figures, memory = [], []
    for _ in range(10):
        begun = time.process_time()
        await carry(stream, count // 10)
        figures.append((time.process_time() - begun) / (count // 10) * 1e6)
        memory.append(resident())
    return {"event": figures, "memory": [kib - memory[0] for kib in memory]}


WORKS = {work.__name__: work for work in (among_streams, in_a_row, for_an_hour)}


def quick(costs: list[float]) -> float:
    """Return the microseconds that all but a tenth exceed."""
    return sorted(costs)[len(costs) // 10] * 1e6


async def measure(task: dict[str, Any]) -> None:
    client = Ours({"client": "ours", **task})
    await client.enter()
    print(json.dumps(await WORKS[task["work"]](client, task["count"])), flush=True)
    os._exit(0)  # how clients close is not measured


# What starts the processes, and shows the figures


def run(url: str, authority: str, **task: Any) -> dict[str, Any]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", "--task", json.dumps({"url": url, **task})],
        env={**kept, "SSL_CERT_FILE": authority},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        timeout=TIME_LIMIT,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def polyline(points: list[tuple[float, float]], colour: str) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def panel(title: str, left: float, lines: dict[str, tuple[str, list[float]]], xs: list[str]) -> str:
    """Draw lines over the same places, from 0 to above the highest figure."""
    width, height, top = 190.0, 130.0, 40.0
    highest = max(max(figures) for _, figures in lines.values())
    step = 10 ** math.floor(math.log10(highest))
    limit = math.ceil(highest / step) * step
    parts = [f'<text class="case" x="{left}" y="{top - 20}">{title}</text>']
    for share in (0, 0.5, 1):
        y = top + height * (1 - share)
        parts.append(
            f'<line class="axis" x1="{left}" y1="{y}" x2="{left + width}" y2="{y}"/>'
            f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{limit * share:g}</text>'
        )
    for at, text in enumerate(xs):
        x = left + width * at / (len(xs) - 1)
        parts.append(f'<text x="{x}" y="{top + height + 18}" text-anchor="middle">{text}</text>')
    for row, (name, (colour, figures)) in enumerate(lines.items()):
        points = [
            (left + width * at / (len(figures) - 1), top + height * (1 - figure / limit))
            for at, figure in enumerate(figures)
        ]
        y = top + height + 40 + 16 * row
        parts.append(polyline(points, colour))
        parts.append(f'<text x="{left + 14}" y="{y}">{name}</text>')
        parts.append(f'<circle cx="{left + 5}" cy="{y - 4}" r="4" fill="{colour}"/>')
    return "".join(parts)


def draw(
    events: dict[bool, list[float]],
    starts: dict[bool, list[float]],
    row: list[float],
    hour: list[float],
) -> str:
    counts = [f"{count:,}" for count in COUNTS]

    def over_streams(figures: dict[bool, list[float]]) -> dict[str, tuple[str, list[float]]]:
        return {SHAPES[shared]: (COLOURS[shared], line) for shared, line in figures.items()}

    tenths = [f"{STARTS * at // 10:,}" if at in (1, 5, 10) else "" for at in range(1, 11)]
    panels = [
        panel("an event among streams, µs", 40, over_streams(events), counts),
        panel("a start among streams, µs", 310, over_streams(starts), counts),
        panel("starts in a row, µs", 570, {"one connection": (COLOURS[True], row)}, tenths),
        panel(
            "an hour's events, µs",
            830,
            {"a connection of its own": (COLOURS[False], hour)},
            [f"{6 * at} min" if at in (1, 5, 10) else "" for at in range(1, 11)],
        ),
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="1050" height="236" viewBox="0 0 1050 236"'
        f' role="img"><title>CPU of events and starts</title><style>{STYLE}</style>'
        + "".join(panels)
        + "</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--into", type=Path, default=ROOT / "docs")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        uvloop.run(measure(options.task))
    events: dict[bool, list[float]] = {shared: [math.inf] * len(COUNTS) for shared in SHAPES}
    starts: dict[bool, list[float]] = {shared: [math.inf] * len(COUNTS) for shared in SHAPES}
    row: list[float] = [math.inf] * 10
    hour: list[float] = [math.inf] * 10
    memory: list[float] = []
    memory_of_hour: list[float] = []
    with running_server(None, False) as (url, authority):
        for _ in range(options.rounds):
            for shared in SHAPES:
                for at, count in enumerate(COUNTS):
                    found = run(url, authority, shared=shared, count=count, work="among_streams")
                    events[shared][at] = min(events[shared][at], found["event"])
                    starts[shared][at] = min(starts[shared][at], found["start"])
            found = run(url, authority, shared=True, count=STARTS, work="in_a_row")
            row = list(map(min, row, found["start"]))
            memory = found["memory"]
            found = run(url, authority, shared=False, count=HOUR, work="for_an_hour")
            hour = list(map(min, hour, found["event"]))
            memory_of_hour = found["memory"]
    heads = ["streams", *(f"{count:,}" for count in COUNTS)]
    rows = [
        [f"{what}, {SHAPES[shared]}", *(f"{figure:,.1f}" for figure in figures[shared])]
        for what, figures in (("an event", events), ("a start", starts))
        for shared in SHAPES
    ]
    tenths = ["starts", *(f"{STARTS * at // 10:,}" for at in range(1, 11))]
    in_row = [
        ["a start", *(f"{figure:,.0f}" for figure in row)],
        ["memory, KiB", *(f"{kib:+,.0f}" for kib in memory)],
    ]
    minutes = ["an hour of one stream, minutes", *(str(6 * at) for at in range(1, 11))]
    in_hour = [
        ["an event", *(f"{figure:,.1f}" for figure in hour)],
        ["memory, KiB", *(f"{kib:+,.0f}" for kib in memory_of_hour)],
    ]
    tables = (
        "\n\n".join([table(heads, rows), table(tenths, in_row), table(minutes, in_hour)]) + "\n"
    )
    print(tables)
    (options.into / "growth.md").write_text(tables, "utf-8")
    (options.into / "growth.svg").write_text(draw(events, starts, row, hour), "utf-8")


if __name__ == "__main__":
    main()
