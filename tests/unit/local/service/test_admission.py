"""Which streams are admitted, and what ends them while they wait."""

from __future__ import annotations

import asyncio
import time

import pytest

from amazon_transcribe.exceptions import BadRequestException, ConflictException
from amazon_transcribe.local.service.admission import Admission, AudioTimer, Lease


async def test_streams_of_one_session_may_leave_in_any_order() -> None:
    admission = Admission(max_streams=1)
    first, second = admission.lease("session"), admission.lease("Session")
    taken = first.__enter__()
    with second as successor:
        assert taken.lost
        assert not successor.lost
    first.__exit__(None, None, None)
    admission.check("another")  # no lease is held any more


async def nothing() -> bytes:
    await asyncio.Event().wait()
    return b""


async def audio() -> bytes:
    return b"audio"


async def test_a_lease_that_is_lost_ends_the_next_wait() -> None:
    lease = Lease()
    lease.revoke()
    with pytest.raises(ConflictException):
        await lease.read(audio)


async def test_a_wait_without_audio_ends() -> None:
    lease = Lease()
    timer = AudioTimer(lease, 0.01)
    with pytest.raises(BadRequestException, match=r"no new audio was received for 0\.01 seconds"):
        await lease.read(nothing)
    timer.close()
    assert not lease.lost


async def test_time_in_which_a_stream_does_not_wait_does_not_count() -> None:
    lease = Lease()
    timer = AudioTimer(lease, 0.01)
    await asyncio.sleep(0.03)
    assert await lease.read(audio) == b"audio"
    timer.close()


async def test_bytes_that_come_as_the_time_ends_are_read() -> None:
    lease, came = Lease(), asyncio.Event()

    async def read() -> bytes:
        await came.wait()
        return b"audio"

    loop = asyncio.get_running_loop()
    loop.call_later(0.01, came.set)  # in the same turn, as both are due when the loop gets there
    timer = AudioTimer(lease, 0.01)
    loop.call_soon(time.sleep, 0.02)
    assert await lease.read(read) == b"audio"
    timer.close()
