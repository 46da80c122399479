"""Turn a recording into SubRip captions, on this machine.

    python examples/write_captions.py examples/audio/sense_and_sensibility_all.wav > talk.srt

The recogniser runs in this process and takes audio as fast as it can, so nothing is paced.
"""

import asyncio
import sys
import wave

from amazon_transcribe.audio import Lookahead, open_audio
from amazon_transcribe.captions import to_srt
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.model import Result


async def transcribe(path: str) -> list[Result]:
    results: list[Result] = []
    async with (
        LocalTranscribe() as server,
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        ) as client,
        open_audio(path) as audio,
    ):
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding="pcm",
        )
        lookahead = Lookahead()

        async def send() -> None:
            async for chunk in lookahead.limit(audio):
                await stream.input_stream.send_audio_event(audio_chunk=chunk)
            await stream.input_stream.end_stream()

        async def receive() -> None:
            async for event in stream.output_stream:
                for result in event.transcript.results:
                    lookahead.advance(result.end_time)
                    results.append(result)

        await asyncio.gather(send(), receive())
    return results


def main(path: str) -> None:
    with wave.open(path) as file:
        seconds = file.getnframes() / file.getframerate()
    print(to_srt(asyncio.run(transcribe(path)), seconds), end="")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
