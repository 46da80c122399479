"""Imports point downwards: read from the sources, those inside functions too."""

from __future__ import annotations

import ast
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
    ("model", "captions"),
    ("client", "handlers", "local", "utils"),
    ("resume", "cli", "pytest_plugin", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# The rooms of bytes and of the conversation do no input or output.
NO_INPUT_OUTPUT = {"asyncio", "socket", "ssl", "awscrt", "h2", "wsproto"}
SANS_IO = ("_wire", "_protocol")


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE or path.stem != "__init__"
    }


def imported(name: str, path: Path) -> tuple[set[str], set[str]]:
    """Return the package's modules, and the top-level names of others, that a module imports."""
    own: set[str] = set()
    others: set[str] = set()
    here = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            others |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            target = (node.module or "").split(".") if node.module else []
            if node.level:
                target = [*here[: len(here) - node.level + 1], *target]
            elif target[0] == "amazon_transcribe":
                target = target[1:]
            else:
                others.add(target[0])
                continue
            for alias in node.names:
                longest = ".".join([*target, alias.name])
                own.add(longest if longest in modules() else ".".join(target))
    return own - {"", name}, others


def floor_of(name: str) -> int:
    return FLOOR[name.partition(".")[0]]


def test_at_the_top_stand_public_modules_and_folders_only() -> None:
    private = {path.name for path in PACKAGE.glob("_*.py")}
    assert private == {"__init__.py", "__main__.py", "_version.py"}


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_its_own_floor_or_lower(name: str) -> None:
    own, _ = imported(name, modules()[name])
    assert {other for other in own if floor_of(other) > floor_of(name)} == set()


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
        if imported(name, path)[0] & {"_wire._codec", "_wire._codec_py"}
    }
    assert importers == {"_wire"}


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
