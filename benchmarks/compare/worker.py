"""Measure one peer: `python worker.py PEER CORPUS`, run by the peer's own interpreter.

A message counts as decoded when its headers have been asked for: some make them then.

Prints one JSON object: case to nanoseconds per operation, one figure for each batch.
Time is this thread's CPU time. Nothing of this project is imported but by its own peers.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

BATCHES = 8
BATCH_SECONDS = 0.004
REGION, SERVICE = "us-east-1", "transcribe"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AUDIO = {
    ":message-type": "event",
    ":event-type": "AudioEvent",
    ":content-type": "application/octet-stream",
}

Case = Callable[[int], object]


def read(folder: Path, pattern: str) -> dict[str, bytes]:
    found = {path.stem[6:]: path.read_bytes() for path in folder.glob(pattern)}
    return dict(sorted(found.items(), key=lambda item: len(item[1])))


class Corpus:
    """The bytes that every peer works on."""

    def __init__(self, folder: Path) -> None:
        self.events = read(folder, "event-*")
        self.audio = read(folder, "audio-*")
        small = min(self.events.values(), key=len)
        self.pieces = [small[i : i + 7] for i in range(0, len(small), 7)]
        self.per_mebibyte = 2**20 // len(small)
        self.mebibyte = small * self.per_mebibyte


def compiled(corpus: Corpus) -> dict[str, Case]:
    from amazon_transcribe._signing import EventChain
    from amazon_transcribe.eventstream import EventStreamDecoder, encode_message
    from amazon_transcribe.model import TRANSCRIPT_EVENTS

    feed = EventStreamDecoder().feed
    parse = TRANSCRIPT_EVENTS.parse
    audio_event = EventChain(SECRET, REGION, SERVICE, bytes(32), time.time).audio_event

    def decode(data, count):
        for _ in range(count):
            message = feed(data)[0]
            message.headers  # noqa: B018

    def chunks(pieces, count):
        for _ in range(count):
            for piece in pieces:
                if messages := feed(piece):
                    for message in messages:
                        message.headers  # noqa: B018

    def transcript(data, count):
        for _ in range(count):
            parse(feed(data)[0])

    def encode(data, count):
        for _ in range(count):
            encode_message(AUDIO, data)

    def sign(data, count):
        for _ in range(count):
            audio_event(data)

    return cases(corpus, decode, chunks, transcript, encode, sign)


python = compiled


def upstream(corpus: Corpus) -> dict[str, Case]:
    from amazon_transcribe.auth import Credentials
    from amazon_transcribe.deserialize import TranscribeStreamingEventParser  # isort: skip
    from amazon_transcribe.eventstream import (
        EventSigner,
        EventStreamBuffer,
        EventStreamMessageSerializer,
    )

    buffer = EventStreamBuffer()
    add_data = buffer.add_data
    serialize = EventStreamMessageSerializer().serialize
    sign_event = EventSigner(SERVICE, REGION).sign
    credentials = Credentials("AKIDEXAMPLE", SECRET)
    parse = TranscribeStreamingEventParser().parse

    def decode(data, count):
        for _ in range(count):
            add_data(data)
            message = next(buffer)
            message.headers  # noqa: B018

    def chunks(pieces, count):
        for _ in range(count):
            for piece in pieces:
                add_data(piece)
                for message in buffer:
                    message.headers  # noqa: B018

    def transcript(data, count):
        for _ in range(count):
            add_data(data)
            parse(next(buffer))

    def encode(data, count):
        for _ in range(count):
            serialize(AUDIO, data)

    def sign(data, count):
        prior = bytes(32)
        for _ in range(count):
            message = serialize(AUDIO, data)
            headers = sign_event(message, prior, credentials)
            prior = headers[":chunk-signature"]
            serialize(headers, message)

    return cases(corpus, decode, chunks, transcript, encode, sign)


def botocore(corpus: Corpus) -> dict[str, Case]:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()

    def decode(data, count):
        for _ in range(count):
            buffer.add_data(data)
            message = next(buffer)
            message.headers  # noqa: B018

    return cases(corpus, decode)


def smithy(corpus: Corpus) -> dict[str, Case]:
    from io import BytesIO

    from smithy_aws_event_stream.events import Event, EventMessage

    def decode(data, count):
        for _ in range(count):
            message = Event.decode(BytesIO(data)).message
            message.headers  # noqa: B018

    def encode(data, count):
        for _ in range(count):
            EventMessage(headers=AUDIO, payload=data).encode()

    return cases(corpus, decode, encode=encode)


def sha256(corpus: Corpus) -> dict[str, Case]:
    """What signing cannot go below: the hash of the inner message's bytes, once."""
    from hashlib import sha256

    overhead = bytes(104)  # prelude, AudioEvent's headers and CRC of the inner message

    def sign(data, count):
        message = data + overhead
        for _ in range(count):
            sha256(message).digest()

    return cases(corpus, sign=sign)


def cases(corpus, decode=None, chunks=None, transcript=None, encode=None, sign=None):
    """Name what a peer can do; each case runs its work so many times in one loop."""
    found: dict[str, Case] = {}
    for work, inputs in (
        (decode, corpus.events),
        (transcript, corpus.events),
        (encode, corpus.audio),
        (sign, corpus.audio),
    ):
        if work is not None:
            for name, data in inputs.items():
                found[f"{work.__name__} {name}"] = partial(work, data)
    if chunks is not None:
        found["decode in 7-byte chunks"] = partial(chunks, corpus.pieces)
        found["decode in 1 MiB chunks"] = partial(chunks, [corpus.mebibyte])
    return found


def measure(case: Case, events: int) -> list[float]:
    """Nanoseconds per operation, batch by batch."""
    count = 1
    while True:
        start = time.thread_time_ns()
        case(count)
        spent = time.thread_time_ns() - start
        if spent > BATCH_SECONDS * 1e9:
            break
        count = max(count + 1, int(count * BATCH_SECONDS * 1.2e9 / max(spent, 1000)))
    figures = []
    for _ in range(BATCHES):
        start = time.thread_time_ns()
        case(count)
        figures.append((time.thread_time_ns() - start) / count / events)
    return figures


if __name__ == "__main__":
    peer, folder = sys.argv[1], Path(sys.argv[2])
    corpus = Corpus(folder)
    found = globals()[peer](corpus)
    print(
        json.dumps(
            {
                name: measure(case, corpus.per_mebibyte if "MiB" in name else 1)
                for name, case in found.items()
            }
        )
    )
