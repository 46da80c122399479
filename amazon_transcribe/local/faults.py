"""Faults on demand: what networks and services in trouble do, for tests of recovery.

    LocalTranscribe("scripted", faults=[Fault("reset", after_events=3, code=8)])
    amazon-transcribe serve --fault reset:after=3,code=8 --fault http:status=503,times=2

| Kind           | What happens                                          | Options                |
| -------------- | ----------------------------------------------------- | ---------------------- |
| `refuse`       | the connection is closed as soon as it is accepted    |                        |
| `silent`       | nothing is sent any more; at the start: no answer     |                        |
| `delay`        | the answer is late; with a point, each event after it | by                     |
| `http`         | an HTTP error in place of the stream                  | status, error, message |
| `reset`        | RST_STREAM                                            | code                   |
| `drop`         | the TCP connection is cut                             |                        |
| `goaway`       | GOAWAY, which refuses the stream unless `graceful`    | code, graceful         |
| `truncate`     | an event is cut in the middle, then END_STREAM        |                        |
| `corrupt`      | an event comes with a wrong checksum                  |                        |
| `stop-reading` | the server takes no more bytes of the stream          |                        |
| `exception`    | an exception of the service ends the stream           | error, message         |

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
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.parse import parse_qs

import msgspec

from .._events import SERVICE_EXCEPTIONS
from .._session import exception_frame
from ..eventstream import decode_message
from ..exceptions import ConnectionLostException, HTTPException, ParserError, ValidationException
from .service import LINGER_TIMEOUT, WRITE_TIMEOUT, Exchange, logger

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Fault", "Faults"]

_MAX_FRAME = 1024 * 1024  # what is longer is no frame of an honest client
_DEFAULT_RATE = 16_000

_POINT = ("after_events", "after_seconds")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "refuse": (),
    "silent": _POINT,
    "delay": (*_POINT, "by"),
    "http": ("status", "error", "message"),
    "reset": (*_POINT, "code"),
    "drop": _POINT,
    "goaway": (*_POINT, "code", "graceful"),
    "truncate": _POINT,
    "corrupt": _POINT,
    "stop-reading": _POINT,
    "exception": (*_POINT, "error", "message"),
}
_ALWAYS = ("kind", "probability", "times", "seed")
_EARLY = ("silent", "delay", "http", "reset", "drop", "goaway")  # may come before the answer

_T = TypeVar("_T", int, float)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong; the table above says what each kind does.

    :param kind: One of the table's kinds.
    :param after_events: Events sent before it happens, or the range to draw them from.
    :param after_seconds: Seconds of audio received before it happens, or their range.
    :param probability: Of each stream to be struck, above 0 to 1.
    :param times: How many streams are struck; None for all.
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
        if self.kind not in _OPTIONS:
            raise ValidationException(
                f"no fault is named {self.kind!r}; there are {', '.join(_OPTIONS)}"
            )
        taken = (*_ALWAYS, *_OPTIONS[self.kind])
        for field in fields(self):
            if field.name not in taken and getattr(self, field.name) != field.default:
                raise ValidationException(f"{self.kind} takes no {_SHELL_NAMES[field.name]}")
        if self.after_events is not None and self.after_seconds is not None:
            raise ValidationException(f"{self.kind} takes events or seconds, not both")
        self._check("after", self.after_events, 0)
        self._check("seconds", self.after_seconds, 0)
        self._check("times", self.times, 1)
        self._check("by", self.by, 0)
        self._check("code", self.code, 0, 2**32 - 1)
        self._check("status", self.status, 400, 599)
        if not 0 < self.probability <= 1:
            raise ValidationException(
                f"probability must be above 0 and at most 1, not {self.probability}"
            )
        if self.kind == "exception" and self.error is not None:
            name = self.error.removesuffix("Exception") + "Exception"
            if name not in SERVICE_EXCEPTIONS:
                raise ValidationException(
                    f"error cannot be {self.error}; the service has {', '.join(SERVICE_EXCEPTIONS)}"
                )
            object.__setattr__(self, "error", name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the form for the shell: `KIND` or `KIND:NAME=VALUE,…`.

        Ranges are written `1..5`; a `message` comes last and may hold commas.

        :raises ValidationException: for anything else, in one line.
        """
        kind, _, rest = text.partition(":")
        options: dict[str, Any] = {}
        while rest:
            whole = rest
            option, _, rest = whole.partition(",")
            name, equals, value = option.partition("=")
            name = name.strip()
            if name == "message":
                value, rest = whole.partition("=")[2], ""
            field, read = _SHELL.get(name, (None, str))
            if field is None or (not equals and name != "graceful"):
                raise ValidationException(
                    f"fault {text!r}: {name!r} is no option;"
                    f" there are {', '.join(f'{option}=…' for option in _SHELL)}"
                )
            if field in options:
                raise ValidationException(f"fault {text!r}: {name} is given twice")
            try:
                options[field] = read(value)
            except ValueError:
                raise ValidationException(f"fault {text!r}: {name} cannot be {value!r}") from None
        try:
            return cls(kind.strip(), **options)
        except ValidationException as error:
            raise ValidationException(f"fault {text!r}: {error}") from None

    def _check(
        self, name: str, value: float | tuple[float, float] | None, low: float, high: float = 1e9
    ) -> None:
        if value is None:
            return
        first, last = value if isinstance(value, tuple) else (value, value)
        if not low <= first <= last <= high:
            raise ValidationException(f"{name} cannot be {value}")


