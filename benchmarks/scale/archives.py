"""Archives on Ray: what kills lose, how nodes scale, what Ray costs.

    .venv-ray/bin/python -m benchmarks.scale.archives [kills] [scaling] [cost] [--into FOLDER]

Each node is a `ray start` of its own, on a loopback address of its own. Kills end all processes
of a node, then the driver, with signal 9; the same command then runs again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

# Its nodes and its drivers, which inherit this, must agree; it is read when Ray is imported.
os.environ["RAY_AUTH_MODE"] = "disabled"

import ray

from amazon_transcribe import batch

from .picture import draw

AUDIO = Path(__file__).parents[2] / "examples" / "audio" / "sense_and_sensibility_all.wav"
SCRIPTED = {"engine": "scripted"}
START_TIMEOUT = 120.0
RUN_TIMEOUT = 900.0


class Node:
    """One node of a cluster.

    :param number: From 0, the head's; its address is 127.0.0.2 and so on.
    :param head: The head's address; None for the head itself.
    """

    def __init__(self, number: int, cpus: int, head: str | None, port: int, folder: Path) -> None:
        self.address = f"127.0.0.{number + 2}"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        command += [f"--node-ip-address={self.address}", f"--num-cpus={cpus}"]
        command += ["--object-store-memory=100000000", "--disable-usage-stats"]
        if head is None:
            command += ["--head", f"--port={port}", "--include-dashboard=false"]
            command += [f"--temp-dir={folder}"]
        else:
            command += [f"--address={head}"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> int:
        """Kill all processes of the node; return their number."""
        processes = [*descendants(self.process.pid), self.process.pid]
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        return len(processes)


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                stat = (entry / "stat").read_text("utf-8", errors="replace")
                parent = int(stat.rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = list(parents.get(pid, ()))
    for each in found:  # grows meanwhile
        found += parents.get(each, ())
    return found


@contextmanager
def cluster(nodes: int, cpus: int) -> Iterator[tuple[str, list[Node]]]:
    """Run a cluster, and give its address and its nodes."""
    port = free_port()
    address = f"127.0.0.2:{port}"
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        running = [Node(0, cpus, None, port, Path(folder))]
        try:
            wait(lambda: reachable(port), START_TIMEOUT)
            ray.init(address, logging_level="ERROR", log_to_driver=False)
            for number in range(1, nodes):  # at the same time they take each other's ports
                running.append(Node(number, cpus, address, port, Path(folder)))
                wait(lambda: alive() == len(running), START_TIMEOUT)
            ray.shutdown()
            yield address, running
        finally:
            ray.shutdown()
            for node in reversed(running):
                node.kill()


def free_port() -> int:
    """Return a free port below those that the system gives to others meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as server, suppress(OSError):
            server.bind(("0.0.0.0", port))
            return port


def alive() -> int:
    return sum(node["Alive"] for node in ray.nodes())


