"""What programs hold of an open stream: audio in, events out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from .._protocol.constants import MAX_AUDIO_CHUNK
from .._protocol.events import AudioChunk, AudioEvent, EventParser, UnknownEvent
from ..eventstream import (
    BaseEvent,
    BaseStream,
    EventSigner,
    EventStream,
    EventStreamMessageSerializer,
)
from ..exceptions import (
    InvalidParameterException,
    SerializerException,
    StreamClosedException,
    UnknownServiceException,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

# The service sends its last results within a few seconds of the input's end.
DRAIN_TIMEOUT = 30.0
_Input = TypeVar("_Input", bound="AudioStream")
_Response = TypeVar("_Response")


# The two directions of an open stream


class AudioStream(BaseStream):
    """The audio on its way to the service. The client makes it; programs only use it.

    It works with any `input_stream` that has `write(bytes)` and `end_stream()`, and
    then signs and frames with the other parts it was given. The client's own stream
    offers `send_audio` and `end_audio` instead: each event is signed and framed there
    in one call. The parameters are those of `BaseStream`.
    """

    def __init__(
        self,
        input_stream: Any = None,
        event_serializer: Any = None,
        eventstream_serializer: EventStreamMessageSerializer | None = None,
        event_signer: EventSigner | None = None,
        initial_signature: bytes | None = None,
        credential_resolver: Any = None,
    ) -> None:
        super().__init__(
            input_stream,
            event_serializer or _AudioEventSerializer(),
            eventstream_serializer,
            event_signer,
            initial_signature,
            credential_resolver,
        )
        self._live = input_stream if hasattr(input_stream, "send_audio") else None
        self._audio_ended = False

    async def send_event(self, event: BaseEvent) -> None:
        """Send one event of any type that the operation takes.

        :param event: An `AudioEvent`, or one of the operation's own.
        :raises SerializerException: for an event that it does not take.
        :raises InvalidParameterException: for a value the service would refuse; its
            `parameter` is the path to it.
        """
        if self._live is None:
            await super().send_event(event)
        elif isinstance(event, AudioEvent):
            await self._live.send_audio(checked_chunk(event.audio_chunk))
        else:
            await self._live.send_event(event)

    async def send_audio_event(self, audio_chunk: AudioChunk | None) -> None:
        """Send a chunk of audio; waits while too much is on its way unsent.

        A send that is cancelled in that wait, or runs out of time, has sent nothing.

        :param audio_chunk: Bytes, bytearray or memoryview, at most 32,768 bytes (API
            reference, AudioEvent); 50–200 ms of audio are best. An empty chunk, or
            None, ends the input: the service understands it so.
        :raises InvalidParameterException: for a chunk too long or not of bytes.
        :raises StreamClosedException: after the end of the input.
        :raises HTTPException: when the stream has failed, with the reason.
        :raises ServiceException: when the service has ended the stream with one.
        """
        chunk = checked_chunk(audio_chunk)
        if self._live is not None:
            await self._live.send_audio(chunk)
            return
        if self._audio_ended:
            raise StreamClosedException("the input has ended: no more audio can be sent")
        self._audio_ended = not len(chunk)
        await self.send_event(AudioEvent(chunk))

    async def end_stream(self) -> None:
        """End the input; the service then sends its last results.

        A second call is harmless, and so is one after an empty chunk.
        """
        if self._live is not None:
            await self._live.end_audio()
        else:
            self._audio_ended = True
            await super().end_stream()

    async def drain(self, timeout: float) -> list[BaseEvent]:
        """End the input and wait for the end of the results; see `OpenStream.drain`.

        :param timeout: Seconds for all of it.
        """
        if self._live is None:
            raise SerializerException("only a stream that the client made can be drained")
        rest: list[BaseEvent] = await self._live.drain(timeout)
        return rest

    async def close(self) -> None:
        """Abort the stream unless it has ended."""
        if self._live is not None:
            await self._live.close()


class _AudioEventSerializer:
    """The headers and the payload of an audio event, for the parts given one by one."""

    def serialize(self, event: BaseEvent) -> tuple[dict[str, str], bytes]:
        if not isinstance(event, AudioEvent):
            raise SerializerException(f"only audio events can be sent, not {event!r}")
        headers = {
            ":message-type": "event",
            ":event-type": "AudioEvent",
            ":content-type": "application/octet-stream",
        }
        return headers, bytes(event.payload)


def checked_chunk(chunk: AudioChunk | None) -> AudioChunk:
    """The audio of one event; nothing for None.

    :raises InvalidParameterException: for a chunk too long or not of bytes.
    """
    if chunk is None:
        return b""
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise InvalidParameterException(
            "audio_chunk",
            f"audio_chunk must be bytes, bytearray or memoryview, not {type(chunk).__name__}",
        )
    size = chunk.nbytes if isinstance(chunk, memoryview) else len(chunk)
    if size > MAX_AUDIO_CHUNK:
        raise InvalidParameterException(
            "audio_chunk",
            f"audio_chunk has {size:,} bytes; the service takes at most {MAX_AUDIO_CHUNK:,} in"
            " one event: send smaller chunks, 50–200 ms of audio each",
        )
    if isinstance(chunk, memoryview) and not chunk.c_contiguous:
        return chunk.tobytes()  # one channel of two, say
    return chunk


class ResultStream(EventStream):
    """The events from the service, in `async for`.

    A read that is cancelled or runs out of time loses nothing: the next one goes on.
    Events of types that this version does not know come out as `UnknownEvent`.
    `unknown_exceptions` counts exceptions of such types, which are raised as
    `UnknownServiceException`; one ends the stream, so it is 0 or 1.

    :param raw_stream: Any object whose `chunks()` yields bytes. The client's own offers
        `next_event` instead and decodes by itself.
    :param parser: Turns a message into an event by `parse(message)`; None takes the
        operation's own.
    :raises BadRequestException: the audio or a parameter is not acceptable.
    :raises LimitExceededException: a limit was exceeded, typically of audio length.
    :raises InternalFailureException: the service failed while processing the audio.
    :raises ConflictException: a new stream took over the session id.
    :raises ServiceUnavailableException: the service cannot go on; try again later.
    :raises StreamException: the stream ended without the service's clean end.
    """

    events: ClassVar[EventParser]

    def __init__(self, raw_stream: Any, parser: Any = None) -> None:
        super().__init__(raw_stream, self.events if parser is None else parser)
        self._unknown_events = 0
        self.unknown_exceptions = 0
        self._live = raw_stream if hasattr(raw_stream, "next_event") else None

    async def __anext__(self) -> Any:
        try:
            if self._live is None:
                event = await super().__anext__()
                if isinstance(event, UnknownEvent):
                    self._unknown_events += 1
            else:
                event = await self._live.next_event()
                if event is None:
                    raise StopAsyncIteration
        except UnknownServiceException:
            self.unknown_exceptions = 1  # every later read raises it once more
            raise
        return event

    @property
    def unknown_events(self) -> int:
        """How many events of types that this version does not know were handed over."""
        count: int = self._unknown_events if self._live is None else self._live.unknown_events
        return count


class OpenStream(Generic[_Input, _Response]):
    """An open stream. The client makes it.

    As an async context manager it leaves nothing open: leaving before the service's end
    aborts the stream.
    """

    def __init__(self, audio_stream: _Input, response: _Response) -> None:
        self._input_stream = audio_stream
        self._response = response

    @property
    def input_stream(self) -> _Input:
        """The audio on its way to the service."""
        return self._input_stream

    @property
    def response(self) -> _Response:
        """What the service said when the stream started."""
        return self._response

    async def drain(self, timeout: float = DRAIN_TIMEOUT) -> list[BaseEvent]:
        """End the input and wait for the service's last results.

        Afterwards the stream has ended: reading it finds no more. Another task may read
        meanwhile; it gets every event, and those that it has not taken when the end comes
        are returned here too.

        :param timeout: Seconds for all of it. One that runs out loses nothing: the
            stream stays open, a new drain or further reading goes on.
        :returns: The events that nobody has taken, in their order.
        :raises TimeoutException: with the phase `"drain"`.
        :raises SDKError: what the stream ended with, if not cleanly. Events that came
            before can still be read.
        """
        events: list[BaseEvent] = await self._input_stream.drain(timeout)
        return events

    async def close(self) -> None:
        """Abort the stream unless it has ended; afterwards readers and writers raise."""
        await self._input_stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
