"""Faults on demand: what networks and services in trouble do, for tests of recovery.

    LocalTranscribe("scripted", faults=[Fault("reset", after_events=3, code=8)])
    amazon-transcribe serve --fault reset:after=3,code=8 --fault http:status=503,times=2

What happens is the fault's kind, a row of `KINDS`.

When it happens is its point: a number of events sent (`after_events`, in text `after`) or
seconds of audio received (`after_seconds`, in text `seconds`). Either may be a range, from
which each stream draws its own point. A fault without a point happens as early as it can:
before the answer, where the kind allows that.

It happens to every stream (`refuse`: to every connection), to the first `times` of them,
or to each with a `probability`. What is drawn depends only on `seed` and on the order of
the streams. The logger `amazon_transcribe.local` names each fault and its session at INFO.

A new kind is a row of `KINDS` and a method of `injection.FaultyExchange`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..._protocol.constants import SERVICE_EXCEPTIONS
from ...exceptions import ValidationException

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KINDS", "OPTIONS", "Fault"]

_T = TypeVar("_T", int, float)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    :param kind: What goes wrong: a name of the table.
    :param after_events: Events sent before it happens, or the range to draw them from.
    :param after_seconds: Seconds of audio received before it happens, or their range.
    :param probability: How likely a stream gets it, above 0 to 1.
    :param times: How many streams get it; None for all.
    :param seed: The seed of what is drawn; None for a new one each time.
    :param by: `delay`: seconds; 1 by default.
    :param code: `reset`, `goaway`: the HTTP/2 error code (RFC 9113, section 7); by
        default INTERNAL_ERROR (2) and NO_ERROR (0).
    :param graceful: `goaway`: let the running streams finish.
    :param status: `http`: 400 to 599; 503 by default.
    :param error: `http`: the error's name, by default the one that goes with the
        status; `exception`: the service's exception, with or without `Exception`
        behind it, InternalFailureException by default.
    :param message: `http`, `exception`: the text.
    :raises ValidationException: for an unknown kind, an option that the kind does not
        take, or a value out of its range; in one line.
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
                f"no fault is named {self.kind!r}; the kinds are {', '.join(KINDS)}"
            )
        for name, option in OPTIONS.items():
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

        :param text: For example `reset:after_events=1..5`. Ranges are written `1..5`; a
            `message` comes last and may hold commas.
        :raises ValidationException: for anything else, in one line.
        """
        kind, _, options = text.partition(":")
        try:
            return cls(kind.strip(), **_read_options(options))
        except ValidationException as error:
            raise ValidationException(f"fault {text!r}: {error}") from None


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    :param help: What happens, in one line.
    :param inject: The method of `injection.FaultyExchange` that makes it happen, called
        with the options; None for a kind that happens to connections.
    :param options: The kind's own options and their defaults.
    :param early: Whether it may happen before the answer.
    :param late: Whether it may happen at a point of the stream.
    :param errors: The names that its `error` may have; empty for any.
    """

    help: str
    inject: str | None
    _: KW_ONLY
    options: Mapping[str, Any] = field(default_factory=dict)
    early: bool = False
    late: bool = True
    errors: Collection[str] = ()

    @property
    def takes(self) -> tuple[str, ...]:
        """All options that it takes, by the names that the shell knows them by."""
        point = ("after", "seconds") if self.late else ()
        return (*point, *self.options, "probability", "times", "seed")


_MESSAGE = "A fault was injected."

KINDS: Mapping[str, Kind] = {
    "refuse": Kind("the connection is closed as soon as it is accepted", None, late=False),
    "silent": Kind("nothing is sent any more; at the start: no answer", "fall_silent", early=True),
    "delay": Kind(
        "the answer, or each event after the point, is late",
        "slow_down",
        options={"by": 1.0},
        early=True,
    ),
    "http": Kind(
        "an HTTP error in place of the stream",
        "refuse",
        options={"status": 503, "error": None, "message": _MESSAGE},
        early=True,
        late=False,
    ),
    "reset": Kind("RST_STREAM", "reset", options={"code": 2}, early=True),
    "drop": Kind("the TCP connection is cut", "drop", early=True),
    "goaway": Kind(
        "GOAWAY, which refuses the stream unless `graceful`",
        "go_away",
        options={"code": 0, "graceful": False},
        early=True,
    ),
    "truncate": Kind("an event is cut in the middle, then the stream ends", "truncate_next"),
    "corrupt": Kind("an event comes with a wrong checksum", "corrupt_next"),
    "stop-reading": Kind("the server takes no more bytes of the stream", "stop_reading"),
    "exception": Kind(
        "an exception of the service ends the stream",
        "end_with_exception",
        options={"error": "InternalFailureException", "message": _MESSAGE},
        errors=tuple(SERVICE_EXCEPTIONS),
    ),
}
"""The kinds of faults by their names."""


class Option(NamedTuple):
    """An option of a fault.

    :param field: The field of `Fault`.
    :param read: Reads the text form of a value; ValueError for any other text.
    :param placeholder: Stands for a value in the command's help; empty for a flag.
    :param limits: The least and the greatest value.
    """

    field: str
    read: Callable[[str], Any]
    placeholder: str
    limits: tuple[float, float] | None = None


def _number_or_range(number: Callable[[str], _T]) -> Callable[[str], _T | tuple[_T, _T]]:
    def read(text: str) -> _T | tuple[_T, _T]:
        first, dots, last = text.partition("..")
        return (number(first), number(last)) if dots else number(first)

    return read


def _flag(text: str) -> bool:
    if text not in ("", "1", "true", "0", "false"):
        raise ValueError(text)
    return text not in ("0", "false")


OPTIONS: Mapping[str, Option] = {
    "after": Option("after_events", _number_or_range(int), "EVENTS", (0, 10**9)),
    "seconds": Option("after_seconds", _number_or_range(float), "OF_AUDIO", (0, 10**9)),
    "by": Option("by", float, "SECONDS", (0, 10**9)),
    "code": Option("code", int, "NUMBER", (0, 2**32 - 1)),
    "graceful": Option("graceful", _flag, ""),
    "status": Option("status", int, "NUMBER", (400, 599)),
    "error": Option("error", str, "NAME"),
    "message": Option("message", str, "TEXT"),
    "probability": Option("probability", float, "P", (1e-9, 1)),
    "times": Option("times", int, "STREAMS", (1, 10**9)),
    "seed": Option("seed", int, "NUMBER"),
}
"""The options of faults, by the names that the shell knows them by."""


def _read_options(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    while text:
        name, equals, value = text.partition(",")[0].partition("=")
        name = name.strip()
        if name == "message":
            value, text = text.partition("=")[2], ""
        option = OPTIONS.get(name)
        if option is None or (option.placeholder and not equals):
            raise ValidationException(
                f"{name!r} is no option; the options are {', '.join(f'{n}=…' for n in OPTIONS)}"
            )
        if option.field in given:
            raise ValidationException(f"{name} is given twice")
        try:
            given[option.field] = option.read(value)
        except ValueError:
            raise ValidationException(f"{name} cannot be {value!r}") from None
        text = text.partition(",")[2]
    return given
