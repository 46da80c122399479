"""Check types as users see them, with mypy and with Pyright: `python -m tests.typing.check`.

Checked are the programs beside this file and the Python blocks of the documentation. A program
named `good_…` has no error and, for mypy, no expression of the type `Any`. In one named `bad_…`
each line that ends in `# error: CODE` has an error in both checkers, of this code in mypy, and
no other line has any. Pyright finds no error in the package itself, each of whose public names
has a declared type.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from .markdown import modules

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "typing"
PACKAGE = "amazon_transcribe"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HERE = Path(__file__).parent
PROGRAMS = [*sorted(HERE.glob("good_*.py")), *sorted(HERE.glob("bad_*.py"))]
# Their bases are frameworks' classes, which are not here; `make frameworks` checks them.
ADAPTERS = tuple(f"{PACKAGE}.integrations.{name}." for name in ("livekit", "pipecat"))
MARK = re.compile(r"# error: ([\w-]+)$")


class Error(NamedTuple):
    """An error in a line of a file."""

    path: Path
    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.message} [{self.code}]"


def main() -> int:
    """Run the checkers side by side, print what is wrong, and return 1 if anything is."""
    blocks = write_blocks(BUILD)
    files = [*PROGRAMS, *blocks]
    with ThreadPoolExecutor() as pool:
        mypy = pool.submit(mypy_errors, files)
        pyright = pool.submit(pyright_errors, [*files, ROOT / PACKAGE])
        types = pool.submit(undeclared_types)
    problems = [
        *(f"mypy: {problem}" for problem in compare(mypy.result(), blocks, codes=True)),
        *(f"Pyright: {problem}" for problem in compare(pyright.result(), blocks, codes=False)),
        *(f"Pyright: {problem}" for problem in types.result()),
    ]
    problems = list(dict.fromkeys(problems))  # a block may be part of several modules
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(PROGRAMS)} programs, {len(blocks)} blocks of documentation: {len(problems)} wrong")
    return bool(problems)


def write_blocks(folder: Path) -> dict[Path, Path]:
    """Write a module for each block of the documentation.

    :param folder: Where to; it is emptied first.
    :returns: The pages of the modules.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written = {}
    for page in PAGES:
        name = re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
        for line, text in modules(page.read_text("utf-8")):
            module = folder / f"{name}_{line}.py"
            module.write_text(text, "utf-8")
            written[module] = page
    return written


def mypy_errors(files: list[Path]) -> list[Error]:
    """Run mypy with the project's settings."""
    output = run("mypy", "--output", "json", *map(str, files))
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    if not found and "Success" not in output:
        raise SystemExit(output)
    return [
        Error(ROOT / each["file"], each["line"], each["code"], each["message"])
        for each in found
        if each["severity"] == "error"
    ]


def pyright_errors(files: list[Path]) -> list[Error]:
    """Run Pyright with the project's settings."""
    return [
        Error(
            Path(each["file"]),
            each["range"]["start"]["line"] + 1,
            each.get("rule", "syntax"),
            each["message"].replace("\n", " "),
        )
        for each in pyright(*map(str, files))["generalDiagnostics"]
        if each["severity"] == "error"
    ]


def undeclared_types() -> list[str]:
    """Find the public names of the package whose types Pyright does not know for certain."""
    found = pyright("--verifytypes", PACKAGE, "--ignoreexternal")["typeCompleteness"]
    if not found["symbols"]:
        raise SystemExit(f"Pyright does not find {PACKAGE}")
    said = [
        f"{symbol['name']}: {each['message'].splitlines()[0]}"
        for symbol in found["symbols"]
        if not symbol["name"].startswith(ADAPTERS)
        for each in symbol["diagnostics"]
        if each["severity"] == "error"
    ]
    # Most are unknown in part only because others are.
    return [each for each in said if not each.endswith("partially unknown")] or said


def pyright(*arguments: str) -> dict[str, Any]:
    """Run Pyright and return its report."""
    output = run("pyright", "--outputjson", *arguments)
    try:
        found: dict[str, Any] = json.loads(output)
    except ValueError:
        raise SystemExit(output) from None
    return found


def run(tool: str, *arguments: str) -> str:
    """Run a tool of this environment, for which the package is that of the checkout."""
    environment = {
        **os.environ,
        "MYPYPATH": str(ROOT),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
    }
    command = (sys.executable, "-m", tool, *arguments)
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=False
    ).stdout


def compare(errors: list[Error], blocks: Mapping[Path, Path], *, codes: bool) -> Iterator[str]:
    """Hold a checker's errors against the marks; yield what does not agree.

    :param errors: What the checker said of any file; those of other files than the programs,
        the blocks and the package are passed over.
    :param blocks: The pages of the modules that hold blocks of the documentation.
    :param codes: Whether the marks name this checker's codes.
    """
    marks = {(path, line): code for path in PROGRAMS for line, code in marks_of(path)}
    met = set()
    for error in errors:
        place = (error.path, error.line)
        if place in marks:
            if not codes or error.code == marks[place]:
                met.add(place)
        elif error.path in blocks:
            yield str(error._replace(path=blocks[error.path]))
        elif error.path in PROGRAMS or error.path.is_relative_to(ROOT / PACKAGE):
            yield str(error)
    for path, line in sorted(marks.keys() - met):
        yield str(Error(path, line, marks[path, line], "there should be an error"))


def marks_of(path: Path) -> Iterator[tuple[int, str]]:
    """Find the marked lines of a program, and the codes that they are marked with."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if mark := MARK.search(line):
            yield number, mark[1]


if __name__ == "__main__":
    sys.exit(main())
