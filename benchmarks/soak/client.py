"""The soak's client: many live streams that come and go in every way a program may end one.

    python -W error -m benchmarks.soak.client TASK

TASK is JSON, see `benchmarks.soak`. For each line that comes in, a number of seconds, it
keeps streams alive for so long. It prints a line of JSON every few seconds and one of what
is left in the end, and writes a line to the journal for each stream that is over: what was
planned, how it ended, and what is wrong with that, if anything.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any, TextIO

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError, StreamClosedException
from amazon_transcribe.handlers import TranscriptResultStreamHandler
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.observe import Observer, StreamInfo
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.transcription import TranscriptEvent
from amazon_transcribe.transports.crt import CrtTransport

from .heard import AUDIO, CHUNK_SECONDS, RATE, Heard, Script
from .watch import Footprint, Watch, belongings, left_since, watch_memory

SHORTEST, LONGEST = 2.0, 150.0  # seconds of a stream, many short ones and few long
SAMPLE_SECONDS = 5.0
PATIENCE = 15.0  # of the program, for what should come at once
# Beyond a stream's own length: a start of 12 s, a send that is given up after 60 s, and
# everything else that may wait; a resumed stream may do all that several times.
HANG_SECONDS = 150.0
# Audio that is later was held back by its stream: it does not go out all at once.
LATE_SECONDS = 2.0

WAYS = {"http2": 55, "shared": 15, "websocket": 10, "awscrt": 10, "resume": 10}
READINGS = {"iterate": 40, "handler": 20, "timed": 15, "two": 10, "unread": 15}
ENDINGS = {"end": 35, "drain": 20, "close": 12, "cancel": 15, "forget": 5, "leave": 5, "pause": 8}


@dataclass(frozen=True)
class Plan:
    """What a program does with one stream.

    :param way: What carries it.
    :param reading: How its results are read.
    :param ending: How the program ends it: the input's end or a drain; `close` by another
        task, `cancel` at any time, `forget` without a word, `leave` the context; or a
        pause longer than the service bears.
    :param idle: The client's policy for the pause.
    :param seconds: Until then.
    """

    way: str
    reading: str
    ending: str
    idle: str
    seconds: float

    @classmethod
    def draw(cls, dice: random.Random) -> Plan:
        way, ending = pick(dice, WAYS), pick(dice, ENDINGS)
        reading = pick(dice, READINGS)
        if way == "resume" and reading not in ("iterate", "timed"):
            reading = "iterate"
        if reading == "unread" and ending in ("end", "pause"):
            ending = "drain"
        if way == "resume":  # it has no drain, owns a task, and goes on after a pause
            ending = {"drain": "end", "forget": "leave", "pause": "end"}.get(ending, ending)
        idle = dice.choice(["wait", "silence", "end"]) if ending == "pause" else "wait"
        seconds = SHORTEST * (LONGEST / SHORTEST) ** dice.random()
        return cls(way, reading, ending, idle, seconds)


def pick(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices([*weights], [*weights.values()])[0]


class Lateness:
    """How long after their time events were handed over, in a histogram of milliseconds."""

    def __init__(self) -> None:
        self._counts = [0] * 5000

    def add(self, seconds: float) -> None:
        self._counts[min(int(seconds * 1000), len(self._counts) - 1)] += 1

    @property
    def events(self) -> int:
        return sum(self._counts)

    def percentile(self, share: float) -> int:
        """The milliseconds that such a share of the events did not exceed."""
        wanted, seen = share * self.events, 0
        for milliseconds, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return milliseconds + 1
        return len(self._counts)


class Opened(Observer):
    """Counts streams that were opened, and the ends that were told of them."""

    def __init__(self) -> None:
        self.streams = 0
        self.ends = 0

    def stream_opened(self, stream: StreamInfo, seconds: float) -> None:
        self.streams += 1

    def stream_ended(
        self, stream: StreamInfo, end: str, seconds: float, error: SDKError | None
    ) -> None:
        self.ends += 1


class Handler(TranscriptResultStreamHandler):
    def __init__(self, stream: Any, heard: Heard) -> None:
        super().__init__(stream)
        self.heard = heard

    async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
        self.heard.take(transcript_event)


class Soak:
    """The streams of one run.

    :param clients: By the way that each is for.
    :param journal: Where the line of each stream goes.
    """

    def __init__(
        self, clients: dict[str, TranscribeStreamingClient], dice: random.Random, journal: TextIO
    ) -> None:
        self.open = self.started = 0
        self.lateness = Lateness()
        self.stopping = asyncio.get_running_loop().create_future()
        self._clients = clients
        self._dice = dice
        self._script = Script(round((LONGEST + HANG_SECONDS) / CHUNK_SECONDS))
        self._journal = journal

    async def keep_one(self, delay: float) -> None:
        """One stream after the other until the soak stops."""
        await asyncio.wait({self.stopping}, timeout=delay)
        while not self.stopping.done():
            await self.one(Plan.draw(self._dice), random.Random(self._dice.random()))

    async def one(self, plan: Plan, dice: random.Random) -> None:
        """One stream, and its line in the journal."""
        session = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        heard = Heard()
        self.started += 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        holding = loop.create_task(self.hold(plan, dice, session, heard))
        limit = plan.seconds + HANG_SECONDS
        problem = None
        if plan.ending == "cancel":
            limit = PATIENCE
            await asyncio.wait(
                {holding, self.stopping},
                timeout=plan.seconds * dice.random(),
                return_when="FIRST_COMPLETED",
            )
            holding.cancel()
        await asyncio.wait({holding}, timeout=limit)
        if not holding.done():
            problem = f"no end: {' > '.join(where(holding))}"
            holding.cancel()
            await asyncio.wait({holding}, timeout=PATIENCE)
            end = "hangs"
        elif holding.cancelled():
            end = "cancelled"
        elif (error := holding.exception()) is not None:
            end = f"broke: {type(error).__name__}"
            problem = f"{error!r} is none of ours"
        else:
            end = holding.result()
        if problem is None and plan.way == "resume":
            problem = heard.is_out_of_step(end)
        elif problem is None:
            problem = heard.differs(self._script, end, plan.idle == "silence")
        line = {
            "session": session,
            **asdict(plan),
            "end": end,
            "took": round(loop.time() - began, 2),
            "reconnects": heard.reconnects,
            "chunks": heard.chunks,
            "cut": self.stopping.done(),
            "detail": heard.detail,
            "problem": problem,
        }
        self._journal.write(json.dumps(line) + "\n")

    async def hold(self, plan: Plan, dice: random.Random, session: str, heard: Heard) -> str:
        """Carry out a plan; the name of the stream's end."""
        try:
            stream = await self.start(plan, session)
        except SDKError as error:
            return heard.ended("start", error)
        self.open += 1
        try:
            return await self.converse(stream, plan, dice, heard)
        finally:
            self.open -= 1
            if plan.ending != "forget":
                await stream.close()

    async def start(self, plan: Plan, session: str) -> Any:
        parameters: dict[str, Any] = {
            "language_code": "en-US",
            "media_sample_rate_hz": RATE,
            "media_encoding": "pcm",
            "session_id": session,
        }
        if plan.way == "resume":
            stream = ResumableTranscription(self._clients["resume"], **parameters)
            await stream.start()
            return stream
        parameters |= {"idle": plan.idle, "idle_after": 1.0}
        return await self._clients[plan.way].start_stream_transcription(**parameters)

    async def converse(self, stream: Any, plan: Plan, dice: random.Random, heard: Heard) -> str:
        """Send and read until the program or somebody else ends the stream."""
        sender = asyncio.create_task(self.send(stream, plan, dice, heard))
        reader = asyncio.create_task(self.read(stream, plan, dice, heard))
        try:
            by_force = plan.ending in ("close", "forget", "leave")
            await asyncio.wait(
                {sender, reader, *({self.stopping} if by_force else ())},
                timeout=plan.seconds if by_force else None,
                return_when="FIRST_COMPLETED",
            )
            if reader.done():
                return read_end(reader, heard)
            if sender.done() and (error := sender.exception()) is not None:
                if plan.reading == "unread" and isinstance(error, SDKError):
                    return heard.ended("send", error)
            elif plan.ending in ("forget", "leave"):
                return {"forget": "forgotten", "leave": "left"}[plan.ending]
            elif plan.ending == "close":
                await stream.close()
                if plan.reading == "unread":
                    return "closed"
            elif plan.ending == "drain":
                if plan.reading in ("timed", "unread") or dice.random() < 0.5:
                    reader.cancel()
                    await asyncio.wait({reader})
                return await drain(stream, reader, heard)
            await asyncio.wait({reader}, timeout=PATIENCE + (60 if plan.way == "resume" else 0))
            return read_end(reader, heard) if reader.done() else "own time-out"
        finally:
            sender.cancel()
            reader.cancel()
            await asyncio.wait({sender, reader})
            for task in (sender, reader):
                if not task.cancelled() and not isinstance(task.exception(), (SDKError, NoneType)):
                    task.result()

    async def send(self, stream: Any, plan: Plan, dice: random.Random, heard: Heard) -> None:
        """Audio in real time, to the plan's end."""
        loop = asyncio.get_running_loop()
        due = loop.time() + dice.random() * CHUNK_SECONDS
        forced = plan.ending in ("close", "cancel", "forget", "leave")
        chunks = round(plan.seconds / CHUNK_SECONDS)
        pause_at = chunks // 2 if plan.ending == "pause" else -1
        while (forced or heard.chunks < chunks) and not self.stopping.done():
            await asyncio.sleep(due - loop.time())
            self.lateness.add(loop.time() - due)
            if heard.chunks == pause_at:
                # Silence is sent as long as it takes; the others end in these 20 s.
                await asyncio.sleep(3.5 if plan.idle == "silence" else 20.0)
            await stream.input_stream.send_audio_event(AUDIO)
            heard.chunks += 1
            due += CHUNK_SECONDS
            if loop.time() - due > LATE_SECONDS:
                due = loop.time()
        if forced:
            await self.stopping
        elif plan.ending != "drain":
            await stream.input_stream.end_stream()

    async def read(self, stream: Any, plan: Plan, dice: random.Random, heard: Heard) -> None:
        """Results to the stream's end."""
        if plan.reading == "handler":
            await Handler(stream.output_stream, heard).handle_events()
        elif plan.reading == "timed":
            with suppress(StopAsyncIteration):
                while True:
                    await read_for(dice.uniform(0.05, 0.5), stream, heard)
        elif plan.reading == "two":
            await asyncio.gather(read_all(stream, heard), read_all(stream, heard))
        elif plan.reading == "iterate":
            await read_all(stream, heard)
        else:
            await asyncio.Event().wait()


