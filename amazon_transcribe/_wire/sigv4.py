"""AWS Signature Version 4 of requests, in their headers or in a presigned URL.

The client signs and the server verifies with the same code. Times are passed in; nothing
here reads a clock. The hashes and the HMAC are the standard library's.

Rules: AWS "Signature Version 4 signing process". `event_signing` has the signatures of the
events inside a stream.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
EVENT_STREAM_HASH = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
EMPTY_HASH = sha256(b"").hexdigest()
Headers = Sequence[tuple[str, str]]

_CREDENTIAL, _DATE, _EXPIRES = "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires"
_SIGNED_HEADERS, _SIGNATURE = "X-Amz-SignedHeaders", "X-Amz-Signature"
# One that occurs twice is refused: one value could be checked and the other one used.
_PRESIGNED = {"X-Amz-Algorithm", _CREDENTIAL, _DATE, _EXPIRES, _SIGNED_HEADERS, _SIGNATURE}


class Scope(NamedTuple):
    """The day (`YYYYMMDD`), region and service that a signature is valid for."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@lru_cache(maxsize=128)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """Derive the key that signs one day's requests and events.

    :param date: The UTC day as `YYYYMMDD`.
    :returns: 32 bytes.
    """
    key = ("AWS4" + secret_access_key).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def timestamp(now: datetime) -> str:
    """Format a time for SigV4: `YYYYMMDDTHHMMSSZ`, in UTC, fractions of a second cut off."""
    return now.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def read_timestamp(text: str) -> datetime:
    """Read a time as SigV4 writes it.

    :raises ValueError: for any other text.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:20]!r} is not a time of the form YYYYMMDDTHHMMSSZ")
    year, month, day, hour, minute, second = map(int, found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


_TIMESTAMP = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")


def authorization(
    *,
    method: str,
    path: str,
    query: str,
    headers: Headers,
    payload_hash: str,
    access_key_id: str,
    secret_access_key: str,
    region: str,
    service: str,
) -> tuple[str, bytes]:
    """Sign a request in its headers.

    :param headers: The headers to sign, all of them; `host` and `x-amz-date` are required.
    :param payload_hash: `EVENT_STREAM_HASH` for a stream, else the body's SHA-256 in hex.
    :returns: The value of the `Authorization` header, and the signature's 32 bytes,
        which is the prior signature of the stream's first event.
    """
    signed = sorted({name.lower() for name, _ in headers})
    stamp = next(value for name, value in headers if name.lower() == "x-amz-date")
    scope = Scope(stamp[:8], region, service)
    signature = _signature(
        secret_access_key,
        stamp,
        scope,
        _canonical_request(method, path, query, headers, signed, payload_hash),
    )
    value = (
        f"{ALGORITHM} Credential={access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature.hex()}"
    )
    return value, signature


def presigned_query(
    *,
    method: str,
    path: str,
    query: str,
    headers: Headers,
    stamp: str,
    expires: int,
    access_key_id: str,
    secret_access_key: str,
    session_token: str | None,
    region: str,
    service: str,
) -> tuple[str, bytes]:
    """Sign a request in its query, for clients that cannot set headers.

    :param query: The parameters of the request itself, percent-encoded, without `?`.
    :param headers: The headers to sign: `host`, as it will be sent.
    :param stamp: The time, as `timestamp` writes it.
    :param expires: How long the URL is valid, in seconds.
    :returns: The whole query, and the signature's 32 bytes, which is the prior
        signature of the stream's first event.
    """
    scope = Scope(stamp[:8], region, service)
    signed = sorted({name.lower() for name, _ in headers})
    fields = {
        "X-Amz-Algorithm": ALGORITHM,
        _CREDENTIAL: f"{access_key_id}/{scope}",
        _DATE: stamp,
        _EXPIRES: str(expires),
        _SIGNED_HEADERS: ";".join(signed),
    }
    if session_token:
        fields["X-Amz-Security-Token"] = session_token
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    query = f"{query}&{added}" if query else added
    canonical = _canonical_request(method, path, query, headers, signed, EMPTY_HASH)
    signature = _signature(secret_access_key, stamp, scope, canonical)
    return f"{query}&{_SIGNATURE}={signature.hex()}", signature


class Authorization(NamedTuple):
    """The parts of an `Authorization` header."""

    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: bytes

    @classmethod
    def parse(cls, value: str) -> Authorization:
        """Parse the header's value.

        :raises ValueError: If it is not a SigV4 authorization.
        """
        algorithm, _, rest = value.partition(" ")
        if algorithm != ALGORITHM:
            raise ValueError(f"the algorithm is not {ALGORITHM}")
        fields: dict[str, str] = {}
        for part in rest.split(","):
            name, _, content = part.strip().partition("=")
            fields[name] = content
        try:
            return cls(
                *_parse_credential(fields["Credential"]),
                _parse_signed_headers(fields["SignedHeaders"]),
                _parse_signature(fields["Signature"]),
            )
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from None

    def matches(
        self, *, secret_access_key: str, method: str, path: str, query: str, headers: Headers
    ) -> bool:
        """Check the signature against the request that carries it.

        The payload hash is that of `x-amz-content-sha256`; a client that sends no such
        header has signed an empty payload.
        """
        given = {name.lower(): value for name, value in headers}
        payload_hash = given.get("x-amz-content-sha256", EMPTY_HASH)
        canonical = _canonical_request(
            method, path, query, headers, self.signed_headers, payload_hash
        )
        stamp = given.get("x-amz-date", "")
        expected = _signature(secret_access_key, stamp, self.scope, canonical)
        return stamp[:8] == self.scope.date and hmac.compare_digest(expected, self.signature)


class PresignedQuery(NamedTuple):
    """The parts of a presigned URL's signature."""

    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: bytes
    stamp: str
    expires: int

    @classmethod
    def parse(cls, query: str) -> PresignedQuery:
        """Read the signature's parameters from the query as sent.

        :raises ValueError: If the query is not presigned, or a parameter is missing.
        """
        fields: dict[str, str] = {}
        for part in query.split("&"):
            name, _, value = map(unquote, part.partition("="))
            if name in _PRESIGNED and name in fields:
                raise ValueError(f"{name} is given twice")
            fields[name] = value
        try:
            if fields["X-Amz-Algorithm"] != ALGORITHM:
                raise ValueError(f"X-Amz-Algorithm is not {ALGORITHM}")
            if not re.fullmatch("[0-9]{1,6}", fields[_EXPIRES]):
                raise ValueError(f"{_EXPIRES} is not a number of seconds up to 999999")
            return cls(
                *_parse_credential(fields[_CREDENTIAL]),
                _parse_signed_headers(fields[_SIGNED_HEADERS]),
                _parse_signature(fields[_SIGNATURE]),
                fields[_DATE],
                int(fields[_EXPIRES]),
            )
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from None

    def matches(
        self, *, secret_access_key: str, method: str, path: str, query: str, headers: Headers
    ) -> bool:
        """Check the signature against the request that carries it.

        :param query: The query as sent, with this signature in it.
        """
        unsigned = "&".join(
            part for part in query.split("&") if unquote(part.partition("=")[0]) != _SIGNATURE
        )
        canonical = _canonical_request(
            method, path, unsigned, headers, self.signed_headers, EMPTY_HASH
        )
        expected = _signature(secret_access_key, self.stamp, self.scope, canonical)
        return self.stamp[:8] == self.scope.date and hmac.compare_digest(expected, self.signature)


def _canonical_request(
    method: str,
    path: str,
    query: str,
    headers: Headers,
    signed: Iterable[str],
    payload_hash: str,
) -> str:
    """Write the request in the canonical form that both sides hash.

    :param path: The path as sent, already percent-encoded; it is encoded once more, as
        every service but S3 requires.
    :param query: The query as sent, without `?` and without the signature itself.
    :param signed: The names of the signed headers, in lower case and in order.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = [f"{name}:{','.join(values.get(name, ()))}\n" for name in signed]
    return "\n".join(
        (
            method,
            quote(path, safe="/-_.~") or "/",
            _canonical_query(query),
            "".join(lines),
            ";".join(signed),
            payload_hash,
        )
    )


def _canonical_query(query: str) -> str:
    """Sort the parameters by name and value, in SigV4's own percent-encoding."""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = [[quote(unquote_to_bytes(text), safe="") for text in pair] for pair in pairs]
    return "&".join([f"{name}={value}" for name, value in sorted(encoded)])


def _signature(secret_access_key: str, stamp: str, scope: Scope, canonical: str) -> bytes:
    string_to_sign = "\n".join(
        (ALGORITHM, stamp, str(scope), sha256(canonical.encode()).hexdigest())
    )
    return hmac.digest(signing_key(secret_access_key, *scope), string_to_sign.encode(), "sha256")


def _parse_credential(text: str) -> tuple[str, Scope]:
    key, *scope = text.rsplit("/", 4)
    if len(scope) != 4 or scope[3] != "aws4_request" or not re.fullmatch("[0-9]{8}", scope[0]):
        raise ValueError("Credential is not KEY/YYYYMMDD/REGION/SERVICE/aws4_request")
    return key, Scope(*scope[:3])


def _parse_signed_headers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(";"))
    if not {"host", ":authority"}.intersection(names):
        raise ValueError("SignedHeaders has neither host nor :authority")
    return names


def _parse_signature(text: str) -> bytes:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("Signature is not 64 hexadecimal digits")
    return bytes.fromhex(text)
