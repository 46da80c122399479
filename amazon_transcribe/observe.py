"""Observers of a client: counters and times, without the content of audio or transcripts.

    class Lag(Observer):
        def audio_lag(self, stream, seconds):
            print(stream.session_id, f"{seconds:.1f} s behind")

    client = TranscribeStreamingClient(region="us-east-2", observer=Lag())

`otel.OpenTelemetryObserver` is an observer that feeds OpenTelemetry. The logger
`amazon_transcribe` logs the same events with ids and kinds, never with credentials, audio
or transcripts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from .exceptions import (
    ConnectionLostException,
    LimiterException,
    SDKError,
    ServiceException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
    UnreadResultsException,
    printable,
)

__all__ = ["LimiterObserver", "Observer", "StreamInfo", "end_of"]


_ENDS: tuple[tuple[type[SDKError], str], ...] = (
    (TruncatedStreamException, "truncated"),
    (StreamResetException, "reset"),
    (ConnectionLostException, "lost"),
    (TimeoutException, "timeout"),
    (UnknownServiceException, "unknown"),
    (ServiceException, "exception"),
    (StreamClosedException, "closed"),
    (UnreadResultsException, "unread"),
)


class StreamInfo(NamedTuple):
    """Identification of a stream for its observer.

    :param operation: The operation, e.g. `"StartStreamTranscription"`.
    :param request_id: The service's id of the request.
    :param session_id: The session's id.
    """

    operation: str
    request_id: str | None
    session_id: str | None


class LimiterObserver:
    """Base class of observers of a fleet's limiter, whose methods do nothing.

    They are called like those of `Observer`, which has them too: one object may observe both.
    """

    def slot_granted(self, seconds: float) -> None:
        """Record a slot that a start got.

        :param seconds: How long the start waited for it.
        """

    def leases_lost(self, count: int) -> None:
        """Record open streams that the fleet did not count for a while.

        The process could not renew their leases in time, or the server lost them.

        :param count: Their number.
        """

    def limiter_away(self, error: LimiterException) -> None:
        """Record that the limiter's server does not answer, once until it is back.

        :param error: Why.
        """

    def limiter_back(self, seconds: float) -> None:
        """Record that the limiter's server answers again.

        :param seconds: How long it did not.
        """


class Observer(LimiterObserver):
    """Base class of observers of a client, whose methods do nothing.

    The methods are called in the event loop and must be quick. Exceptions that they raise
    are logged and suppressed. All times are in seconds.
    """

    def start_retried(self, operation: str, attempt: int, delay: float, error: SDKError) -> None:
        """Record a failed attempt of a start that is tried again.

        :param operation: The operation, e.g. `"StartStreamTranscription"`.
        :param attempt: Number of the attempt that failed, from 1.
        :param delay: Seconds until the next attempt.
        :param error: The failure.
        """

    def start_failed(self, operation: str, seconds: float, error: SDKError) -> None:
        """Record a failed start.

        :param operation: The operation, e.g. `"StartStreamTranscription"`.
        :param seconds: Duration of the start, with all its attempts.
        :param error: The exception that the program gets.
        """

    def limit_hit(self, operation: str, limit: str) -> None:
        """Record that a limit was reached.

        :param operation: The operation, e.g. `"StartStreamTranscription"`.
        :param limit: `"slot"`: the limiter had no free slot in time; `"service"`: the service
            refused or ended a stream because of its own limit (HTTP 429).
        """

    def stream_opened(self, stream: StreamInfo, seconds: float) -> None:
        """Record an opened stream.

        :param stream: The stream.
        :param seconds: Duration of the whole start.
        """

    def audio_sent(self, stream: StreamInfo, size: int) -> None:
        """Record an audio event that was queued to be sent.

        :param stream: The stream.
        :param size: Bytes of audio in the event.
        """

    def events_received(self, stream: StreamInfo, size: int, count: int) -> None:
        """Record received bytes of the event stream.

        :param stream: The stream.
        :param size: Number of bytes.
        :param count: Number of events that they completed.
        """

    def unknown_events(self, stream: StreamInfo, count: int) -> None:
        """Record those of the received events whose types this version does not know.

        :param stream: The stream.
        :param count: Number of such events.
        """

    def first_partial(self, stream: StreamInfo, seconds: float) -> None:
        """Record the first partial result.

        :param stream: The stream.
        :param seconds: Time since the first audio.
        """

    def first_final(self, stream: StreamInfo, seconds: float) -> None:
        """Record the first final result.

        :param stream: The stream.
        :param seconds: Time since the first audio.
        """

    def audio_lag(self, stream: StreamInfo, seconds: float) -> None:
        """Record how far a result is behind the audio sent.

        Only called for pcm and G.711, in which a number of bytes has a duration.

        :param stream: The stream.
        :param seconds: Audio that was sent beyond the result's end.
        """

    def final_delay(self, stream: StreamInfo, seconds: float) -> None:
        """Record how long a final result took, from when the end of its audio was sent.

        The service's pause that ends a segment is part of it. Only called for pcm and G.711,
        in which a number of bytes has a duration.

        :param stream: The stream.
        :param seconds: Time since the result's last audio was queued to be sent.
        """

    def stream_ended(
        self, stream: StreamInfo, end: str, seconds: float, error: SDKError | None
    ) -> None:
        """Record the end of a stream.

        :param stream: The stream.
        :param end: The kind of end: a word of `end_of`, or `"dropped"` if the program dropped
            the stream without an end.
        :param seconds: Time for which the stream was open.
        :param error: The exception that ended it; None for a clean end and a dropped stream.
        """

    # The two of `resume`; to the methods above each of its connections is a stream.

    def reconnecting(
        self, stream: StreamInfo, attempt: int, delay: float, error: SDKError | None
    ) -> None:
        """Record that a resumed stream lost a connection, or could not start the next one.

        :param stream: The lost connection.
        :param attempt: Number of failures in a row, including this one if it is a failure.
        :param delay: Seconds until the next start.
        :param error: The failure; None for a renewal.
        """

    def reconnected(
        self, stream: StreamInfo, outage: float, replayed: float, forgotten: float
    ) -> None:
        """Record a new connection of a resumed stream.

        :param stream: The new connection.
        :param outage: Seconds without a connection.
        :param replayed: Seconds of audio that are sent again.
        :param forgotten: Seconds of audio without a final result that are not sent again,
            as the replay buffer no longer held them.
        """


def end_of(error: SDKError | None) -> str:
    """Name the kind of a stream's end in one word.

    `"clean"`, `"truncated"`, `"reset"`, `"lost"` (the connection), `"timeout"`,
    `"exception"` (of the service), `"unknown"` (an exception of the service that this version
    does not know), `"closed"` (by this side), `"unread"` (too many results that nobody read) or
    `"malformed"` (bytes or events that break the protocol).

    :param error: The exception that ended the stream; None for the clean end.
    """
    if error is None:
        return "clean"
    for kind, word in _ENDS:
        if isinstance(error, kind):
            return word
    return "malformed"


def package_logger(name: str = "amazon_transcribe") -> logging.Logger:
    """Return a logger in whose records what comes from outside has its controls escaped."""
    logger = logging.getLogger(name)
    logger.addFilter(_escape)
    return logger


def notify(method: Callable[..., None], *arguments: object) -> None:
    """Call an observer's method; log what it raises."""
    try:
        method(*arguments)
    except Exception:
        package_logger().exception("the observer failed in %s", getattr(method, "__name__", method))


def _escape(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_printable, record.args))
    elif record.args:
        record.args = {name: _printable(argument) for name, argument in record.args.items()}
    if record.exc_info:
        # Formatters write a traceback as it is here, if it is.
        record.exc_text = printable(logging.Formatter().formatException(record.exc_info), "\n")
    return True


def _printable(argument: object) -> object:
    return printable(argument) if isinstance(argument, str) else argument
