"""A record of the bytes that the service sends, as `inspect` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..transports.base import Request, Stream, Transport
from ..transports.h2 import H2Transport
from .errors import Unusable, reason
from .output import OutputFailed


@contextmanager
def recording_transport(path: str) -> Iterator[Transport]:
    """Give a transport that writes what its streams receive to a file.

    :raises Unusable: If the file cannot be opened.
    :raises OutputFailed: At the end, if not all could be written.
    """
    try:
        file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise Unusable(f"--record: cannot write {path}: {reason(error)}") from error
    record = _Record(file)
    try:
        yield _RecordingTransport(record)
        if record.failure is not None:
            raise OutputFailed(f"--record: cannot write {path}: {reason(record.failure)}")
    finally:
        with suppress(OSError):
            file.close()


class _Record:
    """The file, up to its first failure, which does not end a transcription."""

    def __init__(self, file: BinaryIO) -> None:
        self.failure: OSError | None = None
        self._file = file

    def add(self, data: bytes) -> bytes:
        """Write bytes and return them."""
        if self.failure is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.failure = error
        return data


class _RecordingTransport:
    """The usual transport, whose streams are recorded."""

    def __init__(self, record: _Record) -> None:
        self._transport = H2Transport()
        self._record = record

    async def open(self, request: Request, timeout: float) -> Stream:
        stream = await self._transport.open(request, timeout)
        return cast(Stream, _RecordedStream(stream, self._record))

    async def close(self) -> None:
        await self._transport.close()


class _RecordedStream:
    """A stream that is recorded where it is read."""

    def __init__(self, stream: Stream, record: _Record) -> None:
        self._stream = stream
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, timeout: float | None = None) -> bytes:
        return self._record.add(await self._stream.read(timeout))

    def read_nowait(self) -> bytes:
        return self._record.add(self._stream.read_nowait())
