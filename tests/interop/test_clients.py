"""Every official SDK against `serve`: the words, an exception event, refusals."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import pytest

from tests.interop.harness import CLIENTS, RECORDING, Client, Server, Task, drive
from tests.sounds import interleaved, recording

each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


def error_of(outcome: dict[str, Any]) -> dict[str, Any]:
    assert outcome["finals"] == []
    error: dict[str, Any] = outcome["error"]
    return error


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
    return told and error["message"].startswith(message)


MODEL = "com.amazonaws.transcribestreaming#"


@each_client
def test_recording_is_transcribed(client: Client, server: Server, expected: list[str]):
    outcome = drive(client, server, Task(server.tls, audio=str(RECORDING)))
    assert outcome == {"finals": expected, "error": None}


@pytest.mark.parametrize(
    "client", [c for c in CLIENTS if c.plaintext], ids=lambda client: client.name
)
def test_recording_is_transcribed_without_tls(client, server, expected):
    outcome = drive(client, server, Task(server.plaintext, audio=str(RECORDING)))
    assert outcome == {"finals": expected, "error": None}


@pytest.mark.parametrize(
    "client", [c for c in CLIENTS if c.name == "javascript"], ids=lambda client: client.name
)
def test_two_channels_and_a_filter(client: Client, server: Server, tmp_path: Path):
    pair = [recording(f"sense_and_sensibility_{number}")[0] for number in ("0870", "0920")]
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(interleaved(*pair))
    for method, name, word in (
        ("mask", "*** ", "*** "),
        ("remove", "", ""),
        ("tag", "Dashwood ", "amiable "),
    ):
        parameters = {
            "EnableChannelIdentification": True,
            "NumberOfChannels": 2,
            "VocabularyFilterName": "names",
            "VocabularyFilterMethod": method,
        }
        outcome = drive(client, server, Task(server.tls, audio=str(path), parameters=parameters))
        assert outcome["error"] is None
        first, second = sorted(outcome["finals"])
        assert first.startswith(f"ch_0: And Mr. John {name}had then leisure")
        assert second.startswith(f"ch_1: Had he married a more {word}woman")


@each_client
def test_oversized_chunk_ends_the_stream_with_an_exception_event(client, server):
    error = error_of(drive(client, server, Task(server.tls, chunk=40_000)))
    assert error["class"] == "BadRequestException"
    assert error["message"] == (
        "Your stream is too big. Reduce the frame size and try your request again."
    )


@each_client
def test_unknown_key_is_refused(client, server):
    error = error_of(drive(client, server, Task(server.tls, key="AKIDOTHER")))
    assert is_unmodelled(
        error,
        client,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ), error


@each_client
def test_wrong_secret_is_refused(client, server):
    error = error_of(drive(client, server, Task(server.tls, secret="another")))
    assert is_unmodelled(error, client, "InvalidSignatureException", "The request signature"), error


@each_client
def test_unsupported_language_is_refused(client, server):
    error = error_of(drive(client, server, Task(server.tls, language="de-DE")))
    assert error["class"] == "BadRequestException"
    assert "LanguageCode" in error["message"]
    assert "de-DE" in error["message"]


@each_client
def test_wrong_sample_rate_is_refused(client, server):
    error = error_of(drive(client, server, Task(server.tls, sample_rate=4000)))
    assert error["class"] == "BadRequestException"
    assert "MediaSampleRateHertz" in error["message"]
    assert "4000" in error["message"]
