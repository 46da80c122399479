"""Starting a stream: attempts at a request until the service answers one, in time."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from .._net.inbox import Inbox
from .._net.origin import Origin
from .._net.waiting import Waiters
from .._protocol.client_session import ClientSession
from .._protocol.constants import REQUEST_ID
from .._protocol.operation import Operation, check_configuration
from .._protocol.rest_json import WrittenRequest, write_request
from .._version import __version__
from ..auth import (
    CredentialResolver,
    Credentials,
    StaticCredentialResolver,
    ask,
    checked_credentials,
)
from ..endpoints import BaseEndpointResolver, RegionEndpointResolver, StaticEndpointResolver
from ..eventstream import BaseEvent
from ..exceptions import (
    HTTPException,
    SDKError,
    ServiceException,
    StreamClosedException,
    StreamException,
    TimeoutException,
    UnexpectedAnswerException,
    ValidationException,
)
from ..limiter import Limiter, Slot
from ..observe import Observer, StreamInfo, notify, package_logger
from ..transports.base import Request, Stream, Transport
from .idle import IDLE_AFTER, Idle, check_idle, silence_of
from .live import MAX_UNREAD, RESULT_TIMEOUT, SEND_TIMEOUT, LiveStream
from .retry import CLOCK_TOLERANCE, Backoff, clock_skew, is_transient, refuses_signature
from .telemetry import Telemetry, byte_rate

MAX_BODY = 256 * 1024
"""Bytes of an answer's body: a line of JSON. A peer that sends more is not the service."""

MAX_TEXT = 1_000
"""Bytes of an unexpected answer's body that its exception keeps."""

_USER_AGENT = ("user-agent", f"amazon-transcribe-python/{__version__}")

# Resolvers that never wait: a task and a timer for each would be half of a start's calls.
_NEVER_WAITING = (StaticEndpointResolver, RegionEndpointResolver, StaticCredentialResolver)

logger = package_logger()

_DROPPED_AFTER = 1.0  # seconds in which a drain notices a stream that the program dropped

_T = TypeVar("_T")


