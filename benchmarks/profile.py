"""Where the CPU of a paced event goes: kernel, OpenSSL, the event loop, ours by rooms.

    python -m benchmarks.profile [--streams N ...] [--loops LOOP ...] [--seconds N]

It needs Linux and py-spy (`pip install py-spy`), but no root. The client of
`benchmarks.streams` sends ten events a second on each of its streams, over TLS, and py-spy looks
at its stack. A sample belongs to the innermost frame whose file tells where it belongs. The
sampler halts the client for each look, so the CPU of an event is measured in runs without it.
Samples within the loop's wait do not count, since most of them are not work; what the kernel
does for the wait is thus spread over all rows.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from .streams.__main__ import ROOT, running_server, table

RATE = 400  # looks a second
_SET_PTRACER, _ANY = 0x59616D61, 2**64 - 1  # of prctl(2)

# What a frame's text holds, and whose it is then; the first that fits counts.
OWNERS = {
    "sslproto": "the loop's TLS and transport",
    "SSLProtocol": "the loop's TLS and transport",
    "selector_events": "the loop's TLS and transport",
    "UVStream": "the loop's TLS and transport",
    "_ssl": "OpenSSL, with Python's ssl",
    "libssl": "OpenSSL, with Python's ssl",
    "libcrypto": "OpenSSL, with Python's ssl",
    "/ssl.py": "OpenSSL, with Python's ssl",
    "asyncio": "loop, timers, tasks",
    "uvloop": "loop, timers, tasks",
    "libuv": "loop, timers, tasks",
    "selectors.py": "loop, timers, tasks",
    "h2/": "h2",
    "hpack/": "h2",
    "msgspec": "decoding of transcripts",
    "benchmarks/": "the benchmark's pacing",
    "amazon_transcribe/_net": "ours: connection (`_net`)",
    "amazon_transcribe/_stream": "ours: open stream (`_stream`)",
    "amazon_transcribe/_protocol": "ours: conversation (`_protocol`)",
    "amazon_transcribe/_wire": "ours: signing and framing (`_wire`)",
    "_codec": "ours: signing and framing (`_wire`)",
    "amazon_transcribe": "ours: the rest",
}
TRANSFERS = ("send", "recv", "read (", "write (")
OTHER = "interpreter, not to be told whose"
KERNEL = "kernel: send and receive"


def owner(stack: str) -> str | None:
    """Tell whose a sample is; None for one of waiting, and of another thread than the loop's."""
    frames = stack.split(";")
    system_call = frames[-1].lstrip("_") if "/libc" in frames[-1] else ""
    if "run_until_complete" not in stack or system_call.startswith("epoll_"):
        return None
    if system_call.startswith(TRANSFERS):
        return KERNEL
    for frame in reversed(frames):
        for part, whose in OWNERS.items():
            if part in frame:
                return whose
    return OTHER


def look_into_this_process(task: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the sampler, on the server's core."""
    # Where only ancestors may look into a process, this one lets every other.
    ctypes.CDLL(None).prctl(_SET_PTRACER, ctypes.c_ulong(_ANY), 0, 0, 0)
    command = [task["py_spy"], "record", "--pid", str(os.getpid()), "--native"]
    command += ["--format", "raw", "--output", task["samples"], "--full-filenames"]
    command += ["--rate", str(RATE), "--duration", str(int(task["seconds"]))]
    sampler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.sched_setaffinity(sampler.pid, {task["cores"][1]})
    return sampler


async def send(task: dict[str, Any]) -> None:
    """Send paced events in this process, and print what they cost."""
    from .streams import client as clients

    client = clients.CLIENTS.get(task["client"], clients.Ours)(task)
    await client.enter()
    streams, _, base = await clients.started(client, task)
    sampler = None
    if task["samples"]:
        sampler = look_into_this_process(task)
    figures = await clients.real_time(streams, task["seconds"], base)
    if sampler is not None:
        complaint = sampler.communicate(timeout=60)[1]
        if sampler.returncode:
            sys.exit(complaint.decode("utf-8", "replace"))
    print(json.dumps(figures), flush=True)
    os._exit(0)  # how clients close is not measured


def run(task: dict[str, Any], environment: dict[str, str]) -> dict[str, float]:
    """Run a client in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.profile", "--task", json.dumps(task)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    if done.returncode or not done.stdout:
        sys.exit(f"the client failed: {done.stderr[-500:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def split(task: dict[str, Any], environment: dict[str, str]) -> dict[str, float]:
    """Return the microseconds of an event by their owners."""
    event = statistics.median(run(task, environment)["event_us"] for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder, "samples")
        run({**task, "samples": str(samples)}, environment)
        seen: Counter[str] = Counter()
        for line in samples.read_text("utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            if (whose := owner(stack)) is not None:
                seen[whose] += int(count)
    return {whose: count * event / sum(seen.values()) for whose, count in seen.items()}


def main() -> None:
    """Print the split for each loop and number of streams as one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", nargs="+", type=int, default=[200, 1000])
    parser.add_argument("--loops", nargs="+", default=["asyncio", "uvloop"])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task = json.loads(options.task)
        os.sched_setaffinity(0, {task["cores"][0]})
        if task["loop"] == "uvloop":
            import uvloop

            uvloop.run(send(task))
        asyncio.run(send(task))
    py_spy = which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if py_spy is None or len(cores) < 2 or find_spec("uvloop") is None:
        sys.exit("benchmarks.profile needs Linux, two cores, and: pip install py-spy uvloop")
    kept = {n: value for n, value in os.environ.items() if not n.startswith(("AWS_", "PYTHON"))}
    splits = {}
    with running_server(cores[1], False) as (url, authority):
        environment = {**kept, "SSL_CERT_FILE": authority}
        common = {"client": "ours", "shared": False, "url": url, "py_spy": py_spy, "samples": ""}
        common |= {"seconds": options.seconds, "cores": cores}
        for loop in options.loops:
            for streams in options.streams:
                task = {**common, "loop": loop, "streams": streams}
                splits[f"{loop}, {streams:,} streams"] = split(task, environment)
    columns = list(splits.values())
    owners = dict.fromkeys([KERNEL, *OWNERS.values(), OTHER])
    rows = [[whose, *(f"{one.get(whose, 0):.1f}" for one in columns)] for whose in owners]
    rows.append(["together", *(f"{sum(one.values()):.1f}" for one in columns)])
    print(table(["µs an event", *splits], rows))


if __name__ == "__main__":
    main()
