"""A client session and a server session joined in memory: a conversation without a socket."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe._protocol.client_session import ClientSession
from amazon_transcribe._protocol.rest_json import write_request
from amazon_transcribe._protocol.server_session import RequestRefused, ServerSession
from amazon_transcribe.auth import Credentials, StaticCredentialResolver
from amazon_transcribe.eventstream import EventSigner, encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConflictException,
    InvalidParameterException,
    ParserError,
    SDKError,
    StreamClosedException,
    TruncatedStreamException,
)
from amazon_transcribe.local.service.operations import OPERATIONS
from amazon_transcribe.model import AudioStream
from amazon_transcribe.transcription import (
    START_STREAM_TRANSCRIPTION,
    Alternative,
    Item,
    Result,
    StartStreamTranscriptionRequest,
    Transcript,
    TranscriptEvent,
)

SECRETS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
EVENT = TranscriptEvent(
    Transcript(
        [Result("id", 0.0, 1.0, False, [Alternative("Hi.", [Item(0.0, 1.0, content="Hi")])])]
    )
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_548_726_977.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client_of(clock: Clock, *, token: str | None = None, **parameters: Any) -> ClientSession:
    request = StartStreamTranscriptionRequest(
        **{
            "language_code": "en-US",
            "media_sample_rate_hz": 16000,
            "media_encoding": "pcm",
            **parameters,
        }
    )
    credentials = Credentials(*next(iter(SECRETS.items())), token)
    return ClientSession(
        START_STREAM_TRANSCRIPTION,
        write_request(START_STREAM_TRANSCRIPTION, request),
        credentials,
        region="us-east-1",
        authority="localhost:8080",
        clock=clock,
    )


def joined(clock: Clock, **parameters: Any) -> tuple[ClientSession, ServerSession]:
    client, server = client_of(clock, **parameters), ServerSession(SECRETS, OPERATIONS, clock=clock)
    server.receive_request("POST", "/stream-transcription", client.headers())
    return client, server


def test_a_whole_conversation(clock: Clock) -> None:
    client, server = joined(clock, show_speaker_label=True)
    response = client.receive_response(dict(server.response_headers()), None)
    assert response.session_id == server.session_id
    assert response.request_id == server.request_id
    assert response.show_speaker_label is True
    for chunk in (b"abcd", bytearray(b"ef"), memoryview(b"gh")):
        clock.now += 0.1
        assert server.receive(client.send_audio(chunk)) == [bytes(chunk)]
    assert client.receive(server.send_event(EVENT)) == [EVENT]
    assert not server.input_ended
    assert server.receive(client.end()) == []
    assert server.input_ended
    server.receive_end()
    assert client.receive_end() is None
    assert client.audio_bytes_sent == 8


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 97), min_size=1, max_size=20),
)
def test_any_cutting_of_the_bytes_gives_the_same_audio(
    chunks: list[bytes], cuts: list[int]
) -> None:
    client, server = joined(Clock())
    data = b"".join([*map(client.send_audio, chunks), client.end()])
    received, position = [], 0
    while position < len(data):
        size = cuts[position % len(cuts)]
        received += server.receive(data[position : position + size])
        position += size
    assert received == chunks
    assert server.input_ended


def test_the_chain_rolls_over_at_midnight(clock: Clock) -> None:
    clock.now = 1_548_806_399.9  # 2019-01-29T23:59:59.9Z
    client, server = joined(clock)
    assert server.receive(client.send_audio(b"before")) == [b"before"]
    clock.now += 0.2
    assert server.receive(client.send_audio(b"after")) == [b"after"]
    assert server.receive(client.end()) == []


def test_an_empty_chunk_ends_the_input_and_an_end_after_it_is_harmless(clock: Clock) -> None:
    client, server = joined(clock)
    assert server.receive(client.send_audio(b"")) == [b""]
    assert server.input_ended
    assert client.ended
    assert server.receive(client.end()) == []


def test_no_audio_after_the_end(clock: Clock) -> None:
    client, _ = joined(clock)
    client.end()
    with pytest.raises(StreamClosedException):
        client.send_audio(b"late")


def test_server_refuses_audio_after_the_end(clock: Clock) -> None:
    client, server = joined(clock)
    frame = client.send_audio(b"")
    client.ended = False
    with pytest.raises(BadRequestException, match="after the end"):
        server.receive(frame + client.send_audio(b"late"))


def test_session_token_is_sent_and_signed(clock: Clock) -> None:
    client = client_of(clock, token="a token")
    headers = dict(client.headers())
    assert headers["x-amz-security-token"] == "a token"
    assert "x-amz-security-token" in headers["authorization"]
    ServerSession(SECRETS, OPERATIONS, clock=clock).receive_request(
        "POST", "/stream-transcription", list(headers.items())
    )


def test_an_empty_session_token_counts_as_none(clock: Clock) -> None:
    assert "x-amz-security-token" not in dict(client_of(clock, token="").headers())


def test_wrong_parameters_never_become_a_session(clock: Clock) -> None:
    with pytest.raises(InvalidParameterException):
        client_of(clock, media_encoding="mp3")


def refusal_of(
    clock: Clock, *changes: Any, method: str = "POST", path: str | None = None
) -> RequestRefused:
    headers = dict(client_of(clock).headers())
    for name, value in changes:
        headers.pop(name) if value is None else headers.__setitem__(name, value)
    with pytest.raises(RequestRefused) as refused:
        ServerSession(SECRETS, OPERATIONS, clock=clock).receive_request(
            method, path or "/stream-transcription", list(headers.items())
        )
    return refused.value


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        (("x-amzn-transcribe-sample-rate", "8000"), 403, "InvalidSignatureException"),
        (("host", "elsewhere"), 403, "InvalidSignatureException"),
        (("authorization", None), 403, "MissingAuthenticationTokenException"),
        (("authorization", "Basic abc"), 403, "IncompleteSignatureException"),
        (("authorization", "AWS4-HMAC-SHA256 Credential=a"), 403, "IncompleteSignatureException"),
        (
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=WHO/20190129/us-east-1/transcribe/aws4_request,"
                f" SignedHeaders=host, Signature={'0' * 64}",
            ),
            403,
            "UnrecognizedClientException",
        ),
    ],
)
def test_who_is_not_known_is_refused(
    clock: Clock, change: tuple[str, str | None], status: int, name: str
) -> None:
    refusal = refusal_of(clock, change)
    assert (refusal.status, refusal.name) == (status, name)


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("value", ["", "8000", None])  # None: once more what was signed
@pytest.mark.parametrize("name", [n for n, _ in client_of(Clock()).headers()[:-1]])
def test_a_signed_header_that_is_given_twice_does_not_pass(
    clock: Clock, name: str, value: str | None, is_before: bool
) -> None:
    headers = [*client_of(clock).headers()]
    again = (name, dict(headers)[name] if value is None else value)
    headers = [again, *headers] if is_before else [*headers, again]
    with pytest.raises(RequestRefused) as refused:
        ServerSession(SECRETS, OPERATIONS, clock=clock).receive_request(
            "POST", "/stream-transcription", headers
        )
    assert (refused.value.status, refused.value.name) == (403, "InvalidSignatureException")


def test_unknown_operations_and_methods(clock: Clock) -> None:
    assert refusal_of(clock, path="/nothing").status == 404
    assert refusal_of(clock, method="GET").status == 405


@pytest.mark.parametrize("later", [-301.0, 301.0])
def test_an_outdated_request_is_refused(clock: Clock, later: float) -> None:
    headers = client_of(clock).headers()
    clock.now += later
    with pytest.raises(RequestRefused, match="expired"):
        ServerSession(SECRETS, OPERATIONS, clock=clock).receive_request(
            "POST", "/stream-transcription", headers
        )


def test_a_signed_request_with_wrong_parameters_is_a_bad_request(clock: Clock) -> None:
    client = client_of(clock)
    client._parameters = [("x-amzn-transcribe-language-code", "xx")]
    with pytest.raises(RequestRefused, match="LanguageCode") as refused:
        ServerSession(SECRETS, OPERATIONS, clock=clock).receive_request(
            "POST", "/stream-transcription", client.headers()
        )
    assert (refused.value.status, refused.value.name) == (400, "BadRequestException")


def test_client_reads_a_refusal(clock: Clock) -> None:
    headers, body = refusal_of(clock, ("host", "elsewhere")).headers_and_body()
    error = client_of(clock).refusal(403, dict(headers), body)
    assert error.status_code == 403
    assert error.error_code == "InvalidSignatureException"  # type: ignore[attr-defined]
    assert "does not match" in error.message


@pytest.mark.parametrize(
    "errortype", ["ConflictException", "ns#ConflictException", "ConflictException:http://x/"]
)
def test_error_names_may_be_decorated(clock: Clock, errortype: str) -> None:
    error = client_of(clock).refusal(409, {"x-amzn-errortype": errortype}, b'{"Message":"why"}')
    assert isinstance(error, ConflictException)
    assert error.message == "why"


def test_a_refusal_without_name_and_body_tells_its_status(clock: Clock) -> None:
    assert "HTTP 502" in client_of(clock).refusal(502, {}, b"").message


@pytest.mark.parametrize("at", [40, 60, 120, -1])
def test_a_tampered_frame_ends_the_stream(clock: Clock, at: int) -> None:
    client, server = joined(clock)
    frame = bytearray(client.send_audio(b"abcdefgh"))
    frame[at] ^= 1
    with pytest.raises(BadRequestException):
        server.receive(frame)


def test_a_frame_out_of_the_chain_ends_the_stream(clock: Clock) -> None:
    client, server = joined(clock)
    client.send_audio(b"lost on the way")
    with pytest.raises(BadRequestException, match="signature"):
        server.receive(client.send_audio(b"abcd"))


def test_an_old_event_ends_the_stream(clock: Clock) -> None:
    client, server = joined(clock)
    frame = client.send_audio(b"abcd")
    clock.now += 301
    with pytest.raises(BadRequestException, match="expired"):
        server.receive(frame)


def test_an_unsigned_frame_ends_the_stream(clock: Clock) -> None:
    _, server = joined(clock)
    with pytest.raises(BadRequestException, match="signature"):
        server.receive(encode_message({":message-type": "event"}, b"audio"))


@pytest.mark.parametrize("size", [32_769, 300_000])
def test_an_oversized_frame_has_the_service_s_words(clock: Clock, size: int) -> None:
    client, server = joined(clock)
    with pytest.raises(BadRequestException) as refused:
        server.receive(client.send_audio(bytes(size)))
    assert refused.value.message == (
        "Your stream is too big. Reduce the frame size and try your request again."
    )


def test_an_unfinished_frame_at_the_end(clock: Clock) -> None:
    client, server = joined(clock)
    server.receive(client.send_audio(b"abcd")[:-1])
    with pytest.raises(BadRequestException, match="decode"):
        server.receive_end()


@given(st.binary(min_size=1, max_size=400))
def test_any_bytes_to_the_server_are_taken_or_refused(data: bytes) -> None:
    _, server = joined(Clock())
    try:
        server.receive(data)
        server.receive_end()
    except BadRequestException:
        pass


def test_events_before_an_exception_come_first(clock: Clock) -> None:
    client, server = joined(clock)
    data = server.send_event(EVENT) + server.send_exception(ConflictException("why"))
    first, last = client.receive(data + server.send_event(EVENT))
    assert first == EVENT
    assert isinstance(last, ConflictException)
    assert last.message == "why"
    assert client.receive(server.send_event(EVENT)) == []
    assert client.receive_end() is None


def test_bytes_that_are_no_event_stream_are_both_kinds_of_error(clock: Clock) -> None:
    client, server = joined(clock)
    first, fault = client.receive(server.send_event(EVENT) + b"\x00" * 16)
    assert first == EVENT
    assert isinstance(fault, SDKError)
    assert isinstance(fault, ParserError)


def test_a_truncated_stream_is_told(clock: Clock) -> None:
    client, server = joined(clock)
    client.receive(server.send_event(EVENT)[:-1])
    error = client.receive_end()
    assert isinstance(error, TruncatedStreamException)
    assert isinstance(error, ParserError)


async def test_both_ways_to_send_give_the_same_bytes(clock: Clock) -> None:
    """The client's own stream in one call, and `AudioStream` on a foreign input stream."""
    client = client_of(clock)
    authorization = dict(client.headers())["authorization"]
    secret = next(iter(SECRETS.values()))
    written: list[bytes] = []
    stream = AudioStream(
        input_stream=SimpleNamespace(write=written.append, end_stream=lambda: None),
        event_signer=EventSigner(
            "transcribe", "us-east-1", lambda: datetime.fromtimestamp(clock.now, timezone.utc)
        ),
        initial_signature=bytes.fromhex(authorization.rpartition("=")[2]),
        credential_resolver=StaticCredentialResolver("AKIDEXAMPLE", secret),
    )
    fused = []
    for chunk in (b"first", bytes(3200), b"x" * 32_768):
        clock.now += 0.125  # of no rounding
        fused.append(client.send_audio(chunk))
        await stream.send_audio_event(chunk)
    fused.append(client.end())
    await stream.end_stream()
    assert written == fused
