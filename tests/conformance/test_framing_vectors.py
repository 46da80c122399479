"""The conformance vectors of the wire format, on both twins.

Where sources differ on a limit (`basis` "disputed") the vectors expect what is
documented here: 24 MiB of payload and 128 KiB of headers when reading.
"""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from amazon_transcribe.exceptions import ParserError, TruncatedStreamException

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "framing.jsonl")
    .read_text("utf-8")
    .splitlines()
]
READ = {
    "true": bool,
    "false": bool,
    "byte": int,
    "short": int,
    "integer": int,
    "long": int,
    "timestamp": int,
    "string": str,
    "byte_array": base64.b64decode,
    "uuid": base64.b64decode,
}


def data_of(vector: dict, codec) -> bytes:
    if "b64" in vector:
        return base64.b64decode(vector["b64"])
    recipe = vector["recipe"]
    payload = bytes.fromhex(recipe["payload_fill_hex"]) * recipe["payload_len"]
    lengths = (len(payload) + 16).to_bytes(4, "big") + bytes(4)
    head = lengths + codec.crc32(lengths).to_bytes(4, "big")
    return b"".join((head, payload, codec.crc32(payload, codec.crc32(head)).to_bytes(4, "big")))


def chunkings(vector: dict, data: bytes):
    yield [data]
    if len(data) <= 20_000:
        yield [data[i : i + 1] for i in range(len(data))]
    generator = random.Random(vector["id"])
    for _ in range(3):
        cuts = sorted(generator.choices(range(len(data) + 1), k=generator.randrange(1, 12)))
        yield [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def read(codec, chunks: list[bytes]) -> tuple[str, list, ParserError | None]:
    decoder = codec.EventStreamDecoder()
    messages = []
    try:
        for chunk in chunks:
            messages += decoder.feed(chunk)
        decoder.close()
    except TruncatedStreamException as error:
        return "incomplete", messages, error
    except ParserError as error:
        return "reject", messages, error
    return "accept", messages, None


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_framing_vector(codec, vector):
    data = data_of(vector, codec)
    expect = vector["expect"]
    errors = set()
    for chunks in chunkings(vector, data):
        outcome, messages, error = read(codec, chunks)
        assert outcome == expect["outcome"]
        errors.add((type(error), str(error)))
        if expect["messages"] is None:
            continue
        assert [(list(message.headers.items()), message.payload) for message in messages] == [
            (
                [(name, READ[kind](value)) for name, kind, value in message["headers"]],
                base64.b64decode(message["payload_b64"]),
            )
            for message in expect["messages"]
        ]
    assert len(errors) == 1, "the fault must not depend on the chunking"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_single_message_is_decoded_alike(codec, vector):
    data = data_of(vector, codec)
    expect = vector["expect"]
    if expect["outcome"] == "accept" and len(expect["messages"] or [0]) == 1:
        assert codec.decode_message(data) == codec.EventStreamDecoder().feed(data)[0]
    else:
        with pytest.raises(ParserError):
            codec.decode_message(data)
