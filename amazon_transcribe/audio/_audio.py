"""What `open_audio` takes and gives."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, TypeAlias

from .._protocol.constants import MediaEncoding


class AsyncReader(Protocol):
    """What reads without blocking: an upload, an `asyncio.StreamReader`, an aiofiles file."""

    async def read(self, size: int, /) -> bytes:
        """Return the next bytes as soon as there are some, none at the end.

        :param size: The most bytes to return.
        """
        ...


Recording: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | BinaryIO | AsyncReader | AsyncIterable[bytes]
)
"""A path, `"-"`, `"mic"`, the bytes themselves, or what gives them."""

Channels: TypeAlias = Literal["mix", "split"] | int
"""What becomes of a recording's channels."""

RawEncoding: TypeAlias = Literal["pcm", "g711-alaw", "g711-ulaw"]
"""An encoding that needs no header."""


@dataclass(frozen=True)
class AudioSource:
    """Open audio.

    :param sample_rate_hz: The sample rate in hertz, 8,000 to 48,000.
    :param chunks: The audio in chunks; it can be read once. Samples come in chunks of equal
        length; only the last one may be shorter.
    :param stop: Ends audio that comes in real time and has no end of its own, such as a
        microphone's; None for all other audio.
    :param media_encoding: How the audio is encoded: `"pcm"`, 16-bit little-endian, unless
        `open_audio` was asked to pass other encodings through.
    :param channels: 1, or 2 whose samples alternate; the request for 2 has
        `enable_channel_identification=True, number_of_channels=2`.
    :param duration: The length in seconds, as the recording states it; None where it is not
        known, as from a pipe.
    """

    sample_rate_hz: int
    chunks: AsyncGenerator[bytes, None]
    stop: Callable[[], None] | None = None
    media_encoding: MediaEncoding = "pcm"
    channels: int = 1
    duration: float | None = None
