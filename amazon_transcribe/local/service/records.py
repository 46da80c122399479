"""Records of streams: what a program sent, what it was sent, and how each stream ended.

The server writes them in its event loop; tests read them from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Literal, NamedTuple

from ..._protocol.constants import WEBSOCKET
from ...eventstream import BaseEvent
from ...exceptions import HTTPException, SDKError, ValidationException
from ...transcription import Result
from ..log import logger
from .operations import OPERATIONS

__all__ = ["StreamEnd", "StreamRecord", "StreamRecords", "StreamsNotEnded", "log_end"]

AUDIO_BYTES = 64 * 1024 * 1024
"""How much audio a server keeps, of all its streams together: 35 minutes at 16 kHz."""

_MAX_REASON = 300  # characters that are logged; a refusal may quote what the program sent

_END = (
    "session %(session)s ends: %(operation)s from %(client)s,"
    " %(audio_seconds).1f s of audio, %(end)s"
)

StreamEnd = Literal["complete", "refused", "failed", "fault", "lost", "closed"]
"""How a stream ended.

`"complete"`: the program ended its audio, and the server sent all results. `"refused"`: the
request was answered with an error. `"failed"`: an exception of the service ended the stream.
`"fault"`: a fault on demand did. `"lost"`: the program left, or took no results. `"closed"`:
the server was closed.
"""


class StreamsNotEnded(SDKError, TimeoutError):
    """A wait for the end of streams took too long; the message says which are open."""


class StreamRecord:
    """What the server knows of one stream.

    :param operation: The operation's name, such as `"StartStreamTranscription"`.
    :param client: The address that the program called from.
    :param records: Those that the record belongs to; None for a record that keeps no audio
        and no results.
    :param on_end: Called once the stream has ended.

    :ivar session_id: The session's id, as the program gave it or the server made it.
    :ivar parameters: The parameters that the program set, by the names of the client's
        keyword arguments; empty for a request that was refused or met a fault before it was
        read.
    :ivar configuration: The configuration event, for operations that have one.
    :ivar audio_seconds: Seconds of audio received and recognised.
    :ivar lag: Seconds from the arrival of audio until its results were sent, of the last audio
        that brought any.
    :ivar results: The final results that the server sent, whatever the operation; a fault may
        have kept them from the program.
    :ivar partials: How many partial results the server sent.
    :ivar finals: How many final results it sent.
    :ivar ended: How the stream ended, None while it is open. A program that has seen the end
        of its stream finds it set.
    :ivar is_kept: Whether its audio and its results are kept.
    :ivar reason: Why, for an end that is not complete: an exception's name and its text.
    """

    def __init__(
        self,
        operation: str = "",
        client: str = "",
        records: StreamRecords | None = None,
        on_end: Callable[[StreamRecord], None] = lambda _: None,
    ) -> None:
        self.operation = operation
        self.client = client
        self.session_id: str = ""
        self.parameters: Mapping[str, object] = {}
        self.configuration: BaseEvent | None = None
        self.audio_seconds: float = 0.0
        self.lag: float = 0.0
        self.results: list[Result] = []
        self.partials: int = 0
        self.finals: int = 0
        self.ended: StreamEnd | None = None
        self.reason: str = ""
        self.is_kept: bool = records is not None
        self._records = records
        self._on_end = on_end
        self._audio: list[bytes] = []
        self._audio_missing = 0  # bytes

    @property
    def transcript(self) -> str:
        """The text of the final results, with a space between two."""
        best = (result.alternatives[0] for result in self.results if result.alternatives)
        return " ".join(alternative.transcript for alternative in best)

    @property
    def audio(self) -> bytes:
        """The audio, encoded as the program sent it.

        :raises SDKError: when the streams of the server had more than it keeps, 64 MiB.
        """
        if self._audio_missing:
            raise SDKError(
                f"{self._audio_missing} bytes of this stream's audio are not kept: a server keeps"
                " a limited amount, of all its streams together; test with less audio, or"
                " compare audio_seconds"
            )
        return b"".join(self._audio)

    def __repr__(self) -> str:
        end = f"{self.ended} ({self.reason})" if self.reason else self.ended or "open"
        return f"<StreamRecord {self.operation}: {self.audio_seconds:g} s of audio, {end}>"

    # What the server calls

    def take_audio(self, audio: bytes) -> None:
        """Keep audio, as far as there is room.

        :param audio: Chunks as they came, one after the other.
        """
        assert self._records is not None  # see `is_kept`
        if self._audio_missing or not self._records.reserve(len(audio)):
            self._audio_missing += len(audio)
        else:
            self._audio.append(audio)

    def take_result(self, result: Result) -> None:
        """Count a result, and keep it if it is final.

        :param result: What was sent.
        """
        if result.is_partial:
            self.partials += 1
            return
        self.finals += 1
        if self.is_kept:
            self.results.append(result)

    def end(self, how: StreamEnd, reason: str = "") -> None:
        """Note that the stream ends; what is noted first counts.

        :param how: See `ended`.
        :param reason: See `reason`.
        """
        if self.ended is None:
            self.reason = reason
            self.ended = how
            self._on_end(self)
            if self._records is not None:
                self._records.resume_waiters()


class _Waiter(NamedTuple):
    """Who waits for the end of the first streams."""

    streams: int
    ended: Future[Sequence[StreamRecord]]


class StreamRecords:
    """The records of a server's streams, in the order in which the streams began.

    :param limit: How many streams are recorded, the first ones; 0 for none.
    :param audio_bytes: How much of their audio is kept, together.
    :param on_change: Called when a stream begins, and when it ends; also with those that
        are not kept.
    """

    def __init__(
        self,
        limit: int,
        *,
        audio_bytes: int = AUDIO_BYTES,
        on_change: Callable[[StreamRecord], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._on_change = on_change
        self._audio_left = audio_bytes
        self._records: list[StreamRecord] = []
        self._waiters: list[_Waiter] = []
        self._lock = threading.Lock()  # of the waiters

    @property
    def so_far(self) -> Sequence[StreamRecord]:
        """The records of the streams that have begun.

        :raises SDKError: when none are kept.
        """
        self._check_kept()
        return tuple(self._records)

    @contextmanager
    def record(self, target: str, client: str = "") -> Iterator[StreamRecord]:
        """Record an exchange; one that is no stream, by its target, is not kept.

        :param target: The path as sent, with its query.
        :param client: The address of the program.
        """
        operation = OPERATIONS.get(target.partition("?")[0].removesuffix(WEBSOCKET))
        is_kept = operation is not None and len(self._records) < self._limit
        record = StreamRecord(
            operation.name if operation is not None else "",
            client,
            self if is_kept else None,
            self._on_change,
        )
        if is_kept:
            self._records.append(record)
        self._on_change(record)
        try:
            yield record
            record.end("fault")  # nothing else leaves a stream without an end
        except asyncio.CancelledError:
            record.end("closed")
            raise
        except HTTPException as error:
            record.end("lost", f"{type(error).__name__}: {error}")
            raise
        except Exception as error:
            record.end("failed", type(error).__name__)
            raise

    def wait(self, count: int, timeout: float) -> Sequence[StreamRecord]:
        """Block until the first streams have ended; see `LocalTranscribe.wait_for_streams`."""
        waiter = self._new_waiter(count)
        try:
            return waiter.ended.result(timeout)
        except FutureTimeoutError:  # another class than TimeoutError in Python 3.10
            raise self._not_ended(count, timeout) from None
        finally:
            waiter.ended.cancel()

    async def wait_async(self, count: int, timeout: float) -> Sequence[StreamRecord]:
        """Wait until the first streams have ended; see `LocalTranscribe.streams_ended`."""
        waiter = self._new_waiter(count)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(waiter.ended), timeout)
        except asyncio.TimeoutError:  # the same
            raise self._not_ended(count, timeout) from None

    def reserve(self, size: int) -> bool:
        """Take room for audio, if there is enough."""
        if size > self._audio_left:
            return False
        self._audio_left -= size
        return True

    def resume_waiters(self) -> None:
        """Resume those whose streams have ended."""
        with self._lock:
            waiters, self._waiters = self._waiters, []
            due = [waiter for waiter in waiters if self._have_ended(waiter.streams)]
            self._waiters = [w for w in waiters if w not in due and not w.ended.cancelled()]
        for waiter in due:
            if waiter.ended.set_running_or_notify_cancel():
                waiter.ended.set_result(self.so_far[: waiter.streams])

    def _have_ended(self, count: int) -> bool:
        first = self._records[:count]
        return len(first) == count and all(record.ended for record in first)

    def _check_kept(self) -> None:
        if not self._limit:
            raise SDKError(
                "this server keeps no records of its streams: make it with keep_streams=100,"
                " or as many as are needed"
            )

    def _new_waiter(self, count: int) -> _Waiter:
        self._check_kept()
        if not 1 <= count <= self._limit:
            raise ValidationException(
                f"count must be from 1 to {self._limit}, the number of streams that are kept,"
                f" not {count}"
            )
        waiter = _Waiter(count, Future())
        with self._lock:
            self._waiters.append(waiter)
        self.resume_waiters()
        return waiter

    def _not_ended(self, count: int, timeout: float) -> StreamsNotEnded:
        began = ", ".join(map(repr, self._records[:count])) or "none has begun"
        return StreamsNotEnded(
            f"{count} stream{'s' * (count > 1)} should have ended within {timeout:g} s: {began}"
        )


def log_end(record: StreamRecord) -> None:
    """Write a line to the log about a stream that has ended."""
    if record.ended == "refused":
        line = "refused %(operation)s from %(client)s: %(reason)s"
    elif record.reason:
        line = _END + ": %(reason)s"
    else:
        line = _END
    logger.info(
        line,
        {
            "session": record.session_id,
            "operation": record.operation or "a request",
            "client": record.client,
            "audio_seconds": round(record.audio_seconds, 3),
            "end": record.ended,
            "reason": record.reason[:_MAX_REASON],
        },
    )
