"""Event loops that are not asyncio's own, and streams that are used from another one."""

from __future__ import annotations

import asyncio
import ssl
import threading
from asyncio.proactor_events import BaseProactorEventLoop
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from amazon_transcribe.exceptions import LoopException
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.resume import ResumableTranscription
from tests.support.callers import SECOND, client_of, final_texts, start


class BareLoop(asyncio.SelectorEventLoop):
    """A loop that is marked as running in tasks only, as where another one drives asyncio."""

    def _add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        return super()._add_reader(fd, _unmarked(callback), *args)  # type: ignore[misc]

    def _add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        return super()._add_writer(fd, _unmarked(callback), *args)  # type: ignore[misc]

    def call_soon(self, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return super().call_soon(_unmarked(callback), *args, **kw)

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return super().call_soon_threadsafe(_unmarked(callback), *args, **kw)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        return super().call_at(when, _unmarked(callback), *args, **kw)


def _unmarked(callback: Callable[..., Any]) -> Callable[..., Any]:
    is_step = type(callback).__name__ == "TaskStepMethWrapper"
    if is_step or isinstance(getattr(callback, "__self__", None), asyncio.Task):
        return callback

    def run(*args: Any) -> None:
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            callback(*args)
        finally:
            asyncio._set_running_loop(loop)

    return run


@pytest.fixture
def server() -> Iterator[LocalTranscribe]:
    """A local server in a thread, and so in a loop, of its own."""
    made = LocalTranscribe("scripted")
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        async with made:
            running.set_result((asyncio.get_running_loop(), end))
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    loop, end = running.result(30)
    yield made
    loop.call_soon_threadsafe(end.set)
    thread.join()


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_loop_that_is_not_marked_as_running_in_callbacks(
    server: LocalTranscribe, scheme: str
) -> None:
    if scheme == "ws":
        pytest.importorskip("wsproto")

    async def main() -> None:
        options: dict[str, Any] = {"transport": "websocket"} if scheme == "ws" else {}
        limiter = StreamLimiter(1)
        async with client_of(server, limiter=limiter, **options) as client:
            for _ in range(2):  # the second on a kept connection, in a slot that came back
                async with await start(client) as stream:
                    for _ in range(3):
                        await stream.input_stream.send_audio_event(SECOND)
                    await stream.input_stream.end_stream()
                    assert await final_texts(stream)
            async with ResumableTranscription(
                client, language_code="en-US", media_sample_rate_hz=16000, renew_after=0.01
            ) as resumed:
                for _ in range(3):
                    await resumed.send_audio_event(SECOND)
                await resumed.end_stream()
                assert [event async for event in resumed]
        assert limiter.open == 0

    loop = BareLoop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    assert told == []


class WatchlessLoop(asyncio.SelectorEventLoop):
    """A loop that watches no sockets for others, as Windows' Proactor."""

    add_reader = asyncio.AbstractEventLoop.add_reader
    add_writer = asyncio.AbstractEventLoop.add_writer
    remove_reader = asyncio.AbstractEventLoop.remove_reader
    remove_writer = asyncio.AbstractEventLoop.remove_writer


@pytest.mark.parametrize("transport", [None, "websocket"])
def test_a_loop_that_watches_no_sockets_has_tls_of_its_own(transport: Any) -> None:
    assert BaseProactorEventLoop.add_reader is WatchlessLoop.add_reader
    if transport is not None:
        pytest.importorskip("wsproto")

    async def main() -> None:
        async with LocalTranscribe("scripted", tls=True) as local:
            trusting = ssl.create_default_context(cafile=local.ca_file)
            async with client_of(local, ssl_context=trusting, transport=transport) as client:
                async with await start(client) as stream:
                    await stream.input_stream.send_audio_event(SECOND)
                    await stream.input_stream.end_stream()
                    assert await final_texts(stream) == ["This is"]

    loop = WatchlessLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 60))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


USES: dict[str, Callable[[Any], Any]] = {
    "send": lambda stream: stream.input_stream.send_audio_event(SECOND),
    "end": lambda stream: stream.input_stream.end_stream(),
    "read": lambda stream: anext(stream.output_stream),
    "close": lambda stream: stream.close(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_stream_refuses_the_next_loop_of_its_thread(
    server: LocalTranscribe, use: Callable[[Any], Any]
) -> None:
    async def again() -> None:
        with pytest.raises(LoopException):
            await use(stream)

    async def end() -> None:
        await stream.close()
        await client.close()

    client = client_of(server)
    loop = asyncio.new_event_loop()
    try:
        stream = loop.run_until_complete(start(client))
        asyncio.run(again())
        loop.run_until_complete(end())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.parametrize("kind", ["plain", "resumed"])
async def test_a_stream_refuses_another_loop(kind: str) -> None:
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        stream: Any
        if kind == "resumed":
            stream = ResumableTranscription(
                client, language_code="en-US", media_sample_rate_hz=16000
            )
            await stream.start()
        else:
            stream = await start(client)
        for use in USES.values():

            async def elsewhere(use: Callable[[Any], Any] = use) -> None:
                await use(stream)

            with pytest.raises(LoopException, match="another event loop"):
                await asyncio.to_thread(asyncio.run, elsewhere())
        await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        assert [event async for event in stream.output_stream]
        await stream.close()
