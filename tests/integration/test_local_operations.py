"""The local Transcribe's other operations, its limits, and its lenience."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from amazon_transcribe._protocol import rest_json
from amazon_transcribe._protocol.constants import PREFIX
from amazon_transcribe._protocol.constraints import Member, members_of
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    ResourceNotFoundException,
    ValidationException,
)
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.local.service.categories import Categories
from amazon_transcribe.local.service.events import event_mapper
from amazon_transcribe.local.service.operations import OPERATIONS
from amazon_transcribe.local.service.parameters import HONOURED, check_parameters
from amazon_transcribe.model import (
    CallAnalyticsEntity,
    CategoryEvent,
    ChannelDefinition,
    ClinicalNoteGenerationSettings,
    ConfigurationEvent,
    MedicalScribeChannelDefinition,
    MedicalScribeConfigurationEvent,
    MedicalScribePostStreamAnalyticsSettings,
    MedicalScribeStreamDetails,
    PostCallAnalyticsSettings,
    UtteranceEvent,
)
from amazon_transcribe.transcription import StartStreamTranscriptionRequest
from tests.support.callers import SECOND, client_of, converse, leftovers
from tests.support.sounds import interleaved, recording, said_in, share_heard

AUDIO = {"language_code": "en-US", "media_sample_rate_hz": 16_000, "media_encoding": "pcm"}
SENTENCE = "sense_and_sensibility_0870"
OTHER = "sense_and_sensibility_0920"

CALL = ConfigurationEvent([ChannelDefinition(0, "CUSTOMER"), ChannelDefinition(1, "AGENT")])


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted") as running:
        yield running


# Call analytics


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """A call of two recordings through the real engine, with categories."""
    rules = tmp_path_factory.mktemp("rules") / "categories.json"
    rules.write_text(
        json.dumps(
            {
                "Help": ["to do for them", "nobody says that"],
                "Marriage": ["amiable woman"],
                "No": [],
            }
        ),
        "utf-8",
    )

    async def run() -> list[Any]:
        async with LocalTranscribe(categories=rules) as server, client_of(server) as client:
            stream = await client.start_call_analytics_stream_transcription(
                **AUDIO, configuration=CALL
            )
            return await converse(stream, interleaved(recording(SENTENCE)[0], recording(OTHER)[0]))

    return asyncio.run(run())


def test_a_call_s_participants_are_told_apart(call: list[Any]) -> None:
    for role, name in (("CUSTOMER", SENTENCE), ("AGENT", OTHER)):
        said = " ".join(
            event.transcript
            for event in call
            if isinstance(event, UtteranceEvent)
            and event.participant_role == role
            and not event.is_partial
        )
        assert share_heard(said, said_in(name)) >= 0.85


def test_utterances_have_the_service_s_shape(call: list[Any]) -> None:
    utterances = [event for event in call if isinstance(event, UtteranceEvent)]
    assert any(event.is_partial for event in utterances)
    for event in utterances:
        assert event.utterance_id
        assert event.sentiment is None  # no engine knows
        assert type(event.begin_offset_millis) is int
        assert type(event.end_offset_millis) is int
        assert 0 <= event.begin_offset_millis < event.end_offset_millis <= 7_200
        assert event.items
        assert event.items[0].item_type == "pronunciation"
        for item in event.items:
            assert item.begin_offset_millis is not None
            assert item.end_offset_millis is not None
            assert event.begin_offset_millis <= item.begin_offset_millis
            assert item.end_offset_millis <= event.end_offset_millis + 1


def test_categories_match_what_is_said(call: list[Any]) -> None:
    matched = [event for event in call if isinstance(event, CategoryEvent)]
    assert sorted(name for e in matched for name in e.matched_categories or ()) == [
        *("Help", "Marriage")
    ]
    for event in matched:
        before = call[call.index(event) - 1]
        assert isinstance(before, UtteranceEvent)
        for name in event.matched_categories or ():
            ranges = (event.matched_details or {})[name].timestamp_ranges
            assert ranges
            assert before.begin_offset_millis <= ranges[0].begin_offset_millis
            assert ranges[0].begin_offset_millis < ranges[0].end_offset_millis
            assert ranges[0].end_offset_millis <= before.end_offset_millis


async def test_categories_go_by_what_was_said_not_by_what_the_filter_leaves(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.txt"
    script.write_text("Close my account now.\n", "utf-8")
    seen: dict[str, Any] = {}
    async with (
        LocalTranscribe(
            "scripted",
            script=script,
            categories={"Cancellation": ["close my account"]},
            vocabulary_filters={"mine": ["my account"]},
        ) as server,
        client_of(server) as client,
    ):
        for method in ("remove", "mask", "tag", None):
            stream = await client.start_call_analytics_stream_transcription(
                **AUDIO,
                configuration=CALL,
                vocab_filter_name="mine" if method else None,
                vocab_filter_method=method,
            )
            events = await converse(stream, 8 * SECOND)
            finals = [e for e in events if isinstance(e, UtteranceEvent) and not e.is_partial]
            assert {e.transcript for e in finals} == {
                "remove": {"Close now."},
                "mask": {"Close *** *** now."},
            }.get(method or "", {"Close my account now."})
            seen[str(method)] = [event for event in events if isinstance(event, CategoryEvent)]
            assert len(seen[str(method)]) == len(finals) > 0
    assert all(matched == seen["None"] for matched in seen.values())


async def test_a_call_without_what_is_private() -> None:
    seen: dict[str, list[UtteranceEvent]] = {}
    async with LocalTranscribe(ScriptedEngine("My PIN is 4912 and nothing else.")) as server:
        async with client_of(server) as client:
            for way in ("content_identification_type", "content_redaction_type"):
                stream = await client.start_call_analytics_stream_transcription(
                    **AUDIO, configuration=CALL, **{way: "PII"}, pii_entity_types=["PIN"]
                )
                events = await converse(stream, 8 * SECOND)
                seen[way] = [event for event in events if isinstance(event, UtteranceEvent)]
    identified = [event for event in seen["content_identification_type"] if not event.is_partial]
    assert identified
    for event in identified:
        assert event.transcript == "My PIN is 4912 and nothing else."
        assert event.entities == [CallAnalyticsEntity(1200, 1600, "PII", "PIN", "4912")]
    redacted = seen["content_redaction_type"]
    assert {e.transcript for e in redacted if not e.is_partial} == {
        "My PIN is [PII] and nothing else."
    }
    assert any(event.is_partial for event in redacted)
    assert not any("4912" in str(event) for event in redacted)


async def test_a_call_without_channels_is_refused(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        stream = await client.start_call_analytics_stream_transcription(**AUDIO)
        with pytest.raises(BadRequestException, match="ChannelDefinitions"):
            await converse(stream, SECOND)


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        (ConfigurationEvent(), "ChannelDefinitions"),
        (
            ConfigurationEvent(
                CALL.channel_definitions,
                PostCallAnalyticsSettings("s3://bucket/calls", "arn:aws:iam::1:role/r"),
            ),
            "PostCallAnalyticsSettings is not supported by the local server",
        ),
    ],
)
async def test_a_call_s_configuration_is_refused_at_once(
    server: LocalTranscribe, configuration: ConfigurationEvent, says: str
) -> None:
    async with client_of(server) as client:
        stream = await client.start_call_analytics_stream_transcription(
            **AUDIO, configuration=configuration
        )
        with pytest.raises(BadRequestException, match=says):
            await anext(aiter(stream.output_stream))  # no audio was sent


# Medical


async def test_medical_transcription() -> None:
    async with LocalTranscribe() as server, client_of(server) as client:
        stream = await client.start_medical_stream_transcription(
            **AUDIO, specialty="CARDIOLOGY", type="DICTATION"
        )
        assert stream.response.specialty == "CARDIOLOGY"
        events = await converse(stream, recording(SENTENCE)[0])
    results = [result for event in events for result in event.transcript.results]
    text = " ".join(r.alternatives[0].transcript for r in results if not r.is_partial)
    assert share_heard(text, said_in(SENTENCE)) >= 0.85
    for result in results:
        assert result.alternatives[0].items
        assert result.start_time < result.end_time


async def test_medical_channels(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        stream = await client.start_medical_stream_transcription(
            **AUDIO,
            specialty="PRIMARYCARE",
            type="CONVERSATION",
            enable_channel_identification=True,
            number_of_channels=2,
        )
        events = await converse(stream, 6 * SECOND)
    results = [result for event in events for result in event.transcript.results]
    assert {result.channel_id for result in results} == {"ch_0", "ch_1"}
    assert max(result.end_time for result in results) <= 3.0


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"show_speaker_label": True}, "ShowSpeakerLabel"),
        ({"content_identification_type": "PHI"}, "ContentIdentificationType"),
        ({"vocabulary_name": "drugs"}, "VocabularyName.*'drugs'"),
    ],
)
async def test_what_no_engine_can_do_medically(
    server: LocalTranscribe, parameters: dict[str, Any], name: str
) -> None:
    async with client_of(server) as client:
        with pytest.raises(BadRequestException, match=name):
            await client.start_medical_stream_transcription(
                **AUDIO, specialty="UROLOGY", type="DICTATION", **parameters
            )


# Medical scribe


def scribing(**parameters: Any) -> MedicalScribeConfigurationEvent:
    return MedicalScribeConfigurationEvent(
        resource_access_role_arn="arn:aws:iam::123456789012:role/scribe",
        post_stream_analytics_settings=MedicalScribePostStreamAnalyticsSettings(
            ClinicalNoteGenerationSettings("notes-of-mine", "GIRPP")
        ),
        **parameters,
    )


async def details_of(
    client: TranscribeStreamingClient, session_id: str
) -> MedicalScribeStreamDetails:
    found = await client.get_medical_scribe_stream(session_id=session_id)
    assert found.medical_scribe_stream_details
    return found.medical_scribe_stream_details


async def test_a_scribe_s_session() -> None:
    begun = datetime.now(timezone.utc)
    names = {"names": ["dashwood"]}
    async with LocalTranscribe(vocabulary_filters=names) as server, client_of(server) as client:
        stream = await client.start_medical_scribe_stream(
            **AUDIO,
            configuration=scribing(
                channel_definitions=[
                    MedicalScribeChannelDefinition(0, "CLINICIAN"),
                    MedicalScribeChannelDefinition(1, "PATIENT"),
                ],
                vocabulary_filter_name="names",
                vocabulary_filter_method="tag",
            ),
        )
        session_id = stream.response.session_id
        assert (await details_of(client, session_id)).stream_status == "IN_PROGRESS"
        events = await converse(stream, interleaved(recording(SENTENCE)[0], recording(OTHER)[0]))
        details = await details_of(client, session_id.upper())
    segments = [event.transcript_segment for event in events]
    for channel, name in (("ch_0", SENTENCE), ("ch_1", OTHER)):
        own = [s for s in segments if s.channel_id == channel and not s.is_partial]
        assert share_heard(" ".join(s.content for s in own), said_in(name)) >= 0.85
    matches = [i.content for s in segments for i in s.items if i.vocabulary_filter_match]
    assert set(matches) == {"Dashwood"}
    assert details.session_id == session_id
    assert details.stream_status == "COMPLETED"
    assert details.stream_created_at
    assert details.stream_ended_at
    assert begun - timedelta(seconds=1) < details.stream_created_at < details.stream_ended_at
    assert details.resource_access_role_arn == "arn:aws:iam::123456789012:role/scribe"
    assert details.channel_definitions
    assert details.channel_definitions[1].participant_role == "PATIENT"
    assert details.medical_scribe_context_provided is False
    assert details.post_stream_analytics_result
    notes = details.post_stream_analytics_result.clinical_note_generation_result
    assert notes
    assert (notes.status, notes.clinical_note_output_location) == ("FAILED", None)
    assert notes.failure_reason == "The local server writes no clinical notes."


async def test_a_session_that_is_left_is_paused_and_goes_on(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        session_id = str(uuid.uuid4())
        async with await client.start_medical_scribe_stream(
            **AUDIO, session_id=session_id, configuration=scribing()
        ) as stream:
            await stream.input_stream.send_audio_event(audio_chunk=SECOND[:20_000])
            async for _ in stream.output_stream:
                break
        while (paused := await details_of(client, session_id)).stream_status == "IN_PROGRESS":
            await asyncio.sleep(0.01)
        assert paused.stream_status == "PAUSED"
        assert paused.post_stream_analytics_result is None
        again = await client.start_medical_scribe_stream(
            **AUDIO, session_id=session_id, configuration=scribing()
        )
        assert (await details_of(client, session_id)).stream_status == "IN_PROGRESS"
        await converse(again, SECOND)
        ended = await details_of(client, session_id)
    assert ended.stream_status == "COMPLETED"
    assert ended.stream_created_at == paused.stream_created_at


async def test_a_session_that_failed(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        stream = await client.start_medical_scribe_stream(
            **AUDIO,
            configuration=scribing(
                vocabulary_filter_name="unknown", vocabulary_filter_method="mask"
            ),
        )
        with pytest.raises(BadRequestException, match="VocabularyFilterName: .*'unknown'"):
            await anext(aiter(stream.output_stream))  # no audio was sent
        details = await details_of(client, stream.response.session_id)
    assert details.stream_status == "FAILED"


@pytest.mark.parametrize("transport", ["websocket", None])
async def test_every_operation_by_either_face(
    server: LocalTranscribe, transport: str | None
) -> None:
    client = client_of(
        server,
        **({"transport": transport} if transport else {}),
    )
    async with client:
        for stream in (
            await client.start_stream_transcription(**AUDIO),
            await client.start_medical_stream_transcription(
                **AUDIO, specialty="ONCOLOGY", type="DICTATION"
            ),
            await client.start_call_analytics_stream_transcription(**AUDIO, configuration=CALL),
            await client.start_medical_scribe_stream(**AUDIO, configuration=scribing()),
        ):
            assert "This is" in str(await converse(stream, 4 * SECOND))
        details = await details_of(client, stream.response.session_id)
    assert details.stream_status == "COMPLETED"


async def test_a_session_that_never_was(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        with pytest.raises(ResourceNotFoundException):
            await client.get_medical_scribe_stream(session_id=str(uuid.uuid4()))


# Sessions and limits


async def test_a_second_stream_takes_the_session_over(server: LocalTranscribe) -> None:
    session_id = str(uuid.uuid4())
    async with client_of(server) as client:
        first = await client.start_stream_transcription(**AUDIO, session_id=session_id)
        await first.input_stream.send_audio_event(audio_chunk=SECOND)
        await anext(aiter(first.output_stream))
        second = await client.start_stream_transcription(**AUDIO, session_id=session_id.upper())
        with pytest.raises(ConflictException, match="same session ID"):
            async for _ in first.output_stream:
                pass
        assert await converse(second, SECOND)
        third = await client.start_stream_transcription(**AUDIO, session_id=session_id)
        assert await converse(third, SECOND)


async def test_closing_the_server_while_a_session_is_taken_over() -> None:
    session_id = str(uuid.uuid4())
    async with LocalTranscribe("scripted") as server:
        client = client_of(server)
        for _ in range(3):
            await client.start_stream_transcription(**AUDIO, session_id=session_id)
    await client.close()
    assert leftovers() == []


async def test_more_streams_than_there_may_be() -> None:
    session_id = str(uuid.uuid4())
    async with LocalTranscribe("scripted", max_streams=2) as server, client_of(server) as client:
        first = await client.start_stream_transcription(**AUDIO, session_id=session_id)
        second = await client.start_stream_transcription(**AUDIO)
        with pytest.raises(LimitExceededException, match="2 concurrent streams") as refused:
            await client.start_stream_transcription(**AUDIO)
        assert refused.value.status_code == 429
        again = await client.start_stream_transcription(**AUDIO, session_id=session_id)
        with pytest.raises(ConflictException):
            await converse(first, SECOND)
        await converse(second, SECOND)
        third = await client.start_stream_transcription(**AUDIO)
        await converse(again, SECOND)
        await converse(third, SECOND)


async def test_a_session_is_resumed_within_its_window(server: LocalTranscribe) -> None:
    session_id = str(uuid.uuid4())
    async with client_of(server) as client:
        for _ in range(3):
            stream = await client.start_stream_transcription(
                **AUDIO, session_id=session_id, session_resume_window=5
            )
            assert stream.response.session_resume_window == 5
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
            assert await anext(aiter(stream.output_stream))
            await stream.close()


# What it cannot do

ENGINE = ScriptedEngine()
ANYTHING = {**AUDIO, "specialty": "UROLOGY", "type": "DICTATION"}


def shapes() -> Iterator[type[Struct]]:
    """All that a stream may ask for: the requests and the configurations."""
    for operation in OPERATIONS.values():
        if operation.result_stream is not None:
            yield operation.request
            yield from (
                event.shape for event in operation.inputs if event.name != "SessionControlEvent"
            )


def asking(shape: type[Struct], **parameters: Any) -> Struct:
    """A request or a configuration with these members, and what it must have."""
    given = {**ANYTHING, "resource_access_role_arn": "arn", "post_stream_analytics_settings": {}}
    names = {member.name for member in members_of(shape)}
    return shape(**{n: v for n, v in given.items() if n in names} | parameters)


REFUSED = [
    (shape, member)
    for shape in shapes()
    for member in members_of(shape)
    if member.model_name not in HONOURED
]


@pytest.mark.parametrize(
    ("shape", "member"), REFUSED, ids=lambda of: getattr(of, "model_name", None) or of.__name__
)
def test_what_is_not_honoured_is_refused_by_name(shape: type[Struct], member: Member) -> None:
    assert check_parameters(asking(shape), ENGINE, {}, {}, lenient=False) == []
    asked = asking(shape, **{member.name: "value"})
    with pytest.raises(BadRequestException, match=f"^{member.model_name}(:| is not supported)"):
        check_parameters(asked, ENGINE, {}, {}, lenient=False)
    assert check_parameters(asked, ENGINE, {}, {}, lenient=True) == [member.model_name]
    for nothing in (None, False):
        asked = asking(shape, **{member.name: nothing})
        assert check_parameters(asked, ENGINE, {}, {}, lenient=False) == []


def test_what_is_honoured_is_of_the_model() -> None:
    assert {member.model_name for shape in shapes() for member in members_of(shape)} > HONOURED


class NextYear(StartStreamTranscriptionRequest, kw_only=True):
    mood: str | None = None


def test_next_year_s_parameter_is_refused_without_a_line_of_code() -> None:
    with pytest.raises(BadRequestException, match="^Mood is not supported by the local server$"):
        check_parameters(asking(NextYear, mood="calm"), ENGINE, {}, {}, lenient=False)


class NextYearSettings(MedicalScribePostStreamAnalyticsSettings, kw_only=True):
    summary: dict[str, str] | None = None


class NextYearChannel(MedicalScribeChannelDefinition, kw_only=True):
    mood: bool | None = None


def next_year_s_session(summary: dict[str, str] | None) -> MedicalScribeConfigurationEvent:
    """A configuration with members that no model here has."""
    return MedicalScribeConfigurationEvent(
        resource_access_role_arn="arn:aws:iam::111122223333:role/scribe",
        post_stream_analytics_settings=NextYearSettings(
            ClinicalNoteGenerationSettings(output_bucket_name="notes"), summary=summary
        ),
        channel_definitions=[
            NextYearChannel(0, "CLINICIAN"),
            NextYearChannel(1, "PATIENT", mood=True),
        ],
    )


@pytest.mark.parametrize(
    ("summary", "name"),
    [
        ({"of": "all"}, "PostStreamAnalyticsSettings.Summary"),
        (None, "ChannelDefinitions.Mood"),
    ],
)
async def test_next_year_s_members_of_a_configuration_are_refused_by_name(
    summary: dict[str, str] | None, name: str, server: LocalTranscribe
) -> None:
    async with client_of(server) as client:
        stream = await client.start_medical_scribe_stream(
            **AUDIO, configuration=next_year_s_session(summary)
        )
        with pytest.raises(BadRequestException, match=f"^{name} is not supported by the local"):
            await converse(stream, SECOND)


async def test_next_year_s_members_are_passed_over_by_a_lenient_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with LocalTranscribe("scripted", lenient=True) as server, client_of(server) as client:
        for _ in range(2):
            stream = await client.start_medical_scribe_stream(
                **AUDIO, configuration=next_year_s_session({"of": "all"})
            )
            assert await converse(stream, SECOND)
    assert caplog.messages == [
        "ignoring unsupported parameters (lenient): PostStreamAnalyticsSettings.Summary,"
        " ChannelDefinitions.Mood"
    ]


def listed(heading: str) -> str:
    """A section of the documentation."""
    page = Path(__file__).parents[2] / "docs/topics/local-server.md"
    return page.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_documentation_lists_what_is_refused() -> None:
    names = re.findall("^- .*$", listed("Refused by name"), re.MULTILINE)
    assert sorted(re.findall("`([A-Za-z]+)`", " ".join(names))) == sorted(
        {member.model_name for _, member in REFUSED}
    )


REFUSED_ALWAYS: list[tuple[type[Struct], dict[str, Any]]] = [
    (StartStreamTranscriptionRequest, {"media_encoding": "g729"}),
    (
        StartStreamTranscriptionRequest,
        {"enable_channel_identification": True, "number_of_channels": 3},
    ),
    (StartStreamTranscriptionRequest, {"vocab_filter_name": "unknown"}),
    (StartStreamTranscriptionRequest, {"vocabulary_filter_names": ["unknown"]}),
]


def test_the_documentation_lists_what_a_lenient_server_refuses() -> None:
    names = []
    for shape, parameters in REFUSED_ALWAYS:
        with pytest.raises(BadRequestException) as refused:
            check_parameters(asking(shape, **parameters), ENGINE, {}, {}, lenient=True)
        names += re.findall("^[A-Za-z]+", refused.value.message)
    with pytest.raises(BadRequestException) as refused:
        event_mapper("StartCallAnalyticsStreamTranscription", None, Categories({}), None, None)
    names += re.findall("^[A-Za-z]+", refused.value.message)
    rows = re.findall("^- .*$", listed("Refused even by a lenient server"), re.MULTILINE)
    assert re.findall("`([A-Z][A-Za-z]+)`", " ".join(rows)) == names


@pytest.mark.parametrize("transport", [None, "websocket"])
async def test_headers_of_no_known_parameter_are_ignored_and_named_once(
    transport: str | None,
    server: LocalTranscribe,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_mood(*arguments: Any) -> list[tuple[str, str]]:
        return [*written(*arguments), (PREFIX + "mood", "calm")]

    written = rest_json._parameter_headers
    monkeypatch.setattr(rest_json, "_parameter_headers", with_mood)
    options = {"transport": transport} if transport else {}
    client = client_of(server, **options)
    async with client:
        for _ in range(2):
            assert await converse(await client.start_stream_transcription(**AUDIO), SECOND)
    assert caplog.messages == ["ignoring unknown parameters: 'x-amzn-transcribe-mood'"]


async def test_a_lenient_server_passes_over_what_it_cannot_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "amazon_transcribe.local")
    async with LocalTranscribe("scripted", lenient=True) as server, client_of(server) as client:
        for _ in range(2):
            stream = await client.start_stream_transcription(
                **{**AUDIO, "language_code": "de-DE"},
                show_speaker_label=True,
                vocabulary_name="mine",
                content_redaction_type="PII",
                pii_entity_types="NAME",
            )
            assert stream.response.show_speaker_label is True
            assert await converse(stream, SECOND)
        with pytest.raises(BadRequestException, match="VocabularyFilterName"):
            await client.start_stream_transcription(**AUDIO, vocab_filter_name="mine")
        with pytest.raises(BadRequestException, match="g729"):
            await client.start_stream_transcription(**{**AUDIO, "media_encoding": "g729"})
    assert caplog.messages == [
        "ignoring unsupported parameters (lenient): LanguageCode, VocabularyName,"
        " ShowSpeakerLabel, PiiEntityTypes"
    ]


# Files


@pytest.mark.parametrize("rules", [b"{", b"[]", b'{"A": "b"}', b'{"A": [1]}', b"\xff"])
async def test_rules_that_are_none(tmp_path: Path, rules: bytes) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(rules)
    with pytest.raises(ValidationException, match="rules.json: not a file of category rules"):
        await LocalTranscribe("scripted", categories=path).start()


async def test_files_that_are_not_there(tmp_path: Path) -> None:
    for file in (tmp_path / "a", str(tmp_path / "a")):
        for options in (
            {"categories": file},
            {"vocabulary_filters": {"f": file}},
            {"script": file},
        ):
            with pytest.raises(FileNotFoundError):
                await LocalTranscribe("scripted", **options).start()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a b", "a" * 201, "ä"])
def test_a_filter_s_name(name: str) -> None:
    with pytest.raises(ValidationException, match="vocabulary filter's name"):
        LocalTranscribe("scripted", vocabulary_filters={name: ["word"]})