def where(task: asyncio.Task[Any]) -> Iterator[str]:
    """The functions, one in the other, in which a task waits."""
    at: Any = task.get_coro()
    while hasattr(at, "cr_await"):
        yield f"{at.cr_code.co_name}:{at.cr_frame.f_lineno}"
        at = at.cr_await


async def read_all(stream: Any, heard: Heard) -> None:
    async for event in stream.output_stream:
        heard.take(event)


async def read_for(seconds: float, stream: Any, heard: Heard) -> None:
    """The next event, if it comes within the program's own time-out."""

    async def read() -> None:
        heard.take(await stream.output_stream.__anext__())  # taken, whoever is cancelled now

    # Not `asyncio.wait_for`: up to Python 3.11 it can swallow a cancellation.
    reading = asyncio.ensure_future(read())
    reading.add_done_callback(lambda r: r.cancelled() or r.exception())  # seen
    try:
        await asyncio.wait({reading}, timeout=seconds)
    finally:
        if reading.cancel():
            await asyncio.wait({reading})
    if not reading.cancelled():
        reading.result()


async def drain(stream: Any, reader: asyncio.Task[None], heard: Heard) -> str:
    """The program's other way to end its input. A reader that goes on gets all the events."""
    alone = reader.done()
    try:
        rest = await stream.drain(PATIENCE)
    except SDKError as error:
        return heard.ended("drain", error)
    if alone:
        for event in rest:
            heard.take(event)
    else:
        await asyncio.wait({reader}, timeout=PATIENCE)
    return "clean end"


