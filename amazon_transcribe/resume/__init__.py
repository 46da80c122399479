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
- Channels that are recognised apart are heard again from where the first of them has
  something to come: from its last final result, or from its open segment. One that has
  said nothing in the 20 s (at most half the replay buffer) before another's last final
  result was silent until then. What the others repeat is told once: words whose middle
  lies before the end of a channel's last final result are taken out of its new ones.
- Times count from the beginning of the logical stream, over all connections, and rise
  in each channel. The service counts them anew on each connection; the position of the
  connection's first byte is added. That takes a known number of bytes a second: pcm only.
- Result ids are unique in the logical stream.
- What else the service learns of a stream it learns anew on each connection: the same
  speaker may get another label, and a language to be found out is sought again.
- The replay buffer is bounded. Once it is full, `send_audio_event` waits until a final
  result settles audio, or until the oldest audio has been with the service for as long as
  the buffer is, or for 10 s in which the service said nothing. Such audio is silence,
  unless a segment is longer than the buffer; it is forgotten, and `Reconnected.forgotten`
  says how much of it could not be sent again. Live audio never waits for that. While
  there is no connection nothing is forgotten.

What is tried again: lost, refused and reset connections, truncated and damaged streams,
time-outs, an early end, ServiceUnavailable, InternalFailure, LimitExceeded (in the
stream: its audio is too long; at the start: too many streams), HTTP 429 and 5xx. Each
time after a pause that doubles, with jitter, until the service sends something. After
`max_failures` in a row, without a final result or 30 s of life between them, the last
error is raised: what cuts every segment would go on for ever. What is raised at
once: a refusal of parameters, audio or credentials, ConflictException (somebody else uses
the session id: two that fight over it would never end), a closed client.

Three ends are no failures, and count as none:

- Before the service's limit of four hours the connection is renewed, if it can be right
  behind a final result: `Reconnecting.reason` is then None.
- BadRequestException for "no new audio for 15 seconds" says that the program paused. The
  next connection is made when there is audio again: each costs at least 15 s of billing.
- A connection that says nothing for `result_timeout` seconds, to sound of half that time
  at least, is replaced, with a TimeoutException for the reason. If the next one is as
  silent the sound may have no words: each in a row is given twice the time, until one
  says something.

The stream owns one task, which sends and reconnects; leaving the context or `close()` ends
it. Results are read in the program's own `async for`: a break is noticed and repaired there,
so read while you send. A program that does not read gets a TimeoutException from
`send_audio_event` once the buffer has been full for a minute.

The client's observer is told of every break and return: see `observe`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._protocol.constants import MAX_AUDIO_CHUNK
from .._protocol.constraints import check_above_zero
from .._protocol.events import AudioChunk, UnknownEvent
from .._stream.open_stream import checked_chunk
from .._stream.telemetry import notify
from ..exceptions import (
    BadRequestException,
    InvalidParameterException,
    SDKError,
    StreamClosedException,
    StreamException,
    TimeoutException,
    ValidationException,
)
from ..observe import StreamInfo
from ..transcription import (
    START_STREAM_TRANSCRIPTION,
    StartStreamTranscriptionResponse,
    TranscriptEvent,
)
from ._buffer import ReplayBuffer
from ._connection import _Connection, _is_sound
from ._policy import _HEALTHY_SECONDS, _worth_another
from ._results import LAG, LogicalResults

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from ..client import TranscribeStreamingClient

