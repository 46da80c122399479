"""Recordings in one call: parameters misspelt or of a wrong type."""

from amazon_transcribe import sync, transcribe_file
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.model import GetMedicalScribeStreamRequest, Item


async def one_call(client: TranscribeStreamingClient) -> None:
    await transcribe_file()  # error: call-arg
    await transcribe_file("talk.wav", langauge_code="en-US")  # error: call-arg
    await transcribe_file("talk.wav", local="yes")  # error: arg-type
    await transcribe_file("talk.wav", show_speaker_label="yes")  # error: arg-type
    await client.transcribe("talk.wav", local=True)  # error: call-arg
    await client.transcribe(5)  # error: arg-type
    await client.transcribe("talk.wav", on_event=print, channels="left")  # error: arg-type
    await client.transcribe("talk.wav", on_event=5)  # error: arg-type
    await client.transcribe_call("talk.wav", show_speaker_label=True)  # error: call-arg
    await client.transcribe_medical("talk.wav", specialty=5)  # error: arg-type
    sync.transcribe_file("talk.wav", realtime="no")  # error: arg-type
    sync.open_stream()  # error: call-arg
    await client.presigned_url(GetMedicalScribeStreamRequest("id"))  # error: arg-type


def keys(item: Item) -> None:
    item.to_dict(keys="java")  # error: arg-type
    Item.from_dict([])  # error: arg-type
    item.to_dict()["start_time"] + 1  # error: operator
