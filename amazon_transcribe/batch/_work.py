"""What a worker does, on whatever machine: one recording after another."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from .._net.named_files import NO_FILE, is_no_file
from ..exceptions import (
    ConnectException,
    CredentialsException,
    HTTPException,
    InternalFailureException,
    LimitExceededException,
    SDKError,
    ServiceUnavailableException,
    TimeoutException,
)

if TYPE_CHECKING:
    from ..client import TranscribeStreamingClient
    from ..limiter import Limiter, Slot
    from ..results import Said
    from ..transcribe import Transcription

_T = TypeVar("_T")

SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}
"""What the names of outputs end with, by their formats."""

_LONGEST_WAIT = 30.0  # seconds before another attempt


@dataclass(frozen=True)
class Service:
    """Who transcribes a batch's recordings, and what is written; see `make_plan`.

    :param limiter: What makes a worker's limiter: a function's name, `"module:name"`, its
        arguments, and those by keywords.
    """

    operation: str
    format: str
    local: dict[str, Any] | None
    region: str | None
    endpoint_url: str | None
    realtime: bool | None
    timeout: float
    limiter: tuple[str, list[Any], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Job:
    """One attempt at a recording.

    :param input: The recording's path.
    :param part: The path at which the transcript is written; it is moved from there.
    :param attempt: The attempt's number, from 1.
    :param waits: Whether to wait first, as the service could not at the last attempt.
    """

    input: str
    part: str
    parameters: dict[str, Any]
    attempt: int = 1
    waits: bool = False


class Answer(TypedDict, total=False):
    """What became of an attempt.

    :param seconds: The length of the audio.
    :param words: The number of its words.
    :param error: Why it failed.
    :param again: Whether another attempt may succeed.
    :param fatal: Why no recording can be transcribed.
    """

    seconds: float
    words: int
    error: str
    again: bool
    fatal: str


class Worker:
    """Transcribes one recording at a time, with a client that it keeps.

    Its event loop has a thread, as it runs between recordings too: a limiter then tells its
    server what is free.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._turns: _Turns | None = None
        self._client: TranscribeStreamingClient | None = None

    def open(self) -> Answer:
        """Make the client, and start the local server; say what prevents it."""
        try:
            self._client = self._run(self._open())
        except Exception as error:
            return {"fatal": _one_line(error)}
        return {}

    def do(self, job: Job) -> Answer:
        """Transcribe a recording into the job's part."""
        assert self._client is not None
        if is_no_file(job.input):  # no time-out ends the thread that opens a pipe
            return {"error": f"it {NO_FILE}"}
        try:
            return self._run(self._do(self._client, job))
        except CredentialsException as error:
            return {"fatal": _one_line(error)}
        except Exception as error:
            return {"error": _one_line(error), "again": _may_pass(error)}

    def close(self) -> None:
        """End what the worker keeps."""
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, call: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    async def _open(self) -> TranscribeStreamingClient:
        from ..files import open_client

        service = self._service
        local: Any = False
        if service.local is not None:
            from ..local import LocalTranscribe

            # One thread, as the other processors have workers of their own.
            server = LocalTranscribe(**{"workers": 1, **service.local})
            local = await self._stack.enter_async_context(server)
        if service.limiter is not None:
            name, arguments, keywords = service.limiter
            limiter = resolve_name(name)(*arguments, **keywords)
            self._turns = _Turns(limiter)
            if isinstance(limiter, AbstractAsyncContextManager):
                await self._stack.enter_async_context(limiter)
        return await self._stack.enter_async_context(
            open_client(
                local=local,
                region=service.region,
                endpoint_url=service.endpoint_url,
                limiter=self._turns,
            )
        )

    async def _do(self, client: TranscribeStreamingClient, job: Job) -> Answer:
        if job.waits:
            longest = min(_LONGEST_WAIT, 2.0 ** (job.attempt - 1))
            await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311
        timeout = self._service.timeout
        try:
            said, finals = await asyncio.wait_for(self._at_its_turn(client, job), timeout)
        except asyncio.TimeoutError:
            raise SDKError(f"not done after {timeout:g} s") from None
        from .. import captions

        text = _text(self._service.format, finals, said.seconds, _names(job.parameters))
        try:
            _write(job.part, text)
        except OSError as error:  # the next one has no better luck
            return {"fatal": f"cannot write to {Path(job.part).parent}: {error.strerror}"}
        words = captions.words(finals, said.seconds or None)
        return {"seconds": round(said.seconds or 0.0, 3), "words": len(words)}

    async def _at_its_turn(
        self, client: TranscribeStreamingClient, job: Job
    ) -> tuple[Transcription, list[Said]]:
        """Transcribe when the limiter has a slot, for a stream that begins again too."""
        while True:
            try:
                return await self._transcribe(client, job)
            except TimeoutException as error:  # noqa: PERF203
                if error.phase != "slot":
                    raise

    async def _transcribe(
        self, client: TranscribeStreamingClient, job: Job
    ) -> tuple[Transcription, list[Said]]:
        from ..audio import open_audio
        from ..call_analytics import CategoryEvent, ConfigurationEvent
        from ..results import parts_of, results_of

        finals: list[Said] = []

        def on_event(event: Said) -> None:
            for part in parts_of(event):
                finals.extend(part for result in results_of(part) if not result.is_partial)
                if isinstance(part, CategoryEvent):
                    finals.append(part)

        methods: dict[str, Any] = {
            "transcription": client.transcribe,
            "call-analytics": client.transcribe_call,
            "medical": client.transcribe_medical,
        }
        keywords = dict(job.parameters)
        keywords.pop("names", None)
        audio = {name: keywords.pop(name) for name in _OF_AUDIO if name in keywords}
        if "configuration" in keywords:
            keywords["configuration"] = ConfigurationEvent.from_dict(keywords["configuration"])
        turn = self._turns.turn(self._service.timeout) if self._turns else nullcontext()
        async with open_audio(job.input, **audio) as source, turn:
            said = await methods[self._service.operation](
                source, realtime=self._service.realtime, on_event=on_event, **keywords
            )
        return said, finals