def _number_or_range(number: Callable[[str], _T]) -> Callable[[str], _T | tuple[_T, _T]]:
    def parse(text: str) -> _T | tuple[_T, _T]:
        first, dots, last = text.partition("..")
        return (number(first), number(last)) if dots else number(first)

    return parse


def _flag(text: str) -> bool:
    if text not in ("", "1", "true", "0", "false"):
        raise ValueError
    return text not in ("0", "false")


_SHELL: dict[str, tuple[str, Callable[[str], Any]]] = {
    "after": ("after_events", _number_or_range(int)),
    "seconds": ("after_seconds", _number_or_range(float)),
    "probability": ("probability", float),
    "times": ("times", int),
    "seed": ("seed", int),
    "by": ("by", float),
    "code": ("code", int),
    "graceful": ("graceful", _flag),
    "status": ("status", int),
    "error": ("error", str),
    "message": ("message", str),
}
"""The options by their names in the shell: the field, and what reads its text."""

_SHELL_NAMES = {field: name for name, (field, _) in _SHELL.items()}


class BreakableExchange(Exchange, Protocol):
    """What a face must offer besides, so that its streams can be broken."""

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

    :param faults: All of them; several may strike the same stream.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        sources = [_Source(fault) for fault in faults]
        self._refusals = [source for source in sources if source.fault.kind == "refuse"]
        self._sources = [source for source in sources if source.fault.kind != "refuse"]

    def guarded(self, face: Callable[[], asyncio.BaseProtocol]) -> asyncio.BaseProtocol:
        """The protocol for a new connection: the face's, or one that refuses."""
        refusals = [source.draw() for source in self._refusals]  # each takes part
        if any(refusals):
            logger.info("fault refuse strikes a connection")
            return _Refusal()
        return face()

    async def serve(
        self,
        exchange: BreakableExchange,
        serve: Callable[[Exchange], Coroutine[Any, Any, None]],
    ) -> None:
        """Let `serve` answer a stream, with the faults that strike it."""
        drawn = [source.draw() for source in self._sources]
        strikes = [strike for strike in drawn if strike is not None]
        if not strikes:
            await serve(exchange)
            return
        later = []
        session = _given(exchange, "session-id") or "-"
        for strike in strikes:
            fault = strike.fault
            logger.info("fault %s strikes session %s", fault.kind, session)
            if fault.kind not in _EARLY or (strike.events, strike.seconds) != (None, None):
                later.append(strike)
            elif fault.kind == "delay":
                await asyncio.sleep(_delay(fault))
                if exchange.is_over:  # its client may have started the session anew
                    return
            elif fault.kind == "goaway" and fault.graceful:
                exchange.go_away(fault.code or 0, graceful=True)
            else:
                await _carry_out(fault, exchange)
                return
        try:
            await serve(_FaultyExchange(exchange, later))
        except _Struck as struck:
            await _carry_out(struck.fault, exchange)


async def _carry_out(fault: Fault, exchange: BreakableExchange) -> None:
    """Do what ends a stream."""
    if fault.kind == "reset":
        exchange.reset(2 if fault.code is None else fault.code)
    elif fault.kind == "drop":
        exchange.drop()
    elif fault.kind == "goaway":
        exchange.go_away(fault.code or 0, graceful=False)
    elif fault.kind == "silent":
        await exchange.closed()
    elif fault.kind == "http":
        headers, body = _http_error(fault)
        exchange.respond(fault.status or 503, headers)
        await exchange.write(body, WRITE_TIMEOUT)
        await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)
    else:
        if fault.kind == "exception":
            await exchange.write(_exception(fault), WRITE_TIMEOUT)
        await exchange.finish(WRITE_TIMEOUT, LINGER_TIMEOUT)


def _delay(fault: Fault) -> float:
    return 1.0 if fault.by is None else fault.by


def _http_error(fault: Fault) -> tuple[list[tuple[str, str]], bytes]:
    status = fault.status or 503
    kinds = (kind for kind in SERVICE_EXCEPTIONS.values() if kind.status_code == status)
    name = fault.error or next((kind.__name__ for kind in kinds), None)
    body = _body(fault)
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    return ([("x-amzn-errortype", name), *headers] if name else headers), body


def _exception(fault: Fault) -> bytes:
    return exception_frame(fault.error or "InternalFailureException", _body(fault))


def _body(fault: Fault) -> bytes:
    return msgspec.json.encode({"Message": fault.message or "A fault that was asked for."})


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


@dataclass(frozen=True)
class _Strike:
    """A fault on its way to a stream: its point is drawn."""

    fault: Fault
    events: int | None
    seconds: float | None


