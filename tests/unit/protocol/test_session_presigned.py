"""The session over WebSocket: a presigned URL, and frames that need no signature."""

from __future__ import annotations

from typing import Any

import pytest

from amazon_transcribe._protocol.client_session import ClientSession
from amazon_transcribe._protocol.rest_json import write_request
from amazon_transcribe._protocol.server_session import RequestRefused, ServerSession
from amazon_transcribe.auth import Credentials
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import BadRequestException
from amazon_transcribe.local.service.operations import OPERATIONS
from amazon_transcribe.transcription import (
    START_STREAM_TRANSCRIPTION,
    StartStreamTranscriptionRequest,
)

SECRETS = {"AKIDEXAMPLE": "secret"}
HOST = [("host", "localhost:8443")]
NOW = 1_548_726_977.25


def client_of(key: str = "AKIDEXAMPLE", token: str | None = None, **more: Any) -> ClientSession:
    request = StartStreamTranscriptionRequest(
        language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm", **more
    )
    return ClientSession(
        START_STREAM_TRANSCRIPTION,
        write_request(START_STREAM_TRANSCRIPTION, request),
        Credentials(key, "secret", token),
        region="us-east-1",
        authority="localhost:8443",
        clock=lambda: NOW,
    )


def server_of(late: float = 0) -> ServerSession:
    return ServerSession(SECRETS, OPERATIONS, clock=lambda: NOW + late)


def refusal(target: str, method: str = "GET", late: float = 0) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        server_of(late).receive_request(method, target, HOST)
    return refused.value


def audio_event(payload: bytes) -> bytes:
    return encode_message({":message-type": "event", ":event-type": "AudioEvent"}, payload)


@pytest.mark.parametrize("token", [None, "a/token+with=marks"])
def test_a_whole_conversation(token: str | None) -> None:
    client, server = client_of(token=token, vocabulary_names=["a", "b"]), server_of()
    request = server.receive_request("GET", client.presigned(), HOST)
    assert request.language_code == "en-US"
    assert request.vocabulary_names == ["a", "b"]
    assert server.receive(client.send_audio(b"audio")) == [b"audio"]
    assert server.receive(client.end()) == []
    assert server.input_ended


def test_response_repeats_the_request_and_has_a_session_id() -> None:
    client, server = client_of(), server_of()
    server.receive_request("GET", client.presigned(), HOST)
    response = client.receive_response({"x-amzn-request-id": "the-request"}, None)
    assert response.session_id == server.session_id
    assert response.request_id == "the-request"
    assert response.media_sample_rate_hz == 16000


def test_a_given_session_id_is_kept() -> None:
    given = "11111111-2222-3333-4444-555555555555"
    client = client_of(session_id=given)
    assert f"session-id={given}" in client.presigned()
    assert client.receive_response({}, None).session_id == given


def test_bare_events_are_taken_over_websocket_only() -> None:
    bare = server_of()
    bare.receive_request("GET", client_of().presigned(), HOST)
    assert bare.receive(audio_event(b"audio")) == [b"audio"]
    assert bare.receive(audio_event(b"")) == [b""]
    assert bare.input_ended

    signed = server_of()
    signed.receive_request("POST", "/stream-transcription", client_of().headers())
    with pytest.raises(BadRequestException, match="signature"):
        signed.receive(audio_event(b"audio"))


def test_a_wrong_signature_is_refused_over_websocket_too() -> None:
    server = server_of()
    client = client_of()
    server.receive_request("GET", client.presigned(), HOST)
    client.send_audio(b"lost")
    with pytest.raises(BadRequestException, match="signature"):
        server.receive(client.send_audio(b"next"))


@pytest.mark.parametrize(
    ("late", "name"),
    [(299, None), (301, "InvalidSignatureException"), (-301, "InvalidSignatureException")],
)
def test_the_url_expires(late: float, name: str | None) -> None:
    target = client_of().presigned()
    if name is None:
        server_of(late).receive_request("GET", target, HOST)
    else:
        assert (refusal(target, late=late).status, refusal(target, late=late).name) == (403, name)


def test_a_url_is_good_for_its_host_only() -> None:
    target = client_of().presigned()
    with pytest.raises(RequestRefused) as caught:
        server_of().receive_request("GET", target, [("host", "evil.example")])
    assert caught.value.name == "InvalidSignatureException"
    unsigned = target.replace("SignedHeaders=host", "SignedHeaders=accept")
    assert refusal(unsigned).name == "IncompleteSignatureException"


def test_the_events_of_one_stream_are_worth_nothing_on_another() -> None:
    client, server = client_of(), server_of()
    target = client.presigned()
    server.receive_request("GET", target, HOST)
    event = client.send_audio(b"audio")
    assert server.receive(event) == [b"audio"]
    with pytest.raises(BadRequestException, match="signature"):
        server.receive(event)
    again = client_of(session_id="1d4a0b4a-5f3c-4d8e-9a57-0c1a3f0f4a11")
    other = server_of()
    other.receive_request("GET", again.presigned(), HOST)
    with pytest.raises(BadRequestException, match="signature"):
        other.receive(event)


def test_refusals() -> None:
    target = client_of().presigned()
    path, _, query = target.partition("?")
    assert refusal(target, "POST").status == 405
    assert refusal("/other-websocket?" + query).status == 404
    assert refusal(path).name == "MissingAuthenticationTokenException"
    assert refusal(target.replace("en-US", "en-GB")).name == "InvalidSignatureException"
    assert refusal(client_of("AKIDWHO").presigned()).name == "UnrecognizedClientException"
    assert (
        refusal(target.replace("Expires=300", "Expires=301")).name == "IncompleteSignatureException"
    )
    assert refusal(target + "&X-Amz-Date=20200101T000000Z").name == "IncompleteSignatureException"
    assert refusal("/stream-transcription?" + query, "POST").status == 403
