"""Faults on demand: what networks and services in trouble do, for tests of recovery.

    LocalTranscribe("scripted", faults=[Fault("reset", after_events=3, code=8)])
    amazon-transcribe serve --fault reset:after=3,code=8 --fault http:status=503,times=2

*What*: each kind is declared below by a function, whose keywords are its options.
*When*: `after_events` (in text `after`) events sent, or `after_seconds` (`seconds`) of
audio received; either may be a range, from which each stream draws. Without a point:
as early as can be, that is before the answer where the kind allows it. *Whom*: every
stream (`refuse`: every connection), the first `times` ones, or each with a
`probability`. What is drawn depends on `seed` and on the order of the streams only.
The logger `amazon_transcribe.local` tells at INFO which fault strikes which session.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from ..._protocol.events import SERVICE_EXCEPTIONS
from ..._protocol.server_session import exception_frame
from ...exceptions import ConnectionLostException, HTTPException
from ..exchange import LINGER_TIMEOUT, WRITE_TIMEOUT, BreakableExchange, Exchange
from ..service import logger
from . import _MESSAGE, KINDS, Fault, _Kind
from .metering import AudioMeter, parameter

__all__ = ["Fault", "Faults"]


class Faults:
    """Carries faults out.

    :param faults: All of them; one stream may get several.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        sources = [_Source(fault) for fault in faults]
        self._refusals = [source for source in sources if source.fault.kind == "refuse"]
        self._sources = [source for source in sources if source.fault.kind != "refuse"]

    def guarded(self, protocol: Callable[[], asyncio.BaseProtocol]) -> asyncio.BaseProtocol:
        """The protocol for a new connection: the server's, or one that refuses."""
        refusals = [source.draw() for source in self._refusals]  # each takes part
        if any(refusals):
            logger.info("fault refuse strikes a connection")
            return _Refusal()
        return protocol()

    async def serve(
        self,
        exchange: BreakableExchange,
        serve: Callable[[Exchange], Coroutine[Any, Any, None]],
    ) -> None:
        """Let `serve` answer a stream, with its faults."""
        drawn = [source.draw() for source in self._sources]
        injections = [injection for injection in drawn if injection is not None]
        if not injections:
            await serve(exchange)
            return
        session = parameter(exchange, "session-id") or "-"
        stream = _FaultyExchange(
            exchange, [injection for injection in injections if not injection.early]
        )
        try:
            for injection in injections:
                logger.info("fault %s strikes session %s", injection.fault.kind, session)
                if injection.early:
                    await injection.carry_out(stream)
                    if exchange.is_over:  # its client may have started the session anew
                        return
            await serve(stream)
        except _Over as over:
            if over.in_order:
                await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)


class _Source:
    """A fault, and what is left of it for streams to come."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = fault.times
        self._random = random.Random(fault.seed)  # noqa: S311  # nothing secret is drawn

    def draw(self) -> _Injection | None:
        """What the fault does to the next stream, if anything."""
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
        return _Injection(fault, events, seconds)


class _Injection(NamedTuple):
    """A fault on its way to a stream: its point is drawn."""

    fault: Fault
    events: int | None
    seconds: float | None

    @property
    def early(self) -> bool:
        """Whether it comes before the answer."""
        return KINDS[self.fault.kind].early and (self.events, self.seconds) == (None, None)

    async def carry_out(self, stream: _FaultyExchange) -> None:
        """Let it happen now.

        :raises _Over: when the stream ends by it.
        """
        kind = KINDS[self.fault.kind]
        given = {name: getattr(self.fault, name) for name in kind.options}
        await kind.inject(stream, **{n: value for n, value in given.items() if value is not None})


@_Kind("refuse", late=False)
class _Refusal(asyncio.Protocol):
    """the connection is closed as soon as it is accepted"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class _Over(HTTPException):
    """A fault ended the stream: passes through the service as a network's failure does.

    :param in_order: Our bytes are to be sent and the stream to be ended behind them.
    """

    def __init__(self, *, in_order: bool = False) -> None:
        super().__init__("a fault ended the stream")
        self.in_order = in_order


