"""Signatures of requests and events: equal to those of other signers, all others refused."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import botocore.auth
import pytest
from awscrt import auth as crt_auth
from awscrt.http import HttpHeaders, HttpRequest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe._wire.event_signing import EventChain
from amazon_transcribe._wire.sigv4 import (
    EMPTY_HASH,
    EVENT_STREAM_HASH,
    Authorization,
    PresignedQuery,
    authorization,
    presigned_query,
    signing_key,
    timestamp,
)
from amazon_transcribe.eventstream import (
    EventStreamDecoder,
    EventStreamMessage,
    decode_message,
    encode_message,
)

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
SERVICE = "transcribe"
NOW = datetime(2026, 11, 22, 12, 23, 52, 250_000, timezone.utc)
VECTORS = Path(__file__).parents[2] / "vectors" / "signing.jsonl"

texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
query_texts = st.text(max_size=8).map(lambda text: quote(text, safe=""))
queries = st.lists(st.tuples(query_texts.filter(bool), query_texts), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
header_fields = st.lists(
    st.tuples(st.from_regex("x-amzn-transcribe-[a-c]", fullmatch=True), texts), max_size=5
)
tokens = st.none() | texts


def crt_signed(method, target, headers, token=None, *, body=EVENT_STREAM_HASH, expires=None):
    """Return the request as awscrt's signer signs it."""
    request = HttpRequest(method, target, HttpHeaders(headers))
    query = expires is not None
    kinds, places = crt_auth.AwsSignatureType, crt_auth.AwsSignedBodyHeaderType
    config = crt_auth.AwsSigningConfig(
        algorithm=crt_auth.AwsSigningAlgorithm.V4,
        signature_type=kinds.HTTP_REQUEST_QUERY_PARAMS if query else kinds.HTTP_REQUEST_HEADERS,
        credentials_provider=crt_auth.AwsCredentialsProvider.new_static(KEY, SECRET, token),
        region=REGION,
        service=SERVICE,
        date=NOW,
        use_double_uri_encode=True,
        should_normalize_uri_path=False,
        signed_body_value=body,
        signed_body_header_type=(
            places.X_AMZ_CONTENT_SHA_256 if body == EVENT_STREAM_HASH else places.NONE
        ),
        expiration_in_seconds=expires,
    )
    crt_auth.aws_sign_request(request, config).result(10)
    return request


def our_authorization(method, target, headers, payload_hash):
    path, _, query = target.partition("?")
    return authorization(
        method=method,
        path=path,
        query=query,
        headers=headers,
        payload_hash=payload_hash,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region=REGION,
        service=SERVICE,
    )


def accepted(method, target, headers, secret=SECRET):
    """Return True if a server with this secret accepts the request."""
    path, _, query = target.partition("?")
    fields = {name.lower(): value for name, value in headers}
    parsed = Authorization.parse(fields["authorization"])
    assert parsed.access_key_id == KEY
    return parsed.matches(
        secret_access_key=secret, method=method, path=path, query=query, headers=headers
    )


def presigned(query, token=None, expires=300, path="/ws"):
    return presigned_query(
        method="GET",
        path=path,
        query=query,
        headers=[("host", "localhost:8443")],
        stamp=timestamp(NOW),
        expires=expires,
        access_key_id=KEY,
        secret_access_key=SECRET,
        session_token=token,
        region=REGION,
        service=SERVICE,
    )


def presigned_accepted(query, secret=SECRET, host="localhost:8443", path="/ws"):
    return PresignedQuery.parse(query).matches(
        secret_access_key=secret, method="GET", path=path, query=query, headers=[("host", host)]
    )


# Requests


@settings(deadline=None)  # the machine may be busy
@given(header_fields, queries, tokens, st.sampled_from([EVENT_STREAM_HASH, EMPTY_HASH]))
def test_request_signature_equals_awscrts(fields, query, token, body):
    target = f"/stream-transcription?{query}" if query else "/stream-transcription"
    request = crt_signed("POST", target, [("host", "localhost"), *fields], token, body=body)
    sent = list(request.headers)
    theirs = next(value for name, value in sent if name == "Authorization")
    signed = [(name, value) for name, value in sent if name != "Authorization"]
    ours, signature = our_authorization("POST", target, signed, body)
    assert ours == theirs
    assert theirs.endswith(signature.hex())
    assert accepted("POST", target, sent)


