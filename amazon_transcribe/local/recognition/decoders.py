"""Decoders of the audio: bytes in, 16-bit samples out, chunk by chunk.

| Encoding | How | Rate of the samples |
|---|---|---|
| `pcm` | unchanged | the request's |
| `g711-alaw`, `g711-ulaw` | a table of 256 values | the request's |
| `flac`, `ogg-opus` | the container parsed here, its packets decoded by PyAV | 16 kHz |

A container's own rate is used, not the request's. Samples of several channels are
interleaved; several channels are mixed into one where one is asked for. An unfinished packet
at the end is dropped, as recordings that were cut off have one; any other bytes that are
not of the encoding raise.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from ...audio.g711 import expand
from ...exceptions import BadRequestException, missing_extra
from .containers import FlacFrames, Malformed, OggPackets

if TYPE_CHECKING:
    import av

__all__ = ["BLOCK_SECONDS", "Decoder", "open_decoder", "unsupported_reason"]

BLOCK_SECONDS = 2
"""So much audio, or little more, is yielded at a time."""

_CONTAINER_RATE = 16_000  # what the recognisers work at
_SAMPLE = 2  # bytes


class Decoder(Protocol):
    """The decoding of one stream; its memory does not grow with what comes in one call.

    :ivar sample_rate: The rate of the samples that come out.
    """

    sample_rate: int

    def accept(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield their samples.

        :raises BadRequestException: for bytes that are not of this encoding.
        """
        ...

    def finish(self) -> Iterator[bytes]:
        """Take the end of the bytes and yield the samples that are left."""
        ...


def unsupported_reason(encoding: str) -> str | None:
    """Return why an encoding cannot be decoded; None if it can."""
    if encoding not in _DECODERS:
        return f"{encoding} is not supported by the local server"
    if encoding in _CONTAINERS and importlib.util.find_spec("av") is None:
        return missing_extra(encoding, "local", "No module named 'av'")
    return None


def open_decoder(encoding: str, sample_rate: int, channels: int) -> Decoder:
    """Begin a stream.

    :param encoding: A supported one, see `unsupported_reason`.
    :param sample_rate: The rate that the request names, in hertz.
    :param channels: How many channels the samples are to have.
    """
    return _DECODERS[encoding](sample_rate, channels)


class _Plain:
    encoded_size = _SAMPLE  # bytes of a sample before it is decoded

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self._block = BLOCK_SECONDS * sample_rate * channels * self.encoded_size

    def accept(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), self._block):
            yield data[at : at + self._block]

    def finish(self) -> Iterator[bytes]:
        return iter(())


class _G711(_Plain):
    encoded_size = 1

    def __init__(self, encoding: str, sample_rate: int, channels: int) -> None:
        super().__init__(sample_rate, channels)
        self._encoding = encoding

    def accept(self, data: bytes) -> Iterator[bytes]:
        for block in super().accept(data):
            yield expand(block, self._encoding)


class _Container:
    """Audio in a container, decoded by PyAV.

    :param codec: PyAV's name of the codec.
    :param packets: The parser of the container.
    """

    sample_rate = _CONTAINER_RATE

    def __init__(self, codec: str, packets: FlacFrames | OggPackets, channels: int) -> None:
        import av

        self._packets = packets
        self._channels = channels
        self._block = BLOCK_SECONDS * _CONTAINER_RATE * channels * _SAMPLE
        self._codec = cast("av.AudioCodecContext", av.CodecContext.create(codec, "r"))
        self._resampler = av.AudioResampler(
            format="s16", layout="mono" if channels == 1 else "stereo", rate=_CONTAINER_RATE
        )
        self._begun = False

    def accept(self, data: bytes) -> Iterator[bytes]:
        return self._decode(self._packets.accept(data), last=False)

    def finish(self) -> Iterator[bytes]:
        return self._decode(self._packets.finish(), last=True)

    def _decode(self, packets: Iterator[bytes], *, last: bool) -> Iterator[bytes]:
        from av.error import FFmpegError

        block = bytearray()
        try:
            for packet in packets:
                block += self._samples(packet)
                if len(block) >= self._block:
                    yield bytes(block)
                    block.clear()
            if last and self._begun:
                for frame in self._codec.decode(None):
                    block += self._resampled(frame)
                block += self._resampled(None)
        except (Malformed, FFmpegError, ValueError) as error:  # the last: PyAV's own checks
            reason = getattr(error, "strerror", None) or str(error)  # FFmpeg's, without its number
            raise BadRequestException(f"Could not decode the audio: {reason}") from None
        if block:
            yield bytes(block)

    def _samples(self, packet: bytes) -> bytes:
        import av

        if not self._begun:
            self._begin()
        return b"".join(self._resampled(f) for f in self._codec.decode(av.Packet(packet)))

    def _begin(self) -> None:
        header = self._packets.header
        if header.channels < self._channels:
            raise BadRequestException(
                f"NumberOfChannels is {self._channels}, but the audio has {header.channels}."
            )
        self._codec.extradata = header.setup
        self._codec.sample_rate = header.sample_rate
        self._codec.layout = "mono" if header.channels == 1 else "stereo"
        self._begun = True

    def _resampled(self, frame: av.AudioFrame | None) -> bytes:
        samples = bytearray()
        for part in self._resampler.resample(frame):
            # A plane may be longer than its samples.
            samples += bytes(part.planes[0])[: part.samples * _SAMPLE * self._channels]
        return bytes(samples)


_CONTAINERS = ("flac", "ogg-opus")
_DECODERS: Mapping[str, Callable[[int, int], Decoder]] = {
    "pcm": _Plain,
    "g711-alaw": partial(_G711, "g711-alaw"),
    "g711-ulaw": partial(_G711, "g711-ulaw"),
    "flac": lambda _, channels: _Container("flac", FlacFrames(), channels),
    "ogg-opus": lambda _, channels: _Container("opus", OggPackets(), channels),
}
