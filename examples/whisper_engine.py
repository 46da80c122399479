"""An engine of your own for the local server: Whisper, by faster-whisper, in four languages.

    pip install faster-whisper
    python examples/whisper_engine.py path/of/faster-whisper-tiny talk.wav de-DE

The package's `SegmentedRecognition` cuts the audio at pauses and makes results, stable words,
speaker labels and times of what a decoder hears. An installed package adds its engine to
`amazon-transcribe serve --engine whisper` by an entry point, which is called without arguments:

    [project.entry-points."amazon_transcribe.engines"]
    whisper = "my_package:load"
"""

import asyncio
import sys

import numpy as np
from faster_whisper import WhisperModel

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.engines import Recognition, RecognitionOptions
from amazon_transcribe.local.engines.resample import Samples
from amazon_transcribe.local.engines.results import Word, split_mark
from amazon_transcribe.local.engines.segmented import SegmentDecoder, SegmentedRecognition
from amazon_transcribe.local.engines.speaker_models import find_speaker_models


class WhisperDecoder(SegmentDecoder):
    """Hears segments of one stream, each by itself."""

    def __init__(self, model: WhisperModel, language_code: str) -> None:
        self._model = model
        self._language = language_code.partition("-")[0]

    def partial(self, samples: Samples, keep: int) -> list[Word]:
        segments, _ = self._model.transcribe(
            samples.astype(np.float32) / 32768,
            language=self._language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        said = [word for segment in segments for word in segment.words or ()]
        spelt = [split_mark(word.word.strip()) for word in said]
        return [
            Word(text, heard.start, heard.end, heard.probability, mark)
            for heard, (text, mark) in zip(said, spelt, strict=True)
            if text
        ]


class WhisperEngine:
    """One model for all streams of a server."""

    name = "Whisper"
    languages = ("en-US", "de-DE", "es-US", "fr-FR")
    quick = False

    def __init__(self, model: str) -> None:
        self._model = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=1)

    @property
    def tells_speakers(self) -> bool:
        return find_speaker_models() is not None

    def open(self, options: RecognitionOptions) -> Recognition:
        return SegmentedRecognition(options, WhisperDecoder(self._model, options.language_code))

    def close(self) -> None:
        del self._model


async def transcribe(model: str, recording: str, language_code: str) -> None:
    async with (
        LocalTranscribe(WhisperEngine(model)) as server,
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        ) as client,
    ):
        said = await client.transcribe(recording, language_code=language_code)
    print(said.text)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(transcribe(*sys.argv[1:]))