class Starter:
    """Starts the streams of one client, and owns what their starts share.

    :param region: The AWS region.
    :param endpoint_resolver: Gives the endpoint.
    :param credential_resolver: Gives credentials, once for each start.
    :param transport: Opens HTTP/2 streams.
    :param websocket: Opens WebSocket streams.
    :param by_websocket: Whether streams go by WebSocket whatever the endpoint's scheme.
    :param limiter: Gives slots to streams.
    :param observer: Told what happens.
    :param start_timeout: Seconds for a whole start.
    :param start_attempts: How often a start is tried.
    :param result_timeout: See `live.RESULT_TIMEOUT`.
    :param send_timeout: See `live.SEND_TIMEOUT`.
    :param max_unread: See `live.MAX_UNREAD`.
    :param refusal_timeout: Seconds to wait for an error response's body.
    :param backoff: The waits between attempts.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_resolver: BaseEndpointResolver,
        credential_resolver: CredentialResolver,
        transport: Transport,
        websocket: Transport,
        by_websocket: bool = False,
        limiter: Limiter | None = None,
        observer: Observer | None = None,
        start_timeout: float = 12.0,
        start_attempts: int = 3,
        result_timeout: float = RESULT_TIMEOUT,
        send_timeout: float = SEND_TIMEOUT,
        max_unread: int = MAX_UNREAD,
        refusal_timeout: float = 1.0,
        backoff: Backoff | None = None,
    ) -> None:
        self.region = region
        self.endpoint_resolver = endpoint_resolver
        self.credential_resolver = credential_resolver
        self.transport = transport
        self.websocket = websocket
        self.by_websocket = by_websocket
        self.limiter = limiter
        self.observer = Observer() if observer is None else observer
        self.start_timeout = start_timeout
        self.start_attempts = start_attempts
        self.result_timeout = result_timeout
        self.send_timeout = send_timeout
        self.max_unread = max_unread
        self.refusal_timeout = refusal_timeout
        self.backoff = Backoff() if backoff is None else backoff
        self.clock_skew: float = 0.0
        """Seconds by which the service's clock is ahead of ours, as far as it matters."""
        self.closed: bool = False
        self.draining: bool = False
        self._closing: asyncio.Future[None] | None = None
        self._starting = 0
        self._streams: weakref.WeakSet[LiveStream] = weakref.WeakSet()
        self._ends = Waiters()

    async def start(
        self,
        operation: Operation,
        request: Any,
        *,
        configuration: BaseEvent | None = None,
        idle: Idle = "wait",
        idle_after: float = IDLE_AFTER,
    ) -> tuple[LiveStream, Any]:
        """Open a stream.

        :param request: The operation's parameters.
        :param configuration: The stream's first event.
        :param idle: What to do when the program sends no audio; see `idle`.
        :param idle_after: After how many seconds.
        :returns: The open stream, and its response.
        """
        written = self._check(operation, request)
        request = written.plain
        check_configuration(operation, configuration)
        check_idle(idle, idle_after, request.media_encoding)
        if self.draining and not self._goes_on(request.session_id):
            raise StreamClosedException("the client drains: it takes no more streams")
        start = _Start(self, operation, written, configuration)
        self._starting += 1
        try:
            started: tuple[LiveStream, Any] = await start.run()
            live, response = started
            live.ends = self._ends
            self._streams.add(live)
        finally:
            self._starting -= 1
            if self.draining:
                self._ends.wake()
        if type(self.observer) is not Observer:  # the base does nothing
            rate = byte_rate(request)
            telemetry = Telemetry(self.observer, asyncio.get_running_loop().time, rate)
            info = StreamInfo(operation.name, response.request_id, response.session_id)
            telemetry.opened(info, start.took)
            live.telemetry = telemetry
        if idle != "wait":
            live.keep_alive(silence_of(request) if idle == "silence" else None, idle_after)
        live.begin()
        return live, response

    async def drain(self, timeout: float) -> int:
        """Take no more streams, wait for those there are, and return how many are left.

        :param timeout: Seconds.
        """
        self.draining = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while left := self._starting + sum(not live.is_over for live in self._streams):
            if self.closed or not loop.time() < deadline:  # NaN is no time at all
                return left
            with suppress(TimeoutException):
                await self._ends.wait(min(deadline - loop.time(), _DROPPED_AFTER), "drain")
        return 0

    def _goes_on(self, session_id: str | None) -> bool:
        """Tell whether a start is that of a resumed stream's next connection."""
        return session_id is not None and any(s.session_id == session_id for s in self._streams)

    async def ask(self, operation: Operation, request: Any) -> Any:
        """Make a request whose answer is one JSON body.

        :param request: The operation's parameters.
        """
        return await _Start(self, operation, self._check(operation, request), None).run()

    async def presigned_url(self, operation: Operation, request: Any, expires: int) -> str:
        """Return the URL by which anyone may open a stream by WebSocket.

        :param request: The operation's parameters.
        :param expires: Seconds in which it must be opened.
        """
        written = self._check(operation, request)
        origin = await self.origin(is_stream=True, by_websocket=True)
        credentials = await self.credentials(self.start_timeout)
        session = self.session(operation, written, credentials, origin, self.clock_skew)
        return f"{origin.scheme}://{origin.authority}{session.presigned(expires)}"

    def session(
        self,
        operation: Operation,
        request: WrittenRequest,
        credentials: Credentials,
        origin: Origin,
        skew: float,
    ) -> ClientSession:
        """Make the client's end of a conversation.

        :param skew: Seconds by which the clock that it is signed by is ahead of ours.
        """
        return ClientSession(
            operation,
            request,
            credentials,
            region=self.region,
            authority=origin.authority,
            clock=(lambda: time.time() + skew) if skew else time.time,
        )

    def _check(self, operation: Operation, request: Any) -> WrittenRequest:
        if self.closed:
            raise StreamClosedException("the client is closed")
        return write_request(operation, request)

    async def origin(self, *, is_stream: bool, by_websocket: bool = False) -> Origin:
        """Resolve the endpoint.

        :param is_stream: Whether a stream goes there, which may be by WebSocket.
        :param by_websocket: Whether it goes by WebSocket even where the client's do not.
        """
        resolver = self.endpoint_resolver
        resolving = resolver.resolve(self.region)
        if type(resolver) in _NEVER_WAITING:
            endpoint = await resolving
        elif isinstance(resolving, str):
            endpoint = resolving  # a program's resolver that does not wait
        else:
            endpoint = await self._within(self.start_timeout, "endpoint", resolving)
        if is_stream:
            return Origin.parse(endpoint, websocket=self.by_websocket or by_websocket)
        return Origin.parse(re.sub("^ws", "http", endpoint))  # no stream, so no WebSocket

    async def credentials(self, timeout: float) -> Credentials:
        """Resolve the credentials.

        :param timeout: Seconds.
        """
        resolver = self.credential_resolver
        if type(resolver) in _NEVER_WAITING:
            found = await resolver.get_credentials()
        else:
            found = await self._within(timeout, "credentials", ask(resolver))
        return checked_credentials(found)

    async def _within(self, timeout: float, phase: str, call: Awaitable[_T]) -> _T:
        """Wait for the result of a resolver, which may be anyone's code."""
        # Not `asyncio.wait_for`: up to Python 3.11 it can swallow a cancellation.
        task = asyncio.ensure_future(call)
        try:
            await self.wait({task, self.closing()}, timeout)
            if not task.done():
                raise TimeoutException(phase, timeout)
            return task.result()
        finally:
            if task.cancel():
                await asyncio.wait({task}, timeout=1)

    async def wait(self, until: set[asyncio.Future[Any]], timeout: float) -> None:
        """Wait for any of the futures; raise once the client is closed."""
        await asyncio.wait(until, timeout=timeout, return_when="FIRST_COMPLETED")
        if self.closed:
            raise StreamClosedException("the client was closed")

    def closing(self) -> asyncio.Future[None]:
        """Return a future of the running loop that is done once the client is closed."""
        loop = asyncio.get_running_loop()
        if self._closing is None or self._closing.get_loop() is not loop:
            self._closing = loop.create_future()
            if self.closed:
                self._closing.set_result(None)
        return self._closing

    def close(self) -> None:
        """Fail the starts that wait, and all that come."""
        self.closed = True
        self._ends.wake()
        closing = self.closing()
        if not closing.done():
            closing.set_result(None)


