"""Result types, and the parsing of messages to events."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe.call_analytics import CategoryEvent, UtteranceEvent
from amazon_transcribe.eventstream import BaseEvent, decode_message, encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    InternalFailureException,
    InvalidEventException,
    InvalidParameterException,
    LimitExceededException,
    SDKError,
    ServiceException,
    StreamClosedException,
    UnknownServiceException,
    ValidationException,
)
from amazon_transcribe.medical import MedicalResult, MedicalTranscript, MedicalTranscriptEvent
from amazon_transcribe.medical_scribe import (
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptSegment,
)
from amazon_transcribe.model import AudioEvent, AudioStream, UnknownEvent
from amazon_transcribe.transcription import (
    TRANSCRIPT_EVENTS,
    Alternative,
    Entity,
    Item,
    LanguageWithScore,
    Result,
    StartStreamTranscriptionEventStream,
    StartStreamTranscriptionResponse,
    Transcript,
    TranscriptEvent,
    TranscriptResultStream,
)

EVENT = {":message-type": "event", ":event-type": "TranscriptEvent"}


def parse(headers: dict[str, Any], payload: bytes) -> BaseEvent:
    return TRANSCRIPT_EVENTS.parse(decode_message(encode_message(headers, payload)))


@pytest.mark.parametrize(
    ("event", "spans"),
    [
        (
            TranscriptEvent(Transcript([Result("r", 0.0, 1.5, True), Result("s", end_time=2.5)])),
            [(True, 1.5), (False, 2.5)],
        ),
        (TranscriptEvent(Transcript([Result(is_partial=False)])), [(False, 0.0)]),
        (
            MedicalTranscriptEvent(MedicalTranscript([MedicalResult("r", 0.0, 1.5, True)])),
            [(True, 1.5)],
        ),
        (
            MedicalScribeTranscriptEvent(
                MedicalScribeTranscriptSegment(end_audio_time=1.5, is_partial=False)
            ),
            [(False, 1.5)],
        ),
        (UtteranceEvent(is_partial=True, end_offset_millis=1500), [(True, 1.5)]),
        (TranscriptEvent(), []),
        (MedicalScribeTranscriptEvent(), []),
        (UtteranceEvent(), []),
        (CategoryEvent(["name"]), []),
        (UnknownEvent("NewEvent", b"", {}), []),
    ],
)
def test_spans_of_the_results_in_an_event(
    event: BaseEvent, spans: list[tuple[bool, float]]
) -> None:
    assert list(event.spans()) == spans


def test_every_field_of_an_event() -> None:
    event = parse(
        EVENT,
        b"""{"Transcript": {"Results": [{"ResultId": "r", "StartTime": 0.5, "EndTime": 1,
        "IsPartial": false, "ChannelId": "ch_0", "LanguageCode": "en-US",
        "LanguageIdentification": [{"LanguageCode": "en-US", "Score": 0.9}],
        "Alternatives": [{"Transcript": "Hi.", "Items": [{"StartTime": 0.5, "EndTime": 0.9,
        "Type": "pronunciation", "Content": "Hi", "VocabularyFilterMatch": false,
        "Speaker": "0", "Confidence": 0.99, "Stable": true}],
        "Entities": [{"StartTime": 0.5, "EndTime": 0.9, "Category": "PII", "Type": "NAME",
        "Content": "Hi", "Confidence": 0.5}]}], "Unheard": {"Of": [null]}}]}, "New": 1}""",
    )
    assert event == TranscriptEvent(
        Transcript(
            [
                Result(
                    "r",
                    0.5,
                    1.0,
                    False,
                    [
                        Alternative(
                            "Hi.",
                            [Item(0.5, 0.9, "pronunciation", "Hi", False, "0", 0.99, True)],
                            [Entity(0.5, 0.9, "PII", "Hi", 0.5, "NAME")],
                        )
                    ],
                    "ch_0",
                    "en-US",
                    [LanguageWithScore("en-US", 0.9)],
                )
            ]
        )
    )
    assert isinstance(event, BaseEvent)
    assert eval(repr(event)) == event


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"Transcript": null}', b'{"Transcript": {}}'])
def test_an_event_that_says_nothing_is_empty(payload: bytes) -> None:
    assert parse(EVENT, payload) == TranscriptEvent(Transcript([]))


def test_null_counts_as_absent() -> None:
    event = parse(EVENT, b'{"Transcript":{"Results":[{"Alternatives":null,"IsPartial":null}]}}')
    assert event == TranscriptEvent(Transcript([Result()]))


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        (b"{", ""),
        (b"\xff\xfe", ""),
        (b"[]", "object"),
        (b'{"Transcript": 5}', "$.Transcript"),
        (b'{"Transcript":{"Results":[{"StartTime":"now"}]}}', "$.Transcript.Results[0].StartTime"),
        (b'{"Transcript":{"Results":[{}], "a":' + b"[" * 100_000, ""),
    ],
)
def test_json_that_does_not_fit_says_where(payload: bytes, where: str) -> None:
    with pytest.raises(InvalidEventException) as fault:
        parse(EVENT, payload)
    assert fault.value.event_type == "TranscriptEvent"
    assert where in fault.value.reason
    assert isinstance(fault.value, SDKError)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(BadRequestException, 400), (ConflictException, 409), (LimitExceededException, 429)],
)
def test_exceptions_have_class_message_and_status(
    kind: type[ServiceException], status: int
) -> None:
    headers = {":message-type": "exception", ":exception-type": kind.__name__}
    with pytest.raises(kind, match="^why$") as raised:
        parse(headers, b'{"Message": "why"}')
    assert raised.value.message == "why"
    assert raised.value.status_code == status


@pytest.mark.parametrize("payload", [b"", b" ", b"[]", b'{"Message": 5}', b"{}"])
def test_an_exception_without_a_text_keeps_its_class(payload: bytes) -> None:
    with pytest.raises(BadRequestException) as raised:
        parse({":message-type": "exception", ":exception-type": "BadRequestException"}, payload)
    assert raised.value.message == "the service gave no reason"


def test_lower_case_message_is_read() -> None:
    headers = {":message-type": "exception", ":exception-type": "ConflictException"}
    with pytest.raises(ConflictException, match="^why$"):
        parse(headers, b'{"message": "why"}')


@pytest.mark.parametrize("name", ["ThrottlingException", "UnknownServiceException", "SDKError", ""])
def test_unknown_exceptions_keep_their_name(name: str) -> None:
    with pytest.raises(UnknownServiceException) as raised:
        parse({":message-type": "exception", ":exception-type": name}, b'{"Message": "why"}')
    assert (raised.value.error_code or "") == name
    assert raised.value.message == "why"
    assert raised.value.status_code == 400


@pytest.mark.parametrize("name", ["ThrottlingException", "BadRequestException"])
def test_a_body_that_is_no_json_is_the_text(name: str) -> None:
    headers = {":message-type": "exception", ":exception-type": name}
    for body, text in ((b"no json\n", "no json"), (b"\xff", "\ufffd"), (b"x" * 5000, "x" * 1000)):
        with pytest.raises(ServiceException) as raised:
            parse(headers, body)
        assert raised.value.message == text


class Raw:
    """A response body of one message."""

    def __init__(self, **headers: str) -> None:
        self.frame = encode_message({f":{n.replace('_', '-')}": v for n, v in headers.items()}, b"")

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.frame


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        ({"message_type": "exception", "exception_type": "ThrottlingException"}, 1),
        ({"message_type": "error", "error_code": "InternalError"}, 1),
        ({"message_type": "exception", "exception_type": "ConflictException"}, 0),
    ],
)
async def test_unknown_exceptions_are_counted(headers: dict[str, str], count: int) -> None:
    stream = TranscriptResultStream(Raw(**headers))
    assert stream.unknown_exceptions == 0
    for _ in range(2):
        with pytest.raises((ServiceException, StopAsyncIteration)):
            await stream.__anext__()
        assert stream.unknown_exceptions == count


def test_the_type_of_an_exception_may_stand_in_event_type() -> None:
    with pytest.raises(BadRequestException):
        parse({":message-type": "exception", ":event-type": "BadRequestException"}, b"{}")


def test_errors_keep_code_and_text() -> None:
    headers = {
        ":message-type": "error",
        ":error-code": "InternalError",
        ":error-message": "it broke",
    }
    with pytest.raises(UnknownServiceException) as raised:
        parse(headers, b"")
    assert raised.value.error_code == "InternalError"
    assert raised.value.message == "it broke"
    assert str(raised.value) == "InternalError: it broke (HTTP 400)"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnknownServiceException(503, "SlowDown", "wait"), "SlowDown: wait (HTTP 503)"),
        (UnknownServiceException(503, None, "wait"), "wait (HTTP 503)"),
        (UnknownServiceException(503, None, ""), "(HTTP 503)"),
        (UnknownServiceException(503, None, "it answered HTTP 503"), "it answered HTTP 503"),
    ],
)
def test_the_text_of_an_unknown_exception_has_its_status(
    error: UnknownServiceException, text: str
) -> None:
    assert str(error) == text


def test_an_error_of_a_known_code_is_of_its_class() -> None:
    headers = {
        ":message-type": "error",
        ":error-code": "InternalFailureException",
        ":error-message": "it broke",
    }
    with pytest.raises(InternalFailureException, match="^it broke$"):
        parse(headers, b"")


@pytest.mark.parametrize(
    ("headers", "event_type"),
    [
        ({":message-type": "event", ":event-type": "NewEvent"}, "NewEvent"),
        ({":message-type": "event"}, None),
        ({":message-type": "event", ":event-type": b"\0"}, None),
        ({":message-type": "news", ":event-type": "TranscriptEvent"}, "TranscriptEvent"),
        ({}, None),
    ],
)
def test_unknown_events_come_out_as_they_are(
    headers: dict[str, Any], event_type: str | None
) -> None:
    event = parse(headers, b"not json")
    assert isinstance(event, UnknownEvent)
    assert event.event_type == event_type
    assert event.payload == b"not json"
    assert event.headers == headers


@given(st.binary(max_size=200))
def test_any_payload_is_an_event_or_a_documented_exception(payload: bytes) -> None:
    try:
        assert isinstance(parse(EVENT, payload), TranscriptEvent)
    except InvalidEventException:
        pass


def test_audio_event() -> None:
    assert AudioEvent(b"ab").audio_chunk == b"ab"
    assert AudioEvent(None).audio_chunk == b""
    assert AudioEvent(bytearray(b"ab")) == AudioEvent(b"ab")
    assert "2 bytes" in repr(AudioEvent(b"ab"))


MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Recorder:
    """An input stream with plain methods, as other programs write them."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ends = 0

    def write(self, data: bytes) -> int:
        self.written.append(data)
        return len(data)

    def end_stream(self) -> None:
        self.ends += 1


