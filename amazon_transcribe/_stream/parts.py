"""Checks of the objects that a program gives to a client: by what they can do, not by class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..exceptions import ValidationException
from ..observe import Observer

RESOLVES = {"resolve": 1}
LIMITS = {"acquire": 2}
TRANSPORTS = {"open": 2, "close": 0}
OBSERVES = dict.fromkeys(name for name in vars(Observer) if not name.startswith("_"))
"""The methods of each kind of object, and how many arguments they take; None for any."""


def check_part(name: str, part: Any, methods: Mapping[str, int | None], allowed: str) -> None:
    """Check that an object has the methods that a client calls.

    :param name: The parameter.
    :param part: What was given for it; None for nothing.
    :param allowed: What it may be, for the message.
    :raises ValidationException: If it is a class, or lacks a method.
    """
    if part is None:
        return
    if isinstance(part, type):
        raise ValidationException(f"{name} must be {allowed}, not the class {part.__name__} itself")
    for method, arguments in methods.items():
        if not _takes(getattr(part, method, None), arguments):
            kind = type(part)
            raise ValidationException(
                f"{name} must be {allowed}, not {kind.__module__}.{kind.__qualname__}"
            )


def _takes(method: Any, arguments: int | None) -> bool:
    if not callable(method):
        return False
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # written in C, without a signature
        return True
    try:
        signature.bind(*[None] * (arguments or 0))
    except TypeError:
        return arguments is None
    return True
