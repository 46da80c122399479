"""Both twins of the signature chain, the compiled one with either of its hashes."""

from __future__ import annotations

import hashlib
import hmac
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe._wire import _codec_py
from amazon_transcribe.exceptions import (
    HeaderBytesExceedMaxLength,
    InvalidHeaderValue,
    PayloadBytesExceedMaxLength,
)

PRIOR = bytes(range(32))
EVENT = {":message-type": "event", ":event-type": "AudioEvent"}
HEADERS = _codec_py.encode_headers(EVENT)


def head_and_key(second: int) -> tuple[bytes, bytes]:
    """A head and a key that no two seconds share; heads have many lengths."""
    return b"ALGORITHM\n%d\n" % second + b"s" * (second % 150), hashlib.sha256(
        b"%d" % second
    ).digest()


def expected_signature(prior: bytes, date: int, message: bytes, renew=head_and_key) -> bytes:
    """The definition, by the standard library alone."""
    head, key = renew(date // 1000)
    date_header = b"\x05:date\x08" + date.to_bytes(8, "big", signed=True)
    hashes = [prior, *(hashlib.sha256(data).digest() for data in (date_header, message))]
    return hmac.digest(key, head + b"\n".join(h.hex().encode() for h in hashes), "sha256")


def expected_frame(signature: bytes, date: int, message: bytes) -> bytes:
    block = b"\x05:date\x08" + date.to_bytes(8, "big", signed=True)
    block += b"\x10:chunk-signature\x06\x00\x20" + signature
    lengths = (16 + len(block) + len(message)).to_bytes(4, "big") + len(block).to_bytes(4, "big")
    frame = lengths + _codec_py.crc32(lengths).to_bytes(4, "big") + block + message
    return frame + _codec_py.crc32(frame).to_bytes(4, "big")


class Clock:
    """A clock that a test sets, in whole milliseconds; no float rounds them."""

    def __init__(self, milliseconds: int = 1548726977291) -> None:
        self.milliseconds = milliseconds

    def __call__(self) -> Fraction:
        return Fraction(self.milliseconds, 1000)


def new_chain(codec, clock=None, renew=head_and_key, prior=PRIOR, headers=HEADERS):
    return codec.SignatureChain(prior, clock or Clock(), renew, headers)


def test_a_signed_event_wraps_the_message(signing_codec):
    chain = new_chain(signing_codec)
    outer = signing_codec.decode_message(chain.audio_event(b"audio"))
    assert outer.headers == {":date": 1548726977291, ":chunk-signature": chain.prior}
    assert outer.payload == signing_codec.encode_message(EVENT, b"audio")


def test_the_end_is_signed_and_empty(signing_codec):
    frame = new_chain(signing_codec).end()
    assert frame[:12].hex() == "0000005300000043f5447a58"
    assert signing_codec.decode_message(frame).payload == b""


def test_audio_of_every_length_is_signed_as_defined(signing_codec):
    data = random.Random(5).randbytes(4096)
    clock = Clock()
    chain = new_chain(signing_codec, clock)
    prior = PRIOR
    for length in range(4097):
        clock.milliseconds += 217
        message = _codec_py.encode_message(EVENT, data[:length])
        frame = chain.audio_event(data[:length])
        prior = expected_signature(prior, clock.milliseconds, message)
        assert chain.prior == prior, length
        assert frame == expected_frame(prior, clock.milliseconds, message), length


kinds = st.sampled_from(["audio", "wrap", "end"])
dates = st.integers(-(2**63), 2**63 - 1) | st.integers(1548726977000, 1548726979000)


@settings(deadline=None)
@given(
    st.lists(st.tuples(kinds, st.binary(max_size=300), dates), min_size=1, max_size=8),
    st.binary(max_size=300),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=200),
)
def test_mixed_events_are_signed_as_defined(signing_codec, events, head, key, prior, headers):
    def renew(second):
        return head + b"%d" % second, key

    clock = Clock()
    chain = new_chain(signing_codec, clock, renew, prior, headers)
    for kind, data, date in events:
        clock.milliseconds = date
        if kind == "audio":
            frame = chain.audio_event(data)
            message = frame[79:-4]
            assert message[12 : 12 + len(headers)] == headers
            assert message[12 + len(headers) : -4] == data
            assert message[-4:] == _codec_py.crc32(message[:-4]).to_bytes(4, "big")
        elif kind == "wrap":
            frame, message = chain.wrap(data), data
        else:
            frame, message = chain.end(), b""
        prior = expected_signature(prior, date, message, renew)
        assert chain.prior == prior
        assert frame == expected_frame(prior, date, message)


@pytest.mark.parametrize("length", [100_000, 300_000, 2**24 - 16 - len(HEADERS)])
def test_large_audio_is_signed_as_defined(signing_codec, length):
    audio = random.Random(length).randbytes(length)
    message = _codec_py.encode_message(EVENT, audio)
    chain = new_chain(signing_codec)
    frame = chain.audio_event(audio)
    assert chain.prior == expected_signature(PRIOR, Clock().milliseconds, message)
    assert frame == expected_frame(chain.prior, Clock().milliseconds, message)


