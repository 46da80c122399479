"""The service's shapes as Python types: requests, responses, events and results.

Names, order and meaning follow the documented SDK; fields that came to the service
later stand after them. Results are `msgspec` structs: they compare by value, have a
readable repr, and take their fields by position or by name. Times are offsets in
seconds from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct, field

from .eventstream import (
    BaseEvent,
    BaseStream,
    EventSigner,
    EventStream,
    EventStreamMessage,
    EventStreamMessageSerializer,
)
from .exceptions import (
    BadRequestException,
    ConflictException,
    InternalFailureException,
    InvalidEventException,
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
    SerializationException,
    SerializerException,
    ServiceException,
    ServiceUnavailableException,
    StreamClosedException,
    UnknownServiceException,
)

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

MAX_AUDIO_CHUNK = 32 * 1024
"""The most bytes of audio that one event may carry (API reference, AudioEvent)."""

AudioChunk = bytes | bytearray | memoryview

_Event = TypeVar("_Event", bound=BaseEvent)

# --- Results --------------------------------------------------------------------


class _Shape(Struct, rename="pascal", omit_defaults=True, repr_omit_defaults=True):
    """A JSON shape of the service: PascalCase on the wire, unset fields left out."""


class LanguageWithScore(_Shape, gc=False):
    """One candidate of automatic language identification.

    :param language_code: The language, e.g. `"en-US"`.
    :param score: The confidence in it, 0 to 1.
    """

    language_code: str | None = None
    score: float | None = None


class Entity(_Shape, gc=False):
    """A piece of personally identifiable information found in the transcript.

    :param start_time: Where it begins, in seconds.
    :param end_time: Where it ends, in seconds.
    :param category: The category; the service knows `"PII"` only.
    :param content: The words.
    :param confidence: The confidence in it, 0 to 1.
    :param entity_type: Its type, e.g. `"NAME"` or `"EMAIL"`.
    """

    start_time: float | None = None
    end_time: float | None = None
    category: str | None = None
    content: str | None = None
    confidence: float | None = None
    entity_type: str | None = field(default=None, name="Type")


class Item(_Shape, gc=False):
    """A word, phrase or punctuation mark of the transcript.

    :param start_time: Where its audio begins, in seconds.
    :param end_time: Where its audio ends, in seconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param content: The word or the mark.
    :param vocabulary_filter_match: Whether the word is in the vocabulary filter.
    :param speaker: The speaker's label, with speaker labels on.
    :param confidence: The confidence in the word, 0 to 1.
    :param stable: With stabilisation on: whether later partial results keep the item.
    """

    start_time: float | None = None
    end_time: float | None = None
    item_type: str | None = field(default=None, name="Type")
    content: str | None = None
    vocabulary_filter_match: bool | None = None
    speaker: str | None = None
    confidence: float | None = None
    stable: bool | None = None


class Alternative(_Shape):
    """One possible transcription of a segment.

    :param transcript: The text.
    :param items: Its words and punctuation marks.
    :param entities: The personally identifiable information found in it.
    """

    transcript: str = ""
    items: list[Item] = []
    entities: list[Entity] | None = None


class Result(_Shape):
    """The transcription of one segment of the audio, partial or final.

    :param result_id: Identifies the segment; all its partial results and its final
        one carry the same.
    :param start_time: Where the segment begins, in seconds.
    :param end_time: Where it ends, in seconds.
    :param is_partial: True while more results of the segment may follow.
    :param alternatives: The possible transcriptions, best first.
    :param channel_id: With channel identification: `"ch_0"` or `"ch_1"`.
    :param language_code: With language identification: the language found.
    :param language_identification: The candidates and their scores.
    """

    result_id: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool | None = None
    alternatives: list[Alternative] | None = None
    channel_id: str | None = None
    language_code: str | None = None
    language_identification: list[LanguageWithScore] | None = None


class Transcript(_Shape):
    """The results that one event carries.

    :param results: The results; the list can be empty.
    """

    results: list[Result] = []


# --- Events ---------------------------------------------------------------------


class AudioEvent(BaseEvent):
    """A chunk of audio on its way to the service.

    :param audio_chunk: At most 32,768 bytes; None counts as empty. The service takes an
        event without audio as the end of the input.
    """

    def __init__(self, audio_chunk: AudioChunk | None) -> None:
        super().__init__(payload=b"" if audio_chunk is None else bytes(audio_chunk))

    @property
    def audio_chunk(self) -> bytes:
        return self.payload

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AudioEvent):
            return NotImplemented
        return self.payload == other.payload

    __hash__ = None  # type: ignore[assignment]  # as any mutable value

    def __repr__(self) -> str:
        return f"AudioEvent(<{len(self.payload)} bytes>)"


class TranscriptEvent(_Shape, BaseEvent):
    """A set of results from the service.

    :param transcript: The results.
    """

    transcript: Transcript = field(default_factory=Transcript)


class UnknownEvent(BaseEvent):
    """An event of a type that this version does not know, as it came.

    :param event_type: Its `:event-type`, None when it has none.
    :param payload: Its bytes.
    :param headers: All its headers.
    """

    def __init__(self, event_type: str | None, payload: bytes, headers: dict[str, Any]) -> None:
        super().__init__(payload=payload)
        self.event_type = event_type
        self.headers = headers

    def __repr__(self) -> str:
        return f"UnknownEvent(event_type={self.event_type!r}, <{len(self.payload)} bytes>)"


# --- Start: request and response ------------------------------------------------


class _Settings(Struct, kw_only=True, repr_omit_defaults=True):
    """What a stream can be asked for beyond the documented signature.

    The service echoes all of it, so request and response share it.
    """

    vocabulary_names: Sequence[str] | str | None = None
    vocabulary_filter_names: Sequence[str] | str | None = None
    show_speaker_label: bool | None = None
    enable_channel_identification: bool | None = None
    number_of_channels: int | None = None
    enable_partial_results_stabilization: bool | None = None
    partial_results_stability: str | None = None
    content_identification_type: str | None = None
    content_redaction_type: str | None = None
    pii_entity_types: Sequence[str] | str | None = None
    language_model_name: str | None = None
    identify_language: bool | None = None
    language_options: Sequence[str] | str | None = None
    preferred_language: str | None = None
    identify_multiple_languages: bool | None = None
    session_resume_window: int | None = None
    transcript_format: str | None = None


class _RequestSettings(_Settings, kw_only=True):
    vocab_filter_name: str | None = None


class StartStreamTranscriptionRequest(_RequestSettings):
    """What a transcription is asked to be.

    :param language_code: The spoken language, e.g. `"en-US"`; None with
        `identify_language` or `identify_multiple_languages`.
    :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
    :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"`,
        `"flac"`, `"g711-alaw"`, `"g711-ulaw"` or `"g729"`.
    :param vocabulary_name: A custom vocabulary of the account.
    :param session_id: A UUID of the program's choice; the service makes one when None.
    :param vocab_filter_method: `"remove"`, `"mask"` or `"tag"`.

    The parameters by name only are described at
    `TranscribeStreamingClient.start_stream_transcription`.
    """

    language_code: str | None = None
    media_sample_rate_hz: int | None = None
    media_encoding: str | None = None
    vocabulary_name: str | None = None
    session_id: str | None = None
    vocab_filter_method: str | None = None


class StartStreamTranscriptionResponse(_Settings):
    """What the service says it will do: the request's settings, and who it is.

    :param transcript_result_stream: The events that follow.
    :param request_id: The service's name for this request; quote it to its support.
    :param session_id: The session's id, made by the service unless given.
    """

    transcript_result_stream: TranscriptResultStream
    request_id: str | None = None
    language_code: str | None = None
    media_sample_rate_hz: int | None = None
    media_encoding: str | None = None
    vocabulary_name: str | None = None
    session_id: str | None = None
    vocab_filter_name: str | None = None
    vocab_filter_method: str | None = None


# --- The two directions of an open stream ---------------------------------------


class AudioStream(BaseStream):
    """The audio on its way to the service. The client makes it; programs only use it.

    It works with any `input_stream` that has `write(bytes)` and `end_stream()`, and
    then signs and frames with the other parts it was given. The client's own stream
    offers `send_audio` and `end_audio` instead: each event is signed and framed there
    in one call.
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

    async def send_audio_event(self, audio_chunk: AudioChunk | None) -> None:
        """Send a chunk of audio; waits while too much is on its way unsent.

        :param audio_chunk: Bytes, bytearray or memoryview, at most 32,768 bytes (API
            reference, AudioEvent); 50–200 ms of audio are best. An empty chunk, or
            None, ends the input: the service understands it so.
        :raises InvalidParameterException: for a chunk too long or not of bytes.
        :raises StreamClosedException: after the end of the input.
        :raises HTTPException: when the stream has failed, with the reason.
        :raises ServiceException: when the service has ended the stream with one.
        """
        chunk = _checked_chunk(audio_chunk)
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


