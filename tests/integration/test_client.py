"""The client against the local Transcribe, and against peers that misbehave."""

from __future__ import annotations

import asyncio
import copy
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from amazon_transcribe.auth import (
    AwsCrtCredentialResolver,
    CredentialResolver,
    Credentials,
    StaticCredentialResolver,
)
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    CredentialsException,
    HTTPException,
    InvalidParameterException,
    SDKError,
    StreamClosedException,
    StreamResetException,
    TimeoutException,
    TruncatedStreamException,
    UnknownServiceException,
    ValidationException,
)
from amazon_transcribe.handlers import TranscriptResultStreamHandler
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.service import TranscriptionService
from amazon_transcribe.model import AudioEvent
from amazon_transcribe.transcription import StartStreamTranscriptionEventStream, TranscriptEvent
from amazon_transcribe.transports.memory import MemoryTransport
from tests.support.callers import (
    BAD_REQUEST,
    KEYS,
    SECOND,
    TRANSCRIPT,
    client_at,
    client_of,
    crt_transport,
    final_texts,
    leftovers,
    start,
)
from tests.support.peers import Peer, peer_server
from tests.support.programs import complaints


@pytest.fixture(params=["http", "https", "crt", "ws", "wss", "memory"])
async def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TranscribeStreamingClient]:
    """A client joined to a local Transcribe in each way there is."""
    if request.param == "memory":
        from amazon_transcribe.local.engines import load_engine

        service = TranscriptionService(
            load_engine("scripted"), {KEYS.access_key_id: KEYS.secret_access_key}, workers=1
        )
        async with client_at("http://nowhere", transport=MemoryTransport(service.serve)) as made:
            yield made
        await service.close()
        return
    async with LocalTranscribe("scripted", tls=request.param in ("https", "crt", "wss")) as server:
        if server.ca_file:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        options: dict[str, Any] = {"credential_resolver": server.credentials}
        url = server.endpoint_url
        if request.param == "ws":
            options["transport"] = "websocket"
        elif request.param == "wss":
            url = url.replace("https", "wss")
        elif request.param == "crt":
            options["transport"] = crt_transport()
        async with client_at(url, **options) as made:
            yield made


async def test_audio_in_text_out(client: TranscribeStreamingClient) -> None:
    async with await start(client, session_id="11111111-2222-3333-4444-555555555555") as stream:
        assert stream.response.session_id == "11111111-2222-3333-4444-555555555555"
        assert stream.response.request_id
        assert stream.response.language_code == "en-US"
        assert stream.response.media_sample_rate_hz == 16000
        for _ in range(5):
            await stream.input_stream.send_audio_event(audio_chunk=SECOND)
        await stream.input_stream.end_stream()
        texts = await final_texts(stream)
        assert texts[0] == "This is the scripted engine of the local server."
        assert await final_texts(stream) == []
    with pytest.raises(StreamClosedException):
        await stream.input_stream.send_audio_event(SECOND)
    await stream.input_stream.end_stream()


async def test_an_empty_chunk_ends_the_input(client: TranscribeStreamingClient) -> None:
    stream = await start(client)
    await stream.input_stream.send_audio_event(SECOND)
    await stream.input_stream.send_audio_event(b"")
    assert await final_texts(stream) == ["This is"]
    await stream.input_stream.end_stream()


async def test_many_streams_at_once(client: TranscribeStreamingClient) -> None:
    async def one(seconds: int) -> list[str]:
        async with await start(client) as stream:
            for _ in range(seconds):
                await stream.input_stream.send_audio_event(SECOND)
            await stream.input_stream.end_stream()
            return await final_texts(stream)

    texts = await asyncio.gather(*(one(seconds) for seconds in [4, 1] * 10))
    assert texts[0] == ["This is the scripted engine of the local server."]
    assert texts[1] == ["This is"]
    assert texts == texts[:2] * 10


async def test_refusals_are_raised_by_the_start(client: TranscribeStreamingClient) -> None:
    with pytest.raises(BadRequestException, match="LanguageCode"):
        await start(client, language_code="de-DE")
    stream = await start(client)
    await stream.close()


