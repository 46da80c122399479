# mypy: disallow-any-expr
# pyright: strict
"""A whole recording in one call, with asyncio and without; captions, words, JSON, URLs."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import assert_type

from amazon_transcribe import Transcription, sync, transcribe_file
from amazon_transcribe.audio import open_audio
from amazon_transcribe.captions import Cue, Word, to_srt, words
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.live_captions import LiveCaptions, Segment, playlist
from amazon_transcribe.model import (
    CategoryEvent,
    Json,
    MedicalTranscriptEvent,
    Result,
    StartMedicalStreamTranscriptionRequest,
    StartStreamTranscriptionRequest,
    TranscriptEvent,
    UtteranceEvent,
)
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.sync import SyncStream
from amazon_transcribe.transcribe import IncompleteTranscription


async def the_least() -> str:
    said = await transcribe_file("talk.wav", local=True)
    assert_type(said, Transcription)
    return said.text


async def other_operations(client: TranscribeStreamingClient) -> None:
    def sentiment(event: UtteranceEvent | CategoryEvent) -> None:
        print(event.to_json())

    sides = ("agent.wav", "customer.wav")
    assert_type(await client.transcribe_call(sides, on_event=sentiment), Transcription)
    said = await client.transcribe_medical("visit.wav", channels="split", specialty="UROLOGY")
    assert_type(said, Transcription)


async def with_everything(client: TranscribeStreamingClient, upload: bytes) -> None:
    async def progress(event: TranscriptEvent) -> None:
        print(event.to_json())

    said = await client.transcribe(
        upload,
        realtime=False,
        sample_rate_hz=16_000,
        channels="split",
        on_event=progress,
        session_id=None,
        language_code="de-DE",
        show_speaker_label=True,
        vocabulary_names=["words"],
    )
    assert_type(said.results, list[Result])
    assert_type(said.words, list[Word])
    assert_type(said.seconds, float | None)
    assert_type(said.to_json(keys="python"), str)
    print(said.to_srt(names={"0": "Anna"}), said.to_vtt(), said.to_text(names={}))
    await client.transcribe(Path("talk.wav"), on_event=lambda event: print(event.transcript))
    async with open_audio("mic") as audio:
        await client.transcribe(audio)


async def failures(client: TranscribeStreamingClient) -> Transcription:
    try:
        return await client.transcribe("talk.wav")
    except IncompleteTranscription as error:
        print(error.reason, error.session_id)
        return error.transcription


def without_asyncio(chunks: list[bytes]) -> None:
    assert_type(sync.transcribe_file("talk.wav", region="eu-west-1").words[0].start, float)
    with sync.open_stream(media_sample_rate_hz=8000, local=True, language_code="en-US") as stream:
        assert_type(stream, SyncStream)
        for chunk in chunks:
            stream.send(chunk)
        stream.end()
        for event in stream:
            assert_type(event, TranscriptEvent)


def json_of(event: TranscriptEvent) -> TranscriptEvent:
    assert_type(event.to_dict(), dict[str, Json])
    assert_type(event.to_json(keys="service"), str)
    return TranscriptEvent.from_dict(event.to_dict("service"), "service")


def captions_of_others(calls: list[UtteranceEvent], doctors: list[MedicalTranscriptEvent]) -> None:
    print(to_srt(calls, 3.5, names={"AGENT": "Anna"}))
    assert_type(words(doctors), list[Word])


async def live(stream: ResumableTranscription) -> str:
    captions = LiveCaptions(names={"0": "Anna"}, segment_seconds=4)
    segments: list[Segment] = []
    async for event in stream:
        assert_type(captions.add(event), list[Cue])
        assert_type(captions.current, list[Cue])
        segments += captions.segments(up_to=10)
    return playlist(segments + captions.end(), ended=True)


async def urls(client: TranscribeStreamingClient) -> str:
    medical = StartMedicalStreamTranscriptionRequest(
        language_code="en-US",
        media_sample_rate_hz=16_000,
        media_encoding="pcm",
        specialty="NEUROLOGY",
        type="DICTATION",
    )
    await client.presigned_url(medical)
    request = StartStreamTranscriptionRequest("en-US", 16_000, "pcm")
    return await client.presigned_url(request, expires=60)
