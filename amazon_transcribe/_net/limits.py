"""Bounds and times of connections."""

from __future__ import annotations

MAX_UNSENT = 1024 * 1024
MAX_UNREAD = 1024 * 1024

# How often a connection with open streams is asked for a sign of life. One that gave
# none for a whole interval is dead.
PING_INTERVAL = 20.0
