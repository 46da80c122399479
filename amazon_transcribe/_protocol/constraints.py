"""Members of the service's shapes, and the rules for their values.

A field of a shape is a member of the service model, and its annotation holds its rule:

    vocabulary_name: Annotated[str | None, NAME] = None

This line is the whole mapping: the member's name in JSON and in a header, the client's
check before anything is sent, and the server's refusals all follow from it. Enumerations,
lengths and patterns are the service model's.
"""

from __future__ import annotations

import math
import operator
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import cache
from numbers import Real
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
)

from ..exceptions import ValidationException
from .constants import (
    PREFIX,
    LanguageCode,
    MediaEncoding,
    PartialResultsStability,
    VocabularyFilterMethod,
)

if TYPE_CHECKING:
    import msgspec

_Shape = TypeVar("_Shape", bound="msgspec.Struct")

REQUIRED: Final = "required"
"""In an annotation: the member is required, though the field has a default."""


class Rule:
    """A constraint on the values of a parameter."""

    plain_type: ClassVar[type] = str
    """The type of most values: those are plain already."""

    def __repr__(self) -> str:
        return type(self).__name__  # short, as signatures show it

    def normalised(self, value: Any) -> Any:
        """Return the plain value that a program's value stands for.

        A member of an enumeration stands for its value, a number of numpy for Python's. This
        is what is checked and then sent. A value that stands for no other is returned as it
        is.
        """
        return _plain(value)

    def violation(self, value: Any) -> str | None:
        """Return what is wrong with a value, apart from its members; None if nothing is.

        The text follows the parameter's name: `"must be …, not …"`.
        """
        raise NotImplementedError

    def is_unset(self, value: Any) -> bool:
        """Return True for a value that means "not set", which is not sent."""
        return value is None

    def first_violation(self, value: Any, path: str, name_of: NameOf) -> tuple[str, str] | None:
        """Return the path to the first faulty part of a value, and its violation.

        :param path: The path to the value itself.
        :param name_of: Names the members on the path.
        """
        violation = self.violation(value)
        return (path, violation) if violation else None

    def write(self, value: Any) -> str:
        """Return the value as the text of a header."""
        return str(value)

    def read(self, text: str) -> Any:
        """Return the value that the text of a header stands for.

        :raises ValueError: If it stands for none.
        """
        return text


class OneOf(Rule):
    """One of several strings."""

    def __init__(self, values: tuple[str, ...]) -> None:
        self.values = values

    def violation(self, value: Any) -> str | None:
        if isinstance(value, str) and value in self.values:
            return None
        return f"must be one of {', '.join(self.values)}, not {value!r}"


class Integer(Rule):
    """A whole number from `low` to `high`."""

    plain_type: ClassVar[type] = int

    def __init__(self, low: int, high: int | None = None, unit: str = "") -> None:
        self.low = low
        self.high = high
        self.unit = unit

    def normalised(self, value: Any) -> Any:
        plain = _plain(value)
        if isinstance(plain, str):  # as from the environment; the original SDK sends it so
            return int(plain) if re.fullmatch("[0-9]{1,18}", plain) else plain
        if not isinstance(plain, bool):
            with suppress(TypeError):  # it is no whole number
                return operator.index(plain)
        return plain

    def violation(self, value: Any) -> str | None:
        if type(value) is int and self.low <= value and (self.high is None or value <= self.high):
            return None
        upper = f"from {self.low:,} to {self.high:,}" if self.high else f"of at least {self.low}"
        return f"must be a whole number {upper}{self.unit}, not {value!r}"

    def read(self, text: str) -> int:
        if not re.fullmatch("[0-9]+", text):  # int() accepts more, such as "1_6000" and " 1"
            raise ValueError(text)
        return int(text)


