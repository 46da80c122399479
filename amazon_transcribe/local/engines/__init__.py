"""The recognisers of the local server: real ones, and a scripted one for tests.

| name | what | needs |
|---|---|---|
| `moonshine` | Moonshine tiny-en, about 5 % word errors on read speech | the `local` extra |
| `pocketsphinx` | CMU Sphinx en-us, light on memory and poor | the `local` extra |
| `scripted` | speaks a text at an even pace, whatever the audio | nothing |

Other packages add theirs by an entry point of the group `amazon_transcribe.engines`: its name
is the engine's, and what it names is called without arguments and returns an `Engine`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ...exceptions import ValidationException
from ..constants import ENGINES
from .base import Engine, EngineUnavailable, Recognition, RecognitionOptions

__all__ = [
    "ENGINES",
    "Engine",
    "EngineUnavailable",
    "Recognition",
    "RecognitionOptions",
    "added_engines",
    "load_engine",
]

GROUP = "amazon_transcribe.engines"
"""The entry points by which packages add engines."""

# From 1.29 on, onnxruntime sends usage data to its maker as soon as it is imported, by whomever.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load_engine(name: str, *, script: Path | None = None) -> Engine:
    """Load a recogniser; the real ones read their model, which takes about a second.

    :param name: One of `ENGINES`, or one that an installed package adds.
    :param script: For the scripted engine: the text file to speak instead of the
        built-in text, one segment per line.
    :raises EngineUnavailable: A package that the engine needs is not installed, or does
        not work here; or what a package adds is no engine.
    :raises ValidationException: There is no engine of this name, it takes no script, or the
        script has no words or is not UTF-8.
    :raises OSError: The script cannot be read.
    """
    if script is not None and name != "scripted":
        raise ValidationException(f"the engine {name!r} takes no script")
    load = _LOADERS.get(name)
    if load is None:
        return _load_added(name)
    try:
        return load(script)
    except ImportError as error:
        raise EngineUnavailable(name, str(error)) from error


def added_engines() -> Mapping[str, EntryPoint]:
    """Return the engines that installed packages add, by their names; none of `ENGINES`."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ENGINES}


def _load_added(name: str) -> Engine:
    added = added_engines()
    if name not in added:
        known = ", ".join([*ENGINES, *sorted(added)])
        raise ValidationException(f"no engine is named {name!r}; there are {known}")
    try:
        engine = added[name].load()()
    except (Exception, SystemExit) as error:  # an engine's sys.exit must not end the server
        text = " ".join(str(error).split())
        reason = f"{added[name].value} failed with {type(error).__name__}: {text}"
        raise EngineUnavailable(name, reason, extra=None) from error
    if not isinstance(engine, Engine):
        reason = f"{added[name].value} returned no engine but {type(engine).__name__!r}"
        raise EngineUnavailable(name, reason, extra=None)
    return engine


def _load_moonshine(_: Path | None) -> Engine:
    from . import moonshine

    return moonshine.load()


def _load_pocketsphinx(_: Path | None) -> Engine:
    from . import sphinx

    return sphinx.load()


def _load_scripted(script: Path | None) -> Engine:
    from .scripted import ScriptedEngine

    return ScriptedEngine.from_file(script) if script else ScriptedEngine()


_LOADERS: Mapping[str, Callable[[Path | None], Engine]] = {
    "moonshine": _load_moonshine,
    "pocketsphinx": _load_pocketsphinx,
    "scripted": _load_scripted,
}
"""What loads each of `ENGINES`; only then are its packages imported."""
