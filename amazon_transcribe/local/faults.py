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
import inspect
import random
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import msgspec

from .._events import SERVICE_EXCEPTIONS
from .._session import exception_frame
from ..exceptions import ConnectionLostException, HTTPException, ValidationException
from .metering import AudioMeter, parameter
from .service import LINGER_TIMEOUT, WRITE_TIMEOUT, Exchange, logger

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Fault", "Faults"]

_MESSAGE = "A fault that was asked for."

_T = TypeVar("_T", int, float)
_Declared = TypeVar("_Declared", bound=Callable[..., Any])


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    :param kind: What it is: a name of the table.
    :param after_events: Events sent before it happens, or the range to draw them from.
    :param after_seconds: Seconds of audio received before it happens, or their range.
    :param probability: How likely a stream gets it, above 0 to 1.
    :param times: How many streams get it; None for all.
    :param seed: Of what is drawn; None for a new one each time.
    :param by: `delay`: seconds; 1 by default.
    :param code: `reset`, `goaway`: the HTTP/2 error code (RFC 9113, section 7); by
        default INTERNAL_ERROR (2) and NO_ERROR (0).
    :param graceful: `goaway`: let the running streams finish.
    :param status: `http`: 400 to 599; 503 by default.
    :param error: `http`: the error's name, by default the one that goes with the
        status; `exception`: the service's exception, with or without `Exception`
        behind it, InternalFailureException by default.
    :param message: `http`, `exception`: the text.
    :raises ValidationException: for what cannot be, in one line.
    """

    kind: str
    _: KW_ONLY
    after_events: int | tuple[int, int] | None = None
    after_seconds: float | tuple[float, float] | None = None
    probability: float = 1.0
    times: int | None = None
    seed: int | None = None
    by: float | None = None
    code: int | None = None
    graceful: bool = False
    status: int | None = None
    error: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ValidationException(
                f"no fault is named {self.kind!r}; there are {', '.join(KINDS)}"
            )
        for name, option in _OPTIONS.items():
            value = getattr(self, option.field)
            if value == getattr(Fault, option.field):
                continue
            if name not in kind.takes:
                raise ValidationException(
                    f"{self.kind} takes no {name}; it takes {', '.join(kind.takes)}"
                )
            first, last = value if isinstance(value, tuple) else (value, value)
            if option.limits and not option.limits[0] <= first <= last <= option.limits[1]:
                low, high = option.limits
                raise ValidationException(f"{name} cannot be {value}; it goes from {low} to {high}")
        if self.after_events is not None and self.after_seconds is not None:
            raise ValidationException(f"{self.kind} takes events or seconds, not both")
        if kind.errors and self.error is not None:
            name = self.error.removesuffix("Exception") + "Exception"
            if name not in kind.errors:
                raise ValidationException(
                    f"error cannot be {self.error}; the service has {', '.join(kind.errors)}"
                )
            object.__setattr__(self, "error", name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form for the shell: `KIND` or `KIND:NAME=VALUE,…`.

        Ranges are written `1..5`; a `message` comes last and may hold commas.

        :raises ValidationException: for anything else, in one line.
        """
        kind, _, options = text.partition(":")
        try:
            return cls(kind.strip(), **_read_options(options))
        except ValidationException as error:
            raise ValidationException(f"fault {text!r}: {error}") from None


def _read_options(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    while text:
        name, equals, value = text.partition(",")[0].partition("=")
        name = name.strip()
        if name == "message":
            value, text = text.partition("=")[2], ""
        option = _OPTIONS.get(name)
        if option is None or not (equals or option.read is _flag):
            raise ValidationException(
                f"{name!r} is no option; there are {', '.join(f'{name}=…' for name in _OPTIONS)}"
            )
        if option.field in given:
            raise ValidationException(f"{name} is given twice")
        try:
            given[option.field] = option.read(value)
        except ValueError:
            raise ValidationException(f"{name} cannot be {value!r}") from None
        text = text.partition(",")[2]
    return given


def _number_or_range(number: Callable[[str], _T]) -> Callable[[str], _T | tuple[_T, _T]]:
    def read(text: str) -> _T | tuple[_T, _T]:
        first, dots, last = text.partition("..")
        return (number(first), number(last)) if dots else number(first)

    return read


def _flag(text: str) -> bool:
    if text not in ("", "1", "true", "0", "false"):
        raise ValueError
    return text not in ("0", "false")


class _Option(NamedTuple):
    """An option of a fault: its field, what reads its text, and its least and most."""

    field: str
    read: Callable[[str], Any]
    limits: tuple[float, float] | None = None


_OPTIONS = {
    "after": _Option("after_events", _number_or_range(int), (0, 10**9)),
    "seconds": _Option("after_seconds", _number_or_range(float), (0, 10**9)),
    "by": _Option("by", float, (0, 10**9)),
    "code": _Option("code", int, (0, 2**32 - 1)),
    "graceful": _Option("graceful", _flag),
    "status": _Option("status", int, (400, 599)),
    "error": _Option("error", str),
    "message": _Option("message", str),
    "probability": _Option("probability", float, (1e-9, 1)),
    "times": _Option("times", int, (1, 10**9)),
    "seed": _Option("seed", int),
}
"""By the names that the shell knows them by."""


class BreakableExchange(Exchange, Protocol):
    """What an exchange must offer besides, so that it can be broken."""

    @property
    def is_over(self) -> bool:
        """Whether the stream has broken off."""

    def reset(self, code: int) -> None:
        """End the stream, and send first what was written."""

    def drop(self) -> None:
        """Cut the connection."""

    def go_away(self, code: int, *, graceful: bool) -> None:
        """Say that the connection takes no more streams; unless graceful, not this one."""

    async def closed(self) -> None:
        """Wait, with nothing read, until the client has left."""


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


KINDS: dict[str, _Kind] = {}


class _Kind:
    """Declares a kind of fault by what it does.

    The keywords of that are the kind's own options, its docstring is the kind's line in the
    documentation.

    :param early: Whether it may come before the answer.
    :param late: Whether it may come at a point.
    :param errors: The names that its `error` may have; none for any.
    """

    def __init__(
        self, name: str, *, early: bool = False, late: bool = True, errors: Collection[str] = ()
    ) -> None:
        KINDS[name] = self
        self.early = early
        self.errors = errors
        self._point = ("after", "seconds") if late else ()

    def __call__(self, inject: _Declared) -> _Declared:
        self.inject = inject
        self.options = tuple(inspect.signature(inject).parameters)[1:]
        self.takes = (*self._point, *self.options, "probability", "times", "seed")
        return inject


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