class _Source:
    """A fault, and what is left of it for streams to come."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = fault.times
        self._random = random.Random(fault.seed)  # noqa: S311  # nothing secret is drawn

    def draw(self) -> _Strike | None:
        """What the fault does to the next stream, if anything."""
        fault, dice = self.fault, self._random
        struck = dice.random() < fault.probability
        events, seconds = fault.after_events, fault.after_seconds
        if isinstance(events, tuple):
            events = dice.randint(*events)
        if isinstance(seconds, tuple):
            seconds = dice.uniform(*seconds)
        if not struck or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        return _Strike(fault, events, seconds)


class _Struck(HTTPException):
    """A fault ends the stream now: passes through the service as a network's failure does."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


class _FaultyExchange:
    """An exchange in which faults happen at their points.

    :param strikes: Those that come after the answer.
    """

    def __init__(self, exchange: BreakableExchange, strikes: Sequence[_Strike]) -> None:
        self.method = exchange.method
        self.target = exchange.target
        self.headers = exchange.headers
        self._exchange = exchange
        self._pending = list(strikes)
        self._meter = _AudioMeter(exchange)
        self._events = 0
        self._answered = False
        self._delay = 0.0
        self._corrupt = self._muted = self._deaf = False
        self._cut: Fault | None = None

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self._answered = status == 200
        self._exchange.respond(status, headers)

    async def read(self, timeout: float | None = None) -> bytes:
        self._look(self._meter.seconds)
        if self._deaf:
            await self._exchange.closed()
            raise ConnectionLostException("the client has left")
        limits = [strike.seconds for strike in self._pending if strike.seconds is not None]
        return await self._meter.read(min(limits, default=None), timeout)

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        if not self._answered:  # the body of a refusal
            await self._exchange.write(data, timeout)
            return
        if self._muted:
            return
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._cut is not None:
            await self._exchange.write(data[: len(data) // 2], timeout)
            raise _Struck(self._cut)
        if self._corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
            self._corrupt = False
        await self._exchange.write(data, timeout)
        self._events += 1
        self._look(0.0)  # what was read has its results under way

    async def finish(self, sending: float, lingering: float) -> None:
        if self._muted:
            await self._exchange.closed()
        await self._exchange.finish(sending, lingering)

    def _look(self, seconds: float) -> None:
        """Let the faults happen whose point is reached.

        :param seconds: Of audio received and answered.
        """
        for strike in list(self._pending):
            if strike.seconds is not None:
                due = seconds > 0 and seconds >= strike.seconds
            else:
                due = self._events >= (strike.events or 0)
            if not due:
                continue
            self._pending.remove(strike)
            fault = strike.fault
            if fault.kind == "delay":
                self._delay = _delay(fault)
            elif fault.kind == "silent":
                self._muted = True
            elif fault.kind == "stop-reading":
                self._deaf = True
            elif fault.kind == "corrupt":
                self._corrupt = True
            elif fault.kind == "truncate":
                self._cut = fault
            elif fault.kind == "goaway" and fault.graceful:
                self._exchange.go_away(fault.code or 0, graceful=True)
            else:
                raise _Struck(fault)


class _AudioMeter:
    """Reads an exchange and knows how many seconds of audio it gave out.

    Bytes that are no event stream are given out unmeasured: they are the service's to
    refuse.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.seconds = 0.0
        self._exchange = exchange
        channels = _number(exchange, "number-of-channels", 1)
        self._bytes_per_second = 2 * channels * _number(exchange, "sample-rate", _DEFAULT_RATE)
        self._held = b""
        self._measurable = True

    async def read(self, limit: float | None, timeout: float | None) -> bytes:
        """Bytes as they come; with a limit in seconds, whole frames and none after it."""
        while True:
            if self._held and (data := self._measured(limit)):
                return data
            more = await self._exchange.read(timeout)
            if not more:
                data, self._held = self._held, b""
                return data
            self._held += more

    def _measured(self, limit: float | None) -> bytes:
        at = 0
        held = self._held
        while self._measurable and (limit is None or self.seconds < limit):
            if len(held) - at < 4:
                break
            length = int.from_bytes(held[at : at + 4], "big")
            if len(held) - at < length <= _MAX_FRAME:
                break
            try:
                self.seconds += _audio_bytes(held[at : at + length]) / self._bytes_per_second
            except ParserError:
                self._measurable = False
            else:
                at += length
        if not self._measurable:
            at = len(held)
        self._held = held[at:]
        return held[:at]


def _audio_bytes(frame: bytes) -> int:
    message = decode_message(frame)
    if ":chunk-signature" in message.headers and message.payload:
        message = decode_message(message.payload)
    return len(message.payload)


def _number(exchange: Exchange, name: str, default: int) -> int:
    given = _given(exchange, name)
    return int(given) if given.isdigit() and int(given) else default


def _given(exchange: Exchange, name: str) -> str:
    """A parameter of the request, from its headers or, over WebSocket, its query."""
    header = dict(exchange.headers).get(f"x-amzn-transcribe-{name}")
    return header or parse_qs(exchange.target.partition("?")[2]).get(name, [""])[0]
