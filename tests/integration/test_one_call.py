"""A whole recording in one call: `client.transcribe` and `transcribe_file`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

import amazon_transcribe
from amazon_transcribe import files, model, transcribe_file
from amazon_transcribe import transcribe as one_call
from amazon_transcribe.audio import AudioFileException, AudioSource, open_audio, paced
from amazon_transcribe.audio._clock import clock_of
from amazon_transcribe.call_analytics import CallAnalyticsParameters, UtteranceEvent
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.exceptions import (
    BadRequestException,
    InvalidParameterException,
    SDKError,
    ValidationException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.medical import MedicalParameters
from amazon_transcribe.medical_scribe import (
    ClinicalNoteGenerationSettings,
    MedicalScribeChannelDefinition,
    MedicalScribeConfigurationEvent,
    MedicalScribeParameters,
    MedicalScribePostStreamAnalyticsSettings,
)
from amazon_transcribe.transcribe import IncompleteTranscription, Transcription
from amazon_transcribe.transcription import TranscriptEvent
from amazon_transcribe.transports.memory import MemoryTransport
from tests.support.callers import client_at, client_of, leftovers, until
from tests.support.recordings import DIRECTORY
from tests.support.sounds import encoded, interleaved, recording
from tests.support.wav import wav

SHORT = DIRECTORY / "goforward.wav"
LONG = "sense_and_sensibility_all"
SESSION = "c0ffee00-0000-4000-8000-000000000000"


@pytest.fixture
async def server() -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted") as running:
        yield running


@pytest.fixture
def here(server: LocalTranscribe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment lead to the local server."""
    keys = server.credentials
    monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)


def source(
    pcm: bytes, rate: int = 16_000, channels: int = 1, end: Exception | None = None
) -> AudioSource:
    """Return open audio.

    :param end: What reading it ends with.
    """

    async def chunks() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(pcm), 3_200):
            yield pcm[at : at + 3_200]
        if end is not None:
            raise end

    return AudioSource(rate, chunks(), channels=channels)


# What comes out


async def test_a_file_on_this_machine_without_an_account() -> None:
    said = await transcribe_file(SHORT, local=True)
    assert said.text == "Go forward ten meters."
    assert said.text == " ".join(word.text for word in said.words)
    assert said.seconds == pytest.approx(2.786, abs=0.01)
    assert [result.is_partial for result in said.results] == [False]
    assert said.to_text() == "Go forward ten meters.\n"
    assert "Go forward ten meters.\n" in said.to_srt()
    assert said.to_vtt().startswith("WEBVTT\n\n1\n00:00:00.")
    assert json.loads(said.to_json())["results"][0]["Alternatives"][0]["Transcript"] == said.text
    assert json.loads(said.to_json("python"))["results"] == [said.results[0].to_dict()]
    assert leftovers() == []


async def test_an_upload_is_a_recording_too() -> None:
    said = await transcribe_file(SHORT.read_bytes(), local=True, sample_rate_hz=8_000)
    assert said.text.lower().startswith("go forward")


async def test_two_channels_are_told_apart_and_have_names() -> None:
    pcm, rate = recording("sense_and_sensibility_0870")
    other, _ = recording("sense_and_sensibility_0920")
    async with LocalTranscribe() as server, client_of(server) as client:
        said = await client.transcribe(source(interleaved(pcm, other), rate, channels=2))
    assert {word.channel for word in said.words} == {"ch_0", "ch_1"}
    assert "<v Ben>Had he married" in said.to_vtt(names={"ch_1": "Ben"})
    assert any(line.startswith("ch_0: And") for line in said.to_text(names={}).splitlines())
    assert said.seconds == pytest.approx(max(len(pcm), len(other)) / 2 / rate)


async def test_a_call_and_medical_speech(server: LocalTranscribe) -> None:
    pcm = bytes(16_000 * 2 * 12)
    events: list[object] = []
    async with client_of(server) as client:
        call = await client.transcribe_call(source(interleaved(pcm, pcm), 16_000, 2))
        sides = await client.transcribe_call((SHORT, SHORT), on_event=events.append)
        with pytest.raises(InvalidParameterException, match=r"needs two channels.*has 1"):
            await client.transcribe_call(source(pcm))
        medical = await client.transcribe_medical(source(pcm), type="DICTATION")
    assert {word.channel for word in call.words} == {"AGENT", "CUSTOMER"}
    assert sides.seconds == pytest.approx(2.786, abs=0.01)
    assert any(isinstance(event, UtteranceEvent) for event in events)
    assert medical.text.startswith("This is the scripted")
    assert medical.seconds == pytest.approx(12)


