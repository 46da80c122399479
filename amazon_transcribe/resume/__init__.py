"""A transcription that survives lost connections: no word lost, none doubled.

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

When a connection breaks, the audio since the end of the last final result is sent again on
a new one, under the same session id. Final results come once each; times and result ids are
those of one stream. Read while you send: a break is noticed where events are read.

`export_state` hands a stream to another process, which goes on `from_state`. The guide
"Resume after a lost connection" has the rules: what is retried and what is raised, when a
connection is replaced, and how much audio is kept.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import time
import uuid
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .._net.loops import check_loop
from .._net.waiting import Waiters
from .._protocol.constants import SILENT_SAMPLE
from .._protocol.constraints import (
    CHANNELS,
    ENCODING,
    SAMPLE_RATE,
    UUID,
    Boolean,
    check_above_zero,
    is_number,
)
from .._protocol.events import AudioChunk, UnknownEvent
from .._stream.iteration import ConnectionEvent, EventIteration
from .._stream.open_stream import checked_chunk
from ..exceptions import (
    InvalidParameterException,
    SDKError,
    StreamClosedException,
    TimeoutException,
    ValidationException,
    shown,
)
from ..observe import StreamInfo, notify, package_logger
from ..transcription import (
    START_STREAM_TRANSCRIPTION,
    StartStreamTranscriptionResponse,
    TranscriptEvent,
    TranscriptionClient,
    TranscriptionParameters,
)
from ._buffer import ReplayBuffer
from ._connection import Connection, ConnectionLimits
from ._pcm import PcmFormat
from ._policy import RetryPolicy, is_pause
from ._results import LAG, LogicalResults
from ._state import State, read_state, write_state

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Reconnected", "Reconnecting", "ResumableTranscription"]

SEND_TIMEOUT = 60.0
CLOSE_TIMEOUT = 4.0
logger: logging.Logger = package_logger(__name__)


@dataclass(frozen=True)
class Reconnecting(ConnectionEvent):
    """An event: the connection is gone, another one will be tried.

    :param reason: What ended the connection, or why the last try failed; None for a renewal.
    :param attempt: Failures in a row, this one included if it is one.
    :param delay: Seconds until the try.
    :param superseded: The ids of the partial results that no longer hold.
    """

    reason: SDKError | None
    attempt: int
    delay: float
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconnected(ConnectionEvent):
    """An event: there is a connection again.

    :param connection: Its number; the stream's first one was 1.
    :param response: The service's answer to its start.
    :param start: Where in the logical stream its audio begins, in seconds.
    :param replayed: Seconds of audio that were sent before and are sent again.
    :param forgotten: Seconds before `start` that have no final result, on one channel at
        least, and that the buffer no longer held.
    :param outage: Seconds without a connection.
    """

    connection: int
    response: StartStreamTranscriptionResponse
    start: float
    replayed: float
    forgotten: float
    outage: float


class _State(Enum):
    NEW = "new"
    STARTING = "starting"
    OPEN = "open"
    OVER = "over"


class ResumableTranscription(EventIteration[TranscriptEvent | Reconnecting | Reconnected]):
    """A transcription that outlives its connections.

    Only StartStreamTranscription can be resumed: call analytics, medical transcription and
    the scribe cannot.

    The stream takes the place of what `start_stream_transcription` returns: `input_stream`
    and `output_stream` are the stream itself, which takes audio and gives events.
    `unknown_events` counts events of types that this version does not know, which do not
    stand in the way of the iteration; `including_unknown` gives them too.

    :param client: Makes the connections. The program closes it.
    :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
    :param media_encoding: `"pcm"`, `"g711-alaw"` or `"g711-ulaw"`.
    :param session_id: One UUID for all connections; None makes one.
    :param session_resume_window: Minutes from a connection's start for which the service
        keeps the session; at most 300, longer than a connection lives. None leaves it to
        the service.
    :param replay_seconds: The size of the replay buffer, 5 to 240 s of audio.
    :param renew_after: The age in seconds at which a connection is renewed.
    :param max_failures: Failures in a row before the last one is raised.
    :param backoff: The longest pause before the first new try, in seconds; it doubles with
        each further one.
    :param max_backoff: The longest pause of all.
    :param result_timeout: Seconds without an event after which a connection is replaced, if
        sound of half that time, or of half the replay buffer, is unanswered. After the end
        of the input the client's `idle_timeout` holds.
    :param parameters: The other ones of `start_stream_transcription`.
    :raises InvalidParameterException: for another encoding, for a number of channels or a
        sample rate that is not a positive integer, and for an idle policy: a resumed stream
        bridges pauses by itself.
    :raises ValidationException: for a number that is not allowed.
    """

    def __init__(
        self,
        client: TranscriptionClient,
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
        **parameters: Unpack[TranscriptionParameters],
    ) -> None:
        media_sample_rate_hz = SAMPLE_RATE.normalised(media_sample_rate_hz)
        media_encoding = ENCODING.normalised(media_encoding)
        channels = CHANNELS.normalised(parameters.get("number_of_channels")) or 1
        by_channel = Boolean().normalised(parameters.get("enable_channel_identification"))
        _check_audio(media_encoding, media_sample_rate_hz, channels)
        if parameters.get("idle", "wait") != "wait":
            raise InvalidParameterException(
                "idle", "idle must be 'wait': a resumed stream bridges pauses by itself"
            )
        check_above_zero(
            renew_after=renew_after, max_backoff=max_backoff, result_timeout=result_timeout
        )
        _check_range("replay_seconds", replay_seconds, 5, 240)
        _check_range("max_failures", max_failures, 0)
        _check_range("backoff", backoff, 0)
        super().__init__()
        self.session_id: str = UUID.normalised(session_id) or str(uuid.uuid4())
        self._client = client
        self._parameters: dict[str, Any] = {
            "media_sample_rate_hz": media_sample_rate_hz,
            "media_encoding": media_encoding,
            "session_id": self.session_id,
            "session_resume_window": session_resume_window,
            **parameters,
        }
        self._options = {
            "replay_seconds": replay_seconds,
            "renew_after": renew_after,
            "max_failures": max_failures,
            "backoff": backoff,
            "max_backoff": max_backoff,
            "result_timeout": result_timeout,
        }
        self._pcm = PcmFormat(media_sample_rate_hz, channels, media_encoding)
        self._buffer = ReplayBuffer(replay_seconds, self._pcm.bytes_per_second)
        self._results = LogicalResults(
            channels if by_channel else 1,
            min(LAG, replay_seconds / 2),
        )
        self._policy = RetryPolicy(
            max_failures=max_failures,
            backoff=backoff,
            max_backoff=max_backoff,
            result_timeout=result_timeout,
        )
        self._limits = ConnectionLimits(renew_after, min(result_timeout, replay_seconds) / 2)
        self._send_timeout = SEND_TIMEOUT

        self._state = _State.NEW
        self._loop: asyncio.AbstractEventLoop | None = None  # from the start on
        self._failure: BaseException | None = None  # what the stream has ended with
        self._input_ended = False
        self._connection: Connection | None = None  # the present one, or the last
        self._handed: State | None = None  # by another process
        self._task: asyncio.Task[None] | None = None
        self._events: deque[TranscriptEvent | UnknownEvent | Reconnecting | Reconnected] = deque()
        self._read_lock = asyncio.Lock()
        self._send_lock = asyncio.Lock()
        self._changes = Waiters()

    # Life
    #
    # One `Connection` follows the other. The task feeds each of them from the replay buffer,
    # and makes the next one once it has ended. The program's own reads take a connection's
    # events and meet its end, which wakes the task.

    async def start(self) -> None:
        """Make the first connection; its error is raised and not retried."""
        self._check_loop()
        if self._state is _State.OVER:
            raise StreamClosedException("the stream was closed: make a new one")
        if self._state is not _State.NEW:
            raise StreamClosedException("the stream was started before: start it only once")
        self._state = _State.STARTING
        self._loop = asyncio.get_running_loop()
        try:
            connection = await self._connect(self._connections + 1)
        except BaseException:
            if not self._is_over:
                self._state = _State.NEW
            raise
        self._state = _State.OPEN
        if self._handed is not None:
            outage = max(0.0, time.time() - self._handed.exported_at)
            self._announce_return(connection, self._handed.audio_sent, outage)
        self._task = asyncio.get_running_loop().create_task(self._run(connection))
        self._task.add_done_callback(self._task_done)

    async def close(self) -> None:
        """End the task and abort the connection; afterwards readers and writers raise."""
        self._check_loop()
        self._finish(StreamClosedException("the stream was closed"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSE_TIMEOUT)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def audio_bytes_taken(self) -> int:
        """Bytes of audio that the stream has taken, those of other processes included."""
        return self._buffer.end

    # Handing over

    def export_state(self) -> str:
        """End the stream here, and return what another process needs to go on with it.

        The reader gets the events that have come, and then the end: whoever shows or stores
        results does so before the other process begins. A sender is refused: its chunk is
        the first one for the other process. Of a stream that has failed the state is as good.

        The state is JSON, at most some megabytes; it holds audio, so treat it like a recording.
        The guide "Resume after a lost connection" describes it.

        :raises ValidationException: for a parameter of the program's that JSON cannot hold.
        """
        self._check_loop()
        last = self._connection
        self._finish(None)
        if self._task is not None:
            self._task.cancel()
        self._results.cut()
        return write_state(
            State(
                version=1,
                parameters={**self._parameters, **self._options},
                exported_at=time.time(),
                connections=self._connections,
                input_ended=self._input_ended,
                audio=self._buffer.held,
                audio_start=self._buffer.start,
                audio_settled=self._buffer.settled,
                audio_sent=last.sent if last is not None else self._buffer.start,
                settled=self._results.settled,
                final_up_to=self._results.final_up_to,
                superseded=self._results.superseded,
            )
        )

    @classmethod
    def from_state(cls, client: TranscriptionClient, state: str | bytes) -> Self:
        """Make a stream that goes on where another one, of any process, was exported.

        It has the same parameters and session id, and is started like any other. Its first
        event is a `Reconnected`. Times and result ids go on.

        :param client: Makes the connections. The program closes it.
        :param state: What `export_state` returned.
        :raises ValidationException: for what is no such state, or is of another version.
        """
        handed = read_state(state)
        known = {*inspect.signature(cls).parameters, *TranscriptionParameters.__annotations__}
        if unknown := handed.parameters.keys() - (known - {"client", "parameters"}):
            names = shown(", ".join(sorted(unknown)))
            raise ValidationException(
                f"the state has parameters that this version does not know: {names}"
            )
        try:
            stream = cls(client, **handed.parameters)
        except TypeError as error:
            raise ValidationException(f"the state's parameters cannot be: {error}") from error
        stream._handed = handed
        stream._input_ended = handed.input_ended
        stream._buffer.restore(handed.audio, handed.audio_start, handed.audio_settled)
        stream._results.restore(handed.settled, handed.final_up_to, handed.superseded)
        return stream

    @property
    def _connections(self) -> int:
        """How many there have been."""
        if self._connection is not None:
            return self._connection.number
        return self._handed.connections if self._handed is not None else 0

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
        """The service's answer to the start of the present connection."""
        if self._connection is None:
            raise StreamClosedException("the stream was not started")
        return self._connection.stream.response

    # Audio

    async def send_audio_event(self, audio_chunk: AudioChunk | None) -> None:
        """Send a chunk of audio; wait while the replay buffer is full.

        A send that is cancelled has taken the whole chunk or nothing of it.

        :param audio_chunk: At most 32,768 bytes; an empty one, or None, ends the input.
        :raises StreamClosedException: after the end of the input.
        :raises TimeoutException: with the phase `"send"`, if the buffer has been full for a
            minute and nobody reads.
        :raises UnreadResultsException: if results lie unread beyond the client's `max_unread`.
        :raises SDKError: what ended the logical stream.
        """
        self._check_loop()
        chunk = bytes(checked_chunk(audio_chunk))
        if not chunk:
            await self.end_stream()
            return
        async with self._send_lock:  # first come, first sent
            await self._wait_for_room(len(chunk))
            self._buffer.append(chunk)
        self._changes.wake()

    async def end_stream(self) -> None:
        """End the input; the last results follow. A second call is harmless.

        :raises UnreadResultsException: if results lie unread beyond the client's `max_unread`.
        """
        self._check_loop()
        self._input_ended = True
        self._changes.wake()
        self._check_unread()

    def _check_loop(self) -> None:
        if self._loop is not None:
            check_loop(self._loop, "the stream")

    def _check_unread(self) -> None:
        """Tell the sender at once what the reader meets behind the results that came before."""
        connection = self._connection
        if connection is not None and connection.unread is not None:
            raise connection.unread.with_traceback(None)

    async def _wait_for_room(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        stuck_since = loop.time()
        while True:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            if self._input_ended or self._is_over:
                raise StreamClosedException("the input has ended: no more audio can be sent")
            self._check_unread()
            now = loop.time()
            delay = self._buffer.make_room(size, now)
            if not delay:
                return
            if now - stuck_since >= self._send_timeout:
                raise TimeoutException("send", self._send_timeout)
            try:
                await self._changes.wait(min(delay, self._send_timeout / 10), "send")
            except TimeoutException:
                if not self._read_lock.locked():
                    continue
            stuck_since = loop.time()

    # Events

    async def _next_event(
        self,
    ) -> TranscriptEvent | UnknownEvent | Reconnecting | Reconnected | None:
        self._check_loop()
        async with self._read_lock:
            while not self._events:
                connection = self._connection
                if self._is_over:
                    if self._failure is not None:
                        raise self._failure.with_traceback(None)
                    return None
                if connection is None or connection.has_ended:
                    await self._changes.wait(None, "read")
                elif (event := await connection.read()) is not None:
                    self._take(connection, event)
            return self._events.popleft()

    def _take(self, connection: Connection, event: TranscriptEvent | UnknownEvent) -> None:
        """Queue an event as one of the logical stream, and note what it settles."""
        if isinstance(event, UnknownEvent):
            self._events.append(event)
            return
        results = event.transcript.results
        heard = self._pcm.seconds(connection.sent - connection.start)
        start = self._pcm.seconds(connection.start)
        taken, has_final = self._results.take(results, start, heard)
        if taken or not results:
            event.transcript.results = taken
            self._events.append(event)
        for result in results:
            connection.note_result(self._pcm.position(result.end_time or 0.0))
        if has_final:
            self._policy.final_received()
            settled = self._pcm.position(self._results.settled)
            self._buffer.settle(min(settled, connection.sent))
            self._changes.wake()
            connection.renew_if_due()

    # The task

    async def _run(self, connection: Connection | None) -> None:
        """Feed one connection after the other, to the end of the logical stream."""
        try:
            while connection is not None:
                await self._feed(connection)
                connection = await self._reconnect(connection)
            self._finish(None)
        except Exception as error:
            self._finish(error)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        # Not in the task: one that is cancelled before its first step runs none of its code.
        self._finish(StreamClosedException("the stream's task was cancelled"))

    async def _feed(self, connection: Connection) -> None:
        """Send what the buffer holds, until the connection has ended."""
        while not connection.has_ended:
            data = self._buffer.read(connection.sent, self._pcm.chunk_size)
            if not self._input_ended:
                data = data[: self._pcm.whole_frames(len(data))]
            if data and not connection.is_broken:
                await connection.send_audio(data)
            elif self._input_ended and not (connection.end_sent or connection.is_broken):
                await connection.end_input()
            else:
                await self._changes.wait(None, "send")

    async def _reconnect(self, last: Connection) -> Connection | None:
        """Return the connection that follows one that has ended; None at the stream's end."""
        reason = last.reason
        failure = reason if last.has_failed else None
        while not (last.is_complete or self._is_settled):
            delay = 0.0 if failure is None else self._policy.next_delay(failure)
            self._announce_loss(last, reason, delay)
            if failure is None and is_pause(reason):  # connect when there is audio again
                while not (self._input_ended or self._buffer.end > last.sent):
                    await self._changes.wait(None, "send")
            await asyncio.sleep(delay)
            try:
                connection = await self._connect(last.number + 1)
            except SDKError as error:
                reason = failure = error
            else:
                outage = connection.opened_at - (last.ended_at or connection.opened_at)
                self._announce_return(connection, last.sent, outage)
                return connection
        return None

    async def _connect(self, number: int) -> Connection:
        stream = await self._client.start_stream_transcription(**self._parameters)
        self._results.begin(number)
        connection = self._connection = Connection(
            number,
            stream,
            self._buffer,
            self._pcm,
            self._policy,
            self._limits,
            self._changes,
        )
        if self._is_over:  # closed meanwhile
            connection.end(None)
            raise StreamClosedException("the stream was closed")
        self._changes.wake()
        return connection

    @property
    def _is_settled(self) -> bool:
        """Whether all audio there will ever be has its final results."""
        return self._input_ended and self._buffer.settled >= self._buffer.end

    @property
    def _is_over(self) -> bool:
        return self._state is _State.OVER

    def _finish(self, failure: BaseException | None) -> None:
        """End the logical stream, unless it has ended before."""
        if not self._is_over:
            self._state = _State.OVER
            self._failure = failure
            if self._connection is not None:
                self._connection.end(None)
            self._changes.wake()

    # News of connections

    def _announce_loss(self, last: Connection, reason: SDKError | None, delay: float) -> None:
        failures = self._policy.failures
        self._events.append(Reconnecting(reason, failures, delay, self._results.cut()))
        self._changes.wake()
        logger.info(
            "session %s: %s, failure %d; next connection in %.2f s",
            self.session_id,
            "renewal" if reason is None else type(reason).__name__,
            failures,
            delay,
        )
        self._notify(last, "reconnecting", failures, delay, reason)

    def _announce_return(self, connection: Connection, sent: int, outage: float) -> None:
        settled = self._pcm.position(self._results.settled)
        replayed = self._pcm.seconds(max(0, sent - connection.start))
        forgotten = self._pcm.seconds(max(0, connection.start - settled))
        self._events.append(
            Reconnected(
                connection.number,
                connection.stream.response,
                self._pcm.seconds(connection.start),
                replayed,
                forgotten,
                outage,
            )
        )
        self._changes.wake()
        self._notify(connection, "reconnected", outage, replayed, forgotten)

    def _notify(self, connection: Connection, method: str, *arguments: object) -> None:
        response = connection.stream.response
        ids = (response.request_id, response.session_id)
        stream = StreamInfo(START_STREAM_TRANSCRIPTION.name, *ids)
        notify(getattr(self._client.observer, method), stream, *arguments)


def _check_audio(encoding: str, sample_rate: object, channels: object) -> None:
    """Refuse audio that cannot be cut at a given time."""
    if encoding not in SILENT_SAMPLE:
        raise InvalidParameterException(
            "media_encoding",
            f"media_encoding must be one of {', '.join(SILENT_SAMPLE)} to be resumed, not"
            f" {encoding!r}: other encodings cannot be cut at a given time",
        )
    for name, number in (("media_sample_rate_hz", sample_rate), ("number_of_channels", channels)):
        if not isinstance(number, int) or not number > 0:
            raise InvalidParameterException(
                name, f"{name} must be a positive integer, not {number!r}"
            )


def _check_range(name: str, number: float, least: float, most: float = math.inf) -> None:
    if not (is_number(number) and least <= number <= most):
        limits = f"{least:g} to {most:g}" if most < math.inf else f"{least:g} or more"
        raise ValidationException(f"{name} must be {limits}, not {number!r}")