@pytest.mark.parametrize("path", ["/", "/stream-transcription", "/scribe/a%20b", "/a~b/%C3%A9"])
def test_path_is_encoded_as_awscrt_does(path):
    assert accepted("GET", path, list(crt_signed("GET", path, [("host", "localhost")]).headers))


def test_request_signature_equals_botocores():
    request = AWSRequest(
        "POST",
        "https://localhost:8443/stream-transcription",
        headers={
            "Content-Type": "application/vnd.amazon.eventstream",
            "x-amzn-transcribe-language-code": "en-US",
            "x-amzn-transcribe-vocabulary-name": "two  spaces",
        },
        data=b"",
    )
    botocore.auth.SigV4Auth(Credentials(KEY, SECRET, "TOKEN/+="), SERVICE, REGION).add_auth(request)
    sent = [("host", "localhost:8443"), *request.headers.items()]
    theirs = request.headers["Authorization"]
    signed = [(name, value) for name, value in sent if name != "Authorization"]
    ours, _ = our_authorization("POST", "/stream-transcription", signed, EMPTY_HASH)
    assert ours == theirs
    assert accepted("POST", "/stream-transcription", sent)


def signed_request():
    """Return the headers of a request as the client makes them."""
    headers = [
        ("host", "localhost"),
        ("x-amz-content-sha256", EVENT_STREAM_HASH),
        ("x-amz-date", timestamp(NOW)),
        ("x-amzn-transcribe-language-code", "en-US"),
    ]
    value, _ = our_authorization("POST", "/stream-transcription", headers, EVENT_STREAM_HASH)
    return [*headers, ("authorization", value)]


@pytest.mark.parametrize("name", [name for name, _ in signed_request()])
def test_changed_header_is_refused(name):
    assert accepted("POST", "/stream-transcription", signed_request())
    headers = {**dict(signed_request())}
    value = headers[name]
    headers[name] = value[:-1] + ("0" if value[-1] != "0" else "1")
    assert not accepted("POST", "/stream-transcription", list(headers.items()))


@pytest.mark.parametrize(
    ("method", "target", "secret"),
    [
        ("GET", "/stream-transcription", SECRET),
        ("POST", "/medical-stream-transcription", SECRET),
        ("POST", "/stream-transcription?a=b", SECRET),
        ("POST", "/stream-transcription", SECRET + "x"),
    ],
)
def test_other_request_or_secret_is_refused(method, target, secret):
    assert not accepted(method, target, signed_request(), secret)


def test_scope_of_another_day_is_refused():
    headers = dict(signed_request())
    headers["authorization"] = headers["authorization"].replace("/20261122/", "/20261121/")
    assert not accepted("POST", "/stream-transcription", list(headers.items()))


def test_request_without_a_date_is_refused():
    headers = [pair for pair in signed_request() if pair[0] != "x-amz-date"]
    assert not accepted("POST", "/stream-transcription", headers)


GOOD = (
    f"AWS4-HMAC-SHA256 Credential={KEY}/20261122/{REGION}/{SERVICE}/aws4_request,"
    f" SignedHeaders=host;x-amz-date, Signature={64 * 'a'}"
)


def test_authorization_is_taken_apart():
    parsed = Authorization.parse(GOOD)
    assert parsed.access_key_id == KEY
    assert str(parsed.scope) == f"20261122/{REGION}/{SERVICE}/aws4_request"
    assert parsed.signed_headers == ("host", "x-amz-date")
    assert parsed.signature == bytes([0xAA]) * 32


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", "algorithm"),
        ("Signature=", "Sign=", "Signature is missing"),
        ("SignedHeaders=", "Headers=", "SignedHeaders is missing"),
        ("Credential=", "Key=", "Credential is missing"),
        ("aws4_request", "aws3_request", "Credential is not"),
        ("/20261122/", "/2026112/", "Credential is not"),
        (f"/{REGION}/", "/", "Credential is not"),
        ("host;", "", "neither host"),
        ("aaaa", "aaa", "Signature is not 64"),
        ("aaaa", "aa a", "Signature is not 64"),
        ("aaaa", "zzzz", "Signature is not 64"),
    ],
)
def test_malformed_authorization_says_what_is_wrong(old, new, reason):
    with pytest.raises(ValueError, match=reason):
        Authorization.parse(GOOD.replace(old, new, 1))


