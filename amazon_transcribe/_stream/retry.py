"""Which failures of a start are worth another attempt, when, and with what clock."""

from __future__ import annotations

import random
from datetime import timezone
from email.utils import parsedate_to_datetime

from ..exceptions import (
    ConnectException,
    ConnectionLostException,
    SDKError,
    ServiceException,
    StreamResetException,
    TimeoutException,
    UnknownServiceException,
)

# Seconds that the first wait is at most; each further one may be twice as long. A
# throttled account needs longer to recover than a connection.
BACKOFF = 0.05
THROTTLED_BACKOFF = 0.5
MAX_BACKOFF = 5.0

# Seconds by which the clocks may differ before ours is corrected. `date` counts whole
# seconds, the answer has been under way, and the service allows for five minutes.
CLOCK_TOLERANCE = 60.0

# What AWS's services call a signature that they do not accept.
_SIGNATURE_REFUSALS = {
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}


def is_throttled(error: SDKError) -> bool:
    """Whether the service takes no request now, but may later: HTTP 429 and 503."""
    return isinstance(error, ServiceException) and error.status_code in (429, 503)


def is_transient(error: SDKError) -> bool:
    """Whether a start that failed so may succeed when it is tried again.

    A reset before the answer counts only if the peer did nothing with the request.
    """
    if isinstance(error, ConnectException):
        return error.transient
    if isinstance(error, StreamResetException):
        return error.unprocessed
    if isinstance(error, TimeoutException):
        return error.phase == "connect"
    return isinstance(error, ConnectionLostException) or is_throttled(error)


def backoff(attempt: int, error: SDKError) -> float:
    """Seconds to wait after the failure of the attempt of this number, from 1.

    Exponential with full jitter: clients that failed together do not come back together.
    """
    first = THROTTLED_BACKOFF if is_throttled(error) else BACKOFF
    longest = min(first * 2 ** (attempt - 1), MAX_BACKOFF)
    return random.uniform(0, longest)  # noqa: S311  # no secret hangs on it


def refuses_signature(error: SDKError) -> bool:
    """Whether the service did not accept the request's signature, or its age."""
    return isinstance(error, UnknownServiceException) and error.error_code in _SIGNATURE_REFUSALS


def clock_skew(date: str | None, now: float) -> float | None:
    """Seconds by which the server's clock is ahead; None when it does not say.

    :param date: The answer's `date` header (RFC 9110, 6.6.1).
    :param now: Seconds since 1970 by our clock.
    """
    try:
        told = parsedate_to_datetime(date or "")
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    if told.tzinfo is None:
        told = told.replace(tzinfo=timezone.utc)
    skew = told.timestamp() - now
    return skew if abs(skew) > CLOCK_TOLERANCE else 0.0
