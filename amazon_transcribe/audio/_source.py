"""Sources of bytes: files, pipes, uploads and more, read without blocking the event loop."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import re
import stat
import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from ..exceptions import SDKError
from ._audio import Recording

BYTES_PER_SAMPLE = 2  # of 16-bit PCM

_BLOCK = 65_536
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # one letter before the colon is a drive


class AudioFileException(SDKError):
    """Audio that cannot be read, or that the service would not accept.

    The message says what is wrong and how to mend it, if that is known.
    """


class Readable(Protocol):
    """Bytes that are read in order."""

    async def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; fewer than `size` only at the end."""
        ...

    async def take(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` only at the end."""
        ...

    async def skip(self, size: int) -> None:
        """Drop the next bytes."""
        ...


class Source:
    """Bytes that are read without blocking the event loop.

    A regular file is read in a thread, where a read cannot take long. A pipe, socket or
    device is read when the loop finds it readable, so that no thread hangs in a read; its
    flags are left alone, as other processes may share it.

    :ivar path: The regular file that is read, if it was opened here.
    :ivar file: The file that can be read at any position, from any thread; None for others.
    :ivar start: The position in it at which the audio begins.
    :ivar patience: Seconds to wait for a pipe's next bytes before it counts as ended; None
        for any time.
    """

    def __init__(
        self,
        name: str,
        read_block: Callable[[], Awaitable[bytes]],
        close: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.path: Path | None = None
        self.file: BinaryIO | None = None
        self.start = 0
        self.patience: float | None = None
        self._read_block = read_block
        self._close = close
        self._ahead = bytearray()

    def close(self) -> None:
        """Close the file, unless it is the caller's."""
        if self._close:
            self._close()

    async def size(self) -> int | None:
        """Return the number of bytes, if all can be read at any position."""
        if self.file is None:
            return None
        return await asyncio.to_thread(_size, self.file) - self.start

    def ahead(self, size: int) -> bytes:
        """Return the bytes that were read already without being taken, at most `size`."""
        return bytes(self._ahead[:size])

    async def peek(self, size: int, at: int = 0) -> bytes:
        """Return the next bytes without taking them; fewer than `size` only at the end.

        :param at: How many bytes to leave out before.
        """
        while len(self._ahead) < at + size and await self._read_ahead():
            pass
        return bytes(self._ahead[at : at + size])

    async def take(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` only at the end."""
        data = await self.peek(size)
        del self._ahead[: len(data)]
        return data

    async def take_some(self, size: int) -> bytes:
        """Return the next bytes as soon as there are any, at most `size`; none at the end."""
        if not self._ahead:
            await self._read_ahead()
        data = bytes(self._ahead[:size])
        del self._ahead[: len(data)]
        return data

    async def skip(self, size: int) -> None:
        """Drop the next bytes."""
        while size > 0:
            data = await self.take(min(size, _BLOCK))
            if not data:
                break
            size -= len(data)

    async def _read_ahead(self) -> bool:
        try:
            block = await self._read_block()
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise AudioFileException(f"{self.name} gives no bytes: open it in binary mode")
        self._ahead += block
        return bool(block)


class Preview:
    """The bytes of a source, read without taking them from it.

    :ivar position: How many bytes were passed.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.position = 0

    async def peek(self, size: int) -> bytes:
        return await self._source.peek(size, self.position)

    async def take(self, size: int) -> bytes:
        data = await self.peek(size)
        self.position += len(data)
        return data

    async def skip(self, size: int) -> None:
        await self.take(size)


def open_source(audio: Recording) -> Source:
    """Open a path, `"-"` for standard input, or what gives bytes.

    :raises AudioFileException: If it cannot be opened.
    """
    if isinstance(audio, (bytes, bytearray, memoryview)):
        return _file_source(io.BytesIO(audio), "the audio")
    if not isinstance(audio, (str, os.PathLike)):
        return _open_object(audio)
    if audio == "-":
        return _open_standard_input()
    path = os.fspath(audio)
    if _URL.match(path):
        raise AudioFileException(
            f"{path} is a URL, and only files are opened: download it, or read it with ffmpeg"
        )
    try:
        # Non-blocking: opening a named pipe would wait for its writer.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise _unreadable(path, error) from error
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        os.close(fd)
        raise AudioFileException(f"cannot read {path}: it is a directory")
    if stat.S_ISREG(mode):
        # Buffered: the file's lock makes close() wait for a cancelled task's read in a thread.
        file = os.fdopen(fd, "rb")
        source = _file_source(file, path, file.close)
        source.path = Path(path)
        return source
    return _pipe_source(os.fdopen(fd, "rb", buffering=0), fd, path, close=True)


def _open_object(audio: object) -> Source:
    name = str(getattr(audio, "filename", None) or getattr(audio, "name", None) or "the audio")
    read = getattr(audio, "read", None)
    if inspect.iscoroutinefunction(read):
        return Source(name, lambda: cast("Awaitable[bytes]", read(_BLOCK)))
    if read is None and hasattr(audio, "__aiter__"):
        blocks = aiter(cast("AsyncIterable[bytes]", audio))

        async def next_block() -> bytes:
            async for block in blocks:
                if block:
                    return block
            return b""

        return Source(name, next_block)
    if read is None:
        raise AudioFileException(
            f"audio must be a path, bytes, or what gives bytes, not {type(audio).__name__}"
        )
    return _file_source(cast("BinaryIO", audio), name)


def _open_standard_input() -> Source:
    name = "standard input"
    if sys.stdin is None or sys.stdin.closed:
        raise AudioFileException("cannot read standard input: it is closed")
    file = sys.stdin.buffer
    if file.isatty():
        raise AudioFileException("standard input is a terminal: pipe audio into it")
    try:
        fd = file.fileno()
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return _pipe_source(file, fd, name, close=False)
    except OSError:
        pass  # it has no descriptor, as in a test that replaces it
    return _file_source(file, name)


def _file_source(file: BinaryIO, name: str, close: Callable[[], None] | None = None) -> Source:
    source = Source(name, lambda: asyncio.to_thread(file.read, _BLOCK), close)
    try:
        if file.seekable():
            source.start = file.tell()
            source.file = file
    except (AttributeError, OSError):
        pass  # the file can only be read in order
    return source


def _pipe_source(file: BinaryIO, fd: int, name: str, *, close: bool) -> Source:
    can_be_watched = True

    async def read_block() -> bytes:
        nonlocal can_be_watched
        if can_be_watched:
            try:
                return await _read_when_ready(fd, source.patience)
            except (NotImplementedError, PermissionError):
                can_be_watched = False  # as epoll cannot watch /dev/null
        return await asyncio.to_thread(file.read, _BLOCK)

    source = Source(name, read_block, file.close if close else None)
    return source


async def _read_when_ready(fd: int, patience: float | None) -> bytes:
    """Return the next bytes of a pipe; none at its end, nor where patience ends before."""
    while await _is_ready(fd, patience):
        with suppress(BlockingIOError):
            return os.read(fd, _BLOCK)
    return b""


async def _is_ready(fd: int, patience: float | None) -> bool:
    """Wait until there is something to read, or until patience ends."""
    loop = asyncio.get_running_loop()
    came: asyncio.Future[bool] = loop.create_future()

    def tell(ready: bool) -> None:
        if not came.done():
            came.set_result(ready)

    loop.add_reader(fd, tell, True)
    timer = None if patience is None else loop.call_later(patience, tell, False)
    try:
        return await came
    finally:
        loop.remove_reader(fd)
        if timer is not None:
            timer.cancel()


def _size(file: BinaryIO) -> int:
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(position)
    return size


def _unreadable(name: str, error: OSError | ValueError) -> AudioFileException:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return AudioFileException(f"cannot read {name}: {reason}")