def _checked_chunk(chunk: AudioChunk | None) -> AudioChunk:
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
    return chunk


class TranscriptResultStream(EventStream):
    """The events from the service, in `async for`.

    A read that is cancelled or runs out of time loses nothing: the next one goes on.

    :param raw_stream: Any object whose `chunks()` yields bytes. The client's own offers
        `next_event` instead and decodes by itself.
    :param parser: Turns a message into an event by `parse(message)`; None takes
        `TRANSCRIPT_EVENTS`.
    :raises BadRequestException: the audio or a parameter is not acceptable.
    :raises LimitExceededException: a limit was exceeded, typically of audio length.
    :raises InternalFailureException: the service failed while processing the audio.
    :raises ConflictException: a new stream took over the session id.
    :raises ServiceUnavailableException: the service cannot go on; try again later.
    :raises StreamException: the stream ended without the service's clean end.
    """

    def __init__(self, raw_stream: Any, parser: Any = None) -> None:
        super().__init__(raw_stream, TRANSCRIPT_EVENTS if parser is None else parser)
        self._live = raw_stream if hasattr(raw_stream, "next_event") else None

    async def __anext__(self) -> Any:
        if self._live is None:
            return await super().__anext__()
        event = await self._live.next_event()
        if event is None:
            raise StopAsyncIteration
        return event


