"""Imports point downwards: read from the sources, those inside functions too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import amazon_transcribe

PACKAGE = Path(amazon_transcribe.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("exceptions", "_extras", "_headers", "_rules", "_codec_py", "_codec"),
    ("_framing",),
    ("_signing", "eventstream"),
    ("_events", "call_analytics", "medical", "medical_scribe"),
    ("model", "_shapes", "auth", "endpoints", "captions"),
    ("_session",),
    ("transports",),
    (
        "_live",
        "_replay",
        "_retry",
        "limiter",
        "observe",
        "_watched",
        "_calls",
        "otel",
        "client",
        "handlers",
        "utils",
        "audio",
        "resume",
    ),
    ("local", "cli", "pytest_plugin", "__main__"),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

# Below the transports no module waits for anything; the credential chain is awscrt's.
NO_INPUT_OUTPUT = {"asyncio", "socket", "ssl", "awscrt", "h2"}
EXEMPT = {"auth": {"asyncio", "awscrt"}}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
        if path.parent != PACKAGE or path.stem != "__init__"
    }


def imported(name: str, path: Path) -> tuple[set[str], set[str]]:
    """The package's own modules, and the top-level names of others', that a module imports."""
    own: set[str] = set()
    others: set[str] = set()
    here = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
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


def layer_of(name: str) -> int:
    return LAYER[name.partition(".")[0]]


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_its_own_layer_or_lower(name: str) -> None:
    own, others = imported(name, modules()[name])
    assert {other for other in own if layer_of(other) > layer_of(name)} == set()
    if layer_of(name) < LAYER["transports"]:
        assert others & NO_INPUT_OUTPUT <= EXEMPT.get(name, set())


def test_only_the_selector_imports_a_codec() -> None:
    importers = {
        name
        for name, path in modules().items()
        if imported(name, path)[0] & {"_codec", "_codec_py"}
    }
    assert importers == {"_framing"}


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