async def test_a_stream_left_early_is_aborted(client: TranscribeStreamingClient) -> None:
    async with await start(client) as stream:
        await stream.input_stream.send_audio_event(SECOND)
    with pytest.raises(StreamClosedException) as closed:
        await final_texts(stream)
    assert closed.value.audio_bytes_sent == len(SECOND)
    assert closed.value.session_id == stream.response.session_id


async def test_a_cancelled_read_loses_nothing(client: TranscribeStreamingClient) -> None:
    async with await start(client) as stream:
        results = stream.output_stream.__aiter__()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(results.__anext__(), 0.01)
        await stream.input_stream.send_audio_event(SECOND)
        event = await results.__anext__()
        assert event.transcript.results[0].alternatives[0].transcript == "This is"


async def test_the_end_is_noticed_though_nobody_reads(client: TranscribeStreamingClient) -> None:
    limiter = client._starter.limiter = StreamLimiter(max_streams=1)
    first = await start(client)
    await first.input_stream.send_audio_event(SECOND)
    await first.input_stream.end_stream()
    second = await start(client)  # waits for the first one's slot
    assert await final_texts(first) == ["This is"]
    assert limiter.open == 1
    await client.close()
    with pytest.raises(SDKError):
        await second.input_stream.send_audio_event(SECOND)
    assert limiter.open == 0


async def test_closing_the_client_ends_its_streams(client: TranscribeStreamingClient) -> None:
    stream = await start(client)
    await client.close()
    with pytest.raises(SDKError):
        await final_texts(stream)
    with pytest.raises(SDKError):
        await stream.input_stream.send_audio_event(SECOND)
    with pytest.raises(SDKError, match="closed"):
        await start(client)


async def test_handler_gets_every_event(client: TranscribeStreamingClient) -> None:
    texts = []

    class Handler(TranscriptResultStreamHandler):
        async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
            for result in transcript_event.transcript.results:
                texts.append(result.alternatives[0].transcript)  # type: ignore[index]

    stream = await start(client)
    await stream.input_stream.send_audio_event(SECOND)
    await stream.input_stream.end_stream()
    await Handler(stream.output_stream).handle_events()
    assert texts == ["This is", "This is"]


async def test_a_wrong_secret_is_refused() -> None:
    async with LocalTranscribe("scripted", credentials={"AKIDEXAMPLE": "other"}) as server:
        with pytest.raises(UnknownServiceException) as refused:
            await start(client_at(server.endpoint_url))
        assert refused.value.error_code == "InvalidSignatureException"
        assert refused.value.status_code == 403
        unknown = StaticCredentialResolver("AKIDWHO", "secret")
        with pytest.raises(UnknownServiceException) as refused:
            await start(client_at(server.endpoint_url, credential_resolver=unknown))
        assert refused.value.error_code == "UnrecognizedClientException"


async def test_no_audio_ends_the_stream_with_the_service_s_words() -> None:
    async with LocalTranscribe("scripted", audio_timeout=0.2) as server:
        stream = await start(client_of(server))
        with pytest.raises(BadRequestException) as ended:
            await final_texts(stream)
        assert ended.value.message == (
            "Your request timed out because no new audio was received for 0.2 seconds."
        )
        with pytest.raises(BadRequestException):
            await stream.input_stream.send_audio_event(SECOND)


async def test_an_idle_connection_is_used_again() -> None:
    async with LocalTranscribe("scripted") as server:
        async with client_of(server) as client:
            for _ in range(3):
                stream = await start(client)
                await stream.input_stream.end_stream()
                assert await final_texts(stream) == []
            assert len(server._connections) == 1


@pytest.mark.parametrize(("limit", "connections"), [(1, 6), (3, 2), (10, 1)])
async def test_streams_share_connections_up_to_the_limit(limit: int, connections: int) -> None:
    async with LocalTranscribe("scripted") as server:
        async with client_of(server, max_streams_per_connection=limit) as client:
            streams = await asyncio.gather(*(start(client) for _ in range(6)))
            assert len(server._connections) == connections
            await asyncio.gather(*(stream.close() for stream in streams))


