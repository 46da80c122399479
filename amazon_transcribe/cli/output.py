"""What a command writes, to standard output or to a file."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ..exceptions import SDKError
from .errors import Unusable, reason


class OutputClosed(Exception):
    """Whoever read standard output has gone away."""


def write_to(output: TextIO, text: str) -> None:
    try:
        output.write(text)
        output.flush()
    except OSError as error:
        # Or the interpreter would complain when it flushes once more at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        raise SDKError(f"cannot write to standard output: {reason(error)}") from error


def print_document(text: str) -> None:
    """Write a document to standard output, in UTF-8 wherever that can be chosen."""
    if sys.stdout is None:
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    write_to(sys.stdout, text)


@contextmanager
def output_file(output: str | None, audio: str) -> Iterator[Callable[[str], None] | None]:
    """What writes the document to a file, all at once; None for standard output.

    The file's place is tried at once, so that nothing is sent in vain. Leaving the
    context without having written leaves nothing behind.
    """
    if output is None or output == "-":
        yield None
        return
    if not output:
        raise Unusable("-o needs the name of a file")
    if _is_standard_output(output):
        yield None  # a file in place of the one behind it would cost what is in it
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
        with suppress(OSError):  # `write` has flushed, or told why it could not
            file.close()
        if part is not path:
            part.unlink(missing_ok=True)


def _is_standard_output(output: str) -> bool:
    """Whether a path leads to standard output, as /dev/stdout does."""
    try:
        return sys.stdout is not None and os.path.samestat(
            Path(output).stat(), os.fstat(sys.stdout.fileno())
        )
    except (OSError, ValueError):
        return False
