"""Transcribe telephone calls: the server to which a telephone provider streams their sound.

    pip install '.[examples]'
    python examples/telephony.py 8080

Region, credentials and endpoint come from the environment, as in `stream_file.py`, which says
how to use a local server.

A call is a WebSocket. Its messages are those of Twilio's media streams, which begin with
`<Connect><Stream url="wss://…"/></Connect>` or `<Start>` in TwiML: JSON, in which `media` has
20 ms of G.711 µ-law in base64, and `stop` ends the call. Of a stream of both tracks the
caller's is heard. No call fills the memory: where
Transcribe takes no more, the socket is not read, and the sender waits.
"""

import asyncio
import json
import os
import sys
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from amazon_transcribe.audio import batched
from amazon_transcribe.audio.g711 import expand
from amazon_transcribe.captions import to_text
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import SDKError


async def frames(phone: ServerConnection) -> AsyncGenerator[bytes, None]:
    """Yield the call's sound as PCM until the caller or the connection hangs up."""
    with suppress(ConnectionClosed):
        async for message in phone:
            event = json.loads(message)
            if event["event"] == "media" and event["media"]["track"] == "inbound":
                yield expand(b64decode(event["media"]["payload"]), "g711-ulaw")
            elif event["event"] == "stop":
                return


async def transcribe(client: TranscribeStreamingClient, phone: ServerConnection) -> None:
    async with await client.start_stream_transcription(
        language_code="en-US", media_sample_rate_hz=8_000, media_encoding="pcm", idle="silence"
    ) as stream:

        async def send() -> None:
            async for chunk in batched(frames(phone), 8_000):  # events of 100 ms
                await stream.input_stream.send_audio_event(audio_chunk=chunk)
            await stream.input_stream.end_stream()

        async def receive() -> None:
            async for event in stream.output_stream:
                print(to_text(event.transcript.results), end="", flush=True)

        await asyncio.gather(send(), receive())


async def main(port: int) -> None:
    region = os.environ.get("AWS_REGION", "us-east-1")
    async with TranscribeStreamingClient(region=region) as client:

        async def answer(phone: ServerConnection) -> None:
            try:
                await transcribe(client, phone)
            except SDKError as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)

        async with serve(answer, "127.0.0.1", port) as server:
            print("listening on port", server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
