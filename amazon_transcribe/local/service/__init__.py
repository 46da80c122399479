"""What the service does with one stream, whatever protocol it came by."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from typing import Any, TypeVar

from ..._protocol.server_session import RequestRefused, ServerSession
from ...exceptions import (
    BadRequestException,
    HTTPException,
    InternalFailureException,
    ServiceException,
    TimeoutException,
)
from ...medical_scribe import GET_MEDICAL_SCRIBE_STREAM, START_MEDICAL_SCRIBE_STREAM
from ...model import MedicalScribeConfigurationEvent
from ...transcription import Result
from ..engines import Engine
from ..exchange import LINGER_TIMEOUT, WRITE_TIMEOUT, Exchange
from ..recognition.pipeline import Pipeline
from .admission import Admission, Lease
from .categories import Categories
from .events import SEVERAL_ALTERNATIVES, EventMapper, event_mapper
from .operations import OPERATIONS
from .parameters import check, open_filter, pipeline_options
from .phrases import Phrases
from .scribe import ScribeSessions

AUDIO_TIMEOUT = 15.0
MAX_SECONDS = 4 * 3600.0

# Clients may make up names of parameters for ever.
_MAX_PASSED_OVER = 1_000
logger = logging.getLogger("amazon_transcribe.local")
_T = TypeVar("_T")


class TranscriptionService:
    """Answers streams with an engine.

    :param engine: The recogniser that all streams share.
    :param secrets: The secret of each known access key.
    :param workers: Threads for recognition.
    :param audio_timeout: Seconds without audio that end a stream.
    :param max_seconds: The longest audio of a stream.
    :param max_streams: How many streams there may be at a time; None for any number.
    :param vocabulary_filters: The words and phrases of each filter by its name.
    :param categories: The phrases of each category by its name.
    :param alternatives: The most alternatives of a final result.
    :param lenient: Pass over what the local server cannot do, instead of refusing it.
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
        categories: Mapping[str, Sequence[str]] | None = None,
        alternatives: int = 1,
        lenient: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self._secrets = secrets
        self._audio_timeout = audio_timeout
        self._max_seconds = max_seconds
        self._admission = Admission(max_streams)
        self._filters = {n: Phrases(words) for n, words in (vocabulary_filters or {}).items()}
        self._categories = Categories(categories or {})
        self._alternatives = alternatives
        self._lenient = lenient
        self._passed_over: set[str] = set()
        self._clock = clock
        self._scribe = ScribeSessions(clock)
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="recognition")
        self._jobs: set[Future[Any]] = set()

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request, a stream from its beginning to its end."""
        session = ServerSession(self._secrets, OPERATIONS, clock=self._clock)
        try:
            request = session.receive_request(exchange.method, exchange.target, exchange.headers)
            if session.operation is GET_MEDICAL_SCRIBE_STREAM:
                found = session.answer(self._scribe.look_up(request.session_id))
                await self._respond(exchange, 200, *found)
                return
            try:
                self._check(request)
            except BadRequestException as error:
                raise RequestRefused(400, "BadRequestException", error.message) from None
            self._admission.check(session.session_id)
        except RequestRefused as refusal:
            logger.info("refused %s: %s", exchange.target.partition("?")[0], refusal.name)
            await self._respond(exchange, refusal.status, *refusal.headers_and_body())
            return
        unknown = [ascii(name) for name in session.unknown_parameters]
        self._pass_over("no parameters that are known here, from now on ignored: %s", unknown)
        logger.info("session %s begins: request %s", session.session_id, session.request_id)
        exchange.respond(200, [("date", self._date()), *session.response_headers()])
        with self._admission.lease(session.session_id) as lease:
            if session.operation is START_MEDICAL_SCRIBE_STREAM:
                self._scribe.begin(session.session_id, request)
            status = "PAUSED"
            try:
                await self._transcribe(session, lease, exchange)
                status = "COMPLETED" if session.session_ended else status
                logger.info("session %s ends", session.session_id)
            except ServiceException as error:
                status = "FAILED"
                logger.info("session %s ends: %s", session.session_id, type(error).__name__)
                await exchange.write(session.send_exception(error), WRITE_TIMEOUT)
            except HTTPException:
                raise
            except Exception:
                # The engine's failure: the client is told, as by the service.
                status = "FAILED"
                logger.exception("session %s failed in the server", session.session_id)
                failure = InternalFailureException("A problem occurred while processing the audio.")
                await exchange.write(session.send_exception(failure), WRITE_TIMEOUT)
            finally:
                if session.operation is START_MEDICAL_SCRIBE_STREAM and not lease.lost:
                    self._scribe.end(session.session_id, status)
        await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)

    async def close(self) -> None:
        """Wait for the recognition under way, and end the threads."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        if self._jobs:
            await asyncio.wait([asyncio.wrap_future(job) for job in self._jobs])
        self._workers.shutdown()

    def _date(self) -> str:
        """The present, as HTTP writes it: clients correct their clocks by it."""
        return formatdate(self._clock(), usegmt=True)

    async def _respond(
        self, exchange: Exchange, status: int, headers: Sequence[tuple[str, str]], body: bytes
    ) -> None:
        exchange.respond(status, [("date", self._date()), *headers])
        await exchange.write(body, WRITE_TIMEOUT)
        await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)

    def _check(self, asked: Any, unknown: Sequence[str] = ()) -> None:
        """Look through a request or a configuration; see `parameters`."""
        names = check(asked, self.engine, self._filters, lenient=self._lenient, unknown=unknown)
        self._pass_over("lenient: from now on ignored: %s", names)

    def _pass_over(self, text: str, names: Sequence[str]) -> None:
        """Name once what is ignored."""
        new = [name for name in names if name not in self._passed_over]
        if new and len(self._passed_over) < _MAX_PASSED_OVER:
            self._passed_over.update(new)
            logger.warning(text, ", ".join(new))

    async def _transcribe(self, session: ServerSession, lease: Lease, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._audio_timeout
        pipeline: Pipeline | None = None
        to_events: EventMapper
        while not session.input_ended:
            try:
                data = await lease.wait(exchange.read, max(due - loop.time(), 0.001))
            except TimeoutException:
                raise BadRequestException(
                    "Your request timed out because no new audio was received for"
                    f" {self._audio_timeout:g} seconds."
                ) from None
            if not data:
                session.receive_end()
                break
            # Whatever came while the engine was busy goes to it in one piece.
            audio = b"".join(session.receive(data))
            if pipeline is None and (audio or session.configuration is not None):
                pipeline, to_events = await self._open(session)
            if pipeline is not None and audio:
                results = await self._run(session, pipeline.accept, audio)
                await self._send(session, exchange, to_events, results)
                due = loop.time() + self._audio_timeout
        if pipeline is not None:
            results = await self._run(session, pipeline.finish)
            await self._send(session, exchange, to_events, results)

    async def _open(self, session: ServerSession) -> tuple[Pipeline, EventMapper]:
        """From audio to results to events, now that the configuration is there."""
        configuration = session.configuration
        if configuration is not None:
            self._check(configuration, session.unknown_members)
            if isinstance(configuration, MedicalScribeConfigurationEvent):
                self._scribe.configure(session.session_id, configuration)
        vocabulary_filter = open_filter(session.request, configuration, self._filters)
        to_events = event_mapper(
            session.operation.name, configuration, self._categories, vocabulary_filter
        )
        wanted = pipeline_options(session.request, configuration)
        if session.operation.name in SEVERAL_ALTERNATIVES:
            wanted = replace(wanted, alternatives=self._alternatives)
        pipeline = await self._run(session, Pipeline, self.engine, wanted, self._max_seconds)
        return pipeline, to_events

    async def _send(
        self,
        session: ServerSession,
        exchange: Exchange,
        to_events: EventMapper,
        results: Sequence[Result],
    ) -> None:
        for result in results:
            for event in to_events(result):
                await exchange.write(session.send_event(event), WRITE_TIMEOUT)

    async def _run(self, session: ServerSession, call: Callable[..., _T], *args: object) -> _T:
        """Call the pipeline, in a thread unless it is quick."""
        if getattr(self.engine, "quick", False) and session.request.media_encoding == "pcm":
            return call(*args)
        job = self._workers.submit(call, *args)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.wrap_future(job)
