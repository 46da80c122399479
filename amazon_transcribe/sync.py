"""Transcription without asyncio: recordings in one call, and live audio as it comes.

    from amazon_transcribe import sync

    print(sync.transcribe_file("talk.wav", local=True).text)

    with sync.open_stream(media_sample_rate_hz=16000, region="us-west-2") as stream:
        threading.Thread(target=record, args=(stream,)).start()  # send() and end()
        for event in stream:
            ...

The work runs in one background thread, which starts with the first call and ends with the
program. Any thread may call, also one whose event loop runs, such as a notebook's: the call
then blocks that loop. After a fork the child has a thread of its own; streams stay with the
parent. KeyboardInterrupt cancels the work of the call that it interrupts.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from . import files
from ._protocol.events import AudioChunk
from .exceptions import SDKError, StreamClosedException, ValidationException
from .resume import ResumableTranscription
from .transcribe import (
    CallSourceParameters,
    MedicalSourceParameters,
    Source,
    SourceParameters,
    Transcription,
)
from .transcription import TranscriptEvent, TranscriptionParameters

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = [
    "SyncStream",
    "open_stream",
    "transcribe_call",
    "transcribe_file",
    "transcribe_medical",
]

MAX_UNREAD = 10_000
"""Events that a stream keeps for a program that does not read; more hold the service back."""

_CANCEL_TIMEOUT = 10.0  # seconds for work that was cancelled to end
_SIGNAL_INTERVAL = 0.5  # seconds; Windows tells of Ctrl-C only between two waits

_T = TypeVar("_T")


def transcribe_file(
    path: Source,
    *,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    **parameters: Unpack[SourceParameters],
) -> Transcription:
    """Transcribe a recording; parameters, result and errors are those of `files.transcribe_file`.

    `on_event` is called in the background thread. It must not wait long, and it cannot call
    this module.

    :param path: The recording's path, or anything else that `client.transcribe` takes.
    :param local: Recognise on this machine, in English, without an AWS account.
    :param region: The AWS region; by default that of AWS_REGION or AWS_DEFAULT_REGION.
    :param endpoint_url: Another endpoint.
    :param realtime: Send at the speed of speech, or faster.
    :param parameters: The other keywords of `client.transcribe`.
    """
    return _background.run(
        files.transcribe_file(
            path,
            local=local,
            region=region,
            endpoint_url=endpoint_url,
            realtime=realtime,
            **parameters,
        )
    )


def transcribe_call(
    source: Source,
    *,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    **parameters: Unpack[CallSourceParameters],
) -> Transcription:
    """Transcribe and analyse a call; result and errors are those of `files.transcribe_call`.

    :param source: As in `files.transcribe_call`.
    :param local: Recognise on this machine, in English, without an AWS account.
    :param region: The AWS region; by default that of AWS_REGION or AWS_DEFAULT_REGION.
    :param endpoint_url: Another endpoint.
    :param realtime: Send at the speed of speech, or faster.
    :param parameters: The other keywords of `client.transcribe_call`; `on_event` is called as
        in `transcribe_file`.
    """
    return _background.run(
        files.transcribe_call(
            source,
            local=local,
            region=region,
            endpoint_url=endpoint_url,
            realtime=realtime,
            **parameters,
        )
    )


def transcribe_medical(
    source: Source,
    *,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    **parameters: Unpack[MedicalSourceParameters],
) -> Transcription:
    """Transcribe medical speech; result and errors are those of `files.transcribe_medical`.

    :param source: As in `files.transcribe_medical`.
    :param local: Recognise on this machine, in English, without an AWS account.
    :param region: The AWS region; by default that of AWS_REGION or AWS_DEFAULT_REGION.
    :param endpoint_url: Another endpoint.
    :param realtime: Send at the speed of speech, or faster.
    :param parameters: The other keywords of `client.transcribe_medical`; `on_event` is called as
        in `transcribe_file`.
    """
    return _background.run(
        files.transcribe_medical(
            source,
            local=local,
            region=region,
            endpoint_url=endpoint_url,
            realtime=realtime,
            **parameters,
        )
    )


def open_stream(
    *,
    media_sample_rate_hz: int,
    local: bool = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    session_id: str | None = None,
    **parameters: Unpack[TranscriptionParameters],
) -> SyncStream:
    """Start a stream for live audio, one that outlives its connections; see `resume`.

    :param media_sample_rate_hz: The sample rate of the audio, 16-bit little-endian PCM;
        8,000–48,000 Hz.
    :param local: Recognise on this machine, in English, without an AWS account.
    :param region: The AWS region; by default that of AWS_REGION or AWS_DEFAULT_REGION.
    :param endpoint_url: Another endpoint.
    :param session_id: One UUID for all connections; None makes one.
    :param parameters: The other ones of `client.start_stream_transcription`; the language is
        not chosen by default.
    :returns: The open stream, a context manager that leaves nothing open.
    :raises InvalidParameterException: for what the service would refuse.
    :raises ValidationException: without a region.
    :raises EngineUnavailable: with `local`, if the recogniser's packages are missing.
    :raises SDKError: if the stream cannot be started.
    """

    async def start() -> SyncStream:
        async with AsyncExitStack() as stack:
            opening = files.open_client(local=local, region=region, endpoint_url=endpoint_url)
            client = await stack.enter_async_context(opening)
            stream = ResumableTranscription(
                client,
                media_sample_rate_hz=media_sample_rate_hz,
                session_id=session_id,
                **parameters,
            )
            await stack.enter_async_context(stream)
            return SyncStream(_background, stream, stack.pop_all())

    return _background.run(start(), undo=SyncStream.aclose)


class SyncStream:
    """A stream for live audio. `open_stream` makes it.

    One thread may send while another one iterates; or one thread does first the one and
    then the other, as up to 10,000 events are kept until they are read. Leaving the context
    aborts a stream that has not ended: iterate to its end first.

    :param background: The thread that it lives in.
    :param stream: The stream itself, just started there.
    :param resources: What is closed with it.
    """

    def __init__(
        self, background: _Background, stream: ResumableTranscription, resources: AsyncExitStack
    ) -> None:
        self._background = background
        self._stream = stream
        self._resources = resources
        self._events: asyncio.Queue[TranscriptEvent | SDKError | None] = asyncio.Queue()
        self._returned: deque[TranscriptEvent | None] = deque()  # before them
        self._room = asyncio.Semaphore(MAX_UNREAD)
        self._reading = asyncio.create_task(self._read())
        background.streams.add(self)

    def send(self, audio_chunk: AudioChunk) -> None:
        """Send a chunk of audio; wait while too much is on its way.

        :param audio_chunk: At most 32,768 bytes, best 50 to 200 ms; an empty one ends the
            input.
        :raises StreamClosedException: after the end of the input.
        :raises SDKError: what ended the stream.
        """
        self._background.run(self._stream.send_audio_event(audio_chunk))

    def end(self) -> None:
        """End the input; the last events follow. A second call is harmless."""
        self._background.run(self._stream.end_stream())

    def close(self) -> None:
        """Abort the stream unless it has ended; waiting readers and senders then raise.

        A copy of the stream in a forked process is left alone.
        """
        if self._background.is_here:
            self._background.run(self.aclose())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TranscriptEvent:
        """Wait for the next event.

        :raises SDKError: what ended the stream, if not cleanly.
        """
        event = self._background.run(self._next_event(), undo=self._return)
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def aclose(self) -> None:
        """Close in the background thread's loop."""
        self._background.streams.discard(self)
        await self._resources.aclose()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        """Keep events until they are asked for, so that the service is always heard."""
        end: SDKError | None = StreamClosedException("the stream was closed")
        try:
            async for event in self._stream:
                if isinstance(event, TranscriptEvent):
                    await self._room.acquire()
                    self._events.put_nowait(event)
            end = None
        except SDKError as error:
            end = error
        finally:
            self._events.put_nowait(end)

    async def _next_event(self) -> TranscriptEvent | None:
        if self._returned:
            return self._returned.popleft()
        event = await self._events.get()
        if isinstance(event, TranscriptEvent):
            self._room.release()
            return event
        self._events.put_nowait(event)  # for the next call
        if event is not None:
            raise event.with_traceback(None)
        return None

    async def _return(self, event: TranscriptEvent | None) -> None:
        """Keep an event for the next call: the one that it was for was interrupted."""
        self._returned.append(event)