class Boolean(Rule):
    """True or False."""

    plain_type: ClassVar[type] = bool

    def normalised(self, value: Any) -> Any:
        value = _plain(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return value

    def violation(self, value: Any) -> str | None:
        return None if type(value) is bool else f"must be True or False, not {value!r}"

    def write(self, value: Any) -> str:
        return "true" if value else "false"

    def read(self, text: str) -> bool:
        # The original SDK sends Python's spelling, "True".
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"


class Text(Rule):
    """A string of `low` to `high` characters that matches a pattern as a whole."""

    def __init__(self, low: int = 0, high: int | None = None, pattern: str = "(?s:.*)") -> None:
        self.low = low
        self.high = high
        self.pattern = pattern

    def normalised(self, value: Any) -> Any:
        value = _plain(value)
        return str(value) if isinstance(value, uuid.UUID) else value

    def violation(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"must be a string, not {value!r}"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return f"must be text that UTF-8 has bytes for, not {value!r}"
        if self.high is not None and not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} characters, not {len(value):,}"
        if not re.fullmatch(self.pattern, value):
            return f"must match {self.pattern}, not {value!r}"
        return None


class TextList(Text):
    """A list of strings, or one string with commas between them, as in the header.

    An empty list means "not set", as in the original SDK.
    """

    def is_unset(self, value: Any) -> bool:
        return value is None or (isinstance(value, (list, tuple)) and not value)

    def normalised(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [super(TextList, self).normalised(part) for part in value]
        return super().normalised(value)

    def violation(self, value: Any) -> str | None:
        if isinstance(value, str):
            return super().violation(value)
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            return f"must be a list of strings, not {value!r}"
        if any("," in v or not v for v in value):
            return f"must be a list of names without commas, not {value!r}"
        return super().violation(",".join(value))

    def write(self, value: Any) -> str:
        return value if isinstance(value, str) else ",".join(value)

    def read(self, text: str) -> list[str]:
        return [part.strip() for part in text.split(",")]


class ListOf(Rule):
    """A list of `low` to `high` values that each obey a rule."""

    def __init__(self, low: int, high: int, of: Rule) -> None:
        self.low = low
        self.high = high
        self.of = of

    def normalised(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self.of.normalised(part) for part in value]
        return value

    def violation(self, value: Any) -> str | None:
        if not isinstance(value, (list, tuple)):
            return f"must be a list, not {value!r}"
        if not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} members, not {len(value):,}"
        return None

    def first_violation(self, value: Any, path: str, name_of: NameOf) -> tuple[str, str] | None:
        found = super().first_violation(value, path, name_of)
        for position, part in enumerate(() if found else value):
            found = found or self.of.first_violation(part, f"{path}[{position}]", name_of)
        return found


class MapOf(Rule):
    """A mapping of `low` to `high` pairs whose keys and values obey a rule."""

    def __init__(self, low: int, high: int, of: Rule) -> None:
        self.low = low
        self.high = high
        self.of = of

    def normalised(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                self.of.normalised(key): self.of.normalised(part) for key, part in value.items()
            }
        return value

    def violation(self, value: Any) -> str | None:
        if not isinstance(value, Mapping):
            return f"must be a mapping, not {value!r}"
        if not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} pairs, not {len(value):,}"
        for key in value:
            if violation := self.of.violation(key):
                return f"must have valid keys: {key!r} {violation}"
        return None

    def first_violation(self, value: Any, path: str, name_of: NameOf) -> tuple[str, str] | None:
        found = super().first_violation(value, path, name_of)
        for key, part in () if found else value.items():
            found = found or self.of.first_violation(part, f"{path}[{key!r}]", name_of)
        return found


class Structure(Rule):
    """A JSON shape whose members each obey a rule."""

    def __init__(self, shape: type[msgspec.Struct]) -> None:
        self.shape = shape

    def normalised(self, value: Any) -> Any:
        if isinstance(value, self.shape):
            return normalised(members_of(self.shape), value)
        return value

    def violation(self, value: Any) -> str | None:
        if isinstance(value, self.shape):
            return None
        return f"must be a {self.shape.__name__}, not {value!r}"

    def first_violation(self, value: Any, path: str, name_of: NameOf) -> tuple[str, str] | None:
        found = super().first_violation(value, path, name_of)
        return found or first_violation(members_of(self.shape), value, f"{path}.", name_of)


