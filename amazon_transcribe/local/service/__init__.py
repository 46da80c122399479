"""The service: answers each exchange, whatever protocol it came by."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from email.utils import formatdate
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from ..._protocol.constants import AUDIO_TIMEOUT
from ..._protocol.server_session import RequestRefused, ServerSession
from ...exceptions import (
    BadRequestException,
    ConnectionLostException,
    HTTPException,
    InternalFailureException,
    ServiceException,
    ServiceUnavailableException,
)
from ...medical_scribe import GET_MEDICAL_SCRIBE_STREAM, START_MEDICAL_SCRIBE_STREAM
from ...model import MedicalScribeConfigurationEvent
from ...transcription import Result
from ..constants import LONGEST_SEGMENT, MAX_SECONDS, PAUSE
from ..engines import Engine
from ..engines.vocabulary import Vocabulary
from ..exchange import CLOSE_TIMEOUT, LINGER_TIMEOUT, WRITE_TIMEOUT, Exchange
from ..log import logger
from ..recognition.pipeline import Pipeline
from .admission import Admission, AudioTimer, Lease
from .categories import Categories
from .custom_vocabulary import CustomVocabulary
from .events import SEVERAL_ALTERNATIVES, EventMapper, empty_event, event_mapper
from .histogram import Histogram
from .operations import OPERATIONS
from .parameters import (
    check_parameters,
    keywords_of,
    open_filter,
    open_privacy,
    open_vocabulary,
    pipeline_options,
)
from .phrases import Phrases
from .records import StreamRecord
from .scribe import ScribeSessions

QUIET_SECONDS = 10.0
"""A third of what this package's client waits for an event."""

_MAX_NAMES_LOGGED = 1_000  # clients may invent any number of them
_T = TypeVar("_T")


