"""The Python blocks of a Markdown page as modules, each line at its place in the page."""

from __future__ import annotations

import builtins
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent

from . import assumed

# As strict as is reasonable for readers: their functions need no types, but are looked into,
# and what they import from others need not be here.
SETTINGS = (
    "# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, "
    "allow-untyped-decorators, allow-subclassing-any",
    "# pyright: reportMissingImports=false",
)
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEAD = "async def program():"
_BUILTINS = frozenset(dir(builtins))
_ASSUMED = frozenset({*vars(assumed), *assumed.__annotations__})


@dataclass(frozen=True)
class Block:
    """One block of a page.

    :param line: The line of the page that it begins on, from 1; its fence is the one before.
    :param code: Its text.
    """

    line: int
    code: str

    @property
    def awaits(self) -> bool:
        """Whether it uses `await` outside of a function."""
        try:
            compile(self.code, "block", "exec", dont_inherit=True)
        except SyntaxError:
            return True
        return False

    @property
    def binds(self) -> set[str]:
        """The names that it defines."""
        return {symbol.get_name() for symbol in self._scope().get_symbols() if symbol.is_local()}

    @property
    def needs(self) -> set[str]:
        """The names that it uses and does not define."""
        return set(_global_names(self._scope())) - _BUILTINS

    def _scope(self) -> symtable.SymbolTable:
        (scope,) = symtable.symtable(_wrapped(self.code), "block", "exec").get_children()
        return scope


def blocks(page: str) -> list[Block]:
    """Find the Python blocks of a page.

    :param page: The text of the page.
    """
    return [
        Block(page.count("\n", 0, found.start(1)) + 1, found[1]) for found in _BLOCK.finditer(page)
    ]


def modules(page: str) -> Iterator[tuple[int, str]]:
    """Make a module of each block and of the earlier blocks that define what it uses.

    What no block defines comes from `assumed`. A module that uses `await` outside of a
    function becomes the body of one. Line numbers are those of the page.

    :param page: The text of the page.
    :returns: For each block the line it begins on, and the text of its module.
    """
    found = blocks(page)
    for number, block in enumerate(found):
        joined = [found[n] for n in sorted(_with_earlier(found, number))]
        lines = [""] * (page.count("\n") + 1)
        wrapped = any(each.awaits for each in joined)
        for each in joined:
            code = indent(each.code, "    ") if wrapped else each.code
            lines[each.line - 1 : each.line - 1 + code.count("\n")] = code.splitlines()
        if wrapped:
            lines[joined[0].line - 2] = _HEAD  # in place of the fence
        lines[: len(SETTINGS)] = SETTINGS
        needed = set().union(*(each.needs for each in joined))
        defined = set().union(*(each.binds for each in joined))
        if taken := (needed & _ASSUMED) - defined:
            lines[len(SETTINGS)] = f"from {assumed.__name__} import {', '.join(sorted(taken))}"
        yield block.line, "\n".join(lines)


def _wrapped(code: str) -> str:
    return f"{_HEAD}\n{indent(code, '    ')}"


def _global_names(scope: symtable.SymbolTable) -> Iterator[str]:
    yield from (symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global())
    for child in scope.get_children():
        yield from _global_names(child)


def _with_earlier(found: list[Block], number: int) -> set[int]:
    """Find the numbers of a block and of those that it builds on, the latest of each name."""
    needed = {number}
    for name in found[number].needs:
        for earlier in reversed(range(number)):
            if name in found[earlier].binds:
                needed |= _with_earlier(found, earlier)
                break
    return needed
