"""A limiter that the processes of a fleet share, on any number of machines.

    async with ValkeyStreamLimiter("valkey://10.0.0.5:6379", name="us-east-2") as limiter:
        async with TranscribeStreamingClient(region="us-east-2", limiter=limiter) as client:
            ...

A server of Valkey, or of Redis 6 or later, keeps the count: who holds a slot, who waits, in
the order in which they came. What a process holds is on lease by the server's clock: the
process renews it three times a lease, and if it dies, its slots are free after one lease at
most. The guide "Keep a fleet within the account's quotas" says what it promises.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import secrets
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from .._net.loops import check_loop
from .._net.waiting import Waiters
from .._protocol.constraints import check_finite
from ..exceptions import (
    LimiterException,
    SDKError,
    StreamClosedException,
    TimeoutException,
    ValidationException,
    missing_extra,
    shown,
)
from ..observe import LimiterObserver, notify, package_logger
from . import MAX_STREAMS, STARTS_PER_SECOND, Limiter, Slot, result_of
from ._script import KEYS, SCRIPT

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Usage", "ValkeyStreamLimiter"]

LEASE = 15.0
CALL_TIMEOUT = 2.0

_CHECK = 1.0  # seconds after which a process that waits asks, if it has not been told
_RETRY = 0.25  # seconds until the server is asked again that did not answer
_SIGN_OF_LIFE = 30.0  # seconds after which a silent subscription is tried

logger: logging.Logger = package_logger()


@dataclass(frozen=True)
class Usage:
    """What a fleet uses of its quota.

    :param open: Slots in use.
    :param waiting: Starts that wait for one.
    :param max_streams: All slots that there are.
    :param processes: Processes that were heard of within a lease.
    """

    open: int
    waiting: int
    max_streams: int
    processes: int


class ValkeyStreamLimiter:
    """A queue for the starts of a whole fleet, first come, first served across its machines.

    It limits the open streams and the starts in any second, as `StreamLimiter` does, for all
    processes that name the same server and the same `name`. Each of them gives the same
    limits and the same lease. It belongs to the event loop of its first use, and is closed
    after the clients that have it.

    A process that cannot reach the server for longer than a lease loses its slots there. Its
    streams go on; once it is back they count again, though their places may be taken. The
    log and the observer are told of such lost leases.

    :param server: The server's URL, `valkey://[[USER]:PASSWORD@]HOST[:PORT][/DB]`, with
        `valkeys` for TLS, or an asyncio client of the package `valkey` or `redis`, which the
        program closes. A URL needs the extra `valkey`, or the package `redis`.
    :param name: The name of the quota: one for each account and region.
    :param max_streams: The most streams open at a time, including those being started.
    :param starts_per_second: The most starts in a second; fractions are allowed.
    :param lease: Seconds after which the slots of a process that died are free again.
    :param when_away: What becomes of starts while the server does not answer. `"wait"`: they
        wait for it, within their time-outs; `"fail"`: they fail at once with a
        `LimiterException`. A limiter, such as `StreamLimiter(3, 3)`: it decides instead, with
        this process's share of the quota. Open streams go on in any case.
    :param call_timeout: Seconds that the server may take for an answer, below a third of the
        lease.
    :param observer: Told of waits, lost leases, and when the server is away and back.
    :raises ValidationException: For an argument that is not allowed, and where the package
        is missing.
    """

    def __init__(
        self,
        server: str | Any,
        *,
        name: str = "transcribe",
        max_streams: int = MAX_STREAMS,
        starts_per_second: float = STARTS_PER_SECOND,
        lease: float = LEASE,
        when_away: Literal["wait", "fail"] | Limiter = "wait",
        call_timeout: float = CALL_TIMEOUT,
        observer: LimiterObserver | None = None,
    ) -> None:
        check_finite(
            max_streams=max_streams,
            starts_per_second=starts_per_second,
            lease=lease,
            call_timeout=call_timeout,
        )
        if call_timeout >= lease / 3:
            raise ValidationException(
                f"call_timeout must be below a third of the lease, {lease / 3:g} s, not"
                f" {call_timeout:g} s"
            )
        if not isinstance(name, str) or not name or set(name) & set("{}"):
            raise ValidationException(f"name must be a text without braces, not {name!r}")
        if when_away not in ("wait", "fail") and not hasattr(when_away, "acquire"):
            raise ValidationException(
                f"when_away must be 'wait', 'fail' or a limiter, not {when_away!r}"
            )
        self.max_streams = max_streams
        self.starts_per_second = starts_per_second
        self.lease = lease
        self.when_away = when_away
        self._call_timeout = call_timeout
        self._observer = LimiterObserver() if observer is None else observer
        self._owns_server = isinstance(server, str)
        self._server = _connect(server, call_timeout) if isinstance(server, str) else server
        if not inspect.iscoroutinefunction(getattr(self._server, "execute_command", None)):
            raise ValidationException(
                "server must be a URL, or an asyncio client of valkey or redis, not"
                f" {type(server).__module__}.{type(server).__qualname__}"
            )
        self._script = self._server.register_script(SCRIPT)
        self._process = secrets.token_hex(8)
        # The braces: a cluster keeps all keys on one of its nodes.
        self._keys = [f"amazon-transcribe:{{{name}}}:{key}" for key in KEYS]
        burst = max(1, int(starts_per_second))
        self._request = {
            "process": self._process,
            "channel": f"amazon-transcribe:{{{name}}}:granted:",
            "lease": round(lease * 1000),
            "max_streams": max_streams,
            "burst": burst,
            "window": round(burst / starts_per_second * 1000),
        }
        self._numbers = count(1)
        self._serials = count(1)
        # What this process holds and waits for, by tickets; True where the server has it.
        self._held: dict[str, bool] = {}
        self._waiting: dict[str, asyncio.Future[Slot]] = {}
        self._usage = Usage(0, 0, max_streams, 0)
        self._away_since: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False
        self._turn = asyncio.Lock()  # of the calls: each has to know the last one's answer
        self._changes = Waiters()
        self._has_changed = False

    @property
    def open(self) -> int:
        """Number of slots that this process has in use."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """Number of starts that wait for a slot in this process."""
        return len(self._waiting)

    async def acquire(self, timeout: float, closing: asyncio.Future[None] | None = None) -> Slot:
        """Wait for a slot, behind all starts of the fleet that wait already.

        :param timeout: The longest wait, in seconds.
        :param closing: A future that ends the wait when it is done, as a client's closing.
        :raises TimeoutException: After `timeout`, with the phase `"slot"`.
        :raises StreamClosedException: If `closing` is done first, or the limiter is closed.
        :raises LimiterException: If the server is away, with `when_away="fail"`.
        :raises LoopException: In another event loop than that of the first use.
        """
        loop = self._begin()
        began_at = loop.time()
        ticket = f"{self._process}:{next(self._numbers)}"
        turn = self._waiting[ticket] = loop.create_future()
        self._call_soon()
        try:
            slot = await result_of(turn, timeout, closing)
        except LimiterException:
            if isinstance(self.when_away, str):
                raise
            share = await self.when_away.acquire(began_at + timeout - loop.time(), closing)
            self._held[ticket] = False
            slot = Slot(partial(self._give_back, ticket, share), loop)
        except BaseException:
            # A cancellation may arrive after the slot has been assigned.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                turn.result().release()
            self._waiting.pop(ticket, None)
            self._call_soon()
            raise
        notify(self._observer.slot_granted, loop.time() - began_at)
        return slot

    async def usage(self) -> Usage:
        """Ask the server what the fleet uses.

        :raises LimiterException: If the server is away.
        :raises StreamClosedException: If the limiter is closed.
        :raises LoopException: In another event loop than that of the first use.
        """
        self._begin()
        try:
            await self._call()
        except Exception as error:
            raise _away(error) from error
        return self._usage

    async def close(self) -> None:
        """Give all slots back, and end the tasks and the connections.

        Starts that wait fail. It takes two `call_timeout` at most.

        :raises LoopException: In another event loop than that of the first use, while it is open.
        """
        if self._is_closed:
            return
        if self._loop is not None and not self._loop.is_closed():
            check_loop(self._loop, "the limiter")
        self._is_closed = True
        self._fail_waiting(StreamClosedException("the limiter was closed"))
        self._held.clear()
        # What was left in a loop that has ended is over, and the slots are free after the lease.
        tasks = [task for task in self._tasks if not task.get_loop().is_closed()]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
                with suppress(Exception):  # else they are free after the lease
                    await self._call()
        finally:  # nobody can close it again
            if self._owns_server:
                with suppress(Exception):
                    await self._within_timeout(self._server.aclose())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _begin(self) -> asyncio.AbstractEventLoop:
        """Return the limiter's loop; at the first use it is the running one."""
        if self._is_closed:
            raise StreamClosedException("the limiter is closed: make a new one")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._tasks = [
                self._loop.create_task(self._keep_up()),
                self._loop.create_task(self._listen()),
            ]
        check_loop(self._loop, "the limiter")
        return self._loop

    def _give_back(self, ticket: str, share: Slot | None = None) -> None:
        self._held.pop(ticket, None)
        if share is not None:
            share.release()
        self._call_soon()

    def _fail_waiting(self, error: SDKError) -> None:
        for turn in self._waiting.values():
            if not turn.done():
                turn.set_exception(error)
        self._waiting.clear()

    # The server

    async def _keep_up(self) -> None:
        """Call whenever something has changed or is due, and in time to renew the lease."""
        while True:
            self._has_changed = False
            try:
                due = await self._call()
            except Exception as error:  # of either package, or the system's
                self._note_away(error)
                await asyncio.sleep(_RETRY)
                due = 0.0  # even where nothing is held: the server may not know it yet
            if not self._has_changed and due != 0:
                with suppress(TimeoutException):
                    await self._changes.wait(due, "slot")

    def _call_soon(self) -> None:
        self._has_changed = True
        self._changes.wake()

    async def _call(self) -> float | None:
        """Tell the server what this process holds and waits for, and take what it grants.

        :returns: Seconds until the next call; None where nothing will have to be told.
        """
        async with self._turn:
            held, waiting = list(self._held), list(self._waiting)
            request = {
                **self._request, "serial": next(self._serials), "held": held, "waiting": waiting
            }  # fmt: skip
            answer = await self._within_timeout(self._script(self._keys, [json.dumps(request)]))
        due, is_open, are_waiting, processes, granted, missing = answer
        self._note_back()
        self._usage = Usage(is_open, are_waiting, self.max_streams, processes)
        self._note_lost(sum(self._held.get(_text(ticket), False) for ticket in missing))
        self._held.update((ticket, True) for ticket in held if ticket in self._held)
        for ticket in map(_text, granted):
            turn = self._waiting.pop(ticket, None)
            if turn is None or turn.done():
                self._call_soon()  # it was given up meanwhile
            else:
                self._held[ticket] = True
                turn.set_result(Slot(partial(self._give_back, ticket), turn.get_loop()))
        limits = [due / 1000] if due >= 0 else []
        if self._held or self._waiting:
            limits.append(self.lease / 3)
        if self._waiting:
            limits.append(_CHECK)
        return max(min(limits), 0.001) if limits else None

    async def _within_timeout(self, call: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(call)
        # Seen, even where nobody waits for it any more.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait({task}, timeout=self._call_timeout)
            if not task.done():
                raise TimeoutError(f"no answer within {self._call_timeout:g} s")
            return task.result()
        finally:
            if task.cancel():
                await asyncio.wait({task}, timeout=1)

    async def _listen(self) -> None:
        """Hear what others' calls granted this process; without, it takes up to `_CHECK`."""
        channel = f"{self._request['channel']}{self._process}"
        while True:
            with suppress(Exception):  # the calls notice, and tell
                async with self._server.pubsub() as subscription:
                    await subscription.subscribe(channel)
                    while True:
                        if await subscription.get_message(timeout=_SIGN_OF_LIFE):
                            self._call_soon()
            await asyncio.sleep(_RETRY)

    # News

    def _note_away(self, error: Exception) -> None:
        away = _away(error)
        if self._away_since is None:
            self._away_since = asyncio.get_running_loop().time()
            logger.warning("%s", away)
            notify(self._observer.limiter_away, away)
        if self.when_away != "wait":
            self._fail_waiting(away)

    def _note_back(self) -> None:
        if self._away_since is not None:
            seconds = asyncio.get_running_loop().time() - self._away_since
            self._away_since = None
            logger.warning("the limiter's server is back after %.1f s", seconds)
            notify(self._observer.limiter_back, seconds)

    def _note_lost(self, number: int) -> None:
        if number:
            logger.warning("the leases of %d open streams were lost", number)
            notify(self._observer.leases_lost, number)


def _connect(url: str, timeout: float) -> Any:
    """Return a client of whichever package there is; it connects when it is used."""
    library: Any
    try:
        import valkey.asyncio as library
    except ImportError as error:
        try:
            import redis.asyncio as library
        except ImportError:
            message = missing_extra("ValkeyStreamLimiter", "valkey", error)
            raise ValidationException(message) from error
        url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
    try:
        return library.from_url(
            url, socket_connect_timeout=timeout, health_check_interval=_SIGN_OF_LIFE
        )
    except ValueError:
        # Without the reason, which may quote a password with a character that stands for more.
        raise ValidationException(
            "server must be a URL such as valkey://USER:PASSWORD@HOST:6379/0, in which a"
            " password has %2F for a slash, and so on"
        ) from None


def _away(error: Exception) -> LimiterException:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    what = "refuses" if "ResponseError" in kinds else "is away"  # of either package
    return LimiterException(f"the limiter's server {what}: {shown(str(error)) or kinds[0]}")


def _text(ticket: str | bytes) -> str:
    return ticket if isinstance(ticket, str) else ticket.decode()
