"""Medical scribing: the operations StartMedicalScribeStream and GetMedicalScribeStream.

Audio times are offsets in seconds from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, TypedDict, get_args

from msgspec import field

from ._protocol.combinations import check_channels_once
from ._protocol.constants import ScribeMediaEncoding
from ._protocol.constraints import (
    CHANNEL,
    FILTER_METHOD,
    NAME,
    REQUIRED,
    UUID,
    Integer,
    ListOf,
    MapOf,
    OneOf,
    Structure,
    Text,
)
from ._protocol.events import AudioEvent, EventParser
from ._protocol.operation import InputEvent, Operation
from ._protocol.shapes import EventShape, Fields, Shape
from ._stream.open_stream import AudioStream, OpenStream, ResultStream

END_OF_SESSION = "END_OF_SESSION"

_NOTE_TEMPLATE = OneOf(
    ("HISTORY_AND_PHYSICAL", "GIRPP", "DAP", "SIRP", "BIRP", "BEHAVIORAL_SOAP", "PHYSICAL_SOAP")
)
_ROLE_ARN = Text(
    20,
    2048,
    "arn:(aws|aws-cn|aws-us-gov|aws-iso-{0,1}[a-z]{0,1}):iam::[0-9]{0,63}"
    ":role/[A-Za-z0-9:_/+=,@.-]{0,1024}",
)

# Sent


class MedicalScribeAudioEvent(AudioEvent):
    """A chunk of audio on its way to the service; `AudioEvent` on the wire."""


class MedicalScribeChannelDefinition(Shape):
    """The participant on one of the two channels.

    :param channel_id: The channel, 0 or 1.
    :param participant_role: `"PATIENT"` or `"CLINICIAN"`.
    """

    channel_id: Annotated[int, CHANNEL]
    participant_role: Annotated[str, OneOf(("PATIENT", "CLINICIAN"))]


class MedicalScribeEncryptionSettings(Shape):
    """Encryption of the session's results.

    :param kms_key_id: The KMS key, by id, alias or ARN, 1–2,048 characters.
    :param kms_encryption_context: 1–10 pairs of up to 2,000 characters each.
    """

    kms_key_id: Annotated[str, Text(1, 2048, "[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,2048}")]
    kms_encryption_context: Annotated[
        dict[str, str] | None, MapOf(1, 10, Text(1, 2000, r"(?s:.*\S.*)"))
    ] = None


class ClinicalNoteGenerationSettings(Shape):
    """Settings of the clinical notes.

    :param output_bucket_name: The S3 bucket for the notes, at most 64 characters.
    :param note_template: `"HISTORY_AND_PHYSICAL"`, `"GIRPP"`, `"DAP"`, `"SIRP"`,
        `"BIRP"`, `"BEHAVIORAL_SOAP"` or `"PHYSICAL_SOAP"`.
    """

    output_bucket_name: Annotated[str, Text(0, 64, r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]")]
    note_template: Annotated[str | None, _NOTE_TEMPLATE] = None


class MedicalScribePostStreamAnalyticsSettings(Shape):
    """Processing of the session after its end.

    :param clinical_note_generation_settings: Settings of the clinical notes.
    """

    clinical_note_generation_settings: ClinicalNoteGenerationSettings


class MedicalScribePatientContext(Shape):
    """Information about the patient.

    :param pronouns: `"HE_HIM"`, `"SHE_HER"` or `"THEY_THEM"`.
    """

    pronouns: Annotated[str | None, OneOf(("HE_HIM", "SHE_HER", "THEY_THEM"))] = None


class MedicalScribeContext(Shape):
    """Context for the clinical notes.

    :param patient_context: Information about the patient.
    """

    patient_context: MedicalScribePatientContext | None = None


class MedicalScribeConfigurationEvent(EventShape):
    """The configuration of a session, its first event; `ConfigurationEvent` on the wire.

    :param resource_access_role_arn: The IAM role that may write the results, 20–2,048
        characters.
    :param post_stream_analytics_settings: Processing of the session after its end.
    :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
    :param vocabulary_filter_name: A vocabulary filter, 1–200 of `[0-9a-zA-Z._-]`.
    :param vocabulary_filter_method: `"remove"`, `"mask"` or `"tag"`; required with a filter.
    :param channel_definitions: The participants on the channels: each channel once, or None.
    :param encryption_settings: Encryption of the results.
    :param medical_scribe_context: Context for the clinical notes.
    """

    resource_access_role_arn: Annotated[str, _ROLE_ARN]
    post_stream_analytics_settings: MedicalScribePostStreamAnalyticsSettings
    vocabulary_name: Annotated[str | None, NAME] = None
    vocabulary_filter_name: Annotated[str | None, NAME] = None
    vocabulary_filter_method: Annotated[str | None, FILTER_METHOD] = None
    channel_definitions: Annotated[
        list[MedicalScribeChannelDefinition] | None,
        ListOf(2, 2, Structure(MedicalScribeChannelDefinition)),
    ] = None
    encryption_settings: MedicalScribeEncryptionSettings | None = None
    medical_scribe_context: MedicalScribeContext | None = None


class MedicalScribeSessionControlEvent(EventShape, omit_defaults=False):
    """The end of the whole session, not only of a stream; `SessionControlEvent` on the wire.

    :param type: `"END_OF_SESSION"`.
    """

    type: Annotated[str, OneOf((END_OF_SESSION,)), REQUIRED] = END_OF_SESSION


# Results


class MedicalScribeTranscriptItem(Shape):
    """A word, phrase or punctuation mark of the transcript.

    :param begin_audio_time: Start of its audio, in seconds.
    :param end_audio_time: End of its audio, in seconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param confidence: The confidence in the word, 0 to 1.
    :param content: The word or the mark.
    :param vocabulary_filter_match: True if the word is in the vocabulary filter.
    """

    begin_audio_time: float | None = None
    end_audio_time: float | None = None
    item_type: str | None = field(default=None, name="Type")
    confidence: float | None = None
    content: str | None = None
    vocabulary_filter_match: bool | None = None


class MedicalScribeTranscriptSegment(Shape):
    """The transcription of one segment of the audio, partial or final.

    :param segment_id: Identifies the segment; all its partial results and its final
        one carry the same.
    :param begin_audio_time: Start of the segment, in seconds.
    :param end_audio_time: Its end, in seconds.
    :param content: The text.
    :param items: Its words and punctuation marks.
    :param is_partial: True while more results of the segment may follow.
    :param channel_id: The channel, with two of them.
    """

    segment_id: str | None = None
    begin_audio_time: float | None = None
    end_audio_time: float | None = None
    content: str | None = None
    items: list[MedicalScribeTranscriptItem] | None = None
    is_partial: bool | None = None
    channel_id: str | None = None


class MedicalScribeTranscriptEvent(EventShape):
    """A segment of the transcript; `TranscriptEvent` on the wire.

    :param transcript_segment: The segment.
    """

    transcript_segment: MedicalScribeTranscriptSegment | None = None

    def spans(self) -> Iterator[tuple[bool, float]]:
        if self.transcript_segment is not None:
            yield (
                bool(self.transcript_segment.is_partial),
                self.transcript_segment.end_audio_time or 0.0,
            )


MEDICAL_SCRIBE_EVENTS = EventParser({"TranscriptEvent": MedicalScribeTranscriptEvent})
"""The events of StartMedicalScribeStream."""


class ClinicalNoteGenerationResult(Shape):
    """Locations and status of a session's clinical notes.

    :param clinical_note_output_location: The notes, a URI of up to 2,000 characters.
    :param transcript_output_location: The transcript, a URI of up to 2,000 characters.
    :param status: `"IN_PROGRESS"`, `"FAILED"` or `"COMPLETED"`.
    :param failure_reason: The reason if there are none.
    """

    clinical_note_output_location: str | None = None
    transcript_output_location: str | None = None
    status: str | None = None
    failure_reason: str | None = None


class MedicalScribePostStreamAnalyticsResult(Shape):
    """Result of the processing after a session's end.

    :param clinical_note_generation_result: Locations and status of the clinical notes.
    """

    clinical_note_generation_result: ClinicalNoteGenerationResult | None = None


class MedicalScribeStreamDetails(Shape):
    """The service's record of a session.

    :param session_id: The session's id.
    :param stream_created_at: The start of its stream, in UTC.
    :param stream_ended_at: The end of its stream, in UTC.
    :param language_code: The spoken language.
    :param media_sample_rate_hertz: The sample rate, in Hz.
    :param media_encoding: The audio's encoding.
    :param vocabulary_name: The custom vocabulary.
    :param vocabulary_filter_name: The vocabulary filter.
    :param vocabulary_filter_method: The filter's action.
    :param resource_access_role_arn: The IAM role that may write the results.
    :param channel_definitions: The participants on the channels.
    :param encryption_settings: Encryption of the results.
    :param stream_status: `"IN_PROGRESS"`, `"PAUSED"`, `"FAILED"` or `"COMPLETED"`.
    :param post_stream_analytics_settings: The processing requested for after its end.
    :param post_stream_analytics_result: The result of that processing.
    :param medical_scribe_context_provided: True if the configuration had a context.
    """

    session_id: str | None = None
    stream_created_at: datetime | None = None
    stream_ended_at: datetime | None = None
    language_code: str | None = None
    media_sample_rate_hertz: int | None = None
    media_encoding: str | None = None
    vocabulary_name: str | None = None
    vocabulary_filter_name: str | None = None
    vocabulary_filter_method: str | None = None
    resource_access_role_arn: str | None = None
    channel_definitions: list[MedicalScribeChannelDefinition] | None = None
    encryption_settings: MedicalScribeEncryptionSettings | None = None
    stream_status: str | None = None
    post_stream_analytics_settings: MedicalScribePostStreamAnalyticsSettings | None = None
    post_stream_analytics_result: MedicalScribePostStreamAnalyticsResult | None = None
    medical_scribe_context_provided: bool | None = None


# Requests and responses


class GetMedicalScribeStreamRequest(Fields, rename="pascal"):
    """Parameters of a session's lookup.

    :param session_id: The session's id, a UUID of 36 characters.
    """

    session_id: Annotated[str | None, UUID, REQUIRED] = None


class GetMedicalScribeStreamResponse(Shape):
    """The service's answer to a session's lookup.

    :param medical_scribe_stream_details: The service's record of the session.
    """

    medical_scribe_stream_details: MedicalScribeStreamDetails | None = None


class _Settings(Fields, kw_only=True, rename="pascal", repr_omit_defaults=True):
    """Parameters that the service repeats, so that request and response share them."""

    session_id: Annotated[str | None, UUID] = None
    language_code: Annotated[str | None, OneOf(("en-US",)), REQUIRED] = None
    media_sample_rate_hz: Annotated[int | None, Integer(16000, 48000, " Hz"), REQUIRED] = field(
        default=None, name="MediaSampleRateHertz"
    )
    media_encoding: Annotated[str | None, OneOf(get_args(ScribeMediaEncoding)), REQUIRED] = None


class StartMedicalScribeStreamRequest(_Settings):
    """Parameters of a stream of a session.

    Names, limits and allowed values are the service model's.

    :param language_code: The spoken language: `"en-US"`.
    :param media_sample_rate_hz: The sample rate, 16,000–48,000 Hz.
    :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"` or `"flac"`.
    :param session_id: A UUID of 36 characters; by default the service makes one.
    """


class MedicalScribeParameters(TypedDict, total=False):
    """The parameters of `start_medical_scribe_stream` besides those of audio and configuration."""

    language_code: Literal["en-US"] | str
    session_id: str | None


class StartMedicalScribeStreamResponse(_Settings):
    """The service's answer to a start: the request's parameters and ids.

    Fields that are not listed are the request's, as the service repeats them; None for those
    that it does not repeat.

    :param result_stream: The stream of events.
    :param request_id: The service's id of this request, for questions to its support.
    """

    result_stream: MedicalScribeResultStream
    request_id: str | None = None


# The open stream


class MedicalScribeInputStream(AudioStream):
    """The input of a session: its audio, and its end.

    `end_stream` ends the session too. To end only the stream, so that another stream can
    continue the session, leave the stream or `close` it.
    """

    async def send_session_control_event(self, type: str = END_OF_SESSION) -> None:  # noqa: A002  # the service's name
        """Tell the service to end the session; `end_stream` does this by itself.

        :param type: `"END_OF_SESSION"`: the service ends the session and writes the notes,
            and no audio can follow.
        :raises InvalidParameterException: For any other type.
        """
        await self.send_event(MedicalScribeSessionControlEvent(type))


class MedicalScribeResultStream(ResultStream[MedicalScribeTranscriptEvent]):
    """The events of a session: `MedicalScribeTranscriptEvent`."""

    events = MEDICAL_SCRIBE_EVENTS


class StartMedicalScribeStreamEventStream(
    OpenStream[
        MedicalScribeInputStream, StartMedicalScribeStreamResponse, MedicalScribeTranscriptEvent
    ]
):
    """An open session: audio in by `input_stream`, events out by `output_stream`."""

    @property
    def output_stream(self) -> MedicalScribeResultStream:
        """The events from the service."""
        return self._response.result_stream


def _check_configuration(event: MedicalScribeConfigurationEvent) -> Iterator[tuple[str, str]]:
    yield from check_channels_once(event)
    if event.vocabulary_filter_name and not event.vocabulary_filter_method:  # API reference
        yield (
            "vocabulary_filter_method",
            "{vocabulary_filter_method} is required with {vocabulary_filter_name}",
        )


START_MEDICAL_SCRIBE_STREAM = Operation(
    name="StartMedicalScribeStream",
    path="/medical-scribe-stream",
    request=StartMedicalScribeStreamRequest,
    response=StartMedicalScribeStreamResponse,
    result_stream=MedicalScribeResultStream,
    events=MEDICAL_SCRIBE_EVENTS,
    inputs=(
        InputEvent(
            "ConfigurationEvent",
            "configuration",
            MedicalScribeConfigurationEvent,
            role="configuration",
            combinations=_check_configuration,
        ),
        InputEvent(
            "SessionControlEvent",
            "session_control",
            MedicalScribeSessionControlEvent,
            role="end",
        ),
    ),
    configured=True,
)

GET_MEDICAL_SCRIBE_STREAM = Operation(
    name="GetMedicalScribeStream",
    path="/medical-scribe-stream/{SessionId}",
    request=GetMedicalScribeStreamRequest,
    response=GetMedicalScribeStreamResponse,
    result_stream=None,
    events=EventParser({}),
    method="GET",
)
