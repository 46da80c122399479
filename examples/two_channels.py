"""Transcribe a call of two channels, made of two recordings, and mask words in it.

    python examples/two_channels.py examples/audio/sense_and_sensibility_0870.wav \
        examples/audio/sense_and_sensibility_0920.wav Dashwood amiable

Each speaker has a channel of their own and is recognised apart. The words behind the
recordings are a vocabulary filter of a local server that this run starts.
"""

import asyncio
import sys

from amazon_transcribe.captions import to_text
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import LocalTranscribe


async def transcribe(first: str, second: str, words: list[str]) -> None:
    async with (
        LocalTranscribe(vocabulary_filters={"words": words}) as server,
        TranscribeStreamingClient(
            region="us-east-1",
            endpoint_url=server.endpoint_url,
            credential_resolver=server.credentials,
        ) as client,
    ):
        said = await client.transcribe(
            (first, second), vocab_filter_name="words", vocab_filter_method="mask"
        )
    for result in said.results:
        print(f"{result.start_time:5.2f} {result.channel_id}: {to_text([result])}", end="")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(transcribe(sys.argv[1], sys.argv[2], sys.argv[3:]))
