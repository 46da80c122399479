"""Faults as they happen: drawn for each stream, and injected at their points."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from ..._protocol.constants import SERVICE_EXCEPTIONS
from ..._protocol.server_session import exception_frame
from ...exceptions import ConnectionLostException, HTTPException, ValidationException
from ..exchange import LINGER_TIMEOUT, WRITE_TIMEOUT, Exchange, NetworkExchange
from ..log import logger
from . import KINDS, OPTIONS, Fault
from .metering import AudioMeter, parameter

__all__ = ["Faults", "FaultyExchange", "RefusedConnection"]

Serve = Callable[[Exchange], Coroutine[Any, Any, None]]


class Faults:
    """All faults of a server.

    :param faults: One stream may get several of them.

    :ivar injected: How many streams and connections got a fault of each kind.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        listed: list[Any] = [*faults] if isinstance(faults, Iterable) else [None]
        if not all(isinstance(fault, Fault) for fault in listed):
            raise ValidationException(
                "faults must be a list of Fault, such as [Fault('drop', after_events=3)], not"
                f" {faults!r}"
            )
        self.injected: Counter[str] = Counter()
        schedules = [_FaultSchedule(fault) for fault in listed]
        self._of_streams = [s for s in schedules if KINDS[s.fault.kind].inject is not None]
        self._of_connections = [s for s in schedules if KINDS[s.fault.kind].inject is None]

    def refuse_connection(self) -> bool:
        """Draw whether the next connection is to be refused."""
        drawn = [schedule.draw() for schedule in self._of_connections]  # each takes part
        if not any(drawn):
            return False
        self.injected["refuse"] += 1
        logger.info("fault %(fault)s injected into a connection", {"fault": "refuse"})
        return True

    def serve(self, exchange: NetworkExchange, serve: Serve) -> Coroutine[Any, Any, None]:
        """Let `serve` answer a stream, with the faults that the stream draws."""
        drawn = [schedule.draw() for schedule in self._of_streams]
        planned = [fault for fault in drawn if fault is not None]
        if planned:
            self.injected.update(each.fault.kind for each in planned)
            return _serve_with(planned, exchange, serve)
        return serve(exchange)


async def _serve_with(
    faults: Sequence[_PlannedFault], exchange: NetworkExchange, serve: Serve
) -> None:
    session = parameter(exchange, "session-id") or "-"
    stream = FaultyExchange(exchange, [fault for fault in faults if not fault.early])
    try:
        for planned in faults:
            logger.info(
                "fault %(fault)s injected into session %(session)s",
                {"fault": planned.fault.kind, "session": session},
            )
            if planned.early:
                await planned.inject(stream)
                if exchange.is_over:  # the client may have started the session again
                    return
        await serve(stream)
    except _StreamEndedByFault as end:
        if end.in_order:
            await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)


