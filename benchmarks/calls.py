"""Count the Python function calls on paths through the package, beside a goal for each.

    python -m benchmarks.calls

The paths:

- Sending: from a call of `send_audio_event` with 3,200 bytes to its return. Its flush: from
  the loop's next call into the package to the socket's `send`.
- Receiving: from `data_received` with a transcript event to the body of `async for`.
- A start: from a call of `start_stream_transcription` to its return, with the loop's turns.
- At the server, a request: from `data_received` to the socket's last `send` of the answer; an
  audio event: the same, with a result of one word by the scripted engine.

The table has the fewest and the most calls in 40 rounds. There are more calls where bytes come
in pieces, in the first event of each second and for results of more words. The figures depend
a little on the Python version, as its asyncio counts too.

One end of the conversation runs in the measured thread and the other end in another thread,
over HTTP/2 without TLS on loopback. `sys.setprofile` reports the calls of the measured one:

- `calls`: functions of the package and of the standard library with its event loop. A coroutine
  counts each time it is resumed, a generator once.
- `ours`: those of `calls` that are the package's.
- `all`: `calls`, and those inside `h2`, `hpack` and `hyperframe`.

Not counted are C functions, this file, the inside of the codec (either twin), comprehensions
(no calls in newer Pythons) and comparisons (the loop's timers need a varying number).
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import platform
import re
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

import amazon_transcribe
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import IMPLEMENTATION
from amazon_transcribe.local import LocalTranscribe

GOALS: dict[str, int | None] = {
    "sending an audio event": 12,
    "the flush behind it": None,
    "receiving a transcript event": 24,
    "a start on a kept connection": 220,
    "a request at the server": 200,
    "an audio event with its result at the server": 55,
}
SENDING, FLUSH, RECEIVING, START, REQUEST, AUDIO = GOALS

ROUNDS, WARM_UP = 40, 5
CHUNK = bytes(3200)  # a quarter of a word of the scripted engine, at 16,000 Hz
WORD = bytes(6400)  # a whole word, at 8,000 Hz
PAUSE, PAUSES = 0.02, 50  # seconds for the other end's answer, and how often at most

PACKAGE = Path(amazon_transcribe.__file__).parent
LIBRARIES = {"h2", "hpack", "hyperframe"}
RECEIVE = re.compile("data_received|buffer_updated")  # methods of an asyncio protocol
ANY = re.compile(".*")
NOT_COUNTED = {"<listcomp>", "<setcomp>", "<dictcomp>", "__lt__"}
COROUTINE = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR

Calls = tuple[int, int, int]  # `calls`, `ours`, `all`

_T = TypeVar("_T")


class Counter:
    """A counter of the calls in the thread that starts it."""

    def __init__(self) -> None:
        self.sent: Calls | None = None  # the counts at the socket's last `send`
        self._calls = self._ours = self._all = 0
        self._first: re.Pattern[str] | None = None
        self._generators: dict[CodeType, int] = {}  # the least `f_lasti` seen, that of a start

    def start(self, first: re.Pattern[str] | None = None) -> None:
        """Count from now on, or from the first call of the package's functions of such a name."""
        self.sent = None
        self._calls = self._ours = self._all = 0
        self._first = first
        sys.setprofile(self._profile)

    def stop(self) -> Calls:
        """Stop counting and return the counts."""
        sys.setprofile(None)
        return (self._calls, self._ours, self._all)

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call" and self._first is None:
            if arg.__name__ in ("send", "sendmsg") and isinstance(arg.__self__, socket.socket):
                self.sent = (self._calls, self._ours, self._all)
        elif event == "call" and self._is_counted(frame):
            origin = origin_of(frame.f_code.co_filename)
            if origin == "ours" and self._first and self._first.fullmatch(frame.f_code.co_name):
                self._first = None
            if origin != "benchmark" and self._first is None:
                caller = calling_origin(frame)
                self._all += caller != "codec"
                self._calls += caller not in ("codec", "library")
                self._ours += origin == "ours"

    def _is_counted(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code.co_flags & inspect.CO_GENERATOR and not code.co_flags & COROUTINE:
            least = self._generators.get(code, frame.f_lasti)
            self._generators[code] = min(frame.f_lasti, least)
            return frame.f_lasti <= least
        return code.co_name not in NOT_COUNTED


@cache
def origin_of(filename: str) -> str:
    """Return the origin of a file's code."""
    path = Path(filename)
    if path == Path(__file__):
        return "benchmark"
    if path.is_relative_to(PACKAGE):
        return "codec" if path.name == "_codec_py.py" else "ours"
    return "other" if LIBRARIES.isdisjoint(path.parts) else "library"


def calling_origin(frame: FrameType) -> str:
    """Return the origin of a frame, for the standard library's that of its nearest other caller."""
    at: FrameType | None = frame
    while at is not None and origin_of(at.f_code.co_filename) == "other":
        at = at.f_back
    return "other" if at is None else origin_of(at.f_code.co_filename)


class OtherThread:
    """An event loop in another thread, where nothing is counted."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def begin(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return await asyncio.wrap_future(self.begin(work))


def client_of(server: LocalTranscribe) -> TranscribeStreamingClient:
    url, keys = server.endpoint_url, server.credentials
    return TranscribeStreamingClient(region="us-east-1", endpoint_url=url, credential_resolver=keys)


def start_stream(client: TranscribeStreamingClient, rate: int) -> Coroutine[Any, Any, Any]:
    return client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=rate, media_encoding="pcm"
    )


async def measure_client(found: dict[str, list[Calls]]) -> None:
    """Count the client's paths; the server is in the other thread."""
    other, counter, server = OtherThread(), Counter(), LocalTranscribe("scripted")
    await other.run(server.start())
    async with client_of(server) as client:
        for _ in range(WARM_UP + ROUNDS):
            counter.start()
            stream = await start_stream(client, 16_000)
            found[START].append(counter.stop())
            await stream.drain()
            await asyncio.sleep(PAUSE)
        stream = await start_stream(client, 16_000)
        send = stream.input_stream.send_audio_event

        async def read() -> None:
            async for _ in stream.output_stream:
                found[RECEIVING].append(counter.stop())

        reader = asyncio.create_task(read())
        for _ in range(4 * (WARM_UP + ROUNDS)):
            counter.start()
            await send(CHUNK)
            found[SENDING].append(counter.stop())
            counter.start(ANY)
            await asyncio.sleep(0)
            counter.stop()
            found[FLUSH].append(counter.sent or (0, 0, 0))
            counter.start(RECEIVE)
            await asyncio.sleep(PAUSE / 4)
        counter.stop()
        reader.cancel()
    await other.run(server.close())


async def measure_server(found: dict[str, list[Calls]]) -> None:
    """Count the server's paths; the client is in the other thread."""
    other, counter = OtherThread(), Counter()

    async def counted(work: Coroutine[Any, Any, _T], path: str) -> _T:
        counter.start(RECEIVE)
        future = other.begin(work)
        for _ in range(PAUSES):  # one, where the machine is not busy
            await asyncio.sleep(PAUSE)
            if counter.sent is not None and future.done():
                break
        counter.stop()
        if counter.sent is not None:
            found[path].append(counter.sent)
        return await asyncio.wrap_future(future)

    async with LocalTranscribe("scripted") as server:
        client = client_of(server)
        await other.run(client.__aenter__())
        for _ in range(WARM_UP + ROUNDS):
            stream = await counted(start_stream(client, 8_000), REQUEST)
            await other.run(stream.drain())
            await asyncio.sleep(PAUSE)
        stream = await other.run(start_stream(client, 8_000))
        for _ in range(WARM_UP + ROUNDS):
            await counted(stream.input_stream.send_audio_event(WORD), AUDIO)
        await other.run(client.close())


def main() -> None:
    found: dict[str, list[Calls]] = defaultdict(list)
    gc.disable()  # finalizers would count wherever they run
    asyncio.run(measure_client(found))
    asyncio.run(measure_server(found))
    print(f"Python {platform.python_version()}, codec: {IMPLEMENTATION}\n")
    print("| path | calls | goal | at most | ours | all |\n|---|--:|--:|--:|--:|--:|")
    for path, goal in GOALS.items():
        rounds = found[path][WARM_UP:]
        calls, ours, every = map(min, zip(*rounds, strict=True))
        figures = (calls, "" if goal is None else goal, max(rounds)[0], ours, every)
        print(f"| {path} | {' | '.join(map(str, figures))} |")


if __name__ == "__main__":
    main()