async def test_audio_after_the_end_is_an_os_error() -> None:
    stream = stream_of(Recorder())
    await stream.end_stream()
    with pytest.raises(OSError, match="ended") as refused:
        await stream.send_audio_event(b"late")
    assert isinstance(refused.value, StreamClosedException)
    for again in (copy.copy(refused.value), pickle.loads(pickle.dumps(refused.value))):
        assert type(again) is StreamClosedException
        assert str(again) == str(refused.value)


async def test_a_stream_without_an_input_stream_keeps_its_bytes() -> None:
    recorder = Recorder()
    expected, stream = stream_of(recorder), stream_of(None)
    for one in (expected, stream):
        await one.send_audio_event(b"audio")
    assert stream._input_stream.closed is False
    first = stream._input_stream.read(7)
    await stream.end_stream()
    assert stream._input_stream.closed is True
    await expected.end_stream()
    assert first + stream._input_stream.read() == b"".join(recorder.written)
    assert stream._input_stream.read() == b""
    with pytest.raises(StreamClosedException):
        stream._input_stream.write(b"more")


async def test_a_stream_that_was_made_without_its_parts_says_so() -> None:
    stream = AudioStream()
    for attempt in (stream.send_audio_event(b"audio"), stream.end_stream()):
        with pytest.raises(ValidationException, match="without event_signer"):
            await attempt