async def test_the_peer_s_limit_is_obeyed() -> None:
    connections = []

    async def script(peer: Peer) -> None:
        connections.append(peer)
        while True:
            peer.respond(await peer.request())

    async with peer_server(script, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2}) as url:
        async with client_at(url, max_streams_per_connection=10) as client:
            await asyncio.gather(*(start(client) for _ in range(4)))
    assert len(connections) == 2


# Peers that misbehave


async def reading(url: str) -> tuple[StartStreamTranscriptionEventStream, SDKError]:
    """Start a stream and read it to its bad end."""
    stream = await start(client_at(url))
    with pytest.raises(SDKError) as ended:
        async for event in stream.output_stream:
            assert isinstance(event, TranscriptEvent)
    with pytest.raises(type(ended.value)):
        await stream.output_stream.__anext__()
    with pytest.raises(SDKError):
        await stream.input_stream.send_audio_event(SECOND)
    return stream, ended.value


async def test_a_connection_that_is_dropped() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream, x_amzn_request_id="the-request")
        peer.send(stream, TRANSCRIPT)
        peer.drop()

    async with peer_server(script) as url:
        _, error = await reading(url)
    assert isinstance(error, ConnectionLostException)
    assert error.request_id in ("the-request", None)
    assert leftovers() == []


async def test_a_stream_that_is_reset() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.reset(stream, ErrorCodes.INTERNAL_ERROR)

    async with peer_server(script) as url:
        _, error = await reading(url)
    assert isinstance(error, StreamResetException)
    assert error.code == ErrorCodes.INTERNAL_ERROR


async def test_a_stream_cut_inside_a_message() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.send(stream, TRANSCRIPT + TRANSCRIPT[:-3], end=True)

    async with peer_server(script) as url:
        _, error = await reading(url)
    assert isinstance(error, TruncatedStreamException)


async def test_bytes_that_are_no_event_stream() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.send(stream, TRANSCRIPT + b"HTTP/1.1 200 OK\r\n\r\n")

    async with peer_server(script) as url:
        await reading(url)


async def test_the_service_s_exception_goes_before_the_reset_that_follows() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.send(stream, BAD_REQUEST)
        peer.reset(stream, ErrorCodes.NO_ERROR)
        await peer.gone()

    async with peer_server(script) as url:
        stream = await start(client_at(url))

        async def write() -> None:
            while True:
                await stream.input_stream.send_audio_event(SECOND)
                await asyncio.sleep(0)

        with pytest.raises(BadRequestException, match=r"^The audio is bad\.$"):
            await asyncio.gather(write(), final_texts(stream))
        with pytest.raises(BadRequestException):
            await final_texts(stream)


async def test_a_running_stream_lives_through_goaway() -> None:
    proceed = asyncio.Event()

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.write(b"\0\0\x08\x07\0\0\0\0\0" + stream.to_bytes(4, "big") + bytes(4))  # GOAWAY
        await peer.end_of(stream)
        await proceed.wait()
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url, client_at(url) as client:
        stream = await start(client)
        await stream.input_stream.send_audio_event(SECOND)
        await stream.input_stream.end_stream()
        proceed.set()
        assert [event async for event in stream.output_stream] == [TranscriptEvent()]


async def test_goaway_below_the_stream_refuses_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.write(b"\0\0\x08\x07\0\0\0\0\0" + bytes(4) + (7).to_bytes(4, "big"))

    async with peer_server(script) as url:
        with pytest.raises(StreamResetException) as refused:
            await start(client_at(url))
    assert refused.value.code == ErrorCodes.REFUSED_STREAM


async def test_a_silent_server_times_out() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with peer_server(script) as url:
        with pytest.raises(TimeoutException) as late:
            await start(client_at(url, start_timeout=0.2))
    assert late.value.phase == "response"
    assert isinstance(late.value, TimeoutError)
    assert leftovers() == []


@pytest.mark.parametrize("scheme", ["http", "https", "wss"])
async def test_a_server_that_never_says_hello_times_out(scheme: str) -> None:
    if scheme == "wss":
        pytest.importorskip("wsproto")

    async def script(peer: Peer) -> None:
        await peer.gone()

    async with peer_server(script, hello=False) as url:
        with pytest.raises(TimeoutException) as late:
            await start(client_at(url.replace("http", scheme), connect_timeout=0.2))
    assert late.value.phase == "connect"
    assert leftovers() == []


