"""Which of the times that a peer sends can be."""

from __future__ import annotations

LATEST = 1_000_000.0
"""Seconds beyond which no time can be: eleven days, and a resumed stream may be long."""

_TOLERANCE = 2.0  # seconds by which a time may lie behind the audio, as words end late


def believable(time: float | None, heard: float = LATEST) -> float | None:
    """Return a peer's time if it can be, else None.

    Not a number, negative, or behind the audio that the peer has heard: it is no time.

    :param time: Seconds from the beginning of the audio.
    :param heard: Seconds of audio that the peer has heard.
    """
    return time if time is not None and 0 <= time <= heard + _TOLERANCE else None


def seconds_of(milliseconds: int | None) -> float | None:
    """Return a peer's milliseconds as seconds if they can be, else None.

    JSON's integers may be too large for a float.
    """
    time = believable(milliseconds, LATEST * 1000)
    return None if time is None else time / 1000
