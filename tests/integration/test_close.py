"""Closing at any moment leaves no task, thread or socket behind, and says nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from tests.support.callers import SECOND, client_of, final_texts, start


class ThreadedEngine(ScriptedEngine):
    """An engine that works in threads, as the real ones do."""

    quick = False


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Life:
    """A server, its client and their conversations, from their beginning.

    :param transport: Of the client.
    :param ports: Where to note the server's port.
    """

    def __init__(self, transport: Any, ports: set[str]) -> None:
        self.server = LocalTranscribe(ThreadedEngine())
        self.client: TranscribeStreamingClient | None = None
        self._transport = transport
        self._ports = ports

    async def run(self) -> None:
        await self.server.start()
        self._ports.add(self.server.endpoint_url.rpartition(":")[2])
        self.client = client_of(self.server, transport=self._transport, start_attempts=1)
        talks = [self._talk(seconds) for seconds in (1, 30, 60)]
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, seconds: int) -> None:
        assert self.client is not None
        stream = await start(self.client)

        async def send() -> None:
            for _ in range(seconds):
                await stream.input_stream.send_audio_event(audio_chunk=SECOND)
            await stream.input_stream.end_stream()

        await asyncio.gather(send(), final_texts(stream), return_exceptions=True)

    async def close_client(self) -> None:
        if self.client is not None:
            await self.client.close()

    async def close_server(self) -> None:
        await self.server.close()


def forgotten(warning: str, ports: set[str]) -> bool:
    """Tell whether asyncio itself has forgotten a socket of the server's.

    It does so with those that it accepts in the turn in which their listener is closed. Their
    transports name no address; a client's would come with its socket.
    """
    of_the_server = any(f"laddr=('127.0.0.1', {port})" in warning for port in ports)
    return of_the_server or warning.startswith("unclosed transport")


async def interrupted(call: Any, after: int) -> None:
    """Cancel a call after so many turns of the loop, unless it has ended."""
    task = asyncio.ensure_future(call)
    await turns(after)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([None, "websocket"]),
    st.integers(0, 100) | st.integers(100, 1500),
    st.permutations(["client", "server"]),
    st.booleans(),
    st.none() | st.integers(0, 12),
)
@example(None, 1, ["server", "client"], False, None)  # the server is about to start
@example(None, 40, ["server", "client"], False, 2)
def test_closing_at_any_moment_leaves_nothing(
    transport: str | None, moment: int, order: list[str], at_once: bool, cancelled: int | None
) -> None:
    threads = set(threading.enumerate())
    said: list[Any] = []
    ports: set[str] = set()

    async def life() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: said.append(context))
        lived = Life(transport, ports)
        living = asyncio.ensure_future(lived.run())
        await turns(moment)
        closing = [getattr(lived, f"close_{side}") for side in order]
        if cancelled is not None:
            await interrupted(closing[0](), cancelled)
        if at_once:
            await asyncio.gather(*[close() for close in closing])
        else:
            for close in closing:
                await close()
        living.cancel()
        with suppress(asyncio.CancelledError, SDKError):
            await living
        for close in (lived.close_client, lived.close_server):
            await close()
        await turns(3)  # what was closed is called back
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not lived.server._connections

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(life())
        gc.collect()
    texts = [str(warning.message) for warning in warned]
    assert (said, [text for text in texts if not forgotten(text, ports)]) == ([], [])
    assert {
        t for t in threading.enumerate() if t not in threads and t.name.startswith("recog")
    } == set()
