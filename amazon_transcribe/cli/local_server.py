"""The local server, as `serve` and `transcribe --local` start it."""

from __future__ import annotations

import argparse
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._net.named_files import check_file
from .._protocol.constraints import Integer
from ..exceptions import SDKError, ValidationException
from ..local.constants import (
    ENGINES,
    LONGEST_SEGMENT,
    LONGEST_SEGMENTS,
    MAX_ALTERNATIVES,
    PAUSE,
    PAUSES,
)
from .arguments import named_file, seconds_within, whole
from .errors import Unusable, reason

if TYPE_CHECKING:
    from ..local import LocalTranscribe


class _EngineNames(tuple[str, ...]):
    """The engines of this package; it holds those that other packages add too."""

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        from ..local.engines import added_engines  # slow: only for a name that is not ours

        return name in added_engines()


_OPTIONS = ("engine", "script", "alternatives", "pause", "longest_segment")


def add_engine(parser: Any, when: str = "") -> None:
    """Add the options that say what recognises, and how."""
    parser.add_argument(
        "--engine",
        choices=_EngineNames(ENGINES),
        help=f"{when}what recognises the speech, or the name of an engine that an installed "
        "package adds (default: moonshine; scripted with --script)",
    )
    parser.add_argument(
        "--script",
        metavar="FILE",
        help=f"{when}text that the scripted engine speaks, one segment a line",
    )
    parser.add_argument(
        "--alternatives",
        type=whole(Integer(1, MAX_ALTERNATIVES)),
        metavar="N",
        help=f"{when}the most alternatives of a final result, 1 to {MAX_ALTERNATIVES} (default: 1)",
    )
    parser.add_argument(
        "--pause",
        type=seconds_within(*PAUSES),
        metavar="SECONDS",
        help=f"{when}how long nobody speaks when a segment ends (default: {PAUSE:g})",
    )
    parser.add_argument(
        "--longest-segment",
        type=seconds_within(*LONGEST_SEGMENTS),
        metavar="SECONDS",
        help=f"{when}when a segment ends at the latest (default: {LONGEST_SEGMENT:g})",
    )


def check_local(arguments: argparse.Namespace) -> None:
    """Refuse to choose how another machine recognises."""
    chosen = [name for name in _OPTIONS if getattr(arguments, name) is not None]
    if chosen and not arguments.local:
        raise Unusable(f"--{chosen[0].replace('_', '-')} goes with --local")


def engine_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a `LocalTranscribe` that are chosen, and its engine."""
    options = {name: getattr(arguments, name) for name in _OPTIONS}
    chosen = {name: value for name, value in options.items() if value is not None}
    script = arguments.script
    engine = chosen.setdefault("engine", "moonshine" if script is None else "scripted")
    if script is not None:
        if engine != "scripted":
            raise Unusable(f"--script goes with --engine scripted, not {engine}")
        check_readable("--script", script)
        chosen["script"] = Path(script)
    return chosen


def vocabularies_of(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the file of `--vocabulary NAME=FILE`, and leave the name to the service's option."""
    given = arguments.vocabulary_name
    if not arguments.local or given is None or "=" not in given:
        return {}
    try:
        arguments.vocabulary_name, path = named_file(given)
    except argparse.ArgumentTypeError as error:
        raise Unusable(f"--vocabulary {error}") from error
    return {arguments.vocabulary_name: path}


def check_readable(option: str, path: str) -> None:
    try:
        check_file(path)
        with Path(path).open("rb") as file:
            file.read(1)
    except ValidationException as error:
        raise Unusable(f"{option}: {error}") from error
    except (OSError, ValueError) as error:
        raise Unusable(f"{option}: cannot read {path}: {reason(error)}") from error


async def start_server(stack: AsyncExitStack, **options: Any) -> LocalTranscribe:
    from ..local import LocalTranscribe
    from ..local.engines import EngineUnavailable

    try:
        return await stack.enter_async_context(LocalTranscribe(**options))
    except (EngineUnavailable, ValueError) as error:  # ValueError: a host that cannot be one
        raise Unusable(str(error)) from error
    except OSError as error:
        if error.filename is None:  # an address that cannot be listened on
            raise SDKError(reason(error)) from error
        raise Unusable(f"{error.filename}: {reason(error)}") from error
