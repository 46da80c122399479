"""Bytes of a file, a pipe or standard input, read without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from ..exceptions import SDKError

_BYTES_PER_SAMPLE = 2
_BLOCK = 65_536


class AudioFileException(SDKError):
    """Audio that cannot be read, or that the service would not take as it is.

    The message says what is wrong and, where there is one, the remedy.
    """


# Bytes


class _Source:
    """Bytes that are read without blocking the event loop.

    A regular file is read in a thread, where it cannot block for long. A pipe, socket
    or device is read when the loop finds it readable, so that no thread is left
    hanging in a read; its flags stay as they are, as others may share it.
    """

    def __init__(self, file: BinaryIO, name: str, fd: int | None, close: bool) -> None:
        self.name = name
        self.path: Path | None = None
        self._file = file
        self._fd = fd
        self._close = close
        self._ahead = bytearray()

    def close(self) -> None:
        if self._close:
            self._file.close()

    async def peek(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end; they stay to be read."""
        while len(self._ahead) < size:
            block = await self._read_block()
            if not block:
                break
            self._ahead += block
        return bytes(self._ahead[:size])

    async def take(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end."""
        data = await self.peek(size)
        del self._ahead[: len(data)]
        return data

    async def skip(self, size: int) -> None:
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
                    self._fd = None  # the loop cannot watch it, e.g. /dev/null with epoll
            return await asyncio.to_thread(self._file.read, _BLOCK)
        except OSError as error:
            raise AudioFileException(f"cannot read {self.name}: {error.strerror}") from error


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


def _open(audio: str | os.PathLike[str] | BinaryIO) -> _Source:
    if not isinstance(audio, (str, os.PathLike)):
        return _Source(audio, str(getattr(audio, "name", "the audio")), None, close=False)
    if audio == "-":
        return _open_standard_input()
    path = os.fspath(audio)
    try:
        # Not blocking, as opening a named pipe would wait for its writer.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioFileException(f"cannot read {path}: {reason}") from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        os.close(fd)
        raise AudioFileException(f"cannot read {path}: it is a directory")
    if stat.S_ISREG(mode):
        # Buffered: its lock makes close() wait for a read that a cancelled task left.
        source = _Source(os.fdopen(fd, "rb"), path, None, close=True)
        source.path = Path(path)
        return source
    return _Source(os.fdopen(fd, "rb", buffering=0), path, fd, close=True)


def _open_standard_input() -> _Source:
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
        return _Source(file, name, None, close=False)
    return _Source(file, name, None if regular else fd, close=False)
