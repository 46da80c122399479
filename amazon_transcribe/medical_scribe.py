"""The shapes of medical scribing: StartMedicalScribeStream and GetMedicalScribeStream.

Audio times are offsets in seconds from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from msgspec import Struct, field

from ._protocol.combinations import check_channels_once
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
from ._protocol.events import AudioEvent, EventParser, EventShape, Shape
from ._protocol.operation import InputEvent, Operation
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
    """Who speaks on one of the two channels.

    :param channel_id: The channel, 0 or 1.
    :param participant_role: `"PATIENT"` or `"CLINICIAN"`.
    """

    channel_id: Annotated[int, CHANNEL]
    participant_role: Annotated[str, OneOf(("PATIENT", "CLINICIAN"))]


class MedicalScribeEncryptionSettings(Shape):
    """How the session's results are encrypted.

    :param kms_key_id: The KMS key, by id, alias or ARN, 1–2,048 characters.
    :param kms_encryption_context: 1–10 pairs of up to 2,000 characters each.
    """

    kms_key_id: Annotated[str, Text(1, 2048, "[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,2048}")]
    kms_encryption_context: Annotated[
        dict[str, str] | None, MapOf(1, 10, Text(1, 2000, r"(?s:.*\S.*)"))
    ] = None


class ClinicalNoteGenerationSettings(Shape):
    """How clinical notes are written.

    :param output_bucket_name: The S3 bucket that they go to, at most 64 characters.
    :param note_template: `"HISTORY_AND_PHYSICAL"`, `"GIRPP"`, `"DAP"`, `"SIRP"`,
        `"BIRP"`, `"BEHAVIORAL_SOAP"` or `"PHYSICAL_SOAP"`.
    """

    output_bucket_name: Annotated[str, Text(0, 64, r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]")]
    note_template: Annotated[str | None, _NOTE_TEMPLATE] = None


class MedicalScribePostStreamAnalyticsSettings(Shape):
    """What becomes of the session after its end.

    :param clinical_note_generation_settings: How clinical notes are written.
    """

    clinical_note_generation_settings: ClinicalNoteGenerationSettings


class MedicalScribePatientContext(Shape):
    """What is known of the patient.

    :param pronouns: `"HE_HIM"`, `"SHE_HER"` or `"THEY_THEM"`.
    """

    pronouns: Annotated[str | None, OneOf(("HE_HIM", "SHE_HER", "THEY_THEM"))] = None


class MedicalScribeContext(Shape):
    """What helps the notes.

    :param patient_context: What is known of the patient.
    """

    patient_context: MedicalScribePatientContext | None = None


class MedicalScribeConfigurationEvent(EventShape):
    """How a session is to be scribed: its first event; `ConfigurationEvent` on the wire.

    :param resource_access_role_arn: The IAM role that may write the results, 20–2,048
        characters.
    :param post_stream_analytics_settings: What becomes of the session after its end.
    :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
    :param vocabulary_filter_name: A vocabulary filter, 1–200 of `[0-9a-zA-Z._-]`.
    :param vocabulary_filter_method: `"remove"`, `"mask"` or `"tag"`; required with a filter.
    :param channel_definitions: Who speaks on which channel: each channel once, or None.
    :param encryption_settings: How the results are encrypted.
    :param medical_scribe_context: What helps the notes.
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
    """The end of the whole session, of which a stream is a part; `SessionControlEvent`
    on the wire.

    :param type: `"END_OF_SESSION"`.
    """

    type: Annotated[str, OneOf((END_OF_SESSION,)), REQUIRED] = END_OF_SESSION


# Results


