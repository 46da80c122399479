"""Names and limits of the local server, for its command too: importing them is cheap."""

from __future__ import annotations

ENGINES = ("moonshine", "pocketsphinx", "scripted")
"""The names that `engines.load_engine` knows."""

MAX_ALTERNATIVES = 10
"""The most alternatives of a result that may be asked for."""

PAUSE, PAUSES = 0.6, (0.2, 5.0)
"""Seconds without speech that end a segment: the default, and what may be chosen."""

LONGEST_SEGMENT, LONGEST_SEGMENTS = 15.0, (3.0, 30.0)
"""Seconds of the longest segment: the default, and what may be chosen."""

MAX_SECONDS = 4 * 3600.0
"""The longest audio of a stream, as the service limits it."""

DRAIN_TIMEOUT = 4.0
"""Seconds in which streams may end by themselves when the server drains."""
