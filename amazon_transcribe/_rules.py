"""What the service takes: the members of its shapes, and the rules that their values obey.

A field of a shape is a member of the service model, and its annotation holds its rule:

    vocabulary_name: Annotated[str | None, NAME] = None

Such a line is the whole mapping: its name in JSON and in a header, what is checked before
anything is sent, and what the server refuses follow from it. Enumerations, lengths and
patterns are the service model's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin

from .exceptions import ValidationException

if TYPE_CHECKING:
    import msgspec

PREFIX = "x-amzn-transcribe-"
SESSION_ID = PREFIX + "session-id"
# Of a refusal too: the service's API reference, common errors.
REQUEST_ID = "x-amzn-request-id"

REQUIRED: Final = "required"
"""In an annotation: the member must be given, though the field has a default."""

# Rules


@dataclass(frozen=True, repr=False)
class Rule:
    """What values a parameter takes. `problem` says what is wrong with one, if anything."""

    def __repr__(self) -> str:
        return type(self).__name__  # short, as signatures show it

    def problem(self, value: Any) -> str | None:
        raise NotImplementedError

    def is_unset(self, value: Any) -> bool:
        """Whether a value says that the parameter is not set: it is not sent then."""
        return value is None

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        """Where in a value something is wrong, and what: `problem` for a value of one piece."""
        problem = self.problem(value)
        return (path, problem) if problem else None

    def write(self, value: Any) -> str:
        """The value as a header's text."""
        return str(value)

    def read(self, text: str) -> Any:
        """The value of a header's text; ValueError when there is none."""
        return text


@dataclass(frozen=True, repr=False)
class OneOf(Rule):
    """One of a few words."""

    values: tuple[str, ...]

    def problem(self, value: Any) -> str | None:
        if value in self.values:
            return None
        return f"must be one of {', '.join(self.values)}, not {value!r}"


@dataclass(frozen=True, repr=False)
class Integer(Rule):
    """A whole number from `low` to `high`."""

    low: int
    high: int | None = None
    unit: str = ""

    def problem(self, value: Any) -> str | None:
        if type(value) is int and self.low <= value and (self.high is None or value <= self.high):
            return None
        upper = f"from {self.low:,} to {self.high:,}" if self.high else f"of at least {self.low}"
        return f"must be a whole number {upper}{self.unit}, not {value!r}"

    def read(self, text: str) -> int:
        if not re.fullmatch("[0-9]+", text):  # int() takes more: 1_6000, a blank before
            raise ValueError(text)
        return int(text)


@dataclass(frozen=True, repr=False)
class Boolean(Rule):
    """True or False."""

    def problem(self, value: Any) -> str | None:
        return None if type(value) is bool else f"must be True or False, not {value!r}"

    def write(self, value: Any) -> str:
        return "true" if value else "false"

    def read(self, text: str) -> bool:
        # The original SDK sends Python's spelling: True.
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"


@dataclass(frozen=True, repr=False)
class Text(Rule):
    """A string of `low` to `high` characters that matches a pattern throughout."""

    low: int = 0
    high: int | None = None
    pattern: str = "(?s:.*)"

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"must be a string, not {value!r}"
        if self.high is not None and not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} characters, not {len(value):,}"
        if not re.fullmatch(self.pattern, value):
            return f"must match {self.pattern}, not {value!r}"
        return None


@dataclass(frozen=True, repr=False)
class TextList(Text):
    """A list of strings, or one string with commas between them, as it is sent.

    An empty list is none, as with the original SDK: programs pass the lists they have.
    """

    def is_unset(self, value: Any) -> bool:
        return value is None or (isinstance(value, (list, tuple)) and not value)

    def problem(self, value: Any) -> str | None:
        if isinstance(value, str):
            return super().problem(value)
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            return f"must be a list of strings, not {value!r}"
        if any("," in v or not v for v in value):
            return f"must be a list of names without commas, not {value!r}"
        return super().problem(",".join(value))

    def write(self, value: Any) -> str:
        return value if isinstance(value, str) else ",".join(value)

    def read(self, text: str) -> list[str]:
        return [part.strip() for part in text.split(",")]


@dataclass(frozen=True, repr=False)
class ListOf(Rule):
    """A list of `low` to `high` values that each obey a rule."""

    low: int
    high: int
    of: Rule

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, (list, tuple)):
            return f"must be a list, not {value!r}"
        if not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} members, not {len(value):,}"
        return None

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        found = super().fault(value, path, naming)
        for position, part in enumerate(() if found else value):
            found = found or self.of.fault(part, f"{path}[{position}]", naming)
        return found


@dataclass(frozen=True, repr=False)
class MapOf(Rule):
    """A mapping of `low` to `high` pairs whose keys and values obey a rule."""

    low: int
    high: int
    of: Rule

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, Mapping):
            return f"must be a mapping, not {value!r}"
        if not self.low <= len(value) <= self.high:
            return f"must have {_between(self.low, self.high)} pairs, not {len(value):,}"
        for key in value:
            if problem := self.of.problem(key):
                return f"must have good keys: {key!r} {problem}"
        return None

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        found = super().fault(value, path, naming)
        for key, part in () if found else value.items():
            found = found or self.of.fault(part, f"{path}[{key!r}]", naming)
        return found


