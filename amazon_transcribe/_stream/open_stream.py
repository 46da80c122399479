"""What a program holds of an open stream: audio in, events out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from .._protocol.constants import MAX_AUDIO_CHUNK
from .._protocol.events import AudioChunk, AudioEvent, EventParser, UnknownEvent
from ..eventstream import (
    BaseEvent,
    BaseStream,
    ByteBuffer,
    EventSigner,
    EventStream,
    EventStreamMessageSerializer,
)
from ..exceptions import (
    InvalidParameterException,
    SDKError,
    SerializerException,
    StreamClosedException,
    UnknownServiceException,
)
from .iteration import EventIteration
from .live import LiveStream

if TYPE_CHECKING:
    from typing_extensions import Self

DRAIN_TIMEOUT = 30.0
"""Seconds for `drain`: the service sends its last results within a few of the input's end."""

_Event = TypeVar("_Event", bound=BaseEvent)
_Input = TypeVar("_Input", bound="AudioStream")
_Response = TypeVar("_Response")


class AudioStream(BaseStream):
    """The audio on its way to the service. The client makes it; programs only use it.

    Behind it stands the client's own stream, where each event is signed and framed in one
    call, or any `input_stream` that has `write(bytes)` and `end_stream()`: then the other
    parts sign and frame. The parameters are those of `BaseStream`.
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
        parts = (
            ByteBuffer() if input_stream is None else input_stream,
            event_serializer or _AudioEventSerializer(),
            eventstream_serializer,
            event_signer,
            initial_signature,
            credential_resolver,
        )
        super().__init__(*parts)
        self._sender: _Sender = (
            input_stream if isinstance(input_stream, LiveStream) else _SignedSender(*parts)
        )

    async def send_event(self, event: BaseEvent) -> None:
        """Send one event of any type that the operation takes.

        :param event: An `AudioEvent`, or one of the operation's own.
        :raises SerializerException: for an event that the operation does not take.
        :raises InvalidParameterException: for a value the service would refuse; its
            `parameter` is the path to it.
        """
        if isinstance(event, AudioEvent):
            await self.send_audio_event(event.audio_chunk)
        else:
            await self._sender.send_event(event)

    async def send_audio_event(self, audio_chunk: AudioChunk | None) -> None:
        """Send a chunk of audio; wait first while too much is on its way unsent.

        A send that is cancelled in that wait, or runs out of time, has sent nothing.

        :param audio_chunk: Bytes, bytearray or memoryview, at most 32,768 bytes (API
            reference, AudioEvent); 50–200 ms of audio are best. An empty chunk, or
            None, ends the input: the service understands it so.
        :raises InvalidParameterException: for a chunk too long or not of bytes.
        :raises StreamClosedException: after the end of the input.
        :raises HTTPException: when the stream has failed, with the reason.
        :raises ServiceException: when the service has ended the stream with one.
        """
        if type(audio_chunk) is not bytes or len(audio_chunk) > MAX_AUDIO_CHUNK:
            audio_chunk = checked_chunk(audio_chunk)
        if not self._sender.send_now(audio_chunk):
            await self._sender.send_audio(audio_chunk)

    async def end_stream(self) -> None:
        """End the input; the service then sends its last results.

        A second call is harmless, and so is one after an empty chunk.
        """
        await self._sender.end_audio()

    def abort(self) -> None:
        """Abort the stream unless it has ended."""
        self._sender.abort()


class _Sender(Protocol):
    """What stands behind an `AudioStream`."""

    def send_now(self, chunk: AudioChunk) -> bool: ...

    async def send_audio(self, chunk: AudioChunk) -> None: ...

    async def send_event(self, event: BaseEvent) -> None: ...

    async def end_audio(self) -> None: ...

    def abort(self) -> None: ...


class _SignedSender(BaseStream):
    """Sends by the parts that an `AudioStream` was given."""

    _audio_ended = False

    def send_now(self, chunk: AudioChunk) -> bool:
        return False

    async def send_audio(self, chunk: AudioChunk) -> None:
        if self._audio_ended:
            raise StreamClosedException("the input has ended: no more audio can be sent")
        self._audio_ended = not len(chunk)
        await self.send_event(AudioEvent(chunk))

    async def end_audio(self) -> None:
        self._audio_ended = True
        await self.end_stream()

    def abort(self) -> None:
        """Leave the stream to whoever made it."""


class _AudioEventSerializer:
    """Writes the headers and the payload of an audio event."""

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
    """Return the audio of one event, as bytes one after the other; nothing for None.

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
    if isinstance(chunk, memoryview):
        # One channel of two, say, is not contiguous.
        return chunk.cast("B") if chunk.c_contiguous and size else chunk.tobytes()
    return chunk