class _FaultyExchange:
    """An exchange in which faults happen at their points.

    :param injections: Those that come after the answer.
    """

    def __init__(self, exchange: BreakableExchange, injections: Sequence[_Injection]) -> None:
        self.method = exchange.method
        self.target = exchange.target
        self.headers = exchange.headers
        self._exchange = exchange
        self._pending = list(injections)
        self._meter = AudioMeter(exchange)
        self._events = 0
        self._answered = False
        self._delay = 0.0
        self._silent = self._stopped_reading = False
        self._truncate_next = self._corrupt_next = False

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self._answered = status == 200
        self._exchange.respond(status, headers)

    async def read(self, timeout: float | None = None) -> bytes:
        await self._inject_due(self._meter.seconds)
        if self._stopped_reading:
            await self._exchange.closed()
            raise ConnectionLostException("the client has left")
        limits = [injection.seconds for injection in self._pending if injection.seconds is not None]
        return await self._meter.read(min(limits, default=None), timeout)

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        if not self._answered:  # the body of a refusal
            await self._exchange.write(data, timeout)
            return
        if self._silent:
            return
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._truncate_next:
            await self._exchange.write(data[: len(data) // 2], timeout)
            raise _Over(in_order=True)
        if self._corrupt_next:
            data = data[:-1] + bytes([data[-1] ^ 1])
            self._corrupt_next = False
        await self._exchange.write(data, timeout)
        self._events += 1
        await self._inject_due(0.0)  # what was read has its results under way

    async def finish(self, sending: float, lingering: float) -> None:
        if self._silent:
            await self._exchange.closed()
        await self._exchange.finish(sending, lingering)

    async def _inject_due(self, seconds: float) -> None:
        """Let the faults happen whose point is reached.

        :param seconds: Of audio received and answered.
        """
        for injection in list(self._pending):
            if injection.seconds is not None:
                due = seconds > 0 and seconds >= injection.seconds
            else:
                due = self._events >= (injection.events or 0)
            if due:
                self._pending.remove(injection)
                await injection.carry_out(self)

    # The kinds: each happens before the answer or between two events

    @_Kind("silent", early=True)
    async def silence(self) -> None:
        """nothing is sent any more; at the start: no answer"""
        self._silent = True
        if not self._answered:
            await self._exchange.closed()
            raise _Over

    @_Kind("delay", early=True)
    async def slow_down(self, by: float = 1.0) -> None:
        """the answer, or each event after the point, is late"""
        if self._answered:
            self._delay = by
        else:
            await asyncio.sleep(by)

    @_Kind("http", early=True, late=False)
    async def refuse(self, status: int = 503, error: str = "", message: str = _MESSAGE) -> None:
        """an HTTP error in place of the stream"""
        kinds = (kind for kind in SERVICE_EXCEPTIONS.values() if kind.status_code == status)
        name = error or next((kind.__name__ for kind in kinds), None)
        body = _body(message)
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        self.respond(status, [("x-amzn-errortype", name), *headers] if name else headers)
        await self.write(body, WRITE_TIMEOUT)
        raise _Over(in_order=True)

    @_Kind("reset", early=True)
    async def reset(self, code: int = 2) -> None:
        """RST_STREAM"""
        self._exchange.reset(code)
        raise _Over

    @_Kind("drop", early=True)
    async def drop(self) -> None:
        """the TCP connection is cut"""
        self._exchange.drop()
        raise _Over

    @_Kind("goaway", early=True)
    async def go_away(self, code: int = 0, graceful: bool = False) -> None:
        """GOAWAY, which refuses the stream unless `graceful`"""
        self._exchange.go_away(code, graceful=graceful)
        if not graceful:
            raise _Over

    @_Kind("truncate")
    async def truncate(self) -> None:
        """an event is cut in the middle, then the stream ends"""
        self._truncate_next = True

    @_Kind("corrupt")
    async def corrupt(self) -> None:
        """an event comes with a wrong checksum"""
        self._corrupt_next = True

    @_Kind("stop-reading")
    async def stop_reading(self) -> None:
        """the server takes no more bytes of the stream"""
        self._stopped_reading = True

    @_Kind("exception", errors=SERVICE_EXCEPTIONS)
    async def end(self, error: str = "InternalFailureException", message: str = _MESSAGE) -> None:
        """an exception of the service ends the stream"""
        await self._exchange.write(exception_frame(error, _body(message)), WRITE_TIMEOUT)
        raise _Over(in_order=True)


def _body(message: str) -> bytes:
    return msgspec.json.encode({"Message": message})