def test_signing_key_is_the_documented_one():
    # The example of AWS's "Signature Version 4 signing process" page.
    key = signing_key(SECRET, "20120215", "us-east-1", "iam")
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


# Presigned URLs


@settings(deadline=None)
@given(queries, tokens, st.integers(1, 300))
def test_presigned_signature_equals_awscrts(query, token, expires):
    target = f"/ws?{query}" if query else "/ws"
    headers = [("host", "localhost:8443")]
    theirs = crt_signed("GET", target, headers, token, body=None, expires=expires)
    _, signature = presigned(query, token, expires)
    their_query = theirs.path.partition("?")[2]
    assert PresignedQuery.parse(their_query).signature == signature
    assert presigned_accepted(their_query)


def test_presigned_query_of_botocore_is_accepted():
    request = AWSRequest("GET", "https://localhost:8443/ws?language-code=en-US&type=a%20b%2Fc")
    credentials = Credentials(KEY, SECRET, "TOKEN/+=")
    botocore.auth.SigV4QueryAuth(credentials, SERVICE, REGION, 300).add_auth(request)
    query = request.prepare().url.partition("?")[2]
    assert PresignedQuery.parse(query).expires == 300
    assert presigned_accepted(query)


@settings(deadline=None)
@given(queries, tokens, st.integers(1, 300))
def test_presigned_query_is_accepted_by_our_own_server(query, token, expires):
    presigned_text, signature = presigned(query, token, expires)
    assert presigned_text.startswith(query)
    parsed = PresignedQuery.parse(presigned_text)
    assert parsed.access_key_id == KEY
    assert parsed.stamp == timestamp(NOW)
    assert parsed.expires == expires
    assert parsed.signature == signature
    assert presigned_accepted(presigned_text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("language-code=en-US", "language-code=en-GB"),
        ("language-code", "languagecode"),
        ("X-Amz-Expires=300", "X-Amz-Expires=301"),
        ("T122352Z", "T122353Z"),
        ("X-Amz-Security-Token=TOKEN", "X-Amz-Security-Token=TOKEM"),
        ("&X-Amz-Security-Token=TOKEN", ""),
        ("us-east-1", "us-east-2"),
    ],
)
def test_changed_presigned_query_is_refused(old, new):
    query, _ = presigned("language-code=en-US", "TOKEN")
    assert old in query
    assert presigned_accepted(query)
    assert not presigned_accepted(query.replace(old, new))


def test_presigned_query_is_refused_with_another_secret_host_or_path():
    query, _ = presigned("language-code=en-US")
    assert not presigned_accepted(query, secret="other")
    assert not presigned_accepted(query, host="localhost")
    assert not presigned_accepted(query, path="/elsewhere")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=X", "X-Amz-Algorithm is not"),
        ("X-Amz-Algorithm", "Algorithm", "X-Amz-Algorithm is missing"),
        ("X-Amz-Credential", "Credential", "X-Amz-Credential is missing"),
        ("X-Amz-Date", "Date", "X-Amz-Date is missing"),
        ("X-Amz-Expires=300", "X-Amz-Expires=soon", "X-Amz-Expires is not"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", "neither host"),
        ("X-Amz-Signature=", "X-Amz-Signature=0", "Signature is not 64"),
        ("X-Amz-Date=", "X-Amz-Date=20200101T000000Z&X-Amz-Date=", "X-Amz-Date is given twice"),
    ],
)
def test_malformed_presigned_query_says_what_is_wrong(old, new, reason):
    query, _ = presigned("language-code=en-US")
    with pytest.raises(ValueError, match=reason):
        PresignedQuery.parse(query.replace(old, new))


def test_query_without_a_signature_is_not_presigned():
    with pytest.raises(ValueError, match="X-Amz-Algorithm is missing"):
        PresignedQuery.parse("language-code=en-US&flag")


# Events

PRIOR = bytes(range(32))


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now.timestamp()


def chain(clock=None, *, secret=SECRET, prior=PRIOR, region=REGION, service=SERVICE):
    return EventChain(secret, region, service, prior, clock or Clock())


