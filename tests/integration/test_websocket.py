"""WebSocket: the client against peers that misbehave, the local server against clients."""

from __future__ import annotations

import asyncio
import random
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from amazon_transcribe._net.limits import Allowance
from amazon_transcribe._net.origin import Origin
from amazon_transcribe._net.websocket import WebSocketStream
from amazon_transcribe._protocol.client_session import ClientSession
from amazon_transcribe._protocol.rest_json import write_request
from amazon_transcribe.auth import Credentials
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import EventStreamDecoder, EventStreamMessage, encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    SDKError,
    ServiceException,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
    ValidationException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.listeners.hooks import Limits
from amazon_transcribe.transcription import (
    START_STREAM_TRANSCRIPTION,
    StartStreamTranscriptionRequest,
    TranscriptEvent,
)
from tests.support.callers import (
    BAD_REQUEST,
    SECOND,
    TRANSCRIPT,
    client_at,
    client_of,
    leftovers,
    start,
    until,
)
from tests.support.websockets import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Socket,
    close_frame,
    frame,
    upgrade,
    websocket_server,
)

REFUSAL = b'{"Message":"The security token included in the request is invalid."}'


# The client


async def test_the_response_is_made_from_the_request() -> None:
    targets = []

    async def script(peer: Socket) -> None:
        targets.append(await peer.accept(headers="x-amzn-RequestId: ignored\r\n"))

    async with websocket_server(script) as url:
        stream = await start(client_at(url))
        assert stream.response.session_id
        assert f"session-id={stream.response.session_id}" in targets[0]
        assert stream.response.language_code == "en-US"
        assert targets[0].startswith("/stream-transcription-websocket?language-code=en-US&")
        assert "&X-Amz-Expires=300&" in targets[0]
        await stream.close()


@pytest.mark.parametrize("code", [1000, None])
async def test_a_clean_end_answers_the_close(code: int | None) -> None:
    answers = []

    async def script(peer: Socket) -> None:
        await peer.accept()
        while (await peer.frame())[1]:
            peer.write(frame(BINARY, TRANSCRIPT) + close_frame(code))
            answers.append(await peer.frames_until_close())
            return

    async with websocket_server(script) as url:
        stream = await start(client_at(url))
        await stream.input_stream.end_stream()
        assert [event async for event in stream.output_stream] == [TranscriptEvent()]
        await until(lambda: answers)
    assert answers == [([], 1000)]
    assert leftovers() == []


async def test_events_in_fragments_and_several_in_one_frame() -> None:
    async def script(peer: Socket) -> None:
        await peer.accept()
        peer.write(frame(BINARY, TRANSCRIPT[:9], fin=False))
        peer.write(frame(PING, b"alive?"))
        peer.write(frame(0, b"", fin=False))
        peer.write(frame(0, TRANSCRIPT[9:]))
        peer.write(frame(BINARY, TRANSCRIPT * 3))
        assert await peer.frame() == (PONG, b"alive?")
        peer.write(close_frame(1000))

    async with websocket_server(script) as url:
        stream = await start(client_at(url))
        assert [e async for e in stream.output_stream] == [TranscriptEvent()] * 4


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (close_frame(1001), StreamResetException),
        (close_frame(1011), StreamResetException),
        (close_frame(4000), StreamResetException),
        (close_frame(1006), ConnectionLostException),
        (frame(TEXT, b"hello"), ConnectionLostException),
        (frame(BINARY, b"masked", mask=True), ConnectionLostException),
        (frame(3), ConnectionLostException),
        (frame(PING, bytes(126)), ConnectionLostException),
        (b"\xff" * 20, ConnectionLostException),
        (frame(BINARY, TRANSCRIPT[:-3]) + close_frame(1000), TruncatedStreamException),
        (frame(BINARY, BAD_REQUEST) + close_frame(1000), BadRequestException),
        (frame(BINARY, BAD_REQUEST) + close_frame(1011), BadRequestException),
        (b"", ConnectionLostException),
    ],
)
async def test_other_ends_are_exceptions(last: bytes, kind: type[SDKError]) -> None:
    async def script(peer: Socket) -> None:
        await peer.accept()
        peer.write(frame(BINARY, TRANSCRIPT) + last)
        if not last:
            await peer.writer.drain()
            peer.writer.close()
        await peer.gone()

    async with websocket_server(script) as url:
        stream = await start(client_at(url))
        events = []
        with pytest.raises(kind) as ended:
            async for event in stream.output_stream:
                events.append(event)
        assert events == [TranscriptEvent()]
        if isinstance(ended.value, StreamResetException):
            assert ended.value.code == int.from_bytes(last[-2:], "big")
        with pytest.raises(SDKError):
            await stream.input_stream.send_audio_event(SECOND)
    assert leftovers() == []