async def test_a_server_that_drops_before_its_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.drop()

    async with peer_server(script) as url:
        with pytest.raises(ConnectionLostException):
            await start(client_at(url))


async def test_a_server_without_http2() -> None:
    async def script(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with peer_server(script, hello=False) as url:
        with pytest.raises(ConnectException, match="HTTP/2"):
            await start(client_at(url))


async def test_nobody_listens() -> None:
    async with peer_server(lambda peer: peer.gone()) as url:
        pass
    with pytest.raises(ConnectException, match=url.rpartition(":")[2]):
        await start(client_at(url))


async def test_an_authority_that_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalTranscribe("scripted", tls=True) as server:
        with pytest.raises(ConnectException, match="certificate"):
            await start(client_of(server))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(server.ca_file))
        stream = await start(client_of(server))
        await stream.close()


async def test_a_bundle_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(ConnectException, match=r"AWS_CA_BUNDLE=/nowhere\.pem"):
        await start(client_at("https://127.0.0.1:1"))


@pytest.mark.parametrize("status", [500, 302, 204])
async def test_answers_without_a_stream(status: int) -> None:
    async def script(peer: Peer) -> None:
        peer.respond(await peer.request(), status, end=True)

    async with peer_server(script) as url:
        with pytest.raises(UnknownServiceException) as refused:
            await start(client_at(url))
    assert refused.value.status_code == status


async def test_an_answer_whose_status_is_no_number() -> None:
    async def script(peer: Peer) -> None:
        peer.h2.send_headers(await peer.request(), [(":status", "fine")])
        peer.flush()

    async with peer_server(script) as url:
        with pytest.raises(HTTPException, match="fine"):
            await start(client_at(url))


async def test_writing_waits_for_a_peer_that_does_not_read() -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        await go_on.wait()
        await peer.end_of(stream)
        peer.send(stream, TRANSCRIPT, end=True)

    async with peer_server(script) as url:
        stream = await start(client_at(url, max_unsent=256 * 1024))
        sent = 0

        async def write() -> None:
            nonlocal sent
            while sent < 100:
                await stream.input_stream.send_audio_event(SECOND)
                sent += 1
            await stream.input_stream.end_stream()

        writer = asyncio.create_task(write())
        done, _ = await asyncio.wait({writer}, timeout=0.2)
        assert not done
        assert sent < 20
        go_on.set()
        assert [event async for event in stream.output_stream] == [TranscriptEvent()]
        await writer


async def test_audio_that_the_socket_holds_counts_as_unsent() -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        peer.respond(stream)
        peer.stop_reading()
        await asyncio.Event().wait()

    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1}
    async with (
        peer_server(script, settings=settings) as url,
        client_at(url, {"send_timeout": 0.3}) as client,
    ):
        stream = await start(client)
        sent = 0
        with pytest.raises(TimeoutException) as late:
            while sent < 100:
                await stream.input_stream.send_audio_event(SECOND)
                await asyncio.sleep(0)
                sent += 1
        assert late.value.phase == "send"
        assert sent < 60  # kernels would take megabytes on loopback


async def test_a_stream_that_cannot_be_copied_is_refused_without_a_second_error() -> None:
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        stream = await start(client)
        with pytest.raises(TypeError):
            copy.deepcopy(stream)
        stream.abort()


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_a_start_leaves_nothing(turns: int) -> None:
    async with LocalTranscribe("scripted") as server:
        before = set(asyncio.all_tasks())
        client = client_of(server)
        task = asyncio.create_task(start(client))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await (await task).close()
        except asyncio.CancelledError:
            pass
        own = set(asyncio.all_tasks()) - before - server._streams
        # The server accepts connections in tasks of its own.
        accepting = re.compile("_accept_connection|connect_accepted_socket")
        assert [task for task in own if not accepting.search(repr(task))] == []


