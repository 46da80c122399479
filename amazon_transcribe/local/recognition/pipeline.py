"""One stream from its bytes to its results: decoded, told apart, recognised."""

from __future__ import annotations

from dataclasses import dataclass

from ...exceptions import LimitExceededException
from ...transcription import Result
from ..engines import Engine, Recognition, RecognitionOptions
from ..engines.base import Stability
from .channels import CHANNELS, ChannelRecognition
from .decoders import open_decoder

__all__ = ["Pipeline", "PipelineOptions"]

_SAMPLE = 2  # bytes


@dataclass(frozen=True)
class PipelineOptions:
    """What a stream asks for, whichever operation it is of.

    :param encoding: Of the audio, in the service's words.
    :param sample_rate: In hertz.
    :param two_channels: Whether the audio has two channels, to be told apart.
    :param stabilize: Mark the words of partial results that will not change any more.
    :param stability: How soon.
    :param alternatives: The most alternatives of a final result.
    """

    encoding: str
    sample_rate: int
    two_channels: bool = False
    stabilize: bool = False
    stability: Stability = "high"
    alternatives: int = 1


class Pipeline:
    """Decoder and recogniser of one stream; not to be used by two threads at once.

    :param engine: What recognises.
    :param options: What is asked for.
    :param max_seconds: The longest audio.
    """

    def __init__(self, engine: Engine, options: PipelineOptions, max_seconds: float) -> None:
        channels = CHANNELS if options.two_channels else 1
        self._decoder = open_decoder(options.encoding, options.sample_rate, channels)
        wanted = RecognitionOptions(
            self._decoder.sample_rate, options.stabilize, options.stability, options.alternatives
        )
        self._recognition: Recognition = (
            ChannelRecognition(lambda: engine.open(wanted))
            if options.two_channels
            else engine.open(wanted)
        )
        self._bytes_left = max_seconds * self._decoder.sample_rate * _SAMPLE * channels

    def accept(self, audio: bytes) -> list[Result]:
        """Take the next audio, encoded; returns the results that it brings.

        :raises BadRequestException: for bytes that are not of the encoding.
        :raises LimitExceededException: for audio longer than a stream may be.
        """
        results: list[Result] = []
        for pcm in self._decoder.accept(audio):
            results += self._recognise(pcm)
        return results

    def finish(self) -> list[Result]:
        """Take the end of the audio; returns the last results."""
        results: list[Result] = []
        for pcm in self._decoder.finish():
            results += self._recognise(pcm)
        return results + self._recognition.finish()

    def _recognise(self, pcm: bytes) -> list[Result]:
        self._bytes_left -= len(pcm)
        if self._bytes_left < 0:
            raise LimitExceededException(
                "Your client has exceeded the audio length limit. Break your audio stream"
                " into smaller chunks and try your request again."
            )
        return self._recognition.accept(pcm)
