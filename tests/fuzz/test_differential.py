"""Both twins do the same on input that hypothesis and a mutator think of."""

from __future__ import annotations

import datetime
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe._wire import _codec_py
from amazon_transcribe._wire.values import (
    Int8HeaderValue,
    Int16HeaderValue,
    Int32HeaderValue,
    Int64HeaderValue,
)
from amazon_transcribe.exceptions import SerializationError
from tests.fuzz.differential import compare, decoded, fed, fed_for_events

WRAPPERS = {
    8: Int8HeaderValue,
    16: Int16HeaderValue,
    32: Int32HeaderValue,
    64: Int64HeaderValue,
}

names = st.text(min_size=1, max_size=60)
values = st.one_of(
    st.booleans(),
    *(
        st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).map(wrapper)
        for bits, wrapper in WRAPPERS.items()
    ),
    st.integers(-(2**31), 2**31 - 1),
    st.binary(max_size=300),
    st.text(max_size=100),
    st.datetimes(timezones=st.just(datetime.timezone.utc)),
    st.uuids(),
)
headers = st.dictionaries(names, values, max_size=8)
anything = st.one_of(values, st.none(), st.floats(), st.integers(), st.text(), st.binary())


@pytest.fixture(scope="module")
def compiled(pytestconfig: pytest.Config):
    if pytestconfig.getoption("--no-compiled"):
        pytest.skip("--no-compiled")
    return pytest.importorskip("amazon_transcribe._wire._codec")


def read_back(value):
    """What a header value is after a journey over the wire."""
    if isinstance(value, tuple(WRAPPERS.values())):
        return value.value
    if isinstance(value, datetime.datetime):
        return int(value.timestamp() * 1000)
    return value.bytes if isinstance(value, uuid.UUID) else value


def again(name: str, value, original):
    """The value as it must be given to be written the same once more."""
    if isinstance(original, tuple(WRAPPERS.values())):
        return type(original)(value)
    if isinstance(original, uuid.UUID):
        return uuid.UUID(bytes=value)
    return original if isinstance(original, datetime.datetime) else value


def written(codec, given_headers, payload):
    try:
        return codec.encode_message(given_headers, payload)
    except SerializationError as error:
        return type(error), str(error)


@given(headers, st.binary(max_size=2000), st.integers(1, 200))
@settings(deadline=None)
def test_what_is_written_is_read_and_written_again(codec, given_headers, payload, size):
    data = codec.encode_message(given_headers, payload)
    decoder = codec.EventStreamDecoder()
    messages = []
    for start in range(0, len(data), size):
        messages += decoder.feed(data[start : start + size])
    decoder.close()
    (message,) = messages
    assert message.payload == payload
    assert list(message.headers.items()) == [
        (name, read_back(value)) for name, value in given_headers.items()
    ]
    assert (
        codec.encode_message(
            {n: again(n, v, given_headers[n]) for n, v in message.headers.items()}, payload
        )
        == data
    )


@given(st.dictionaries(st.text(max_size=300), anything, max_size=5), st.binary(max_size=100))
@settings(deadline=None)
def test_twins_write_alike(compiled, given_headers, payload):
    assert written(compiled, given_headers, payload) == written(_codec_py, given_headers, payload)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_twins_read_noise_alike(compiled, data):
    assert decoded(compiled, data) == decoded(_codec_py, data)
    assert fed(compiled, [data]) == fed(_codec_py, [data])
    assert fed_for_events(compiled, [data]) == fed_for_events(_codec_py, [data])


@pytest.mark.parametrize("seed", range(4))
def test_twins_read_mutated_messages_and_sign_alike(compiled, seed):
    compare(compiled, 1000, seed)
