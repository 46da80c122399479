"""A limit that processes share, while one of them is killed.

    python -m benchmarks.scale.limiter [--into FOLDER]

Eight processes with a `ValkeyStreamLimiter` each have 100 short streams at one local server,
more than its 25 at a time. The server refuses a stream above them, and counts what it refuses.
One process is killed with signal 9 in the middle.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.limiter import Slot
from amazon_transcribe.limiter.valkey import ValkeyStreamLimiter
from amazon_transcribe.observe import LimiterObserver
from tests.support.valkey import valkey_server

from .diagram import draw_limiter
from .publish import publish

PROCESSES = 8
STREAMS = 100  # of each process
LIMIT = 25
LEASE = 9.0  # seconds
ARRIVALS = 25.0  # seconds in which the streams of a process come, at an even pace
CHUNK, CHUNKS = bytes(1600), 10  # 0.1 s each: a stream lasts a second
RUN_TIMEOUT = 600.0
KEYS = ("AKIDEXAMPLE", "secret")


def shared_limiter(url: str, observer: LimiterObserver | None = None) -> ValkeyStreamLimiter:
    """Return a limiter whose streams, not the starts a second, are what is scarce."""
    return ValkeyStreamLimiter(
        url, max_streams=LIMIT, starts_per_second=10_000, lease=LEASE, observer=observer
    )


def tell(**message: object) -> None:
    print(json.dumps(message), flush=True)


class Timed(LimiterObserver):
    """A limiter that tells when each slot was asked for and granted.

    :param url: The server of Valkey.
    """

    def __init__(self, url: str) -> None:
        self.inner = shared_limiter(url, self)

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        asked = time.monotonic()  # one clock for all processes of the machine
        slot = await self.inner.acquire(timeout, closing)
        tell(asked=asked, granted=time.monotonic())
        return slot

    def leases_lost(self, count: int) -> None:
        tell(lost=count)


async def work(valkey: str, endpoint: str, begin: float) -> None:
    """Have all streams of one process."""
    limiter = Timed(valkey)
    async with (
        limiter.inner,
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=endpoint,
            credential_resolver=StaticCredentialResolver(*KEYS),
            limiter=limiter,
            start_timeout=RUN_TIMEOUT,
            start_attempts=1,
        ) as client,
    ):

        async def converse(number: int) -> None:
            await asyncio.sleep(begin + number * ARRIVALS / STREAMS - time.monotonic())
            try:
                stream = await client.start_stream_transcription(
                    language_code="en-US", media_sample_rate_hz=8_000, media_encoding="pcm"
                )
                for _ in range(CHUNKS):
                    await stream.input_stream.send_audio_event(CHUNK)
                    await asyncio.sleep(0.1)
                await stream.drain()
                tell(ended=True)
            except SDKError as error:
                tell(failed=f"{type(error).__name__}: {error}")

        await asyncio.gather(*map(converse, range(STREAMS)))


@dataclass
class Worker:
    """What is known of one process.

    :param grants: When slots were asked for and granted.
    :param lost: Leases that it lost.
    """

    process: asyncio.subprocess.Process
    grants: list[tuple[float, float]] = field(default_factory=list)
    ended: int = 0
    failed: list[str] = field(default_factory=list)
    lost: int = 0

    @property
    def held(self) -> int:
        return len(self.grants) - self.ended - len(self.failed)

    async def follow(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = json.loads(line)
            if "asked" in message:
                self.grants.append((message["asked"], message["granted"]))
            self.ended += "ended" in message
            self.failed += [message["failed"]] if "failed" in message else []
            self.lost += message.get("lost", 0)
        await self.process.wait()


def measure_of(endpoint: str, name: str) -> int:
    """Return the sum of a family of the server's metrics."""
    with urllib.request.urlopen(f"{endpoint}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith(f"transcribe_{name}{{"))


async def start_server() -> tuple[asyncio.subprocess.Process, str]:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "amazon_transcribe", "serve", "--engine", "scripted"),
        *("--max-streams", str(LIMIT), "--credentials", ":".join(KEYS)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    line = await asyncio.wait_for(server.stdout.readline(), RUN_TIMEOUT)
    return server, line.decode().split()[-1]


async def measure() -> dict[str, Any]:
    """Run all processes, kill one, and return the figures."""
    with valkey_server() as valkey:
        acquired = await time_acquire(valkey.url)
        server, endpoint = await start_server()
        workers: list[Worker] = []
        try:
            begin = time.monotonic() + 15  # until then all have started
            for _ in range(PROCESSES):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "benchmarks.scale.limiter", "--work"),
                    *(valkey.url, endpoint, str(begin)),
                    stdout=asyncio.subprocess.PIPE,
                )
                workers.append(Worker(process))
            ends = asyncio.gather(*(worker.follow() for worker in workers))
            figures = await asyncio.wait_for(
                watch(valkey.url, endpoint, workers, ends), RUN_TIMEOUT
            )
        finally:
            for process in [server, *(worker.process for worker in workers)]:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    return {**figures, **waits_of(workers), **acquired}


async def watch(
    valkey: str, endpoint: str, workers: list[Worker], ends: asyncio.Future[Any]
) -> dict[str, Any]:
    """Look at the server and the limiter until all processes have ended."""
    victim = workers[0]
    most = held = 0
    killed_at = seen_at = back_at = 0.0
    async with shared_limiter(valkey) as limiter:
        while not ends.done():
            most = max(most, await asyncio.to_thread(measure_of, endpoint, "streams_open"))
            if not killed_at:
                if (
                    sum(worker.ended for worker in workers) > PROCESSES * STREAMS / 3
                    and victim.held
                ):
                    held, killed_at = victim.held, time.monotonic()
                    victim.process.send_signal(signal.SIGKILL)
            elif not back_at:
                asked_at = time.monotonic()
                if (await limiter.usage()).processes > PROCESSES:  # one of them is this one
                    seen_at = asked_at
                else:
                    back_at = time.monotonic()
            await asyncio.sleep(0.05)
    return {
        "processes": PROCESSES,
        "streams of each": STREAMS,
        "limit": LIMIT,
        "lease": LEASE,
        "most at the server": most,
        "refused by the server": await asyncio.to_thread(measure_of, endpoint, "refusals_total"),
        "failed": sum(len(worker.failed) for worker in workers),
        "leases lost": sum(worker.lost for worker in workers),
        "slots of the killed process": held,
        "not yet back, and back, after": [round(at - killed_at, 2) for at in (seen_at, back_at)],
        "streams that ended": sum(worker.ended for worker in workers),
        "of the killed process": victim.ended,
    }


def waits_of(workers: list[Worker]) -> dict[str, Any]:
    """Return how long starts waited, and how far one overtook another."""
    medians = [
        statistics.median(granted - asked for asked, granted in worker.grants)
        for worker in workers[1:]  # all of whose streams came to their end
    ]
    grants = sorted((g for worker in workers for g in worker.grants), key=lambda grant: grant[1])
    latest, overtaken = 0.0, []
    for asked, _ in grants:
        latest = max(latest, asked)
        overtaken.append(latest - asked)
    return {
        "median waits of the processes": [round(median, 2) for median in sorted(medians)],
        "fair within": round(max(medians) / min(medians), 3),
        **percentiles("wait, s", (granted - asked for asked, granted in grants), 2),
        **percentiles("overtaken by, s", overtaken, 3),
    }


async def time_acquire(valkey: str) -> dict[str, Any]:
    """Time slots that are free, one after the other."""
    times = []
    async with shared_limiter(valkey) as limiter:
        for _ in range(1000):
            began = time.perf_counter()
            (await limiter.acquire(RUN_TIMEOUT)).release()
            times.append(1000 * (time.perf_counter() - began))
    return percentiles("acquire of a free slot, ms", times, 2)


def percentiles(name: str, values: Iterable[float], digits: int) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {f"{name}, p50": round(cuts[49], digits), f"{name}, p99": round(cuts[98], digits)}


def problems_of(figures: dict[str, Any]) -> list[str]:
    checks = {
        "above the limit": figures["refused by the server"]
        or figures["most at the server"] > LIMIT,
        "a stream failed": figures["failed"],
        "a stream is missing": figures["streams that ended"] - figures["of the killed process"]
        != STREAMS * (PROCESSES - 1),
        "slots came back late": figures["not yet back, and back, after"][0] > LEASE,
        "slots did not come back": figures["not yet back, and back, after"][1] <= 0,
        "waits are not fair": figures["fair within"] > 1.5,
    }
    return [problem for problem, there in checks.items() if there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--into", type=Path, help="a folder for the figures")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        valkey, endpoint, begin = arguments.work
        asyncio.run(work(valkey, endpoint, float(begin)))
        return
    publish("limiter", measure, draw_limiter, problems_of, arguments.into)


if __name__ == "__main__":
    main()