class TranscriptionService:
    """Answers streams with an engine.

    :ivar threads: Threads for recognition.
    :ivar lag: Seconds from the arrival of audio until its results are sent.

    :param engine: The recogniser, which all streams share.
    :param secrets: The secret of each known access key.
    :param workers: Threads for recognition.
    :param audio_timeout: Seconds without audio that end a stream.
    :param max_seconds: The longest audio of a stream.
    :param max_streams: How many streams there may be at a time; None for any number.
    :param vocabulary_filters: The words and phrases of each filter by its name.
    :param vocabularies: The custom vocabularies by their names.
    :param categories: The phrases of each category by its name.
    :param alternatives: The most alternatives of a final result.
    :param pause: Seconds without speech that end a segment.
    :param longest_segment: Seconds after which a segment is cut.
    :param lenient: Ignore what the local server cannot do, instead of refusing it.
    :param quiet_seconds: After so many seconds of work without a result, an empty event is
        sent.
    :param clock: Gives the present as seconds since 1970.
    """

    def __init__(
        self,
        engine: Engine,
        secrets: Mapping[str, str],
        *,
        workers: int,
        audio_timeout: float = AUDIO_TIMEOUT,
        max_seconds: float = MAX_SECONDS,
        max_streams: int | None = None,
        vocabulary_filters: Mapping[str, Sequence[str]] | None = None,
        vocabularies: Mapping[str, Vocabulary] | None = None,
        categories: Mapping[str, Sequence[str]] | None = None,
        alternatives: int = 1,
        pause: float = PAUSE,
        longest_segment: float = LONGEST_SEGMENT,
        lenient: bool = False,
        quiet_seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self._secrets = secrets
        self._audio_timeout = audio_timeout
        self._max_seconds = max_seconds
        self._admission = Admission(max_streams)
        self._filters = {n: Phrases(words) for n, words in (vocabulary_filters or {}).items()}
        self._vocabularies = vocabularies or {}
        self._categories = Categories(categories or {})
        self._alternatives = alternatives
        self._pause = pause
        self._longest_segment = longest_segment
        self._lenient = lenient
        self._quiet_seconds = quiet_seconds
        self._names_logged: set[str] = set()
        self._clock = clock
        self._scribe = ScribeSessions(clock)
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="recognition")
        self._jobs: set[Future[Any]] = set()
        self.threads: int = workers
        self.lag: Histogram = Histogram()

    @property
    def admits(self) -> bool:
        """Whether it takes streams: until it shuts down."""
        return not self._admission.closed

    @property
    def busy_threads(self) -> int:
        """How many threads recognise now."""
        return sum(job.running() for job in self._jobs)

    async def serve(self, exchange: Exchange, record: StreamRecord | None = None) -> None:
        """Answer one request, and serve its stream from beginning to end.

        :param record: Where to note what is received and sent.
        """
        record = record or StreamRecord()
        session = ServerSession(self._secrets, OPERATIONS, clock=self._clock)
        request: Any = None
        answer: tuple[int, Sequence[tuple[str, str]], bytes] | None = None
        try:
            request = session.receive_request(exchange.method, exchange.target, exchange.headers)
            if session.operation is GET_MEDICAL_SCRIBE_STREAM:
                answer = 200, *session.answer(self._scribe.look_up(request.session_id))
                record.operation = session.operation.name
                record.end("complete")
            else:
                record.parameters = keywords_of(request)
                record.session_id = session.session_id
                self._admit(session, request)
        except RequestRefused as error:
            record.end("refused", f"{error.name}: {error.message}")
            # Not sent here: as long as the client does not take it, the error would keep all
            # that the request consisted of.
            answer = error.status, *error.headers_and_body()
        if answer is not None:
            await self._respond(exchange, *answer)
            return
        unknown = [ascii(name) for name in session.unknown_parameters]
        self._log_ignored_once("ignoring unknown parameters: %s", unknown)
        logger.info(
            "session %(session)s begins: request %(request)s",
            {"session": session.session_id, "request": session.request_id},
        )
        exchange.respond(200, [("date", self._date()), *session.response_headers()])
        with self._admission.lease(session.session_id) as lease:
            if session.operation is START_MEDICAL_SCRIBE_STREAM:
                self._scribe.begin(session.session_id, request)
            status = "PAUSED"
            try:
                await self._transcribe(session, lease, exchange, record)
                status = "COMPLETED" if session.session_ended else status
                record.end("complete")
            except ServiceException as error:
                status = "FAILED"
                record.end("failed", f"{type(error).__name__}: {error.message}")
                await exchange.write(session.send_exception(error), WRITE_TIMEOUT)
            except HTTPException:
                raise
            except Exception:
                # The engine failed: the client gets the exception that the service would send.
                status = "FAILED"
                logger.exception(
                    "session %(session)s failed in the server", {"session": session.session_id}
                )
                failure = InternalFailureException("A problem occurred while processing the audio.")
                record.end("failed", f"{type(failure).__name__}: {failure.message}")
                await exchange.write(session.send_exception(failure), WRITE_TIMEOUT)
            finally:
                if session.operation is START_MEDICAL_SCRIBE_STREAM and not lease.lost:
                    self._scribe.end(session.session_id, status)
        await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)

    def admit_no_more(self) -> None:
        """Refuse requests from now on: the server shuts down."""
        self._admission.close()

    def end_streams(self) -> None:
        """End the streams: each sends the results of what it has recognised, and why it ends.

        Those that have audio waiting to be recognised leave it out.
        """
        self._admission.end_all()

    async def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Wait for the calls of the engine that are under way, and end the threads.

        :param timeout: Seconds to wait. A call that takes longer cannot be broken off: its
            thread ends when it returns.
        """
        self._workers.shutdown(wait=False, cancel_futures=True)
        if calls := [asyncio.wrap_future(job) for job in self._jobs]:
            done, late = await asyncio.wait(calls, timeout=timeout)
            for call in done:
                _ = call.cancelled() or call.exception()  # of a stream that has gone
            for call in late:
                call.cancel()  # else it would tell the loop, which may be closed by then
            if late:
                logger.warning("left %d calls of the engine behind, after %g s", len(late), timeout)
                return
        self._workers.shutdown()  # the threads have nothing to do, so this does not wait

    def _date(self) -> str:
        """Return the present as HTTP writes it: clients correct their clocks by it."""
        return formatdate(self._clock(), usegmt=True)

    async def _respond(
        self, exchange: Exchange, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> None:
        exchange.respond(status, [("date", self._date()), *headers])
        await exchange.write(body, WRITE_TIMEOUT)
        await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)

    def _admit(self, session: ServerSession, request: Struct) -> None:
        try:
            self._check_parameters(request)
        except BadRequestException as error:
            raise RequestRefused(400, "BadRequestException", error.message) from None
        self._admission.check(session.session_id)

    def _check_parameters(self, shape: Struct, unknown: Sequence[str] = ()) -> None:
        """Check a request or a configuration; see `parameters`."""
        ignored = check_parameters(
            shape,
            self.engine,
            self._filters,
            self._vocabularies,
            lenient=self._lenient,
            unknown=unknown,
        )
        self._log_ignored_once("ignoring unsupported parameters (lenient): %s", ignored)

    def _log_ignored_once(self, text: str, names: Sequence[str]) -> None:
        new = [name for name in names if name not in self._names_logged]
        if new and len(self._names_logged) < _MAX_NAMES_LOGGED:
            self._names_logged.update(new)
            logger.warning(text, ", ".join(new))

    async def _transcribe(
        self, session: ServerSession, lease: Lease, exchange: Exchange, record: StreamRecord
    ) -> None:
        stream: _Stream | None = None
        ending: ServiceUnavailableException | None = None
        clock = asyncio.get_running_loop().time
        try:
            with closing(AudioTimer(lease, self._audio_timeout)) as timer, lease.interruptible():
                while not session.input_ended:
                    if lease.error is not None:
                        raise lease.error
                    lease.waiting = True
                    data = await exchange.read()
                    lease.waiting = False
                    if not data:
                        session.receive_end()
                        break
                    audio = b"".join(session.receive(data))
                    if record.is_kept:
                        record.take_audio(audio)
                    if stream is None and (audio or session.configuration is not None):
                        record.configuration = session.configuration
                        stream = await self._open(session, exchange, record)
                    if stream is not None and audio:
                        came = time.monotonic()
                        has_results = await self._recognise(stream, stream.pipeline.accept, audio)
                        if stream.pipeline.behind:
                            await self._catch_up(stream, lease)
                        timer.audio_came_at = clock()
                        lag = time.monotonic() - came
                        self.lag.observe(lag)
                        if has_results:
                            record.lag = lag
        except ServiceUnavailableException as error:  # the server shuts down
            ending = error
        if stream is not None and not stream.pipeline.behind:  # else what waits is left out
            await self._recognise(stream, stream.pipeline.finish)
        if ending is not None:
            raise ending

    async def _catch_up(self, stream: _Stream, lease: Lease) -> None:
        """Recognise the audio that is waiting, as long as somebody wants its results.

        Where nothing is said for long, an empty event shows that the stream goes on: clients
        give up a stream that is silent.
        """
        clock = asyncio.get_running_loop().time
        last = clock()
        while stream.pipeline.behind:
            if lease.error is not None:
                raise lease.error
            if stream.exchange.is_over:
                raise ConnectionLostException("the client has left")
            if await self._recognise(stream, stream.pipeline.accept):
                last = clock()
            elif clock() - last >= self._quiet_seconds:
                empty = stream.session.send_event(empty_event(stream.session.operation.name))
                await stream.exchange.write(empty, WRITE_TIMEOUT)
                last = clock()

    async def _open(
        self, session: ServerSession, exchange: Exchange, record: StreamRecord
    ) -> _Stream:
        """Set up the recognition, now that the configuration is there."""
        configuration = session.configuration
        if configuration is not None:
            self._check_parameters(configuration, session.unknown_members)
            if isinstance(configuration, MedicalScribeConfigurationEvent):
                self._scribe.configure(session.session_id, configuration)
        vocabulary_filter = open_filter(session.request, configuration, self._filters)
        privacy = open_privacy(session.request, configuration)
        vocabulary = open_vocabulary(
            session.request, configuration, self.engine, self._vocabularies
        )
        to_events = event_mapper(
            session.operation.name,
            configuration,
            self._categories,
            privacy,
            vocabulary_filter,
            None if vocabulary is None else CustomVocabulary(vocabulary),
        )
        options = pipeline_options(session.request, configuration, self.engine, vocabulary)
        options = replace(options, pause=self._pause, longest_segment=self._longest_segment)
        if session.operation.name in SEVERAL_ALTERNATIVES:
            options = replace(options, alternatives=self._alternatives)
        quick = self.engine.quick and options.encoding == "pcm"
        arguments = (self.engine, options, self._max_seconds)
        pipeline = Pipeline(*arguments) if quick else await self._in_thread(Pipeline, *arguments)
        return _Stream(session, exchange, pipeline, to_events, record, quick)

    async def _recognise(
        self, stream: _Stream, call: Callable[..., list[Result]], *audio: bytes
    ) -> bool:
        """Call the pipeline, and send the events of its results; tell whether there are any."""
        results = call(*audio) if stream.quick else await self._in_thread(call, *audio)
        stream.record.audio_seconds = stream.pipeline.seconds
        for result in results:
            for event in stream.to_events(result):
                await stream.exchange.write(stream.session.send_event(event), WRITE_TIMEOUT)
            stream.record.take_result(result)
        return bool(results)

    async def _in_thread(self, call: Callable[..., _T], *arguments: object) -> _T:
        job = self._workers.submit(_without_exit, call, *arguments)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.wrap_future(job)


def _without_exit(call: Callable[..., _T], *arguments: object) -> _T:
    """Call an engine in a thread; its `sys.exit` would end the server's loop."""
    try:
        return call(*arguments)
    except SystemExit as error:
        raise RuntimeError(f"the engine called sys.exit: {error}") from error


class _Stream(NamedTuple):
    """A stream whose recognition has begun.

    :param quick: Whether the pipeline needs no thread.
    """

    session: ServerSession
    exchange: Exchange
    pipeline: Pipeline
    to_events: EventMapper
    record: StreamRecord
    quick: bool
