"""The queue for starts."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from math import inf
from threading import Semaphore

import pytest

from amazon_transcribe.exceptions import LoopException, TimeoutException, ValidationException
from amazon_transcribe.limiter import Slot, StreamLimiter
from tests.support.virtual_time import run_in_virtual_time

FAST = 1_000_000


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    limiter = StreamLimiter(2, FAST)
    held = [await limiter.acquire(1) for _ in range(2)]
    served: list[int] = []

    async def wait(number: int) -> Slot:
        slot = await limiter.acquire(5)
        served.append(number)
        return slot

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await turns()
    assert (limiter.open, limiter.waiting, served) == (2, 5, [])
    for slot in held:
        slot.release()
        slot.release()
    await turns()
    assert (limiter.open, limiter.waiting, served) == (2, 3, [0, 1])
    # A start that comes while others wait is served after them.
    late = asyncio.create_task(wait(9))
    for task in [*tasks, late]:
        (await task).release()
    assert served == [0, 1, 2, 3, 4, 9]
    assert (limiter.open, limiter.waiting) == (0, 0)


async def test_a_wait_is_bounded() -> None:
    limiter = StreamLimiter(1, FAST)
    slot = await limiter.acquire(1)
    with pytest.raises(TimeoutException) as late:
        await limiter.acquire(0.01)
    assert late.value.phase == "slot"
    assert (limiter.open, limiter.waiting) == (1, 0)
    slot.release()
    assert limiter.open == 0


@pytest.mark.parametrize("count", range(5))
async def test_a_cancelled_wait_loses_no_slot(count: int) -> None:
    limiter = StreamLimiter(1, FAST)
    slot = await limiter.acquire(1)
    first, second = (asyncio.create_task(limiter.acquire(5)) for _ in range(2))
    await turns()
    slot.release()
    await turns(count)  # up to the moment in which the turn has come, and beyond
    first.cancel()
    await asyncio.wait({first})
    if not first.cancelled():
        first.result().release()
    (await second).release()
    assert (limiter.open, limiter.waiting) == (0, 0)


def test_starts_keep_to_the_rate() -> None:
    async def moments() -> list[float]:
        limiter = StreamLimiter(100, 50)
        found = []
        for _ in range(120):
            (await limiter.acquire(5)).release()
            found.append(asyncio.get_running_loop().time())
        return found

    times = run_in_virtual_time(moments())
    assert times[49] == 0
    assert min(b - a for a, b in zip(times, times[50:], strict=False)) > 0.99
    assert times[-1] < 2.01


async def test_less_than_one_start_a_second() -> None:
    limiter = StreamLimiter(5, 0.5)
    (await limiter.acquire(1)).release()
    with pytest.raises(TimeoutException):
        await limiter.acquire(0.01)
    assert limiter.waiting == 0
    assert limiter._timer is None


async def test_a_forgotten_slot_comes_back() -> None:
    limiter = StreamLimiter(1, FAST)
    slot: Slot | None = await limiter.acquire(1)
    assert slot is not None
    waiting = asyncio.create_task(limiter.acquire(5))
    await turns()
    slot = None
    gc.collect()
    (await waiting).release()
    assert limiter.open == 0


@pytest.mark.parametrize("numbers", [(0, 1), (-1, 1), (1, 0), (1, inf)])
def test_a_limiter_that_cannot_be(numbers: tuple[int, float]) -> None:
    with pytest.raises(ValidationException):
        StreamLimiter(*numbers)


# Several loops


def test_a_limiter_in_use_refuses_another_thread_at_once() -> None:
    limiter = StreamLimiter(1, FAST)

    async def elsewhere() -> Slot:
        return await limiter.acquire(5)

    async def main() -> None:
        slot = await limiter.acquire(1)
        with pytest.raises(LoopException, match="StreamLimiter of its own"):
            await asyncio.to_thread(asyncio.run, elsewhere())
        assert (limiter.open, limiter.waiting) == (1, 0)
        waiting = asyncio.create_task(limiter.acquire(5))
        await turns()
        slot.release()
        (await waiting).release()
        # Free, it serves the other loop, whose slot no one else gives back.
        theirs = await asyncio.to_thread(asyncio.run, elsewhere())
        with pytest.raises(LoopException, match="slot"):
            theirs.release()

    asyncio.run(main())
    asyncio.run(main())  # one that has ended is in nobody's way


def test_loops_that_compete_get_no_more_slots_than_there_are() -> None:
    limiter = StreamLimiter(2, FAST)
    most = Semaphore(2)

    async def compete() -> int:
        refused = 0
        for _ in range(300):
            try:
                slot = await limiter.acquire(5)
            except LoopException:
                refused += 1
                continue
            assert most.acquire(blocking=False)
            await asyncio.sleep(0)
            most.release()
            slot.release()
        return refused

    async def several() -> int:
        return sum(await asyncio.gather(*(compete() for _ in range(4))))

    with ThreadPoolExecutor(3) as threads:
        counts = [threads.submit(asyncio.run, several()) for _ in range(3)]
        assert all(count.result(30) >= 0 for count in counts)
    assert (limiter.open, limiter.waiting) == (0, 0)
