"""One start of a stream: attempts until the service answers one, before the deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .._net.origin import Origin
from .._protocol.client_session import ClientSession
from .._protocol.constants import REQUEST_ID
from .._protocol.operation import Operation
from .._protocol.rest_json import write_request
from ..auth import Credentials
from ..eventstream import BaseEvent
from ..exceptions import (
    HTTPException,
    SDKError,
    ServiceException,
    StreamException,
    TimeoutException,
)
from ..limiter import Slot
from ..transports.base import Request, Stream
from .live import LiveStream
from .retry import CLOCK_TOLERANCE, backoff, clock_skew, is_transient, refuses_signature
from .telemetry import WatchedStream, tell

logger = logging.getLogger("amazon_transcribe")

# A body is a line of JSON; a peer that sends more is not the service.
MAX_BODY = 256 * 1024

# What a refusal says comes right behind its status, or never.
REFUSAL_TIMEOUT = 1.0


class _Start:
    """One start: attempts at a request until the service answers one, before the deadline.

    :param request: Its parameters; those of a stream have an idle policy too.
    :param configuration: The stream's first event.
    """

    def __init__(
        self,
        client: Any,
        operation: Operation,
        request: Any,
        configuration: BaseEvent | None,
    ) -> None:
        self._client = client
        self._operation = operation
        self._is_stream = operation.result_stream is not None
        self._request = request
        self._configuration = configuration
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._deadline = self._began + client.start_timeout
        self._origin: Origin
        self._credentials: Credentials | None = None
        self._failures = 0
        self._replaced = self._corrected = False
        # Of the present attempt: the clock it is signed by, and its stream once there is one.
        self._skew = 0.0
        self._stream: Stream | None = None

    @property
    def _took(self) -> float:
        return self._loop.time() - self._began

    @property
    def _left(self) -> float:
        return self._deadline - self._loop.time()

    async def run(self) -> Any:
        """The open `LiveStream`; the answer itself where there is no stream."""
        self._origin = await self._client._origin(is_stream=self._is_stream)
        while True:
            try:
                return await self._attempt()
            except SDKError as error:
                if self._is_free(error):
                    continue
                delay = self._delay(error)
                if delay is None:
                    raise
            await self._client._wait({self._client._closing()}, delay)

    async def _attempt(self) -> Any:
        """Make the request once; one that fails leaves neither a stream nor a slot taken."""
        limiter = self._client.limiter
        slot: Slot | None = None
        self._stream = None
        self._skew = self._client.clock_skew
        try:
            if limiter is not None and self._is_stream:
                slot = await limiter.acquire(self._left, self._client._closing())
            if self._credentials is None:
                self._credentials = await self._client._credentials(self._left)
            session = self._session(self._credentials)
            self._stream = stream = await self._open(session)
            headers = await self._accepted(session, stream)
            if not self._is_stream:
                return session.receive_answer(await _body(stream, self._deadline))
            return self._live(session, stream, slot, headers)
        except BaseException:
            if self._stream is not None:
                self._stream.abort()
            if slot is not None:
                slot.release()
            raise

    def _session(self, credentials: Credentials) -> ClientSession:
        skew = self._skew
        return ClientSession(
            self._operation,
            write_request(self._operation, self._request),
            credentials,
            region=self._client.region,
            authority=self._origin.authority,
            clock=(lambda: time.time() + skew) if skew else time.time,
        )

    async def _open(self, session: ClientSession) -> Stream:
        """Send the request's headers."""
        origin, agent = self._origin, ("user-agent", _user_agent())
        if origin.is_websocket:
            headers = [("host", origin.authority), agent]
            request = Request(origin, "GET", session.presigned(), headers)
            return await self._client._websocket.open(request, self._left)
        headers = [*session.headers(), agent]
        request = Request(origin, self._operation.method, session.target, headers)
        return await self._client._transport.open(request, self._left)

    async def _accepted(self, session: ClientSession, stream: Stream) -> Mapping[str, str]:
        """Send what comes first, and wait for the answer: its headers, if it is no refusal."""
        if not self._is_stream:
            stream.end()
        event = self._configuration
        first = session.send_event(event) if event is not None else b""
        # The service may wait for it; over WebSocket nothing goes before the answer.
        if first and not self._origin.is_websocket:
            with suppress(HTTPException):  # the answer says why
                await stream.write(first, self._left)
        status, headers = await stream.response(self._left)
        skew = clock_skew(headers.get("date"), time.time())
        if skew is not None:
            self._client.clock_skew = skew
        if status != 200:
            deadline = min(self._deadline, self._loop.time() + REFUSAL_TIMEOUT)
            error = session.refusal(status, headers, await _body(stream, deadline, refused=True))
            error.request_id = headers.get(REQUEST_ID)
            raise error
        if first and self._origin.is_websocket:
            await stream.write(first, self._left)
        return headers

    def _live(
        self, session: ClientSession, stream: Stream, slot: Slot | None, headers: Mapping[str, str]
    ) -> tuple[LiveStream, Any]:
        """The open stream, and its response."""
        observer, idle_timeout = self._client.observer, self._client.idle_timeout
        live: LiveStream
        if observer is None and self._request.idle == "wait":
            live = LiveStream(session, stream, slot, idle_timeout)
        else:
            live = WatchedStream(session, stream, slot, self._request, observer, idle_timeout)
        response = session.receive_response(headers, live)
        logger.debug("session %s begins: request %s", response.session_id, response.request_id)
        if isinstance(live, WatchedStream):
            live.opened(self._operation.name, self._took)
        return live, response

    def _is_free(self, error: SDKError) -> bool:
        """Whether a failed attempt counts as none, for what the next one does better.

        Each of the two reasons holds once.
        """
        is_dead = isinstance(error, StreamException) and is_transient(error)
        if is_dead and getattr(self._stream, "reused", False) and not self._replaced:
            self._replaced = True
            return True  # it lay idle in the pool; its successor is opened now
        skew = self._client.clock_skew
        is_off = refuses_signature(error) and abs(skew - self._skew) > CLOCK_TOLERANCE
        if is_off and not self._corrected:
            self._corrected = True
            logger.warning("the service's clock is %+.0f s from ours", skew)
            return True
        return False

    def _delay(self, error: SDKError) -> float | None:
        """Seconds until a failed start is tried again, None if it is not; tells of either."""
        client, name = self._client, self._operation.name
        if isinstance(error, TimeoutException) and self._left <= 0.01:
            error.seconds = client.start_timeout  # the limit that was set, not its rest
        if isinstance(error, TimeoutException) and error.phase == "slot":
            tell(client.observer, "limit_hit", name, "slot")
        elif isinstance(error, ServiceException) and error.status_code == 429:
            tell(client.observer, "limit_hit", name, "service")
        self._failures += 1
        is_final = self._failures >= client.start_attempts or not is_transient(error)
        delay = 0.0 if is_final else backoff(self._failures, error)
        took = self._took
        if is_final or took + delay >= client.start_timeout:
            tell(client.observer, "start_failed", name, took, error)
            return None
        tell(client.observer, "start_retried", name, self._failures, delay, error)
        logger.info(
            "start %d of %d failed, again in %.2f s: %s",
            *(self._failures, client.start_attempts, delay, type(error).__name__),
        )
        return delay


async def _body(stream: Stream, deadline: float, *, refused: bool = False) -> bytes:
    """The body of an answer; of a refusal, as much as comes in time."""
    loop = asyncio.get_running_loop()
    body = b""
    try:
        while len(body) < MAX_BODY:
            data = await stream.read(max(deadline - loop.time(), 0.001))
            if not data:
                break
            body += data
    except HTTPException:
        if not refused:
            raise
        # The status alone is a refusal; its text is a courtesy.
    return body


def _user_agent() -> str:
    from .. import __version__

    return f"amazon-transcribe-python/{__version__}"
