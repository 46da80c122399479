"""The codec's own speed over a fixed corpus: `pytest benchmarks/micro`."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest

from amazon_transcribe._wire.event_signing import EVENT_ALGORITHM

EVENT = {
    ":message-type": "event",
    ":event-type": "TranscriptEvent",
    ":content-type": "application/json",
}
AUDIO = {
    ":message-type": "event",
    ":event-type": "AudioEvent",
    ":content-type": "application/octet-stream",
}
HEAD = f"{EVENT_ALGORITHM}\n20190129T015617Z\n20190129/us-east-1/transcribe/aws4_request\n".encode()
PAYLOADS = [601, 2572, 15623]
CHUNKS = [320, 3200, 32000]


@pytest.mark.parametrize("length", PAYLOADS)
def test_decode_message(benchmark, codec, length):
    data = codec.encode_message(EVENT, bytes(length))
    assert benchmark(codec.decode_message, data).headers == EVENT


@pytest.mark.parametrize("length", PAYLOADS)
def test_feed_whole_messages(benchmark, codec, length):
    data = codec.encode_message(EVENT, bytes(length))
    assert len(benchmark(codec.EventStreamDecoder().feed, data)) == 1


def test_feed_7_byte_chunks(benchmark, codec):
    data = codec.encode_message(EVENT, bytes(601))
    chunks = [data[i : i + 7] for i in range(0, len(data), 7)]
    feed = codec.EventStreamDecoder().feed

    def message():
        for chunk in chunks:
            found = feed(chunk)
        return found

    assert len(benchmark(message)) == 1


def test_feed_a_mebibyte(benchmark, codec):
    data = codec.encode_message(EVENT, bytes(601)) * (2**20 // 702)
    assert len(benchmark(codec.EventStreamDecoder().feed, data)) == 2**20 // 702


def test_decode_headers_never_seen_before(benchmark, codec):
    data = codec.encode_message({":date": b"x" * 32, ":chunk-signature": b"y" * 32}, b"")
    assert len(benchmark(codec.decode_message, data).headers) == 2


@pytest.mark.parametrize("length", CHUNKS)
def test_encode_message(benchmark, codec, length):
    assert len(benchmark(codec.encode_message, AUDIO, bytes(length))) == length + 104


@pytest.mark.parametrize("length", CHUNKS)
def test_signed_audio_event(benchmark, codec, length):
    chain = codec.SignatureChain(
        bytes(32), time.time, lambda second: (HEAD, b"k" * 32), codec.encode_headers(AUDIO)
    )
    assert len(benchmark(chain.audio_event, bytes(length))) == length + 104 + 83


@pytest.mark.parametrize("length", CHUNKS)
def test_sha256_alone_of_what_is_signed(benchmark, length):
    inner = bytes(length + 104)
    benchmark(lambda: sha256(inner).digest())


@pytest.mark.parametrize("length", [16, 100, 600, 3200, 32768])
@pytest.mark.parametrize(
    "path", ["tables", "pclmul", "vpclmul-256", "vpclmul-512", "crc32", "pmull"]
)
def test_crc32_path(benchmark, crc_paths, path, length):
    if path not in crc_paths._crc32_paths():
        pytest.skip("not on this processor")
    benchmark(crc_paths._crc32_by, path, bytes(length))
