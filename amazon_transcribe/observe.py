"""Watching a client at work: counters and times, without a look at what was said.

    class Lag(Observer):
        def audio_lag(self, stream, seconds):
            print(stream.session_id, f"{seconds:.1f} s behind")

    client = TranscribeStreamingClient(region="us-east-2", observer=Lag())

`otel.OpenTelemetryObserver` is one that feeds OpenTelemetry. What happens is also logged
by the logger `amazon_transcribe`: ids and kinds, never credentials, audio or transcripts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .exceptions import (
    ConnectionLostException,
    SDKError,
    ServiceException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
)

__all__ = ["Observer", "StreamInfo", "end_of"]


@dataclass(frozen=True)
class StreamInfo:
    """Which stream an observer is told of.

    :param operation: E.g. `"StartStreamTranscription"`.
    :param request_id: The service's name for the request.
    :param session_id: The session's id.
    """

    operation: str
    request_id: str | None
    session_id: str | None


class Observer:
    """Told what a client does. Meant to be subclassed: every method here does nothing.

    The methods are called in the event loop and must be quick. What they raise is logged
    and goes no further. All times are in seconds.
    """

    def start_retried(self, operation: str, attempt: int, delay: float, error: SDKError) -> None:
        """A start failed and is tried again.

        :param operation: E.g. `"StartStreamTranscription"`.
        :param attempt: Which attempt failed, from 1.
        :param delay: Seconds until the next one.
        :param error: What it failed with.
        """

    def start_failed(self, operation: str, seconds: float, error: SDKError) -> None:
        """A start failed for good.

        :param operation: E.g. `"StartStreamTranscription"`.
        :param seconds: How long it took, with all its attempts.
        :param error: What the program gets.
        """

    def limit_hit(self, operation: str, limit: str) -> None:
        """A limit was met.

        :param operation: E.g. `"StartStreamTranscription"`.
        :param limit: `"slot"`: no place in the limiter in time; `"service"`: the service
            refused or ended a stream for a limit of its own (HTTP 429).
        """

    def stream_opened(self, stream: StreamInfo, seconds: float) -> None:
        """A stream is open.

        :param stream: Which one.
        :param seconds: How long the whole start took.
        """

    def audio_sent(self, stream: StreamInfo, size: int) -> None:
        """One event of audio was handed over to be sent.

        :param stream: On which stream.
        :param size: Bytes of audio.
        """

    def events_received(self, stream: StreamInfo, size: int, count: int) -> None:
        """Bytes of the event stream came.

        :param stream: On which stream.
        :param size: How many bytes.
        :param count: How many events they completed.
        """

    def unknown_events(self, stream: StreamInfo, count: int) -> None:
        """Among the events received were some of types that this version does not know.

        :param stream: On which stream.
        :param count: How many.
        """

    def first_partial(self, stream: StreamInfo, seconds: float) -> None:
        """The first partial result came.

        :param stream: On which stream.
        :param seconds: How long after the first audio.
        """

    def first_final(self, stream: StreamInfo, seconds: float) -> None:
        """The first final result came.

        :param stream: On which stream.
        :param seconds: How long after the first audio.
        """

    def audio_lag(self, stream: StreamInfo, seconds: float) -> None:
        """A result came; told of pcm only, whose bytes have a length in time.

        :param stream: On which stream.
        :param seconds: How much audio was sent beyond the result's end.
        """

    def stream_ended(
        self, stream: StreamInfo, end: str, seconds: float, error: SDKError | None
    ) -> None:
        """A stream is over.

        :param stream: Which one.
        :param end: How: a word of `end_of`, or `"dropped"`: the program let go of the
            stream without an end.
        :param seconds: How long it was open.
        :param error: What it ended with; None for a clean end and a dropped stream.
        """

    # Of `resume`, whose every connection is a stream to the methods above

    def reconnecting(
        self, stream: StreamInfo, attempt: int, delay: float, error: SDKError | None
    ) -> None:
        """A resumed stream has lost a connection, or the start of the next one failed.

        :param stream: The connection that was lost.
        :param attempt: Failures in a row, this one included if it is one.
        :param delay: Seconds until the next start.
        :param error: What it was lost by; None for a renewal.
        """

    def reconnected(
        self, stream: StreamInfo, outage: float, replayed: float, forgotten: float
    ) -> None:
        """A resumed stream has a connection again.

        :param stream: The new connection.
        :param outage: Seconds without one.
        :param replayed: Seconds of audio that go out once more.
        :param forgotten: Seconds of audio without a final result that do not: the replay
            buffer no longer held them.
        """


def end_of(error: SDKError | None) -> str:
    """How a stream ended, in one word.

    `"clean"`, `"truncated"`, `"reset"`, `"lost"` (the connection), `"timeout"`,
    `"exception"` (the service's), `"unknown"` (an exception of the service's that this
    version does not know), `"closed"` (by this side) or `"malformed"` (bytes or events that
    are none of the protocol's).

    :param error: What the stream ended with; None for the clean end.
    """
    if error is None:
        return "clean"
    for kind, word in _ENDS:
        if isinstance(error, kind):
            return word
    return "malformed"


_ENDS: tuple[tuple[type[SDKError], str], ...] = (
    (TruncatedStreamException, "truncated"),
    (StreamResetException, "reset"),
    (ConnectionLostException, "lost"),
    (TimeoutException, "timeout"),
    (UnknownServiceException, "unknown"),
    (ServiceException, "exception"),
    (StreamClosedException, "closed"),
)


def results_of(event: Any) -> Iterator[tuple[bool, float]]:
    """Of each result in an event: whether it is partial, and the second it ends at."""
    transcript = getattr(event, "transcript", None)
    if transcript is not None and not isinstance(transcript, str):
        for result in transcript.results or ():
            yield bool(result.is_partial), result.end_time or 0.0
    elif (segment := getattr(event, "transcript_segment", None)) is not None:
        yield bool(segment.is_partial), segment.end_audio_time or 0.0
    elif (milliseconds := getattr(event, "end_offset_millis", None)) is not None:
        yield bool(event.is_partial), milliseconds / 1000
