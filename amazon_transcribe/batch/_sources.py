"""Where a batch finds its recordings: files, folders, patterns and manifests."""

from __future__ import annotations

import csv
import glob
import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .._net.named_files import check_file
from ..exceptions import ValidationException

MANIFESTS = (".csv", ".jsonl")
"""What the names of manifests end with."""

LONGEST_LINE = 1_000_000
"""Characters of a manifest's line."""

# Of a folder's files these are taken: what else lies there is no recording.
_RECORDINGS = frozenset(
    ".3gp .aac .aif .aiff .amr .au .avi .caf .flac .m4a .m4b .m4v .mka .mkv .mov .mp2 .mp3 .mp4"
    " .mpeg .mpg .oga .ogg .opus .w64 .wav .webm .wma .wmv".split()
)


class Found(NamedTuple):
    """A recording of a batch.

    :param path: Its path; a manifest may name one that is not there.
    :param parameters: Its own parameters, from a manifest.
    :param where: The manifest and its line.
    """

    path: Path
    parameters: Mapping[str, Any]
    where: str = ""


def recordings_of(source: str | os.PathLike[str]) -> Iterator[Found]:
    """Yield the recordings that a source stands for.

    :raises ValidationException: If there is none, or a manifest or a folder cannot be read.
    """
    path = Path(source)
    if path.suffix.lower() in MANIFESTS:
        yield from _listed(path)
    elif os.path.isdir(path):  # noqa: PTH112 - which raises nothing, as of a name too long
        found = sorted(_below(path))
        if not found:
            raise ValidationException(
                f"no recording lies in {path}: name files of other kinds by a pattern"
            )
        yield from (Found(each, {}) for each in found)
    elif os.path.exists(path):  # noqa: PTH110
        yield Found(path, {})
    elif glob.has_magic(str(source)):
        matches = glob.iglob(str(source), recursive=True)  # noqa: PTH207 - absolute ones too
        paths = sorted(each for each in map(Path, matches) if each.is_file())
        if not paths:
            raise ValidationException(f"no file matches {source}")
        yield from (Found(each, {}) for each in paths)
    else:
        raise ValidationException(f"there is no file {path}")


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if path.suffix.lower() in _RECORDINGS and not name.startswith("."):
                yield path


def _refuse(error: OSError) -> None:
    """Refuse a folder below a source: its recordings would be left out, and nobody told."""
    raise ValidationException(
        f"cannot read {error.filename}: {error.strerror}; a pattern such as '*/*.wav' leaves out"
        " what cannot be read"
    ) from error


def _listed(manifest: Path) -> Iterator[Found]:
    """Yield a manifest's recordings; their paths are relative to its folder."""
    read = _csv_rows if manifest.suffix.lower() == ".csv" else _json_rows
    empty = True
    check_file(manifest)
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            for number, row in read(file):
                where = f"{manifest}, line {number}"
                path = row.pop("input", None) if isinstance(row, dict) else None
                if not isinstance(path, str) or not path or "\0" in path:
                    raise ValidationException(f"{where}: 'input' must name a recording")
                empty = False
                yield Found(manifest.parent / path, row, where)
    except OSError as error:
        raise ValidationException(f"cannot read {manifest}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValidationException(f"cannot read {manifest}: {error}") from error
    if empty:
        raise ValidationException(f"{manifest} lists no recording")


def _csv_rows(file: Any) -> Iterator[tuple[int, Any]]:
    """Yield rows by the names of their columns; an empty cell is a parameter not given."""
    rows = csv.DictReader(_lines(file), restkey="")
    for row in rows:
        if any(row.pop("", "")):  # spreadsheets add empty ones
            raise csv.Error(f"line {rows.line_num} has a cell in a column without a name")
        given = {name: cell for name, cell in row.items() if cell}
        channels = given.get("channels", "")
        if channels.isdecimal():
            given["channels"] = int(channels)
        yield rows.line_num, given


def _json_rows(file: Any) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_lines(file), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValidationException(f"{file.name}, line {number}: {error}") from error


def _lines(file: Any) -> Iterator[str]:
    """Yield a manifest's lines.

    :raises ValidationException: For one that no manifest has.
    """
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), 1):
        if len(line) == LONGEST_LINE:
            raise ValidationException(
                f"{file.name}, line {number} has more than {LONGEST_LINE:,} characters: this is no"
                " manifest"
            )
        yield line
