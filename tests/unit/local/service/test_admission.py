"""Which streams are admitted, and what ends them while they wait."""

from __future__ import annotations

import asyncio
import sys
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


async def wait(lease: Lease, came: asyncio.Event) -> None:
    with lease.interruptible():
        lease.waiting = True
        await came.wait()
        lease.waiting = False


async def test_a_lease_that_is_lost_ends_the_wait() -> None:
    lease = Lease()
    asyncio.get_running_loop().call_soon(lease.revoke)
    with pytest.raises(ConflictException):
        await wait(lease, asyncio.Event())
    assert not lease.waiting


async def test_a_lease_interrupts_nothing_but_the_wait() -> None:
    lease = Lease()
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(asyncio.CancelledError), lease.interruptible():
        lease.revoke()  # while it recognises, say
        task.cancel()
        await asyncio.sleep(0)
    if sys.version_info >= (3, 11):
        task.uncancel()
    assert isinstance(lease.error, ConflictException)  # and the stream looks before it waits


async def test_a_wait_without_audio_ends() -> None:
    lease = Lease()
    timer = AudioTimer(lease, 0.01)
    with pytest.raises(BadRequestException, match=r"no new audio was received for 0\.01 seconds"):
        await wait(lease, asyncio.Event())
    timer.close()
    assert not lease.lost


async def test_time_in_which_a_stream_does_not_wait_does_not_count() -> None:
    lease = Lease()
    timer = AudioTimer(lease, 0.01)
    await asyncio.sleep(0.03)
    timer.close()
    assert lease.error is None


async def test_bytes_that_come_as_the_time_ends_are_read() -> None:
    lease, came = Lease(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, came.set)  # in the same turn, as both are due when the loop gets there
    timer = AudioTimer(lease, 0.01)
    loop.call_soon(time.sleep, 0.02)
    await wait(lease, came)
    timer.close()