def _plain(value: Any) -> Any:
    """Return the value of Python's own type that an object stands for, or the object."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        return value.item()  # a scalar of numpy, or of what follows its interface
    if isinstance(value, str):
        return str.__str__(value)  # a subclass may print as something else
    return value


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high:,}"


def is_number(value: object) -> bool:
    """Tell whether a value can be compared with numbers, whatever its type says."""
    return isinstance(value, Real)


def check_above_zero(**numbers: Any) -> None:
    """Check that every argument is a number above 0, which may be infinite.

    :raises ValidationException: If one is not; the message has its name.
    """
    for name, number in numbers.items():
        if not (isinstance(number, Real) and float(number) > 0):
            raise ValidationException(f"{name} must be a number above 0, not {number!r}")


def check_finite(**numbers: Any) -> None:
    """Check that every argument is a number above 0, and not infinite.

    :raises ValidationException: If one is not; the message has its name.
    """
    check_above_zero(**numbers)
    for name, number in numbers.items():
        if math.isinf(number):
            raise ValidationException(f"{name} must be finite: give a large number instead")


class Member(NamedTuple):
    """A member of a shape of the service model.

    :param name: The name in Python.
    :param model_name: The name in the service model, and in JSON.
    :param rule: The constraint on its values.
    :param required: True if it must be given.
    """

    name: str
    model_name: str
    rule: Rule
    required: bool

    @property
    def header(self) -> str:
        """The name of its header: the model's name in kebab-case, with one exception."""
        if self.model_name == "MediaSampleRateHertz":
            return PREFIX + "sample-rate"
        return PREFIX + "-".join(re.findall("[A-Z][a-z]*", self.model_name)).lower()


NameOf = Callable[[Member], str]
"""The name of a member on one side: in Python for the client, in the model for the server."""


@cache
def members_of(shape: type[msgspec.Struct]) -> tuple[Member, ...]:
    """Return the members of a shape, in the order of its fields."""
    from msgspec.structs import fields  # here, as the command's `--help` needs only rules

    return tuple(
        Member(
            field.name,
            field.encode_name,
            _rule(field.type),
            field.required or REQUIRED in get_args(field.type),
        )
        for field in fields(shape)
    )


def _rule(annotation: Any) -> Rule:
    """Return the rule that an annotation holds, or that its type implies."""
    for part in get_args(annotation):
        if isinstance(part, Rule):
            return part
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    [kind] = [part for part in get_args(annotation) or (annotation,) if part is not type(None)]
    if kind is bool:
        return Boolean()
    return Text() if kind is str else Structure(kind)


def normalised(members: tuple[Member, ...], value: _Shape) -> _Shape:
    """Return a request, event or part of one with the plain values of these members."""
    from msgspec.structs import replace

    plain: dict[str, Any] = {}
    for member in members:
        part = getattr(value, member.name)
        if part is not None and type(part) is not member.rule.plain_type:
            plain[member.name] = member.rule.normalised(part)
    return replace(value, **plain) if plain else value


def first_violation(
    members: tuple[Member, ...], value: Any, prefix: str, name_of: NameOf
) -> tuple[str, str] | None:
    """Return the path to the first faulty member of a value, and its violation.

    :param prefix: The path to the value, up to its members' names.
    :param name_of: Names the members on the path.
    """
    for member in members:
        part = getattr(value, member.name)
        # A missing required member is passed to its rule, which says what is allowed.
        if not member.required and (part is None or member.rule.is_unset(part)):
            continue
        if found := member.rule.first_violation(part, prefix + name_of(member), name_of):
            return found
    return None


def unknown_members(rule: Rule, value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of members that a value has but the model does not.

    :param value: The value, as plain JSON.
    :param path: The path to the value, up to its members' names.
    """
    if isinstance(rule, Structure) and value is not None:
        known = {member.model_name: member.rule for member in members_of(rule.shape)}
        for name, part in value.items():
            if name in known:
                yield from unknown_members(known[name], part, f"{path}{name}.")
            elif part is not None and part is not False:
                yield path + ascii(name[:100])[1:-1]  # untrusted, and it goes to the log
    elif isinstance(rule, ListOf):
        for part in value or ():
            yield from unknown_members(rule.of, part, path)


LANGUAGE = OneOf(get_args(LanguageCode))
ENCODING = OneOf(get_args(MediaEncoding))
SAMPLE_RATE = Integer(8000, 48000, " Hz")
CHANNELS = Integer(2)
CHANNEL = Integer(0, 1)
NAME = Text(1, 200, "[0-9a-zA-Z._-]+")
NAMES = TextList(1, 3000, "[a-zA-Z0-9,._-]+")
UUID = Text(36, 36, "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}")
FILTER_METHOD = OneOf(get_args(VocabularyFilterMethod))
STABILITY = OneOf(get_args(PartialResultsStability))
PII = OneOf(("PII",))
PII_TYPES = TextList(1, 300, "[A-Z_, ]+")
LANGUAGES = TextList(1, 200, "[a-zA-Z,-]+")
