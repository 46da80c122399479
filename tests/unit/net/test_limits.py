"""What frames that carry nothing may cost, in either role, and whose turn it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.http2_stream import Http2Stream
from amazon_transcribe._net.limits import Allowance, Budget, Turns

REQUEST = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
NOTHING = b"\x00\x00\x00\x77\x00\x00\x00\x00\x00"  # a frame of no known type


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.paused = self.closed = False

    def write(self, data: Any) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Clock:
    now = 1.0

    def __call__(self) -> float:
        return self.now


def joined(
    *, client: bool, **limits: Any
) -> tuple[Http2Connection, H2Connection, Wire, Http2Stream]:
    """A connection of ours, h2's on the other side, and their stream."""
    requested: list[Http2Stream] = []
    ours = Http2Connection(client=client, on_request=lambda s, _: requested.append(s), **limits)
    wire = Wire()
    ours.connection_made(wire)
    peer = H2Connection(H2Configuration(client_side=not client))
    peer.initiate_connection()
    if client:
        requested.append(ours.request(REQUEST))
    else:
        peer.send_headers(1, REQUEST)
    exchange(ours, peer, wire)
    exchange(ours, peer, wire)
    return ours, peer, wire, requested[0]


def exchange(ours: Http2Connection, peer: H2Connection, wire: Wire) -> None:
    ours.flush()
    data, wire.data = wire.data, b""
    peer.receive_data(data)
    ours.data_received(peer.data_to_send())


def test_a_budget_grows_with_time_and_by_what_is_earned() -> None:
    clock = Clock()
    budget = Budget(Allowance(burst=10, per_second=2), clock)
    assert budget.spend(10)
    assert not budget.spend(1)
    clock.now += 1.0
    assert budget.spend(1)
    clock.now += 1000.0
    assert budget.spend(10)
    assert not budget.spend(1)
    budget.earned += 1000
    assert budget.spend(40)
    assert not budget.spend(1)
    clock.now -= 1000.0  # no clock of a loop does
    assert not budget.spend(1)


@pytest.mark.parametrize("client", [True, False])
async def test_a_peer_that_exceeds_its_budget_loses_the_connection(client: bool) -> None:
    clock = Clock()
    allowance = Allowance(burst=100, per_second=10, per_turn=1000)
    ours, _, wire, stream = joined(client=client, allowance=allowance, clock=clock)
    for _ in range(5):
        clock.now += 10.0
        ours.data_received(NOTHING * 90)
        assert stream.failure is None
    ours.data_received(NOTHING * 90)
    assert wire.closed
    assert wire.data.endswith(b"\x00\x00\x00\x0b")  # ENHANCE_YOUR_CALM
    assert "too many frames that carry nothing" in str(stream.failure)


@pytest.mark.parametrize("client", [True, False])
async def test_window_updates_for_what_was_sent_cost_nothing(client: bool) -> None:
    """As of a busy connection: one update of the stream and one of the connection a frame."""
    ours, peer, wire, stream = joined(client=client, allowance=Allowance(200, 0, 10**6))
    if not client:
        ours.respond(stream, [(":status", "200")], accepted=True)
    for _ in range(1000):
        stream.write(bytes(300))
        exchange(ours, peer, wire)
        peer.increment_flow_control_window(300)
        peer.increment_flow_control_window(300, 1)
        exchange(ours, peer, wire)
    assert stream.failure is None


async def test_windows_of_a_byte_earn_nothing() -> None:
    ours, peer, wire, stream = joined(client=True, allowance=Allowance(200, 0, 10**6))
    stream.write(bytes(100_000))
    for _ in range(1000):
        exchange(ours, peer, wire)
        if wire.closed:
            break
        peer.increment_flow_control_window(1)
        peer.increment_flow_control_window(1, 1)
    assert wire.closed


