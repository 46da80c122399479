"""Transcription: the operation StartStreamTranscription.

Times are offsets in seconds from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Literal, Protocol, TypedDict, get_args

from msgspec import field

from ._protocol.combinations import (
    check_channels,
    check_languages,
    check_personal_information,
    check_vocabularies,
)
from ._protocol.constants import (
    LanguageCode,
    PartialResultsStability,
    TranscriptFormat,
    VocabularyFilterMethod,
)
from ._protocol.constraints import (
    CHANNELS,
    ENCODING,
    FILTER_METHOD,
    LANGUAGE,
    LANGUAGES,
    NAME,
    NAMES,
    PII,
    PII_TYPES,
    REQUIRED,
    SAMPLE_RATE,
    STABILITY,
    UUID,
    Integer,
    OneOf,
)
from ._protocol.events import EventParser
from ._protocol.operation import Operation
from ._protocol.shapes import EventShape, Fields, Shape
from ._stream.open_stream import AudioStream, OpenStream, ResultStream
from .observe import Observer

# Results


class LanguageWithScore(Shape):
    """One candidate of automatic language identification.

    :param language_code: The language, e.g. `"en-US"`.
    :param score: The confidence in it, 0 to 1.
    """

    language_code: str | None = None
    score: float | None = None


class Entity(Shape):
    """A piece of personally identifiable information found in the transcript.

    :param start_time: Its start, in seconds.
    :param end_time: Its end, in seconds.
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


class Item(Shape):
    """A word, phrase or punctuation mark of the transcript.

    :param start_time: Start of its audio, in seconds.
    :param end_time: End of its audio, in seconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param content: The word or the mark.
    :param vocabulary_filter_match: True if the word is in the vocabulary filter.
    :param speaker: The speaker's label, with speaker labels.
    :param confidence: The confidence in the word, 0 to 1.
    :param stable: With stabilisation: True if later partial results keep the item.
    """

    start_time: float | None = None
    end_time: float | None = None
    item_type: str | None = field(default=None, name="Type")
    content: str | None = None
    vocabulary_filter_match: bool | None = None
    speaker: str | None = None
    confidence: float | None = None
    stable: bool | None = None


class Alternative(Shape):
    """One possible transcription of a segment.

    :param transcript: The text.
    :param items: Its words and punctuation marks.
    :param entities: The personally identifiable information found in it.
    """

    transcript: str = ""
    items: list[Item] = field(default_factory=list)
    entities: list[Entity] | None = None


