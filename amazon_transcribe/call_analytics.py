"""Call analytics: the operation StartCallAnalyticsStreamTranscription.

Offsets are milliseconds from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, TypedDict, get_args

from msgspec import field

from ._protocol.combinations import (
    check_channels_once,
    check_languages,
    check_personal_information,
    check_vocabularies,
)
from ._protocol.constants import (
    CallAnalyticsLanguageCode,
    PartialResultsStability,
    VocabularyFilterMethod,
)
from ._protocol.constraints import (
    CHANNEL,
    ENCODING,
    FILTER_METHOD,
    LANGUAGES,
    NAME,
    NAMES,
    PII,
    PII_TYPES,
    REQUIRED,
    SAMPLE_RATE,
    STABILITY,
    UUID,
    ListOf,
    OneOf,
    Structure,
)
from ._protocol.events import EventParser
from ._protocol.operation import InputEvent, Operation
from ._protocol.shapes import EventShape, Fields, Shape
from ._protocol.times import seconds_of
from ._stream.open_stream import AudioStream, OpenStream, ResultStream

_LANGUAGE = OneOf(get_args(CallAnalyticsLanguageCode))

# Sent


class ChannelDefinition(Shape):
    """The participant on one of the two channels.

    :param channel_id: The channel, 0 or 1.
    :param participant_role: `"AGENT"` or `"CUSTOMER"`.
    """

    channel_id: Annotated[int, CHANNEL]
    participant_role: Annotated[str, OneOf(("AGENT", "CUSTOMER"))]


class PostCallAnalyticsSettings(Shape):
    """Processing of the call after its end.

    :param output_location: The S3 URI of the results.
    :param data_access_role_arn: The IAM role that may write the results.
    :param content_redaction_output: `"redacted"` or `"redacted_and_unredacted"`.
    :param output_encryption_kms_key_id: The KMS key that encrypts the results.
    """

    output_location: str
    data_access_role_arn: str
    content_redaction_output: Annotated[
        str | None, OneOf(("redacted", "redacted_and_unredacted"))
    ] = None
    output_encryption_kms_key_id: str | None = field(default=None, name="OutputEncryptionKMSKeyId")


class ConfigurationEvent(EventShape):
    """The configuration of a call: the first event of its stream, before any audio.

    :param channel_definitions: The participants on the channels: each channel once, or None.
    :param post_call_analytics_settings: Processing of the call after its end.
    """

    channel_definitions: Annotated[
        list[ChannelDefinition] | None, ListOf(2, 2, Structure(ChannelDefinition))
    ] = None
    post_call_analytics_settings: PostCallAnalyticsSettings | None = None


# Results


class CallAnalyticsLanguageWithScore(Shape):
    """One candidate of automatic language identification.

    :param language_code: The language, e.g. `"en-US"`.
    :param score: The confidence in it, 0 to 1.
    """

    language_code: str | None = None
    score: float | None = None


class CallAnalyticsItem(Shape):
    """A word or punctuation mark of an utterance.

    :param begin_offset_millis: Start of its audio, in milliseconds.
    :param end_offset_millis: End of its audio, in milliseconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param content: The word or the mark.
    :param confidence: The confidence in the word, 0 to 1.
    :param vocabulary_filter_match: True if the word is in the vocabulary filter.
    :param stable: With stabilisation: True if later partial results keep the item.
    """

    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None
    item_type: str | None = field(default=None, name="Type")
    content: str | None = None
    confidence: float | None = None
    vocabulary_filter_match: bool | None = None
    stable: bool | None = None


class CallAnalyticsEntity(Shape):
    """A piece of personally identifiable information found in an utterance.

    :param begin_offset_millis: Its start, in milliseconds.
    :param end_offset_millis: Its end, in milliseconds.
    :param category: The category; the service knows `"PII"` only.
    :param entity_type: Its type, e.g. `"NAME"` or `"EMAIL"`.
    :param content: The words.
    :param confidence: The confidence in it, 0 to 1.
    """

    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None
    category: str | None = None
    entity_type: str | None = field(default=None, name="Type")
    content: str | None = None
    confidence: float | None = None


class CharacterOffsets(Shape):
    """A part of an utterance's transcript.

    :param begin: Its first character, counted from 0.
    :param end: The character behind its last.
    """

    begin: int | None = None
    end: int | None = None


class IssueDetected(Shape):
    """An issue found in an utterance.

    :param character_offsets: Its place in the utterance's transcript.
    """

    character_offsets: CharacterOffsets | None = None


class TimestampRange(Shape):
    """A part of the call.

    :param begin_offset_millis: Its start, in milliseconds.
    :param end_offset_millis: Its end, in milliseconds.
    """

    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None


class PointsOfInterest(Shape):
    """The parts of the call in which a category matched.

    :param timestamp_ranges: The parts of the call.
    """

    timestamp_ranges: list[TimestampRange] | None = None


# Events


class UtteranceEvent(EventShape):
    """An utterance of one participant, partial or final.

    :param utterance_id: Identifies the utterance; all its partial results and its final
        one carry the same.
    :param is_partial: True while more results of the utterance may follow.
    :param participant_role: `"AGENT"` or `"CUSTOMER"`.
    :param begin_offset_millis: Start of the utterance, in milliseconds.
    :param end_offset_millis: Its end, in milliseconds.
    :param transcript: The text.
    :param items: Its words and punctuation marks.
    :param entities: The personally identifiable information found in it.
    :param sentiment: `"POSITIVE"`, `"NEGATIVE"`, `"MIXED"` or `"NEUTRAL"`.
    :param issues_detected: The issues found in it.
    :param language_code: With language identification: the language found.
    :param language_identification: The candidates and their scores.
    """

    utterance_id: str | None = None
    is_partial: bool | None = None
    participant_role: str | None = None
    begin_offset_millis: int | None = None
    end_offset_millis: int | None = None
    transcript: str | None = None
    items: list[CallAnalyticsItem] | None = None
    entities: list[CallAnalyticsEntity] | None = None
    sentiment: str | None = None
    issues_detected: list[IssueDetected] | None = None
    language_code: str | None = None
    language_identification: list[CallAnalyticsLanguageWithScore] | None = None

    def spans(self) -> Iterator[tuple[bool, float]]:
        end = seconds_of(self.end_offset_millis)
        if end is not None:
            yield bool(self.is_partial), end


class CategoryEvent(EventShape):
    """Categories of the account's rules that the call has matched.

    :param matched_categories: The names of the categories.
    :param matched_details: The places of the matches, by category name.
    """

    matched_categories: list[str] | None = None
    matched_details: dict[str, PointsOfInterest] | None = None


CALL_ANALYTICS_EVENTS = EventParser(
    {"UtteranceEvent": UtteranceEvent, "CategoryEvent": CategoryEvent}
)
"""The events of StartCallAnalyticsStreamTranscription."""

# Start: request and response


class _Settings(Fields, kw_only=True, rename="pascal", repr_omit_defaults=True):
    """Parameters that the service repeats, so that request and response share them."""

    language_code: Annotated[str | None, _LANGUAGE] = None
    media_sample_rate_hz: Annotated[int | None, SAMPLE_RATE, REQUIRED] = field(
        default=None, name="MediaSampleRateHertz"
    )
    media_encoding: Annotated[str | None, ENCODING, REQUIRED] = None
    vocabulary_name: Annotated[str | None, NAME] = None
    session_id: Annotated[str | None, UUID] = None
    vocab_filter_name: Annotated[str | None, NAME] = field(
        default=None, name="VocabularyFilterName"
    )
    vocab_filter_method: Annotated[str | None, FILTER_METHOD] = field(
        default=None, name="VocabularyFilterMethod"
    )
    language_model_name: Annotated[str | None, NAME] = None
    identify_language: bool | None = None
    language_options: Annotated[Sequence[str] | str | None, LANGUAGES] = None
    preferred_language: Annotated[str | None, _LANGUAGE] = None
    vocabulary_names: Annotated[Sequence[str] | str | None, NAMES] = None
    vocabulary_filter_names: Annotated[Sequence[str] | str | None, NAMES] = None
    enable_partial_results_stabilization: bool | None = None
    partial_results_stability: Annotated[str | None, STABILITY] = None
    content_identification_type: Annotated[str | None, PII] = None
    content_redaction_type: Annotated[str | None, PII] = None
    pii_entity_types: Annotated[Sequence[str] | str | None, PII_TYPES] = None


class StartCallAnalyticsStreamTranscriptionRequest(_Settings):
    """Parameters of a call's analysis.

    Names, limits and allowed values are the service model's.

    :param language_code: The spoken language: `"en-US"`, `"en-GB"`, `"es-US"`, `"fr-CA"`,
        `"fr-FR"`, `"en-AU"`, `"it-IT"`, `"de-DE"` or `"pt-BR"`; leave it out with
        `identify_language`.
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
    """


class CallAnalyticsParameters(TypedDict, total=False):
    """The parameters of `start_call_analytics_stream_transcription` besides those of the audio."""

    configuration: ConfigurationEvent
    language_code: CallAnalyticsLanguageCode | str | None
    identify_language: bool | None
    language_options: Sequence[str] | str | None
    preferred_language: CallAnalyticsLanguageCode | str | None
    session_id: str | None
    enable_partial_results_stabilization: bool | None
    partial_results_stability: PartialResultsStability | str | None
    vocabulary_name: str | None
    vocabulary_names: Sequence[str] | str | None
    vocab_filter_name: str | None
    vocabulary_filter_names: Sequence[str] | str | None
    vocab_filter_method: VocabularyFilterMethod | str | None
    language_model_name: str | None
    content_identification_type: Literal["PII"] | str | None
    content_redaction_type: Literal["PII"] | str | None
    pii_entity_types: Sequence[str] | str | None


class StartCallAnalyticsStreamTranscriptionResponse(_Settings):
    """The service's answer to a start: the request's parameters and ids.

    Fields that are not listed are the request's, as the service repeats them; None for those
    that it does not repeat.

    :param call_analytics_transcript_result_stream: The stream of events.
    :param request_id: The service's id of this request, for questions to its support.
    """

    call_analytics_transcript_result_stream: CallAnalyticsTranscriptResultStream
    request_id: str | None = None


# The open stream


class CallAnalyticsInputStream(AudioStream):
    """The input of a call: its configuration, then its audio."""

    async def send_configuration_event(self, configuration: ConfigurationEvent) -> None:
        """Send the configuration, if the start did not: once, before any audio.

        :param configuration: The participants, and the processing after the call's end.
        :raises InvalidParameterException: For a value that the service would refuse; its
            `parameter` is the path to it.
        :raises ValidationException: After audio, or after another configuration.
        """
        await self.send_event(configuration)


class CallAnalyticsTranscriptResultStream(ResultStream["UtteranceEvent | CategoryEvent"]):
    """The events of a call: `UtteranceEvent` and `CategoryEvent`."""

    events = CALL_ANALYTICS_EVENTS


class StartCallAnalyticsStreamTranscriptionEventStream(
    OpenStream[
        CallAnalyticsInputStream,
        StartCallAnalyticsStreamTranscriptionResponse,
        "UtteranceEvent | CategoryEvent",
    ]
):
    """An open call: audio in by `input_stream`, events out by `output_stream`."""

    @property
    def output_stream(self) -> CallAnalyticsTranscriptResultStream:
        """The events from the service."""
        return self._response.call_analytics_transcript_result_stream


def _check_combinations(
    request: StartCallAnalyticsStreamTranscriptionRequest,
) -> Iterator[tuple[str, str]]:
    yield from check_languages(request, "identify_language")
    yield from check_personal_information(request)
    yield from check_vocabularies(request)


START_CALL_ANALYTICS_STREAM_TRANSCRIPTION = Operation(
    name="StartCallAnalyticsStreamTranscription",
    path="/call-analytics-stream-transcription",
    combinations=_check_combinations,
    request=StartCallAnalyticsStreamTranscriptionRequest,
    response=StartCallAnalyticsStreamTranscriptionResponse,
    result_stream=CallAnalyticsTranscriptResultStream,
    events=CALL_ANALYTICS_EVENTS,
    inputs=(
        InputEvent(
            "ConfigurationEvent",
            "configuration",
            ConfigurationEvent,
            role="configuration",
            combinations=check_channels_once,
        ),
    ),
)
