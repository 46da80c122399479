"""Misuse of the other parts: imports, audio, captions, transports, local server, codec."""

from collections.abc import Mapping

from amazon_transcribe.modle import Result  # error: import-not-found

from amazon_transcribe import TranscribeStreamingClint  # error: attr-defined
from amazon_transcribe.audio import AudioSource, open_audio, paced
from amazon_transcribe.captions import to_srt
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.eventstream import EventStreamDecoder, decode_message, encode_message
from amazon_transcribe.limiter import StreamLimiter
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.model import TranscriptEvent
from amazon_transcribe.resume import ResumableTranscription
from amazon_transcribe.transports.base import Request

print(TranscribeStreamingClint, Result)


async def audio(source: AudioSource) -> None:
    async with open_audio(5) as opened:  # error: arg-type
        print(opened)
    open_audio("talk.wav", sample_rate=16000)  # error: call-arg
    source.stop()  # error: misc
    async for chunk in paced(source.chunks):  # error: call-overload
        print(chunk)


def captions(event: TranscriptEvent) -> None:
    to_srt(event)  # error: arg-type
    to_srt(event.transcript.results, duration="28.7")  # error: arg-type


async def resumed(stream: ResumableTranscription) -> None:
    async for event in stream:
        event.transcript  # error: union-attr
    await stream.send_audio_event("text")  # error: arg-type


class WaitingStream:
    """A stream that has what a stream needs but for `is_full`, and waits as it writes."""

    ended = False
    failure = None

    async def response(self, timeout: float | None = None) -> tuple[int, Mapping[str, str]]:
        return 200, {}

    async def write(self, data: bytes) -> None: ...


class WaitingTransport:
    async def open(self, request: Request, timeout: float) -> WaitingStream:
        return WaitingStream()

    async def close(self) -> None: ...


def local() -> None:
    TranscribeStreamingClient(region="us-west-2", transport=WaitingTransport())  # error: arg-type
    LocalTranscribe(engine=1)  # error: arg-type
    LocalTranscribe(port="8770")  # error: arg-type
    LocalTranscribe(faults=["reset"])  # error: list-item
    Fault("reset", after="3")  # error: call-arg
    Fault("reset", 3)  # error: call-arg
    LocalTranscribe().endpoint  # error: attr-defined
    StreamLimiter(max_streams="25")  # error: arg-type


def codec() -> None:
    encode_message({"name": 1.5}, b"")  # error: dict-item
    encode_message({}, "text")  # error: arg-type
    decode_message("text")  # error: arg-type
    decode_message(b"").body  # error: attr-defined
    EventStreamDecoder().feed()  # error: call-arg
