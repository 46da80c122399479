"""The fault matrix: what a program sees of each fault, after how long, what is left behind.

    python -m benchmarks.faults [WORD ...]

The first part lets the local server fail in each way it knows; the second shows, for each
defect that users of the original SDK suffer from, what happens here. A program's waits are
bounded by itself, where no exception comes: the row says so. Time-outs are shortened: the
defaults are 12 s for a start and 60 s for audio that nobody takes.

"left" counts tasks, threads, sockets, and streams and connections in memory, once the
client and the server are closed.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from h2.errors import ErrorCodes
from h2.events import PingAckReceived, WindowUpdated
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.http2_stream import Http2Stream
from amazon_transcribe._stream.live import LiveStream
from amazon_transcribe.auth import CredentialResolver, Credentials
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import SDKError, StreamResetException, TimeoutException
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from tests.support.peers import Peer, peer_server

START_TIMEOUT = 0.6
SEND_TIMEOUT = 0.1
PATIENCE = 1.0  # of the program, where nothing else ends a wait
LIMIT = 6.0  # for any row

CHUNK = bytes(3200)
LONG_CHUNK = bytes(32_000)  # with these the audio is more than the buffers on the way take
CHUNKS = 100
TRANSCRIPT = encode_message(
    {":message-type": "event", ":event-type": "TranscriptEvent"}, b'{"Transcript":{"Results":[]}}'
)


@dataclass(frozen=True)
class Row:
    """A fault or a defect, and what is to be seen of it."""

    name: str
    expected: str
    scenario: Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Seen:
    """What was seen of a row."""

    outcome: str
    seconds: float
    left: int


# The faults of the local server


def fault(text: str, expected: str, chunk: bytes = CHUNK) -> Row:
    async def scenario() -> str:
        async with (
            LocalTranscribe(ScriptedEngine(), faults=[Fault.parse(text)]) as server,
            client_at(server.endpoint_url, server.credentials) as client,
        ):
            return await converse(client, chunk)

    return Row(text, expected, scenario)


async def converse(client: TranscribeStreamingClient, chunk: bytes = CHUNK) -> str:
    """Send audio while reading to the end; what came of it."""
    try:
        stream = await start(client)
    except SDKError as error:
        return f"start: {described(error)}"
    async with stream:
        sender = asyncio.create_task(send(stream, chunk))
        try:
            while True:
                # A program's own time-out; it loses nothing.
                await asyncio.wait_for(stream.output_stream.__anext__(), PATIENCE)
        except StopAsyncIteration:
            return "clean end"
        except SDKError as error:
            return f"read: {described(error)}"
        except asyncio.TimeoutError:
            return "read: nothing; the program's own time-out"
        finally:
            sender.cancel()
            await asyncio.wait({sender})


async def send(stream: Any, chunk: bytes = CHUNK) -> None:
    for _ in range(CHUNKS):
        await stream.input_stream.send_audio_event(chunk)
        await asyncio.sleep(0)
    await stream.input_stream.end_stream()


def described(error: BaseException) -> str:
    """The class, and what tells errors of a class apart."""
    name = type(error).__name__
    if isinstance(error, TimeoutException):
        return f"{name} ({error.phase})"
    code = getattr(error, "code", 0)
    if code or isinstance(error, StreamResetException):
        return f"{name} ({ErrorCodes(code).name})"
    return name


def client_at(url: str, credentials: Any = None, **options: Any) -> TranscribeStreamingClient:
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url=url,
        credential_resolver=credentials or Fixed(),
        start_timeout=START_TIMEOUT,
        start_attempts=1,
        **options,
    )
    client._starter.send_timeout = SEND_TIMEOUT
    return client


async def start(client: TranscribeStreamingClient) -> Any:
    return await client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
    )


class Fixed(CredentialResolver):
    """Credentials, and how often they were asked for."""

    asked = 0

    async def get_credentials(self) -> Credentials:
        self.asked += 1
        return Credentials("AKIDEXAMPLE", "secret")


FAULTS = [
    fault("refuse", "start: ConnectException"),
    fault("silent", "start: TimeoutException (response)"),
    fault("silent:after=3", "read: nothing; the program's own time-out"),
    fault("delay:by=0.1", "clean end"),
    fault("delay:by=9", "start: TimeoutException (response)"),
    fault("delay:after=20,by=0.01", "clean end"),
    fault("http:status=400", "start: BadRequestException"),
    fault("http:status=403,error=InvalidSignatureException", "start: UnknownServiceException"),
    fault("http:status=429", "start: LimitExceededException"),
    fault("http:status=500", "start: InternalFailureException"),
    fault("http:status=502", "start: UnknownServiceException"),
    fault("http:status=503", "start: ServiceUnavailableException"),
    fault("reset:code=8", "start: StreamResetException (CANCEL)"),
    fault("reset:after=3", "read: StreamResetException (INTERNAL_ERROR)"),
    fault("drop", "start: ConnectionLostException"),
    fault("drop:seconds=2", "read: ConnectionLostException"),
    fault("goaway", "start: StreamResetException (REFUSED_STREAM)"),
    fault("goaway:after=3", "read: StreamResetException (REFUSED_STREAM)"),
    fault("goaway:after=3,graceful", "clean end"),
    fault("truncate:after=3", "read: TruncatedStreamException"),
    fault("corrupt:after=3", "read: ChecksumMismatch"),
    fault("stop-reading:after=3", "read: TimeoutException (send)", LONG_CHUNK),
    *(
        fault(f"exception:error={name},after=3", f"read: {name}Exception")
        for name in (
            *("BadRequest", "Conflict", "InternalFailure", "LimitExceeded"),
            *("ResourceNotFound", "Serialization", "ServiceUnavailable"),
        )
    ),
]

# The original's defects


async def idle_streams_rest() -> str:
    async with (
        LocalTranscribe(ScriptedEngine()) as server,
        client_at(server.endpoint_url, server.credentials) as client,
    ):
        streams = [await start(client) for _ in range(50)]
        before = time.process_time()
        await asyncio.sleep(0.5)
        used = time.process_time() - before
        for stream in streams:
            await stream.close()
        return "under 5 % of a core" if used < 0.025 else f"{used / 0.5:.0%} of a core"


def mid_stream(act: Callable[[Peer, int], None]) -> Callable[[], Awaitable[str]]:
    async def scenario() -> str:
        async def script(peer: Peer) -> None:
            stream = await peer.request()
            peer.respond(stream)
            peer.send(stream, TRANSCRIPT)
            act(peer, stream)

        async with peer_server(script) as url, client_at(url) as client:
            return await converse(client)

    return scenario


def complain(peer: Peer, stream: int) -> None:
    peer.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings", stream)
    peer.flush()
    peer.close()


def announce_too_much(peer: Peer, stream: int) -> None:
    peer.write(b"\xff\xff\xff\x00\x00" + stream.to_bytes(4, "big"))


def go_away(peer: Peer, stream: int) -> None:
    peer.h2.close_connection(last_stream_id=0)
    peer.flush()
    peer.drop()


async def frames_without_data() -> str:
    """They are legal, and no end (RFC 9113, 6.1)."""

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.send(stream, b"")
        peer.h2.send_data(stream, b"", pad_length=5)
        peer.h2.ping(b"no more.")
        peer.flush()
        await peer.next(PingAckReceived)
        peer.send(stream, TRANSCRIPT[:9], end=True)

    async with peer_server(script) as url, client_at(url) as client:
        return await converse(client)


async def sends_after_death() -> str:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.reset(stream, ErrorCodes.CANCEL)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        with suppress(SDKError):
            async for _ in stream.output_stream:
                pass
        accepted = 0
        for _ in range(20):
            with suppress(SDKError):
                await stream.input_stream.send_audio_event(CHUNK)
                accepted += 1
        return f"{20 - accepted} of 20 raise"


def before_headers(act: Callable[[Peer, int], None]) -> Callable[[], Awaitable[str]]:
    async def scenario() -> str:
        async def script(peer: Peer) -> None:
            act(peer, await peer.request())

        async with peer_server(script) as url, client_at(url) as client:
            return await converse(client)

    return scenario


async def more_streams_than_allowed() -> str:
    async def script(peer: Peer) -> None:
        while True:
            peer.respond(await peer.request())

    settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    async with (
        peer_server(script, settings=settings) as url,
        client_at(url, max_streams_per_connection=10) as client,
    ):
        streams = await asyncio.gather(*(start(client) for _ in range(5)))
        return f"{len(streams)} of 5 start"


async def cancelled_read() -> str:
    async with (
        LocalTranscribe(ScriptedEngine()) as server,
        client_at(server.endpoint_url, server.credentials) as client,
    ):
        stream = await start(client)
        events = stream.output_stream.__aiter__()
        for _ in range(5):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(events.__anext__(), 0.01)
        await send(stream)
        last = [event async for event in events][-1]
        return f"reads on: {last.transcript.results[0].alternatives[0].transcript[:16]!r}"


async def outbound_bound() -> str:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request())
        await asyncio.Event().wait()

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        sent = 0
        try:
            while sent < 96_000_000:
                await stream.input_stream.send_audio_event(bytes(32_000))
                sent += 32_000
        except SDKError as error:
            size = "at most 1.2 MB" if sent < 1_200_000 else f"{sent:,} bytes"
            return f"{size}, then {described(error)}"
        return f"{sent:,} bytes accepted"


async def outbound_bound_of_tcp() -> str:
    """The peer opens its windows as far as they go, and then reads nothing from its socket."""

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        peer.respond(stream)
        peer.stop_reading()
        await asyncio.Event().wait()

    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}
    async with peer_server(script, settings=settings) as url, client_at(url) as client:
        stream = await start(client)
        sent = 0
        try:
            while sent < 96_000_000:
                await stream.input_stream.send_audio_event(bytes(32_000))
                await asyncio.sleep(0)
                sent += 32_000
        except SDKError as error:
            size = "at most 2 MB" if sent < 2_000_000 else f"{sent:,} bytes"
            return f"{size}, then {described(error)}"
        return f"{sent:,} bytes accepted"


async def inbound_bound() -> str:
    """The peer floods a program that reads nothing, in the time in which it sends audio."""

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        with suppress(H2Error):  # until the stream is reset
            while True:
                while peer.h2.local_flow_control_window(stream) >= len(TRANSCRIPT):
                    peer.send(stream, TRANSCRIPT)
                await peer.next(WindowUpdated)

    async with peer_server(script) as url, client_at(url, max_unread=1024 * 1024) as client:
        stream = await start(client)
        try:
            while True:
                await stream.input_stream.send_audio_event(bytes(3200))
                await asyncio.sleep(0)
        except SDKError as error:
            unread = stream.input_stream._input_stream._unread.size  # type: ignore[attr-defined]
            size = "at most 1.1 MiB" if unread < 1_150_000 else f"{unread:,} bytes"
            return f"{size}, then {described(error)}"


async def stampede() -> str:
    connections = []

    async def script(peer: Peer) -> None:
        connections.append(peer)
        while True:
            peer.respond(await peer.request())

    async with peer_server(script) as url, client_at(url, max_streams_per_connection=12) as client:
        await asyncio.gather(*(start(client) for _ in range(12)))
        return f"{len(connections)} connection for 12 starts"


async def no_streams_allowed() -> str:
    connections = []

    async def script(peer: Peer) -> None:
        connections.append(peer)

    settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 0}
    async with peer_server(script, settings=settings) as url, client_at(url) as client:
        return f"{await converse(client)}, {len(connections)} connection"


async def refused_together() -> str:
    requests = 0

    async def script(peer: Peer) -> None:
        nonlocal requests
        while True:
            stream = await peer.request()
            requests += 1
            peer.reset(stream, ErrorCodes.REFUSED_STREAM)

    async with peer_server(script) as url, client_at(url, max_streams_per_connection=12) as client:
        starts = await asyncio.gather(*(start(client) for _ in range(12)), return_exceptions=True)
    failed = sum(isinstance(end, StreamResetException) for end in starts)
    return f"{failed} refused with {requests} requests"


async def closing() -> str:
    async with LocalTranscribe(ScriptedEngine()) as server:
        client = client_at(server.endpoint_url, server.credentials)
        stream = await start(client)
        reader = asyncio.ensure_future(stream.output_stream.__anext__())
        await asyncio.sleep(0)
        await client.close()
        await asyncio.wait({reader})
        error = reader.exception()
        assert error is not None
        return described(error)


async def credentials_once() -> str:
    resolver = Fixed()

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await peer.end_of(stream)
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url, client_at(url, resolver) as client:
        await converse(client)
        return f"asked {resolver.asked} time for {CHUNKS} events"


DEFECTS = [
    Row("polls its body stream: 50 idle streams", "under 5 % of a core", idle_streams_rest),
    Row(
        "truncation looks like success: TCP drop",
        "read: ConnectionLostException",
        mid_stream(lambda peer, stream: peer.drop()),
    ),
    Row(
        "truncation looks like success: RST_STREAM",
        "read: StreamResetException (CANCEL)",
        mid_stream(lambda peer, stream: peer.reset(stream, ErrorCodes.CANCEL)),
    ),
    Row(
        "truncation looks like success: GOAWAY",
        "read: StreamResetException (REFUSED_STREAM)",
        mid_stream(go_away),
    ),
    Row(
        "truncation looks like success: DATA frames without data",
        "read: TruncatedStreamException",
        frames_without_data,
    ),
    Row(
        "truncation looks like success: GOAWAY with an error, then the end",
        "read: ConnectionLostException (ENHANCE_YOUR_CALM)",
        mid_stream(complain),
    ),
    Row(
        "a read hangs: a frame of 16 MiB is announced",
        "read: ConnectionLostException",
        mid_stream(announce_too_much),
    ),
    Row("sends after death are accepted", "20 of 20 raise", sends_after_death),
    Row(
        "start hangs: RST before headers",
        "start: StreamResetException (INTERNAL_ERROR)",
        before_headers(lambda peer, stream: peer.reset(stream, ErrorCodes.INTERNAL_ERROR)),
    ),
    Row(
        "start hangs: drop before headers",
        "start: ConnectionLostException",
        before_headers(lambda peer, stream: peer.drop()),
    ),
    Row(
        "start hangs: silent server",
        "start: TimeoutException (response)",
        before_headers(lambda peer, stream: None),
    ),
    Row(
        "start hangs: more streams than the peer allows", "5 of 5 start", more_streams_than_allowed
    ),
    Row("a cancelled read kills the stream", "reads on: 'It speaks the sa'", cancelled_read),
    Row(
        "no back-pressure: audio",
        "at most 1.2 MB, then TimeoutException (send)",
        outbound_bound,
    ),
    Row(
        "no back-pressure: audio, to a peer that reads no TCP",
        "at most 2 MB, then TimeoutException (send)",
        outbound_bound_of_tcp,
    ),
    Row("no back-pressure: results", "at most 1.1 MiB, then UnreadResultsException", inbound_bound),
    Row("connection stampede", "1 connection for 12 starts", stampede),
    Row(
        "connection stampede: a peer that allows no streams",
        "start: ConnectException, 1 connection",
        no_streams_allowed,
    ),
    Row(
        "connection stampede: starts refused together",
        "12 refused with 12 requests",
        refused_together,
    ),
    Row("no close, abort or cancel", "StreamClosedException", closing),
    Row(
        "credentials resolved for every event",
        f"asked 1 time for {CHUNKS} events",
        credentials_once,
    ),
]

ROWS = [*FAULTS, *DEFECTS]


# Measuring


async def measure(row: Row) -> Seen:
    """Run a row in the present loop."""
    before = belongings()
    begin = time.perf_counter()
    outcome = await asyncio.wait_for(row.scenario(), LIMIT)
    seconds = time.perf_counter() - begin
    for _ in range(3):
        await asyncio.sleep(0)  # transports close in the turns after
    after = belongings()
    return Seen(outcome, seconds, sum(max(0, b - a) for a, b in zip(before, after, strict=True)))


def belongings() -> tuple[int, ...]:
    """Tasks, threads, sockets, and our objects in memory that stand for connections."""
    gc.collect()
    kinds = (Http2Stream, Http2Connection, LiveStream)
    return (
        len(asyncio.all_tasks()),
        threading.active_count(),
        sockets(),
        sum(isinstance(thing, kinds) for thing in gc.get_objects()),
    )


def sockets() -> int:
    """Open sockets of the process, where the system tells."""
    count = 0
    with suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                count += str(entry.readlink()).startswith("socket:")
    return count


def main() -> int:
    words = sys.argv[1:]
    rows = [row for row in ROWS if not words or any(word in row.name for word in words)]
    width = max(len(row.name) for row in rows)
    print(f"{'fault':{width}}  {'what the program sees':44} {'seconds':>7}  left")
    failed = 0
    for row in rows:
        seen = asyncio.run(measure(row))
        good = seen.outcome == row.expected and not seen.left
        failed += not good
        mark = "" if good else f"  expected: {row.expected}"
        print(f"{row.name:{width}}  {seen.outcome:44} {seen.seconds:7.2f}  {seen.left:4}{mark}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
