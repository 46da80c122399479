"""PCM and G.711: what the bytes of audio say about time and sound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from .._protocol.constants import MAX_AUDIO_CHUNK, SILENT_SAMPLE
from ..audio.g711 import quiet_bytes

CHUNK_SECONDS = 0.2
"""Seconds of audio in one event: the longest that the service recommends."""

# Samples around zero that are no sound: 1/64 of full scale (-36 dB), of 16 bits.
_QUIET = 512
_QUIET_HIGH_BYTES = b"\x00\x01\xfe\xff"


@dataclass(frozen=True)
class PcmFormat:
    """Samples of one size, those of all channels in turn.

    :param sample_rate: Samples of one channel in a second.
    :param channels: How many there are.
    :param media_encoding: `"pcm"`, 16 bits, or one of G.711.
    """

    sample_rate: int
    channels: int
    media_encoding: str = "pcm"

    @property
    def frame_size(self) -> int:
        """Bytes of one instant: a sample of each channel."""
        return len(SILENT_SAMPLE[self.media_encoding]) * self.channels

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

    def has_sound(self, audio: bytes) -> bool:
        """Check whether a twentieth of the samples is louder than a quiet room."""
        if self.media_encoding == "pcm":
            samples, quiet = audio[1::2], _QUIET_HIGH_BYTES
        else:
            samples, quiet = audio, _quiet_bytes(self.media_encoding)
        return len(samples.translate(None, quiet)) * 20 > len(samples)


@lru_cache
def _quiet_bytes(media_encoding: str) -> bytes:
    return quiet_bytes(media_encoding, _QUIET)
