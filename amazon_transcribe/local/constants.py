"""Names and limits of the local server, for its command too: importing them is cheap."""

from __future__ import annotations

ENGINES = ("moonshine", "pocketsphinx", "scripted")
"""The names that `engines.load_engine` knows."""

MAX_ALTERNATIVES = 10
"""The most alternatives of a result that may be asked for."""

MAX_SECONDS = 4 * 3600.0
"""The longest audio of a stream, as the service limits it."""

DRAIN_TIMEOUT = 4.0
"""Seconds in which streams may end by themselves when the server drains."""
