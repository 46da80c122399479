"""Base classes of the service's shapes: fields as an object, as a dict and as JSON.

Structs of msgspec have no `__dict__`. Programs print, store and serve results by it, as the
original SDK's results are plain objects; so it is made from the fields when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeAlias,
    Union,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from ..eventstream import BaseEvent
from ..exceptions import InvalidEventException, ValidationException

if TYPE_CHECKING:
    from typing_extensions import Self


Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
"""A value as JSON carries it."""

Keys = Literal["python", "service"]
"""Whose names are the keys of dicts and JSON: the fields' in Python, or those of the service."""


def _fields_by_name(struct: Struct) -> dict[str, object]:
    """Return all fields by name, in a new dict: a change of it does not change the object."""
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


class Fields(Struct):
    """A struct whose fields can be read as its `__dict__`."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        """All fields by name, in a new dict: a change of it does not change the object."""
        return _fields_by_name(self)


class Shape(Fields, rename="pascal", omit_defaults=True, repr_omit_defaults=True, gc=False):
    """A JSON shape of the service: PascalCase on the wire, unset fields left out.

    Shapes are trees without cycles, so the garbage collector need not track them.
    """

    def to_dict(self, keys: Keys = "python") -> dict[str, Json]:
        """Return the fields as plain values that JSON can carry.

        Shapes become dicts, at every depth; times become text (ISO 8601).

        :param keys: `"python"` for all fields by their names in Python, those that are not
            set as None; `"service"` for the service's own JSON (`StartTime`, `Alternatives`,
            …), in which fields that are not set are left out.
        :raises ValidationException: for any other `keys`.
        """
        if _is_python(keys):
            return {name: _to_plain(getattr(self, name)) for name in self.__struct_fields__}
        plain: dict[str, Json] = msgspec.to_builtins(self)
        return plain

    def to_json(self, keys: Keys = "python") -> str:
        """Return what `to_dict` returns as JSON, in one line.

        :param keys: As in `to_dict`.
        :raises ValidationException: for any other `keys`.
        """
        return msgspec.json.encode(self.to_dict() if _is_python(keys) else self).decode()

    @classmethod
    def from_dict(cls, values: Mapping[str, object], keys: Keys = "python") -> Self:
        """Return the object whose `to_dict` gave these values.

        Fields may be missing, where the class has a default for them. Names that are no
        field's are passed over, as the service gains fields from time to time.

        :param values: The values by the fields' names.
        :param keys: Whose names they are, as in `to_dict`.
        :raises InvalidEventException: If a value has the wrong type, or a required field is
            missing. The message has the path to the fault.
        :raises ValidationException: for any other `keys`.
        """
        try:
            made: Self = _shape_from_plain(cls, values, "", _is_python(keys))
        except ValueError as error:
            raise InvalidEventException(cls.__name__, str(error)) from None
        return made


class EventShape(Shape, BaseEvent, gc=True):
    """An event whose payload is a shape as JSON."""

    # Once more, as `BaseEvent` brings a dict of its own, which is empty.
    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        """All fields by name, in a new dict: a change of it does not change the object."""
        return _fields_by_name(self)


def _is_python(keys: str) -> bool:
    if keys not in get_args(Keys):
        raise ValidationException(f"keys must be 'python' or 'service', not {keys!r}")
    return keys == "python"


def _to_plain(value: Any) -> Json:
    if isinstance(value, Shape):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_to_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _to_plain(part) for name, part in value.items()}
    plain: Json = value.isoformat() if isinstance(value, datetime) else value
    return plain


def _from_plain(kind: Any, value: Any, path: str, is_python: bool) -> Any:
    """Convert a plain value to a type.

    :param kind: A field's type, without None.
    :param path: The path to the value, for the error message.
    :param is_python: Whether fields have their names in Python.
    :raises ValueError: If the value is not of this type.
    """
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _shape_from_plain(kind, value, path, is_python)
    if get_origin(kind) is list and isinstance(value, (list, tuple)):
        [of] = get_args(kind)
        return [_from_plain(of, part, f"{path}[{i}]", is_python) for i, part in enumerate(value)]
    if get_origin(kind) is dict and isinstance(value, Mapping):
        of = get_args(kind)[1]
        made = {}
        for name, part in value.items():
            if not isinstance(name, str):
                raise ValueError(f"{path}: must have text as its keys, not {name!r}")
            made[name] = _from_plain(of, part, f"{path}[{name!r}]", is_python)
        return made
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path}: {error}") from None


def _shape_from_plain(shape: type[Struct], value: Any, path: str, is_python: bool) -> Any:
    if not isinstance(value, Mapping):
        where = f"{path}: " if path else ""
        raise ValueError(f"{where}must be a mapping of fields, not {value!r}")
    prefix = f"{path}." if path else ""
    given: dict[str, Any] = {}
    for field in _fields_of(shape):
        key = field.name if is_python else field.service_name
        part = value.get(key)
        if part is not None:  # None is absent, also where an absent list is an empty one
            given[field.name] = _from_plain(field.kind, part, f"{prefix}{key}", is_python)
        elif field.required:
            raise ValueError(f"{prefix}{key}: is required")
    return shape(**given)


class _Field(NamedTuple):
    """A field of a shape: its names, its type without None, and True if it has no default."""

    name: str
    service_name: str
    kind: Any
    required: bool


@cache
def _fields_of(shape: type[Struct]) -> tuple[_Field, ...]:
    return tuple(
        _Field(field.name, field.encode_name, _without_none(field.type), field.required)
        for field in fields(shape)
    )


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        [kind] = [part for part in get_args(kind) if part is not NoneType]
    return kind
