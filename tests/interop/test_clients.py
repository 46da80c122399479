"""Every official SDK against `serve`: the words, an exception event, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.harness import CLIENTS, RECORDING, Client, Server, Task, drive

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
