"""The recordings that one command transcribes, and where their transcripts go."""

from __future__ import annotations

import argparse
import glob
from pathlib import Path
from typing import NamedTuple

from .errors import Unusable, reason
from .transcript import INCOMPLETE, SUFFIXES


class Job(NamedTuple):
    """One transcription.

    :param recordings: A recording, or the two sides of a call.
    :param output: The path of the transcript; None for standard output.
    """

    recordings: tuple[str, ...]
    output: str | None

    @property
    def name(self) -> str:
        live = {"-": "standard input", "mic": "the microphone"}
        return " and ".join(live.get(path, path) for path in self.recordings)

    @property
    def is_done(self) -> bool:
        """Whether its whole transcript is there already."""
        path = Path(self.output or "")
        if not path.is_file():
            return False
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - 100))
                return not file.read().decode(errors="replace").endswith(INCOMPLETE)
        except OSError as error:
            raise Unusable(f"cannot read {path}: {reason(error)}") from error


def jobs_of(arguments: argparse.Namespace) -> list[Job]:
    """Return the transcriptions that the arguments ask for.

    :raises Unusable: If they do not fit together.
    """
    recordings = [path for given in arguments.audio for path in _matches(given)]
    if arguments.sides:
        if len(recordings) != 2:
            raise Unusable(f"--sides needs two recordings, not {len(recordings)}")
        if arguments.output_dir is not None:
            raise Unusable("--sides writes one transcript: name its file by -o")
        return [Job(tuple(recordings), arguments.output)]
    recordings = list(dict.fromkeys(recordings))
    if len(recordings) == 1 and arguments.output_dir is None:
        return [Job((recordings[0],), arguments.output)]
    if arguments.output is not None:
        raise Unusable("-o is for one recording: name a directory for several by --output-dir")
    live = {"-", "mic"} & {*recordings}
    if live:
        raise Unusable(f"{live.pop()!r} goes without other recordings and without --output-dir")
    outputs: dict[Path, str] = {}
    for recording in recordings:
        path = Path(recording)
        output = path.with_suffix(SUFFIXES[arguments.format])
        if arguments.output_dir is not None:
            output = Path(arguments.output_dir) / output.name
        other = outputs.setdefault(output, recording)
        if other != recording:
            raise Unusable(f"{other} and {recording} would both be written to {output}")
    if arguments.output_dir is not None:
        try:
            Path(arguments.output_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"--output-dir: {arguments.output_dir}: {reason(error)}") from error
    return [Job((recording,), str(output)) for output, recording in outputs.items()]


def _matches(given: str) -> list[str]:
    """Return the files that a pattern stands for, and every other path as it is."""
    if not glob.has_magic(given) or Path(given).exists():
        return [given]
    matches = glob.iglob(given, recursive=True)  # noqa: PTH207 - takes absolute patterns too
    found = sorted(path for path in matches if Path(path).is_file())
    if not found:
        raise Unusable(f"no file matches {given}")
    return found
