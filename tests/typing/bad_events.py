"""Fields that events and results do not have, and values that may be None."""

from amazon_transcribe.model import (
    Alternative,
    ConfigurationEvent,
    Item,
    MedicalScribeTranscriptEvent,
    Result,
    StartCallAnalyticsStreamTranscriptionEventStream,
    StartMedicalStreamTranscriptionEventStream,
    StartStreamTranscriptionEventStream,
    TranscriptEvent,
)


async def transcription(stream: StartStreamTranscriptionEventStream) -> None:
    async for event in stream.output_stream:
        event.transcript.resluts  # error: attr-defined
        event.transcripts  # error: attr-defined
        event.event_type  # error: attr-defined
        for result in event.transcript.results:
            result.is_final  # error: attr-defined
            for alternative in result.alternatives or ():
                alternative.text  # error: attr-defined
                alternative.transcript + 1  # error: operator
                alternative.items[0].type  # error: attr-defined
                "" + alternative.items[0].content  # error: operator
    for last in await stream.drain():
        last.transcript.resluts  # error: attr-defined
    async for any_event in stream.output_stream.including_unknown():
        any_event.transcript  # error: union-attr
    for event in stream.output_stream:  # error: attr-defined
        pass
    stream.output_stream.unknown_events + ""  # error: operator
    stream.response.sample_rate  # error: attr-defined


async def send(stream: StartStreamTranscriptionEventStream) -> None:
    await stream.input_stream.send_audio_event("text")  # error: arg-type
    await stream.input_stream.send_audio_event(chunk=b"")  # error: call-arg
    await stream.input_stream.send_configuration_event(ConfigurationEvent())  # error: attr-defined
    stream.input_stream.end_stream()  # error: unused-coroutine
    await stream.drain("30")  # error: arg-type


async def others(
    call: StartCallAnalyticsStreamTranscriptionEventStream,
    medical: StartMedicalStreamTranscriptionEventStream,
    scribed: MedicalScribeTranscriptEvent,
) -> None:
    async for event in call.output_stream:
        event.transcript  # error: union-attr
    async for transcript in medical.output_stream:
        transcript.transcript.results[0].language_code  # error: attr-defined
    scribed.transcript_segment.content  # error: union-attr
    await call.input_stream.send_configuration_event(TranscriptEvent())  # error: arg-type


def values() -> None:
    Result(is_partial="no")  # error: arg-type
    Result(partial=True)  # error: call-arg
    Alternative("Go", items=["Go"])  # error: list-item
    Item(start_time="0.5")  # error: arg-type
