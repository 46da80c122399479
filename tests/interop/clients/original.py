"""Does a task with the original SDK's interface, and tells what came of it.

The same program runs with the original SDK and with this package. It takes one argument,
the task as JSON (see `Task` in `tests/interop/harness.py`), and prints one line of JSON:
the events that came, in the service's words, and the error it met. The original has the one
operation, and no events to send but audio.
"""

import asyncio
import json
import sys
import wave

from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver
from amazon_transcribe.exceptions import SDKError

PARAMETERS = {
    "LanguageCode": "language_code",
    "MediaSampleRateHertz": "media_sample_rate_hz",
    "MediaEncoding": "media_encoding",
    "EnableChannelIdentification": "enable_channel_identification",
    "NumberOfChannels": "number_of_channels",
    "ShowSpeakerLabel": "show_speaker_label",
    "ContentRedactionType": "content_redaction_type",
    "VocabularyFilterName": "vocab_filter_name",
    "VocabularyFilterMethod": "vocab_filter_method",
}


async def do(task, events):
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_resolver=StaticEndpointResolver(task["endpoint"]),
        credential_resolver=StaticCredentialResolver(task["key"], task["secret"]),
    )
    stream = await client.start_stream_transcription(
        **{PARAMETERS[name]: value for name, value in task["parameters"].items()}
    )

    async def send():
        with wave.open(task["audio"]) as file:
            frames = task["chunk"] // file.getnchannels() // file.getsampwidth()
            while chunk := file.readframes(frames):
                await stream.input_stream.send_audio_event(audio_chunk=chunk)
        await stream.input_stream.end_stream()

    sending = asyncio.ensure_future(send())
    try:
        async for event in stream.output_stream:
            results = [in_the_services_words(result) for result in event.transcript.results]
            events.append({"TranscriptEvent": {"Transcript": {"Results": results}}})
        await sending
    finally:
        sending.cancel()


def in_the_services_words(result):
    return {
        "IsPartial": result.is_partial,
        "ChannelId": result.channel_id,
        "Alternatives": [
            {
                "Transcript": each.transcript,
                "Items": [
                    {"Content": item.content, "Speaker": item.speaker} for item in each.items
                ],
                "Entities": [
                    {"Category": e.category, "Type": e.entity_type, "Content": e.content}
                    for e in each.entities or ()
                ],
            }
            for each in result.alternatives
        ],
    }


async def main():
    events, error = [], None
    try:
        await do(json.loads(sys.argv[1]), events)
    except SDKError as raised:
        error = {
            "class": type(raised).__name__,
            "code": getattr(raised, "error_code", None),
            "message": raised.message,
        }
    print(json.dumps({"events": events, "error": error}))


asyncio.run(main())