class MedicalScribeTranscriptItem(Shape):
    """A word, phrase or punctuation mark of the transcript.

    :param begin_audio_time: Where its audio begins, in seconds.
    :param end_audio_time: Where its audio ends, in seconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param confidence: The confidence in the word, 0 to 1.
    :param content: The word or the mark.
    :param vocabulary_filter_match: Whether the word is in the vocabulary filter.
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
    :param begin_audio_time: Where the segment begins, in seconds.
    :param end_audio_time: Where it ends, in seconds.
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
    """Where the clinical notes of a session are.

    :param clinical_note_output_location: The notes, a URI of up to 2,000 characters.
    :param transcript_output_location: The transcript, a URI of up to 2,000 characters.
    :param status: `"IN_PROGRESS"`, `"FAILED"` or `"COMPLETED"`.
    :param failure_reason: Why there are none.
    """

    clinical_note_output_location: str | None = None
    transcript_output_location: str | None = None
    status: str | None = None
    failure_reason: str | None = None


class MedicalScribePostStreamAnalyticsResult(Shape):
    """What has become of a session after its end.

    :param clinical_note_generation_result: Where the clinical notes are.
    """

    clinical_note_generation_result: ClinicalNoteGenerationResult | None = None


class MedicalScribeStreamDetails(Shape):
    """What the service knows of a session.

    :param session_id: The session's id.
    :param stream_created_at: When its stream began, in UTC.
    :param stream_ended_at: When its stream ended, in UTC.
    :param language_code: The spoken language.
    :param media_sample_rate_hertz: The sample rate, in Hz.
    :param media_encoding: The audio's encoding.
    :param vocabulary_name: The custom vocabulary.
    :param vocabulary_filter_name: The vocabulary filter.
    :param vocabulary_filter_method: What the filter does.
    :param resource_access_role_arn: The IAM role that may write the results.
    :param channel_definitions: Who speaks on which channel.
    :param encryption_settings: How the results are encrypted.
    :param stream_status: `"IN_PROGRESS"`, `"PAUSED"`, `"FAILED"` or `"COMPLETED"`.
    :param post_stream_analytics_settings: What was asked for after its end.
    :param post_stream_analytics_result: What has become of that.
    :param medical_scribe_context_provided: Whether the configuration had a context.
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


class GetMedicalScribeStreamRequest(Struct, rename="pascal"):
    """Which session is looked up.

    :param session_id: The session's id, a UUID of 36 characters.
    """

    session_id: Annotated[str | None, UUID, REQUIRED] = None


class GetMedicalScribeStreamResponse(Shape):
    """What the service knows of a session.

    :param medical_scribe_stream_details: The session.
    """

    medical_scribe_stream_details: MedicalScribeStreamDetails | None = None


class _Settings(Struct, kw_only=True, rename="pascal", repr_omit_defaults=True):
    """What the service echoes: request and response share it."""

    session_id: Annotated[str | None, UUID] = None
    language_code: Annotated[str | None, OneOf(("en-US",)), REQUIRED] = None
    media_sample_rate_hz: Annotated[int | None, Integer(16000, 48000, " Hz"), REQUIRED] = field(
        default=None, name="MediaSampleRateHertz"
    )
    media_encoding: Annotated[str | None, OneOf(("pcm", "ogg-opus", "flac")), REQUIRED] = None


class StartMedicalScribeStreamRequest(_Settings):
    """What a session's audio is.

    Names, limits and allowed values are the service model's.

    :param language_code: The spoken language: `"en-US"`.
    :param media_sample_rate_hz: The sample rate, 16,000–48,000 Hz.
    :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"` or `"flac"`.
    :param session_id: A UUID of 36 characters; the service makes one when None.
    """


class StartMedicalScribeStreamResponse(_Settings):
    """What the service says it will do: the request's settings, and who it is.

    The settings that are not listed are those of the request, as the service repeats them;
    None for what it does not repeat.

    :param result_stream: The events that follow.
    :param request_id: The service's name for this request; quote it to its support.
    """

    result_stream: MedicalScribeResultStream
    request_id: str | None = None


# The open stream


class MedicalScribeInputStream(AudioStream):
    """A session's audio on its way to the service.

    `end_stream` ends the session too. To end the stream alone, so that another stream
    can go on with the session, leave the stream or `close` it.
    """

    async def send_session_control_event(self, type: str = END_OF_SESSION) -> None:  # noqa: A002  # the service's name
        """Tell the service what becomes of the session; `end_stream` does it by itself.

        :param type: `"END_OF_SESSION"`: the service ends the session, and writes the
            notes; no audio can follow.
        :raises InvalidParameterException: for anything else.
        """
        await self.send_event(MedicalScribeSessionControlEvent(type))


class MedicalScribeResultStream(ResultStream):
    """The events of a session: `MedicalScribeTranscriptEvent`."""

    events = MEDICAL_SCRIBE_EVENTS


class StartMedicalScribeStreamEventStream(
    OpenStream[MedicalScribeInputStream, StartMedicalScribeStreamResponse]
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
