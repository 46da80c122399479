"""The limiter that processes share, at a real server. Each limiter here stands for a process."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from traceback import format_exception
from typing import Any

import pytest
import valkey

from amazon_transcribe.exceptions import (
    LimiterException,
    LoopException,
    StreamClosedException,
    TimeoutException,
    ValidationException,
)
from amazon_transcribe.limiter import Slot, StreamLimiter
from amazon_transcribe.limiter.valkey import Usage, ValkeyStreamLimiter
from amazon_transcribe.observe import LimiterObserver
from tests.support.callers import leftovers, until
from tests.support.valkey import ValkeyServer, valkey_server

FAST = 1_000_000
PATIENCE = 60


class Recorder(LimiterObserver):
    def __init__(self) -> None:
        self.waits: list[float] = []
        self.lost = 0
        self.away: list[LimiterException] = []
        self.back: list[float] = []

    def slot_granted(self, seconds: float) -> None:
        self.waits.append(seconds)

    def leases_lost(self, count: int) -> None:
        self.lost += count

    def limiter_away(self, error: LimiterException) -> None:
        self.away.append(error)

    def limiter_back(self, seconds: float) -> None:
        self.back.append(seconds)


@asynccontextmanager
async def fleet(
    server: ValkeyServer, name: str, count: int = 2, **options: Any
) -> AsyncIterator[list[ValkeyStreamLimiter]]:
    options = {"max_streams": 2, "starts_per_second": FAST, **options}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                ValkeyStreamLimiter(server.url, name=name, call_timeout=4, **options)
            )
            for _ in range(count)
        ]
    assert leftovers() == []


async def queued(limiter: ValkeyStreamLimiter, count: int) -> None:
    """Wait until so many starts of the fleet wait."""
    async with asyncio.timeout(PATIENCE) if hasattr(asyncio, "timeout") else AsyncExitStack():
        while (await limiter.usage()).waiting != count:
            await asyncio.sleep(0)


async def test_first_come_first_served_across_processes(server: ValkeyServer, name: str) -> None:
    async with fleet(server, name, 3) as limiters:
        held = [await limiter.acquire(PATIENCE) for limiter in limiters[:2]]
        served: list[int] = []

        async def wait(number: int) -> None:
            slot = await limiters[number % 3].acquire(PATIENCE)
            served.append(number)
            slot.release()

        tasks = []
        for number in range(6):
            tasks.append(asyncio.create_task(wait(number)))
            await queued(limiters[0], number + 1)
        assert await limiters[0].usage() == Usage(2, 6, 2, 3)
        assert [limiter.waiting for limiter in limiters] == [2, 2, 2]
        held[0].release()
        await asyncio.gather(*tasks)
        assert served == list(range(6))
        held[1].release()
        held[1].release()
        await until(lambda: not any(limiter.open for limiter in limiters))
        assert (await limiters[2].usage()).open == 0


async def test_a_wait_is_bounded_and_leaves_the_queue(server: ValkeyServer, name: str) -> None:
    async with fleet(server, name, max_streams=1) as (first, second):
        slot: Slot | None = await first.acquire(PATIENCE)
        with pytest.raises(TimeoutException) as late:
            await second.acquire(0.01)
        assert late.value.phase == "slot"
        closing = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(second.acquire(PATIENCE, closing))
        await queued(first, 1)
        closing.set_result(None)
        with pytest.raises(StreamClosedException):
            await waiting
        await queued(first, 0)
        slot = None  # forgotten, it comes back
        gc.collect()
        assert slot is None
        (await second.acquire(PATIENCE)).release()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_wait_loses_no_slot(server: ValkeyServer, name: str, turns: int) -> None:
    async with fleet(server, name, max_streams=1) as (first, second):
        slot = await first.acquire(PATIENCE)
        waiting = asyncio.create_task(second.acquire(PATIENCE))
        await queued(first, 1)
        slot.release()
        for _ in range(3**turns):  # up to the moment in which the turn has come, and beyond
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        if not waiting.cancelled():
            waiting.result().release()
        (await first.acquire(PATIENCE)).release()


async def test_starts_keep_to_the_rate_across_processes(server: ValkeyServer, name: str) -> None:
    async with fleet(server, name, max_streams=100, starts_per_second=20) as limiters:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        await asyncio.gather(*(limiters[n % 2].acquire(PATIENCE) for n in range(41)))
        assert loop.time() - began_at > 1.99  # two whole windows have passed, or more


async def test_slots_of_a_process_that_died_come_back(server: ValkeyServer, name: str) -> None:
    options = {"server": server.url, "name": name, "max_streams": 1, "call_timeout": 0.3}
    async with ValkeyStreamLimiter(lease=1, **options) as limiter:
        dead = ValkeyStreamLimiter(lease=1, **options)
        await dead.acquire(PATIENCE)
        for task in dead._tasks:  # as a kill does: nothing is given back
            task.cancel()
        await asyncio.wait(dead._tasks)
        (await limiter.acquire(PATIENCE)).release()
        await dead._server.aclose()


async def test_a_lost_lease_is_told_and_counts_again(server: ValkeyServer, name: str) -> None:
    observer = Recorder()
    async with fleet(server, name, 1, observer=observer, max_streams=1) as (limiter,):
        slot = await limiter.acquire(PATIENCE)
        await limiter._server.flushall()  # as a server does that comes back from nothing
        assert (await limiter.usage()).open == 1
        assert observer.lost == 1
        with pytest.raises(TimeoutException):
            await limiter.acquire(0.01)
        slot.release()
        (await limiter.acquire(PATIENCE)).release()
        assert observer.lost == 1
        assert len(observer.waits) == 2


async def test_a_late_call_undoes_nothing(server: ValkeyServer, name: str) -> None:
    async with fleet(server, name, 1) as (limiter,):
        slot = await limiter.acquire(PATIENCE)
        late = {**limiter._request, "serial": 1, "held": [], "waiting": []}
        with pytest.raises(Exception, match="newer call"):
            await limiter._script(limiter._keys, [json.dumps(late)])
        assert (await limiter.usage()).open == 1
        slot.release()


async def test_away_starts_fail_where_that_is_chosen(name: str) -> None:
    observer = Recorder()
    with valkey_server() as server:
        async with fleet(server, name, 1, when_away="fail", observer=observer) as (limiter,):
            slot = await limiter.acquire(PATIENCE)
            server.stop()
            with pytest.raises(LimiterException, match="is away"):
                await limiter.acquire(PATIENCE)
            with pytest.raises(LimiterException, match="is away"):
                await limiter.usage()
            server.start()
            await until(lambda: observer.back)
            assert (len(observer.away), len(observer.back)) == (1, 1)
            assert (await limiter.usage()).open == 1  # the open stream counts again
            await limiter.acquire(PATIENCE)
            slot.release()


async def test_away_starts_wait_by_default(name: str) -> None:
    with valkey_server() as server:
        async with fleet(server, name, 1) as (limiter,):
            server.stop()
            with pytest.raises(TimeoutException):
                await limiter.acquire(0.01)
            waiting = asyncio.create_task(limiter.acquire(PATIENCE))
            await asyncio.sleep(0)
            server.start()
            (await waiting).release()


async def test_away_a_share_of_the_quota_is_used(name: str) -> None:
    share = StreamLimiter(1, FAST)
    with valkey_server() as server:
        async with fleet(server, name, 1, when_away=share) as (limiter,):
            server.stop()
            slot = await limiter.acquire(PATIENCE)
            assert (limiter.open, share.open) == (1, 1)
            with pytest.raises(TimeoutException):
                await limiter.acquire(0.5)
            server.start()
            second = await limiter.acquire(PATIENCE)
            usage = await limiter.usage()
            assert (usage.open, share.open) == (2, 1)
            slot.release()
            second.release()
            assert share.open == 0


async def test_a_server_that_says_nothing_is_away(name: str) -> None:
    async def ignore(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    silent: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with ValkeyStreamLimiter(
            f"redis://127.0.0.1:{port}", name=name, when_away="fail", call_timeout=0.05
        ) as limiter:
            with pytest.raises(LimiterException, match=r"no answer within 0\.05 s"):
                await limiter.acquire(PATIENCE)
        for writer in silent:
            writer.close()


async def test_closing_gives_everything_back(server: ValkeyServer, name: str) -> None:
    async with fleet(server, name, 1, max_streams=1) as (limiter,):
        gone = ValkeyStreamLimiter(server.url, name=name, max_streams=1)
        slot = await gone.acquire(PATIENCE)
        waiting = asyncio.create_task(gone.acquire(PATIENCE))
        await queued(limiter, 1)
        await gone.close()
        with pytest.raises(StreamClosedException):
            await waiting
        with pytest.raises(StreamClosedException):
            await gone.acquire(PATIENCE)
        slot.release()
        await gone.close()
        (await limiter.acquire(PATIENCE)).release()


@pytest.mark.parametrize("package", ["valkey", "redis"])
async def test_a_client_of_the_program_stays_open(
    server: ValkeyServer, name: str, package: str
) -> None:
    library = pytest.importorskip(f"{package}.asyncio")
    async with library.from_url(server.url, decode_responses=True) as own:
        async with ValkeyStreamLimiter(own, name=name) as limiter:
            (await limiter.acquire(PATIENCE)).release()
        assert await own.ping()


def test_it_belongs_to_one_loop(server: ValkeyServer, name: str) -> None:
    async def main() -> None:
        async with ValkeyStreamLimiter(server.url, name=name) as limiter:
            (await limiter.acquire(PATIENCE)).release()
            with pytest.raises(LoopException, match="limiter"):
                await asyncio.to_thread(asyncio.run, limiter.acquire(1))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"server": "http://127.0.0.1"}, "server must be a URL"),
        ({"server": 5}, "server must be a URL, or an asyncio client"),
        ({"server": valkey.Valkey()}, "or an asyncio client of valkey or redis, not valkey.client"),
        ({"max_streams": 0}, "max_streams"),
        ({"max_streams": inf}, "max_streams must be finite"),
        ({"starts_per_second": inf}, "starts_per_second must be finite"),
        ({"lease": inf}, "lease must be finite"),
        ({"lease": 3, "call_timeout": 1}, "below a third of the lease"),
        ({"name": "{a}"}, "name must be"),
        ({"when_away": "hope"}, "when_away must be"),
    ],
)
def test_a_limiter_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        ValkeyStreamLimiter(**{"server": "redis://127.0.0.1", **options})


def test_no_password_stands_in_an_error() -> None:
    password = "hunter2"
    with pytest.raises(ValidationException) as raised:
        ValkeyStreamLimiter(f"valkey://:{password}/x@127.0.0.1:6379")
    assert password not in "".join(format_exception(raised.value))


async def test_another_loop_may_not_close_it(server: ValkeyServer, name: str) -> None:
    async with ValkeyStreamLimiter(server.url, name=name) as limiter:
        slot = await limiter.acquire(PATIENCE)
        with pytest.raises(LoopException, match="limiter"):
            await asyncio.to_thread(asyncio.run, limiter.close())
        slot.release()
        (await limiter.acquire(PATIENCE)).release()


async def test_a_cancelled_close_leaves_no_connection(server: ValkeyServer, name: str) -> None:
    limiter = ValkeyStreamLimiter(server.url, name=name)
    (await limiter.acquire(PATIENCE)).release()
    closing = asyncio.create_task(limiter.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    await until(lambda: leftovers() == [])
    gc.collect()  # a connection that is open would warn


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # no loop closes them any more
def test_it_can_be_closed_when_its_loop_has_ended(server: ValkeyServer, name: str) -> None:
    limiter = ValkeyStreamLimiter(server.url, name=name)
    loop = asyncio.new_event_loop()
    slot = loop.run_until_complete(limiter.acquire(PATIENCE))
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
    asyncio.run(limiter.close())
    assert limiter.open == 0
    del slot, limiter, tasks, task
    gc.collect()


async def test_a_release_that_was_refused_is_told_again(name: str) -> None:
    with valkey_server() as server:
        admin = valkey.Valkey(port=server.port)
        async with fleet(server, name, 1, lease=3600.0) as [limiter]:
            slot = await limiter.acquire(PATIENCE)
            admin.config_set("maxmemory", 1)
            slot.release()
            with pytest.raises(LimiterException, match="the limiter's server refuses: .*maxmemory"):
                await limiter.usage()
            admin.config_set("maxmemory", 0)
            await until(lambda: admin.zcard(f"amazon-transcribe:{{{name}}}:held") == 0)
        admin.close()


async def test_a_clock_put_back_stops_no_start(server: ValkeyServer, name: str) -> None:
    key = f"amazon-transcribe:{{{name}}}"
    with valkey.Valkey(port=server.port) as admin:
        seconds, _ = admin.time()
        in_an_hour = (seconds + 3600) * 1000
        admin.rpush(f"{key}:starts", in_an_hour)
        admin.zadd(f"{key}:members", {"a": in_an_hour})
        admin.zadd(f"{key}:held", {"a:1": 1, "a:2": 2})
        async with fleet(server, name, 1, starts_per_second=1, lease=13.0, max_streams=3) as made:
            slot = await made[0].acquire(PATIENCE)
            # The lease of a process that is gone ends too, however far its end was.
            others = [await made[0].acquire(PATIENCE) for _ in range(2)]
            for each in (slot, *others):
                each.release()
