"""Every official SDK against `serve`: the words, an exception event, refusals, each operation."""

from __future__ import annotations

import sys
import uuid
import wave
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.interop.harness import AUDIO, CLIENTS, RECORDING, Client, Outcome, Server, Task, drive
from tests.support.sounds import interleaved, recording


def each_client(able: str | None = None) -> pytest.MarkDecorator:
    """A case for every client, or for those that are able to do it."""
    able_ones = [client for client in CLIENTS if able is None or able in client.can]
    return pytest.mark.parametrize("client", able_ones, ids=lambda client: client.name)


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording on each of two channels."""
    pair = [recording(f"sense_and_sensibility_{number}")[0] for number in ("0870", "0920")]
    path = tmp_path_factory.mktemp("call") / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(interleaved(*pair))
    return path


FIRST = "And Mr. John Dashwood had then leisure"
SPEAKERS = {"ShowSpeakerLabel": True}
SECOND = "Had he married a more amiable woman"


@each_client()
def test_recording_is_transcribed(client: Client, server: Server, expected: list[str]):
    outcome = drive(client, server, Task(audio=str(RECORDING)))
    assert outcome.error is None
    assert outcome.finals == expected


@each_client(able="plaintext")
def test_recording_is_transcribed_without_tls(client, server, expected):
    outcome = drive(client, server, Task(audio=str(RECORDING)), plaintext=True)
    assert outcome.error is None
    assert outcome.finals == expected


@each_client()
def test_two_channels_with_words_removed_masked_and_tagged(client, server, call):
    for method, name, word in (
        ("remove", "", ""),
        ("mask", "*** ", "*** "),
        ("tag", "Dashwood ", "amiable "),
    ):
        parameters = AUDIO | {
            "EnableChannelIdentification": True,
            "NumberOfChannels": 2,
            "VocabularyFilterName": "names",
            "VocabularyFilterMethod": method,
        }
        outcome = drive(client, server, Task(parameters=parameters, audio=str(call)))
        assert outcome.error is None
        first, second = sorted(outcome.finals)
        assert first.startswith("ch_0: " + FIRST.replace("Dashwood ", name))
        assert second.startswith("ch_1: " + SECOND.replace("amiable ", word))


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers, one after the other."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        for name in ("sense_and_sensibility_0920", "goforward"):
            file.writeframes(recording(name)[0] + bytes(32_000))
    return path


def speakers_of(outcome: Outcome) -> list[str]:
    """The speakers of the final results' words, each time another one speaks."""
    results = [r for e in outcome.told("TranscriptEvent") for r in e["Transcript"]["Results"]]
    items = [i for r in results if not r["IsPartial"] for i in r["Alternatives"][0]["Items"]]
    return [speaker for speaker, _ in groupby(item["Speaker"] for item in items)]


@each_client()
def test_speakers_are_labelled(client, server, talk):
    outcome = drive(client, server, Task(parameters=AUDIO | SPEAKERS, audio=str(talk)))
    assert outcome.error is None
    assert speakers_of(outcome) == ["0", "1"]


@each_client(able="medical")
def test_speakers_are_labelled_medically(client, server, talk):
    parameters = AUDIO | SPEAKERS | {"Specialty": "PRIMARYCARE", "Type": "CONVERSATION"}
    task = Task("StartMedicalStreamTranscription", parameters, audio=str(talk))
    outcome = drive(client, server, task)
    assert outcome.error is None
    assert speakers_of(outcome) == ["0", "1"]


@pytest.mark.parametrize(
    "client",
    # Over WebSocket it dials one port, which two servers have on Linux only.
    [client for client in CLIENTS if not client.websocket or sys.platform == "linux"],
    ids=lambda client: client.name,
)
def test_personal_information_is_redacted(client, private_server):
    parameters = AUDIO | {"ContentRedactionType": "PII"}
    outcome = drive(client, private_server, Task(parameters=parameters, audio=str(RECORDING)))
    assert outcome.error is None
    assert outcome.finals == ["My PIN is [PII]."]
    last = outcome.told("TranscriptEvent")[-1]["Transcript"]["Results"][0]["Alternatives"][0]
    assert [item["Content"] for item in last["Items"]] == ["My", "PIN", "is", "[PII]", "."]
    (entity,) = last["Entities"]
    assert (entity["Category"], entity["Type"], entity["Content"]) == ("PII", "PIN", "[PII]")


