"""A server that is fast enough not to be measured: it answers, reads and says little.

    python -m benchmarks.streams.server CERTIFICATE_AND_KEY [CORE [first]]

It prints its port. Every stream is answered with status 200; every five messages bring one
transcript event; the end of the input ends the answer. Signatures are not looked at: only
the clients are measured.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.http2_stream import Headers, Http2Stream
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import HTTPException

EVERY = 5
EVENT = encode_message(
    {
        ":message-type": "event",
        ":event-type": "TranscriptEvent",
        ":content-type": "application/json",
    },
    b'{"Transcript":{"Results":[{"Alternatives":[{"Items":[{"Content":"Hi","EndTime":1.2,'
    b'"StartTime":0.9,"Type":"pronunciation","VocabularyFilterMatch":false}],"Transcript":"Hi"}],'
    b'"EndTime":1.2,"IsPartial":true,"ResultId":"b6f2f2e1-3c55-4a40-93c2-fd3a5d0f5f1e",'
    b'"StartTime":0.9}]}}',
)
RESPONSE = [
    (":status", "200"),
    ("content-type", "application/vnd.amazon.eventstream"),
    ("x-amzn-request-id", "b6f2f2e1-3c55-4a40-93c2-fd3a5d0f5f1e"),
    ("x-amzn-transcribe-session-id", "b6f2f2e1-3c55-4a40-93c2-fd3a5d0f5f1e"),
]


class MessageCount:
    """Counts messages as they begin, by nothing but their lengths."""

    def __init__(self) -> None:
        self._to_skip = 0
        self._rest = b""

    def feed(self, data: bytes) -> int:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        position, count = self._to_skip, 0
        while position + 4 <= len(data):
            position += int.from_bytes(data[position : position + 4], "big")
            count += 1
        if position < len(data):
            self._rest = data[position:]
        self._to_skip = max(position - len(data), 0)
        return count


async def answer(stream: Http2Stream) -> None:
    stream.connection.respond(stream, RESPONSE, accepted=True)
    messages, count = MessageCount(), 0
    try:
        while data := await stream.read():
            count += messages.feed(data)
            events, count = divmod(count, EVERY)
            if events:
                stream.write(EVENT * events)
                await stream.drain(10)
        await stream.finish(10, 1)
    except HTTPException:
        pass


async def main(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    tasks: set[asyncio.Task[None]] = set()

    def begin(stream: Http2Stream, headers: Headers) -> None:
        task = asyncio.create_task(answer(stream))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.get_running_loop().create_server(
        lambda: Http2Connection(client=False, on_request=begin, max_streams=100_000),
        "127.0.0.1",
        0,
        ssl=context,
        backlog=4096,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent's end of the pipe closes: the benchmark is over.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    if sys.argv[3:] == ["first"]:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    import uvloop

    uvloop.run(main(sys.argv[1]))