class _Start:
    """One start: attempts at a request until the service answers one, before the deadline.

    :param starter: What all starts share.
    :param request: The request's parameters, checked and written.
    :param configuration: The stream's first event.
    """

    def __init__(
        self,
        starter: Starter,
        operation: Operation,
        request: WrittenRequest,
        configuration: BaseEvent | None,
    ) -> None:
        self._starter = starter
        self._operation = operation
        self._is_stream = operation.result_stream is not None
        self._request = request
        self._configuration = configuration
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._deadline = self._began_at + starter.start_timeout
        self._origin: Origin
        self._credentials: Credentials | None = None
        self._failures = 0
        self._was_replaced = self._was_corrected = False
        # Of the present attempt: the clock it is signed by, and its stream once there is one.
        self._skew = 0.0
        self._stream: Stream | None = None

    @property
    def took(self) -> float:
        """The seconds since the start began."""
        return self._loop.time() - self._began_at

    @property
    def _left(self) -> float:
        return self._deadline - self._loop.time()

    async def run(self) -> Any:
        """Return the open stream and its response; the answer itself where there is no stream."""
        self._origin = await self._starter.origin(is_stream=self._is_stream)
        while True:
            try:
                return await self._attempt()
            except SDKError as error:
                if self._retry_at_once(error):
                    continue
                delay = self._retry_delay(error)
                if delay is None:
                    raise
            await self._starter.wait({self._starter.closing()}, delay)

    async def _attempt(self) -> Any:
        """Make the request once; one that fails leaves neither a stream nor a slot taken."""
        starter = self._starter
        slot: Slot | None = None
        self._stream = None
        self._skew = starter.clock_skew
        try:
            if starter.limiter is not None and self._is_stream:
                slot = await starter.limiter.acquire(self._left, starter.closing())
            if self._credentials is None:
                self._credentials = await starter.credentials(self._left)
            session = starter.session(
                self._operation, self._request, self._credentials, self._origin, self._skew
            )
            self._stream = stream = await self._send_request(session)
            headers = await self._await_answer(session, stream)
            if not self._is_stream:
                return session.receive_answer(await _read_body(stream, self._deadline))
            return self._open_stream(session, stream, slot, headers)
        except BaseException:
            if self._stream is not None:
                self._stream.abort()
            if slot is not None:
                slot.release()
            raise

    async def _send_request(self, session: ClientSession) -> Stream:
        """Open a stream by sending the request's headers."""
        origin = self._origin
        if origin.is_websocket:
            headers = [("host", origin.authority), _USER_AGENT]
            request = Request(origin, "GET", session.presigned(), headers)
            stream = await self._starter.websocket.open(request, self._left)
        else:
            headers = [*session.headers(), _USER_AGENT]
            request = Request(origin, self._operation.method, session.target, headers)
            stream = await self._starter.transport.open(request, self._left)
        try:
            _check_write(stream)
        except BaseException:
            stream.abort()
            raise
        return stream

    async def _await_answer(self, session: ClientSession, stream: Stream) -> Mapping[str, str]:
        """Send what comes first and wait for the answer: its headers, unless it is a refusal."""
        if not self._is_stream:
            stream.end()
        event = self._configuration
        first = session.send_event(event) if event is not None else b""
        # The service may wait for it; over WebSocket nothing goes before the answer.
        if first and not self._origin.is_websocket:
            with suppress(HTTPException):  # the answer says why
                stream.write(first)
        status, headers = await stream.response(self._left)
        skew = clock_skew(headers.get("date"), time.time())
        if skew is not None:
            self._starter.clock_skew = skew
        if status != 200:
            deadline = min(self._deadline, self._loop.time() + self._starter.refusal_timeout)
            body = await _read_body(stream, deadline, refused=True)
            error = session.refusal(status, headers, body)
            error.request_id = headers.get(REQUEST_ID)
            raise error
        if session.is_unexpected(headers):
            deadline = min(self._deadline, self._loop.time() + self._starter.refusal_timeout)
            body = await _read_body(stream, deadline, refused=True)
            raise UnexpectedAnswerException(status, headers.get("content-type"), body[:MAX_TEXT])
        if first and self._origin.is_websocket:
            stream.write(first)
        return headers

    def _open_stream(
        self, session: ClientSession, stream: Stream, slot: Slot | None, headers: Mapping[str, str]
    ) -> tuple[LiveStream, Any]:
        live = LiveStream(
            session,
            stream,
            slot=slot,
            result_timeout=self._starter.result_timeout,
            send_timeout=self._starter.send_timeout,
            max_unread=self._starter.max_unread,
        )
        response = session.receive_response(headers, live)
        logger.debug("session %s begins: request %s", response.session_id, response.request_id)
        return live, response

    def _retry_at_once(self, error: SDKError) -> bool:
        """Check whether to retry at once, without counting the attempt; each reason holds once."""
        is_dead = isinstance(error, StreamException) and is_transient(error)
        if is_dead and getattr(self._stream, "reused", False) and not self._was_replaced:
            self._was_replaced = True
            return True  # its connection lay idle in the pool; a new one is opened now
        skew = self._starter.clock_skew
        is_off = refuses_signature(error) and abs(skew - self._skew) > CLOCK_TOLERANCE
        if is_off and not self._was_corrected:
            self._was_corrected = True
            logger.warning("the service's clock is %+.0f s from ours", skew)
            return True
        return False

    def _retry_delay(self, error: SDKError) -> float | None:
        """Return the seconds until the next attempt, None for none; tell the observer."""
        starter, observer, name = self._starter, self._starter.observer, self._operation.name
        if isinstance(error, TimeoutException) and self._left <= 0.01:
            error.seconds = starter.start_timeout  # the limit that was set, not its rest
        if isinstance(error, TimeoutException) and error.phase == "slot":
            notify(observer.limit_hit, name, "slot")
        elif isinstance(error, ServiceException) and error.status_code == 429:
            notify(observer.limit_hit, name, "service")
        self._failures += 1
        is_final = self._failures >= starter.start_attempts or not is_transient(error)
        delay = 0.0 if is_final else starter.backoff.delay(self._failures, error)
        took = self.took
        if is_final or took + delay >= starter.start_timeout:
            notify(observer.start_failed, name, took, error)
            return None
        notify(observer.start_retried, name, self._failures, delay, error)
        logger.info(
            "start %d of %d failed, next one in %.2f s: %s",
            *(self._failures, starter.start_attempts, delay, type(error).__name__),
        )
        return delay