class _FaultSchedule:
    """A fault, and how many streams are still to get it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = fault.times
        self._random = random.Random(fault.seed)  # noqa: S311  # nothing secret is drawn

    def draw(self) -> _PlannedFault | None:
        """Draw whether the next stream gets the fault, and its point."""
        fault, dice = self.fault, self._random
        hit = dice.random() < fault.probability
        events, seconds = fault.after_events, fault.after_seconds
        if isinstance(events, tuple):
            events = dice.randint(*events)
        if isinstance(seconds, tuple):
            seconds = dice.uniform(*seconds)
        if not hit or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        return _PlannedFault(fault, events, seconds)


class _PlannedFault(NamedTuple):
    """A fault of one stream, its point drawn."""

    fault: Fault
    events: int | None
    seconds: float | None

    @property
    def early(self) -> bool:
        """Whether it happens before the answer."""
        return KINDS[self.fault.kind].early and (self.events, self.seconds) == (None, None)

    async def inject(self, stream: FaultyExchange) -> None:
        """Let it happen now.

        :raises _StreamEndedByFault: when it ends the stream.
        """
        kind = KINDS[self.fault.kind]
        assert kind.inject is not None
        options = {}
        for name, default in kind.options.items():
            value = getattr(self.fault, OPTIONS[name].field)
            options[name] = default if value is None else value
        await getattr(stream, kind.inject)(**options)


class _StreamEndedByFault(HTTPException):
    """A fault ended the stream: passes through the service as a network's failure does.

    :param in_order: Send what was written, then end the stream.
    """

    def __init__(self, *, in_order: bool = False) -> None:
        super().__init__("a fault ended the stream")
        self.in_order = in_order


class RefusedConnection(asyncio.Protocol):
    """A connection that is closed as soon as it is accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class FaultyExchange:
    """An exchange in which faults happen at their points.

    :param faults: Those that come after the answer.
    """

    def __init__(self, exchange: NetworkExchange, faults: Sequence[_PlannedFault]) -> None:
        self.method: str = exchange.method
        self.target: str = exchange.target
        self.headers: Sequence[tuple[str, str]] = exchange.headers
        self._exchange = exchange
        self._pending = list(faults)
        self._meter = AudioMeter(exchange)
        self._events = 0
        self._answered = False
        self._delay = 0.0
        self._silent = self._stopped_reading = False
        self._truncates_next = self._corrupts_next = False

    @property
    def is_over(self) -> bool:
        return self._exchange.is_over

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self._answered = status == 200
        self._exchange.respond(status, headers)

    async def read(self, timeout: float | None = None) -> bytes:
        await self._inject_due(self._meter.seconds)
        if self._stopped_reading:
            self._silent = True  # nor does it say after 15 s that no audio comes
            await self._exchange.closed()
            raise ConnectionLostException("the client has left")
        limits = [fault.seconds for fault in self._pending if fault.seconds is not None]
        return await self._meter.read(min(limits, default=None), timeout)

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        if not self._answered:  # the body of a refusal
            await self._exchange.write(data, timeout)
            return
        if self._silent:
            return
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._truncates_next:
            await self._exchange.write(data[: len(data) // 2], timeout)
            raise _StreamEndedByFault(in_order=True)
        if self._corrupts_next:
            data = data[:-1] + bytes([data[-1] ^ 1])
            self._corrupts_next = False
        await self._exchange.write(data, timeout)
        self._events += 1
        await self._inject_due(0.0)  # the results of what was read are still to come

    async def finish(self, sending: float, lingering: float) -> None:
        if self._silent:
            await self._exchange.closed()
        await self._exchange.finish(sending, lingering)

    async def _inject_due(self, seconds: float) -> None:
        """Inject the faults whose point is reached.

        :param seconds: The audio received whose results are sent.
        """
        for planned in list(self._pending):
            if planned.seconds is not None:
                due = seconds > 0 and seconds >= planned.seconds
            else:
                due = self._events >= (planned.events or 0)
            if due:
                self._pending.remove(planned)
                await planned.inject(self)

    # What `KINDS` names: each happens before the answer or between two events

    async def fall_silent(self) -> None:
        self._silent = True
        if not self._answered:
            await self._exchange.closed()
            raise _StreamEndedByFault

    async def slow_down(self, by: float) -> None:
        if self._answered:
            self._delay = by
        else:
            await asyncio.sleep(by)

    async def refuse(self, status: int, error: str | None, message: str) -> None:
        if not error:
            classes = SERVICE_EXCEPTIONS.values()
            error = next((each.__name__ for each in classes if each.status_code == status), None)
        body = _body(message)
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        self.respond(status, [("x-amzn-errortype", error), *headers] if error else headers)
        await self.write(body, WRITE_TIMEOUT)
        raise _StreamEndedByFault(in_order=True)

    async def reset(self, code: int) -> None:
        self._exchange.reset(code)
        raise _StreamEndedByFault

    async def drop(self) -> None:
        self._exchange.drop()
        raise _StreamEndedByFault

    async def go_away(self, code: int, graceful: bool) -> None:
        self._exchange.go_away(code, graceful=graceful)
        if not graceful:
            raise _StreamEndedByFault

    async def truncate_next(self) -> None:
        self._truncates_next = True

    async def corrupt_next(self) -> None:
        self._corrupts_next = True

    async def stop_reading(self) -> None:
        self._stopped_reading = True

    async def end_with_exception(self, error: str, message: str) -> None:
        await self._exchange.write(exception_frame(error, _body(message)), WRITE_TIMEOUT)
        raise _StreamEndedByFault(in_order=True)


def _body(message: str) -> bytes:
    return msgspec.json.encode({"Message": message})