def read_end(reader: asyncio.Task[None], heard: Heard) -> str:
    """What the reader found in the end; what is none of ours is raised."""
    error = reader.exception()
    if error is None:
        return "clean end"
    if isinstance(error, StreamClosedException):
        return "closed"
    if isinstance(error, SDKError):
        return heard.ended("read", error)
    raise error


def clients_at(task: dict[str, Any], observer: Observer) -> dict[str, TranscribeStreamingClient]:
    common: dict[str, Any] = {
        "region": "us-east-1",
        "endpoint_url": task["url"],
        "credential_resolver": StaticCredentialResolver(task["access_key"], task["secret"]),
    }
    limiter = StreamLimiter(task["streams"], 100.0)
    return {
        # Where little may be on its way unsent, a server that stops reading is soon noticed.
        "http2": TranscribeStreamingClient(**common, observer=observer, max_unsent=64 * 1024),
        "shared": TranscribeStreamingClient(
            **common, limiter=limiter, max_streams_per_connection=10
        ),
        "websocket": TranscribeStreamingClient(**common, observer=observer, transport="websocket"),
        "awscrt": TranscribeStreamingClient(**common, transport=CrtTransport()),
        "resume": TranscribeStreamingClient(**common, observer=observer),
    }


async def warm_up(task: dict[str, Any]) -> None:
    """One stream each way, so that threads and modules that stay are there before."""
    async with AsyncExitStack() as stack:
        for client in clients_at(task, Observer()).values():
            await stack.enter_async_context(client)
            for _ in range(20):
                try:
                    stream = await client.start_stream_transcription(
                        language_code="en-US", media_sample_rate_hz=RATE, media_encoding="pcm"
                    )
                    await stream.close()
                    break
                except SDKError:
                    continue  # a fault
    await asyncio.sleep(1)


