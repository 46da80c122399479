"""One logical stream over many connections.

    async with ResumableTranscription(
        client, language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
    ) as stream:
        await stream.send_audio_event(chunk)  # in one task
        await stream.end_stream()

        async for event in stream:  # in another
            match event:
                case TranscriptEvent(): ...
                case Reconnecting(): print("lost:", event.reason)
                case Reconnected(): print("back after", event.outage, "s")

When a connection breaks, the audio since the end of the last final result goes out again
on a new one, under the same session id, as fast as it is taken. So:

- No final result is lost or doubled. A segment that was cut is heard again from its
  beginning; what its partial results said is void, and its new results keep their id.
- Times count from the beginning of the logical stream, over all connections, and rise.
  The service counts them anew on each connection; the position of the connection's
  first byte is added. That takes a known number of bytes a second: pcm only.
- Result ids are unique in the logical stream.
- The replay buffer is bounded. Once it is full, `send_audio_event` waits until a final
  result settles audio, or until the oldest audio has been with the service for as long as
  the buffer is, or for `SETTLE_TIME` seconds in which the service said nothing. Such audio
  is silence, unless a segment is longer than the buffer; it is forgotten, and
  `Reconnected.forgotten` says how much of it could not be sent again. Live audio never
  waits for that. While there is no connection nothing is forgotten.

Measured with `python -m benchmarks.resume`: 67 cuts in 287 s of real speech, and no word
of 670 lost or doubled; 6 were heard differently, as a recogniser may that begins anew.

What is tried again: lost, refused and reset connections, truncated and damaged streams,
time-outs, an early end, ServiceUnavailable, InternalFailure, LimitExceeded (in the
stream: its audio is too long; at the start: too many streams), HTTP 429 and 5xx. Each
time after a pause that doubles, with jitter, until the service sends something. After
`max_failures` in a row, without a final result or 30 s of life between them, the last
error is raised: what cuts every segment would go on for ever. What is raised at
once: a refusal of parameters, audio or credentials, ConflictException (somebody else uses
the session id: two that fight over it would never end), a closed client.

One BadRequestException is no refusal: "no new audio was received for 15 seconds". It says
that the program paused. The next connection is then made when there is audio again, as
each costs at least 15 s of billing, and counts as no failure.

Before the service's limit of four hours the connection is renewed, if it can be right
behind a final result: `Reconnecting.reason` is then None.

The stream owns one task, which sends and reconnects; leaving the context or `close()` ends
it. Results are read in the program's own `async for`: a break is noticed and mended there,
so read while you send. A program that does not read gets a TimeoutException from
`send_audio_event` once the buffer has been full for a minute.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._events import _checked_chunk
from .exceptions import (
    BadRequestException,
    CredentialsException,
    HTTPException,
    InternalFailureException,
    InvalidParameterException,
    LimitExceededException,
    ParserError,
    SDKError,
    ServiceException,
    ServiceUnavailableException,
    StreamClosedException,
    StreamException,
    TimeoutException,
    UnknownServiceException,
    ValidationException,
)
from .model import (
    MAX_AUDIO_CHUNK,
    AudioChunk,
    Result,
    StartStreamTranscriptionEventStream,
    StartStreamTranscriptionResponse,
    TranscriptEvent,
    UnknownEvent,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .client import TranscribeStreamingClient

__all__ = ["Reconnected", "Reconnecting", "ResumableTranscription"]

SETTLE_TIME = 10.0
"""Seconds without an event after which the service has shown what it makes of audio."""

_CHUNK_SECONDS = 0.2  # the longest that the service recommends
_HEALTHY_SECONDS = 30.0  # a connection that lived so long was none that failed at once
_RENEWAL_GRACE = 300.0  # how long a renewal waits for a final result
_SEND_TIMEOUT = 60.0
_CLOSE_TIMEOUT = 4.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconnecting:
    """The connection is gone; another one will be tried.

    :param reason: What ended it, or what the last try failed with; None for a renewal.
    :param attempt: Failures in a row, this one included; 0 where nothing failed.
    :param delay: Seconds until the try.
    :param superseded: The ids of partial results that are void.
    """

    reason: SDKError | None
    attempt: int
    delay: float
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconnected:
    """There is a connection again.

    :param connection: Its number; the stream's first one was 1.
    :param response: What the service said when it started.
    :param start: Where in the logical stream its audio begins, in seconds.
    :param replayed: Seconds of audio that were sent before and go out again.
    :param forgotten: Seconds before `start` without a final result that the buffer no
        longer held.
    :param outage: Seconds without a connection.
    """

    connection: int
    response: StartStreamTranscriptionResponse
    start: float
    replayed: float
    forgotten: float
    outage: float


class ResumableTranscription:
    """A transcription that outlives its connections.

    It stands in for what `start_stream_transcription` returns: `input_stream` and
    `output_stream` are the stream itself, which takes audio and gives events.

    :param client: Makes the connections. It stays the program's to close.
    :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
    :param media_encoding: `"pcm"`.
    :param session_id: One UUID for all connections; made here when None.
    :param session_resume_window: Minutes for which the service keeps the session; None
        leaves it to the service.
    :param replay_seconds: The size of the replay buffer, 5 to 240 s of audio.
    :param renew_after: The age in seconds at which a connection is renewed.
    :param max_failures: Failures in a row before the last one is raised.
    :param backoff: Seconds before the first new try at most; doubles with each one.
    :param max_backoff: What it doubles up to.
    :param result_timeout: Seconds without an event, after the end of the input, before
        the connection counts as dead.
    :param parameters: The other ones of `start_stream_transcription`.
    :raises InvalidParameterException: for an encoding other than pcm.
    :raises ValidationException: for a number that cannot be.
    """

    def __init__(
        self,
        client: TranscribeStreamingClient,
        *,
        media_sample_rate_hz: int,
        media_encoding: str = "pcm",
        session_id: str | None = None,
        session_resume_window: int | None = 30,
        replay_seconds: float = 60.0,
        renew_after: float = 13_500.0,
        max_failures: int = 10,
        backoff: float = 0.25,
        max_backoff: float = 15.0,
        result_timeout: float = 30.0,
        **parameters: Any,
    ) -> None:
        if media_encoding != "pcm":
            raise InvalidParameterException(
                "media_encoding",
                f"media_encoding must be 'pcm' to be resumed, not {media_encoding!r}: other"
                " encodings cannot be cut at a given time",
            )
        if not isinstance(media_sample_rate_hz, int) or not media_sample_rate_hz > 0:
            raise InvalidParameterException(
                "media_sample_rate_hz", f"media_sample_rate_hz cannot be {media_sample_rate_hz!r}"
            )
        if not 5 <= replay_seconds <= 240:
            raise ValidationException(f"replay_seconds must be 5 to 240, not {replay_seconds!r}")
        for name, number in (
            ("renew_after", renew_after),
            ("max_backoff", max_backoff),
            ("result_timeout", result_timeout),
        ):
            if not number > 0:
                raise ValidationException(f"{name} must be above 0, not {number!r}")
        for name, number in (("max_failures", max_failures), ("backoff", backoff)):
            if not number >= 0:
                raise ValidationException(f"{name} must not be below 0, not {number!r}")
        self.session_id = session_id or str(uuid.uuid4())
        self._client = client
        self._parameters = {
            "media_sample_rate_hz": media_sample_rate_hz,
            "media_encoding": media_encoding,
            "session_id": self.session_id,
            "session_resume_window": session_resume_window,
            **parameters,
        }
        self._frame = 2 * (parameters.get("number_of_channels") or 1)  # bytes of one instant
        self._bytes_per_second = media_sample_rate_hz * self._frame
        self._buffer = _ReplayBuffer(replay_seconds, self._bytes_per_second)
        self._results = _LogicalResults()
        self._renew_after = renew_after
        self._max_failures = max_failures
        self._backoff = backoff
        self._max_backoff = max_backoff
        self._result_timeout = result_timeout

        self._connection: _Connection | None = None
        self._connections = 0
        self._failures = 0  # since the last final result
        self._pauses = 0  # since the last event
        self._lost_at = 0.0
        self._ended = False  # the input
        self._over = False  # the logical stream
        self._failure: BaseException | None = None
        self._events: deque[TranscriptEvent | UnknownEvent | Reconnecting | Reconnected] = deque()
        self._task: asyncio.Task[None] | None = None
        self._readers = 0  # that wait now
        self._reading = asyncio.Lock()
        self._work = asyncio.Event()  # for the task
        self._news = asyncio.Event()  # for readers
        self._room = asyncio.Event()  # for senders

    # Life

    async def start(self) -> None:
        """Make the first connection; what is wrong with it is raised here and not mended."""
        if self._task is not None or self._over:
            raise StreamClosedException("the stream was started before")
        connection = await self._connect()
        self._task = asyncio.get_running_loop().create_task(self._keep_alive(connection))

    async def close(self) -> None:
        """End the task and abort the connection; afterwards readers and writers raise."""
        self._finish(StreamClosedException("the stream was closed"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CLOSE_TIMEOUT)
        if self._connection is not None:
            await self._connection.stream.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def input_stream(self) -> Self:
        """Where audio goes in: the stream itself."""
        return self

    @property
    def output_stream(self) -> Self:
        """Where events come out: the stream itself."""
        return self

    @property
    def response(self) -> StartStreamTranscriptionResponse:
        """What the service said when the present connection started."""
        if self._connection is None:
            raise StreamClosedException("the stream was not started")
        return self._connection.stream.response

    # Audio

    async def send_audio_event(self, audio_chunk: AudioChunk | None) -> None:
        """Send a chunk of audio; waits while the replay buffer is full.

        A send that is cancelled has taken the whole chunk or nothing of it.

        :param audio_chunk: At most 32,768 bytes; an empty one, or None, ends the input.
        :raises StreamClosedException: after the end of the input.
        :raises SDKError: what ended the logical stream.
        """
        chunk = bytes(_checked_chunk(audio_chunk))
        if not chunk:
            await self.end_stream()
            return
        idle = 0.0
        while True:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            if self._ended or self._over:
                raise StreamClosedException("the input has ended: no more audio can be sent")
            wait = self._buffer.wait_for(len(chunk), asyncio.get_running_loop().time())
            if not wait:
                break
            if idle >= _SEND_TIMEOUT:
                raise TimeoutException("send", _SEND_TIMEOUT)
            wait = min(wait, _SEND_TIMEOUT / 10)
            self._room.clear()
            if await _happens(self._room, wait) or self._readers:
                idle = 0.0
            else:
                idle += wait
        self._buffer.append(chunk)
        self._work.set()

    async def end_stream(self) -> None:
        """End the input; the last results follow. A second call is harmless."""
        self._ended = True
        self._work.set()
        self._room.set()

    # Events

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TranscriptEvent | UnknownEvent | Reconnecting | Reconnected:
        self._readers += 1
        try:
            while not self._events:
                if self._over:
                    if self._failure is not None:
                        raise self._failure.with_traceback(None)
                    raise StopAsyncIteration
                connection = self._connection
                if connection is None or connection.over:
                    self._news.clear()
                    await self._news.wait()
                else:
                    await self._read(connection)
            return self._events.popleft()
        finally:
            self._readers -= 1

    async def _read(self, connection: _Connection) -> None:
        """Read one event, or the connection's end."""
        async with self._reading:
            if self._events or connection.over:
                return
            try:
                event = await connection.stream.output_stream.__anext__()
            except StopAsyncIteration:
                self._connection_over(connection, None)
            except SDKError as error:
                self._connection_over(connection, error)
            else:
                connection.heard_at = asyncio.get_running_loop().time()
                self._buffer.heard(connection.heard_at)
                self._pauses = 0
                if isinstance(event, TranscriptEvent):
                    self._take(connection, event)
                else:
                    self._events.append(event)

    def _take(self, connection: _Connection, event: TranscriptEvent) -> None:
        taken, final = self._results.take(event.transcript.results, connection.start_time)
        if taken or not event.transcript.results:
            event.transcript.results = taken
            self._events.append(event)
        if final:
            self._failures = 0
            settled = round(self._results.settled * self._bytes_per_second)
            self._buffer.settle(min(settled - settled % self._frame, connection.sent))
            self._room.set()
            if connection.heard_at >= connection.renewal_at and not connection.end_sent:
                self._renew(connection)

    def _renew(self, connection: _Connection) -> None:
        connection.renewed = True
        self._connection_over(connection, None)

    def _connection_over(self, connection: _Connection, error: SDKError | None) -> None:
        if connection.over:
            return
        connection.over = True
        connection.reason = connection.reason or error
        self._lost_at = asyncio.get_running_loop().time()
        self._work.set()
        self._news.set()

    # The task

    async def _keep_alive(self, connection: _Connection | None) -> None:
        try:
            while connection is not None:
                await self._send(connection)
                await connection.stream.close()
                connection = await self._successor(connection)
            self._finish(None)
        except asyncio.CancelledError:
            self._finish(StreamClosedException("the stream's task was cancelled"))
            raise
        except Exception as error:
            self._finish(error)

    async def _send(self, connection: _Connection) -> None:
        """Send what the buffer holds, until the connection is over."""
        chunk = int(_CHUNK_SECONDS * self._bytes_per_second)
        chunk -= chunk % self._frame
        loop = asyncio.get_running_loop()
        sink = connection.stream.input_stream
        while not connection.over:
            self._work.clear()
            data = self._buffer.read(connection.sent, min(chunk, MAX_AUDIO_CHUNK))
            if not self._ended:
                data = data[: len(data) - len(data) % self._frame]
            now = loop.time()
            try:
                if now >= connection.renewal_at + _RENEWAL_GRACE and not connection.end_sent:
                    self._renew(connection)
                elif data:
                    before = connection.sent
                    connection.sent += len(data)  # its results may come while we wait
                    try:
                        await sink.send_audio_event(data)
                    except SDKError:
                        connection.sent = before
                        raise
                    self._buffer.sent(connection.sent, loop.time())
                elif self._ended and not connection.end_sent:
                    connection.end_sent = True
                    connection.heard_at = now
                    await sink.end_stream()
                elif not connection.end_sent:
                    await _happens(self._work, connection.renewal_at + _RENEWAL_GRACE - now)
                elif now - connection.heard_at < self._result_timeout or not self._readers:
                    due = connection.heard_at + self._result_timeout
                    await _happens(self._work, max(due - now, self._result_timeout / 10))
                else:
                    error = TimeoutException("read", self._result_timeout)
                    self._connection_over(connection, error)
            except TimeoutException as error:  # the peer takes nothing
                connection.reason = error
                await connection.stream.close()
                await self._seen(connection)
            except SDKError:
                await self._seen(connection)

    async def _seen(self, connection: _Connection) -> None:
        """Wait until a reader has come to the connection's end: first come its last events."""
        while not connection.over:
            self._work.clear()
            await self._work.wait()

    async def _successor(self, last: _Connection) -> _Connection | None:
        """The connection that follows one that is over; None at the stream's end."""
        reason = last.reason
        clean = reason is None and not last.renewed
        if clean and last.end_sent:
            return None
        if clean:
            reason = StreamException("the service ended the stream before the audio did")
        if asyncio.get_running_loop().time() - last.opened_at >= _HEALTHY_SECONDS:
            self._failures = self._pauses = 0
        idle = isinstance(reason, BadRequestException) and "no new audio" in reason.message
        while not (self._ended and self._buffer.settled >= self._buffer.end):
            delay = 0.0
            if reason is not None and not idle:
                if not _worth_another(reason):
                    raise reason.with_traceback(None)
                self._failures += 1
                if self._failures > self._max_failures:
                    raise reason.with_traceback(None)
                limit = min(self._backoff * 2**self._pauses, self._max_backoff)
                self._pauses += 1
                delay = random.uniform(limit / 2, limit)  # noqa: S311  # jitter is no secret
            logger.info(
                "session %s: %s, failure %d; next connection in %.2f s",
                self.session_id,
                "renewal" if reason is None else type(reason).__name__,
                self._failures,
                delay,
            )
            void = self._results.cut()
            self._emit(Reconnecting(reason, self._failures, delay, void))
            if idle:
                while not self._ended and self._buffer.end == last.sent:
                    self._work.clear()
                    await self._work.wait()
            await asyncio.sleep(delay)
            try:
                connection = await self._connect()
            except SDKError as error:
                reason, idle = error, False
                continue
            self._emit(
                Reconnected(
                    self._connections,
                    connection.stream.response,
                    connection.start_time,
                    max(0, last.sent - connection.start) / self._bytes_per_second,
                    (connection.start - self._buffer.settled) / self._bytes_per_second,
                    connection.opened_at - self._lost_at,
                )
            )
            return connection
        return None

    async def _connect(self) -> _Connection:
        stream = await self._client.start_stream_transcription(**self._parameters)
        self._connections += 1
        self._results.begin(self._connections)
        self._buffer.rewind()
        start = self._buffer.start
        now = asyncio.get_running_loop().time()
        connection = _Connection(
            stream,
            start=start,
            start_time=start / self._bytes_per_second,
            sent=start,
            opened_at=now,
            renewal_at=now + self._renew_after,
            heard_at=now,
        )
        self._connection = connection
        return connection

    def _emit(self, event: Reconnecting | Reconnected) -> None:
        self._events.append(event)
        self._news.set()

    def _finish(self, failure: BaseException | None) -> None:
        if not self._over:
            self._over = True
            self._failure = failure
            self._news.set()
            self._room.set()