@dataclass(frozen=True, repr=False)
class Structure(Rule):
    """A JSON shape whose members each obey a rule."""

    shape: type[msgspec.Struct]

    def problem(self, value: Any) -> str | None:
        if isinstance(value, self.shape):
            return None
        return f"must be a {self.shape.__name__}, not {value!r}"

    def fault(self, value: Any, path: str, naming: Naming) -> tuple[str, str] | None:
        found = super().fault(value, path, naming)
        return found or first_fault(members_of(self.shape), value, f"{path}.", naming)


def _between(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high:,}"


def check_above_zero(**numbers: Any) -> None:
    """Refuse what is no number above 0; infinity is one.

    :raises ValidationException: with its name.
    """
    for name, number in numbers.items():
        if not (isinstance(number, Real) and float(number) > 0):
            raise ValidationException(f"{name} must be a number above 0, not {number!r}")


# Members


@dataclass(frozen=True)
class Member:
    """A member of the service model.

    :param name: Its name in Python.
    :param model_name: Its name in the service model, and in JSON.
    :param rule: The values it takes.
    :param required: Whether it must be given.
    """

    name: str
    model_name: str
    rule: Rule
    required: bool

    @cached_property
    def header(self) -> str:
        """Its header: the model's name in kebab-case, but for one."""
        if self.model_name == "MediaSampleRateHertz":
            return PREFIX + "sample-rate"
        return PREFIX + "-".join(re.findall("[A-Z][a-z]*", self.model_name)).lower()


Naming = Callable[[Member], str]
"""What a side calls a member: the client by its name in Python, the server by the model's."""


@cache
def members_of(shape: type[msgspec.Struct]) -> tuple[Member, ...]:
    """The members of a shape, in the order of its fields."""
    from msgspec.structs import fields  # here, as the command's `--help` needs rules alone

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
    """The rule that an annotation holds, or that its type implies."""
    for part in get_args(annotation):
        if isinstance(part, Rule):
            return part
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    [kind] = [part for part in get_args(annotation) or (annotation,) if part is not type(None)]
    if kind is bool:
        return Boolean()
    return Text() if kind is str else Structure(kind)


def first_fault(
    members: tuple[Member, ...], value: Any, prefix: str, naming: Naming
) -> tuple[str, str] | None:
    """The path to the first member that is wrong, and what is wrong with it."""
    for member in members:
        part = getattr(value, member.name)
        # The rule's own words for a missing value name what is allowed.
        if member.rule.is_unset(part) and not member.required:
            continue
        if found := member.rule.fault(part, prefix + naming(member), naming):
            return found
    return None


def unknown_members(rule: Rule, value: Any, path: str = "") -> Iterator[str]:
    """The paths of what is set in a value, as plain JSON, and of which the model knows nothing."""
    if isinstance(rule, Structure) and value is not None:
        known = {member.model_name: member.rule for member in members_of(rule.shape)}
        for name, part in value.items():
            if name in known:
                yield from unknown_members(known[name], part, f"{path}{name}.")
            elif part is not None and part is not False:
                yield path + ascii(name[:100])[1:-1]  # anyone's name, and it goes to the log
    elif isinstance(rule, ListOf):
        for part in value or ():
            yield from unknown_members(rule.of, part, path)


# Rules of more than one shape

LANGUAGE_CODES = tuple(
    """
    en-US en-GB es-US fr-CA fr-FR en-AU it-IT de-DE pt-BR ja-JP ko-KR zh-CN th-TH es-ES ar-SA
    pt-PT ca-ES ar-AE hi-IN zh-HK nl-NL no-NO sv-SE pl-PL fi-FI zh-TW en-IN en-IE en-NZ en-AB
    en-ZA en-WL de-CH af-ZA eu-ES hr-HR cs-CZ da-DK fa-IR gl-ES el-GR he-IL id-ID lv-LV ms-MY
    ro-RO ru-RU sr-RS sk-SK so-SO tl-PH uk-UA vi-VN zu-ZA am-ET be-BY bg-BG bn-IN bs-BA ckb-IQ
    ckb-IR cy-WL es-MX et-ET fa-AF gu-IN ht-HT hu-HU hy-AM is-IS jv-ID ka-GE kab-DZ kk-KZ km-KH
    kn-IN lg-IN lt-LT mk-MK ml-IN mr-IN my-MM ne-NP or-IN pa-IN ps-AF si-LK sl-SI sq-AL su-ID
    sw-BI sw-KE sw-RW sw-TZ sw-UG ta-IN te-IN tr-TR uz-UZ
    """.split()
)
CALL_ANALYTICS_LANGUAGE_CODES = LANGUAGE_CODES[:9]
MEDIA_ENCODINGS = ("pcm", "ogg-opus", "flac", "g711-alaw", "g711-ulaw", "g729")

LANGUAGE = OneOf(LANGUAGE_CODES)
ENCODING = OneOf(MEDIA_ENCODINGS)
SAMPLE_RATE = Integer(8000, 48000, " Hz")
CHANNELS = Integer(2)
CHANNEL = Integer(0, 1)
NAME = Text(1, 200, "[0-9a-zA-Z._-]+")
NAMES = TextList(1, 3000, "[a-zA-Z0-9,._-]+")
UUID = Text(36, 36, "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}")
FILTER_METHOD = OneOf(("remove", "mask", "tag"))
STABILITY = OneOf(("high", "medium", "low"))
PII = OneOf(("PII",))
PII_TYPES = TextList(1, 300, "[A-Z_, ]+")
LANGUAGES = TextList(1, 200, "[a-zA-Z,-]+")
