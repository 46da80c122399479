"""Python function calls on five walks through the product, beside the goal of each.

    python -m benchmarks.calls

Prints a table: of each walk the fewest calls in 40 rounds, the goal, the most, and the fewest
by two other ways to count. The figures depend a little on Python's version, for its asyncio.

`sys.setprofile` tells of the calls in the one thread that is measured; the other end of the
conversation runs in another one, over HTTP/2 without TLS on loopback.

`calls`: functions written in Python, the product's and the standard library's with its event
loop. A coroutine counts again each time it is resumed; a generator counts once, as it begins.
Comprehensions do not count, of which later Pythons make no calls, nor do comparisons, of which
the loop's timers need more or fewer. Neither do C functions and this benchmark's own, nor what
happens inside the codec (compiled or `_codec_py.py`), `h2`, `hpack` and `hyperframe`.
`ours`: those of `calls` whose code lies in the package. `all`: `calls` and what happens inside
`h2`, `hpack` and `hyperframe`.

- Sending goes from `send_audio_event` with 3,200 bytes to its return; the flush behind it from
  the first call into the product in the loop's next turn to the socket's `send`.
- Receiving goes from `data_received` with a transcript event to the body of `async for`.
- A start goes from `start_stream_transcription` to its return, the loop's turns included.
- A request goes from `data_received` to the socket's last `send` of the answer, and so does an
  audio event, with a result of one word by the scripted engine.

More are made where bytes come in pieces, a new second is signed or a result has more words.
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
CHUNK = bytes(3200)  # a fourth of a word of the scripted engine, at 16,000 Hz
WORD = bytes(6400)  # a whole one, at 8,000 Hz
PAUSE = 0.02  # seconds in which the other end has answered

PACKAGE = Path(amazon_transcribe.__file__).parent
LIBRARIES = {"h2", "hpack", "hyperframe"}
TAKES_BYTES = re.compile("data_received|buffer_updated")  # of an `asyncio` protocol
ANY = re.compile(".*")
NO_CALLS = {"<listcomp>", "<setcomp>", "<dictcomp>", "__lt__"}
COROUTINE = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR

Calls = tuple[int, int, int]  # by each way to count: `calls`, `ours`, `all`

_T = TypeVar("_T")


class Counter:
    """Counts the calls of the thread in which it is started."""

    def __init__(self) -> None:
        self.written: Calls | None = None  # so many when the socket last took bytes
        self._counted = self._ours = self._all = 0
        self._opens: re.Pattern[str] | None = None
        self._beginnings: dict[CodeType, int] = {}  # the least `f_lasti` that was seen

    def start(self, opens: re.Pattern[str] | None = None) -> None:
        """Count from now on, or from the first of our functions of such a name."""
        self.written = None
        self._counted = self._ours = self._all = 0
        self._opens = opens
        sys.setprofile(self._note)

    def stop(self) -> Calls:
        """Count no more; how many there were."""
        sys.setprofile(None)
        return (self._counted, self._ours, self._all)

    def _note(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call" and self._opens is None:
            if arg.__name__ in ("send", "sendmsg") and isinstance(arg.__self__, socket.socket):
                self.written = (self._counted, self._ours, self._all)
        elif event == "call" and self._is_call(frame):
            kind = whose(frame.f_code.co_filename)
            if (
                kind == "ours"
                and self._opens is not None
                and self._opens.fullmatch(frame.f_code.co_name)
            ):
                self._opens = None
            if kind != "benchmark" and self._opens is None:
                within = within_whose(frame)
                self._all += within != "codec"
                self._counted += within not in ("codec", "library")
                self._ours += kind == "ours"

    def _is_call(self, frame: FrameType) -> bool:
        """Whether it counts that this frame is entered."""
        code = frame.f_code
        if code.co_flags & inspect.CO_GENERATOR and not code.co_flags & COROUTINE:
            seen = self._beginnings.get(code, frame.f_lasti)
            self._beginnings[code] = min(frame.f_lasti, seen)
            return frame.f_lasti <= seen
        return code.co_name not in NO_CALLS


@cache
def whose(filename: str) -> str:
    """Who has written the code of a file."""
    path = Path(filename)
    if path == Path(__file__):
        return "benchmark"
    if path.is_relative_to(PACKAGE):
        return "codec" if path.name == "_codec_py.py" else "ours"
    return "other" if LIBRARIES.isdisjoint(path.parts) else "library"


def within_whose(frame: FrameType) -> str:
    """Who has written it, or of the callers of a standard function the nearest other one."""
    at: FrameType | None = frame
    while at is not None and whose(at.f_code.co_filename) == "other":
        at = at.f_back
    return "other" if at is None else whose(at.f_code.co_filename)


class Elsewhere:
    """An event loop in a thread of its own, where nothing is counted."""

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


async def walk_client(found: dict[str, list[Calls]]) -> None:
    """Take the walks of the client; its server is elsewhere."""
    elsewhere, counter, server = Elsewhere(), Counter(), LocalTranscribe("scripted")
    await elsewhere.run(server.start())
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
            found[FLUSH].append(counter.written or (0, 0, 0))
            counter.start(TAKES_BYTES)
            await asyncio.sleep(PAUSE / 4)
        counter.stop()
        reader.cancel()
    await elsewhere.run(server.close())


async def walk_server(found: dict[str, list[Calls]]) -> None:
    """Take the walks of the server; its client is elsewhere."""
    elsewhere, counter = Elsewhere(), Counter()

    async def counted(work: Coroutine[Any, Any, _T], walk: str) -> _T:
        counter.start(TAKES_BYTES)
        future = elsewhere.begin(work)
        await asyncio.sleep(PAUSE)
        counter.stop()
        if counter.written is not None:
            found[walk].append(counter.written)
        return await asyncio.wrap_future(future)

    async with LocalTranscribe("scripted") as server:
        client = client_of(server)
        await elsewhere.run(client.__aenter__())
        for _ in range(WARM_UP + ROUNDS):
            stream = await counted(start_stream(client, 8_000), REQUEST)
            await elsewhere.run(stream.drain())
            await asyncio.sleep(PAUSE)
        stream = await elsewhere.run(start_stream(client, 8_000))
        for _ in range(WARM_UP + ROUNDS):
            await counted(stream.input_stream.send_audio_event(WORD), AUDIO)
        await elsewhere.run(client.close())


def main() -> None:
    found: dict[str, list[Calls]] = defaultdict(list)
    gc.disable()  # finalizers would run anywhere
    asyncio.run(walk_client(found))
    asyncio.run(walk_server(found))
    print(f"Python {platform.python_version()}, codec: {IMPLEMENTATION}\n")
    print("| walk | calls | goal | at most | ours | all |\n|---|--:|--:|--:|--:|--:|")
    for walk, goal in GOALS.items():
        rounds = found[walk][WARM_UP:]
        calls, ours, every = map(min, zip(*rounds, strict=True))
        figures = (calls, "" if goal is None else goal, max(rounds)[0], ours, every)
        print(f"| {walk} | {' | '.join(map(str, figures))} |")


if __name__ == "__main__":
    main()