def _check_write(stream: Stream) -> None:
    """Refuse a stream whose `write` returns something to wait for: its bytes would be lost.

    The call shows more than a look at the function, which may be a wrapper of one. Streams
    of ours need no look.
    """
    if isinstance(stream, Inbox):
        return
    write: Callable[[bytes], object] = stream.write
    with suppress(HTTPException):  # the answer says why
        returned = write(b"")  # no bytes are no end
        if inspect.iscoroutine(returned):
            returned.close()  # or Python warns that it was never awaited
        if inspect.isawaitable(returned):
            raise ValidationException(
                "the transport's stream must take bytes by write(data) without waiting, and wait"
                f" in drain(timeout): its write returns a {type(returned).__name__}"
            )


async def _read_body(stream: Stream, deadline: float, *, refused: bool = False) -> bytes:
    """Read the body of an answer; of a refusal, as much as comes in time."""
    loop = asyncio.get_running_loop()
    body = b""
    try:
        while len(body) < MAX_BODY:
            left = deadline - loop.time()
            if body and left <= 0:  # even while more comes
                raise TimeoutException("read", 0.0)
            data = await stream.read(max(left, 0.001))
            if not data:
                break
            body += data
    except HTTPException:
        if not refused:
            raise
        # The status alone is a refusal; its text is a courtesy.
    return body
