"""Retry policy for starting a stream."""

from __future__ import annotations

from datetime import timezone
from typing import NamedTuple

from ..exceptions import (
    ConnectException,
    ConnectionLostException,
    SDKError,
    ServiceException,
    StreamResetException,
    TimeoutException,
    UnknownServiceException,
)

CLOCK_TOLERANCE = 60.0
"""Seconds by which the clocks may differ before ours is corrected.

`date` counts whole seconds, the answer has been under way, and the service allows for five
minutes.
"""

# What AWS's services call a signature that they do not accept.
_SIGNATURE_REFUSALS = {
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}


class Backoff(NamedTuple):
    """Waits between attempts: exponential, with full jitter.

    Clients that failed together do not come back together.

    :param first: The longest first wait, in seconds; each further one may be twice as long.
    :param first_throttled: The same after HTTP 429 and 503: a throttled account needs longer
        to recover than a connection.
    :param longest: The longest wait, in seconds.
    """

    first: float = 0.05
    first_throttled: float = 0.5
    longest: float = 5.0

    def delay(self, attempt: int, error: SDKError) -> float:
        """Return the seconds to wait after the failure of an attempt.

        :param attempt: The attempt's number, from 1.
        :param error: What the attempt failed with.
        """
        import random  # here, as hardly any program comes to need it

        first = self.first_throttled if is_throttled(error) else self.first
        longest = min(first * 2 ** (attempt - 1), self.longest)
        return random.uniform(0, longest)  # noqa: S311  # no secret hangs on it


def is_throttled(error: SDKError) -> bool:
    """Check whether the service takes no request now, but may later: HTTP 429 and 503."""
    return isinstance(error, ServiceException) and error.status_code in (429, 503)


def is_transient(error: SDKError) -> bool:
    """Check whether a start that failed so may succeed when it is tried again.

    A reset before the answer counts only if the peer did nothing with the request.
    """
    if isinstance(error, ConnectException):
        return error.transient
    if isinstance(error, StreamResetException):
        return error.unprocessed
    if isinstance(error, TimeoutException):
        return error.phase == "connect"
    return isinstance(error, ConnectionLostException) or is_throttled(error)


def refuses_signature(error: SDKError) -> bool:
    """Check whether the service did not accept the request's signature, or its age."""
    return isinstance(error, UnknownServiceException) and error.error_code in _SIGNATURE_REFUSALS


def clock_skew(date: str | None, now: float) -> float | None:
    """Return the seconds by which the server's clock is ahead; None when it does not say.

    :param date: The answer's `date` header (RFC 9110, 6.6.1).
    :param now: Seconds since 1970 by our clock.
    """
    from email.utils import parsedate_to_datetime  # here: it takes a twentieth of the import

    try:
        answered = parsedate_to_datetime(date or "")
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    if answered.tzinfo is None:
        answered = answered.replace(tzinfo=timezone.utc)
    skew = answered.timestamp() - now
    return skew if abs(skew) > CLOCK_TOLERANCE else 0.0