async def test_a_frame_that_claims_to_be_huge_is_refused_by_the_decoder() -> None:
    async def script(peer: Socket) -> None:
        await peer.accept()
        peer.write(b"\x82\x7f" + (2**62).to_bytes(8, "big"))
        peer.write(bytes(64))

    async with websocket_server(script) as url:
        stream = await start(client_at(url))
        with pytest.raises(SDKError):
            await stream.output_stream.__anext__()


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (
            b"403 Forbidden\r\nx-amzn-ErrorType: UnrecognizedClientException:http://x/\r\n"
            b"content-length: 68\r\n\r\n" + REFUSAL,
            403,
            "UnrecognizedClientException",
        ),
        (
            b"403 Forbidden\r\nx-amzn-errortype: UnrecognizedClientException\r\n\r\n" + REFUSAL,
            403,
            "UnrecognizedClientException",
        ),
        (b"500 Oh\r\ncontent-length: 0\r\n\r\n", 500, None),
        (b"302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", 302, None),
    ],
)
async def test_refusals_of_the_upgrade(answer: bytes, status: int, code: str | None) -> None:
    async def script(peer: Socket) -> None:
        await peer.head()
        peer.write(b"HTTP/1.1 " + answer)
        await peer.writer.drain()
        peer.writer.close()

    async with websocket_server(script) as url:
        with pytest.raises(UnknownServiceException) as refused:
            await start(client_at(url))
    assert refused.value.status_code == status
    assert refused.value.error_code == code
    if code:
        assert refused.value.message == "The security token included in the request is invalid."
    assert leftovers() == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n",
        b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nX: " + bytes([65]) * 40_000,
    ],
)
async def test_a_server_that_does_not_speak_websocket(answer: bytes) -> None:
    async def script(peer: Socket) -> None:
        await peer.head()
        peer.write(answer)

    async with websocket_server(script) as url:
        with pytest.raises(ConnectException, match="WebSocket"):
            await start(client_at(url))
    assert leftovers() == []


async def test_a_server_that_drops_before_its_answer() -> None:
    async def script(peer: Socket) -> None:
        await peer.head()
        peer.drop()

    async with websocket_server(script) as url:
        with pytest.raises(ConnectionLostException):
            await start(client_at(url))


async def test_a_silent_server_times_out() -> None:
    async def script(peer: Socket) -> None:
        await peer.head()

    async with websocket_server(script) as url:
        with pytest.raises(TimeoutException) as late:
            await start(client_at(url, start_timeout=0.2))
    assert late.value.phase == "response"
    assert leftovers() == []


@pytest.mark.parametrize("turns", range(8))
async def test_cancelling_a_start_leaves_nothing(turns: int) -> None:
    async def script(peer: Socket) -> None:
        await peer.accept()

    async with websocket_server(script) as url:
        client = client_at(url)
        task = asyncio.create_task(start(client))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await (await task).close()
        except asyncio.CancelledError:
            pass
        await asyncio.sleep(0)
        assert client._websocket._opening == set()  # type: ignore[attr-defined]
        await client.close()
        assert client._websocket._streams == set()  # type: ignore[attr-defined]