__all__ = ["Reconnected", "Reconnecting", "ResumableTranscription"]
_CHUNK_SECONDS = 0.2  # the longest that the service recommends
_RENEWAL_GRACE = 300.0  # how long a renewal waits for a final result
_SEND_TIMEOUT = 60.0
_CLOSE_TIMEOUT = 4.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconnecting:
    """The connection is gone; another one will be tried.

    :param reason: What ended it, or what the last try failed with; None for a renewal.
    :param attempt: Failures in a row, this one included if it is one.
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
    :param forgotten: Seconds before `start` without a final result, on some channel at
        least, that the buffer no longer held.
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

    A plain one: calls with analytics, medical transcription and the scribe cannot be resumed.

    It stands in for what `start_stream_transcription` returns: `input_stream` and
    `output_stream` are the stream itself, which takes audio and gives events.
    `unknown_events` counts those of types that this version does not know.

    :param client: Makes the connections. It stays the program's to close.
    :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
    :param media_encoding: `"pcm"`.
    :param session_id: One UUID for all connections; made here when None.
    :param session_resume_window: Minutes from a connection's start for which the service
        keeps the session; at most 300, longer than a connection lives. None leaves it to
        the service.
    :param replay_seconds: The size of the replay buffer, 5 to 240 s of audio.
    :param renew_after: The age in seconds at which a connection is renewed.
    :param max_failures: Failures in a row before the last one is raised.
    :param backoff: Seconds before the first new try at most; doubles with each one.
    :param max_backoff: What it doubles up to.
    :param result_timeout: Seconds without an event until a connection is replaced to which
        sound of half that time, or of half the replay buffer, was sent in vain. After the
        end of the input the client's `idle_timeout` holds.
    :param parameters: The other ones of `start_stream_transcription`.
    :raises InvalidParameterException: for an encoding other than pcm, and for an idle
        policy: a pause is bridged as it is.
    :raises ValidationException: for a number that cannot be.
    """

    def __init__(
        self,
        client: TranscribeStreamingClient,
        *,
        media_sample_rate_hz: int,
        media_encoding: str = "pcm",
        session_id: str | None = None,
        session_resume_window: int | None = 300,
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
        if parameters.get("idle", "wait") != "wait":
            raise InvalidParameterException(
                "idle", "idle must be 'wait': a resumed stream bridges pauses by itself"
            )
        channels = parameters.get("number_of_channels") or 1
        for name, number in (
            ("media_sample_rate_hz", media_sample_rate_hz),
            ("number_of_channels", channels),
        ):
            if not isinstance(number, int) or not number > 0:
                raise InvalidParameterException(name, f"{name} cannot be {number!r}")
        if not 5 <= replay_seconds <= 240:
            raise ValidationException(f"replay_seconds must be 5 to 240, not {replay_seconds!r}")
        check_above_zero(
            renew_after=renew_after, max_backoff=max_backoff, result_timeout=result_timeout
        )
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
        self._frame = 2 * channels  # bytes of one instant
        self._bytes_per_second = media_sample_rate_hz * self._frame
        chunk = min(int(_CHUNK_SECONDS * self._bytes_per_second), MAX_AUDIO_CHUNK)
        self._chunk = chunk - chunk % self._frame  # bytes sent at a time
        self._buffer = ReplayBuffer(replay_seconds, self._bytes_per_second)
        apart = channels if parameters.get("enable_channel_identification") else 1
        self._results = LogicalResults(apart, min(LAG, replay_seconds / 2))
        self._renew_after = renew_after
        self._max_failures = max_failures
        self._backoff = backoff
        self._max_backoff = max_backoff
        self._result_timeout = result_timeout
        self._enough_sound = min(result_timeout, replay_seconds) / 2  # to be answered

        self._connection: _Connection | None = None
        self._connections = 0
        self._failures = 0  # since the last final result
        self._pauses = 0  # since the last event
        self._silent = 0  # connections that said nothing to sound, since the last event
        self._lost_at = 0.0
        self._ended = False  # the input
        self._over = False  # the logical stream
        self._failure: BaseException | None = None
        self._events: deque[TranscriptEvent | UnknownEvent | Reconnecting | Reconnected] = deque()
        self.unknown_events = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None  # looks after the connection
        self._readers = 0  # that wait now
        self._reading = asyncio.Lock()
        self._work = asyncio.Event()  # for the task
        self._news = asyncio.Event()  # for readers
        self._room = asyncio.Event()  # for senders

    # Life

    async def start(self) -> None:
        """Make the first connection; what is wrong with it is raised here and not repaired."""
        if self._task is not None or self._over:
            raise StreamClosedException("the stream was started before")
        connection = await self._connect()
        if self._over:  # closed meanwhile
            self._connection_over(connection, None)
            raise StreamClosedException("the stream was closed")
        self._task = asyncio.get_running_loop().create_task(self._keep_alive(connection))

    async def close(self) -> None:
        """End the task and abort the connection; afterwards readers and writers raise."""
        self._finish(StreamClosedException("the stream was closed"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CLOSE_TIMEOUT)

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
        chunk = bytes(checked_chunk(audio_chunk))
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
                self._heard(connection, event)

    def _heard(self, connection: _Connection, event: TranscriptEvent | UnknownEvent) -> None:
        """Pass an event on, as one of the logical stream."""
        connection.heard_at = asyncio.get_running_loop().time()
        self._buffer.heard(connection.heard_at)
        self._pauses = self._silent = 0
        if isinstance(event, UnknownEvent):
            self.unknown_events += 1
            self._events.append(event)
            return
        results = event.transcript.results
        taken, final = self._results.take(results, connection.start_time)
        if taken or not results:
            event.transcript.results = taken
            self._events.append(event)
        for result in results:
            connection.answered = max(connection.answered, self._position(result.end_time))
        if final:
            self._failures = 0
            self._buffer.settle(min(self._position(self._results.settled), connection.sent))
            self._room.set()
            if connection.heard_at >= connection.renewal_at and not connection.end_sent:
                self._replace(connection, None)

    def _position(self, seconds: float | None) -> int:
        position = round((seconds or 0.0) * self._bytes_per_second)
        return position - position % self._frame

    def _replace(self, connection: _Connection, reason: SDKError | None) -> None:
        """End a connection that has not failed."""
        connection.failed = False
        self._connection_over(connection, reason)

    def _connection_over(self, connection: _Connection, reason: SDKError | None) -> None:
        if connection.over:
            return
        connection.over = True
        connection.reason = reason
        self._lost_at = asyncio.get_running_loop().time()
        self._stop_timer()
        connection.stream.abort()
        self._work.set()
        self._news.set()

    # Dead and old connections

    def _look_after(self, connection: _Connection) -> None:
        """Replace the connection if it is too old or says nothing; else look again in time."""
        if connection.end_sent:
            return  # whose own time-out ends it
        loop = asyncio.get_running_loop()
        now = loop.time()
        too_old = connection.renewal_at + _RENEWAL_GRACE - now
        limit = self._result_timeout * 2**self._silent
        quiet = now - connection.heard_at
        if too_old <= 0:
            self._replace(connection, None)
        elif (
            quiet >= limit
            and self._readers  # else there may be events that nobody has read
            and self._buffer.sound_behind(connection.answered) >= self._enough_sound
        ):
            self._silent += 1
            self._replace(connection, TimeoutException("read", limit))
        else:
            due = min(max(limit - quiet, self._result_timeout / 10), too_old)
            self._timer = loop.call_later(due, self._look_after, connection)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The task

    async def _keep_alive(self, connection: _Connection | None) -> None:
        try:
            while connection is not None:
                await self._send(connection)
                connection = await self._successor(connection)
            self._finish(None)
        except asyncio.CancelledError:
            self._finish(StreamClosedException("the stream's task was cancelled"))
            raise
        except Exception as error:
            self._finish(error)

    async def _send(self, connection: _Connection) -> None:
        """Send what the buffer holds, until the connection is over."""
        while not connection.over:
            self._work.clear()
            data = self._buffer.read(connection.sent, self._chunk)
            if not self._ended:
                data = data[: len(data) - len(data) % self._frame]
            try:
                if data:
                    await self._send_audio(connection, data)
                elif self._ended and not connection.end_sent:
                    connection.end_sent = True
                    await connection.stream.input_stream.end_stream()
                else:
                    await self._work.wait()
            except SDKError:
                # A reader comes to it too, after the connection's last events.
                await self._until(lambda: connection.over)

    async def _send_audio(self, connection: _Connection, data: bytes) -> None:
        connection.sent += len(data)  # first: its results may come while we wait
        try:
            await connection.stream.input_stream.send_audio_event(data)
        except SDKError:
            connection.sent -= len(data)
            raise
        sound = len(data) / self._bytes_per_second if _is_sound(data) else 0.0
        self._buffer.sent(connection.sent, asyncio.get_running_loop().time(), sound)

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._work.clear()
            await self._work.wait()

    async def _successor(self, last: _Connection) -> _Connection | None:
        """The connection that follows one that is over; None at the stream's end."""
        reason, failed = last.reason, last.failed
        if failed and reason is None:
            if last.end_sent:
                return None
            reason = StreamException("the service ended the stream before the audio did")
        lived = self._lost_at - last.opened_at
        if lived >= _HEALTHY_SECONDS and not isinstance(reason, TimeoutException):
            self._failures = self._pauses = 0
        idle = isinstance(reason, BadRequestException) and "no new audio" in reason.message
        while not (self._ended and self._buffer.settled >= self._buffer.end):
            delay = 0.0
            if reason is not None and failed and not idle:
                self._failures += 1
                if self._failures > self._max_failures or not _worth_another(reason):
                    raise reason.with_traceback(None)
                limit = min(self._backoff * 2**self._pauses, self._max_backoff)
                self._pauses += 1
                delay = random.uniform(limit / 2, limit)  # noqa: S311  # jitter is no secret
            self._tell_reconnecting(last, reason, delay)
            if idle:
                await self._until(lambda: self._ended or self._buffer.end > last.sent)
            await asyncio.sleep(delay)
            try:
                connection = await self._connect()
            except SDKError as error:
                reason, failed, idle = error, True, False
            else:
                self._tell_reconnected(last, connection)
                return connection
        return None

    async def _connect(self) -> _Connection:
        stream = await self._client.start_stream_transcription(**self._parameters)
        self._connections += 1
        self._results.begin(self._connections)
        self._buffer.rewind()
        start = self._buffer.start
        now = asyncio.get_running_loop().time()
        connection = self._connection = _Connection(
            stream,
            start=start,
            start_time=start / self._bytes_per_second,
            sent=start,
            opened_at=now,
            renewal_at=now + self._renew_after,
            heard_at=now,
        )
        self._look_after(connection)
        self._news.set()
        return connection

    def _tell_reconnecting(self, last: _Connection, reason: SDKError | None, delay: float) -> None:
        void = self._results.cut()
        self._events.append(Reconnecting(reason, self._failures, delay, void))
        self._news.set()
        logger.info(
            "session %s: %s, failure %d; next connection in %.2f s",
            self.session_id,
            "renewal" if reason is None else type(reason).__name__,
            self._failures,
            delay,
        )
        self._tell(last, "reconnecting", self._failures, delay, reason)

    def _tell_reconnected(self, last: _Connection, connection: _Connection) -> None:
        replayed = max(0, last.sent - connection.start) / self._bytes_per_second
        settled = self._position(self._results.settled)
        forgotten = max(0, connection.start - settled) / self._bytes_per_second
        outage = connection.opened_at - self._lost_at
        self._events.append(
            Reconnected(
                self._connections,
                connection.stream.response,
                connection.start_time,
                replayed,
                forgotten,
                outage,
            )
        )
        self._news.set()
        self._tell(connection, "reconnected", outage, replayed, forgotten)

    def _tell(self, connection: _Connection, method: str, *arguments: object) -> None:
        if self._client.observer is not None:
            response = connection.stream.response
            ids = (response.request_id, response.session_id)
            stream = StreamInfo(START_STREAM_TRANSCRIPTION.name, *ids)
            notify(getattr(self._client.observer, method), stream, *arguments)

    def _finish(self, failure: BaseException | None) -> None:
        if not self._over:
            self._over = True
            self._failure = failure
            if self._connection is not None:
                self._connection_over(self._connection, None)
            self._news.set()
            self._room.set()


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
