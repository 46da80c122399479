"""The DATA frames that are written and read without h2, against h2 on the other side.

It is the oracle of frames and windows. And what a peer may not make us do meanwhile.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded
from h2.settings import SettingCodes, Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.http2_stream import Http2Stream
from amazon_transcribe._net.limits import Allowance
from amazon_transcribe.exceptions import (
    ConnectionLostException,
    StreamResetException,
    TimeoutException,
)
from tests.support.virtual_time import run_in_virtual_time

HEADERS = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")]

# What may happen next: bytes on a stream, its end, another stream, or the peer opening a window.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(0, 50_000)),
        st.tuples(st.just("end"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("window"), st.integers(0, 3), st.integers(1, 80_000)),
        st.tuples(st.just("settings"), st.just(0), st.integers(0, 100_000)),
        st.tuples(st.just("request"), st.just(0), st.just(0)),
        st.tuples(st.just("turn"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class Wire(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.aborted = False
        self.pause_at: tuple[int, Http2Connection] | None = None

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self.data += data
        if self.pause_at is not None and len(self.data) > self.pause_at[0]:
            self.pause_at[1].pause_writing()

    def close(self) -> None:
        raise AssertionError("the connection was given up")

    def abort(self) -> None:
        self.aborted = True


class Joined:
    """Our connection as the client, h2's as the server, and streams between them."""

    def __init__(self, window: int, frame_size: int, streams: int, **limits: Any) -> None:
        self.ours = Http2Connection(client=True, max_unsent=2**40, **limits)
        self.wire = Wire()
        self.ours.connection_made(self.wire)
        self.peer = H2Connection(H2Configuration(client_side=False))
        self.peer.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_FRAME_SIZE: frame_size,
            },
        )
        self.peer.max_inbound_frame_size = frame_size
        self.peer.initiate_connection()
        self.received: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.exchange()
        self.streams = [self.ours.request(HEADERS) for _ in range(streams)]
        self.exchange()

    def exchange(self) -> None:
        """Carry both sides' bytes over until neither has any; h2 checks every frame."""
        while True:
            self.ours._flush()
            took = self.take_what_was_written()
            answer = self.peer.data_to_send()
            if answer:
                self.ours.data_received(answer)
            elif not took:
                return

    def take_what_was_written(self) -> bool:
        """Give the peer what was written; return whether there was any."""
        data, self.wire.data = self.wire.data, b""
        for event in self.peer.receive_data(data):
            if isinstance(event, DataReceived):
                so_far = self.received.get(event.stream_id, b"")
                self.received[event.stream_id] = so_far + event.data
            elif isinstance(event, StreamEnded):
                self.ended.add(event.stream_id)
        return bool(data)

    def check_windows(self) -> None:
        """Both sides count the same windows."""
        if self.ours._debtor is not None:
            self.ours._settle()
        ours = self.ours._h2
        assert ours.outbound_flow_control_window == self.peer.inbound_flow_control_window
        for stream in self.streams:
            if stream.id not in self.ended:
                assert ours.streams[stream.id].outbound_flow_control_window == (
                    self.peer.streams[stream.id].inbound_flow_control_window
                )

    def resize_windows(self, size: int) -> None:
        """Change the first window of streams, those that are open included.

        h2 refuses even an empty frame while its window is below zero, which RFC 9113,
        6.9 allows: so what a smaller window takes is given back at once.
        """
        taken = self.peer.local_settings.initial_window_size - size
        self.peer.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        for number in range(len(self.streams)):
            if taken > 0:
                self.open_window(number, taken)

    def open_window(self, number: int, size: int) -> None:
        """The connection's with 3, else a stream's."""
        if number == 3:
            self.peer.increment_flow_control_window(size)
        elif number < len(self.streams):
            stream_id = self.streams[number].id
            if stream_id in self.peer.streams and stream_id not in self.ended:
                self.peer.increment_flow_control_window(size, stream_id)


async def conversation(
    streams: int, window: int, frame_size: int, steps: list[tuple[str, int, int]]
) -> None:
    joined = Joined(window, frame_size, streams)
    written = {stream.id: b"" for stream in joined.streams}
    closed: set[Http2Stream] = set()
    for kind, number, size in steps:
        if kind == "turn":
            joined.exchange()
            joined.check_windows()
        elif kind == "window":
            joined.open_window(number, size)
        elif kind == "settings":
            joined.resize_windows(size)
        elif kind == "request":
            if len(joined.streams) < 3:
                joined.streams.append(joined.ours.request(HEADERS))
                written[joined.streams[-1].id] = b""
        elif (stream := joined.streams[number % len(joined.streams)]) in closed:
            continue
        elif kind == "end":
            stream.end()
            closed.add(stream)
        else:
            data = bytes([len(written[stream.id]) % 251]) * size
            stream.write(data)
            await stream.drain()
            written[stream.id] += data
    joined.exchange()
    joined.check_windows()
    for stream in joined.streams:
        received = joined.received.get(stream.id, b"")
        assert written[stream.id].startswith(received)
        held_back = len(received) < len(written[stream.id])
        assert held_back == bool(stream.outbox)
        if held_back:  # only for want of a window
            window_left = joined.ours._h2.local_flow_control_window(stream.id)
            assert window_left <= 0
    # With windows wide open everything arrives, and each end after the last byte.
    joined.peer.increment_flow_control_window(2**24)
    for number, stream in enumerate(joined.streams):
        if stream.id not in joined.ended:
            joined.open_window(number, 2**24)
        stream.end()
    joined.exchange()
    assert {id_: joined.received.get(id_, b"") for id_ in written} == written
    assert joined.ended == set(written)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3), st.integers(0, 100_000), st.sampled_from([16_384, 20_000, 65_536]), STEPS)
