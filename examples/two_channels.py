"""Transcribe a call of two channels, made of two recordings, and mask words in it.

    python examples/two_channels.py examples/audio/sense_and_sensibility_0870.wav \
        examples/audio/sense_and_sensibility_0920.wav Dashwood amiable

Each speaker has a channel of their own and is recognised apart. The words behind the
recordings are a vocabulary filter of a local server that this run starts.
"""

import asyncio
import sys
import wave
from array import array

from amazon_transcribe.captions import to_text
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import LocalTranscribe

CHUNK = 12_800  # bytes: 0.2 s of two channels at 16 kHz


def two_channels(first: str, second: str) -> tuple[bytes, int]:
    """The samples of both recordings in turn, and their rate; the shorter ends in silence."""
    sounds = []
    for path in (first, second):
        with wave.open(path) as recording:
            rate = recording.getframerate()
            sounds.append(recording.readframes(recording.getnframes()))
    size = max(map(len, sounds))
    samples = array("h", bytes(2 * size))
    for channel, sound in enumerate(sounds):
        samples[channel::2] = array("h", sound.ljust(size, b"\0"))
    return samples.tobytes(), rate


async def transcribe(pcm: bytes, rate: int, words: list[str]) -> None:
    async with (
        LocalTranscribe(vocabulary_filters={"words": words}) as server,
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        ) as client,
    ):
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=rate,
            media_encoding="pcm",
            enable_channel_identification=True,
            number_of_channels=2,
            vocab_filter_name="words",
            vocab_filter_method="mask",
        )

        async def send() -> None:
            for start in range(0, len(pcm), CHUNK):
                await stream.input_stream.send_audio_event(audio_chunk=pcm[start : start + CHUNK])
            await stream.input_stream.end_stream()

        async def receive() -> None:
            async for event in stream.output_stream:
                for result in event.transcript.results:
                    if text := to_text([result]):  # once it is final
                        start = f"{result.start_time:5.2f}"
                        print(f"{start} {result.channel_id}: {text}", end="", flush=True)

        await asyncio.gather(send(), receive())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(transcribe(*two_channels(*sys.argv[1:3]), sys.argv[3:]))