@each_client(able="call analytics")
def test_call_analytics_with_categories(client, server, call):
    channels = [
        {"ChannelId": 0, "ParticipantRole": "CUSTOMER"},
        {"ChannelId": 1, "ParticipantRole": "AGENT"},
    ]
    task = Task(
        "StartCallAnalyticsStreamTranscription",
        before=[{"ConfigurationEvent": {"ChannelDefinitions": channels}}],
        audio=str(call),
    )
    outcome = drive(client, server, task)
    assert outcome.error is None
    said = {u["ParticipantRole"]: u for u in outcome.told("UtteranceEvent") if not u["IsPartial"]}
    assert said["CUSTOMER"]["Transcript"].startswith(FIRST)
    assert said["AGENT"]["Transcript"].startswith(SECOND)
    (category,) = outcome.told("CategoryEvent")
    assert category["MatchedCategories"] == ["Marriage"]
    (found,) = category["MatchedDetails"]["Marriage"]["TimestampRanges"]
    spoken = said["AGENT"]
    assert spoken["BeginOffsetMillis"] < found["BeginOffsetMillis"]
    assert found["EndOffsetMillis"] <= spoken["EndOffsetMillis"]


@each_client(able="medical")
def test_medical_stream(client, server, expected):
    parameters = AUDIO | {"Specialty": "PRIMARYCARE", "Type": "DICTATION"}
    task = Task("StartMedicalStreamTranscription", parameters, audio=str(RECORDING))
    outcome = drive(client, server, task)
    assert outcome.error is None
    assert outcome.finals == expected


@each_client(able="scribe")
def test_medical_scribe_session_and_what_is_known_of_it(client, server, call):
    session = {"SessionId": str(uuid.uuid4())}
    role = "arn:aws:iam::123456789012:role/scribe"
    configuration = {
        "ResourceAccessRoleArn": role,
        "ChannelDefinitions": [
            {"ChannelId": 0, "ParticipantRole": "PATIENT"},
            {"ChannelId": 1, "ParticipantRole": "CLINICIAN"},
        ],
        "PostStreamAnalyticsSettings": {
            "ClinicalNoteGenerationSettings": {"OutputBucketName": "notes"}
        },
    }
    task = Task(
        "StartMedicalScribeStream",
        AUDIO | session,
        before=[{"ConfigurationEvent": configuration}],
        after=[{"SessionControlEvent": {"Type": "END_OF_SESSION"}}],
        audio=str(call),
    )
    outcome = drive(client, server, task)
    assert outcome.error is None
    segments = [event["TranscriptSegment"] for event in outcome.told("TranscriptEvent")]
    said = {s["ChannelId"]: s["Content"] for s in segments if not s["IsPartial"]}
    assert said["ch_0"].startswith(FIRST)
    assert said["ch_1"].startswith(SECOND)

    outcome = drive(client, server, Task("GetMedicalScribeStream", session))
    assert outcome.error is None
    (details,) = outcome.told("MedicalScribeStreamDetails")
    assert details["SessionId"] == session["SessionId"]
    assert details["StreamStatus"] == "COMPLETED"
    assert details["ResourceAccessRoleArn"] == role
    assert details["ChannelDefinitions"] == configuration["ChannelDefinitions"]


def error_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.finals == []
    assert outcome.error is not None
    return outcome.error


MODEL = "com.amazonaws.transcribestreaming#"


def is_unmodelled(error: dict[str, Any], client: Client, name: str, message: str) -> bool:
    """Whether a client tells an exception that the service model does not have."""
    if client.name == "original":
        told = error["class"] == "UnknownServiceException" and error["code"] == name
    elif client.name == "aws-sdk":
        # It keeps the name only, inside a text of its own.
        return error["class"] == "CallError" and error["message"].endswith(
            f"403 - id: {MODEL}{name}"
        )
    else:
        told = error["class"] == name
    return told and message in error["message"]


@each_client()
def test_oversized_chunk_ends_the_stream_with_an_exception_event(client, server):
    error = error_of(drive(client, server, Task(chunk=40_000)))
    assert error["class"] == "BadRequestException"
    assert error["message"] == (
        "Your stream is too big. Reduce the frame size and try your request again."
    )


@each_client()
def test_unknown_key_is_refused(client, server):
    error = error_of(drive(client, server, Task(key="AKIDOTHER")))
    assert is_unmodelled(
        error,
        client,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ), error


@each_client()
def test_wrong_secret_is_refused(client, server):
    error = error_of(drive(client, server, Task(secret="another")))
    assert is_unmodelled(error, client, "InvalidSignatureException", "The request signature"), error


@each_client()
def test_unsupported_language_is_refused(client, server):
    error = error_of(drive(client, server, Task(parameters=AUDIO | {"LanguageCode": "de-DE"})))
    assert error["class"] == "BadRequestException"
    assert "LanguageCode" in error["message"]
    assert "de-DE" in error["message"]


@each_client()
def test_wrong_sample_rate_is_refused(client, server):
    parameters = AUDIO | {"MediaSampleRateHertz": 4000}
    error = error_of(drive(client, server, Task(parameters=parameters)))
    assert error["class"] == "BadRequestException"
    assert "MediaSampleRateHertz" in error["message"]
    assert "4000" in error["message"]