class StartStreamTranscriptionEventStream:
    """An open transcription: audio in by `input_stream`, events out by `output_stream`.

    The client makes it. As an async context manager it leaves nothing open: leaving
    before the service's end aborts the stream.
    """

    def __init__(
        self, audio_stream: AudioStream, response: StartStreamTranscriptionResponse
    ) -> None:
        self._input_stream = audio_stream
        self._response = response

    @property
    def input_stream(self) -> AudioStream:
        """The audio on its way to the service."""
        return self._input_stream

    @property
    def output_stream(self) -> TranscriptResultStream:
        """The events from the service."""
        return self._response.transcript_result_stream

    @property
    def response(self) -> StartStreamTranscriptionResponse:
        """What the service said when the stream started."""
        return self._response

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


# --- Messages to events ---------------------------------------------------------

_INVALID_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

NO_REASON = "the service gave no reason"

SERVICE_EXCEPTIONS: Mapping[str, type[ServiceException]] = {
    kind.__name__: kind
    for kind in (
        BadRequestException,
        ConflictException,
        InternalFailureException,
        LimitExceededException,
        ResourceNotFoundException,
        SerializationException,
        ServiceUnavailableException,
    )
}


def service_exception(name: str | None, payload: bytes, status_code: int = 400) -> ServiceException:
    """The exception that a refusal stands for.

    :param name: Its name at the service; one without a class of its own is kept in
        `UnknownServiceException.error_code`.
    :param payload: Its JSON body. The text is under `Message`; some parts of AWS write
        `message`.
    :param status_code: The HTTP status it came with.
    """
    try:
        body = msgspec.json.decode(payload)
    except _INVALID_JSON:
        body = None
    message = NO_REASON
    if isinstance(body, dict):
        message = _text(body.get("Message") or body.get("message")) or NO_REASON
    if kind := SERVICE_EXCEPTIONS.get(name or ""):
        return kind(message)
    return UnknownServiceException(status_code, name, message)


def _text(value: object) -> str | None:
    """The value if it is text: a peer may send any type."""
    return value if isinstance(value, str) else None


class EventParser:
    """Turns the messages of one operation's result stream into events.

    :param decoders: Event types and what makes an event of their payloads.
    """

    def __init__(self, decoders: Mapping[str, Callable[[bytes], BaseEvent]]) -> None:
        self._decoders = dict(decoders)

    def parse(self, message: EventStreamMessage) -> BaseEvent:
        """The event in a message; what is not known comes out as `UnknownEvent`.

        :raises ServiceException: when the message is an exception or an error.
        :raises InvalidEventException: when a known event does not fit its shape.
        """
        headers = message.headers
        kind = headers.get(":message-type")
        name = _text(headers.get(":event-type"))
        if kind == "event":
            decode = self._decoders.get(name or "")
            if decode is not None:
                return decode(message.payload)
        elif kind == "exception":
            # The service's HTTP/2 guide puts the name in :event-type, every SDK reads
            # :exception-type.
            raise service_exception(_text(headers.get(":exception-type")) or name, message.payload)
        elif kind == "error":
            raise UnknownServiceException(
                ServiceException.status_code,
                _text(headers.get(":error-code")),
                _text(headers.get(":error-message")) or NO_REASON,
            )
        return UnknownEvent(name, message.payload, headers)


def _json_decoder(shape: type[_Event]) -> Callable[[bytes], _Event]:
    """What makes an event of its JSON.

    :raises InvalidEventException: from the decoder, for JSON that does not fit.
    """
    decode = msgspec.json.Decoder(shape).decode

    def decoder(payload: bytes) -> _Event:
        try:
            return decode(payload)
        except _INVALID_JSON:
            pass
        # Once more with the rarer liberties: no payload at all, and null for absent.
        try:
            body = msgspec.json.decode(payload) if payload else {}
            return msgspec.convert(_without_nulls(body), shape)
        except _INVALID_JSON as error:
            raise InvalidEventException(shape.__name__, str(error)) from error

    return decoder


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


TRANSCRIPT_EVENTS = EventParser({"TranscriptEvent": _json_decoder(TranscriptEvent)})
"""The events of StartStreamTranscription."""
