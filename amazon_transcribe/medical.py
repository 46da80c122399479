"""Medical transcription: the operation StartMedicalStreamTranscription.

Times are offsets in seconds from the beginning of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypedDict, get_args

from msgspec import field

from ._protocol.combinations import check_channels
from ._protocol.constants import LanguageCode, MedicalTranscriptionType, Specialty
from ._protocol.constraints import (
    CHANNELS,
    ENCODING,
    LANGUAGE,
    NAME,
    REQUIRED,
    SAMPLE_RATE,
    UUID,
    OneOf,
)
from ._protocol.events import EventParser
from ._protocol.operation import Operation
from ._protocol.shapes import EventShape, Fields, Shape
from ._stream.open_stream import AudioStream, OpenStream, ResultStream

_SPECIALTY = OneOf(get_args(Specialty))

# Results


class MedicalEntity(Shape):
    """A piece of personal health information found in the transcript.

    :param start_time: Its start, in seconds.
    :param end_time: Its end, in seconds.
    :param category: The category; the service knows `"PHI"` only.
    :param content: The words.
    :param confidence: The confidence in it, 0 to 1.
    """

    start_time: float | None = None
    end_time: float | None = None
    category: str | None = None
    content: str | None = None
    confidence: float | None = None


class MedicalItem(Shape):
    """A word, phrase or punctuation mark of the transcript.

    :param start_time: Start of its audio, in seconds.
    :param end_time: End of its audio, in seconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param content: The word or the mark.
    :param confidence: The confidence in the word, 0 to 1.
    :param speaker: The speaker's label, with speaker labels.
    """

    start_time: float | None = None
    end_time: float | None = None
    item_type: str | None = field(default=None, name="Type")
    content: str | None = None
    confidence: float | None = None
    speaker: str | None = None


class MedicalAlternative(Shape):
    """One possible transcription of a segment.

    :param transcript: The text.
    :param items: Its words and punctuation marks.
    :param entities: The personal health information found in it.
    """

    transcript: str = ""
    items: list[MedicalItem] = field(default_factory=list)
    entities: list[MedicalEntity] | None = None


class MedicalResult(Shape):
    """The transcription of one segment of the audio, partial or final.

    :param result_id: Identifies the segment; all its partial results and its final
        one carry the same.
    :param start_time: Start of the segment, in seconds.
    :param end_time: Its end, in seconds.
    :param is_partial: True while more results of the segment may follow.
    :param alternatives: The possible transcriptions, best first.
    :param channel_id: With channel identification: `"ch_0"` or `"ch_1"`.
    """

    result_id: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool | None = None
    alternatives: list[MedicalAlternative] | None = None
    channel_id: str | None = None


class MedicalTranscript(Shape):
    """The results that one event carries.

    :param results: The results; the list can be empty.
    """

    results: list[MedicalResult] = field(default_factory=list)


class MedicalTranscriptEvent(EventShape, omit_defaults=False):
    """A set of results from the service; `TranscriptEvent` on the wire.

    :param transcript: The results.
    """

    transcript: MedicalTranscript = field(default_factory=MedicalTranscript)

    def spans(self) -> Iterator[tuple[bool, float]]:
        for result in self.transcript.results:
            yield bool(result.is_partial), result.end_time or 0.0


MEDICAL_TRANSCRIPT_EVENTS = EventParser({"TranscriptEvent": MedicalTranscriptEvent})
"""The events of StartMedicalStreamTranscription."""

# Start: request and response


class _Settings(Fields, kw_only=True, rename="pascal", repr_omit_defaults=True):
    """Parameters that the service repeats, so that request and response share them."""

    language_code: Annotated[str | None, LANGUAGE, REQUIRED] = None
    media_sample_rate_hz: Annotated[int | None, SAMPLE_RATE, REQUIRED] = field(
        default=None, name="MediaSampleRateHertz"
    )
    media_encoding: Annotated[str | None, ENCODING, REQUIRED] = None
    vocabulary_name: Annotated[str | None, NAME] = None
    specialty: Annotated[str | None, _SPECIALTY, REQUIRED] = None
    type: Annotated[str | None, OneOf(get_args(MedicalTranscriptionType)), REQUIRED] = None
    show_speaker_label: bool | None = None
    session_id: Annotated[str | None, UUID] = None
    enable_channel_identification: bool | None = None
    number_of_channels: Annotated[int | None, CHANNELS] = None
    content_identification_type: Annotated[str | None, OneOf(("PHI",))] = None


class StartMedicalStreamTranscriptionRequest(_Settings):
    """Parameters of a medical transcription.

    Names, limits and allowed values are the service model's.

    :param language_code: The spoken language, e.g. `"en-US"`.
    :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
    :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"`, `"flac"`,
        `"g711-alaw"`, `"g711-ulaw"` or `"g729"`.
    :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
    :param specialty: `"PRIMARYCARE"`, `"CARDIOLOGY"`, `"NEUROLOGY"`, `"ONCOLOGY"`,
        `"RADIOLOGY"` or `"UROLOGY"`.
    :param type: `"CONVERSATION"` between people, or `"DICTATION"` by one.
    :param session_id: A UUID of 36 characters; by default the service makes one.
    :param show_speaker_label: Label the speakers; not with `enable_channel_identification`.
    :param enable_channel_identification: Transcribe each channel by itself; needs
        `number_of_channels`.
    :param number_of_channels: The channels in the audio, at least 2.
    :param content_identification_type: `"PHI"` marks personal health information.
    """


class MedicalParameters(TypedDict, total=False):
    """The parameters of `start_medical_stream_transcription` besides those of the audio."""

    language_code: LanguageCode | str
    specialty: Specialty | str
    type: MedicalTranscriptionType | str
    vocabulary_name: str | None
    show_speaker_label: bool | None
    session_id: str | None
    content_identification_type: Literal["PHI"] | str | None


class StartMedicalStreamTranscriptionResponse(_Settings):
    """The service's answer to a start: the request's parameters and ids.

    Fields that are not listed are the request's, as the service repeats them; None for those
    that it does not repeat.

    :param transcript_result_stream: The stream of events.
    :param request_id: The service's id of this request, for questions to its support.
    """

    transcript_result_stream: MedicalTranscriptResultStream
    request_id: str | None = None


# The open stream


class MedicalTranscriptResultStream(ResultStream[MedicalTranscriptEvent]):
    """The events of a medical transcription: `MedicalTranscriptEvent`."""

    events = MEDICAL_TRANSCRIPT_EVENTS


class StartMedicalStreamTranscriptionEventStream(
    OpenStream[AudioStream, StartMedicalStreamTranscriptionResponse, MedicalTranscriptEvent]
):
    """An open transcription: audio in by `input_stream`, events out by `output_stream`."""

    @property
    def output_stream(self) -> MedicalTranscriptResultStream:
        """The events from the service."""
        return self._response.transcript_result_stream


START_MEDICAL_STREAM_TRANSCRIPTION = Operation(
    name="StartMedicalStreamTranscription",
    path="/medical-stream-transcription",
    combinations=check_channels,
    request=StartMedicalStreamTranscriptionRequest,
    response=StartMedicalStreamTranscriptionResponse,
    result_stream=MedicalTranscriptResultStream,
    events=MEDICAL_TRANSCRIPT_EVENTS,
)