class _Turns:
    """A limiter with which a recording keeps its place in the queue, however long it waits.

    A start alone waits no longer than the client's `start_timeout`; tried again, it would be
    the last in the queue.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._slot: Slot | None = None

    @asynccontextmanager
    async def turn(self, timeout: float) -> AsyncIterator[None]:
        """Wait for the slot of the next start."""
        self._slot = await self._limiter.acquire(timeout)
        try:
            yield
        finally:
            if self._slot is not None:  # there was no start
                self._slot.release()

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        slot, self._slot = self._slot, None
        return slot or await self._limiter.acquire(timeout, closing)


_OF_AUDIO = ("sample_rate_hz", "channels", "raw")


def _names(parameters: dict[str, Any]) -> dict[str, str] | None:
    """Return the names of speakers and channels, where they are told apart."""
    told_apart = parameters.get("show_speaker_label") or parameters.get("channels") == "split"
    names: dict[str, str] | None = parameters.get("names", {} if told_apart else None)
    return names


def _write(path: str, text: str) -> None:
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _text(
    form: str, finals: list[Said], seconds: float | None, names: dict[str, str] | None
) -> str:
    from .. import captions

    if form == "json":
        return captions.to_json(finals)
    if form == "text":
        return captions.to_text(finals, names=names)
    write = captions.to_srt if form == "srt" else captions.to_vtt
    return write(finals, seconds or None, names=names)


def _may_pass(error: Exception) -> bool:
    """Tell whether the same again may succeed; see `docs/how-to/ends`."""
    from ..transcribe import IncompleteTranscription

    if isinstance(error, IncompleteTranscription):
        error = error.reason
    if isinstance(error, ConnectException):
        return error.transient
    passing = (
        HTTPException,
        InternalFailureException,
        LimitExceededException,
        ServiceUnavailableException,
    )
    return isinstance(error, passing)


def _one_line(error: Exception) -> str:
    known = isinstance(error, (SDKError, OSError))
    text = (str(error) if known else "") or f"{type(error).__name__}: {error}"
    return " ".join(text.split())
