"""The microphone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ..exceptions import missing_extra
from ._source import _BYTES_PER_SAMPLE, AudioFileException

MICROPHONE_SAMPLE_RATE_HZ = 16_000
_MICROPHONE_BACKLOG_SECONDS = 60.0


# Microphone


def _sounddevice() -> Any:
    try:
        import sounddevice  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise AudioFileException(missing_extra("the microphone", "mic", error)) from error
    except OSError as error:  # the package is there, the PortAudio library is not
        raise AudioFileException(f"cannot record from the microphone: {error}") from error
    return sounddevice


async def _microphone(
    rate: int, size: int, backlog: asyncio.Queue[bytes]
) -> AsyncGenerator[bytes, None]:
    """Record from the first read on, until the backlog brings an empty block."""
    sounddevice = _sounddevice()
    loop = asyncio.get_running_loop()

    def record(data: Any, frames: int, moment: Any, status: Any) -> None:
        # From PortAudio's own thread.
        loop.call_soon_threadsafe(backlog.put_nowait, bytes(data))

    try:
        recording = sounddevice.RawInputStream(
            samplerate=rate,
            blocksize=size // _BYTES_PER_SAMPLE,
            channels=1,
            dtype="int16",
            callback=record,
        )
        with recording:
            while chunk := await backlog.get():
                yield chunk
                if backlog.qsize() * size > _MICROPHONE_BACKLOG_SECONDS * rate * _BYTES_PER_SAMPLE:
                    raise AudioFileException("recorded audio is not taken off fast enough")
    except sounddevice.PortAudioError as error:
        raise AudioFileException(f"cannot record from the microphone: {error}") from error
