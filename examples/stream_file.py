"""Stream a recording as if it were spoken now, and print each sentence once it is final.

    python examples/stream_file.py examples/audio/goforward.wav

Region, credentials and endpoint come from the environment: AWS_REGION, AWS_ACCESS_KEY_ID
and so on for the service. To stay on this machine, run a local server, and paste the three
variables that it prints:

    amazon-transcribe serve
"""

import asyncio
import os
import sys

from amazon_transcribe.audio import open_audio, paced
from amazon_transcribe.captions import to_text
from amazon_transcribe.client import TranscribeStreamingClient


async def transcribe(path: str) -> None:
    region = os.environ.get("AWS_REGION", "us-east-1")
    async with open_audio(path) as audio, TranscribeStreamingClient(region=region) as client:
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding="pcm",
        )

        async def send() -> None:
            async for chunk in paced(audio):
                await stream.input_stream.send_audio_event(audio_chunk=chunk)
            await stream.input_stream.end_stream()

        async def receive() -> None:
            async for event in stream.output_stream:
                print(to_text(event.transcript.results), end="", flush=True)

        await asyncio.gather(send(), receive())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(transcribe(sys.argv[1]))
