"""Failures of the command: one line on standard error, and an exit code."""

from __future__ import annotations

import sys
from contextlib import suppress

from ..audio import AudioFileException
from ..exceptions import (
    CredentialsException,
    SDKError,
    ServiceException,
    UnknownServiceException,
    ValidationException,
    printable,
)

DONE, FAILED, UNUSABLE = 0, 1, 2


class Unusable(Exception):
    """Bad usage or unreadable input."""


def exit_code(error: Exception) -> int:
    """Return the exit code for a failure."""
    unusable = (Unusable, AudioFileException, ValidationException, CredentialsException)
    return UNUSABLE if isinstance(error, unusable) else FAILED


def one_line(error: Exception) -> str:
    """Describe a failure in one line."""
    if isinstance(error, ServiceException) and not isinstance(
        error, (ValidationException, UnknownServiceException)
    ):
        text = f"{type(error).__name__}: {error}"
    elif isinstance(error, (SDKError, OSError, Unusable)):
        text = str(error) or type(error).__name__
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.split())


def reason(error: Exception) -> str:
    """Return the reason of an `OSError` without its number and file, else the whole text."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def notice(line: str) -> None:
    """Print a line on standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(printable(line), file=sys.stderr, flush=True)