def stream_of(recorder: Recorder | None) -> AudioStream:
    from amazon_transcribe.auth import StaticCredentialResolver
    from amazon_transcribe.eventstream import EventSigner

    return AudioStream(
        input_stream=recorder,
        event_signer=EventSigner("transcribe", "us-east-1", lambda: MOMENT),
        initial_signature=bytes(32),
        credential_resolver=StaticCredentialResolver("AKID", "secret"),
    )


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_audio_stream_on_a_foreign_input_stream(kind: type[Any]) -> None:
    recorder = Recorder()
    stream = stream_of(recorder)
    await stream.send_audio_event(audio_chunk=kind(b"abcd"))
    await stream.end_stream()
    await stream.end_stream()
    audio, end = map(decode_message, recorder.written)
    assert decode_message(audio.payload).payload == b"abcd"
    assert end.payload == b""
    assert recorder.ends == 1
    with pytest.raises(StreamClosedException):
        await stream.send_audio_event(audio_chunk=b"late")


@pytest.mark.parametrize("empty", [b"", None])
async def test_an_empty_chunk_ends_the_input(empty: bytes | None) -> None:
    recorder = Recorder()
    stream = stream_of(recorder)
    await stream.send_audio_event(audio_chunk=empty)
    with pytest.raises(StreamClosedException):
        await stream.send_audio_event(audio_chunk=b"late")
    await stream.end_stream()
    assert recorder.ends == 1


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (bytes(32_769), "32,769 bytes"),
        (memoryview(bytes(40_000)).cast("H"), "40,000 bytes"),
        ("text", "not str"),
        (5, "not int"),
    ],
)
async def test_wrong_chunks_are_refused(chunk: Any, says: str) -> None:
    recorder = Recorder()
    with pytest.raises(InvalidParameterException, match=says) as refusal:
        await stream_of(recorder).send_audio_event(chunk)
    assert refusal.value.parameter == "audio_chunk"
    assert recorder.written == []


async def test_result_stream_on_a_foreign_raw_stream() -> None:
    message = encode_message(EVENT, b'{"Transcript": {"Results": []}}')

    class Raw:
        async def chunks(self):  # type: ignore[no-untyped-def]
            for i in range(0, len(message), 7):
                yield message[i : i + 7]
            yield message

    events = [event async for event in TranscriptResultStream(Raw())]
    assert events == [TranscriptEvent(Transcript([]))] * 2


async def test_open_stream_shows_its_parts() -> None:
    audio = stream_of(Recorder())
    results = TranscriptResultStream(None)
    response = StartStreamTranscriptionResponse(results)
    async with StartStreamTranscriptionEventStream(audio, response) as stream:
        assert stream.input_stream is audio
        assert stream.output_stream is results
        assert stream.response is response