async def test_a_call_has_the_categories_that_it_matched() -> None:
    rules = {"Greeting": ["this is the scripted engine"], "Anger": ["no such words"]}
    async with LocalTranscribe("scripted", categories=rules) as server, client_of(server) as client:
        call = await client.transcribe_call((SHORT, SHORT))
    assert {name for each in call.categories for name in each.matched_categories or ()} == {
        "Greeting"
    }
    document = json.loads(call.to_json())
    assert document["categories"] == [each.to_dict("service") for each in call.categories]
    assert document["categories"][0]["MatchedCategories"] == ["Greeting"]
    assert len(document["results"]) == len(call.results)
    assert "categories" not in json.loads(Transcription(call.results).to_json())


async def test_a_scribe_s_session(server: LocalTranscribe) -> None:
    notes = MedicalScribePostStreamAnalyticsSettings(ClinicalNoteGenerationSettings("notes"))
    session = MedicalScribeConfigurationEvent("arn:aws:iam::123456789012:role/scribe", notes)
    definitions = [
        MedicalScribeChannelDefinition(channel, role)
        for channel, role in enumerate(("CLINICIAN", "PATIENT"))
    ]
    async with client_of(server) as client:
        said = await client.transcribe_medical_scribe(SHORT, configuration=session)
        assert said.session_id is not None
        answer = await client.get_medical_scribe_stream(session_id=said.session_id)
        with pytest.raises(InvalidParameterException, match="say who speaks"):
            await client.transcribe_medical_scribe((SHORT, SHORT), configuration=session)
        session.channel_definitions = definitions
        both = await client.transcribe_medical_scribe((SHORT, SHORT), configuration=session)
    assert answer.medical_scribe_stream_details is not None
    assert answer.medical_scribe_stream_details.stream_status == "COMPLETED"
    assert said.text.startswith("This is the scripted")
    assert {word.channel for word in both.words} == {"ch_0", "ch_1"}


@pytest.mark.usefixtures("here")
async def test_calls_and_medical_speech_with_a_client_of_their_own() -> None:
    call = await files.transcribe_call((SHORT, SHORT), session_id=SESSION)
    assert {word.speaker for word in call.words} == {"AGENT", "CUSTOMER"}
    medical = await files.transcribe_medical(SHORT, specialty="CARDIOLOGY")
    assert medical.text.startswith("This is the scripted")
    assert leftovers() == []


@pytest.mark.parametrize(
    ("start", "parameters"),
    [
        ("start_call_analytics_stream_transcription", CallAnalyticsParameters),
        ("start_medical_stream_transcription", MedicalParameters),
        ("start_medical_scribe_stream", MedicalScribeParameters),
    ],
)
def test_their_keywords_are_those_of_the_start(start: str, parameters: type) -> None:
    types = get_type_hints(getattr(TranscribeStreamingClient, start), localns=vars(model))
    of_the_audio = {
        *("media_sample_rate_hz", "media_encoding", "enable_channel_identification"),
        *("number_of_channels", "idle", "idle_after", "return"),
    }
    if parameters is MedicalScribeParameters:
        of_the_audio.add("configuration")
    assert get_type_hints(parameters).keys() == types.keys() - of_the_audio
    assert all(
        types[name] in (kind, kind | None) for name, kind in get_type_hints(parameters).items()
    )


def test_a_transcription_of_nothing() -> None:
    nothing = Transcription()
    assert (nothing.text, nothing.words, nothing.to_srt(), nothing.to_vtt()) == (
        *("", [], "", "WEBVTT\n"),
    )
    assert Transcription([], 0.0).to_srt() == ""


def test_the_names_at_the_top() -> None:
    assert amazon_transcribe.transcribe_file is files.transcribe_file
    assert amazon_transcribe.Transcription is Transcription


# Events


@pytest.mark.parametrize("is_async", [False, True])
async def test_each_event_is_told(is_async: bool, server: LocalTranscribe) -> None:
    events: list[TranscriptEvent] = []

    async def later(event: TranscriptEvent) -> None:
        await asyncio.sleep(0)
        events.append(event)

    on_event: Callable[[TranscriptEvent], object] = later if is_async else events.append
    async with client_of(server) as client:
        said = await client.transcribe(SHORT, on_event=on_event)
    results = [result for event in events for result in event.transcript.results]
    assert any(result.is_partial for result in results)
    assert said.results == [result for result in results if not result.is_partial]


