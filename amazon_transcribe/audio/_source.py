"""Sources of bytes: files, pipes and standard input, read without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from ..exceptions import SDKError

BYTES_PER_SAMPLE = 2  # of 16-bit mono PCM

_BLOCK = 65_536


class AudioFileException(SDKError):
    """Audio that cannot be read, or that the service would not accept.

    The message says what is wrong and how to mend it, if that is known.
    """


class Source:
    """Bytes that are read without blocking the event loop.

    A regular file is read in a thread, where a read cannot take long. A pipe, socket or
    device is read when the loop finds it readable, so that no thread hangs in a read; its
    flags are left alone, as other processes may share it.
    """

    def __init__(self, file: BinaryIO, name: str, fd: int | None, close: bool) -> None:
        self.name = name
        self.path: Path | None = None
        self._file = file
        self._fd = fd
        self._close = close
        self._ahead = bytearray()

    def close(self) -> None:
        """Close the file, unless it is the caller's."""
        if self._close:
            self._file.close()

    async def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; fewer than `size` only at the end."""
        while len(self._ahead) < size:
            block = await self._read_block()
            if not block:
                break
            self._ahead += block
        return bytes(self._ahead[:size])

    async def take(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` only at the end."""
        data = await self.peek(size)
        del self._ahead[: len(data)]
        return data

    async def skip(self, size: int) -> None:
        """Drop the next bytes."""
        while size > 0:
            data = await self.take(min(size, _BLOCK))
            if not data:
                break
            size -= len(data)

    async def _read_block(self) -> bytes:
        try:
            if self._fd is not None:
                try:
                    return await _read_when_ready(self._fd)
                except (NotImplementedError, PermissionError):
                    self._fd = None  # the loop cannot watch it, as epoll cannot /dev/null
            return await asyncio.to_thread(self._file.read, _BLOCK)
        except OSError as error:
            raise AudioFileException(f"cannot read {self.name}: {error.strerror}") from error


def open_source(audio: str | os.PathLike[str] | BinaryIO) -> Source:
    """Open a path, `"-"` for standard input, or a binary file that is open already.

    :raises AudioFileException: If it cannot be opened.
    """
    if not isinstance(audio, (str, os.PathLike)):
        return Source(audio, str(getattr(audio, "name", "the audio")), None, close=False)
    if audio == "-":
        return _open_standard_input()
    path = os.fspath(audio)
    try:
        # Non-blocking: opening a named pipe would wait for its writer.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioFileException(f"cannot read {path}: {reason}") from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        os.close(fd)
        raise AudioFileException(f"cannot read {path}: it is a directory")
    if stat.S_ISREG(mode):
        # Buffered: the file's lock makes close() wait for a cancelled task's read in a thread.
        source = Source(os.fdopen(fd, "rb"), path, None, close=True)
        source.path = Path(path)
        return source
    return Source(os.fdopen(fd, "rb", buffering=0), path, fd, close=True)


def _open_standard_input() -> Source:
    name = "standard input"
    if sys.stdin is None or sys.stdin.closed:
        raise AudioFileException("cannot read standard input: it is closed")
    file = sys.stdin.buffer
    if file.isatty():
        raise AudioFileException("standard input is a terminal: pipe audio into it")
    try:
        fd = file.fileno()
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return Source(file, name, None, close=False)
    return Source(file, name, None if regular else fd, close=False)


async def _read_when_ready(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    while True:
        ready = asyncio.Event()
        loop.add_reader(fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(fd)
        try:
            return os.read(fd, _BLOCK)
        except BlockingIOError:
            pass
