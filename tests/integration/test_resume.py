"""One logical stream over connections that break."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
import wave
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectException,
    ConnectionLostException,
    InternalFailureException,
    LimitExceededException,
    SDKError,
    ServiceUnavailableException,
    StreamClosedException,
    StreamException,
    StreamResetException,
    TimeoutException,
)
from amazon_transcribe.handlers import TranscriptResultStreamHandler
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.faults.injection import Faults
from amazon_transcribe.model import UnknownEvent
from amazon_transcribe.resume import Reconnected, Reconnecting, ResumableTranscription
from amazon_transcribe.transcription import Item, Result, TranscriptEvent
from tests.support.callers import client_of, until
from tests.support.peers import Peer, peer_server
from tests.support.sounds import encoded, recording, said_in, share_heard
from tests.support.word_codes import BYTES_PER_SECOND, FRAME, RATE, WordCodes, audio, two_channels

CHUNK = BYTES_PER_SECOND // 10


@asynccontextmanager
async def server(
    *faults: str | Fault, engine: WordCodes | None = None, **options: Any
) -> AsyncIterator[tuple[LocalTranscribe, TranscribeStreamingClient]]:
    parsed = [fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in faults]
    async with LocalTranscribe(engine or WordCodes(), faults=parsed, **options) as running:
        async with client_of(running, start_timeout=5) as client:
            yield running, client


def resumable(client: TranscribeStreamingClient, **options: Any) -> ResumableTranscription:
    defaults = {"language_code": "en-US", "media_sample_rate_hz": RATE, "backoff": 0.001}
    return ResumableTranscription(client, **{**defaults, **options})


@dataclass
class Heard:
    """What came out of a stream."""

    finals: list[Result] = field(default_factory=list)
    partials: list[Result] = field(default_factory=list)
    losses: list[Reconnecting] = field(default_factory=list)
    returns: list[Reconnected] = field(default_factory=list)

    @property
    def items(self) -> list[Item]:
        return [item for result in self.finals for item in result.alternatives[0].items]  # type: ignore[index]

    @property
    def words(self) -> list[int]:
        return [int(item.content[1:]) for item in self.items if item.content]

    @property
    def times(self) -> list[tuple[float | None, float | None]]:
        return [(item.start_time, item.end_time) for item in self.items]

    async def read(self, stream: ResumableTranscription) -> None:
        async for event in stream:
            if isinstance(event, TranscriptEvent):
                for result in event.transcript.results:
                    (self.partials if result.is_partial else self.finals).append(result)
            elif isinstance(event, Reconnecting):
                self.losses.append(event)
            elif isinstance(event, Reconnected):
                self.returns.append(event)


async def send(stream: ResumableTranscription, pcm: bytes, *, end: bool = True) -> None:
    for at in range(0, len(pcm), CHUNK):
        await stream.send_audio_event(pcm[at : at + CHUNK])
    if end:
        await stream.end_stream()


async def heard(stream: ResumableTranscription, pcm: bytes) -> Heard:
    """Send all the audio and read to the end."""
    result = Heard()
    async with stream:
        sender = asyncio.create_task(send(stream, pcm))
        try:
            await result.read(stream)
        finally:
            sender.cancel()
            await asyncio.wait({sender})
    return result


def segments(count: int, words: int = 10) -> Sequence[range]:
    return [range(1 + at, 1 + at + words) for at in range(0, count * words, words)]


def spoken_times(pcm_segments: Sequence[range]) -> list[tuple[float, float]]:
    times = []
    at = 0
    for words in pcm_segments:
        for _ in words:
            times.append((round(at / 100, 3), round((at + 8) / 100, 3)))
            at += 10
        at += 30
    return times


async def test_an_unbroken_stream_is_what_the_service_gave() -> None:
    spoken = segments(4)
    async with server() as (_, client):
        result = await heard(resumable(client), audio(spoken))
    assert result.words == [word for words in spoken for word in words]
    assert result.times == spoken_times(spoken)
    assert result.losses == result.returns == []


CUTS = {
    "drop:seconds=3,times=1": ConnectionLostException,
    "reset:seconds=3,times=1": StreamResetException,
    "goaway:seconds=3,times=1": StreamResetException,
    "truncate:seconds=3,times=1": StreamException,
    "corrupt:seconds=3,times=1": SDKError,
    "exception:error=InternalFailure,seconds=3,times=1": InternalFailureException,
    "exception:error=ServiceUnavailable,seconds=3,times=1": ServiceUnavailableException,
    "exception:error=LimitExceeded,seconds=3,times=1": LimitExceededException,
}


@pytest.mark.parametrize("fault", CUTS)
async def test_a_cut_loses_and_doubles_nothing(fault: str) -> None:
    spoken = segments(6)
    async with server(fault) as (_, client):
        result = await heard(resumable(client), audio(spoken))
    assert result.words == [word for words in spoken for word in words]
    assert result.times == spoken_times(spoken)
    assert len({final.result_id for final in result.finals}) == 6
    [lost], [back] = result.losses, result.returns
    assert isinstance(lost.reason, CUTS[fault])
    assert lost.attempt == 1
    assert back.connection == 2
    assert back.forgotten == 0
    if "drop" not in fault:  # a RST of TCP may take the results before it along
        assert back.start == 2.28


async def test_two_hundred_cuts_lose_and_double_nothing() -> None:
    spoken = segments(200)
    faults = [
        Fault(kind, after_seconds=(0.3, 14), seed=seed)
        for seed, kind in enumerate(
            ["drop", "reset", "goaway", "truncate", "corrupt", "exception", "drop", "reset"]
        )
    ]
    async with server(*faults) as (_, client):
        result = await heard(resumable(client, max_failures=30, replay_seconds=5), audio(spoken))
    assert result.words == [word for words in spoken for word in words]
    assert result.times == spoken_times(spoken)
    ids = Counter(final.result_id for final in result.finals)
    assert set(ids.values()) == {1}
    assert len(result.losses) >= 200
    assert len({type(loss.reason) for loss in result.losses}) >= 5
    assert sum(back.forgotten for back in result.returns) == 0
    assert_partials_lead_to_finals(result)


def assert_partials_lead_to_finals(result: Heard) -> None:
    finals = {final.result_id for final in result.finals}
    assert {partial.result_id for partial in result.partials} <= finals


# Two channels


def of_two_channels(client: TranscribeStreamingClient, **options: Any) -> ResumableTranscription:
    return resumable(client, enable_channel_identification=True, number_of_channels=2, **options)


def by_channel(heard: Heard) -> dict[str | None, list[tuple[float | None, float | None, str]]]:
    channels: dict[str | None, list[tuple[float | None, float | None, str]]] = {}
    for final in heard.finals:
        [alternative] = final.alternatives or ()
        said = (final.start_time, final.end_time, alternative.transcript)
        channels.setdefault(final.channel_id, []).append(said)
    return channels


async def test_a_channel_that_has_shown_nothing_yet_loses_nothing_to_the_other_s_final() -> None:
    # ch_0 speaks 0 to 1 s, final at 1.2 s; ch_1 from 0.8 s on, first partial at 1.6 s.
    pcm = two_channels(audio([range(1, 11)]), bytes(80 * FRAME) + audio([range(1001, 1021)]))
    cut = "exception:error=InternalFailure,seconds=1.3,times=1"
    async with server(cut, engine=WordCodes(channels=2, shown_from=8)) as (_, client):
        result = await heard(of_two_channels(client), pcm)
    [lost], [back] = result.losses, result.returns
    assert lost.superseded == ()
    assert (back.start, back.forgotten) == (0, 0)
    assert by_channel(result) == {
        "ch_0": [(0, 0.98, " ".join(f"w{n}" for n in range(1, 11)))],
        "ch_1": [(0.8, 2.78, " ".join(f"w{n}" for n in range(1001, 1021)))],
    }


async def test_a_silent_channel_makes_a_cut_cost_no_more_than_twenty_seconds() -> None:
    spoken = segments(30)  # 1.3 s each
    cut = "exception:error=InternalFailure,seconds=30.1,times=1"
    async with server(cut, engine=WordCodes(channels=2)) as (_, client):
        result = await heard(of_two_channels(client), two_channels(audio(spoken), b""))
    assert result.words == [word for words in spoken for word in words]
    [back] = result.returns
    last = 1.3 * 23 - 0.32  # the end of the last final result before 30 s
    assert back.start == pytest.approx(last - 20)
    assert back.forgotten == 0


async def test_cuts_of_two_channels_lose_and_double_nothing() -> None:
    channels = [b"", b""]
    number = 0
    for turn in range(120):
        number += 10
        pause = bytes(FRAME * (37 * turn % 300))
        channels[turn % 2] += pause + audio([range(number, number + 10 - turn % 7)])
    pcm = two_channels(*channels)
    async with server(engine=WordCodes(channels=2, shown_from=4)) as (_, client):
        whole = await heard(of_two_channels(client), pcm)
    faults = [
        Fault(kind, after_seconds=(0.3, 60), seed=seed)
        for seed, kind in enumerate(["drop", "reset", "goaway", "truncate", "corrupt", "exception"])
    ]
    async with server(*faults, engine=WordCodes(channels=2, shown_from=4)) as (_, client):
        stream = of_two_channels(client, max_failures=30, replay_seconds=10)
        cut = await heard(stream, pcm)
    assert by_channel(cut) == by_channel(whole)
    assert len(cut.losses) >= 10
    assert {len(by_channel(cut)[channel]) for channel in ("ch_0", "ch_1")} == {60}
    assert len({final.result_id for final in cut.finals}) == 120
    assert sum(back.forgotten for back in cut.returns) == 0
    assert_partials_lead_to_finals(cut)


# Other ways and ends


async def test_connections_over_websocket_are_resumed_too() -> None:
    pytest.importorskip("wsproto")
    spoken = segments(6)
    async with server("drop:seconds=1..4,seed=3") as (_, client):
        async with TranscribeStreamingClient(
            region="us-east-1",
            endpoint_resolver=client._endpoint_resolver,
            credential_resolver=client._credential_resolver,
            transport="websocket",
        ) as over_websocket:
            result = await heard(resumable(over_websocket), audio(spoken))
    assert result.words == [word for words in spoken for word in words]
    assert result.times == spoken_times(spoken)
    assert result.losses


async def test_a_cut_segment_keeps_its_id() -> None:
    async with server("reset:seconds=0.5,times=1") as (_, client):
        result = await heard(resumable(client), audio(segments(2)))
    assert result.losses[0].superseded == ("segment-1",)
    assert [final.result_id for final in result.finals] == ["segment-1", "segment-2/2"]
    assert_partials_lead_to_finals(result)


async def test_all_connections_have_one_session_id() -> None:
    async with server("reset:seconds=1,times=2") as (_, client):
        stream = resumable(client, session_id="11111111-2222-3333-4444-555555555555")
        result = await heard(stream, audio(segments(4)))
    responses = [back.response for back in result.returns]
    assert len(responses) == 2
    assert {response.session_id for response in responses} == {stream.session_id}
    assert {response.session_resume_window for response in responses} == {300}


async def test_starts_that_fail_are_tried_again() -> None:
    async with server() as (running, client):
        stream = resumable(client, max_failures=2)
        running._faults = Faults([Fault("drop", after_seconds=2)])
        result = Heard()
        async with stream:
            running._faults = Faults([Fault("http", status=500)])
            sender = asyncio.create_task(send(stream, audio(segments(2))))
            with pytest.raises(InternalFailureException):
                await result.read(stream)
            await asyncio.wait({sender})
    assert [type(loss.reason) for loss in result.losses] == [
        ConnectionLostException,
        InternalFailureException,
    ]
    assert [loss.attempt for loss in result.losses] == [1, 2]
    assert result.returns == []


async def test_failures_without_progress_end_the_stream() -> None:
    async with server("reset:after=2,code=8") as (_, client):
        stream = resumable(client, max_failures=3)
        result = Heard()
        async with stream:
            await send(stream, audio(segments(3)))
            with pytest.raises(StreamResetException):
                await result.read(stream)
            with pytest.raises(StreamResetException):
                await stream.__anext__()
            with pytest.raises(StreamResetException):
                await stream.send_audio_event(b"\0\0")
    assert [loss.attempt for loss in result.losses] == [1, 2, 3]


@pytest.mark.parametrize("error", ["BadRequest", "Conflict"])
async def test_refusals_are_raised_at_once(error: str) -> None:
    async with server(f"exception:error={error},seconds=1") as (_, client):
        with pytest.raises(SDKError) as raised:
            await heard(resumable(client), audio(segments(3)))
    assert type(raised.value).__name__ == f"{error}Exception"


async def test_the_first_start_is_not_mended() -> None:
    async with server("refuse") as (_, client):
        with pytest.raises(ConnectException):
            await heard(resumable(client), b"")


async def test_a_pause_of_the_program_is_bridged_when_audio_comes() -> None:
    spoken = segments(2)
    first, second = audio(spoken[:1]), audio(spoken[1:])
    async with server(audio_timeout=0.05) as (_, client):
        stream = resumable(client, max_failures=0)
        async with stream:
            await send(stream, first, end=False)
            result = Heard()
            reader = asyncio.create_task(result.read(stream))
            await until(lambda: result.losses)
            assert isinstance(result.losses[0].reason, BadRequestException)
            assert result.losses[0].attempt == 0
            assert result.returns == []
            await send(stream, second)
            await reader
    assert result.words == list(range(1, 21))
    assert result.times == spoken_times(spoken)


async def test_a_connection_is_renewed_behind_a_final_result() -> None:
    spoken = segments(5)
    result = Heard()
    async with server() as (_, client):
        async with resumable(client, renew_after=1e-6) as stream:
            reader = asyncio.create_task(result.read(stream))
            for number, words in enumerate(spoken, 1):
                await send(stream, audio([words]), end=False)
                while len(result.returns) < number:
                    await asyncio.sleep(0)
            await stream.end_stream()
            await reader
    assert result.words == [word for words in spoken for word in words]
    assert result.times == spoken_times(spoken)
    assert {(loss.reason, loss.attempt, loss.superseded) for loss in result.losses} == {
        (None, 0, ()),
    }


async def test_a_silent_end_is_given_up() -> None:
    async with server("silent:seconds=3,times=1") as (running, _):
        async with client_of(running, idle_timeout=0.3) as client:
            result = await heard(resumable(client), audio(segments(4)))
    assert result.words == list(range(1, 41))
    [lost] = result.losses
    assert isinstance(lost.reason, TimeoutException)


async def test_endless_silence_after_the_end_is_given_up() -> None:
    async with server("silent:after=0") as (running, _):
        async with client_of(running, idle_timeout=0.1) as client:
            stream = resumable(client, max_failures=2)
            stream._policy.healthy_seconds = 0.05
            with pytest.raises(TimeoutException):
                await heard(stream, audio(segments(2)))


# A connection that lives and says nothing

SPOKEN = [range(1000, 1010), range(1010, 1020), range(1020, 1030)]  # loud enough to be sound
WORDS = [word for words in SPOKEN for word in words]


async def heard_with_losses(stream: ResumableTranscription, losses: int) -> Heard:
    """Send all the audio, but end it only after so many losses."""
    result = Heard()

    async def talk() -> None:
        await send(stream, audio(SPOKEN), end=False)
        await until(lambda: len(result.losses) >= losses)
        await stream.end_stream()

    async with stream:
        sender = asyncio.create_task(talk())
        try:
            await result.read(stream)
        finally:
            sender.cancel()
            await asyncio.wait({sender})
    return result


async def test_a_connection_that_says_nothing_to_sound_is_replaced() -> None:
    async with server("silent:seconds=2,times=1") as (_, client):
        result = await heard_with_losses(resumable(client, result_timeout=0.3), 1)
    assert result.words == WORDS
    [lost], [back] = result.losses, result.returns
    assert isinstance(lost.reason, TimeoutException)
    assert (lost.reason.phase, lost.reason.seconds) == ("read", 0.3)
    assert (lost.attempt, lost.delay) == (0, 0)
    assert back.forgotten == 0


async def test_each_silent_connection_in_a_row_is_given_twice_the_time() -> None:
    async with server("silent:after=0,times=2") as (_, client):
        result = await heard_with_losses(resumable(client, result_timeout=0.2), 2)
    assert result.words == WORDS
    assert [lost.reason.seconds for lost in result.losses] == [0.2, 0.4]  # type: ignore[union-attr]


async def test_nothing_is_said_to_silence() -> None:
    async with server() as (_, client):
        async with resumable(client) as stream:
            await send(stream, audio(SPOKEN[:1]) + bytes(40 * BYTES_PER_SECOND), end=False)
            result = Heard()
            reader = asyncio.create_task(result.read(stream))
            while not result.finals:
                await asyncio.sleep(0)
            connection = stream._connection
            assert connection is not None
            while connection.sent < 40 * BYTES_PER_SECOND:
                await asyncio.sleep(0)
            connection._heard_at -= 1000
            connection._check()
            assert not connection.has_ended
            await stream.end_stream()
            await reader
    assert result.losses == []


@pytest.mark.parametrize("transport", [None, "websocket"])
async def test_a_peer_that_stops_reading_is_replaced(transport: Any) -> None:
    if transport:
        pytest.importorskip("wsproto")
    async with server("stop-reading:seconds=2,times=1") as (running, _):
        async with client_of(running, transport=transport, max_unsent=1000) as client:
            result = await heard_with_losses(resumable(client, result_timeout=0.2), 1)
    assert result.words == WORDS
    assert isinstance(result.losses[0].reason, TimeoutException)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's socket filters")
@pytest.mark.parametrize("transport", [None, "websocket"])
async def test_a_network_that_swallows_every_packet_is_noticed(transport: Any) -> None:
    if transport:
        pytest.importorskip("wsproto")
    with socket.socket() as probe:
        try:
            drop_what_comes(probe)
        except PermissionError:
            pytest.skip("this kernel lets only root filter packets")
    async with server() as (running, _):
        async with client_of(running, {"ping_interval": 0.1}, transport=transport) as client:
            async with resumable(client) as stream:
                result = Heard()
                reader = asyncio.create_task(result.read(stream))
                await send(stream, audio(SPOKEN[:2]), end=False)
                while not result.finals:
                    await asyncio.sleep(0)
                swallow_packets(running.endpoint_url)
                await send(stream, audio(SPOKEN[2:]))
                await reader
    assert result.words == WORDS
    [lost] = result.losses
    assert isinstance(lost.reason, ConnectionLostException)
    assert "no sign of life" in str(lost.reason)


def swallow_packets(url: str) -> None:
    """Let the kernel drop what comes on the present connections to a server, at both ends."""
    port, swallowing = urlsplit(url).port, 0
    for entry in Path("/proc/self/fd").iterdir():
        with (
            suppress(OSError, IndexError),  # other files, and sockets without a port
            socket.fromfd(int(entry.name), socket.AF_INET, socket.SOCK_STREAM) as end,
        ):
            if port in (end.getsockname()[1], end.getpeername()[1]):
                drop_what_comes(end)
                swallowing += 1
    assert swallowing >= 2


def drop_what_comes(end: socket.socket) -> None:
    # One instruction, "keep 0 bytes": see the kernel's Documentation/networking/filter.rst.
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    attach_filter = 26
    address = struct.pack("HP", 1, ctypes.addressof(program))
    end.setsockopt(socket.SOL_SOCKET, attach_filter, address)


async def test_sending_waits_while_the_buffer_is_full() -> None:
    silence = bytes(CHUNK)
    async with server("stop-reading") as (_, client):
        stream = resumable(client, replay_seconds=5)
        async with stream:
            sent = 0

            async def fill() -> None:
                nonlocal sent
                while True:
                    await stream.send_audio_event(silence)
                    sent += len(silence)

            filler = asyncio.create_task(fill())
            await asyncio.wait({filler}, timeout=0.2)
            assert sent == 5 * BYTES_PER_SECOND
            filler.cancel()
    with pytest.raises(StreamClosedException):
        await stream.send_audio_event(silence)


async def test_sending_fails_when_nobody_reads() -> None:
    async with server("stop-reading") as (_, client):
        async with resumable(client, replay_seconds=5) as stream:
            stream._send_timeout = 0.1
            with pytest.raises(TimeoutException) as late:
                await send(stream, bytes(6 * BYTES_PER_SECOND))
    assert late.value.phase == "send"


async def test_all_audio_before_all_reading() -> None:
    async with server("drop:seconds=2,times=1") as (_, client):
        stream = resumable(client)
        async with stream:
            await send(stream, audio(segments(10)))
            result = Heard()
            await result.read(stream)
    assert result.words == list(range(1, 101))


async def test_a_handler_reads_it_like_any_stream() -> None:
    texts = []

    class Handler(TranscriptResultStreamHandler):
        async def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:
            for result in transcript_event.transcript.results:
                if not result.is_partial:
                    texts.append(result.alternatives[0].transcript)  # type: ignore[index]

    async with server("reset:seconds=1,times=1") as (_, client):
        async with resumable(client) as stream:
            await send(stream.input_stream, audio(segments(2, words=2)))
            await Handler(stream.output_stream).handle_events()
    assert texts == ["w1 w2", "w3 w4"]


async def test_leaving_the_context_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    async with server("reset:seconds=1") as (running, client):
        inside = asyncio.all_tasks()
        async with resumable(client, backoff=60) as stream:
            await send(stream, audio(segments(2)))
            event = await stream.__anext__()
            while not isinstance(event, Reconnecting):
                event = await stream.__anext__()
            assert len(asyncio.all_tasks() - inside - running._streams) == 1
            reader = asyncio.create_task(stream.__anext__())
            await asyncio.sleep(0)
        with pytest.raises(StreamClosedException):
            await reader
        assert {task for task in asyncio.all_tasks() - inside if not task.done()} == set()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 8, 13, 21])
async def test_cancelled_reads_lose_nothing(turns: int) -> None:
    result = Heard()

    async def read_by_bits(stream: ResumableTranscription) -> None:
        while True:
            reader = asyncio.ensure_future(result.read(stream))
            for _ in range(turns):
                await asyncio.sleep(0)
            reader.cancel()
            await asyncio.wait({reader})
            if not reader.cancelled():
                return

    async with server("reset:seconds=2,times=2") as (_, client):
        async with resumable(client) as stream:
            sender = asyncio.create_task(send(stream, audio(segments(5))))
            await read_by_bits(stream)
            await sender
    assert result.words == list(range(1, 51))


async def test_a_closed_client_ends_the_stream() -> None:
    async with server() as (_, client):
        async with resumable(client) as stream:
            await send(stream, audio(segments(1)), end=False)
            await client.close()
            with pytest.raises(StreamClosedException):
                await Heard().read(stream)


async def test_real_speech_survives_cuts() -> None:
    pcm = b""
    for name in ("0870", "0920"):
        recording = Path(__file__).parents[2] / f"examples/audio/sense_and_sensibility_{name}.wav"
        with wave.open(str(recording)) as file:
            rate, pcm = file.getframerate(), pcm + file.readframes(file.getnframes())

    async def transcribe(faults: Sequence[Fault]) -> Heard:
        async with LocalTranscribe("moonshine", faults=faults) as running:
            async with client_of(running) as client:
                return await heard(resumable(client, media_sample_rate_hz=rate), pcm)

    whole = await transcribe([])
    cut = await transcribe([Fault("reset", after_seconds=(3, 5), times=2, seed=1)])
    assert len(cut.losses) == 2
    words = [[item.content for item in one.items] for one in (whole, cut)]
    matcher = SequenceMatcher(None, *words, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    assert len(words[0]) - same <= 2 * len(cut.losses)
    assert len(words[1]) - same <= 2 * len(cut.losses)


async def test_telephony_survives_a_cut() -> None:
    name = "sense_and_sensibility_0870"
    call = encoded(*recording(name), "g711-ulaw")
    cut = Fault("reset", after_seconds=3, times=1)
    async with LocalTranscribe("moonshine", faults=[cut]) as running, client_of(running) as client:
        options = {"media_encoding": "g711-ulaw", "media_sample_rate_hz": 16_000}
        result = await heard(resumable(client, **options), call)
    assert len(result.losses) == 1
    text = " ".join(item.content for item in result.items)
    assert share_heard(text, said_in(name)) >= 0.85
    assert result.items[-1].end_time == pytest.approx(7.1, abs=1)


def test_parameters_that_cannot_be() -> None:
    client = TranscribeStreamingClient(region="us-east-1")
    for options in (
        {"media_encoding": "flac"},
        {"media_sample_rate_hz": 0},
        {"number_of_channels": "two"},
        {"replay_seconds": 1},
        {"replay_seconds": 300},
        {"replay_seconds": None},
        {"renew_after": 0},
        {"max_failures": -1},
        {"idle": "silence"},
    ):
        with pytest.raises(SDKError):
            resumable(client, **options)


async def test_a_stream_that_is_closed_while_it_starts() -> None:
    async with server("delay:by=0.05") as (running, client):
        before = asyncio.all_tasks()
        stream = resumable(client)
        starting = asyncio.create_task(stream.start())
        await asyncio.sleep(0)
        await stream.close()
        with pytest.raises(StreamClosedException):
            await starting
        with pytest.raises(StreamClosedException):
            await stream.start()
        assert asyncio.all_tasks() - before - running._streams == set()


@pytest.mark.parametrize("asked_for", [False, True])
async def test_unknown_events_are_counted_and_given_to_who_asks(asked_for: bool) -> None:
    async def script(peer: Peer) -> None:
        stream = await peer.request()
        peer.respond(stream)
        peer.send(stream, encode_message({":message-type": "event", ":event-type": "New"}, b""))
        await peer.end_of(stream)
        peer.send(stream, b"", end=True)

    async with peer_server(script) as url:
        client = TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=url,
            credential_resolver=StaticCredentialResolver("AKIDEXAMPLE", "secret"),
        )
        async with resumable(client) as stream:
            await send(stream, b"")
            events = stream.including_unknown() if asked_for else stream
            assert [type(event) async for event in events] == [UnknownEvent] * asked_for
            assert stream.output_stream.unknown_events == 1