def test_h2_reads_what_we_wrote(
    streams: int, window: int, frame_size: int, steps: list[tuple[str, int, int]]
) -> None:
    asyncio.run(conversation(streams, window, frame_size, steps))


@pytest.mark.parametrize("step", [1000, 20_000, 200_000])
async def test_streams_share_the_connection_s_window(step: int) -> None:
    joined = Joined(window=2**24, frame_size=16_384, streams=3)
    greedy, *others = joined.streams
    for _ in range(4):  # 65,535 bytes of window are there at first
        greedy.write(bytes(2**20))
    joined.exchange()
    for turn in range(12):
        for stream in others:
            stream.write(bytes(320))
        joined.open_window(3, step)
        joined.exchange()
        for stream in others:
            # Each has its turn in three openings at most, and then sends all that it has.
            assert len(joined.received.get(stream.id, b"")) >= 320 * (turn - 2)
    assert len(joined.received[greedy.id]) >= min(4 * 2**20, 65_535 + 12 * (step - 640))


async def test_a_full_transport_is_given_no_more_and_every_stream_has_its_turn() -> None:
    joined = Joined(window=2**24, frame_size=16_384, streams=3)
    joined.open_window(3, 2**24)
    joined.exchange()
    joined.wire.pause_at = (64 * 1024, joined.ours)
    for stream in joined.streams:
        stream.write(bytes(2**20))
    for turn in range(1, 10):
        await asyncio.sleep(0)
        assert len(joined.wire.data) <= 256 * 1024
        joined.take_what_was_written()
        sent = [len(joined.received.get(stream.id, b"")) for stream in joined.streams]
        assert max(sent) - min(sent) <= 64 * 1024, turn
        joined.ours.resume_writing()
    joined.wire.pause_at = None
    joined.ours.resume_writing()
    joined.exchange()
    assert [len(joined.received[stream.id]) for stream in joined.streams] == [2**20] * 3


@pytest.mark.parametrize("client", [True, False])
async def test_frames_without_data_are_no_end(client: bool) -> None:
    requested: list[Http2Stream] = []
    ours = Http2Connection(
        client=client,
        on_request=lambda stream, headers: requested.append(stream),
        allowance=Allowance(burst=10**9, per_turn=10**9),
    )
    wire = Wire()
    ours.connection_made(wire)
    peer = H2Connection(H2Configuration(client_side=not client))
    peer.initiate_connection()

    def exchange() -> None:
        ours.data_received(peer.data_to_send())
        data, wire.data = wire.data, b""
        peer.receive_data(data)

    if client:
        requested.append(ours.request(HEADERS))
        exchange()
    peer.send_headers(1, [(":status", "200")] if client else HEADERS)
    for padding in (None, 0, 9):
        peer.send_data(1, b"", pad_length=padding)
    exchange()
    (stream,) = requested
    with pytest.raises(TimeoutException):
        await stream.read(0.001)
    for _ in range(5):  # five times the window
        while peer.local_flow_control_window(1) > 255:
            peer.send_data(1, b"", pad_length=255)
        exchange()
    peer.end_stream(1)
    exchange()
    assert await stream.read() == b""


async def test_streams_above_a_goaway_are_not_served() -> None:
    begun: list[Http2Stream] = []
    server = Http2Connection(client=False, on_request=lambda stream, _: begun.append(stream))
    server.connection_made(Wire())
    peer = H2Connection()
    peer.initiate_connection()
    for number in (1, 3, 5):
        peer.send_headers(number, HEADERS)
    server.data_received(peer.data_to_send())
    server.go_away(0, 3)
    peer.send_headers(7, HEADERS)  # under way meanwhile
    server.data_received(peer.data_to_send())
    assert [stream.id for stream in begun] == [1, 3, 5]
    assert [*server.streams] == [1, 3]
    with pytest.raises(StreamResetException, match="refused with GOAWAY"):
        await begun[2].read()