async def test_writing_waits_for_a_peer_that_does_not_read() -> None:
    go_on = asyncio.Event()
    received = []

    async def script(peer: Socket) -> None:
        await peer.accept()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await go_on.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while (size := len((await peer.frame())[1])) > 200:
            received.append(size)
        peer.write(frame(BINARY, TRANSCRIPT) + close_frame(1000))

    async with websocket_server(script) as url:
        stream = await start(client_at(url, max_unsent=128 * 1024))
        sent = 0

        async def write() -> None:
            nonlocal sent
            while sent < 600:
                await stream.input_stream.send_audio_event(SECOND)
                sent += 1
            await stream.input_stream.end_stream()

        writer = asyncio.create_task(write())
        done, _ = await asyncio.wait({writer}, timeout=0.3)
        assert not done
        assert sent < 60  # kernels would take megabytes on loopback
        go_on.set()
        assert [event async for event in stream.output_stream] == [TranscriptEvent()]
        await writer
    assert len(received) == 600


async def test_a_close_lets_a_waiting_writer_go() -> None:
    async def script(peer: Socket) -> None:
        await peer.accept()
        await asyncio.sleep(0.1)
        peer.write(close_frame(1000))

    async with websocket_server(script) as url:
        stream = await start(client_at(url, max_unsent=1024))

        async def write() -> None:
            while True:
                await stream.input_stream.send_audio_event(SECOND)

        with pytest.raises(StreamClosedException):
            await write()


async def test_closing_the_client_ends_its_streams() -> None:
    codes = []

    async def script(peer: Socket) -> None:
        await peer.accept()
        codes.append((await peer.frames_until_close())[1])

    async with websocket_server(script) as url:
        client = client_at(url)
        stream = await start(client)
        await client.close()
        with pytest.raises(StreamClosedException):
            await stream.output_stream.__anext__()
        with pytest.raises(StreamClosedException):
            await start(client)
        await until(lambda: codes)
    assert codes == [1001]
    assert leftovers() == []


async def test_a_dead_peer_is_noticed() -> None:
    seen = []

    async def script(peer: Socket) -> None:
        await peer.accept()
        seen.append(await peer.frame())

    async with websocket_server(script) as url:
        stream = await start(client_at(url, {"ping_interval": 0.05}))
        with pytest.raises(ConnectionLostException, match="sign of life"):
            await stream.output_stream.__anext__()
    assert seen == [(PING, b"alive?")]