@dataclass
class _Connection:
    """One connection. Positions are bytes of the logical stream, `_at` is the loop's clock."""

    stream: StartStreamTranscriptionEventStream
    start: int
    start_time: float
    sent: int
    opened_at: float
    renewal_at: float
    heard_at: float
    end_sent: bool = False
    renewed: bool = False
    over: bool = False
    reason: SDKError | None = None


class _ReplayBuffer:
    """The audio that may have to go out again. Positions are bytes of the logical stream.

    `settled` is the position up to which there are final results, `start` that of the
    first byte held: the same, unless older audio had to make room.
    """

    def __init__(self, seconds: float, bytes_per_second: int) -> None:
        self.start = 0
        self.settled = 0
        self._seconds = seconds
        self._capacity = int(seconds * bytes_per_second)
        self._audio = bytearray()
        self._marks: deque[tuple[int, float]] = deque()  # sent up to a position, when
        self._heard_at = 0.0

    @property
    def end(self) -> int:
        """The position behind the last byte."""
        return self.start + len(self._audio)

    def append(self, chunk: AudioChunk) -> None:
        self._audio += chunk

    def read(self, position: int, size: int) -> bytes:
        at = position - self.start
        return bytes(self._audio[at : at + size])

    def wait_for(self, size: int, now: float) -> float:
        """Make room for more; 0 if there is, else the seconds after which it may be."""
        while self.end - self.start + size > self._capacity:
            if not self._marks:
                return _SEND_TIMEOUT
            position, sent_at = self._marks[0]
            quiet_since = max(sent_at, self._heard_at)
            due = min(sent_at + self._seconds, quiet_since + SETTLE_TIME)
            if due > now:
                return due - now
            self._marks.popleft()
            self._release(position)
        return 0.0

    def sent(self, position: int, now: float) -> None:
        self._marks.append((position, now))

    def heard(self, now: float) -> None:
        """The service said something: it is at work on what it has."""
        self._heard_at = now

    def settle(self, position: int) -> None:
        """There are final results up to a position."""
        if position > self.settled:
            self.settled = position
            self._release(position)

    def rewind(self) -> None:
        """A new connection has been sent nothing."""
        self._marks.clear()

    def _release(self, position: int) -> None:
        if position > self.start:
            del self._audio[: position - self.start]
            self.start = position


