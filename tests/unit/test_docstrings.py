"""Docstrings of what the reference documents: each one there, each parameter described."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_origin

import pytest

import amazon_transcribe
from amazon_transcribe import model
from amazon_transcribe._wire import _codec_py

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
DIRECTIVE = re.compile(r"auto(module|class|function):: ([\w.]+)\n((?:   :.*\n)*)")
PARAM = re.compile(r":param (\w+):")

# Modules at the top of the package that are no part of the reference.
UNDOCUMENTED = {"cli", "integrations", "pytest_plugin"}
# The operations, whose names `model` and `client` have.
UNDOCUMENTED |= {"transcription", "call_analytics", "medical", "medical_scribe"}


def documented() -> dict[str, Any]:
    """Return the classes and functions that the reference documents, by their full names."""
    found = {}
    for page in sorted(REFERENCE.glob("*.md")):
        module = ""
        for kind, name, options in DIRECTIVE.findall(page.read_text("utf-8")):
            if kind != "module":
                whole = name if "." in name else f"{module}.{name}"
                value = resolve_name(whole)
                # Of the codec's twins the one with signatures is documented.
                found[whole] = getattr(_codec_py, value.__name__, value)
                continue
            module = name
            if ":no-members:" not in options:
                found |= {f"{name}.{each}": value for each, value in members(import_module(name))}
    return found


def members(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions that are a module's own or in its `__all__`."""
    for name in getattr(module, "__all__", vars(module)):
        value = getattr(module, name)
        is_own = hasattr(module, "__all__") or getattr(value, "__module__", "") == module.__name__
        if is_own and not name.startswith("_") and is_class_or_function(value):
            yield name, value


def is_class_or_function(value: Any) -> bool:
    # Python 3.10 calls `Callable[…]`, which is an alias, a class too.
    return (inspect.isclass(value) and get_origin(value) is None) or inspect.isroutine(value)


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of a class, the package's inherited ones too."""
    for name in dir(cls):
        defined_by = next(base for base in cls.__mro__ if name in vars(base) or base is object)
        if not name.startswith("_") and defined_by.__module__.startswith("amazon_transcribe"):
            value = inspect.getattr_static(cls, name)
            if isinstance(value, (property, staticmethod, classmethod)) or inspect.isroutine(value):
                yield name, value


OBJECTS = {
    **documented(),
    **{
        f"{name}.{method}": value
        for name, cls in documented().items()
        if inspect.isclass(cls)
        for method, value in methods(cls)
    },
}


def owners(name: str) -> list[type]:
    """Return the class of a method and its bases; none of a function."""
    cls = OBJECTS.get(name.rpartition(".")[0])
    return list(cls.__mro__) if inspect.isclass(cls) else []


def parameters(value: Any) -> set[str]:
    """Return the names of an object's parameters; a property has none."""
    if isinstance(value, property) or not takes_arguments(value):
        return set()
    function: Callable[..., Any] = getattr(value, "__func__", value)
    names = inspect.signature(function).parameters.keys()
    return {name for name in names if not name.startswith("_")} - {"self", "cls"}


def takes_arguments(value: Any) -> bool:
    """Tell whether a value has parameters of its own: no protocol has, nor has every error."""
    if not inspect.isclass(value):
        return True
    any_arguments = issubclass(value, Exception) and value.__init__ is Exception.__init__
    return not getattr(value, "_is_protocol", False) and not any_arguments


def described(name: str) -> set[str]:
    """Return the parameters that an object's docstring describes, or its bases' docstrings."""
    value = OBJECTS[name]
    texts = [docstring(name)]
    if inspect.isclass(value):
        texts += [base.__doc__ or "" for base in value.__mro__]
        if name.endswith("Response"):  # the rest of its fields are the request's
            request = getattr(model, value.__name__.replace("Response", "Request"))
            texts.append(request.__doc__)
    return set(PARAM.findall("\n".join(texts)))


def docstring(name: str) -> str:
    """Return an object's docstring; a method without one has that of the method it overrides."""
    value = OBJECTS[name]
    if inspect.isclass(value):
        return value.__doc__ or ""
    overridden = (vars(base).get(name.rpartition(".")[2]) for base in owners(name))
    return next((each.__doc__ for each in (value, *overridden) if each and each.__doc__), "")


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_it_has_a_docstring(name: str) -> None:
    assert docstring(name)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_its_parameters_are_described(name: str) -> None:
    assert parameters(OBJECTS[name]) - described(name) == set()


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_what_it_describes_are_its_parameters(name: str) -> None:
    assert set(PARAM.findall(docstring(name))) - parameters(OBJECTS[name]) == set()


def test_the_reference_documents_every_public_module() -> None:
    names = {module.name for module in pkgutil.iter_modules(amazon_transcribe.__path__)}
    public = {name for name in names if not name.startswith("_")} - UNDOCUMENTED
    mentioned = {name.split(".")[1] for name in OBJECTS}
    assert public - mentioned == set()
