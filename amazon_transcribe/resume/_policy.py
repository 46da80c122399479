"""Which failures are worth another connection, and after what pause."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..exceptions import (
    BadRequestException,
    CredentialsException,
    HTTPException,
    InternalFailureException,
    LimitExceededException,
    ParserError,
    SDKError,
    ServiceException,
    ServiceUnavailableException,
    StreamClosedException,
    TimeoutException,
    UnknownServiceException,
    UnreadResultsException,
    ValidationException,
)

HEALTHY_SECONDS = 30.0
"""Seconds after which a connection counts as a success, even without a final result."""


class RetryPolicy:
    """The record of what went wrong on a logical stream, and what follows from it.

    The policy does no I/O and reads no clock: callers report what happens.

    :param max_failures: Failures in a row before the last one is raised.
    :param backoff: The longest first pause, in seconds; it doubles with each failure.
    :param max_backoff: The longest pause of all.
    :param result_timeout: Seconds without an event after which a connection is silent.
    :param healthy_seconds: The lifetime that ends a row of failures.
    :param jitter: Draws a number between two.
    """

    def __init__(
        self,
        *,
        max_failures: int,
        backoff: float,
        max_backoff: float,
        result_timeout: float,
        healthy_seconds: float = HEALTHY_SECONDS,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.failures = 0
        self.silence_limit = result_timeout
        self.healthy_seconds = healthy_seconds
        self._max_failures = max_failures
        self._first_pause = min(backoff, max_backoff)
        self._next_pause = self._first_pause
        self._max_pause = max_backoff
        self._result_timeout = result_timeout
        self._jitter = jitter

    def event_received(self) -> None:
        """Note that the service said something: pauses and time-outs start small again."""
        self._next_pause = self._first_pause
        self.silence_limit = self._result_timeout

    def final_received(self) -> None:
        """Note a final result, which ends a row of failures."""
        self.failures = 0

    def connection_silent(self) -> None:
        """Note a connection that left sound unanswered: the next one gets twice the time."""
        self.silence_limit *= 2

    def connection_ended(self, lifetime: float, reason: SDKError | None) -> None:
        """Note the end of a connection; one that lived long ends a row of failures."""
        if lifetime >= self.healthy_seconds and not isinstance(reason, TimeoutException):
            self.failures = 0
            self._next_pause = self._first_pause

    def next_delay(self, reason: SDKError) -> float:
        """Count a failure and return the seconds to wait before the next connection.

        :raises SDKError: the reason, if it ends the logical stream.
        """
        self.failures += 1
        if self.failures > self._max_failures or not is_retryable(reason):
            raise reason.with_traceback(None)
        pause = self._next_pause
        self._next_pause = min(2 * pause, self._max_pause)
        return self._jitter(pause / 2, pause)


_PROGRAMS_OWN = (
    ValidationException,
    CredentialsException,
    StreamClosedException,
    UnreadResultsException,
)


def is_retryable(error: SDKError) -> bool:
    """Check whether another connection may do better."""
    if isinstance(error, _PROGRAMS_OWN):
        return False
    if isinstance(error, UnknownServiceException):
        return error.status_code == 429 or error.status_code >= 500
    if isinstance(error, ServiceException):
        return isinstance(
            error,
            (ServiceUnavailableException, InternalFailureException, LimitExceededException),
        )
    return isinstance(error, (HTTPException, ParserError))


def is_pause(error: SDKError | None) -> bool:
    """Check whether the service ended a stream because the program sent no audio."""
    return isinstance(error, BadRequestException) and "no new audio" in error.message
