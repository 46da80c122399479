"""One connection of a logical stream."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import SDKError
from ..transcription import StartStreamTranscriptionEventStream

# The high bytes of 16-bit samples within 1/64 of full scale (-36 dB) around zero.
_QUIET = b"\x00\x01\xfe\xff"


@dataclass
class _Connection:
    """One connection. Positions are bytes of the logical stream, `_at` is the loop's clock."""

    stream: StartStreamTranscriptionEventStream
    start: int
    start_time: float
    sent: int
    opened_at: float
    renewal_at: float
    heard_at: float
    answered: int = 0  # up to where there are results, partial ones too
    end_sent: bool = False
    over: bool = False
    failed: bool = True  # unless it ended cleanly or was replaced
    reason: SDKError | None = None


def _is_sound(pcm: bytes) -> bool:
    """Whether a twentieth of the samples is louder than a quiet room's."""
    high = pcm[1::2]
    return len(high.translate(None, _QUIET)) * 20 > len(high)
