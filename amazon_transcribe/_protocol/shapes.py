"""Base classes of the service's shapes: fields as an object, as a dict and as JSON.

Structs of msgspec have no `__dict__`. Programs print, store and serve results by it, as the
original SDK's results are plain objects; so it is made from the fields when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from ..eventstream import BaseEvent
from ..exceptions import InvalidEventException

if TYPE_CHECKING:
    from typing_extensions import Self


def _fields_by_name(struct: Struct) -> dict[str, Any]:
    """Return all fields by name, in a new dict: a change of it does not change the object."""
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


class Fields(Struct):
    """A struct whose fields can be read as its `__dict__`."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """All fields by name, in a new dict: a change of it does not change the object."""
        return _fields_by_name(self)


class Shape(Fields, rename="pascal", omit_defaults=True, repr_omit_defaults=True, gc=False):
    """A JSON shape of the service: PascalCase on the wire, unset fields left out.

    Shapes are trees without cycles, so the garbage collector need not track them.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return all fields by their names in Python, as plain values that JSON can carry.

        Shapes become dicts, at every depth; times become text (ISO 8601). Fields that are not
        set are in it as None.
        """
        return {name: _to_plain(getattr(self, name)) for name in self.__struct_fields__}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the object whose `to_dict` gave these values.

        Fields may be missing, where the class has a default for them.

        :param values: The values by the fields' names in Python.
        :raises InvalidEventException: If a name is unknown, a value has the wrong type, or a
            required field is missing. The message has the path to the fault.
        """
        try:
            made: Self = _from_plain(cls, values, "")
        except ValueError as error:
            raise InvalidEventException(cls.__name__, str(error)) from None
        return made


class EventShape(Shape, BaseEvent, gc=True):
    """An event whose payload is a shape as JSON."""

    # Once more, as `BaseEvent` brings a dict of its own, which is empty.
    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """All fields by name, in a new dict: a change of it does not change the object."""
        return _fields_by_name(self)


def _to_plain(value: Any) -> Any:
    if isinstance(value, Shape):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_to_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _to_plain(part) for name, part in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value


def _from_plain(kind: Any, value: Any, path: str) -> Any:
    """Convert a plain value to a type.

    :param kind: A field's type, without None.
    :param path: The path to the value, for the error message.
    :raises ValueError: If the value is not of this type.
    """
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _shape_from_plain(kind, value, path)
    if get_origin(kind) is list and isinstance(value, (list, tuple)):
        [of] = get_args(kind)
        return [_from_plain(of, part, f"{path}[{i}]") for i, part in enumerate(value)]
    if get_origin(kind) is dict and isinstance(value, Mapping):
        of = get_args(kind)[1]
        return {name: _from_plain(of, part, f"{path}[{name!r}]") for name, part in value.items()}
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{path}: {error}") from None


def _shape_from_plain(shape: type[Struct], value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        where = f"{path}: " if path else ""
        raise ValueError(f"{where}must be a mapping of fields, not {value!r}")
    known = _fields_of(shape)
    prefix = f"{path}." if path else ""
    given: dict[str, Any] = {}
    for name, part in value.items():
        if name not in known:
            names = ", ".join(known)
            raise ValueError(f"{prefix}{name}: {shape.__name__} has no such field, only {names}")
        if part is not None:  # None is absent, also where an absent list is an empty one
            given[name] = _from_plain(known[name].kind, part, f"{prefix}{name}")
    for name, field in known.items():
        if field.required and name not in given:
            raise ValueError(f"{prefix}{name}: is required")
    return shape(**given)


class _Field(NamedTuple):
    """A field of a shape: its type, without None, and True if it has no default."""

    kind: Any
    required: bool


@cache
def _fields_of(shape: type[Struct]) -> dict[str, _Field]:
    return {
        field.name: _Field(_without_none(field.type), field.required) for field in fields(shape)
    }


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _without_none(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        [kind] = [part for part in get_args(kind) if part is not NoneType]
    return kind