def test_a_signature_alone_leaves_the_chain(signing_codec):
    chain = new_chain(signing_codec)
    signature = chain.signature(1548726977291, b"message")
    assert signature == expected_signature(PRIOR, 1548726977291, b"message")
    assert chain.prior == PRIOR
    chain.wrap(b"message")
    assert chain.prior == signature
    chain.prior = PRIOR
    assert chain.signature(1548726977291, bytearray(b"message")) == signature


def test_head_and_key_are_asked_for_once_a_second(signing_codec):
    asked = []

    def renew(second):
        asked.append(second)
        return head_and_key(second)

    clock = Clock(-1)
    chain = new_chain(signing_codec, clock, renew)
    for milliseconds in (-1, -1000, 0, 999, 1000, 1001, 500):
        clock.milliseconds = milliseconds
        chain.end()
    assert asked == [-1, 0, 1, 0]


def test_the_time_is_cut_off_to_milliseconds(signing_codec):
    for now, milliseconds in ((1.9999, 1999), (7, 7000), (-0.0001, 0), (-1.0005, -1000)):
        frame = new_chain(signing_codec, lambda now=now: now).end()
        assert signing_codec.decode_message(frame).headers[":date"] == milliseconds


@pytest.mark.parametrize(
    "wrap", [bytes, bytearray, memoryview, lambda data: memoryview(bytes(1) + data)[1:]]
)
def test_audio_may_be_in_any_contiguous_buffer(signing_codec, wrap):
    assert new_chain(signing_codec).audio_event(wrap(b"audio")) == (
        new_chain(signing_codec).audio_event(b"audio")
    )


def test_audio_that_is_no_bytes_is_refused(signing_codec):
    chain = new_chain(signing_codec)
    for call in (chain.audio_event, chain.wrap, lambda chunk: chain.signature(0, chunk)):
        with pytest.raises(TypeError, match="a bytes-like object is required, not 'str'"):
            call("audio")
        with pytest.raises(TypeError, match="contiguous"):
            call(memoryview(b"audio")[::2])
    assert chain.prior == PRIOR


def test_what_fails_is_heard_and_leaves_the_chain(signing_codec):
    def broken(*_):
        raise LookupError("no key")

    for clock, renew in ((broken, head_and_key), (Clock(), broken)):
        chain = new_chain(signing_codec, clock, renew)
        with pytest.raises(LookupError, match="no key"):
            chain.audio_event(b"audio")
        assert chain.prior == PRIOR
    failing = [True]

    def sometimes(second):
        if failing:
            raise LookupError("no key")
        return head_and_key(second)

    chain = new_chain(signing_codec, renew=sometimes)
    for _ in range(2):
        with pytest.raises(LookupError):
            chain.end()
    failing.clear()
    assert chain.end() == new_chain(signing_codec).end()


def test_a_time_that_fits_in_no_timestamp_is_refused(signing_codec):
    for milliseconds in (2**63, -(2**63) - 1):
        with pytest.raises(InvalidHeaderValue, match="timestamp"):
            new_chain(signing_codec, Clock(milliseconds)).end()
        with pytest.raises(InvalidHeaderValue, match="timestamp"):
            new_chain(signing_codec).signature(milliseconds, b"")
    with pytest.raises(InvalidHeaderValue, match="timestamp"):
        new_chain(signing_codec, lambda: 1e30).end()
    with pytest.raises(OverflowError):
        new_chain(signing_codec, lambda: float("inf")).end()
    with pytest.raises(ValueError, match="NaN"):
        new_chain(signing_codec, lambda: float("nan")).end()


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_and_signatures_of_other_lengths_are_refused(signing_codec, length):
    with pytest.raises(ValueError, match=f"a signing key must be 32 bytes, not {length}"):
        new_chain(signing_codec, renew=lambda _: (b"", bytes(length))).end()
    with pytest.raises(ValueError, match=f"a signature must be 32 bytes, not {length}"):
        new_chain(signing_codec, prior=bytes(length))
    chain = new_chain(signing_codec)
    with pytest.raises(ValueError, match=f"a signature must be 32 bytes, not {length}"):
        chain.prior = bytes(length)
    assert chain.prior == PRIOR


def test_signed_events_keep_to_the_limits(signing_codec):
    chain = new_chain(signing_codec, headers=b"")
    chain.wrap(bytes(2**24))
    before = chain.prior
    with pytest.raises(PayloadBytesExceedMaxLength, match="16777217"):
        chain.wrap(bytes(2**24 + 1))
    with pytest.raises(PayloadBytesExceedMaxLength, match="16777217"):
        chain.audio_event(bytes(2**24 - 15))
    assert chain.prior == before
    with pytest.raises(HeaderBytesExceedMaxLength, match="131073"):
        new_chain(signing_codec, headers=bytes(131073))


def test_a_chain_that_was_never_begun_signs_nothing(signing_codec):
    chain = signing_codec.SignatureChain.__new__(signing_codec.SignatureChain)
    for call in (chain.end, lambda: chain.audio_event(b""), lambda: chain.signature(0, b"")):
        with pytest.raises((TypeError, AttributeError)):
            call()
