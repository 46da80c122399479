"""Sixteen sessions recorded from AWS's JavaScript SDK: their signatures are right.

The sessions carry four operations over HTTP/2 and WebSocket, with and without temporary
credentials.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from amazon_transcribe._protocol.constants import WEBSOCKET
from amazon_transcribe._protocol.server_session import RequestRefused, ServerSession
from amazon_transcribe._wire.event_signing import EventChain
from amazon_transcribe._wire.sigv4 import Authorization, PresignedQuery
from amazon_transcribe.eventstream import EventStreamDecoder, EventStreamMessage
from amazon_transcribe.local.service.operations import OPERATIONS

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSIONS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "captured-js.json").read_text("utf-8")
)

# What each operation's session says, event by event, before the empty one that ends it.
EVENTS = {
    "StartStreamTranscription": ["AudioEvent", "AudioEvent"],
    "StartMedicalStreamTranscription": ["AudioEvent", "AudioEvent"],
    "StartCallAnalyticsStreamTranscription": ["ConfigurationEvent", "AudioEvent"],
    "StartMedicalScribeStream": ["SessionControlEvent"],
}


class Captured:
    """A recorded session, whatever carried it."""

    def __init__(self, session: dict) -> None:
        self.operation = session["op"]
        self.websocket = session["transport"] == "ws"
        if self.websocket:
            self.method = "GET"
            _, _, host, target = session["url"].split("/", 3)
            self.target = "/" + target
            self.headers = [("host", host)]
            self.body = bytes.fromhex("".join(session["frames"]))
            stamp = PresignedQuery.parse(self.query).stamp
        else:
            self.method = session["headers"][":method"]
            self.target = session["headers"][":path"]
            self.headers = list(session["headers"].items())
            self.body = bytes.fromhex(session["body_hex"])
            stamp = session["headers"]["x-amz-date"]
        made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        self.made = made.timestamp()
        self.has_token = "security-token" in f"{self.target}{self.headers}".lower()

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def signature(self) -> Authorization | PresignedQuery:
        if self.websocket:
            return PresignedQuery.parse(self.query)
        return Authorization.parse(dict(self.headers)["authorization"])

    def matches(self, secret: str) -> bool:
        return self.signature.matches(
            secret_access_key=secret,
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.headers,
        )

    def messages(self) -> list[EventStreamMessage]:
        decoder = EventStreamDecoder()
        messages = decoder.feed(self.body)
        decoder.close()
        return messages

    def __str__(self) -> str:
        token = "-token" if self.has_token else ""
        return f"{'websocket' if self.websocket else 'http2'}-{self.operation}{token}"


CAPTURED = [Captured(session) for session in SESSIONS]
each_session = pytest.mark.parametrize("session", CAPTURED, ids=str)


def test_every_operation_is_there_over_both_transports_with_and_without_a_token():
    assert len(CAPTURED) == len({str(session) for session in CAPTURED}) == 16


@each_session
def test_request_signature_is_right(session):
    assert session.signature.access_key_id == KEY
    assert session.matches(SECRET)
    assert not session.matches(SECRET + "x")


@each_session
def test_every_event_signature_continues_the_chain(session):
    signature = session.signature
    chain = EventChain(
        SECRET,
        signature.scope.region,
        signature.scope.service,
        signature.signature,
        lambda: session.made,
    )
    messages = session.messages()
    inner = EventStreamDecoder()
    assert [chain.verify(message) for message in messages] == [True] * len(messages)
    events = [event for message in messages for event in inner.feed(message.payload)]
    assert [event.headers[":event-type"] for event in events] == EVENTS[session.operation]
    assert messages[-1].payload == b""


@each_session
def test_chain_seeded_with_another_request_is_refused(session):
    signature = session.signature
    chain = EventChain(
        SECRET, signature.scope.region, signature.scope.service, bytes(32), lambda: session.made
    )
    assert not chain.verify(session.messages()[0])


# The sessions that a server session can take by itself.
SERVED = [s for s in CAPTURED if s.path.removesuffix(WEBSOCKET) in OPERATIONS]
each_served = pytest.mark.parametrize("session", SERVED, ids=str)


def answer(session: Captured, *, secret: str = SECRET, key: str = KEY, late: float = 0):
    """The server session after the recorded request, and its refusal."""
    server = ServerSession({key: secret}, OPERATIONS, clock=lambda: session.made + late)
    try:
        server.receive_request(session.method, session.target, session.headers)
    except RequestRefused as refusal:
        return server, refusal
    return server, None


@each_served
def test_server_session_takes_the_recorded_signature(session):
    server, refusal = answer(session)
    if session.operation == "StartStreamTranscription":
        # The recorded vocabulary name is none that the service model allows. That the
        # name is what is refused shows that the signature, checked before, was right.
        assert (refusal.status, refusal.name) == (400, "BadRequestException")
        assert "VocabularyName" in refusal.message
        assert "my vocab/1" in refusal.message
    else:
        assert refusal is None
    # The recorded bytes arrive in pieces, as they may.
    for at in range(0, len(session.body), 100):
        server.receive(session.body[at : at + 100])
    assert server.input_ended
    server.receive_end()


@each_served
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"secret": "another"}, "InvalidSignatureException"),
        ({"key": "AKIDOTHER"}, "UnrecognizedClientException"),
        ({"late": 301}, "InvalidSignatureException"),
        ({"late": -301}, "InvalidSignatureException"),
    ],
    ids=["secret", "key", "late", "early"],
)
def test_server_session_refuses_what_is_not_signed_for_it(session, change, name):
    _, refusal = answer(session, **change)
    assert (refusal.status, refusal.name) == (403, name)