def vector_chains():
    vectors = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]
    return [pytest.param(list(of), id=name) for name, of in groupby(vectors, lambda v: v["chain"])]


@pytest.mark.parametrize("vectors", vector_chains())
def test_chain_gives_the_vectors_and_accepts_them(vectors):
    clock = Clock()
    ends = [
        chain(
            clock,
            secret=vectors[0]["secret_key"],
            prior=bytes.fromhex(vectors[0]["prior_signature"]),
            region=vectors[0]["region"],
            service=vectors[0]["service"],
        )
        for _ in range(2)
    ]
    signer, verifier = ends
    for vector in vectors:
        clock.now = datetime.fromisoformat(vector["date_iso"])
        zeros = vector["payload_zeros"]
        payload = base64.b64decode(vector["payload_b64"]) if zeros is None else bytes(zeros)
        frame = signer.end() if vector["end_frame"] else signer.wrap(payload)
        assert hashlib.sha256(frame).hexdigest() == vector["signed_message_sha256"]
        assert signer.prior.hex() == vector["signature"]
        assert verifier.verify(decode_message(frame))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["audio", "message", "end"]), st.binary(max_size=300)),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(0, 90_000_000), min_size=8, max_size=8),
)
def test_what_one_end_signs_the_other_accepts(events, pauses):
    clock = Clock()
    signer, verifier = chain(clock), chain(clock)
    decoder = EventStreamDecoder()
    for (kind, data), milliseconds in zip(events, pauses, strict=False):
        clock.now += timedelta(milliseconds=milliseconds)
        if kind == "audio":
            frame = signer.audio_event(data)
        elif kind == "message":
            frame = signer.wrap(encode_message({":message-type": "event"}, data))
        else:
            frame = signer.end()
        (message,) = decoder.feed(frame)
        assert verifier.verify(message)
        assert verifier.prior == signer.prior
        if kind == "audio":
            assert decode_message(message.payload).payload == data
    decoder.close()


def parts(message: EventStreamMessage) -> tuple[dict, bytes]:
    return dict(message.headers), message.payload


@settings(deadline=None)
@given(st.binary(max_size=200), st.data())
def test_any_changed_byte_is_detected(audio, data):
    headers, payload = parts(decode_message(chain().audio_event(audio)))
    what = data.draw(st.sampled_from(["payload", ":chunk-signature", ":date"]))
    target = {
        "payload": payload,
        ":chunk-signature": headers[":chunk-signature"],
        ":date": headers[":date"].to_bytes(8, "big"),
    }[what]
    at = data.draw(st.integers(0, len(target) - 1))
    changed = bytearray(target)
    changed[at] ^= data.draw(st.integers(1, 255))
    if what == "payload":
        payload = bytes(changed)
    elif what == ":date":
        headers[":date"] = int.from_bytes(changed, "big", signed=True)
    else:
        headers[what] = bytes(changed)
    verifier = chain()
    assert not verifier.verify(EventStreamMessage(None, headers, payload, 0))
    assert verifier.prior == PRIOR


def test_lost_repeated_or_swapped_event_is_detected():
    signer = chain()
    first, second, third = (decode_message(signer.audio_event(bytes([n]))) for n in range(3))
    verifier = chain()
    assert not verifier.verify(second)
    assert verifier.verify(first)
    assert not verifier.verify(first)
    assert not verifier.verify(third)
    assert verifier.verify(second)
    assert verifier.verify(third)


@pytest.mark.parametrize(
    "other",
    [
        {"secret": "other"},
        {"prior": bytes(32)},
        {"region": "us-east-2"},
        {"service": "polly"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_chain_is_detected(other):
    assert not chain(**other).verify(decode_message(chain().audio_event(b"audio")))


@pytest.mark.parametrize(
    "change",
    [
        {":date": None},
        {":date": "2026-11-22"},
        {":date": True},
        {":chunk-signature": None},
        {":chunk-signature": 64 * "a"},
        {":chunk-signature": b""},
    ],
    ids=str,
)
def test_event_without_its_two_headers_is_no_signed_event(change):
    headers, payload = parts(decode_message(chain().audio_event(b"audio")))
    headers = {name: value for name, value in {**headers, **change}.items() if value is not None}
    assert not chain().verify(EventStreamMessage(None, headers, payload, 0))