async def main(task: dict[str, Any], journal: TextIO) -> None:
    loop = asyncio.get_running_loop()
    watch = Watch()
    await warm_up(task)
    await loop.run_in_executor(None, int)  # the thread that reads belongs to the beginning
    before = belongings()
    dice = random.Random(task["seed"])
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        memory: list[tuple[float, Footprint]] = []
        told = await soak_for(float(line), task, dice, journal, watch, memory)
        left = {**await left_since(before, PATIENCE), **told.pop("left")}
        print(json.dumps({**watch.report(left, memory), **told}), flush=True)


async def soak_for(
    seconds: float,
    task: dict[str, Any],
    dice: random.Random,
    journal: TextIO,
    watch: Watch,
    memory: list[tuple[float, Footprint]],
) -> dict[str, Any]:
    """So many streams at a time, by clients of their own, until all are over."""
    loop = asyncio.get_running_loop()
    observer = Opened()
    async with AsyncExitStack() as stack:
        clients = clients_at(task, observer)
        for client in clients.values():
            await stack.enter_async_context(client)
        soak = Soak(clients, dice, journal)
        ramp = min(20.0, seconds / 6)
        keepers = [
            loop.create_task(soak.keep_one(ramp * number / task["streams"]))
            for number in range(task["streams"])
        ]
        sampling = loop.create_task(watch_memory(memory))
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(min(SAMPLE_SECONDS, end - loop.time()))
            sample = {"open": soak.open, "started": soak.started, "events": soak.lateness.events}
            print(json.dumps(sample), flush=True)
        sampling.cancel()
        soak.stopping.set_result(None)
        _, late = await asyncio.wait(keepers, timeout=2 * HANG_SECONDS)
        for keeper in keepers:
            keeper.cancel()
            await asyncio.wait({keeper})
            if not keeper.cancelled() and keeper.exception() is not None:
                watch.complain(f"the soak itself failed: {keeper.exception()!r}")
    limiter = clients["shared"].limiter
    return {
        "left": {
            "slots": limiter.open if limiter else 0,
            "untold ends": observer.streams - observer.ends,
            "unended streams": len(late),
        },
        "streams": soak.started,
        "events": soak.lateness.events,
        "late_ms": [soak.lateness.percentile(share) for share in (0.5, 0.99, 0.999)],
    }


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    with Path(given["journal"]).open("w", encoding="utf-8", buffering=1) as file:
        asyncio.run(main(given, file))
