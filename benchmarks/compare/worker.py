"""Measure one peer: `python worker.py PEER CORPUS`, run by the peer's own interpreter.

A message counts as decoded when its headers have been asked for: some make them then.

Prints one JSON object: case to nanoseconds per operation, one figure for each batch.
Time is this thread's CPU time. Nothing of this project is imported but by its own peers.
"""

from __future__ import annotations

import asyncio
import itertools
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
    import msgspec

    from amazon_transcribe import auth, eventstream, model
    from amazon_transcribe._net.origin import Origin
    from amazon_transcribe._protocol.client_session import ClientSession
    from amazon_transcribe._protocol.rest_json import write_request
    from amazon_transcribe._stream.live import LiveStream
    from amazon_transcribe._wire.event_signing import EventChain
    from amazon_transcribe.transcription import START_STREAM_TRANSCRIPTION
    from amazon_transcribe.transports.base import Request
    from amazon_transcribe.transports.memory import MemoryTransport

    feed = eventstream.EventStreamDecoder().feed
    encode_message = eventstream.encode_message
    parse = model.TRANSCRIPT_EVENTS.parse
    audio_event = EventChain(SECRET, REGION, SERVICE, bytes(32), time.time).audio_event
    # A clock on which no two events share a millisecond.
    milliseconds = itertools.count(1_700_000_000_000).__next__
    sparse_event = EventChain(
        SECRET, REGION, SERVICE, bytes(32), lambda: milliseconds() / 1000
    ).audio_event

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

    def sign_each_ms(data, count):
        for _ in range(count):
            sparse_event(data)

    def session():
        request = model.StartStreamTranscriptionRequest("en-US", 16000, "pcm")
        made = ClientSession(
            START_STREAM_TRANSCRIPTION,
            write_request(START_STREAM_TRANSCRIPTION, request),
            auth.Credentials("AKIDEXAMPLE", SECRET),
            region=REGION,
            authority="localhost",
        )
        made.headers()
        return made

    made = session()

    def session_send(data, count):
        for _ in range(count):
            made.send_audio(data)

    async def live_send(stream, data, count):
        send = model.AudioStream(LiveStream(session(), stream)).send_audio_event
        for _ in range(count):
            await send(data)

    def send(data, count):
        LOOP.run_until_complete(live_send(LiveSink(), data, count))

    def send_memory(data, count):
        async def serve(exchange):
            while await exchange.read():
                pass

        async def run():
            transport = MemoryTransport(serve)
            stream = await transport.open(
                Request(Origin("http", "nowhere", 80), "POST", "/", ()), 1.0
            )
            await live_send(stream, data, count)
            await transport.close()

        LOOP.run_until_complete(run())

    def live_results(data, count):
        async def run():
            live = LiveStream(session(), LiveSource(data, count))
            live.begin()
            async for _ in model.TranscriptResultStream(live):
                pass

        LOOP.run_until_complete(run())

    found = cases(corpus, decode, chunks, transcript, encode, sign)
    found |= layers(corpus, eventstream, auth.Credentials)
    found |= loops(corpus, send, partial(results, model.TranscriptResultStream))
    for name, data in corpus.audio.items():
        found[f"sign {name}, each in a millisecond of its own"] = partial(sign_each_ms, data)
        found[f"ClientSession.send_audio {name}"] = partial(session_send, data)
        found[f"send_audio_event {name}, memory transport"] = partial(send_memory, data)
    from_json = msgspec.json.Decoder(model.TranscriptEvent).decode

    def json_alone(payload, count):
        for _ in range(count):
            from_json(payload)

    for name, data in corpus.events.items():
        found[f"async for {name}, from the client's stream"] = partial(live_results, data)
        payload = eventstream.decode_message(data).payload
        found[f"JSON alone, by msgspec, of {name}"] = partial(json_alone, payload)
    return found


python = compiled


LOOP = asyncio.new_event_loop()


class LiveSink:
    """A transport's stream that takes everything and keeps nothing."""

    is_full = ended = False
    failure = None

    def write(self, data):
        pass

    def abort(self):
        pass


