"""PCM audio: what its bytes say about time and sound."""

from __future__ import annotations

from dataclasses import dataclass

from .._protocol.constants import MAX_AUDIO_CHUNK

CHUNK_SECONDS = 0.2
"""Seconds of audio in one event: the longest that the service recommends."""

# The high bytes of 16-bit samples within 1/64 of full scale (-36 dB) around zero.
_QUIET = b"\x00\x01\xfe\xff"


@dataclass(frozen=True)
class PcmFormat:
    """16-bit samples, those of all channels in turn.

    :param sample_rate: Samples of one channel in a second.
    :param channels: How many there are.
    """

    sample_rate: int
    channels: int

    @property
    def frame_size(self) -> int:
        """Bytes of one instant: a sample of each channel."""
        return 2 * self.channels

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.frame_size

    @property
    def chunk_size(self) -> int:
        """Bytes of audio in one event."""
        return self.whole_frames(min(int(CHUNK_SECONDS * self.bytes_per_second), MAX_AUDIO_CHUNK))

    def whole_frames(self, size: int) -> int:
        """Round a number of bytes down to whole frames."""
        return size - size % self.frame_size

    def seconds(self, size: int) -> float:
        """Return the length of so many bytes."""
        return size / self.bytes_per_second

    def position(self, seconds: float) -> int:
        """Return the position of the frame at a time."""
        return self.whole_frames(round(seconds * self.bytes_per_second))


def has_sound(audio: bytes) -> bool:
    """Check whether a twentieth of the samples is louder than a quiet room."""
    high = audio[1::2]
    return len(high.translate(None, _QUIET)) * 20 > len(high)
