"""Audio from the microphone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from ..exceptions import missing_extra
from ._source import BYTES_PER_SAMPLE, AudioFileException

MICROPHONE_SAMPLE_RATE = 16_000

# Recorded audio that the program has not read yet.
_MAX_BACKLOG_SECONDS = 60.0


def import_sounddevice() -> Any:
    """Import the package that records.

    :raises AudioFileException: If the package or its PortAudio library is missing.
    """
    try:
        import sounddevice  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise AudioFileException(missing_extra("the microphone", "mic", error)) from error
    except OSError as error:  # the PortAudio library is missing
        raise AudioFileException(
            f"cannot record from the microphone: {error}; install the system's package of it,"
            " such as libportaudio2 (Debian, Ubuntu) or portaudio (Fedora, Homebrew)"
        ) from error
    return sounddevice


class Microphone(NamedTuple):
    """A microphone of this machine.

    :param is_default: Whether `"mic"` is this one.
    """

    name: str
    channels: int
    sample_rate_hz: int
    is_default: bool


def microphones() -> list[Microphone]:
    """List the microphones.

    :raises AudioFileException: If the package or its PortAudio library is missing, or fails.
    """
    sounddevice = import_sounddevice()
    try:
        default = sounddevice.default.device[0]
        return [
            Microphone(
                device["name"],
                device["max_input_channels"],
                round(device["default_samplerate"]),
                number == default,
            )
            for number, device in enumerate(sounddevice.query_devices())
            if device["max_input_channels"]
        ]
    except sounddevice.PortAudioError as error:
        raise AudioFileException(f"cannot list the microphones: {error}") from error


async def record(
    rate: int, size: int, blocks: asyncio.Queue[bytes | None], *, timeout: float = 10.0
) -> AsyncGenerator[bytes, None]:
    """Yield blocks of recorded audio, from the first read on.

    :param rate: The sample rate in hertz.
    :param size: The size of a block in bytes.
    :param blocks: The queue of recorded blocks; an empty one ends the recording.
    :param timeout: Seconds without a block after which the microphone has failed.
    :raises AudioFileException: If recording fails, if the microphone goes away, or if 60
        seconds of audio are unread.
    """
    sounddevice = import_sounddevice()
    loop = asyncio.get_running_loop()

    # PortAudio calls these two in a thread of its own.

    def take(data: Any, frames: int, moment: Any, status: Any) -> None:
        loop.call_soon_threadsafe(blocks.put_nowait, bytes(data))

    def end() -> None:
        loop.call_soon_threadsafe(blocks.put_nowait, None)

    async def next_block() -> bytes | None:
        # Not wait_for, which up to Python 3.11 can swallow a cancellation.
        timer = loop.call_later(timeout, blocks.put_nowait, None)
        try:
            return await blocks.get()
        finally:
            timer.cancel()

    try:
        recording = sounddevice.RawInputStream(
            samplerate=rate,
            blocksize=size // BYTES_PER_SAMPLE,
            channels=1,
            dtype="int16",
            callback=take,
            finished_callback=end,
        )
        with recording:
            while block := await next_block():
                yield block
                if blocks.qsize() * size > _MAX_BACKLOG_SECONDS * rate * BYTES_PER_SAMPLE:
                    raise AudioFileException("recorded audio is not read fast enough")
    except sounddevice.PortAudioError as error:
        raise AudioFileException(f"cannot record from the microphone: {error}") from error
    if block is None:
        raise AudioFileException("the microphone has gone, or gives no audio any more")
