"""Starts that no service takes: parameters missing, misspelt, or of a wrong type."""

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.model import ConfigurationEvent
from amazon_transcribe.resume import ResumableTranscription


async def transcription(client: TranscribeStreamingClient) -> None:
    start = client.start_stream_transcription
    await start(language_code="en-US", media_sample_rate_hz=16000)  # error: call-arg
    await start(language_code="en-US", media_encoding="pcm")  # error: call-arg
    await start(media_sample_rate_hz="16000", media_encoding="pcm")  # error: arg-type
    await start(media_sample_rate_hz=16000.0, media_encoding="pcm")  # error: arg-type
    await start(media_sample_rate_hz=16000, media_encoding=None)  # error: arg-type
    await start(media_sample_rate_hz=None, media_encoding="pcm")  # error: arg-type
    await start(media_sample_rate_hz=8000, media_encoding="pcm", langauge="en")  # error: call-arg
    await start(media_sample_rate_hertz=16000, media_encoding="pcm")  # error: call-arg
    await start("en-US", 16000, "pcm", "words", "id", "mask", "rude", "more")  # error: call-arg
    await start(
        language_code=1,  # error: arg-type
        media_sample_rate_hz=16000,
        media_encoding="pcm",
        show_speaker_label="yes",  # error: arg-type
        number_of_channels="2",  # error: arg-type
        language_options=[1],  # error: list-item
        partial_results_stability=3,  # error: arg-type
        idle="sleep",  # error: arg-type
        idle_after="5",  # error: arg-type
    )


async def others(client: TranscribeStreamingClient, configuration: ConfigurationEvent) -> None:
    call = client.start_call_analytics_stream_transcription
    await call(media_encoding="pcm")  # error: call-arg
    await call(media_sample_rate_hz=8000, media_encoding="pcm", configuration={})  # error: arg-type
    await call(media_sample_rate_hz=8000, media_encoding="pcm", session="1")  # error: call-arg
    medical = client.start_medical_stream_transcription
    await medical(  # error: call-arg
        language_code="en-US", media_sample_rate_hz=8000, media_encoding="pcm", type="DICTATION"
    )
    scribe = client.start_medical_scribe_stream
    await scribe(  # error: call-arg
        language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
    )
    await scribe(
        language_code="en-US",
        media_sample_rate_hz=16000,
        media_encoding="pcm",
        configuration=configuration,  # error: arg-type
    )
    await client.get_medical_scribe_stream()  # error: call-arg
    await client.get_medical_scribe_stream(session_id=1)  # error: arg-type


def resumed(client: TranscribeStreamingClient) -> None:
    ResumableTranscription(client, media_sample_rate_hz="16000")  # error: arg-type
    ResumableTranscription(client, media_sample_rate_hz=16000, langauge="en")  # error: call-arg
    ResumableTranscription(
        client,
        media_sample_rate_hz=16000,
        show_speaker_label="yes",  # error: arg-type
    )
    ResumableTranscription(client, media_sample_rate_hz=16000, idle="sleep")  # error: arg-type
    ResumableTranscription(client, media_sample_rate_hz=16000, idle_after=5.0)  # error: call-arg


def clients() -> None:
    TranscribeStreamingClient()  # error: call-arg
    TranscribeStreamingClient("us-west-2")  # error: call-arg
    TranscribeStreamingClient(region="us-west-2", endpoint="http://localhost")  # error: call-arg
    TranscribeStreamingClient(region="us-west-2", transport="http3")  # error: arg-type
    TranscribeStreamingClient(region="us-west-2", start_timeout="12")  # error: arg-type
