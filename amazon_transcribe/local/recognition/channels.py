"""Channels recognised apart: interleaved audio in, results with their `ChannelId` out."""

from __future__ import annotations

from collections.abc import Callable
from heapq import merge

from ...transcription import Result
from ..engines import Recognition

__all__ = ["CHANNELS", "ChannelRecognition"]

CHANNELS = 2
"""As many as the service tells apart (API reference, NumberOfChannels)."""

_SAMPLE = 2  # bytes


class ChannelRecognition:
    """The recognition of one stream of two channels, all on one axis of time.

    :param open_channel: Begins the recognition of one channel.
    """

    def __init__(self, open_channel: Callable[[], Recognition]) -> None:
        self._channels = [open_channel() for _ in range(CHANNELS)]
        self._rest = b""  # less than a sample of each channel

    def accept(self, pcm: bytes) -> list[Result]:
        """Take the next audio: a 16-bit sample of each channel in turn."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % (CHANNELS * _SAMPLE)
        self._rest = pcm[whole:]
        # Only copied, so the machine's order of bytes does not matter.
        samples = memoryview(pcm)[:whole].cast("h")
        return _in_order(
            [
                channel.accept(samples[number::CHANNELS].tobytes())
                for number, channel in enumerate(self._channels)
            ]
        )

    def finish(self) -> list[Result]:
        """Take the end of the audio; returns the last final results."""
        return _in_order([channel.finish() for channel in self._channels])


def _in_order(channels: list[list[Result]]) -> list[Result]:
    """The channels' results by the time they end; those of one channel keep their order."""
    for number, results in enumerate(channels):
        for result in results:
            result.channel_id = f"ch_{number}"
    return list(merge(*channels, key=lambda result: result.end_time or 0.0))