class _LogicalResults:
    """Turns the results of many connections into those of one stream.

    `settled` is the time up to which there are final results: the end of the last one,
    or the beginning of an earlier segment that is still open (on another channel).
    """

    def __init__(self) -> None:
        self.settled = 0.0
        self._finals: dict[str | None, float] = {}  # by channel: the end of the last one
        self._open: dict[str, Result] = {}  # by our id: partial results of this connection
        self._void: dict[str | None, Result] = {}  # by channel: of the connection before
        self._ids: dict[str, str] = {}  # the connection's ids of open segments, and ours
        self._connection = 1

    def begin(self, connection: int) -> None:
        self._connection = connection

    def cut(self) -> tuple[str, ...]:
        """The connection is gone: the ids of the partial results that are void."""
        for result in self._open.values():
            self._void[result.channel_id] = result
        self._open.clear()
        self._ids.clear()
        return tuple(result.result_id for result in self._void.values() if result.result_id)

    def take(self, results: list[Result], offset: float) -> tuple[list[Result], bool]:
        """Results as the program sees them, and whether there is a final one among them."""
        taken = []
        final = False
        for result in results:
            if offset:
                _shift(result, offset)
            if self._is_repeated(result):
                continue
            taken.append(result)
            theirs = result.result_id or ""
            ours = self._ids.get(theirs) or self._new_id(result)
            self._ids[theirs] = result.result_id = ours
            if result.is_partial:
                self._open[ours] = result
            else:
                final = True
                self._open.pop(ours, None)
                del self._ids[theirs]
                channel = result.channel_id
                self._finals[channel] = max(self._finals.get(channel, 0), result.end_time or 0)
        if final:
            starts = [result.start_time or 0 for result in self._open.values()]
            self.settled = max(self.settled, min([max(self._finals.values()), *starts]))
        return taken, final

    def _is_repeated(self, result: Result) -> bool:
        """Whether an earlier connection gave the final result: one channel's replay may
        begin where the other's had gone on."""
        if self._connection == 1 or result.result_id in self._ids:
            return False
        middle = ((result.start_time or 0) + (result.end_time or 0)) / 2
        return middle < self._finals.get(result.channel_id, 0)

    def _new_id(self, result: Result) -> str:
        theirs = result.result_id or ""
        void = self._void.pop(result.channel_id, None)
        if void is not None and (result.start_time or 0) < (void.end_time or 0):
            return void.result_id or ""
        # A UUID is unique by itself.
        if self._connection == 1 or len(theirs) == 36:
            return theirs
        return f"{theirs}/{self._connection}"


