"""What is worth another attempt, and when."""

from __future__ import annotations

import pytest

from amazon_transcribe._stream.retry import (
    Backoff,
    clock_skew,
    is_transient,
)
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    ConnectException,
    ConnectionLostException,
    CredentialsException,
    InternalFailureException,
    LimitExceededException,
    SDKError,
    ServiceUnavailableException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    UnknownServiceException,
)


@pytest.mark.parametrize(
    "error",
    [
        LimitExceededException("too many"),
        ServiceUnavailableException("later"),
        UnknownServiceException(429, "ThrottlingException", "Rate exceeded"),
        UnknownServiceException(503, None, ""),
        ConnectException("refused", transient=True),
        ConnectionLostException("gone"),
        StreamResetException("refused", 7, unprocessed=True),
        TimeoutException("connect", 5),
    ],
    ids=repr,
)
def test_worth_another_attempt(error: SDKError) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        BadRequestException("no"),
        ConflictException("no"),
        InternalFailureException("no"),
        UnknownServiceException(403, "AccessDeniedException", "no"),
        ConnectException("certificate"),
        CredentialsException("none"),
        StreamClosedException("closed"),
        StreamResetException("broken", 2),
        TimeoutException("response", 12),
        TimeoutException("credentials", 12),
    ],
    ids=repr,
)
def test_final(error: SDKError) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (ConnectionLostException("gone"), Backoff().first),
        (LimitExceededException("too many"), Backoff().first_throttled),
    ],
    ids=repr,
)
def test_waits_grow_up_to_a_limit_and_are_random(error: SDKError, first: float) -> None:
    for attempt in range(1, 12):
        longest = min(first * 2 ** (attempt - 1), Backoff().longest)
        waits = {Backoff().delay(attempt, error) for _ in range(50)}
        assert len(waits) > 40
        assert 0 <= min(waits) <= max(waits) <= longest


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:59:37 GMT", 600.0),
        ("Sun, 06 Nov 1994 07:49:37 -0000", -3600.0),
        ("yesterday", None),
        ("Sun, 06 Nov 99999999999 08:49:37 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_the_server_s_date_tells_the_skew(date: str | None, skew: float | None) -> None:
    assert clock_skew(date, 784_111_777.0) == skew


def test_a_wait_for_which_no_time_was_left_took_none() -> None:
    assert str(TimeoutException("response", -2.4)) == "timed out after 0 s in phase 'response'"
