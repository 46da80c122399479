"""The recognisers of the local server: real ones, and a scripted one for tests.

| name | what | needs |
|---|---|---|
| `moonshine` | Moonshine tiny-en, about 5 % word errors on read speech | the `local` extra |
| `pocketsphinx` | CMU Sphinx en-us, light on memory and poor | the `local` extra |
| `scripted` | speaks a text at an even pace, whatever the audio | nothing |
"""

from __future__ import annotations

import os
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
    "load_engine",
]


def load_engine(name: str, *, script: Path | None = None) -> Engine:
    """Load a recogniser; the real ones read their model, which takes about a second.

    :param name: One of `ENGINES`.
    :param script: For the scripted engine: the text file to speak instead of the
        built-in text, one segment per line.
    :raises EngineUnavailable: A package that the engine needs is not installed, or does
        not work here.
    :raises ValidationException: There is no engine of this name, it takes no script, or the
        script has no words or is not UTF-8.
    :raises OSError: The script cannot be read.
    """
    if name not in ENGINES:
        raise ValidationException(f"no engine is named {name!r}; there are {', '.join(ENGINES)}")
    if name == "scripted":
        from .scripted import ScriptedEngine

        return ScriptedEngine.from_file(script) if script else ScriptedEngine()
    if script is not None:
        raise ValidationException(f"the engine {name!r} takes no script")
    try:
        if name == "moonshine":
            # From 1.29 on, onnxruntime sends usage data to its maker as soon as it is imported.
            os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
            from . import moonshine

            return moonshine.load()
        from . import sphinx

        return sphinx.load()
    except ImportError as error:
        raise EngineUnavailable(name, str(error)) from error
