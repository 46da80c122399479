"""Streams a recording with aws-sdk-transcribe-streaming, and tells what came of it.

It takes one argument, the task as JSON, and prints one line of JSON, as `original.py`.
"""

import asyncio
import json
import sys
import wave

from aws_sdk_transcribe_streaming.client import AsyncTranscribeStreamingClient
from aws_sdk_transcribe_streaming.config import AsyncTranscribeStreamingConfig
from aws_sdk_transcribe_streaming.models import (
    AudioEvent,
    AudioStreamAudioEvent,
    StartStreamTranscriptionInput,
)
from smithy_core.exceptions import SmithyError
from smithy_http.aio.crt import AWSCRTHTTPClient


async def transcribe(task, finals):
    config = await AsyncTranscribeStreamingConfig.resolve(
        region="us-east-1",
        endpoint_uri=task["endpoint"],
        aws_access_key_id=task["key"],
        aws_secret_access_key=task["secret"],
        transport=AWSCRTHTTPClient(),
    )
    client = AsyncTranscribeStreamingClient(config)
    stream = await client.start_stream_transcription(
        StartStreamTranscriptionInput(
            language_code=task["language"],
            media_sample_rate_hertz=task["sample_rate"],
            media_encoding="pcm",
        )
    )

    async def send():
        with wave.open(task["audio"]) as file:
            while chunk := file.readframes(task["chunk"] // 2):
                event = AudioStreamAudioEvent(value=AudioEvent(audio_chunk=chunk))
                await stream.input_stream.send(event)
        await stream.input_stream.close()

    sending = asyncio.create_task(send())
    try:
        _, output = await stream.await_output()
        async for event in output:
            for result in event.value.transcript.results:
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
    except SmithyError as raised:
        error = {
            "class": type(raised).__name__,
            "code": None,
            "message": getattr(raised, "message", None) or str(raised),
        }
    print(json.dumps({"finals": finals, "error": error}))


asyncio.run(main())