class Result(Shape):
    """The transcription of one segment of the audio, partial or final.

    :param result_id: Identifies the segment; all its partial results and its final
        one carry the same.
    :param start_time: Start of the segment, in seconds.
    :param end_time: Its end, in seconds.
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


class Transcript(Shape):
    """The results that one event carries.

    :param results: The results; the list can be empty.
    """

    results: list[Result] = field(default_factory=list)


# Events


class TranscriptEvent(EventShape, omit_defaults=False):
    """A set of results from the service.

    :param transcript: The results.
    """

    transcript: Transcript = field(default_factory=Transcript)

    def spans(self) -> Iterator[tuple[bool, float]]:
        for result in self.transcript.results:
            yield bool(result.is_partial), result.end_time or 0.0


# Start: request and response


class _Settings(Fields, kw_only=True, rename="pascal", repr_omit_defaults=True):
    """Parameters beyond the signature of the original SDK.

    The service repeats all of them, so that request and response share them. A new parameter
    of the service is one line here: its name, type and rule.
    """

    show_speaker_label: bool | None = None
    enable_channel_identification: bool | None = None
    number_of_channels: Annotated[int | None, CHANNELS] = None
    enable_partial_results_stabilization: bool | None = None
    partial_results_stability: Annotated[str | None, STABILITY] = None
    content_identification_type: Annotated[str | None, PII] = None
    content_redaction_type: Annotated[str | None, PII] = None
    pii_entity_types: Annotated[Sequence[str] | str | None, PII_TYPES] = None
    language_model_name: Annotated[str | None, NAME] = None
    identify_language: bool | None = None
    language_options: Annotated[Sequence[str] | str | None, LANGUAGES] = None
    preferred_language: Annotated[str | None, LANGUAGE] = None
    identify_multiple_languages: bool | None = None
    vocabulary_names: Annotated[Sequence[str] | str | None, NAMES] = None
    vocabulary_filter_names: Annotated[Sequence[str] | str | None, NAMES] = None
    session_resume_window: Annotated[int | None, Integer(1, 300, " minutes")] = None
    transcript_format: Annotated[str | None, OneOf(get_args(TranscriptFormat))] = None


class _RequestSettings(_Settings, kw_only=True):
    vocab_filter_name: Annotated[str | None, NAME] = field(
        default=None, name="VocabularyFilterName"
    )


class StartStreamTranscriptionRequest(_RequestSettings):
    """Parameters of a transcription.

    Names, limits and allowed values are the service model's.

    :param language_code: The spoken language, e.g. `"en-US"`; leave it out with
        `identify_language` or `identify_multiple_languages`.
    :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
    :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"`, `"flac"`,
        `"g711-alaw"`, `"g711-ulaw"` or `"g729"`.
    :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
    :param session_id: A UUID of 36 characters; by default the service makes one.
    :param vocab_filter_method: The filter's action: `"remove"`, `"mask"` or `"tag"`.
        Has no effect without a filter.
    :param vocab_filter_name: A vocabulary filter, 1–200 of `[0-9a-zA-Z._-]`.
    :param vocabulary_names: With language identification: custom vocabularies, a list or
        one string with commas, at most 3,000 characters in all.
    :param vocabulary_filter_names: The same for vocabulary filters. The service
        intends both only for language identification; without it they are sent unchanged.
    :param show_speaker_label: Label the speakers; not with `enable_channel_identification`.
    :param enable_channel_identification: Transcribe each channel by itself; needs
        `number_of_channels`.
    :param number_of_channels: The channels in the audio, at least 2.
    :param enable_partial_results_stabilization: Let only the last few words of a partial
        result change.
    :param partial_results_stability: The stability: `"high"`, `"medium"` or `"low"`. Has no
        effect without stabilisation.
    :param content_identification_type: `"PII"` marks personal information; not with
        `content_redaction_type`.
    :param content_redaction_type: `"PII"` replaces personal information.
    :param pii_entity_types: The kinds, a list or one string with commas, at most 300
        characters of `[A-Z_, ]`; needs one of the two above.
    :param language_model_name: A custom language model, 1–200 of `[0-9a-zA-Z._-]`.
    :param identify_language: Identify the language; needs `language_options`.
    :param language_options: At least two languages to choose from, a list or one string
        with commas, at most 200 characters.
    :param preferred_language: The likeliest of them.
    :param identify_multiple_languages: Identify the languages as they change; needs
        `language_options`.
    :param session_resume_window: The minutes after the stream's start, 1–300, in which the
        session can be resumed.
    :param transcript_format: `"spoken"` or `"written"`.
    """

    language_code: Annotated[str | None, LANGUAGE] = None
    media_sample_rate_hz: Annotated[int | None, SAMPLE_RATE, REQUIRED] = field(
        default=None, name="MediaSampleRateHertz"
    )
    media_encoding: Annotated[str | None, ENCODING, REQUIRED] = None
    vocabulary_name: Annotated[str | None, NAME] = None
    session_id: Annotated[str | None, UUID] = None
    vocab_filter_method: Annotated[str | None, FILTER_METHOD] = field(
        default=None, name="VocabularyFilterMethod"
    )


class TranscriptionParameters(TypedDict, total=False):
    """The parameters of `start_stream_transcription` besides those of the audio."""

    language_code: LanguageCode | str | None
    identify_language: bool | None
    identify_multiple_languages: bool | None
    language_options: Sequence[str] | str | None
    preferred_language: LanguageCode | str | None
    enable_partial_results_stabilization: bool | None
    partial_results_stability: PartialResultsStability | str | None
    show_speaker_label: bool | None
    enable_channel_identification: bool | None
    number_of_channels: int | None
    vocabulary_name: str | None
    vocabulary_names: Sequence[str] | str | None
    vocab_filter_name: str | None
    vocabulary_filter_names: Sequence[str] | str | None
    vocab_filter_names: Sequence[str] | str | None
    vocab_filter_method: VocabularyFilterMethod | str | None
    language_model_name: str | None
    content_identification_type: Literal["PII"] | str | None
    content_redaction_type: Literal["PII"] | str | None
    pii_entity_types: Sequence[str] | str | None
    transcript_format: TranscriptFormat | str | None
    idle: Literal["wait"]


class StartStreamTranscriptionResponse(_Settings):
    """The service's answer to a start: the request's parameters and ids.

    Fields that are not listed are the request's, as the service repeats them; None for those
    that it does not repeat.

    :param transcript_result_stream: The stream of events.
    :param request_id: The service's id of this request, for questions to its support.
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


# The open stream

TRANSCRIPT_EVENTS = EventParser({"TranscriptEvent": TranscriptEvent})
"""The events of StartStreamTranscription."""


class TranscriptResultStream(ResultStream[TranscriptEvent]):
    """The events of a transcription: `TranscriptEvent`."""

    events = TRANSCRIPT_EVENTS


class StartStreamTranscriptionEventStream(
    OpenStream[AudioStream, StartStreamTranscriptionResponse, TranscriptEvent]
):
    """An open transcription: audio in by `input_stream`, events out by `output_stream`."""

    @property
    def output_stream(self) -> TranscriptResultStream:
        """The events from the service."""
        return self._response.transcript_result_stream


class TranscriptionClient(Protocol):
    """What starts transcriptions: a `TranscribeStreamingClient`, or an object like one."""

    @property
    def observer(self) -> Observer:
        """Told what happens."""
        ...

    @property
    def start_stream_transcription(
        self,
    ) -> Callable[..., Awaitable[StartStreamTranscriptionEventStream]]:
        """Starts a transcription with the keywords of the client's method."""
        ...


def _check_combinations(request: StartStreamTranscriptionRequest) -> Iterator[tuple[str, str]]:
    yield from check_languages(request, "identify_language", "identify_multiple_languages")
    yield from check_channels(request)
    yield from check_personal_information(request)
    yield from check_vocabularies(request)


START_STREAM_TRANSCRIPTION = Operation(
    name="StartStreamTranscription",
    path="/stream-transcription",
    combinations=_check_combinations,
    request=StartStreamTranscriptionRequest,
    response=StartStreamTranscriptionResponse,
    result_stream=TranscriptResultStream,
    events=TRANSCRIPT_EVENTS,
)
