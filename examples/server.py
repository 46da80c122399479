"""A server that transcribes for many: audio comes in by TCP, lines of text go back.

    python examples/server.py 9000
    tail -c +45 examples/audio/goforward.wav | nc -N 127.0.0.1 9000   # OpenBSD's nc

The audio is 16-bit mono PCM at 16 kHz, as fast as it is spoken. Region, credentials and
endpoint come from the environment, as in `transcribe_file.py`.
"""

import asyncio
import os
import sys
from contextlib import suppress

from amazon_transcribe.captions import to_text
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError
from amazon_transcribe.limiter import StreamLimiter

CHUNK = 3_200  # bytes: 0.1 s


async def transcribe(
    client: TranscribeStreamingClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    async with await client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=16_000, media_encoding="pcm", idle="silence"
    ) as stream:

        async def send() -> None:
            with suppress(asyncio.IncompleteReadError):
                while True:
                    chunk = await reader.readexactly(CHUNK)
                    await stream.input_stream.send_audio_event(audio_chunk=chunk)
            await stream.input_stream.end_stream()

        async def receive() -> None:
            async for event in stream.output_stream:
                writer.write(to_text(event.transcript.results).encode())
                await writer.drain()

        await asyncio.gather(send(), receive())


async def main(port: int) -> None:
    async with TranscribeStreamingClient(
        region=os.environ.get("AWS_REGION", "us-east-1"), limiter=StreamLimiter(), start_timeout=60
    ) as client:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await transcribe(client, reader, writer)
            except (SDKError, ConnectionError) as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        try:
            print("listening on port", server.sockets[0].getsockname()[1], flush=True)
            await asyncio.Event().wait()  # until Ctrl-C
        finally:
            server.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
