"""What `python -m tests.typing.check` rests on: blocks as modules, and marks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from . import check
from .check import PROGRAMS, Error, compare
from .markdown import modules

PAGE = """\
# A page

Text.

```python
def double(number):
    return 2 * number
```

```console
$ ls
```

```python
async with client:
    print(double(2))
```

```python
print("by itself")
```
"""
GOOD = [path for path in PROGRAMS if path.name.startswith("good_")]


def numbered(module: str) -> dict[int, str]:
    """The code of a module by line, without the settings at its head."""
    lines = enumerate(module.splitlines(), 1)
    return {number: line for number, line in lines if line and not line.startswith("#")}


def test_a_block_keeps_its_lines():
    first, _, last = modules(PAGE)
    assert first[0] == 6
    assert numbered(first[1]) == {6: "def double(number):", 7: "    return 2 * number"}
    assert numbered(last[1]) == {20: 'print("by itself")'}


def test_a_block_brings_what_it_builds_on_and_what_it_assumes():
    _, (line, module), _ = modules(PAGE)
    assert line == 15
    assert numbered(module) == {
        3: "from tests.typing.assumed import client",
        5: "async def program():",
        6: "    def double(number):",
        7: "        return 2 * number",
        15: "    async with client:",
        16: "        print(double(2))",
    }


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = tmp_path / "bad_program.py"
    path.write_text("fine\nwrong  # error: attr-defined\n", "utf-8")
    monkeypatch.setattr(check, "PROGRAMS", [path])
    monkeypatch.setattr(check, "ROOT", tmp_path)
    return path


def test_the_marked_error_is_as_it_should_be(program):
    errors = [Error(program, 2, "attr-defined", "no attribute")]
    assert list(compare(errors, {}, codes=True)) == []


@pytest.mark.parametrize(("code", "codes"), [("misc", True), (None, False)])
def test_a_marked_line_without_its_error_is_wrong(program, code, codes):
    errors = [Error(program, 2, code, "another")] if code else []
    said = ["bad_program.py:2: there should be an error [attr-defined]"]
    assert list(compare(errors, {}, codes=codes)) == said


def test_an_error_without_a_mark_is_wrong(program):
    errors = [Error(program, line, "attr-defined", "no attribute") for line in (1, 2)]
    said = ["bad_program.py:1: no attribute [attr-defined]"]
    assert list(compare(errors, {}, codes=True)) == said


def test_an_error_in_a_block_names_the_page(program):
    page, module = program.with_name("page.md"), program.with_name("page_6.py")
    errors = [Error(module, 7, "misc", "odd"), Error(program, 2, "attr-defined", "no attribute")]
    assert list(compare(errors, {module: page}, codes=True)) == ["page.md:7: odd [misc]"]


def test_an_error_in_the_package_is_wrong_and_one_elsewhere_is_not(program):
    package, elsewhere = (program.parent / name for name in ("amazon_transcribe", "other"))
    errors = [Error(path / "model.py", 3, "misc", "odd") for path in (package, elsewhere)]
    errors.append(Error(program, 2, "attr-defined", "no attribute"))
    assert list(compare(errors, {}, codes=True)) == ["amazon_transcribe/model.py:3: odd [misc]"]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_program_is_checked_strictly_and_can_be_imported(path: Path):
    assert path.read_text("utf-8").startswith("# mypy: disallow-any-expr\n# pyright: strict\n")
    import_module(f"tests.typing.{path.stem}")
