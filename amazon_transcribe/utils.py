"""Helpers for programs."""

from __future__ import annotations

from collections.abc import AsyncIterable

from .audio.pacing import RealTime
from .exceptions import ValidationException
from .model import AudioChunk
from .transcription import StartStreamTranscriptionEventStream


async def apply_realtime_delay(
    stream: StartStreamTranscriptionEventStream,
    reader: AsyncIterable[AudioChunk],
    bytes_per_sample: int,
    sample_rate: float,
    channel_nums: int,
) -> None:
    """Send recorded audio at the speed of the speech in it.

    Each chunk is sent when the audio before it has been spoken, and the call ends when all
    of it has been. Delays do not add up: a late chunk is followed by the next one at once.

    :param stream: The open transcription.
    :param reader: The chunks of audio, each of at most 32,768 bytes.
    :param bytes_per_sample: 2 for `"pcm"`.
    :param sample_rate: The sample rate in Hz.
    :param channel_nums: The number of channels in the audio.
    :raises ValidationException: If one of the three numbers is not above 0.
    """
    bytes_per_second = bytes_per_sample * sample_rate * channel_nums
    if not bytes_per_second > 0:
        raise ValidationException("bytes_per_sample, sample_rate and channel_nums must be above 0")
    pace = RealTime()
    async for chunk in reader:
        await pace.wait(len(chunk) / bytes_per_second)
        await stream.input_stream.send_audio_event(audio_chunk=chunk)
    await pace.wait(0)