class ResultStream(EventIteration[_Event], EventStream):
    """The events from the service, in `async for`.

    A read that is cancelled or runs out of time loses nothing: the next one goes on.

    Events of types that this version does not know do not stand in the way: they are
    counted in `unknown_events`, named once in the log, and the last hundred are kept in
    `skipped_events`. `including_unknown` iterates over them with the others, in order.

    :param raw_stream: The client's own stream, or any object whose `chunks()` yields bytes.
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
        # Not by `EventStream.__init__`: what that one reads with, the reader below has.
        self._raw_stream = raw_stream
        self._parser = self.events if parser is None else parser
        self._reader: _Reader = (
            raw_stream
            if isinstance(raw_stream, LiveStream)
            else _RawEvents(raw_stream, self._parser)
        )
        EventIteration.__init__(self)
        self._note_reader = self._reader.note_reader  # type: ignore[method-assign]
        self._event_now = self._reader.event_now  # type: ignore[method-assign]
        self._next_event = self._reader.next_event  # type: ignore[method-assign]

    @property
    def unknown_exceptions(self) -> int:
        """How many exceptions of such types have come: 0, or 1, as one ends the stream.

        It is raised as an `UnknownServiceException`.
        """
        return int(isinstance(self._reader.failure, UnknownServiceException))

    async def drain(self, timeout: float) -> list[_Event]:
        """End the input and wait for the end of the results; see `OpenStream.drain`.

        :param timeout: Seconds for all of it.
        """
        rest: list[Any] = []
        events, stay = await self._reader.drain(timeout)
        for event in events:
            if not isinstance(event, UnknownEvent):
                rest.append(event)
            elif not stay:  # else the other task skips it
                self._skip(event)
        return rest


class _Reader(Protocol):
    """What stands behind a `ResultStream`."""

    failure: SDKError | None

    def note_reader(self) -> None: ...

    def event_now(self) -> BaseEvent | None: ...

    async def next_event(self) -> BaseEvent | None: ...

    async def drain(self, timeout: float) -> tuple[list[BaseEvent], bool]: ...


class _RawEvents(EventStream):
    """Reads by the parts that a `ResultStream` was given."""

    failure: SDKError | None = None

    def note_reader(self) -> None:
        """Need none of it: such a stream is not drained."""

    def event_now(self) -> BaseEvent | None:
        return None

    async def next_event(self) -> BaseEvent | None:
        try:
            event: BaseEvent = await anext(self)
        except StopAsyncIteration:
            return None
        except SDKError as error:
            self.failure = error
            raise
        return event

    async def drain(self, timeout: float) -> tuple[list[BaseEvent], bool]:
        raise SerializerException("only a stream that the client made can be drained")


class OpenStream(Generic[_Input, _Response, _Event]):
    """An open stream. The client makes it.

    As an async context manager it leaves nothing open: leaving before the service's end
    aborts the stream.

    :param audio_stream: What takes the audio: the `input_stream`.
    :param response: The service's answer, with the stream of events.
    """

    def __init__(self, audio_stream: _Input, response: _Response) -> None:
        self._input_stream = audio_stream
        self._response = response

    @property
    def input_stream(self) -> _Input:
        """The audio on its way to the service."""
        return self._input_stream

    @property
    def output_stream(self) -> ResultStream[_Event]:
        """The events from the service."""
        raise NotImplementedError

    @property
    def response(self) -> _Response:
        """What the service said when the stream started."""
        return self._response

    async def drain(self, timeout: float = DRAIN_TIMEOUT) -> list[_Event]:
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
        return await self.output_stream.drain(timeout)

    def abort(self) -> None:
        """Abort the stream unless it has ended; afterwards readers and writers raise."""
        self._input_stream.abort()

    async def close(self) -> None:
        """Abort the stream unless it has ended, as `abort` does."""
        self.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.abort()
