"""What the service does with one stream, whatever face it came in by."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, Protocol, TypeVar

from .._session import RequestRefused, ServerSession
from ..exceptions import (
    BadRequestException,
    HTTPException,
    InternalFailureException,
    ServiceException,
    TimeoutException,
)
from ..model import Result, StartStreamTranscriptionRequest, Transcript, TranscriptEvent
from .engines import Engine, RecognitionOptions

AUDIO_TIMEOUT = 15.0
WRITE_TIMEOUT = 60.0

# A client may go on sending after the answer's end; then the stream is closed over its head.
LINGER_TIMEOUT = 2.0

logger = logging.getLogger("amazon_transcribe.local")

_T = TypeVar("_T")

# What the local engines cannot do. Refused by name: a transcript that silently lacks
# what was asked for would be a lie.
_UNSUPPORTED = {
    "identify_language": "IdentifyLanguage",
    "identify_multiple_languages": "IdentifyMultipleLanguages",
    "show_speaker_label": "ShowSpeakerLabel",
    "enable_channel_identification": "EnableChannelIdentification",
    "content_identification_type": "ContentIdentificationType",
    "content_redaction_type": "ContentRedactionType",
    "vocabulary_name": "VocabularyName",
    "vocabulary_names": "VocabularyNames",
    "vocab_filter_name": "VocabularyFilterName",
    "vocabulary_filter_names": "VocabularyFilterNames",
    "language_model_name": "LanguageModelName",
}


class Exchange(Protocol):
    """One request with its answer, as a face offers it."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None: ...

    async def read(self, timeout: float | None = None) -> bytes: ...

    async def write(self, data: bytes, timeout: float | None = None) -> None: ...

    async def finish(self, sending: float, lingering: float) -> None: ...


class TranscriptionService:
    """Answers streams with an engine.

    :param engine: The recogniser that all streams share.
    :param secrets: The secret of each known access key.
    :param workers: Threads for recognition.
    :param audio_timeout: Seconds without audio that end a stream.
    :param clock: Gives the present as seconds since 1970.
    """

    def __init__(
        self,
        engine: Engine,
        secrets: Mapping[str, str],
        *,
        workers: int,
        audio_timeout: float = AUDIO_TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self._secrets = secrets
        self._audio_timeout = audio_timeout
        self._clock = clock
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="recognition")
        self._jobs: set[Future[Any]] = set()

    async def serve(self, exchange: Exchange) -> None:
        """Answer one stream from its request to its end."""
        session = ServerSession(self._secrets, clock=self._clock)
        try:
            request = session.receive_request(exchange.method, exchange.target, exchange.headers)
            if not isinstance(request, StartStreamTranscriptionRequest):
                raise _refused(f"{session.operation.name} is not served here")
            self._check(request)
        except RequestRefused as refusal:
            logger.info("refused %s: %s", exchange.target.partition("?")[0], refusal.name)
            headers, body = refusal.headers_and_body()
            exchange.respond(refusal.status, [("date", self._date()), *headers])
            await exchange.write(body, WRITE_TIMEOUT)
            await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)
            return
        logger.info("session %s begins: request %s", session.session_id, session.request_id)
        exchange.respond(200, [("date", self._date()), *session.response_headers()])
        try:
            await self._transcribe(session, request, exchange)
            logger.info("session %s ends", session.session_id)
        except ServiceException as error:
            logger.info("session %s ends: %s", session.session_id, type(error).__name__)
            await exchange.write(session.send_exception(error), WRITE_TIMEOUT)
        except HTTPException:
            raise
        except Exception:
            # The engine's failure: the client is told, as by the service.
            logger.exception("session %s failed in the server", session.session_id)
            failure = InternalFailureException("A problem occurred while processing the audio.")
            await exchange.write(session.send_exception(failure), WRITE_TIMEOUT)
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

    def _check(self, request: StartStreamTranscriptionRequest) -> None:
        engine = self.engine
        if request.language_code not in (None, *engine.languages):
            raise _refused(
                f"LanguageCode: {engine.name} understands {', '.join(engine.languages)} only,"
                f" not {request.language_code}"
            )
        for name, model_name in _UNSUPPORTED.items():
            if getattr(request, name):
                raise _refused(f"{model_name} is not supported by the local server")
        if request.media_encoding != "pcm":
            raise _refused(
                f"MediaEncoding: the local server takes pcm only, not {request.media_encoding}"
            )

    async def _transcribe(
        self,
        session: ServerSession,
        request: StartStreamTranscriptionRequest,
        exchange: Exchange,
    ) -> None:
        recognition = self.engine.open(
            RecognitionOptions(
                sample_rate=request.media_sample_rate_hz or 0,
                stabilize=bool(request.enable_partial_results_stabilization),
                stability=request.partial_results_stability or "high",  # type: ignore[arg-type]  # checked against the model
            )
        )
        loop = asyncio.get_running_loop()
        due = loop.time() + self._audio_timeout
        while not session.input_ended:
            try:
                data = await exchange.read(max(due - loop.time(), 0.001))
            except TimeoutException:
                raise BadRequestException(
                    "Your request timed out because no new audio was received for"
                    f" {self._audio_timeout:g} seconds."
                ) from None
            if not data:
                session.receive_end()
            # Whatever came while the engine was busy goes to it in one piece.
            elif pcm := b"".join(session.receive(data)):
                await self._send(session, exchange, await self._run(recognition.accept, pcm))
                due = loop.time() + self._audio_timeout
        await self._send(session, exchange, await self._run(recognition.finish))

    async def _send(
        self, session: ServerSession, exchange: Exchange, results: Sequence[Result]
    ) -> None:
        for result in results:
            frame = session.send_event(TranscriptEvent(Transcript([result])))
            await exchange.write(frame, WRITE_TIMEOUT)

    async def _run(self, call: Callable[..., _T], *args: object) -> _T:
        """Call the recogniser, in a thread unless it is quick."""
        if getattr(self.engine, "quick", False):
            return call(*args)
        job = self._workers.submit(call, *args)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.wrap_future(job)


def _refused(message: str) -> RequestRefused:
    return RequestRefused(400, "BadRequestException", message)