def reachable(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.2", port), 1).close()
        return True
    return False


def wait(condition: Callable[[], object], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s")
        time.sleep(0.1)


def make_recordings(folder: Path, number: int, seconds: tuple[float, float]) -> Path:
    """Write recordings: pieces of the example, of lengths between the two, all different."""
    folder.mkdir(parents=True)
    pick = random.Random(number)
    with wave.open(str(AUDIO)) as whole:
        rate, frames = whole.getframerate(), whole.getnframes()
        for index in range(number):
            length = round(pick.uniform(*seconds) * rate)
            whole.setpos(pick.randrange(frames - length))
            with wave.open(str(folder / f"piece-{index:04}.wav"), "wb") as piece:
                piece.setparams((1, 2, rate, 0, "NONE", ""))
                piece.writeframes(whole.readframes(length))
    return folder


def lines_of(results: Path) -> list[dict[str, Any]]:
    """Return the whole lines of the manifest of results."""
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_bytes().split(b"\n")[:-1] if line]


def survive(folder: Path) -> dict[str, Any]:
    """Kill a node, then the driver, and run again; count what is lost, doubled, half."""
    number = 300
    recordings = make_recordings(folder / "recordings", number, (2.0, 5.0))
    out = folder / "transcripts"
    plan = batch.make_plan(recordings, output_dir=out, local=True)
    results = out / "results.jsonl"
    with cluster(3, 1) as (address, nodes):
        command = [sys.executable, "-m", "amazon_transcribe", "batch", "--local", "--quiet"]
        command += ["--ray-address", address, str(recordings), "--output-dir", str(out)]
        began = time.monotonic()
        curve: list[tuple[float, int]] = []

        def done(wanted: int) -> bool:
            curve.append((round(time.monotonic() - began, 1), len(lines_of(results))))
            return curve[-1][1] >= wanted

        driver = subprocess.Popen(command)
        wait(lambda: done(number // 3), RUN_TIMEOUT)
        killed = nodes.pop().kill()
        node_killed = curve[-1]
        wait(lambda: done(number * 2 // 3), RUN_TIMEOUT)
        driver.kill()
        driver.wait()
        driver_killed = curve[-1]
        driver = subprocess.Popen(command)
        wait(lambda: done(number) and driver.poll() is not None, RUN_TIMEOUT)
        assert driver.returncode == 0
        took = curve[-1][0]
    lines = lines_of(results)
    there = {path.name for path in out.iterdir()} - {"results.jsonl", ".batch.lock"}
    wanted = {task.output for task in plan.tasks}
    words = {line["output"]: line["words"] for line in lines}
    return {
        "recordings": number,
        "seconds": took,
        "processes of the killed node": killed,
        "node killed": node_killed,
        "driver killed": driver_killed,
        "more than one attempt": sum(line["attempts"] > 1 for line in lines),
        "outputs": len(there & wanted),
        "lost": len(wanted - there),
        "doubled": len(there - wanted) + len(lines) - len(words),
        "half": sum(
            len((out / name).read_text("utf-8").split()) != words[name] for name in wanted & there
        ),
        "curve": curve[:: max(1, len(curve) // 200)] + curve[-1:],
    }


def scale(folder: Path) -> dict[str, Any]:
    """Time paced recordings on one node and on four."""
    recordings = make_recordings(folder / "recordings", 96, (10.0, 10.0))
    took = {}
    for number in (1, 4):
        with cluster(number, 4) as (address, _):
            took[number] = timed(recordings, folder / f"on-{number}", realtime=True, ray=address)
    return {
        "recordings": 96,
        "seconds of each": 10,
        "streams at a time on a node": 4,
        "seconds on 1 node": round(took[1][0], 1),
        "seconds on 4 nodes": round(took[4][0], 1),
        "efficiency": round(took[1][0] / took[4][0] / 4, 3),
    }


def cost(folder: Path) -> dict[str, Any]:
    """Time a recording by one worker of Ray, and by one of the pool."""
    recordings = make_recordings(folder / "recordings", 400, (1.0, 1.0))
    with cluster(1, 1) as (address, _):
        _, on_ray = timed(recordings, folder / "ray", ray=address)
    _, in_pool = timed(recordings, folder / "pool")
    return {
        "recordings": 400,
        "ms on Ray": round(on_ray * 1000, 2),
        "ms in the pool": round(in_pool * 1000, 2),
        "ms of Ray": round((on_ray - in_pool) * 1000, 2),
    }


def timed(
    recordings: Path, out: Path, *, realtime: bool = False, ray: str | bool = False
) -> tuple[float, float]:
    """Run a batch; return its seconds, and the median ones from an outcome to the next."""
    plan = batch.make_plan(recordings, output_dir=out, local=SCRIPTED, realtime=realtime)
    began = time.perf_counter()
    times = []
    for outcome in batch.run(plan, jobs=None if ray else 1, ray=ray):
        assert outcome.error is None, outcome
        times.append(time.perf_counter())
    took = time.perf_counter() - began
    return took, statistics.median(b - a for a, b in pairwise(times))


MEASURES = {"kills": survive, "scaling": scale, "cost": cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--into", type=Path, help="a folder for the figures and the picture")
    arguments = parser.parse_args()
    figures = {}
    kept = arguments.into and arguments.into / "scale-archives.json"
    if kept and kept.exists():
        figures = json.loads(kept.read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="archives-") as folder:
        for name in arguments.measures or MEASURES:
            figures[name] = MEASURES[name](Path(folder, name))
            print(f"{name}: {json.dumps(figures[name])}", flush=True)
            if kept:
                kept.write_text(json.dumps(figures) + "\n", "utf-8")
    if arguments.into and "kills" in figures:
        (arguments.into / "scale-archives.svg").write_text(draw(figures["kills"]), "utf-8")
    kills = figures.get("kills", {})
    if kills.get("lost") or kills.get("doubled") or kills.get("half"):
        sys.exit("archives: something was lost, doubled or half")
    if figures.get("scaling", {}).get("efficiency", 1) < 0.85:
        sys.exit("archives: four nodes do less than 0.85 of what four times one do")


if __name__ == "__main__":
    main()
