"""Files that a user names: regular ones only, and read whole only up to a bound.

A pipe that nobody writes opens never, and a device may have no end.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..exceptions import ValidationException

NO_FILE = "is no file, but a folder, a pipe or a device"


def is_no_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is something at a path that is no regular file."""
    return os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 - never raise


def check_file(path: str | os.PathLike[str]) -> None:
    """Check that there is a regular file at a path, or nothing.

    :raises ValidationException: if it is something else.
    """
    if is_no_file(path):
        raise ValidationException(f"{os.fspath(path)} {NO_FILE}")


def read_file(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a file whole.

    :param most: The most bytes that it may have.
    :raises OSError: when it cannot be read.
    :raises ValidationException: if it is no regular file, or has more bytes.
    """
    check_file(path)
    with Path(path).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValidationException(
            f"{os.fspath(path)} has more than {most:,} bytes, the most that is read of it"
        )
    return data
