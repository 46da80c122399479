"""Handlers, observers and resolvers that are called in another way than they expect."""

from typing_extensions import override

from amazon_transcribe.auth import CredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.handlers import CallAnalyticsStreamHandler, TranscriptResultStreamHandler
from amazon_transcribe.model import (
    StartCallAnalyticsStreamTranscriptionEventStream,
    StartStreamTranscriptionEventStream,
    TranscriptEvent,
    UtteranceEvent,
)
from amazon_transcribe.observe import Observer
from amazon_transcribe.resume import ResumableTranscription


class Handler(TranscriptResultStreamHandler):
    async def handle_transcript_event(self, transcript_event: int) -> None:  # error: override
        print(transcript_event)

    @override
    async def handle_utterance_event(self, event: UtteranceEvent) -> None:  # error: misc
        print(event.items)


class NoCoroutine(TranscriptResultStreamHandler):
    def handle_transcript_event(self, transcript_event: TranscriptEvent) -> None:  # error: override
        print(transcript_event.transcript.resluts)  # error: attr-defined


class Misspelt(Observer):
    @override
    def audio_send(self, size: int) -> None:  # error: misc
        print(size)


class NoCredentials(CredentialResolver):
    async def get_credentials(self) -> str:  # error: override
        return "AKID:secret"


def use(
    stream: StartStreamTranscriptionEventStream,
    call: StartCallAnalyticsStreamTranscriptionEventStream,
    resumed: ResumableTranscription,
) -> None:
    CallAnalyticsStreamHandler(stream.output_stream)  # error: arg-type
    Handler(call.output_stream)  # error: arg-type
    CallAnalyticsStreamHandler(resumed)  # error: arg-type
    Handler(stream)  # error: arg-type
    TranscribeStreamingClient(region="us-west-2", observer=print)  # error: arg-type
    TranscribeStreamingClient(region="us-west-2", credential_resolver="AKID")  # error: arg-type
    of_a_class = CredentialResolver
    TranscribeStreamingClient(region="r", credential_resolver=of_a_class)  # error: arg-type
