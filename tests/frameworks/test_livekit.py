"""LiveKit Agents hears through the local server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines import Recognition, RecognitionOptions
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.transcription import Result
from tests.frameworks.conftest import RATE, need, recording

need("livekit.agents")

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    APIStatusError,
    StopResponse,
    TurnHandlingOptions,
    stt,
)
from livekit.agents.voice import io

from amazon_transcribe.integrations.livekit import STT, SpeechStream

SILENCE = bytes(RATE // 50 * 2)
LINES = ["Two tickets, please.", "To Hamburg."]
SECONDS = 4.0  # of audio, in which both lines are said


def frame(pcm: bytes) -> rtc.AudioFrame:
    return rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2)


def push(stream: SpeechStream, seconds: float) -> None:
    """Push silence by 20 ms; the scripted engine says its lines to that too."""
    for _ in range(round(seconds * 50)):
        stream.push_frame(frame(SILENCE))


def kinds(events: Iterable[stt.SpeechEvent]) -> str:
    """Return the first letters of events that come on any machine: start, final, end."""
    return "".join(event.type.value[0] for event in events if event.type.value[0] in "sfe")


def finals(events: Iterable[stt.SpeechEvent]) -> list[str]:
    final = stt.SpeechEventType.FINAL_TRANSCRIPT
    return [event.alternatives[0].text for event in events if event.type == final]


@pytest.mark.transcribe(script=LINES)
async def test_speech_starts_is_said_and_ends(local_transcribe: LocalTranscribe) -> None:
    async with STT() as transcribe:
        stream = transcribe.stream()
        push(stream, SECONDS)
        stream.end_input()
        events = [event async for event in stream]
    assert kinds(events) == "sfesfe"
    assert finals(events) == LINES
    (record,) = local_transcribe.streams
    used = sum(
        event.recognition_usage.audio_duration for event in events if event.recognition_usage
    )
    assert used == pytest.approx(SECONDS) == pytest.approx(record.audio_seconds)
    (said,) = next(event for event in events if event.type == "final_transcript").alternatives
    assert (said.start_time, said.end_time) == (0.0, pytest.approx(1.2))
    assert [str(word) for word in said.words or ()] == ["Two", "tickets,", "please."]
    assert said.confidence == pytest.approx(0.99)
    assert said.language == "en-US"


class SettledRecognition:
    """A recognition whose partial words are all stable, as the service's may be."""

    def __init__(self, recognition: Recognition) -> None:
        self._recognition = recognition

    def accept(self, pcm: bytes) -> list[Result]:
        results = self._recognition.accept(pcm)
        for result in results:
            for item in result.alternatives[0].items if result.alternatives else ():
                item.stable = True
        return results

    def finish(self) -> list[Result]:
        return self._recognition.finish()


class SettledEngine(ScriptedEngine):
    def open(self, options: RecognitionOptions) -> Recognition:
        return SettledRecognition(super().open(options))


@pytest.mark.transcribe(engine=SettledEngine("\n".join(LINES)))
async def test_stable_words_come_as_preflight_before_the_final_text() -> None:
    preflight = stt.SpeechEventType.PREFLIGHT_TRANSCRIPT
    async with STT() as transcribe:
        stream = transcribe.stream()
        push(stream, 0.9)  # two words of three
        before = []
        async for event in stream:
            before.append(event)
            if event.type == preflight:
                break
        push(stream, SECONDS - 0.9)
        stream.end_input()
        after = [event async for event in stream]
    assert finals(before) == []
    assert LINES[0].startswith(before[-1].alternatives[0].text)
    assert finals(after) == LINES


@pytest.mark.transcribe(script=LINES, faults=[Fault("drop", after_seconds=0.5, times=1)])
async def test_a_lost_connection_loses_and_doubles_nothing(
    local_transcribe: LocalTranscribe,
) -> None:
    async with STT() as transcribe:
        stream = transcribe.stream()
        push(stream, SECONDS)
        stream.end_input()
        events = [event async for event in stream]
    assert finals(events) == LINES
    assert kinds(events) == "sfesfe"
    first, second = local_transcribe.streams
    assert first.parameters["session_id"] == second.parameters["session_id"]


@pytest.mark.transcribe(script=LINES)
async def test_a_muted_microphone_does_not_leave_a_segment_open() -> None:
    async with STT(silence_after=0.05) as transcribe:
        stream = transcribe.stream()
        push(stream, 0.6)
        events = []
        async for event in stream:
            events.append(event)
            if event.type == stt.SpeechEventType.END_OF_SPEECH:
                break
    assert finals(events) == LINES[:1]


