"""Output of the command, to standard output or to a file."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from ..exceptions import SDKError, printable
from .errors import Unusable, reason


class OutputClosed(Exception):
    """The reader of standard output has gone."""


def write_to(output: TextIO, text: str) -> None:
    """Write text to standard output at once.

    :raises OutputClosed: If its reader has gone.
    :raises SDKError: If it cannot be written for another reason.
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
        raise SDKError(f"cannot write to standard output: {reason(error)}") from error


def print_document(text: str) -> None:
    """Write a document to standard output, in UTF-8 if the encoding can be set.

    A terminal gets its control characters escaped, which leaves JSON the same.
    """
    if sys.stdout is None:
        return
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    write_to(sys.stdout, printable(text, "\n") if sys.stdout.isatty() else text)


@contextmanager
def output_file(output: str | None, audio: str) -> Iterator[Callable[[str], None] | None]:
    """Open the output; give the function that writes a whole file, or None for standard output.

    An unusable path fails here, before any audio is sent. Nothing is left behind if the
    context ends without a call of the function.

    :param output: The path; None or `"-"` is standard output.
    :param audio: The path of the audio, which must not be overwritten.
    :raises Unusable: If the file cannot be written.
    """
    if output is None or output == "-":
        yield None
        return
    if not output:
        raise Unusable("-o needs the name of a file")
    if _is_standard_output(output):
        yield None  # replacing the file behind it would lose the file's content
        return
    path = Path(os.path.realpath(output))
    part = path.with_name(f".amazon-transcribe-{secrets.token_hex(8)}.part")
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise Unusable(f"cannot write {output}: it is a directory")
        if mode is not None and not stat.S_ISREG(mode):  # a device or a pipe
            part = path
        elif mode is not None and Path(audio).exists() and path.samefile(audio):
            raise Unusable(f"cannot write {output}: it is the audio")
        file = part.open("wb" if part is path else "xb")
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot write {output}: {reason(error)}") from error

    def write(text: str) -> None:
        try:
            file.write(text.encode())
            file.flush()
            if part is not path:
                os.fsync(file.fileno())
                if mode is not None:
                    part.chmod(stat.S_IMODE(mode))
                file.close()
                part.replace(path)
        except OSError as error:
            raise SDKError(f"cannot write {output}: {reason(error)}") from error

    try:
        yield write
    finally:
        with suppress(OSError):  # `write` has flushed the file or raised the reason
            file.close()
        if part is not path:
            part.unlink(missing_ok=True)


def _is_standard_output(output: str) -> bool:
    """Check for a path that leads to standard output, such as /dev/stdout."""
    try:
        return sys.stdout is not None and os.path.samestat(
            Path(output).stat(), os.fstat(sys.stdout.fileno())
        )
    except (OSError, ValueError):
        return False
