"""The way of one stream from its bytes to its results: decoded, recognised, channel by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import chain

from ...exceptions import LimitExceededException
from ...transcription import Result
from ..constants import LONGEST_SEGMENT, PAUSE
from ..engines import Engine, Recognition, RecognitionOptions
from ..engines.base import Hurried, Stability
from ..engines.vocabulary import Vocabulary
from .decoders import BLOCK_SECONDS, open_decoder

__all__ = ["CHANNELS", "ChannelRecognition", "Pipeline", "PipelineOptions"]

CHANNELS = 2
"""As many as the service tells apart (API reference, NumberOfChannels)."""

_SAMPLE = 2  # bytes
_STEPS_PER_SECOND = 34  # shorter than a frame of the recognisers, which is 30 ms


@dataclass(frozen=True)
class PipelineOptions:
    """What a stream asks for, whichever its operation.

    :param encoding: The encoding of the audio, in the service's words.
    :param sample_rate: In hertz.
    :param two_channels: Whether the audio has two channels, to be recognised apart.
    :param stabilize: Mark the words of partial results that will not change any more.
    :param stability: How soon.
    :param alternatives: The most alternatives of a final result.
    :param speakers: Label the speakers.
    :param pause: Seconds without speech that end a segment.
    :param longest_segment: Seconds after which a segment is cut, paused or not.
    :param language_code: The language, one of the engine's.
    :param vocabulary: Phrases to expect.
    """

    encoding: str
    sample_rate: int
    two_channels: bool = False
    stabilize: bool = False
    stability: Stability = "high"
    alternatives: int = 1
    speakers: bool = False
    pause: float = PAUSE
    longest_segment: float = LONGEST_SEGMENT
    language_code: str = "en-US"
    vocabulary: Vocabulary | None = None


class Pipeline:
    """Decoder and recogniser of one stream; not to be used by two threads at once.

    :param engine: The recogniser.
    :param options: What the stream asks for.
    :param max_seconds: The longest audio.
    """

    def __init__(self, engine: Engine, options: PipelineOptions, max_seconds: float) -> None:
        channels = CHANNELS if options.two_channels else 1
        self._decoder = open_decoder(options.encoding, options.sample_rate, channels)
        recognition = RecognitionOptions(
            self._decoder.sample_rate,
            stabilize=options.stabilize,
            stability=options.stability,
            alternatives=options.alternatives,
            speakers=options.speakers,
            pause=options.pause,
            longest_segment=options.longest_segment,
            language_code=options.language_code,
            vocabulary=options.vocabulary,
        )
        self._recognition: Recognition = (
            ChannelRecognition(lambda: engine.open(recognition), self._decoder.sample_rate)
            if options.two_channels
            else engine.open(recognition)
        )
        bytes_per_second = self._decoder.sample_rate * _SAMPLE * channels
        self._slice = BLOCK_SECONDS * bytes_per_second  # of samples that one call recognises
        self._bytes_per_second = bytes_per_second
        self._max_bytes = max_seconds * bytes_per_second
        self._taken = 0  # bytes of samples
        self._waiting: Iterator[bytes] = iter(())  # samples, decoded as they are taken
        self.behind: bool = False
        """Whether audio is waiting to be recognised."""
        self.seconds: float = 0.0
        """Seconds of audio recognised so far."""

    def accept(self, audio: bytes = b"") -> list[Result]:
        """Take the next audio, encoded, and return the first results that it brings.

        A call recognises a few seconds of audio, so that no job is long. While more of it is
        waiting, `behind` is true, and a call without audio goes on.

        :raises BadRequestException: for bytes that are not of the encoding.
        :raises LimitExceededException: for audio longer than a stream may be.
        """
        if audio:
            pieces = self._decoder.accept(audio)
            self._waiting = chain(self._waiting, pieces) if self.behind else pieces
        self.behind = True
        results: list[Result] = []
        taken = 0
        for pcm in self._waiting:
            taken += len(pcm)
            self._taken += len(pcm)
            self.seconds = self._taken / self._bytes_per_second
            if self._taken > self._max_bytes:
                raise LimitExceededException(
                    "Your client has exceeded the audio length limit. Break your audio stream"
                    " into smaller chunks and try your request again."
                )
            results += self._recognition.accept(pcm)
            if taken >= self._slice:
                return results
        self.behind = False
        return results

    def finish(self) -> list[Result]:
        """Take the end of the audio and return the last results."""
        self._waiting = chain(self._waiting, self._decoder.finish())
        results = self.accept()
        while self.behind:
            results += self.accept()
        return results + self._recognition.finish()


class ChannelRecognition:
    """The recognition of one stream of two channels, whose times count from one beginning.

    The channels go on in turn by steps of less than a frame, in which no channel has more
    than the results of one position: so the order of results is that of their positions in
    the audio, in whatever pieces it comes.

    :param open_channel: Begins the recognition of one channel.
    :param sample_rate: The rate of the audio in hertz.
    """

    def __init__(self, open_channel: Callable[[], Recognition], sample_rate: int) -> None:
        self._step = sample_rate // _STEPS_PER_SECOND * CHANNELS
        self._channels = [open_channel() for _ in range(CHANNELS)]
        self._hurried = [channel for channel in self._channels if isinstance(channel, Hurried)]
        self._rest = b""  # less than a sample of each channel

    def accept(self, pcm: bytes) -> list[Result]:
        """Take the next audio: a 16-bit sample of each channel in turn."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % (CHANNELS * _SAMPLE)
        self._rest = pcm[whole:]
        # Only copied, so the machine's order of bytes does not matter.
        samples = memoryview(pcm)[:whole].cast("h")
        results: list[Result] = []
        for at in range(0, len(samples), self._step):
            step = samples[at : at + self._step]
            for recognition in self._hurried:
                recognition.hurried = at + self._step < len(samples)
            results += _in_order(
                [
                    channel.accept(step[number::CHANNELS].tobytes())
                    for number, channel in enumerate(self._channels)
                ]
            )
        return results

    def finish(self) -> list[Result]:
        """Take the end of the audio and return the last final results."""
        return _in_order([channel.finish() for channel in self._channels])


def _in_order(channels: list[list[Result]]) -> list[Result]:
    """Order the channels' results by their ends; those of one channel keep their order."""
    for number, results in enumerate(channels):
        for result in results:
            result.channel_id = f"ch_{number}"
    return list(merge(*channels, key=lambda result: result.end_time or 0.0))
