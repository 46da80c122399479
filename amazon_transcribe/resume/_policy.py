"""Which failures are worth another connection."""

from __future__ import annotations

from ..exceptions import (
    CredentialsException,
    HTTPException,
    InternalFailureException,
    LimitExceededException,
    ParserError,
    SDKError,
    ServiceException,
    ServiceUnavailableException,
    StreamClosedException,
    UnknownServiceException,
    ValidationException,
)

_HEALTHY_SECONDS = 30.0  # a connection that lived so long was none that failed at once


def _worth_another(error: SDKError) -> bool:
    """Whether another connection may do better."""
    if isinstance(error, (ValidationException, CredentialsException, StreamClosedException)):
        return False
    if isinstance(error, UnknownServiceException):
        return error.status_code == 429 or error.status_code >= 500
    if isinstance(error, ServiceException):
        again = (ServiceUnavailableException, InternalFailureException, LimitExceededException)
        return isinstance(error, again)
    return isinstance(error, (HTTPException, ParserError))