# What may come on three streams: data, with padding or without, a PING, the end; in
# pieces of any size. And what is read of it.
ARRIVALS = st.lists(
    st.one_of(
        st.tuples(st.just("data"), st.integers(0, 2), st.integers(0, 16_384)),
        st.tuples(st.just("padded"), st.integers(0, 2), st.integers(0, 16_000)),
        st.tuples(st.just("end"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("ping"), st.just(0), st.just(0)),
        st.tuples(st.just("deliver"), st.just(0), st.integers(1, 40_000)),
        st.tuples(st.just("read"), st.integers(0, 2), st.just(0)),
    ),
    max_size=40,
)


async def arrival(steps: list[tuple[str, int, int]]) -> None:
    joined = Joined(2**20, 16_384, streams=3)
    ours, peer = joined.ours, joined.peer
    for stream in joined.streams:
        peer.send_headers(stream.id, [(":status", "200")])
    under_way = b""
    sent = {stream.id: b"" for stream in joined.streams}
    read = {stream.id: b"" for stream in joined.streams}
    ended: set[int] = set()

    def deliver(size: int) -> None:
        nonlocal under_way
        under_way += peer.data_to_send()
        while under_way:
            ours.data_received(under_way[:size])
            under_way = under_way[size:]

    for kind, number, size in steps:
        stream = joined.streams[number]
        if kind == "ping":
            peer.ping(b"12345678")
        elif kind == "deliver":
            deliver(size)
        elif kind == "read":
            read[stream.id] += stream.read_nowait()
        elif stream.id in ended:
            continue
        elif kind == "end":
            ended.add(stream.id)
            peer.end_stream(stream.id)
        else:
            data = bytes([len(sent[stream.id]) % 251]) * size
            if peer.local_flow_control_window(stream.id) > size + 256:
                peer.send_data(stream.id, data, pad_length=7 if kind == "padded" else None)
                sent[stream.id] += data
    deliver(10_000)
    joined.exchange()  # what was given back
    for stream in joined.streams:
        if stream.id not in ended:
            window = ours._h2.streams[stream.id]._inbound_window_manager.current_window_size
            assert window == peer.streams[stream.id].outbound_flow_control_window
        while (data := stream.read_nowait()) or not (stream.ended or stream.id not in ended):
            read[stream.id] += data
    assert read == sent
    assert {stream.id for stream in joined.streams if stream.ended} == ended
    connection = ours._h2._inbound_flow_control_window_manager.current_window_size
    assert connection == peer.outbound_flow_control_window


@settings(deadline=None, max_examples=200)
@given(ARRIVALS)
def test_what_h2_sends_is_read_whole(steps: list[tuple[str, int, int]]) -> None:
    asyncio.run(arrival(steps))


async def test_data_beyond_the_window_is_refused_as_h2_does() -> None:
    joined = Joined(2**20, 16_384, streams=1)
    joined.peer.send_headers(1, [(":status", "200")])
    joined.exchange()
    frame = b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + bytes(16_384)
    joined.wire.close = lambda: None  # type: ignore[method-assign]
    for _ in range(2**20 // 16_384):
        joined.ours.data_received(frame)
        assert joined.streams[0].failure is None
    joined.ours.data_received(frame)
    assert "Flow control window" in str(joined.streams[0].failure)


async def test_a_frame_too_long_is_refused_before_it_has_come() -> None:
    joined = Joined(2**20, 16_384, streams=1)
    joined.wire.close = lambda: None  # type: ignore[method-assign]
    joined.ours.data_received(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")
    assert isinstance(joined.streams[0].failure, ConnectionLostException)
    assert "16,777,215 bytes" in str(joined.streams[0].failure)


async def test_a_peer_that_takes_no_answers_gets_no_more() -> None:
    joined = Joined(2**20, 16_384, streams=1, max_unread_answers=5_000)
    joined.ours.pause_writing()
    joined.peer.ping(b"12345678")
    ping = joined.peer.data_to_send()
    answered = 0
    while not joined.wire.aborted:
        joined.ours.data_received(ping)
        answered += len(ping)
        assert len(joined.wire.data) <= 5_000 + len(ping)
    assert answered > 5_000
    assert isinstance(joined.streams[0].failure, ConnectionLostException)
    assert "reads none of the answers" in str(joined.streams[0].failure)


def test_the_time_to_send_the_rest_counts_from_the_last_progress() -> None:
    async def finish() -> float:
        joined = Joined(100, 16_384, streams=1)
        joined.streams[0].write(bytes(400))
        loop = asyncio.get_running_loop()

        def take() -> None:
            joined.open_window(0, 100)
            joined.exchange()

        for delay in (0.2, 0.4, 0.6):
            loop.call_later(delay, take)
        with pytest.raises(TimeoutException) as caught:
            await joined.streams[0].finish(sending=0.5, lingering=0.01)
        assert caught.value.seconds == 0.01  # all was sent: the peer's end is what did not come
        return loop.time()

    assert 0.6 < run_in_virtual_time(finish()) < 1.2


async def test_the_time_to_linger_is_bounded_though_the_peer_sends_and_sends() -> None:
    loop = asyncio.get_running_loop()

    def send() -> None:
        stream.feed_data(b"audio")
        nonlocal sending
        sending = loop.call_soon(send)

    stream = Http2Stream(Joined(2**20, 16_384, streams=0).ours, 1)
    stream.end_was_sent()
    sending = loop.call_soon(send)
    with pytest.raises(TimeoutException) as caught:
        await stream.finish(sending=60.0, lingering=0.01)
    sending.cancel()
    assert (caught.value.phase, caught.value.seconds) == ("close", 0.01)
