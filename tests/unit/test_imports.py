"""Imports point downwards: read from the sources, those inside functions too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import amazon_transcribe

PACKAGE = Path(amazon_transcribe.__file__).parent

# The rooms from the ground up; a room is a module or a folder at the top of the package.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("exceptions", "_version"),
    ("_wire", "_net", "auth", "endpoints", "observe"),
    ("eventstream", "transports", "otel"),
    ("_protocol",),
    ("limiter", "audio"),
    ("_stream",),
    ("transcription", "call_analytics", "medical", "medical_scribe"),
    ("model", "results", "captions", "live_captions", "resume"),
    ("transcribe",),
    ("client", "handlers", "local", "utils"),
    ("files",),
    ("batch",),
    ("sync", "cli", "integrations", "pytest_plugin", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# The rooms of bytes and of the conversation do no input or output.
NO_INPUT_OUTPUT = {"asyncio", "socket", "ssl", "awscrt", "h2", "wsproto"}
SANS_IO = ("_wire", "_protocol")

COMPILED = "_wire._codec"  # has no source in Python


@cache
def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE or path.stem != "__init__"
    }


def imported(name: str, path: Path) -> tuple[set[str], set[str]]:
    """Return the package's modules, and the top-level names of others, that a module imports."""
    own = {submodule(target, each) or target for target, each in imports_from_package(name, path)}
    others = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            others |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            others.add(node.module.partition(".")[0])
    return own - {"", name}, others - {"amazon_transcribe"}


def imports_from_package(name: str, path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a module imports from the package: a module of it, and a name there."""
    here = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            target = node.module.split(".") if node.module else []
            if node.level:
                target = [*here[: len(here) - node.level + 1], *target]
            elif target[0] == "amazon_transcribe":
                target = target[1:]
            else:
                continue
            for alias in node.names:
                yield ".".join(target), alias.name


def is_private(module: str, name: str) -> bool:
    """Tell whether a name is its module's own; the names of modules themselves are not."""
    return name.startswith("_") and not name.endswith("__") and not submodule(module, name)


def submodule(module: str, name: str) -> str | None:
    """Return the module that a name in another one stands for, if it stands for one."""
    whole = f"{module}.{name}".lstrip(".")
    return whole if whole in modules() or whole == COMPILED else None


def floor_of(name: str) -> int:
    return FLOOR[name.partition(".")[0]]


def names_in(picture: str, indent: int) -> set[str]:
    """Return the rooms that stand so far to the right in the picture of the house."""
    lines = re.findall(rf"^ {{{indent}}}(\S.*?)(?: {{3}}|$)", picture, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"\w+", line)}


def test_at_the_top_stand_public_modules_and_folders_only() -> None:
    private = {path.name for path in PACKAGE.glob("_*.py")}
    assert private == {"__init__.py", "__main__.py", "_version.py"}


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_its_own_floor_or_lower(name: str) -> None:
    own, _ = imported(name, modules()[name])
    assert {other for other in own if floor_of(other) > floor_of(name)} == set()


def test_the_picture_of_the_house_has_every_room() -> None:
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    picture = page.partition("```text\namazon_transcribe/\n\n")[2].partition("\n```")[0]
    pictured = [names_in(block, indent=2) for block in reversed(picture.split("\n\n"))]
    assert pictured == [{*floor} - {"__main__"} for floor in FLOORS]
    local = {name.split(".")[1] for name in modules() if name.startswith("local.")}
    assert local - names_in(picture, indent=6) == set()


@pytest.mark.parametrize("room", SANS_IO)
def test_a_room_without_input_and_output_imports_none(room: str) -> None:
    names = [name for name in modules() if name.partition(".")[0] == room]
    assert names
    others = {other for name in names for other in imported(name, modules()[name])[1]}
    assert others & NO_INPUT_OUTPUT == set()


def test_only_the_selector_imports_a_codec() -> None:
    importers = {
        name
        for name, path in modules().items()
        if imported(name, path)[0] & {COMPILED, "_wire._codec_py"}
    }
    assert importers == {"_wire"}


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_no_private_name_of_another(name: str) -> None:
    imports = imports_from_package(name, modules()[name])
    assert {each for target, each in imports if is_private(target, each)} == set()


def test_there_are_no_circles() -> None:
    graph = {name: imported(name, path)[0] for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail, name))
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
