"""Does a task with aws-sdk-transcribe-streaming, and tells what came of it.

It takes one argument, the task as JSON, and prints one line of JSON, as `original.py`. The
SDK's own codec turns the service's JSON into its shapes and back.
"""

import asyncio
import json
import re
import sys
import wave

from aws_sdk_transcribe_streaming import models
from aws_sdk_transcribe_streaming.client import AsyncTranscribeStreamingClient
from aws_sdk_transcribe_streaming.config import AsyncTranscribeStreamingConfig
from smithy_core.exceptions import SmithyError
from smithy_http.aio.crt import AWSCRTHTTPClient
from smithy_json import JSONCodec

CODEC = JSONCodec()

SCRIBE = "StartMedicalScribeStream"


def input_event(operation, told):
    stream = models._AudioStreamDeserializer()
    if operation == SCRIBE:
        stream = models._MedicalScribeInputStreamDeserializer()
    return stream.deserialize(CODEC.create_deserializer(json.dumps(told).encode()))


def audio_event(operation, chunk):
    if operation == SCRIBE:
        event = models.MedicalScribeAudioEvent(audio_chunk=chunk)
        return models.MedicalScribeInputStreamAudioEvent(value=event)
    return models.AudioStreamAudioEvent(value=models.AudioEvent(audio_chunk=chunk))


async def do(task, events):
    config = await AsyncTranscribeStreamingConfig.resolve(
        region="us-east-1",
        endpoint_uri=task["endpoint"],
        aws_access_key_id=task["key"],
        aws_secret_access_key=task["secret"],
        transport=AWSCRTHTTPClient(),
    )
    client = AsyncTranscribeStreamingClient(config)
    operation = task["operation"]
    method = getattr(client, re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower())
    request = getattr(models, f"{operation}Input")
    stream = await method(CODEC.deserialize(json.dumps(task["parameters"]).encode(), request))
    if operation.startswith("Get"):
        events.append(json.loads(CODEC.serialize(stream)))
        return

    async def send():
        for told in task["before"]:
            await stream.input_stream.send(input_event(operation, told))
        with wave.open(task["audio"]) as file:
            frames = task["chunk"] // file.getnchannels() // file.getsampwidth()
            while chunk := file.readframes(frames):
                await stream.input_stream.send(audio_event(operation, chunk))
        for told in task["after"]:
            await stream.input_stream.send(input_event(operation, told))
        await stream.input_stream.close()

    sending = asyncio.create_task(send())
    try:
        _, output = await stream.await_output()
        async for event in output:
            events.append(json.loads(CODEC.serialize(event)))
        await sending
    finally:
        sending.cancel()


async def main():
    events, error = [], None
    try:
        await do(json.loads(sys.argv[1]), events)
    except SmithyError as raised:
        error = {
            "class": type(raised).__name__,
            "code": None,
            "message": getattr(raised, "message", None) or str(raised),
        }
    print(json.dumps({"events": events, "error": error}))


asyncio.run(main())
