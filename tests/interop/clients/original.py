"""Streams a recording with the original SDK's interface, and tells what came of it.

The same program runs with the original SDK and with this package. It takes one argument,
the task as JSON (see `Task` in `tests/interop/harness.py`), and prints one line of JSON.
"""

import asyncio
import json
import sys
import wave

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver
from amazon_transcribe.exceptions import SDKError


async def transcribe(task, finals):
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_resolver=StaticEndpointResolver(task["endpoint"]),
        credential_resolver=StaticCredentialResolver(task["key"], task["secret"]),
    )
    stream = await client.start_stream_transcription(
        language_code=task["language"],
        media_sample_rate_hz=task["sample_rate"],
        media_encoding="pcm",
    )

    async def send():
        with wave.open(task["audio"]) as file:
            while chunk := file.readframes(task["chunk"] // 2):
                await stream.input_stream.send_audio_event(audio_chunk=chunk)
        await stream.input_stream.end_stream()

    sending = asyncio.ensure_future(send())
    try:
        async for event in stream.output_stream:
            for result in event.transcript.results:
                if not result.is_partial:
                    finals.append(result.alternatives[0].transcript)
        await sending
    finally:
        sending.cancel()


async def main():
    task = json.loads(sys.argv[1])
    finals, error = [], None
    try:
        await transcribe(task, finals)
    except SDKError as raised:
        error = {
            "class": type(raised).__name__,
            "code": getattr(raised, "error_code", None),
            "message": raised.message,
        }
    print(json.dumps({"finals": finals, "error": error}))


asyncio.run(main())
