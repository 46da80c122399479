"""An open stream: what stands between the program's two halves of it and the transport."""

from __future__ import annotations

from collections import deque
from typing import Any

from ._session import ClientSession
from .eventstream import BaseEvent
from .exceptions import HTTPException, SDKError, StreamClosedException, StreamException
from .model import AudioChunk
from .transports.base import Stream

# The service reads as fast as we speak; one that takes nothing for so long never will.
SEND_TIMEOUT = 60.0


class LiveStream:
    """An open stream: the session that knows the protocol on the transport that carries it.

    It stands behind `AudioStream` as the input stream and behind
    `TranscriptResultStream` as the raw stream.
    """

    response: Any

    def __init__(self, session: ClientSession, stream: Stream) -> None:
        self._session = session
        self._stream = stream
        self._events: deque[BaseEvent | SDKError] = deque()
        self._end_sent = False
        self._over = False
        self._failure: SDKError | None = None

    async def send_audio(self, chunk: AudioChunk) -> None:
        if self._failure is None and self._session.ended:
            raise self._described(
                StreamClosedException("the input has ended: no more audio can be sent")
            )
        await self._write(self._session.send_audio(chunk))

    async def end_audio(self) -> None:
        if self._end_sent:
            return
        self._end_sent = True
        try:
            await self._write(self._session.end())
            self._stream.end()
        except StreamClosedException:
            pass  # the service has ended the stream by itself: there is no input to end

    async def _write(self, frame: bytes) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        try:
            await self._stream.write(frame, SEND_TIMEOUT)
        except HTTPException as error:
            raise self._reason(error) from None

    async def next_event(self) -> BaseEvent | None:
        """The next event, None at the service's clean end."""
        while not self._events:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            if self._over:
                return None
            try:
                data = await self._stream.read()
            except HTTPException as error:
                self._events.append(self._reason(error))
                break
            if data:
                self._events.extend(self._session.receive(data))
            else:
                self._over = True
                failure = self._session.receive_end()
                if failure is not None:
                    self._events.append(self._described(failure))
        event = self._events.popleft()
        if isinstance(event, SDKError):
            self._failure = event
            self._stream.abort()
            raise event
        return event

    async def close(self) -> None:
        self._stream.abort()

    def _reason(self, error: HTTPException) -> SDKError:
        """Why the stream failed: the service's own exception where it came before the end."""
        self._events.extend(self._session.receive(self._stream.read_nowait()))
        for event in self._events:
            if isinstance(event, SDKError):
                return event
        return self._described(error)

    def _described(self, error: SDKError) -> SDKError:
        if isinstance(error, StreamException):
            error.request_id = self.response.request_id
            error.session_id = self.response.session_id
            error.audio_bytes_sent = self._session.audio_bytes_sent
        return error