@pytest.mark.parametrize("client", [True, False])
async def test_data_of_a_stream_that_takes_none_has_its_price(client: bool) -> None:
    ours, _, wire, stream = joined(client=client, allowance=Allowance(300, 0, 50))
    stream.abort()
    unwanted = b"\x00\x00\x20\x00\x00\x00\x00\x00\x01" + bytes(32)
    ours.data_received(unwanted * 90)
    assert wire.paused
    while wire.paused:
        await asyncio.sleep(0)
    assert not wire.closed
    ours.data_received(unwanted * 90)
    while wire.paused and not wire.closed:
        await asyncio.sleep(0)
    assert wire.closed


async def test_connections_that_share_their_turns_get_one_share_together() -> None:
    turns = Turns(50)
    joint = [joined(client=False, allowance=Allowance(per_turn=50)) for _ in range(4)]
    for ours, _, _, _ in joint:
        ours._turns = turns
    for ours, _, _, _ in joint[:3]:
        ours.data_received(NOTHING * 125)
    ours, peer, wire, _ = joint[3]
    peer.send_headers(3, REQUEST)
    ours.data_received(peer.data_to_send())
    assert all(wire.paused for _, _, wire, _ in joint)
    taken = 0
    while wire.paused:
        await asyncio.sleep(0)
        taken += 1
    assert taken <= 8  # it has its turn behind one of each, not behind all that they sent
    assert 3 in ours.streams
    while any(wire.paused for _, _, wire, _ in joint):
        await asyncio.sleep(0)
    assert not any(wire.closed for _, _, wire, _ in joint)


async def test_requests_with_many_fields_wait_for_the_turns_of_others() -> None:
    """Each is a byte of the header block."""
    ours, peer, wire, _ = joined(client=False, allowance=Allowance(per_turn=50))
    many = [*REQUEST, *[("a", "")] * 1000]
    for stream_id in (3, 5, 7):
        peer.send_headers(stream_id, many)
    ours.data_received(peer.data_to_send())
    assert wire.paused
    assert len(ours.streams) < 4
    while wire.paused:
        await asyncio.sleep(0)
    assert len(ours.streams) == 4


async def test_requests_with_many_fields_use_up_the_budget() -> None:
    ours, peer, wire, _ = joined(client=False, allowance=Allowance(1000, 0, 50))
    many = [*REQUEST, *[("a", "")] * 1000]
    for stream_id in (3, 5, 7):
        peer.send_headers(stream_id, many)
    ours.data_received(peer.data_to_send())
    while wire.paused and not wire.closed:
        await asyncio.sleep(0)
    assert wire.closed


async def test_many_frames_at_once_wait_for_the_turns_of_others() -> None:
    ours, peer, wire, stream = joined(client=True, allowance=Allowance(per_turn=10))
    peer.send_headers(1, [(":status", "200")])
    peer.send_data(1, b"heard " * 10)
    late = peer.data_to_send()
    ours.data_received(NOTHING * 25)
    assert wire.paused
    ours.data_received(late)  # TLS may still have some
    assert not stream.read_nowait()
    turns = 0
    while wire.paused:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 3
    assert stream.read_nowait() == b"heard " * 10


@pytest.mark.parametrize("lost", [True, False])
async def test_what_waits_for_its_turn_is_read_at_the_end(lost: bool) -> None:
    ours, peer, _, stream = joined(client=True, allowance=Allowance(per_turn=10))
    peer.send_headers(1, [(":status", "200")])
    peer.send_data(1, b"heard " * 10, end_stream=True)
    ours.data_received(NOTHING * 25 + peer.data_to_send())
    if lost:
        ours.connection_lost(None)
    else:
        ours.eof_received()
    assert await stream.response() == (200, {":status": "200"})
    assert await stream.read() == b"heard " * 10
    assert await stream.read() == b""


@pytest.mark.parametrize("lost", [True, False])
async def test_what_a_client_left_behind_is_not_worked_off(lost: bool) -> None:
    ours, peer, wire, stream = joined(client=False, allowance=Allowance(per_turn=50))
    ours.data_received(NOTHING * 125)
    assert wire.paused
    peer.send_headers(3, REQUEST)
    ours.data_received(peer.data_to_send())
    if lost:
        ours.connection_lost(None)
    else:
        ours.eof_received()
    await asyncio.sleep(0)
    assert not ours.streams
    assert peer.streams.keys() == {1, 3}
    assert stream.failure is not None
