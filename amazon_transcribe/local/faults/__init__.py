"""x"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...exceptions import ValidationException

if TYPE_CHECKING:
    from typing_extensions import Self

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
