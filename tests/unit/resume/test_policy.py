"""How often, and after what pause, a resumed stream tries again."""

from __future__ import annotations

import math
from typing import Any

import pytest

from amazon_transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    ConnectException,
    ConnectionLostException,
    CredentialsException,
    InternalFailureException,
    LimitExceededException,
    ParserError,
    SDKError,
    ServiceUnavailableException,
    StreamClosedException,
    StreamException,
    TimeoutException,
    UnknownServiceException,
    ValidationException,
)
from amazon_transcribe.resume._policy import RetryPolicy, is_pause, is_retryable

LOST = ConnectionLostException("lost")


def longest(low: float, high: float) -> float:
    assert low == high / 2
    return high


def policy(**options: Any) -> RetryPolicy:
    defaults = {"max_failures": 10, "backoff": 0.25, "max_backoff": 2.0, "result_timeout": 30.0}
    return RetryPolicy(**{"jitter": longest, **defaults, **options})


def test_pauses_double_up_to_the_longest() -> None:
    retry = policy()
    assert [retry.next_delay(LOST) for _ in range(5)] == [0.25, 0.5, 1, 2, 2]
    assert retry.failures == 5


def test_pauses_are_drawn_between_half_and_all() -> None:
    retry = RetryPolicy(max_failures=1, backoff=4, max_backoff=9, result_timeout=1)
    assert 2 <= retry.next_delay(LOST) <= 4


def test_no_pause_is_longer_than_the_longest() -> None:
    assert policy(backoff=5, max_backoff=1).next_delay(LOST) == 1


def test_an_outage_of_many_hours_overflows_nothing() -> None:
    retry = policy(max_failures=math.inf)
    assert {retry.next_delay(LOST) for _ in range(5000)} == {0.25, 0.5, 1, 2}


def test_an_event_makes_pauses_short_again_but_the_row_of_failures_goes_on() -> None:
    retry = policy()
    retry.next_delay(LOST)
    retry.event_received()
    assert retry.next_delay(LOST) == 0.25
    assert retry.failures == 2


def test_a_final_result_ends_the_row_of_failures() -> None:
    retry = policy(max_failures=1)
    for _ in range(3):
        retry.next_delay(LOST)
        retry.final_received()
    assert retry.failures == 0


def test_too_many_failures_raise_the_last_one() -> None:
    retry = policy(max_failures=1)
    retry.next_delay(StreamException("first"))
    with pytest.raises(ConnectionLostException) as raised:
        retry.next_delay(LOST)
    assert raised.value is LOST


def test_a_refusal_is_raised_at_once() -> None:
    with pytest.raises(ConflictException):
        policy().next_delay(ConflictException("taken"))


@pytest.mark.parametrize(
    ("lifetime", "reason", "failures"),
    [
        (29.9, LOST, 1),
        (30.0, LOST, 0),
        (1e4, None, 0),
        (1e4, TimeoutException("idle", 30), 1),
    ],
)
def test_a_connection_that_lived_long_ends_the_row_unless_it_was_silent(
    lifetime: float, reason: SDKError | None, failures: int
) -> None:
    retry = policy()
    retry.next_delay(LOST)
    retry.connection_ended(lifetime, reason)
    assert retry.failures == failures
    assert retry.next_delay(LOST) == (0.5 if failures else 0.25)


def test_silent_connections_in_a_row_are_given_twice_the_time_each() -> None:
    retry = policy()
    retry.connection_silent()
    retry.connection_silent()
    assert retry.silence_limit == 120
    retry.event_received()
    assert retry.silence_limit == 30


@pytest.mark.parametrize(
    "error",
    [
        LOST,
        StreamException("early"),
        TimeoutException("idle", 30),
        ConnectException("refused"),
        ParserError("damaged"),
        InternalFailureException("sorry"),
        ServiceUnavailableException("later"),
        LimitExceededException("too long"),
        UnknownServiceException(429, "ThrottlingException", "slow down"),
        UnknownServiceException(502, None, ""),
    ],
    ids=repr,
)
def test_worth_another_connection(error: SDKError) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        BadRequestException("bad audio"),
        ConflictException("taken"),
        ValidationException("no"),
        CredentialsException("none"),
        StreamClosedException("closed"),
        UnknownServiceException(403, "AccessDeniedException", "no"),
    ],
    ids=repr,
)
def test_not_worth_another_connection(error: SDKError) -> None:
    assert not is_retryable(error)


def test_a_pause_is_told_from_other_bad_requests() -> None:
    assert is_pause(BadRequestException("... no new audio was received for 15 seconds."))
    assert not is_pause(BadRequestException("bad audio"))
    assert not is_pause(None)