def test_the_missing_package_is_named() -> None:
    program = """
import asyncio, sys
sys.modules["wsproto"] = None
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.exceptions import ValidationException
client = TranscribeStreamingClient(
    region="us-east-1", endpoint_url="ws://127.0.0.1:1",
    credential_resolver=StaticCredentialResolver("a", "b"),
)
try:
    asyncio.run(client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"))
except ValidationException as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    assert "the extra 'websocket'" in done.stdout
    assert done.stdout.count("\n") == 1


def test_no_such_transport() -> None:
    with pytest.raises(ValidationException, match="transport"):
        client_at("http://127.0.0.1:1", transport="carrier pigeon")


@pytest.mark.parametrize(
    ("url", "websocket", "origin"),
    [
        ("wss://transcribestreaming.us-east-1.amazonaws.com", False, 8443),
        ("https://transcribestreaming.cn-north-1.amazonaws.com.cn", True, 8443),
        ("https://transcribestreaming.us-east-1.amazonaws.com:443", True, 443),
        ("https://transcribestreaming.us-east-1.amazonaws.com", False, 443),
        ("https://localhost", True, 443),
        ("ws://localhost", False, 80),
        ("http://localhost:1234", True, 1234),
    ],
)
def test_ports(url: str, websocket: bool, origin: int) -> None:
    parsed = Origin.parse(url, websocket=websocket)
    assert parsed.port == origin
    if origin == 8443:
        assert parsed.authority.endswith(":8443")


def mutated(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed) + 1)
        kind = dice.randrange(4)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del changed[at : at + dice.randint(1, 20)]
        elif kind == 2:
            changed[at:at] = dice.randbytes(dice.randint(1, 20))
        else:
            changed = changed[:at] + changed[dice.randrange(len(changed) + 1) :]
    return bytes(changed)


@pytest.fixture
async def unhandled() -> list[dict[str, Any]]:
    """What the loop reports that nobody handled."""
    reports: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, report: reports.append(report))
    return reports


async def test_mutated_answers_end_as_documented(unhandled: list[dict[str, Any]]) -> None:
    dice = random.Random(1)
    answer = frame(BINARY, TRANSCRIPT) + frame(PING) + frame(BINARY, TRANSCRIPT, fin=False)
    answer += frame(0, TRANSCRIPT) + close_frame(1000)

    async def script(peer: Socket) -> None:
        whole = peer.writer.write
        upset = dice.random() < 0.5
        if upset:
            peer.write = lambda data: whole(mutated(data, dice))  # type: ignore[method-assign]
        await peer.accept()
        whole(answer if upset else mutated(answer, dice))
        await peer.writer.drain()
        peer.writer.close()

    async def one(client: TranscribeStreamingClient) -> None:
        try:
            async with await start(client) as stream:
                async for _ in stream.output_stream:
                    pass
        except SDKError:
            pass

    async with websocket_server(script) as url:
        client = client_at(url, start_timeout=1, start_attempts=1)
        for _ in range(20):
            await asyncio.gather(*(one(client) for _ in range(15)))
        await until(lambda: not client._websocket._streams)  # type: ignore[attr-defined]
    assert unhandled == []


# The local server


class Caller:
    """A hand-made client of the local server, and the session that knows what to say."""

    def __init__(self, server: LocalTranscribe, **options: Any) -> None:
        self.port = int(server.endpoint_url.rpartition(":")[2])
        self.host = f"localhost:{self.port}"
        key = server.credentials
        self.session = ClientSession(
            START_STREAM_TRANSCRIPTION,
            write_request(
                START_STREAM_TRANSCRIPTION,
                StartStreamTranscriptionRequest(
                    language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
                ),
            ),
            Credentials(key.access_key_id, key.secret_access_key),
            region="us-east-1",
            authority=self.host,
            **options,
        )


@asynccontextmanager
async def calling(server: LocalTranscribe, hello: bytes) -> AsyncIterator[Socket]:
    port = int(server.endpoint_url.rpartition(":")[2])
    socket = Socket(*await asyncio.open_connection("127.0.0.1", port))
    socket.write(hello)
    try:
        yield socket
    finally:
        socket.drop()
        await asyncio.sleep(0)


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted") as made:
        yield made


@asynccontextmanager
async def upgraded(server: LocalTranscribe) -> AsyncIterator[tuple[ClientSession, Socket]]:
    caller = Caller(server)
    async with calling(server, upgrade(caller.session.presigned(), caller.host)) as socket:
        assert (await socket.head()).startswith(b"HTTP/1.1 101 ")
        yield caller.session, socket


def messages(payloads: list[bytes]) -> list[EventStreamMessage]:
    decoder = EventStreamDecoder()
    found = [message for payload in payloads for message in decoder.feed(payload)]
    decoder.close()
    return found


def texts(payloads: list[bytes]) -> list[str]:
    return [str(message.payload) for message in messages(payloads)]


def exception(payloads: list[bytes]) -> str:
    last = messages(payloads)[-1]
    return f"{last.headers[':exception-type']}: {last.payload.decode()}"


def bare(audio: bytes) -> bytes:
    headers = {":message-type": "event", ":event-type": "AudioEvent"}
    return frame(BINARY, encode_message(headers, audio), mask=True)


async def test_results_come_before_the_answer_to_an_early_close(server: LocalTranscribe) -> None:
    """As the Node SDK ends: signed empty end frame, then close at once."""
    async with upgraded(server) as (session, socket):
        socket.write(frame(BINARY, session.send_audio(SECOND), mask=True))
        socket.write(frame(BINARY, session.end(), mask=True) + close_frame(1000, mask=True))
        payloads, code = await socket.frames_until_close()
        assert "This is" in texts(payloads)[-1]
        assert code == 1000
        assert await socket.reader.read() == b""


@pytest.mark.parametrize("code", [1000, None])
async def test_browsers_send_bare_events_and_close_to_end(
    server: LocalTranscribe, code: int | None
) -> None:
    async with upgraded(server) as (_, socket):
        socket.write(bare(SECOND) + close_frame(code, mask=True))
        payloads, answer = await socket.frames_until_close()
        assert "This is" in texts(payloads)[-1]
        assert answer == 1000


async def test_an_empty_bare_event_ends_the_input(server: LocalTranscribe) -> None:
    async with upgraded(server) as (_, socket):
        socket.write(bare(SECOND) + bare(b""))
        payloads, code = await socket.frames_until_close()
        assert "This is" in texts(payloads)[-1]
        assert code == 1000
        socket.write(close_frame(1000, mask=True))
        assert await socket.reader.read() == b""


async def test_a_message_in_fragments(server: LocalTranscribe) -> None:
    async with upgraded(server) as (session, socket):
        data = session.send_audio(SECOND) + session.end()
        socket.write(frame(BINARY, data[:5], mask=True, fin=False))
        socket.write(frame(PING, b"?", mask=True))
        for at in range(5, len(data), 1000):
            socket.write(frame(0, data[at : at + 1000], mask=True, fin=at + 1000 >= len(data)))
        assert await socket.frame() == (PONG, b"?")
        payloads, _ = await socket.frames_until_close()
        assert "This is" in texts(payloads)[-1]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"unmasked"), 1002),
        (frame(TEXT, b"text", mask=True), 1003),
        (frame(3, mask=True), 1002),
        (frame(0, b"continues nothing", mask=True), 1002),
        (frame(CLOSE, b"\x03", mask=True), 1002),
        (b"\xff" * 100, 1002),
    ],
)
async def test_a_broken_protocol_is_told_by_the_close_code(
    server: LocalTranscribe, data: bytes, code: int
) -> None:
    async with upgraded(server) as (_, socket):
        socket.write(data)
        assert (await socket.frames_until_close())[1] == code
        await socket.gone()


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"GET / HTTP/1.1\r\n\r\n" * 10, "BadRequestException"),
        (b"\x00\x10\x00\x00" + bytes(40), "BadRequestException"),
        (
            encode_message({":message-type": "event", ":event-type": "AudioEvent"}, bytes(40_000)),
            "Your stream is too big",
        ),
        (encode_message({":message-type": "event", ":event-type": "Other"}, b"x"), "Other"),
    ],
)
async def test_what_is_no_audio_ends_in_an_exception_frame(
    server: LocalTranscribe, payload: bytes, told: str
) -> None:
    async with upgraded(server) as (_, socket):
        socket.write(frame(BINARY, payload, mask=True))
        payloads, code = await socket.frames_until_close()
        assert told in exception(payloads)
        assert code == 1000


async def test_a_huge_frame_is_refused_before_it_has_come(server: LocalTranscribe) -> None:
    async with upgraded(server) as (_, socket):
        socket.write(b"\x82\xff" + (2**40).to_bytes(8, "big") + bytes(4))
        socket.write((2**30).to_bytes(4, "big") * 100)
        payloads, _ = await socket.frames_until_close()
        assert exception(payloads).startswith("BadRequestException")


async def test_a_client_that_vanishes_leaves_nothing(server: LocalTranscribe) -> None:
    for code in (None, 1001, 1011):
        async with upgraded(server) as (session, socket):
            socket.write(frame(BINARY, session.send_audio(SECOND), mask=True))
            if code is not None:
                socket.write(close_frame(code, mask=True))
                await socket.gone()
    await until(lambda: not server._streams and not server._connections)


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        (("X-Amz-Signature=", "X-Amz-Signature=0"), 403, "IncompleteSignatureException"),
        (("en-US", "en-GB"), 403, "InvalidSignatureException"),
        (("AKID", "OTHER"), 403, "UnrecognizedClientException"),
        (("X-Amz-Signature", "Y"), 403, "MissingAuthenticationTokenException"),
        (("/stream-", "/dream-"), 404, "UnknownOperationException"),
    ],
)
async def test_a_wrong_url_is_refused(
    server: LocalTranscribe, change: tuple[str, str], status: int, name: str
) -> None:
    caller = Caller(server)
    target = caller.session.presigned().replace(*change)
    async with calling(server, upgrade(target, caller.host)) as socket:
        head = await socket.head()
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert f"x-amzn-errortype: {name}".encode() in head
        assert b'{"Message":' in await socket.reader.read()


@pytest.mark.parametrize("signed", [True, False])
async def test_a_page_of_another_origin_gets_nothing_of_use(
    server: LocalTranscribe, signed: bool
) -> None:
    """DNS made its name mean this machine, and a URL signed for the server fell into its hands."""
    caller = Caller(server)
    target = caller.session.presigned()
    target = target if signed else target.partition("?")[0]
    hello = upgrade(target, "evil.example").replace(
        b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\n\r\n"
    )
    async with calling(server, hello) as socket:
        head = await socket.head()
        assert b"access-control" not in head.lower()
        payloads, _ = await socket.frames_until_close()
        assert exception(payloads).partition(":")[0] in (
            "InvalidSignatureException",
            "MissingAuthenticationTokenException",
        )
    plain = f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode()
    async with calling(server, plain) as socket:
        assert (await socket.reader.read()).startswith(b"HTTP/1.1 426 ")


async def test_a_flood_of_pings_is_told_goodbye(server: LocalTranscribe) -> None:
    server._limits = Limits(allowance=Allowance(burst=1000, per_second=0))
    caller = Caller(server)
    async with calling(server, upgrade(caller.session.presigned(), caller.host)) as socket:
        assert (await socket.head()).startswith(b"HTTP/1.1 101 ")
        socket.write(frame(PING, mask=True) * 300)
        _, code = await socket.frames_until_close()
        assert code == 1008


async def test_one_that_pings_and_leaves_fills_no_log(
    server: LocalTranscribe, caplog: pytest.LogCaptureFixture
) -> None:
    server._limits = Limits(allowance=Allowance(burst=10**9))
    caller = Caller(server)
    async with calling(server, upgrade(caller.session.presigned(), caller.host)) as socket:
        assert (await socket.head()).startswith(b"HTTP/1.1 101 ")
        linger = struct.pack("ii", 1, 0)  # it leaves with a reset
        sock = socket.writer.get_extra_info("socket")
        sock.setsockopt(SOL_SOCKET, SO_LINGER, linger)
        socket.write(frame(PING, mask=True) * 20_000)
        socket.drop()
        while server._connections:
            await asyncio.sleep(0.001)
    assert len(caplog.records) < 5


async def test_browsers_are_refused_by_an_event(server: LocalTranscribe) -> None:
    """They hide the answer to an upgrade from their programs."""
    caller = Caller(server)
    target = caller.session.presigned().replace("en-US", "en-GB")
    hello = upgrade(target, caller.host).replace(b"\r\n\r\n", b"\r\nOrigin: http://x\r\n\r\n")
    async with calling(server, hello) as socket:
        assert (await socket.head()).startswith(b"HTTP/1.1 101 ")
        socket.write(bare(SECOND))
        payloads, code = await socket.frames_until_close()
        assert exception(payloads).startswith("InvalidSignatureException: {")
        assert code == 1000


async def test_an_expired_url_is_refused(server: LocalTranscribe) -> None:
    caller = Caller(server, clock=lambda: 1_548_726_977.25)
    async with calling(server, upgrade(caller.session.presigned(), caller.host)) as socket:
        assert (await socket.head()).startswith(b"HTTP/1.1 403 ")
        assert b"Signature expired" in await socket.reader.read()


@pytest.mark.parametrize(
    "hello",
    [
        b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /stream-transcription HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        b"PUT /nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: xn--\xff\r\nupgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: " + b"a" * 100 + b".b\r\nupgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000,
    ],
)
async def test_other_http_gets_a_short_answer(server: LocalTranscribe, hello: bytes) -> None:
    async with calling(server, hello) as socket:
        answer = await asyncio.wait_for(socket.reader.read(), 60)
        assert answer.startswith(b"HTTP/1.1 426 ")
        assert b"upgrade: websocket" in answer
    await until(lambda: not server._connections)


async def test_mutated_calls_end_as_documented(unhandled: list[dict[str, Any]]) -> None:
    dice = random.Random(1)
    async with LocalTranscribe("scripted", audio_timeout=0.2) as server:

        async def one() -> None:
            caller = Caller(server)
            hello = upgrade(caller.session.presigned(), caller.host)
            data = frame(BINARY, caller.session.send_audio(SECOND), mask=True)
            data += frame(BINARY, caller.session.end(), mask=True) + close_frame(1000, mask=True)
            upset = dice.random() < 0.5
            async with calling(server, mutated(hello, dice) if upset else hello) as socket:
                if not upset:
                    await socket.head()
                socket.write(data if upset else mutated(data, dice))
                await asyncio.wait({asyncio.ensure_future(socket.gone())}, timeout=0.1)

        for _ in range(20):
            await asyncio.gather(*(one() for _ in range(15)))
        await until(lambda: not server._streams and not server._connections)
    assert unhandled == []


async def test_first_bytes_one_by_one(server: LocalTranscribe) -> None:
    async with calling(server, b"") as socket:
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0":
            socket.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await socket.reader.readexactly(9))[3] == 4  # SETTINGS


async def test_closing_the_server_ends_its_streams() -> None:
    async with LocalTranscribe("scripted") as server:
        stream = await start(client_of(server, transport="websocket"))
    with pytest.raises((StreamResetException, ConnectionLostException)):
        await stream.output_stream.__anext__()


async def test_without_wsproto_the_server_speaks_http2(
    server: LocalTranscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "amazon_transcribe.local.listeners.http1", None)
    async with calling(server, b"GET / HTTP/1.1\r\n\r\n") as socket:
        answer = await socket.reader.read()
        assert answer.startswith(b"HTTP/1.1 501 ")
        assert b"the extra 'websocket'" in answer
    stream = await start(client_of(server))
    await stream.close()


async def test_an_exception_of_the_service_reaches_the_client() -> None:
    async with LocalTranscribe("scripted", audio_timeout=0.2) as server:
        stream = await start(client_of(server, transport="websocket"))
        with pytest.raises(ServiceException, match="no new audio"):
            await stream.output_stream.__anext__()


async def test_a_server_told_to_stop_reading_gives_up_a_client_it_no_longer_sees() -> None:
    server = LocalTranscribe("scripted", faults=[Fault("stop-reading")])
    server._limits = Limits(unseen=0.2)
    async with server:
        async with client_of(server, transport="websocket") as client:
            stream = await start(client)
            for _ in range(40):  # more than the server takes unread
                await stream.input_stream.send_audio_event(SECOND)
            (connection,) = server._connections
            assert isinstance(connection, WebSocketStream)
            await until(lambda: connection._reading_paused)
        await asyncio.wait_for(asyncio.shield(connection.lost), 60)
