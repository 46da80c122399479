"""Output of the command, to standard output or to a file."""

from __future__ import annotations

import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from ..exceptions import SDKError, printable
from .errors import Unusable, reason


class OutputClosed(Exception):
    """The reader of standard output has gone."""


class OutputFailed(SDKError):
    """What was recognised cannot be written where it should."""


class Output(Protocol):
    """Where a transcript goes."""

    name: str

    def write(self, text: str) -> None:
        """Write the next piece.

        :raises OutputFailed: If it cannot be written.
        """
        ...

    def finish(self) -> None:
        """Let the whole appear.

        :raises OutputFailed: If it cannot.
        """
        ...


class StandardOutput:
    """Standard output, in UTF-8 if its encoding can be set.

    A terminal gets its own encoding, and control characters escaped, which leaves JSON the
    same.
    """

    name = "standard output"

    def __init__(self) -> None:
        output = sys.stdout
        self._on_terminal = output is not None and output.isatty()
        if isinstance(output, TextIOWrapper):
            if self._on_terminal:
                output.reconfigure(errors="replace")
            else:
                output.reconfigure(encoding="utf-8")

    def write(self, text: str) -> None:
        """Write text at once.

        :raises OutputClosed: If the reader has gone.
        :raises OutputFailed: If it cannot be written for another reason.
        """
        if sys.stdout is not None and text:
            write_to(sys.stdout, printable(text, "\n") if self._on_terminal else text)

    def finish(self) -> None:
        """Do nothing: it is there."""


def write_to(output: TextIO, text: str) -> None:
    """Write text to standard output at once.

    :raises OutputClosed: If its reader has gone.
    :raises OutputFailed: If it cannot be written for another reason.
    """
    try:
        output.write(text)
        output.flush()
    except OSError as error:
        # Else the interpreter would fail when it flushes the file again at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        raise OutputFailed(f"cannot write to standard output: {reason(error)}") from error


def print_document(text: str) -> None:
    """Write a document to standard output."""
    StandardOutput().write(text)


class _FileOutput:
    """A file that is written beside its name and moved there."""

    def __init__(self, name: str, file: BinaryIO, part: Path, path: Path, mode: int | None) -> None:
        self.name = name
        self._file = file
        self._part = part
        self._path = path
        self._mode = mode

    def write(self, text: str) -> None:
        try:
            self._file.write(text.encode())
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        if self._part is self._path:
            return
        try:
            os.fsync(self._file.fileno())
            if self._mode is not None:
                self._part.chmod(stat.S_IMODE(self._mode))
            self._file.close()
            self._part.replace(self._path)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        with suppress(OSError):  # `write` has flushed the file or raised the reason
            self._file.close()
        if self._part is not self._path:
            self._part.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> OutputFailed:
        return OutputFailed(f"cannot write {self.name}: {reason(error)}")


@contextmanager
def open_output(output: str | None, recordings: Iterable[str]) -> Iterator[Output]:
    """Open the output.

    An unusable path fails here, before any audio is sent. A file appears when it is
    finished; until then, and if it never is, what was there before stays.

    :param output: The path; None or `"-"` is standard output.
    :param recordings: The paths of the audio, which must not be overwritten.
    :raises Unusable: If the file cannot be written.
    """
    if output is None or output == "-":
        yield StandardOutput()
        return
    if not output:
        raise Unusable("-o needs the name of a file")
    if _is_standard_output(output):
        yield StandardOutput()  # replacing the file behind it would lose the file's content
        return
    path = Path(os.path.realpath(output))
    part = path.with_name(f".amazon-transcribe-{secrets.token_hex(8)}.part")
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise Unusable(f"cannot write {output}: it is a directory")
        if mode is not None and not stat.S_ISREG(mode):  # a device or a pipe
            part = path
        elif mode is not None and any(
            Path(audio).exists() and path.samefile(audio) for audio in recordings
        ):
            raise Unusable(f"cannot write {output}: it is the audio")
        file = part.open("wb" if part is path else "xb")
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot write {output}: {reason(error)}") from error
    opened = _FileOutput(output, file, part, path, mode)
    try:
        yield opened
    finally:
        opened.close()


def rescue(text: str, suffix: str) -> str | None:
    """Write text that has no other place into a new file of the system's temporary directory.

    :returns: The file's path; None if that cannot be written either.
    """
    try:
        number, path = tempfile.mkstemp(suffix, "amazon-transcribe-")
    except OSError:
        return None
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text.encode())
    except OSError:
        Path(path).unlink(missing_ok=True)
        return None
    return path


def _is_standard_output(output: str) -> bool:
    """Check for a path that leads to standard output, such as /dev/stdout."""
    try:
        return sys.stdout is not None and os.path.samestat(
            Path(output).stat(), os.fstat(sys.stdout.fileno())
        )
    except (OSError, ValueError):
        return False