@pytest.mark.transcribe(script=LINES)
async def test_new_options_hold_from_the_next_audio_on(local_transcribe: LocalTranscribe) -> None:
    async with STT() as transcribe:
        stream = transcribe.stream()
        push(stream, 1.0)
        events = [await anext(stream)]
        transcribe.update_options(language="en", partial_results_stability="low")
        push(stream, 3.0)
        stream.end_input()
        events += [event async for event in stream]
    first, second = local_transcribe.streams
    assert first.parameters["partial_results_stability"] == "high"
    assert second.parameters["partial_results_stability"] == "low"
    assert kinds(events) == "sfesfesfe"
    starts = [e.alternatives[0].start_time for e in events if e.type == "final_transcript"]
    assert starts == sorted(starts)
    assert starts[1] == pytest.approx(first.audio_seconds)
    assert first.audio_seconds + second.audio_seconds == pytest.approx(SECONDS)


@pytest.mark.transcribe(faults=[Fault("exception", error="BadRequest", after_events=1)])
async def test_a_stream_that_fails_ends_its_speech_and_says_why() -> None:
    async with STT() as transcribe:
        errors: list[stt.STTError] = []
        transcribe.on("error", errors.append)
        stream = transcribe.stream()
        push(stream, SECONDS)
        events = []
        with pytest.raises(APIStatusError) as caught:
            async for event in stream:
                events.append(event)
    assert kinds(events) == "se"
    assert not caught.value.retryable
    assert [error.recoverable for error in errors] == [False]


@pytest.mark.transcribe(script=LINES)
async def test_closing_in_the_middle_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    transcribe = STT()
    stream = transcribe.stream()
    push(stream, 1.0)
    await anext(stream)
    await transcribe.aclose()
    assert asyncio.all_tasks() == before


@pytest.mark.transcribe(script=LINES)
async def test_a_whole_recording() -> None:
    async with STT() as transcribe:
        event = await transcribe.recognize([frame(bytes(int(SECONDS) * RATE * 2))])
    assert event.alternatives[0].text == " ".join(LINES)
    assert event.alternatives[0].confidence == pytest.approx(0.99)


@pytest.mark.transcribe(script=LINES)
async def test_another_service_takes_over_from_one_that_is_away() -> None:
    nowhere = TranscribeStreamingClient(region="us-east-1", endpoint_url="http://127.0.0.1:1")
    async with nowhere, STT(client=nowhere) as away, STT() as transcribe:
        both = stt.FallbackAdapter([away, transcribe], max_retry_per_stt=0)
        switched = asyncio.Event()
        both.on("stt_availability_changed", lambda _: switched.set())
        stream = both.stream()
        stream.push_frame(frame(SILENCE))  # LiveKit does not repeat it to the other
        await switched.wait()
        for _ in range(round(SECONDS * 50)):
            stream.push_frame(frame(SILENCE))
        stream.end_input()
        events = [event async for event in stream]
        await both.aclose()
    assert finals(events) == LINES
    assert kinds(events) == "sfesfe"


# The agent


class Ear(io.AudioInput):
    """A microphone that hears recordings as fast as the session takes them, else silence."""

    def __init__(self) -> None:
        super().__init__(label="recordings")
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(self, name: str) -> None:
        """Hear a recording, and a second of silence."""
        async for chunk in recording(name):
            self._frames.put_nowait(chunk)
        for _ in range(50):
            self._frames.put_nowait(SILENCE)

    async def __anext__(self) -> rtc.AudioFrame:
        try:
            return frame(await asyncio.wait_for(self._frames.get(), 0.02))
        except asyncio.TimeoutError:
            return frame(SILENCE)


class Listener(Agent):
    """An agent that notes what the user says in each turn, and does not answer."""

    def __init__(self) -> None:
        super().__init__(instructions="")
        self.turns: asyncio.Queue[str] = asyncio.Queue()

    async def on_user_turn_completed(self, turn_ctx: object, new_message: object) -> None:
        self.turns.put_nowait(new_message.text_content)
        raise StopResponse


@pytest.mark.transcribe(engine="moonshine", faults=[Fault("drop", after_seconds=2, times=1)])
async def test_an_agent_hears_turns_over_a_lost_connection(
    local_transcribe: LocalTranscribe,
) -> None:
    agent, ear = Listener(), Ear()
    states = []
    turns = TurnHandlingOptions(turn_detection="stt", endpointing={"min_delay": 0.1})
    async with AgentSession(stt=STT(), turn_handling=turns) as session:
        session.on("user_state_changed", lambda event: states.append(event.new_state))
        session.input.audio = ear
        await session.start(agent)
        await ear.hear("goforward")
        assert (await agent.turns.get()).lower().startswith("go forward")
        await ear.hear("sense_and_sensibility_0870")
        assert "leisure to consider" in await agent.turns.get()
    assert states[:4] == ["speaking", "listening"] * 2
    assert len(local_transcribe.streams) == 2