def _shift(result: Result, offset: float) -> None:
    """Count the result's times from an earlier beginning."""
    pieces: list[Any] = [result]
    for alternative in result.alternatives or ():
        pieces += alternative.items
        pieces += alternative.entities or ()
    for piece in pieces:
        if piece.start_time is not None:
            piece.start_time = round(piece.start_time + offset, 3)
        if piece.end_time is not None:
            piece.end_time = round(piece.end_time + offset, 3)


def _worth_another(error: SDKError) -> bool:
    """Whether another connection may do better."""
    if isinstance(error, (ValidationException, CredentialsException, StreamClosedException)):
        return False
    if isinstance(error, UnknownServiceException):
        return error.status_code == 429 or error.status_code >= 500
    if isinstance(error, ServiceException):
        again = (ServiceUnavailableException, InternalFailureException, LimitExceededException)
        return isinstance(error, again)
    return isinstance(error, (HTTPException, ParserError))


async def _happens(event: asyncio.Event, timeout: float) -> bool:
    """Wait for an event, at most so long; whether it came."""
    timed_out = False

    def expire() -> None:
        nonlocal timed_out
        timed_out = True
        event.set()

    timer = asyncio.get_running_loop().call_later(max(timeout, 0), expire)
    try:
        await event.wait()
    finally:
        timer.cancel()
    return not timed_out
