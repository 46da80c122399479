"""The directory of a batch's outputs: what is there, and what is added, each thing whole."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from .._net.named_files import NO_FILE, is_no_file
from ._errors import BatchException
from ._sources import LONGEST_LINE

RESULTS = "results.jsonl"
"""The name of the manifest of results."""

_PART = ".batch-{}.part"
_LOCK = ".batch.lock"


class Outputs:
    """The directory, for the one run at a time that changes it.

    A line about an output is written before the output appears, so that no kill between the
    two leaves an output without its line. A line without its output is of no account.

    :param directory: The directory.
    :param results: The manifest of results, open for more lines.
    :param there: The names of what is there.
    """

    def __init__(self, directory: Path, results: BinaryIO, there: Collection[str]) -> None:
        self._directory = directory
        self._results = results
        self._there = there

    def has(self, name: str) -> bool:
        """Tell whether an output was there when the run began."""
        return name in self._there

    def new_part(self) -> str:
        """Return the path of a new part."""
        return str(self._directory / _PART.format(secrets.token_hex(8)))

    def add(self, part: str, output: str, line: dict[str, Any]) -> None:
        """Write an output's line, and move the output into place.

        :raises BatchException: If the part is not there, as the worker has another directory.
        """
        if not Path(part).exists():
            raise BatchException(
                f"a worker has written {part}, which is not there: the directory must be the same"
                " on all machines"
            )
        self.tell(line)
        Path(part).replace(self._directory / output)

    def tell(self, line: dict[str, Any]) -> None:
        """Write a line of the manifest."""
        self._results.write(_written(line))
        self._results.flush()


@contextmanager
def open_outputs(directory: Path, planned: Collection[str]) -> Iterator[Outputs]:
    """Open the directory, and bring it in order.

    Parts that a killed run has left are removed. Of the manifest's lines there stay the last
    one of each output that is there, and the failures that are not planned now.

    :param planned: The names of the planned outputs.
    :raises BatchException: If it cannot be written, or another run uses it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / _LOCK).open("ab") as lock:
            _lock(lock, directory)
            there = set()
            for path in directory.iterdir():
                if path.match(_PART.format("*")):
                    path.unlink(missing_ok=True)
                else:
                    there.add(path.name)
            path = directory / RESULTS
            _put_in_order(path, there, planned)
            with path.open("ab") as results:
                yield Outputs(directory, results, there)
    except OSError as error:
        where = error.filename or directory
        raise BatchException(f"{where}: {error.strerror or error}") from error


def remove(part: str) -> None:
    """Remove a part that will not be finished, if it is there."""
    with suppress(OSError):
        Path(part).unlink()


def _put_in_order(path: Path, there: Collection[str], planned: Collection[str]) -> None:
    lines: dict[str, bytes] = {}
    for line in _lines(path):
        with suppress(ValueError, KeyError, TypeError):  # a half line, of a run that was killed
            output = json.loads(line)["output"]
            if output in there or output not in planned:
                lines[output] = line.rstrip(b"\n") + b"\n"
    new = path.with_name(_PART.format("results"))
    with new.open("wb") as file:
        file.writelines(lines.values())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _lines(path: Path) -> Iterator[bytes]:
    """Yield a manifest's lines, one that is too long in pieces."""
    if not path.exists():
        return
    if is_no_file(path):
        raise BatchException(f"{path} {NO_FILE}")
    with path.open("rb") as file:
        yield from iter(partial(file.readline, LONGEST_LINE), b"")


def _written(line: dict[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def _lock(file: BinaryIO, directory: Path) -> None:
    """Lock a file until it is closed or the process ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise BatchException(
            f"another batch is writing to {directory}: wait for its end, or name another directory"
        ) from None