class _Background:
    """A thread with an event loop, which starts when there is work and ends with the program."""

    def __init__(self) -> None:
        self.streams: set[SyncStream] = set()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is this process's, and not the one's that this was forked from."""
        return self._pid == os.getpid()

    def run(
        self,
        work: Coroutine[Any, Any, _T],
        undo: Callable[[_T], Coroutine[Any, Any, None]] | None = None,
    ) -> _T:
        """Run a coroutine in the thread and wait for its result.

        :param undo: What becomes of a result that nobody gets, as the wait was interrupted.
        """
        try:
            loop = self._running_loop()
        except BaseException:
            work.close()
            raise
        done: Future[_T] = Future()
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            tasks.append(loop.create_task(_pass_on(work, done)))
            tasks[0].add_done_callback(lambda _: abandon())

        def abandon() -> None:
            if not done.done():  # it was cancelled before its first step
                work.close()
                done.set_exception(StreamClosedException("the work was cancelled"))

        def cancel() -> None:
            if tasks:
                tasks[0].cancel()
            else:
                abandon()

        try:
            loop.call_soon_threadsafe(begin)
            while not done.done():
                wait([done], _SIGNAL_INTERVAL)
        except BaseException:
            loop.call_soon_threadsafe(cancel)
            wait([done], _CANCEL_TIMEOUT)
            if undo is not None and done.done() and done.exception() is None:
                undoing = asyncio.run_coroutine_threadsafe(undo(done.result()), loop)
                wait([undoing], _CANCEL_TIMEOUT)
            raise
        return done.result()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if not self.is_here:
            raise StreamClosedException("the stream is another process's: open one after the fork")
        if threading.current_thread() is self._thread:
            raise ValidationException("on_event cannot wait for calls of amazon_transcribe.sync")
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=_run_loop, args=(loop,), name="amazon_transcribe", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # there are too many threads
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def end(self) -> None:
        """End all work, the loop and the thread, as far as that takes no longer than 10 s."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None and self.is_here:
            asyncio.run_coroutine_threadsafe(self._end_work(loop), loop)
            thread.join(_CANCEL_TIMEOUT)

    async def _end_work(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            closing = [stream.aclose() for stream in self.streams]
            await asyncio.gather(*closing, return_exceptions=True)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            loop.stop()


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    # Not `asyncio.run`: at exit, from Python 3.12 on, the thread that would end the loop's
    # executor cannot be started.
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _pass_on(work: Coroutine[Any, Any, _T], done: Future[_T]) -> None:
    try:
        result = await work
    except asyncio.CancelledError:
        done.set_exception(StreamClosedException("the work was cancelled: the program ends"))
    except BaseException as error:  # also SystemExit of on_event: it would end the thread
        done.set_exception(error)
    else:
        done.set_result(result)


def _begin_anew() -> None:
    global _background
    _forked.append(_background)  # kept, or its loop would warn that it was not closed
    _background = _Background()


_forked: list[_Background] = []
_background = _Background()
atexit.register(lambda: _background.end())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