async def test_what_on_event_raises_ends_the_call(server: LocalTranscribe) -> None:
    def stop(event: TranscriptEvent) -> None:
        raise KeyError("enough")

    async with client_of(server) as client:
        with pytest.raises(KeyError, match="enough"):
            await client.transcribe(SHORT, on_event=stop)
        await until(lambda: not leftovers())


async def test_a_call_that_is_cancelled_leaves_nothing(server: LocalTranscribe) -> None:
    heard = asyncio.Event()
    never = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        yield bytes(32_000)
        await never.wait()

    async with client_of(server) as client:
        call = asyncio.create_task(
            client.transcribe(AudioSource(16_000, endless()), on_event=lambda event: heard.set())
        )
        await asyncio.wait_for(heard.wait(), 30)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: not leftovers())


async def test_a_call_can_be_cancelled_anywhere(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        for steps in range(0, 150, 4):
            call = asyncio.create_task(client.transcribe(SHORT))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait({call})
            await until(lambda: not leftovers())


# Encodings that are passed through


@pytest.mark.parametrize("encoding", ["flac", "ogg-opus", "g711-ulaw", "pcm"])
async def test_what_the_service_decodes_is_passed_through(encoding: str) -> None:
    pcm, rate = recording("goforward")
    audio = pcm if encoding == "pcm" else encoded(pcm, rate, encoding)
    if encoding == "g711-ulaw":
        audio = wav(audio, tag=7, bits=8, rate=rate)
    elif encoding == "pcm":
        audio = wav(audio, rate=rate)
    async with LocalTranscribe("scripted", keep_streams=2) as server, client_of(server) as client:
        said = await client.transcribe(audio, passthrough=True)
        await client.transcribe_medical(audio, passthrough=True)
        streams = await server.streams_ended(2, timeout=60)
    assert [stream.parameters["media_encoding"] for stream in streams] == [encoding] * 2
    assert said.seconds == pytest.approx(len(pcm) / 2 / rate, abs=0.3)
    assert said.text.startswith("This is the scripted")


async def test_a_call_is_passed_through() -> None:
    pcm, rate = recording("goforward")
    call = encoded(interleaved(pcm, pcm), rate, "flac", channels=2)
    async with LocalTranscribe("scripted", keep_streams=1) as server, client_of(server) as client:
        said = await client.transcribe_call(call, passthrough=True)
        (stream,) = await server.streams_ended(1, timeout=60)
    assert stream.parameters["media_encoding"] == "flac"
    assert {word.channel for word in said.words} == {"AGENT", "CUSTOMER"}


async def test_flac_that_is_passed_through_is_not_resumed() -> None:
    pcm, rate = recording(LONG)
    fault = Fault("reset", after_seconds=8, times=1)
    async with LocalTranscribe("scripted", faults=[fault]) as server, client_of(server) as client:
        with pytest.raises(IncompleteTranscription) as lost:
            await client.transcribe(encoded(pcm, rate, "flac"), passthrough=True)
        await until(lambda: not leftovers())
    assert lost.value.transcription.text.startswith("This is the scripted")


async def test_audio_runs_no_further_ahead_than_its_signatures_last(
    server: LocalTranscribe,
) -> None:
    silence = encoded(bytes(8_000 * 2 * 600), 8_000, "flac")  # ten minutes in a few kilobytes
    sent = heard = furthest = 0.0
    async with open_audio(silence, passthrough=True) as opened:

        async def noted() -> AsyncGenerator[bytes, None]:
            nonlocal sent, furthest
            clock = clock_of("flac", 8_000, 1)
            async for chunk in opened.chunks:
                yield chunk  # and come back for the next one once this may be sent
                sent += clock.seconds(chunk)
                furthest = max(furthest, sent - heard)

        def note(event: TranscriptEvent) -> None:
            nonlocal heard
            heard = max(result.end_time or 0.0 for result in event.transcript.results)

        async with client_of(server) as client:
            said = await client.transcribe(replace(opened, chunks=noted()), on_event=note)
    assert said.seconds == pytest.approx(600, abs=1)
    assert furthest < 300


# Failures


async def test_a_broken_connection_loses_nothing() -> None:
    pcm, rate = recording(LONG)
    async with LocalTranscribe("scripted") as server, client_of(server) as client:
        whole = await client.transcribe(source(pcm, rate))
    faults = [Fault("reset", after_events=9, times=1)]
    async with LocalTranscribe("scripted", faults=faults) as server, client_of(server) as client:
        said = await client.transcribe(source(pcm, rate))
    assert said.seconds == whole.seconds
    # The scripted engine begins its text anew with each connection.
    assert len(said.results) >= len(whole.results)
    assert said.results[-1].end_time == pytest.approx(whole.results[-1].end_time, abs=2)


async def test_what_was_heard_before_a_failure_is_not_lost() -> None:
    pcm, rate = recording(LONG)
    fault = Fault("exception", after_seconds=20, error="BadRequest", message="The audio is bad.")
    async with LocalTranscribe("scripted", faults=[fault]) as server, client_of(server) as client:
        with pytest.raises(IncompleteTranscription, match="bad.*incomplete") as failed:
            await client.transcribe(source(pcm, rate))
        await until(lambda: not leftovers())
    error = failed.value
    assert error.transcription.text.startswith("This is the scripted engine")
    assert isinstance(error.reason, BadRequestException)
    assert error.__cause__ is error.reason
    assert error.session_id is not None
    assert isinstance(error, SDKError)


async def test_audio_that_fails_gives_what_came_before(server: LocalTranscribe) -> None:
    torn = source(bytes(320_000), end=AudioFileException("it is torn"))
    async with client_of(server) as client:
        with pytest.raises(IncompleteTranscription, match="it is torn") as failed:
            await client.transcribe(torn)
        with pytest.raises(ZeroDivisionError):  # a program's own
            await client.transcribe(source(bytes(3_200), end=ZeroDivisionError()))
        await until(lambda: not leftovers())
    assert failed.value.transcription.text.startswith("This is the scripted engine")
    assert failed.value.transcription.seconds == pytest.approx(10)


async def test_what_cannot_start_is_raised_as_it_is(server: LocalTranscribe) -> None:
    async with client_of(server) as client:
        with pytest.raises(AudioFileException):
            await client.transcribe(DIRECTORY / "none.wav")
        with pytest.raises(InvalidParameterException) as refused:
            await client.transcribe(SHORT, vocabulary_name="?")
        assert refused.value.parameter == "vocabulary_name"
        with pytest.raises(BadRequestException, match="ShowSpeakerLabel"):
            await client.transcribe(SHORT, show_speaker_label=True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"enable_channel_identification": True, "number_of_channels": 2},
        {"on_event": "print"},
        {"on_connection": 5},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
async def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    parameters: dict[str, Any],
) -> None:
    stereo = wav(bytes(64_000), channels=2)
    async with client_at("http://127.0.0.1:1") as client:
        with pytest.raises(InvalidParameterException) as refused:
            await client.transcribe(stereo, **parameters)
    assert refused.value.parameter in parameters


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "no region: name one"),
        ({"local": True, "endpoint_url": "http://127.0.0.1:1"}, "leave out endpoint_url"),
        ({"region": "not a region"}, "region must be"),
    ],
)
async def test_where_it_cannot_go(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationException, match=reason):
        await transcribe_file(SHORT, **options)