async def test_two_starts_share_a_connection_of_which_one_is_cancelled() -> None:
    async with LocalTranscribe("scripted") as server:
        async with client_of(server, max_streams_per_connection=2) as client:
            first, second = (asyncio.create_task(start(client)) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            stream = await second
            assert len(server._connections) == 1
            await stream.close()


# Before anything is sent


class Unasked(CredentialResolver):
    async def get_credentials(self) -> Credentials:
        raise AssertionError("credentials were asked for")


async def test_audio_is_checked_however_it_is_sent(client: TranscribeStreamingClient) -> None:
    async with await start(client) as stream:
        with pytest.raises(InvalidParameterException, match="32,768"):
            await stream.input_stream.send_event(AudioEvent(bytes(32_769)))
        await stream.input_stream.send_audio_event(memoryview(SECOND)[::2])
        await stream.input_stream.end_stream()
        with pytest.raises(StreamClosedException) as ended:
            await stream.input_stream.send_event(AudioEvent(SECOND))
        assert ended.value.audio_bytes_sent == len(SECOND) // 2


async def test_wrong_parameters_cost_nothing() -> None:
    client = client_at("http://127.0.0.1:1", credential_resolver=Unasked())
    with pytest.raises(InvalidParameterException, match="media_sample_rate_hz"):
        await start(client, media_sample_rate_hz=1)
    with pytest.raises(InvalidParameterException, match="same parameter"):
        await start(client, vocab_filter_names=["a"], vocabulary_filter_names=["a"])


class Empty(CredentialResolver):
    async def get_credentials(self) -> None:
        return None


class Slow(CredentialResolver):
    async def get_credentials(self) -> None:
        await asyncio.Event().wait()


async def test_no_credentials() -> None:
    with pytest.raises(CredentialsException, match="AWS_ACCESS_KEY_ID"):
        await start(client_at("http://127.0.0.1:1", credential_resolver=Empty()))
    with pytest.raises(TimeoutException):
        slow = client_at("http://127.0.0.1:1", credential_resolver=Slow(), start_timeout=0.05)
        await start(slow)
    assert leftovers() == []


async def test_any_object_can_resolve_credentials() -> None:
    class Resolver:
        async def get_credentials(self) -> Credentials:
            return server.credentials

    async with LocalTranscribe("scripted") as server:
        stream = await start(client_at(server.endpoint_url, credential_resolver=Resolver()))
        await stream.close()


async def test_the_environment_is_the_first_link_of_the_chain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalTranscribe("scripted") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", server.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.credentials.secret_access_key)
        stream = await start(TranscribeStreamingClient(region="us-west-2"))
        await stream.close()
        found = await AwsCrtCredentialResolver(None).get_credentials()
        assert found.access_key_id == server.credentials.access_key_id
        assert server.credentials.secret_access_key not in repr(found)


async def test_a_profile_file_is_read_by_the_chain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = hidden\n", "utf-8"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = await AwsCrtCredentialResolver().get_credentials()
    assert (found.access_key_id, found.secret_access_key) == ("AKIDFILE", "hidden")


@pytest.mark.parametrize(
    "options",
    [
        {"region": ""},
        {"region": None},
        {"endpoint_url": "ftp://host"},
        {"endpoint_url": "https://host/path"},
        {"endpoint_url": "host:8080"},
        {"endpoint_url": "http://host:99999"},
        {"max_streams_per_connection": 0},
        {"start_timeout": 0},
        {"start_timeout": "5"},
    ],
)
def test_a_client_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationException):
        TranscribeStreamingClient(**{"region": "us-east-1", **options})


def test_a_client_may_be_made_before_its_loop_and_never_closed() -> None:
    """In a process of its own, where warnings at exit are seen."""
    program = """
import asyncio
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import LocalTranscribe

client = None

async def main(server):
    async with server:
        global client
        client = TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        )
        stream = await client.start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
        await stream.input_stream.send_audio_event(bytes(32000))
        await stream.input_stream.end_stream()
        async for event in stream.output_stream:
            print(event.transcript.results[0].alternatives[0].transcript)

loop = asyncio.new_event_loop()
loop.run_until_complete(main(LocalTranscribe("scripted")))
loop.close()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert done.stdout == "This is\nThis is\n"
    assert complaints(done.stderr) == ""


def test_the_client_loads_no_awscrt() -> None:
    program = (
        "import sys, amazon_transcribe.client;"
        "print([m for m in sys.modules if m.startswith(('awscrt', 'numpy', 'cryptography'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    assert done.stdout == "[]\n"
