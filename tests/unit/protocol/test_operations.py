"""The operations besides StartStreamTranscription: whole conversations in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe._protocol import rest_json
from amazon_transcribe._protocol.client_session import ClientSession
from amazon_transcribe._protocol.constraints import members_of
from amazon_transcribe._protocol.operation import Operation, check_configuration
from amazon_transcribe._protocol.server_session import RequestRefused, ServerSession
from amazon_transcribe.auth import Credentials, StaticCredentialResolver
from amazon_transcribe.call_analytics import START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import BaseEvent, encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    InvalidEventException,
    InvalidParameterException,
    ResourceNotFoundException,
    SDKError,
    SerializerException,
    StreamClosedException,
    UnknownServiceException,
    ValidationException,
)
from amazon_transcribe.handlers import (
    CallAnalyticsStreamHandler,
    MedicalScribeStreamHandler,
    MedicalTranscriptStreamHandler,
)
from amazon_transcribe.local.service.operations import OPERATIONS
from amazon_transcribe.medical import START_MEDICAL_STREAM_TRANSCRIPTION
from amazon_transcribe.medical_scribe import GET_MEDICAL_SCRIBE_STREAM, START_MEDICAL_SCRIBE_STREAM
from amazon_transcribe.model import (
    AudioEvent,
    CallAnalyticsEntity,
    CallAnalyticsItem,
    CallAnalyticsLanguageWithScore,
    CategoryEvent,
    ChannelDefinition,
    CharacterOffsets,
    ClinicalNoteGenerationResult,
    ClinicalNoteGenerationSettings,
    ConfigurationEvent,
    GetMedicalScribeStreamResponse,
    IssueDetected,
    MedicalAlternative,
    MedicalEntity,
    MedicalItem,
    MedicalResult,
    MedicalScribeChannelDefinition,
    MedicalScribeConfigurationEvent,
    MedicalScribeContext,
    MedicalScribeEncryptionSettings,
    MedicalScribePatientContext,
    MedicalScribePostStreamAnalyticsResult,
    MedicalScribePostStreamAnalyticsSettings,
    MedicalScribeSessionControlEvent,
    MedicalScribeStreamDetails,
    MedicalScribeTranscriptEvent,
    MedicalScribeTranscriptItem,
    MedicalScribeTranscriptSegment,
    MedicalTranscript,
    MedicalTranscriptEvent,
    PointsOfInterest,
    PostCallAnalyticsSettings,
    TimestampRange,
    UnknownEvent,
    UtteranceEvent,
)
from amazon_transcribe.transcription import START_STREAM_TRANSCRIPTION
from amazon_transcribe.transports.memory import MemoryExchange, MemoryTransport

SECRETS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
SESSION_ID = "11111111-2222-3333-4444-555555555555"
AUDIO = {"language_code": "en-US", "media_sample_rate_hz": 16000, "media_encoding": "pcm"}

CONFIGURATION = ConfigurationEvent(
    [ChannelDefinition(0, "AGENT"), ChannelDefinition(1, "CUSTOMER")],
    PostCallAnalyticsSettings("s3://bucket/calls", "arn:aws:iam::1:role/r", "redacted", "key"),
)
SCRIBE_CONFIGURATION = MedicalScribeConfigurationEvent(
    "arn:aws:iam::123456789012:role/scribe",
    MedicalScribePostStreamAnalyticsSettings(
        ClinicalNoteGenerationSettings("notes-bucket", "PHYSICAL_SOAP")
    ),
    "names",
    "filter",
    "mask",
    [
        MedicalScribeChannelDefinition(0, "CLINICIAN"),
        MedicalScribeChannelDefinition(1, "PATIENT"),
    ],
    MedicalScribeEncryptionSettings("alias/key", {"purpose": "notes"}),
    MedicalScribeContext(MedicalScribePatientContext("THEY_THEM")),
)
UTTERANCE = UtteranceEvent(
    "u-1",
    False,
    "AGENT",
    0,
    900,
    "Hello, Ann.",
    [CallAnalyticsItem(0, 400, "pronunciation", "Hello", 0.98, False, True)],
    [CallAnalyticsEntity(500, 900, "PII", "NAME", "Ann", 0.9)],
    "POSITIVE",
    [IssueDetected(CharacterOffsets(0, 5))],
    "en-US",
    [CallAnalyticsLanguageWithScore("en-US", 0.9)],
)
CATEGORY = CategoryEvent(["greeting"], {"greeting": PointsOfInterest([TimestampRange(0, 400)])})
MEDICAL = MedicalTranscriptEvent(
    MedicalTranscript(
        [
            MedicalResult(
                "r-1",
                0.0,
                1.5,
                False,
                [
                    MedicalAlternative(
                        "Ann has a cold.",
                        [MedicalItem(0.0, 0.4, "pronunciation", "Ann", 0.9, "0")],
                        [MedicalEntity(0.0, 0.4, "PHI", "Ann", 0.9)],
                    )
                ],
                "ch_0",
            )
        ]
    )
)
SEGMENT = MedicalScribeTranscriptEvent(
    MedicalScribeTranscriptSegment(
        "s-1",
        0.0,
        1.5,
        "A cold.",
        [MedicalScribeTranscriptItem(0.0, 0.4, "pronunciation", 0.9, "A", False)],
        False,
        "0",
    )
)
DETAILS = MedicalScribeStreamDetails(
    SESSION_ID,
    datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=timezone.utc),
    datetime(2026, 1, 2, 3, 5, 5, tzinfo=timezone.utc),
    "en-US",
    16000,
    "pcm",
    "names",
    "filter",
    "mask",
    SCRIBE_CONFIGURATION.resource_access_role_arn,
    SCRIBE_CONFIGURATION.channel_definitions,
    SCRIBE_CONFIGURATION.encryption_settings,
    "COMPLETED",
    SCRIBE_CONFIGURATION.post_stream_analytics_settings,
    MedicalScribePostStreamAnalyticsResult(
        ClinicalNoteGenerationResult("s3://notes/note", "s3://notes/text", "COMPLETED", None)
    ),
    True,
)

CALL = START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
MEDICAL_STREAM = START_MEDICAL_STREAM_TRANSCRIPTION
SCRIBE = START_MEDICAL_SCRIBE_STREAM
GET = GET_MEDICAL_SCRIBE_STREAM
PARAMETERS: dict[str, dict[str, Any]] = {
    CALL.name: AUDIO,
    MEDICAL_STREAM.name: {**AUDIO, "specialty": "ONCOLOGY", "type": "DICTATION"},
    SCRIBE.name: AUDIO,
    GET.name: {"session_id": SESSION_ID},
}


def client_of(operation: Operation, **parameters: Any) -> ClientSession:
    request = operation.request(**{**PARAMETERS[operation.name], **parameters})
    return ClientSession(
        operation,
        rest_json.write_request(operation, request),
        Credentials(*next(iter(SECRETS.items()))),
        region="us-east-1",
        authority="localhost:8080",
    )


def joined(operation: Operation, **parameters: Any) -> tuple[ClientSession, ServerSession]:
    client, server = client_of(operation, **parameters), ServerSession(SECRETS, OPERATIONS)
    server.receive_request(operation.method, client.target, client.headers())
    return client, server


# Two sessions


@pytest.mark.parametrize(
    ("operation", "events"),
    [(CALL, [UTTERANCE, CATEGORY]), (MEDICAL_STREAM, [MEDICAL]), (SCRIBE, [SEGMENT])],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_whole_conversation(operation: Operation, events: list[BaseEvent]) -> None:
    client, server = joined(operation, session_id=SESSION_ID)
    response = client.receive_response(dict(server.response_headers()), None)
    assert response.session_id == SESSION_ID
    assert response.request_id == server.request_id
    assert response.media_sample_rate_hz == 16000
    if operation.configured:
        assert server.receive(client.send_event(SCRIBE_CONFIGURATION)) == []
    assert server.receive(client.send_event(AudioEvent(b"abcd"))) == [b"abcd"]
    assert server.receive(client.send_audio(b"ef")) == [b"ef"]
    frames = b"".join(map(server.send_event, events))
    assert client.receive(frames) == events
    assert not server.input_ended
    assert server.receive(client.end()) == []
    assert server.input_ended
    assert server.session_ended == (operation is SCRIBE)
    server.receive_end()


def test_names_on_the_wire() -> None:
    _, server = joined(SCRIBE)
    assert b"TranscriptEvent" in server.send_event(SEGMENT)
    assert b"MedicalScribeTranscriptEvent" not in server.send_event(SEGMENT)
    _, headers, payload = rest_json.write_event(CALL, CONFIGURATION)
    assert headers[":event-type"] == "ConfigurationEvent"
    assert headers[":content-type"] == "application/json"
    assert msgspec.json.decode(payload) == {
        "ChannelDefinitions": [
            {"ChannelId": 0, "ParticipantRole": "AGENT"},
            {"ChannelId": 1, "ParticipantRole": "CUSTOMER"},
        ],
        "PostCallAnalyticsSettings": {
            "OutputLocation": "s3://bucket/calls",
            "DataAccessRoleArn": "arn:aws:iam::1:role/r",
            "ContentRedactionOutput": "redacted",
            "OutputEncryptionKMSKeyId": "key",
        },
    }
    assert rest_json.write_event(SCRIBE, MedicalScribeSessionControlEvent())[2] == (
        b'{"Type":"END_OF_SESSION"}'
    )


@pytest.mark.parametrize(
    ("operation", "configuration"), [(CALL, CONFIGURATION), (SCRIBE, SCRIBE_CONFIGURATION)]
)
def test_the_server_keeps_the_configuration(operation: Operation, configuration: BaseEvent) -> None:
    client, server = joined(operation)
    assert server.configuration is None
    assert server.receive(client.send_event(configuration)) == []
    assert server.configuration == configuration


def test_a_configuration_is_first_or_refused() -> None:
    client, server = joined(CALL)
    server.receive(client.send_audio(b"abcd"))
    with pytest.raises(ValidationException, match="first event"):
        client.send_event(CONFIGURATION)
    client, _ = joined(CALL)
    client.send_event(CONFIGURATION)
    with pytest.raises(ValidationException, match="first event"):
        client.send_event(CONFIGURATION)
    client, _ = joined(SCRIBE)
    with pytest.raises(ValidationException, match="before any audio"):
        client.send_audio(b"abcd")


def test_the_server_refuses_a_late_or_missing_configuration() -> None:
    client, server = joined(CALL)
    frames = client.send_audio(b"abcd")
    client.audio_bytes_sent = 0
    with pytest.raises(BadRequestException, match="first event"):
        server.receive(frames + client.send_event(CONFIGURATION))
    client, server = joined(SCRIBE)
    client._configured = True
    with pytest.raises(BadRequestException, match="ConfigurationEvent"):
        server.receive(client.send_audio(b"abcd"))


@pytest.mark.parametrize("chunk_ends", [False, True])
def test_the_end_of_a_scribe_s_input_ends_the_session_once(chunk_ends: bool) -> None:
    client, server = joined(SCRIBE)
    server.receive(client.send_event(SCRIBE_CONFIGURATION))
    server.receive(client.send_audio(b"") if chunk_ends else client.end())
    assert server.session_ended
    assert server.receive(client.end()) == []
    with pytest.raises(StreamClosedException):
        client.send_event(MedicalScribeSessionControlEvent())


def test_nothing_after_the_end_of_the_session() -> None:
    client, server = joined(SCRIBE)
    server.receive(client.send_event(SCRIBE_CONFIGURATION))
    server.receive(client.send_event(MedicalScribeSessionControlEvent()))
    assert server.session_ended
    with pytest.raises(StreamClosedException):
        client.send_audio(b"late")
    assert server.receive(client.end()) == []
    client, server = joined(SCRIBE)
    frames = client.send_event(SCRIBE_CONFIGURATION)
    frames += client.send_event(MedicalScribeSessionControlEvent())
    client.ended = False
    with pytest.raises(BadRequestException, match="after the end"):
        server.receive(frames + client.send_audio(b"late"))


@pytest.mark.parametrize(
    ("operation", "event", "taken"),
    [
        (MEDICAL_STREAM, CONFIGURATION, "audio only"),
        (START_STREAM_TRANSCRIPTION, CONFIGURATION, "audio only"),
        (CALL, SCRIBE_CONFIGURATION, "ConfigurationEvent"),
        (CALL, UTTERANCE, "ConfigurationEvent"),
        (SCRIBE, CONFIGURATION, "MedicalScribeConfigurationEvent"),
    ],
)
def test_events_of_other_operations_cannot_be_sent(
    operation: Operation, event: BaseEvent, taken: str
) -> None:
    with pytest.raises(SerializerException, match=f"{operation.name} takes {taken}"):
        rest_json.write_event(operation, event)


def changed(event: Any, path: str, value: Any) -> Any:
    """A copy of an event with another value at a path."""
    event = msgspec.json.decode(msgspec.json.encode(event), type=type(event))
    parent, *parts = event, *path.replace("[", ".[").split(".")
    for part in parts[:-1]:
        parent = parent[int(part[1:-1])] if part.startswith("[") else getattr(parent, part)
    if parts[-1].startswith("["):
        parent[int(parts[-1][1:-1])] = value
    else:
        setattr(parent, parts[-1], value)
    return event


POST = "post_call_analytics_settings"
CLINICAL = "post_stream_analytics_settings.clinical_note_generation_settings"


@pytest.mark.parametrize(
    ("operation", "event", "path", "value", "says"),
    [
        (CALL, CONFIGURATION, "channel_definitions", [], "2 members, not 0"),
        (CALL, CONFIGURATION, "channel_definitions", "ab", "must be a list"),
        (CALL, CONFIGURATION, "channel_definitions[1]", {}, "must be a ChannelDefinition"),
        (CALL, CONFIGURATION, "channel_definitions[0].channel_id", 2, "0 to 1"),
        (CALL, CONFIGURATION, "channel_definitions[0].channel_id", None, "0 to 1"),
        (CALL, CONFIGURATION, "channel_definitions[1].participant_role", "BOSS", "AGENT, CUSTOMER"),
        (CALL, CONFIGURATION, f"{POST}.output_location", None, "must be a string"),
        (CALL, CONFIGURATION, f"{POST}.content_redaction_output", "none", "redacted"),
        (SCRIBE, SCRIBE_CONFIGURATION, "vocabulary_name", "a b", "must match"),
        (SCRIBE, SCRIBE_CONFIGURATION, "vocabulary_filter_method", "hide", "remove, mask, tag"),
        (SCRIBE, SCRIBE_CONFIGURATION, "resource_access_role_arn", "arn", "20 to 2,048"),
        (SCRIBE, SCRIBE_CONFIGURATION, "resource_access_role_arn", "x" * 20, "must match"),
        (SCRIBE, SCRIBE_CONFIGURATION, "encryption_settings.kms_key_id", "", "1 to 2,048"),
        (SCRIBE, SCRIBE_CONFIGURATION, "encryption_settings.kms_encryption_context", {}, "pairs"),
        (SCRIBE, SCRIBE_CONFIGURATION, "encryption_settings.kms_encryption_context", 5, "mapping"),
        (
            SCRIBE,
            SCRIBE_CONFIGURATION,
            "encryption_settings.kms_encryption_context",
            {" ": "v"},
            "keys",
        ),
        (SCRIBE, SCRIBE_CONFIGURATION, f"{CLINICAL}.output_bucket_name", "Notes", "must match"),
        (SCRIBE, SCRIBE_CONFIGURATION, f"{CLINICAL}.note_template", "SOAP", "PHYSICAL_SOAP"),
        (SCRIBE, SCRIBE_CONFIGURATION, "post_stream_analytics_settings", None, "must be a Medical"),
        (
            SCRIBE,
            SCRIBE_CONFIGURATION,
            "medical_scribe_context.patient_context.pronouns",
            "IT",
            "HE_HIM",
        ),
    ],
)
def test_wrong_configurations_are_refused_by_path(
    operation: Operation, event: BaseEvent, path: str, value: Any, says: str
) -> None:
    with pytest.raises(InvalidParameterException, match=re.escape(says)) as refusal:
        rest_json.write_event(operation, changed(event, path, value))
    assert refusal.value.parameter == f"configuration.{path}"
    assert refusal.value.message.startswith(f"configuration.{path} must ")


@pytest.mark.parametrize(
    ("operation", "event", "path", "value", "says"),
    [
        (
            CALL,
            CONFIGURATION,
            "channel_definitions[1].channel_id",
            0,
            "{channel_definitions} must define each channel once, not 0 twice",
        ),
        (
            SCRIBE,
            SCRIBE_CONFIGURATION,
            "channel_definitions[0].channel_id",
            1,
            "{channel_definitions} must define each channel once, not 1 twice",
        ),
        (
            SCRIBE,
            SCRIBE_CONFIGURATION,
            "vocabulary_filter_method",
            None,
            "{vocabulary_filter_method} is required with {vocabulary_filter_name}",
        ),
    ],
)
def test_members_that_do_not_go_together_are_refused_on_both_sides(
    operation: Operation, event: BaseEvent, path: str, value: Any, says: str
) -> None:
    wrong = changed(event, path, value)
    names = {member.name: member.model_name for member in members_of(type(wrong))}
    with pytest.raises(InvalidParameterException) as told:
        rest_json.write_event(operation, wrong)
    assert told.value.message == says.format_map({name: f"configuration.{name}" for name in names})
    assert told.value.message.startswith(told.value.parameter)
    with pytest.raises(InvalidParameterException, match=re.escape(told.value.message)):
        check_configuration(operation, wrong)
    with pytest.raises(BadRequestException) as refused:
        rest_json.read_event(operation, "ConfigurationEvent", msgspec.json.encode(wrong))
    assert refused.value.message == says.format_map(
        {name: f"ConfigurationEvent.{model_name}" for name, model_name in names.items()}
    )


def test_a_wrong_value_in_a_mapping_is_named_by_its_key() -> None:
    path = "encryption_settings.kms_encryption_context"
    event = changed(SCRIBE_CONFIGURATION, path, {"purpose": ""})
    with pytest.raises(InvalidParameterException) as refusal:
        rest_json.write_event(SCRIBE, event)
    assert refusal.value.parameter == f"configuration.{path}['purpose']"


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"{", "ConfigurationEvent is not valid"),
        (b'{"ChannelDefinitions":[{"ChannelId":0}]}', "ParticipantRole"),
        (b'{"ChannelDefinitions":[]}', "ConfigurationEvent.ChannelDefinitions must have 2"),
        (
            b'{"ChannelDefinitions":[{"ChannelId":0,"ParticipantRole":"AGENT"},'
            b'{"ChannelId":7,"ParticipantRole":"CUSTOMER"}]}',
            "ConfigurationEvent.ChannelDefinitions[1].ChannelId must be",
        ),
    ],
)
def test_the_server_refuses_configurations_by_the_model_s_names(payload: bytes, says: str) -> None:
    with pytest.raises(BadRequestException, match=re.escape(says)):
        rest_json.read_event(CALL, "ConfigurationEvent", payload)


@pytest.mark.parametrize("operation", [CALL, SCRIBE], ids=lambda operation: operation.name)
@given(payload=st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_configuration_is_taken_or_refused(operation: Operation, payload: bytes) -> None:
    try:
        rest_json.read_event(operation, "ConfigurationEvent", payload)
    except BadRequestException:
        pass


@pytest.mark.parametrize(
    ("operation", "parameter", "says", "parameters"),
    [
        (CALL, "language_code", "en-US, en-GB", {"language_code": "ja-JP"}),
        (CALL, "language_code", "unless identify_language is set", {"language_code": None}),
        (CALL, "language_code", "exclude", {"identify_language": True}),
        (CALL, "pii_entity_types", "needs", {"pii_entity_types": "NAME"}),
        (CALL, "vocabulary_name", "exclude", {"vocabulary_name": "a", "vocabulary_names": ["b"]}),
        (MEDICAL_STREAM, "specialty", "PRIMARYCARE", {"specialty": "DENTISTRY"}),
        (MEDICAL_STREAM, "type", "CONVERSATION", {"type": None}),
        (MEDICAL_STREAM, "language_code", "en-US", {"language_code": None}),
        (MEDICAL_STREAM, "content_identification_type", "PHI", {"content_identification_type": 1}),
        (MEDICAL_STREAM, "number_of_channels", "required", {"enable_channel_identification": True}),
        (SCRIBE, "language_code", "en-US", {"language_code": "en-GB"}),
        (SCRIBE, "media_sample_rate_hz", "16,000 to 48,000", {"media_sample_rate_hz": 8000}),
        (SCRIBE, "media_encoding", "pcm", {"media_encoding": "g729"}),
        (GET, "session_id", "36 characters", {"session_id": "short"}),
        (GET, "session_id", "must be a string", {"session_id": None}),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    operation: Operation, parameter: str, says: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameterException, match=says) as refusal:
        client_of(operation, **parameters)
    assert refusal.value.parameter == parameter


def test_a_session_is_looked_up() -> None:
    client, server = joined(GET)
    assert client.target == f"/medical-scribe-stream/{SESSION_ID}"
    assert "content-type" not in dict(client.headers())
    assert server.request.session_id == SESSION_ID
    headers, body = server.answer(GetMedicalScribeStreamResponse(DETAILS))
    assert dict(headers)["content-type"] == "application/json"
    created = msgspec.json.decode(body)["MedicalScribeStreamDetails"]["StreamCreatedAt"]
    assert created == 1767323045.25
    assert client.receive_answer(body) == GetMedicalScribeStreamResponse(DETAILS)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"MedicalScribeStreamDetails": null, "New": 1}'])
def test_an_answer_that_says_nothing_is_empty(body: bytes) -> None:
    assert client_of(GET).receive_answer(body) == GetMedicalScribeStreamResponse(None)


@pytest.mark.parametrize("body", [b"<html>", b'{"MedicalScribeStreamDetails": 5}'])
def test_an_answer_that_does_not_fit_is_told(body: bytes) -> None:
    with pytest.raises(InvalidEventException, match="GetMedicalScribeStreamResponse"):
        client_of(GET).receive_answer(body)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", f"/medical-scribe-stream/{SESSION_ID}", 405),
        ("GET", f"/medical-scribe-stream/{SESSION_ID}-websocket", 404),
        ("GET", f"/medical-scribe-stream/{SESSION_ID}/more", 404),
        ("GET", "/medical-scribe-stream/short", 400),
    ],
)
def test_wrong_look_ups_are_refused(method: str, target: str, status: int) -> None:
    client = client_of(GET)
    client.target = target
    with pytest.raises(RequestRefused) as refused:
        ServerSession(SECRETS, OPERATIONS).receive_request(method, target, client.headers())
    assert refused.value.status == status


def test_each_operation_has_a_path_of_its_own() -> None:
    for path, operation in OPERATIONS.items():
        assert operation.path == path


# The client

Serve = Callable[[ServerSession, MemoryExchange], Coroutine[Any, Any, None]]


def client_with(talk: Serve) -> TranscribeStreamingClient:
    """A client whose streams end in `talk`, once their request is checked."""

    async def serve(exchange: MemoryExchange) -> None:
        session = ServerSession(SECRETS, OPERATIONS)
        try:
            session.receive_request(exchange.method, exchange.target, exchange.headers)
        except RequestRefused as refusal:
            headers, body = refusal.headers_and_body()
            exchange.respond(refusal.status, headers)
            await exchange.write(body)
        else:
            await talk(session, exchange)
        await exchange.finish(5, 5)

    return TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url="http://localhost:8080",
        credential_resolver=StaticCredentialResolver(*next(iter(SECRETS.items()))),
        transport=MemoryTransport(serve),
    )


def answering(*events: BaseEvent, unknown: bool = True) -> Serve:
    """Read the input to its end, then send events, one that nobody knows among them."""

    async def talk(session: ServerSession, exchange: MemoryExchange) -> None:
        # The configuration is there before the answer.
        if session.operation.configured:
            assert session.receive(await exchange.read()) == []
            assert session.configuration == SCRIBE_CONFIGURATION
        exchange.respond(200, session.response_headers())
        audio = b""
        while not session.input_ended:
            audio += b"".join(session.receive(await exchange.read()))
        assert audio == b"abcd"
        news = {":message-type": "event", ":event-type": "NextYearEvent"}
        await exchange.write(encode_message(news, b"news"))
        for event in events:
            await exchange.write(session.send_event(event))

    return talk


class Calls(CallAnalyticsStreamHandler):
    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.seen: list[Any] = []

    async def handle_utterance_event(self, event: UtteranceEvent) -> None:
        self.seen.append(event)

    async def handle_category_event(self, event: CategoryEvent) -> None:
        self.seen.append(event)

    async def handle_unknown_event(self, event: UnknownEvent) -> None:
        self.seen.append(event.event_type)


@pytest.mark.parametrize("at_start", [True, False])
async def test_a_call_from_start_to_end(at_start: bool) -> None:
    async with client_with(answering(UTTERANCE, CATEGORY)) as client:
        stream = await client.start_call_analytics_stream_transcription(
            **AUDIO, configuration=CONFIGURATION if at_start else None, session_id=SESSION_ID
        )
        async with stream:
            assert stream.response.session_id == SESSION_ID
            if not at_start:
                await stream.input_stream.send_configuration_event(CONFIGURATION)
            await stream.input_stream.send_audio_event(audio_chunk=b"abcd")
            with pytest.raises(ValidationException, match="first event"):
                await stream.input_stream.send_configuration_event(CONFIGURATION)
            await stream.input_stream.end_stream()
            handler = Calls(stream.output_stream)
            await handler.handle_events()
            assert handler.seen == ["NextYearEvent", UTTERANCE, CATEGORY]
            assert stream.output_stream.unknown_events == 1
            with pytest.raises(StreamClosedException):
                await stream.input_stream.send_configuration_event(CONFIGURATION)


async def test_a_medical_transcription_from_start_to_end() -> None:
    seen: list[Any] = []

    class Handler(MedicalTranscriptStreamHandler):
        async def handle_transcript_event(self, event: MedicalTranscriptEvent) -> None:
            seen.append(event)

    async with client_with(answering(MEDICAL)) as client:
        stream = await client.start_medical_stream_transcription(
            **AUDIO, specialty="CARDIOLOGY", type="CONVERSATION", show_speaker_label=True
        )
        async with stream:
            assert stream.response.specialty == "CARDIOLOGY"
            assert stream.response.show_speaker_label is True
            await stream.input_stream.send_audio_event(audio_chunk=b"abcd")
            await stream.input_stream.end_stream()
            await Handler(stream.output_stream).handle_events()
    assert seen == [MEDICAL]
    assert stream.output_stream.unknown_events == 1


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_scribe_from_start_to_end(by_hand: bool) -> None:
    seen: list[Any] = []

    class Handler(MedicalScribeStreamHandler):
        async def handle_transcript_event(self, event: MedicalScribeTranscriptEvent) -> None:
            seen.append(event)

    async with client_with(answering(SEGMENT)) as client:
        stream = await client.start_medical_scribe_stream(
            **AUDIO, configuration=SCRIBE_CONFIGURATION
        )
        async with stream:
            await stream.input_stream.send_audio_event(audio_chunk=b"abcd")
            if by_hand:
                with pytest.raises(InvalidParameterException, match="END_OF_SESSION"):
                    await stream.input_stream.send_session_control_event("PAUSE")
                await stream.input_stream.send_session_control_event()
            await stream.input_stream.end_stream()
            await stream.input_stream.end_stream()
            await Handler(stream.output_stream).handle_events()
    assert seen == [SEGMENT]
    assert stream.output_stream.unknown_events == 1


async def test_handlers_ask_for_what_the_program_must_write() -> None:
    for event, operation, handler in (
        (UTTERANCE, CALL, CallAnalyticsStreamHandler),
        (MEDICAL, MEDICAL_STREAM, MedicalTranscriptStreamHandler),
        (SEGMENT, SCRIBE, MedicalScribeStreamHandler),
    ):
        _, server = joined(operation)
        frame = server.send_event(event)

        class Raw:
            async def chunks(self, frame: bytes = frame):  # type: ignore[no-untyped-def]
                yield frame

        assert operation.result_stream is not None
        with pytest.raises(NotImplementedError):
            await handler(operation.result_stream(Raw())).handle_events()


async def refuse(session: ServerSession, exchange: MemoryExchange) -> None:
    exchange.respond(200, session.response_headers())
    while not session.input_ended:
        session.receive(await exchange.read())
    await exchange.write(session.send_exception(ConflictException("another stream")))


async def test_exceptions_in_the_stream_keep_their_class() -> None:
    async with client_with(refuse) as client:
        stream = await client.start_medical_scribe_stream(
            **AUDIO, configuration=SCRIBE_CONFIGURATION
        )
        await stream.input_stream.end_stream()
        with pytest.raises(ConflictException, match="another stream"):
            await stream.output_stream.__anext__()


async def never(session: ServerSession, exchange: MemoryExchange) -> None:
    raise AssertionError("nothing was to be sent")


async def test_what_is_wrong_is_told_before_anything_is_sent() -> None:
    async with client_with(never) as client:
        wrong = changed(CONFIGURATION, "channel_definitions[0].channel_id", 5)
        with pytest.raises(InvalidParameterException) as refusal:
            await client.start_call_analytics_stream_transcription(**AUDIO, configuration=wrong)
        assert refusal.value.parameter == "configuration.channel_definitions[0].channel_id"
        for nothing in (None, CONFIGURATION, {}):
            with pytest.raises(InvalidParameterException) as refusal:
                await client.start_medical_scribe_stream(
                    **AUDIO,
                    configuration=nothing,  # type: ignore[arg-type]
                )
            assert refusal.value.parameter == "configuration"
        with pytest.raises(InvalidParameterException) as refusal:
            await client.get_medical_scribe_stream(session_id="../secret")
        assert refusal.value.parameter == "session_id"


async def test_a_scribe_is_looked_up() -> None:
    async def tell(session: ServerSession, exchange: MemoryExchange) -> None:
        assert exchange.method == "GET"
        assert await exchange.read() == b""
        headers, body = session.answer(GetMedicalScribeStreamResponse(DETAILS))
        exchange.respond(200, headers)
        await exchange.write(body[:40])
        await exchange.write(body[40:])

    async with client_with(tell) as client:
        answer = await client.get_medical_scribe_stream(session_id=SESSION_ID)
        assert answer.medical_scribe_stream_details == DETAILS


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (404, "ResourceNotFoundException", ResourceNotFoundException),
        (400, "BadRequestException", BadRequestException),
        (418, "TeapotException", UnknownServiceException),
    ],
)
async def test_a_refused_look_up_is_raised(status: int, name: str, kind: type[SDKError]) -> None:
    async def deny(session: ServerSession, exchange: MemoryExchange) -> None:
        headers, body = RequestRefused(status, name, "why").headers_and_body()
        exchange.respond(status, headers)
        await exchange.write(body)

    async with client_with(deny) as client:
        with pytest.raises(kind, match="why"):
            await client.get_medical_scribe_stream(session_id=SESSION_ID)


async def test_a_closed_client_looks_nothing_up() -> None:
    client = client_with(never)
    await client.close()
    with pytest.raises(StreamClosedException):
        await client.get_medical_scribe_stream(session_id=SESSION_ID)