# Requests


async def test_the_request_and_its_defaults(
    server: LocalTranscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[dict[str, Any]] = []
    start = TranscribeStreamingClient.start_stream_transcription

    async def noted(client: Any, **parameters: Any) -> Any:
        requests.append(parameters)
        return await start(client, **parameters)

    monkeypatch.setattr(TranscribeStreamingClient, "start_stream_transcription", noted)
    keys = server.credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
    await transcribe_file(SHORT, endpoint_url=server.endpoint_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING", server.endpoint_url)
    await transcribe_file(
        SHORT, session_id=SESSION, language_code="en-US", partial_results_stability="high"
    )
    with pytest.raises(BadRequestException):  # the local server cannot
        await transcribe_file(SHORT, identify_language=True, language_options=["en-US", "de-DE"])
    first, second, third = requests
    assert (first["language_code"], first["media_sample_rate_hz"]) == ("en-US", 16_000)
    assert (second["session_id"], second["partial_results_stability"]) == (SESSION, "high")
    assert "language_code" not in third


@pytest.mark.parametrize(
    ("url", "realtime", "is_paced"),
    [
        ("http://127.0.0.1:1", None, False),
        ("https://localhost", None, False),
        ("https://localhost", True, True),
        (None, None, True),
        (None, False, False),
    ],
)
async def test_recordings_are_paced_for_the_service(
    url: str | None,
    realtime: bool | None,
    is_paced: bool,
    server: LocalTranscribe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    monkeypatch.setattr(one_call, "paced", lambda *given: calls.append(given) or paced(*given))
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_url=url,
        credential_resolver=server.credentials,
        transport=MemoryTransport(server._service.serve),
    )
    async with client:
        said = await client.transcribe(source(bytes(16_000)), realtime=realtime)
    assert said.text
    assert bool(calls) is is_paced
