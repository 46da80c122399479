"""The conformance vectors of signed events, on both twins and through `EventSigner`."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from amazon_transcribe._wire.sigv4 import signing_key
from amazon_transcribe.eventstream import EventSigner, EventStreamMessageSerializer

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "signing.jsonl")
    .read_text("utf-8")
    .splitlines()
]
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])


def payload_of(vector: dict) -> bytes:
    if vector["payload_zeros"] is not None:
        return bytes(vector["payload_zeros"])
    return base64.b64decode(vector["payload_b64"])


@each_vector
def test_signed_event_vector(signing_codec, vector):
    head = b"\n".join(vector["string_to_sign"].encode().split(b"\n")[:3]) + b"\n"
    key = signing_key(
        vector["secret_key"],
        head.split(b"\n")[2].split(b"/")[0].decode(),
        vector["region"],
        vector["service"],
    )
    chain = signing_codec.SignatureChain(
        bytes.fromhex(vector["prior_signature"]),
        lambda: Fraction(vector["date_header_ms"], 1000),
        lambda second: (head, key),
        b"",
    )
    event = chain.wrap(payload_of(vector))
    assert chain.prior.hex() == vector["signature"]
    assert hashlib.sha256(event).hexdigest() == vector["signed_message_sha256"]
    if vector["signed_message_b64"]:
        assert event == base64.b64decode(vector["signed_message_b64"])


@each_vector
def test_event_signer_vector(vector):
    now = datetime.datetime.fromisoformat(vector["date_iso"])
    signer = EventSigner(vector["service"], vector["region"], utc_now=lambda: now)
    payload = payload_of(vector)
    headers = signer.sign(
        payload,
        bytes.fromhex(vector["prior_signature"]),
        SimpleNamespace(secret_access_key=vector["secret_key"]),
    )
    assert headers[":date"] == now
    assert headers[":chunk-signature"].hex() == vector["signature"]
    event = EventStreamMessageSerializer().serialize(headers, payload)
    assert hashlib.sha256(event).hexdigest() == vector["signed_message_sha256"]


def test_the_key_rolls_over_at_midnight_in_utc():
    vector = next(v for v in VECTORS if v["chain"] == "midnight-roll")
    utc = datetime.datetime.fromisoformat(vector["date_iso"])
    elsewhere = utc.astimezone(datetime.timezone(datetime.timedelta(hours=9)))
    signer = EventSigner(vector["service"], vector["region"], utc_now=lambda: elsewhere)
    headers = signer.sign(
        payload_of(vector),
        bytes.fromhex(vector["prior_signature"]),
        SimpleNamespace(secret_access_key=vector["secret_key"]),
    )
    assert headers[":chunk-signature"].hex() == vector["signature"]