class LiveSource(LiveSink):
    """A transport's stream whose messages come one by one, sixteen in each turn of the loop."""

    def __init__(self, data: bytes, count: int) -> None:
        self.data = data
        self.left = count
        self.unread = []

    def read_nowait(self):
        data = b"".join(self.unread)
        self.unread.clear()
        return data

    def when_changed(self, call):
        def deliver():
            for _ in range(min(self.left, 16)):
                self.unread.append(self.data)
                call()
            self.left = max(0, self.left - 16)
            if self.left:
                LOOP.call_soon(deliver)
            else:
                self.ended = True
                call()

        deliver()


class Source:
    """A stream whose bytes come at once, one message after the other."""

    def __init__(self, data: bytes, count: int) -> None:
        self.chunk = itertools.chain(itertools.repeat(data, count), [b""]).__next__

    async def chunks(self):
        while data := self.chunk():
            yield data


def results(stream_type, data, count, **parser):
    """Read so many events in `async for`."""

    async def run():
        async for _ in stream_type(Source(data, count), **parser):
            pass

    LOOP.run_until_complete(run())


def layers(corpus: Corpus, eventstream, credentials_type) -> dict[str, Case]:
    """The original SDK's public codec classes, ours or its own."""
    buffer = eventstream.EventStreamBuffer()
    serialize = eventstream.EventStreamMessageSerializer().serialize
    sign_event = eventstream.EventSigner(SERVICE, REGION).sign
    credentials = credentials_type("AKIDEXAMPLE", SECRET)

    def decode(data, count):
        for _ in range(count):
            buffer.add_data(data)
            message = next(buffer)
            message.headers  # noqa: B018

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

    found: dict[str, Case] = {}
    for name, data in corpus.events.items():
        found[f"EventStreamBuffer {name}"] = partial(decode, data)
    for name, data in corpus.audio.items():
        found[f"EventStreamMessageSerializer {name}"] = partial(encode, data)
        found[f"EventSigner {name}"] = partial(sign, data)
    return found


def loops(corpus: Corpus, send, results) -> dict[str, Case]:
    """What a program awaits: audio into a stream, events out of one."""
    found: dict[str, Case] = {}
    for name, data in corpus.audio.items():
        found[f"send_audio_event {name}"] = partial(send, data)
    for name, data in corpus.events.items():
        found[f"async for {name}"] = partial(results, data)
    return found


def upstream(corpus: Corpus) -> dict[str, Case]:
    from amazon_transcribe.deserialize import TranscribeStreamingEventParser
    from amazon_transcribe.serialize import AudioEventSerializer

    from amazon_transcribe import auth, eventstream, model

    buffer = eventstream.EventStreamBuffer()
    add_data = buffer.add_data
    parser = TranscribeStreamingEventParser()
    parse = parser.parse

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

    class Stream:
        def write(self, data):
            pass

    def send(data, count):
        async def run():
            send = model.AudioStream(
                Stream(),
                event_serializer=AudioEventSerializer(),
                event_signer=eventstream.EventSigner(SERVICE, REGION),
                initial_signature=bytes(32),
                credential_resolver=auth.StaticCredentialResolver("AKIDEXAMPLE", SECRET),
            ).send_audio_event
            for _ in range(count):
                await send(data)

        LOOP.run_until_complete(run())

    found = layers(corpus, eventstream, auth.Credentials)
    # Its public classes are all it has.
    for work, layer, data in (
        ("decode", "EventStreamBuffer", corpus.events),
        ("encode", "EventStreamMessageSerializer", corpus.audio),
        ("sign", "EventSigner", corpus.audio),
    ):
        for name in data:
            found[f"{work} {name}"] = found[f"{layer} {name}"]
    for name in corpus.audio:
        found[f"sign {name}, each in a millisecond of its own"] = found[f"EventSigner {name}"]
    found |= cases(corpus, chunks=chunks, transcript=transcript)
    return found | loops(
        corpus, send, partial(results, model.TranscriptResultStream, parser=parser)
    )


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
