"""Pipecat hears through the local server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from amazon_transcribe.exceptions import InvalidParameterException
from amazon_transcribe.local import Fault, LocalTranscribe
from tests.frameworks.conftest import RATE, need, recording

need("pipecat.services.stt_service")

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    MetricsFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import STTUsageMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import STTSettings
from pipecat.transcriptions.language import Language
from pipecat.workers.runner import WorkerRunner

from amazon_transcribe.integrations.pipecat import TranscribeSTTService

LINES = ["Two tickets, please.", "To Hamburg."]
SECONDS = 4.0  # of audio, in which both lines are said
SILENCE = bytes(RATE // 50 * 2)


class Tap(FrameProcessor):
    """Notes every frame that passes, and lets tests wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._news = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        async with self._news:
            self.frames.append(frame)
            self._news.notify_all()
        await self.push_frame(frame, direction)

    def all(self, kind: type[Frame]) -> list[Frame]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def wait_for(self, kind: type[Frame], times: int = 1) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(self.all(kind)) >= times)


@asynccontextmanager
async def running(*processors: FrameProcessor) -> AsyncIterator[Callable[[Frame], object]]:
    """Run a pipeline, and end it as an agent does; give the function that puts in frames."""
    worker = PipelineWorker(
        Pipeline(list(processors)),
        params=PipelineParams(audio_in_sample_rate=RATE, enable_usage_metrics=True),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await started.wait()
    try:
        yield worker.queue_frame
        await worker.queue_frame(EndFrame())
        await running
    finally:
        await worker.cancel()
        await asyncio.wait({running})


def sound(pcm: bytes = SILENCE) -> InputAudioRawFrame:
    return InputAudioRawFrame(pcm, RATE, 1)


def texts(tap: Tap) -> list[str]:
    return [frame.text for frame in tap.all(TranscriptionFrame)]


@pytest.mark.transcribe(script=LINES)
async def test_everything_said_comes_before_the_end(local_transcribe: LocalTranscribe) -> None:
    tap = Tap()
    async with running(TranscribeSTTService(), tap) as put:
        for _ in range(round(SECONDS * 50)):
            await put(sound())
    assert texts(tap) == LINES
    final = tap.all(TranscriptionFrame)[0]
    assert final.language == Language.EN_US
    assert final.result.end_time == pytest.approx(1.2)
    used = [
        each.value.audio_seconds
        for frame in tap.all(MetricsFrame)
        for each in frame.data
        if isinstance(each, STTUsageMetricsData)
    ]
    assert sum(used) == pytest.approx(SECONDS)
    (record,) = local_transcribe.streams
    assert record.ended == "complete"
    assert record.audio_seconds == pytest.approx(SECONDS)


@pytest.mark.transcribe(script=LINES, faults=[Fault("drop", after_seconds=0.5, times=1)])
async def test_a_lost_connection_loses_and_doubles_nothing(
    local_transcribe: LocalTranscribe,
) -> None:
    tap, news = Tap(), []
    stt = TranscribeSTTService()
    stt.add_event_handler("on_connected", lambda *_: news.append("connected"))
    stt.add_event_handler("on_disconnected", lambda *_: news.append("disconnected"))
    async with running(stt, tap) as put:
        for _ in range(round(SECONDS * 50)):
            await put(sound())
    assert texts(tap) == LINES
    assert news == ["connected", "disconnected"] * 2
    first, second = local_transcribe.streams
    assert first.parameters["session_id"] == second.parameters["session_id"]


@pytest.mark.transcribe(script=LINES)
async def test_a_final_after_the_end_of_the_voice_ends_the_turn_at_once() -> None:
    tap = Tap()
    async with running(TranscribeSTTService(silence_after=None), tap) as put:
        await put(VADUserStartedSpeakingFrame())
        for _ in range(55):  # the first line takes 60
            await put(sound())
        await put(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        for _ in range(10):
            await put(sound())
    assert [frame.finalized for frame in tap.all(TranscriptionFrame)] == [True]


@pytest.mark.transcribe(script=LINES)
async def test_new_settings_hold_from_the_next_audio_on(local_transcribe: LocalTranscribe) -> None:
    tap = Tap()
    async with running(TranscribeSTTService(), tap) as put:
        for _ in range(50):
            await put(sound())
        await tap.wait_for(InterimTranscriptionFrame)
        extra = {"partial_results_stability": "low"}
        await put(STTUpdateSettingsFrame(delta=STTSettings(language=Language.EN, extra=extra)))
        await put(sound())
        await tap.wait_for(TranscriptionFrame)
        for _ in range(150):
            await put(sound())
    asked = [each.parameters["partial_results_stability"] for each in local_transcribe.streams]
    assert asked == ["high", "low"]
    assert sum(each.audio_seconds for each in local_transcribe.streams) == pytest.approx(4.02)


async def test_a_language_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(InvalidParameterException, match="language must be one"):
        TranscribeSTTService(region="us-east-1", settings=STTSettings(language="tlh"))


@pytest.mark.transcribe(script=LINES)
async def test_a_setting_that_cannot_be_changes_nothing(local_transcribe: LocalTranscribe) -> None:
    tap, above = Tap(), Tap()
    async with running(above, TranscribeSTTService(), tap) as put:
        await put(STTUpdateSettingsFrame(delta=STTSettings(extra={"colour": "red"})))
        await above.wait_for(ErrorFrame)
        for _ in range(round(SECONDS * 50)):
            await put(sound())
    assert "colour is no parameter" in above.all(ErrorFrame)[0].error
    assert texts(tap) == LINES


@pytest.mark.transcribe(faults=[Fault("http", status=403, error="AccessDeniedException")])
async def test_a_refusal_is_said_once_and_not_tried_again(
    local_transcribe: LocalTranscribe,
) -> None:
    stt, above = TranscribeSTTService(), Tap()
    async with running(above, stt) as put:
        await put(sound())
        await above.wait_for(ErrorFrame)
        await put(sound())
    assert len(above.all(ErrorFrame)) == 1
    assert not stt.is_usable


# The agent


async def hear(put: Callable[[Frame], object], name: str) -> None:
    """Put in a recording, and two seconds of silence."""
    async for chunk in recording(name):
        await put(sound(chunk))
    for _ in range(100):
        await put(sound())


@pytest.mark.transcribe(engine="moonshine", faults=[Fault("drop", after_seconds=2, times=1)])
async def test_an_agent_hears_turns_over_a_lost_connection(
    local_transcribe: LocalTranscribe,
) -> None:
    context = LLMContext()
    tap = Tap()
    stt = TranscribeSTTService(finds_turns=True)
    async with running(stt, LLMContextAggregatorPair(context).user(), tap) as put:
        await hear(put, "goforward")
        await tap.wait_for(LLMContextFrame)
        await hear(put, "sense_and_sensibility_0870")
        await tap.wait_for(LLMContextFrame, 2)
    said = [message["content"] for message in context.messages]
    assert said[0].lower().startswith("go forward")
    assert "leisure to consider" in said[1]
    assert len(tap.all(UserStartedSpeakingFrame)) == 2
    assert len(tap.all(UserStoppedSpeakingFrame)) == 2
    assert len(local_transcribe.streams) == 2
