"""Small helpers for programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

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
    """Send recorded audio at the speed at which it was spoken.

    Each chunk is sent when its audio would have been heard to its end; a late chunk is
    followed by the next at once, so that the delay does not add up.

    :param stream: The open transcription.
    :param reader: The chunks of audio, each at most 32,768 bytes.
    :param bytes_per_sample: 2 for `"pcm"`.
    :param sample_rate: Samples a second, in Hz.
    :param channel_nums: The channels in the audio.
    :raises ValidationException: when one of the three numbers is not above 0.
    """
    bytes_per_second = bytes_per_sample * sample_rate * channel_nums
    if not bytes_per_second > 0:
        raise ValidationException("bytes_per_sample, sample_rate and channel_nums must be above 0")
    loop = asyncio.get_running_loop()
    due = loop.time()
    async for chunk in reader:
        await stream.input_stream.send_audio_event(audio_chunk=chunk)
        due += len(chunk) / bytes_per_second
        await asyncio.sleep(max(0.0, due - loop.time()))
