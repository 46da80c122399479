"""What to do when a program sends no audio."""

from __future__ import annotations

from typing import Any, Literal

from ..exceptions import InvalidParameterException

Idle = Literal["wait", "silence", "end"]

# The service ends a stream that got no audio for 15 s.
IDLE_AFTER = 10.0
AUDIO_TIMEOUT = 15.0
_SILENCE = 0.1  # seconds sent at a time: enough to count as audio


def check_idle(request: Any) -> None:
    """Refuse a request's idle policy that cannot be kept.

    :raises InvalidParameterException: for a word or a time that is not allowed, and for
        silence in anything but pcm.
    """
    if request.idle not in ("wait", "silence", "end"):
        raise InvalidParameterException(
            "idle", f"idle must be 'wait', 'silence' or 'end', not {request.idle!r}"
        )
    if not 0 < request.idle_after < AUDIO_TIMEOUT:
        raise InvalidParameterException(
            "idle_after",
            f"idle_after must be above 0 and under the service's {AUDIO_TIMEOUT:g} s,"
            f" not {request.idle_after!r}",
        )
    if request.idle == "silence" and request.media_encoding != "pcm":
        raise InvalidParameterException(
            "idle", f"silence can be sent as pcm only, not as {request.media_encoding}"
        )
