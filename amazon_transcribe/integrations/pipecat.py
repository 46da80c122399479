"""Pipecat: speech to text by Amazon Transcribe, for a `Pipeline`.

    stt = TranscribeSTTService(region="us-west-2", settings=STTSettings(language="en-US"))
    pipeline = Pipeline([transport.input(), stt, ...])

It needs the extra `pipecat`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ..client import TranscribeStreamingClient
from ..exceptions import SDKError, ValidationException, missing_extra
from ..files import chosen_region
from ..resume import Reconnected, Reconnecting
from ..resume._policy import is_retryable
from ._listener import SILENCE_AFTER, Connected, Heard, Listener, check_silence_after
from ._parameters import agent_parameters, service_language
from ._speech import Phrase, SpeechEnded, SpeechStarted

try:
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        ErrorFrame,
        Frame,
        InterimTranscriptionFrame,
        ProposedUserStartedSpeakingFrame,
        ProposedUserStoppedSpeakingFrame,
        STTMetadataFrame,
        TranscriptionFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
    from pipecat.services.settings import STTSettings
    from pipecat.services.stt_latency import AWS_TRANSCRIBE_TTFS_P99
    from pipecat.services.stt_service import STTService
    from pipecat.transcriptions.language import Language
    from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
    from pipecat.utils.errors import ErrorCategory
    from pipecat.utils.time import time_now_iso8601
    from pipecat.utils.tracing.service_decorators import traced_stt
    from pipecat.utils.types import is_given
except ImportError as error:
    raise ValidationException(
        missing_extra("amazon_transcribe.integrations.pipecat", "pipecat", error)
    ) from error

__all__ = ["TranscribeSTTService"]

# Pieces of audio that wait while the service is away: a minute, by 20 ms.
_MAX_WAITING = 3_000

# Seconds until the next attempt, where the client's own attempts all failed.
_RETRY_PAUSE = 1.0

# Seconds by which the last word may seem to end before a voice detector's silence begins.
_TOLERANCE = 0.3


class TranscribeSTTService(STTService):
    """Speech to text by Amazon Transcribe.

    :param settings: `language`, a `Language` or a code such as `"en-US"`, by default that;
        None with `identify_language` or `identify_multiple_languages`. `model` is a custom
        language model. `extra` has others of `start_stream_transcription` by their names;
        unless it says otherwise, partial results are stabilised, highly. A frame that updates
        the settings takes effect with the next audio.
    :param region: The region of the service's own client; by default that of AWS_REGION or
        AWS_DEFAULT_REGION.
    :param client: Another client, which the program closes. It may have other keys or another
        endpoint, and services can share it.
    :param finds_turns: Let Transcribe say when the user's turn starts and ends, for pipelines
        without a voice detector: its segments become turns.
    :param silence_after: Seconds without audio after which silence is sent in its place, above
        0 and under 15, so that a segment ends when a microphone is muted in it. None sends
        none: the stream ends in a pause, and begins again after it.
    :param stop_timeout: Seconds that the last words may take at the end of the pipeline.
    :param ttfs_p99_latency: Seconds from the end of speech to its final transcript, which
        Pipecat's turns wait for; by default its own measurement of the service.
    :param options: Those of Pipecat's `STTService`, such as `sample_rate`.
    :raises InvalidParameterException: for a language, a name or a number that cannot be.
    :raises ValidationException: without a region, and for one that cannot be.
    """

    def __init__(
        self,
        *,
        settings: STTSettings | None = None,
        region: str | None = None,
        client: TranscribeStreamingClient | None = None,
        finds_turns: bool = False,
        silence_after: float | None = SILENCE_AFTER,
        stop_timeout: float = 5.0,
        ttfs_p99_latency: float | None = AWS_TRANSCRIBE_TTFS_P99,
        **options: Any,
    ) -> None:
        check_silence_after(silence_after)
        chosen = STTSettings(model=None, language="en-US")
        if settings is not None:
            chosen.apply_update(settings)
        super().__init__(settings=chosen, ttfs_p99_latency=ttfs_p99_latency, **options)
        self._stream_parameters()  # refused here, not when somebody speaks
        self._finds_turns = finds_turns
        self._silence_after = silence_after
        self._stop_timeout = stop_timeout
        self._owns_client = client is None
        self.client: TranscribeStreamingClient = client or TranscribeStreamingClient(
            region=chosen_region(region)
        )
        """The client that makes the connections."""
        self._audio: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        self._seconds_taken = 0.0
        self._drops_audio = False
        self._is_connected = False
        self._is_stopping = False
        self._may_try = asyncio.Event()
        self._may_try.set()
        self._listener: Listener | None = None
        self._task: asyncio.Task[None] | None = None
        self._spoken_until: float | None = None  # by the voice detector, in seconds of the audio

    def can_generate_metrics(self) -> bool:
        """Tell Pipecat that there are metrics: the time to the final transcript, the usage."""
        return True

    def language_to_service_language(self, language: Language) -> str:
        """Return the service's code of a language.

        :param language: Any; a region that the service does not know stands for the language.
        :raises InvalidParameterException: for a language that the service does not know.
        """
        return service_language(language)

    @property
    def supports_ttfs(self) -> bool:
        """Whether Pipecat measures from the end of speech: not where Transcribe finds it."""
        return not self._finds_turns

    def service_metadata_frame(self) -> STTMetadataFrame:
        """Return what Pipecat announces: whether turns are the service's."""
        frame = super().service_metadata_frame()
        if self._finds_turns:
            frame.user_turn_strategies = ExternalUserTurnStrategies()
        return frame

    # Life

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Begin to listen; the stream connects with the first audio."""
        await super().setup(setup)
        self._listener = Listener(
            self.client,
            self._receive,
            self._give,
            sample_rate_hz=self.sample_rate,
            parameters=self._stream_parameters(),
            silence_after=self._silence_after,
        )
        self._task = self.create_task(self._listen(self._listener), "listen")

    async def stop(self, frame: EndFrame) -> None:
        """End the audio, and wait for the last words."""
        if self._task is not None:
            self._is_stopping = True
            self._may_try.set()
            self._take(None)
            await asyncio.wait({self._task}, timeout=self._stop_timeout)
        await super().stop(frame)
        await self._end_task()

    async def cancel(self, frame: CancelFrame) -> None:
        """End at once."""
        await self._end_task()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Leave nothing behind."""
        await super().cleanup()
        await self._end_task()
        if self._owns_client:
            await self.client.close()

    async def set_usable(self, is_usable: bool) -> None:
        """Note whether new attempts make sense: not after a refusal, until something changes."""
        await super().set_usable(is_usable)
        if is_usable:
            self._may_try.set()
        else:
            self._may_try.clear()

    async def _update_settings(  # type: ignore[override]
        self, delta: STTSettings
    ) -> dict[str, Any]:
        """Apply a change; refuse one that cannot be, and stay with what was."""
        before = self._settings.copy()
        try:
            changed = await super()._update_settings(delta)
            parameters = self._stream_parameters()
        except ValidationException as error:
            self._settings = before
            await self.push_error(
                f"the settings stay as they were: {error}",
                exception=error,
                category=ErrorCategory.APPLICATION,
            )
            return {}
        if changed and self._listener is not None:
            self._listener.update(parameters)
        return changed

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)

    # Audio

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        """Take audio; what it says comes in frames of its own.

        :param audio: 16-bit mono PCM at the pipeline's rate.
        """
        self._seconds_taken += len(audio) / (2 * self.sample_rate)
        if self._take(audio):
            yield ErrorFrame("Amazon Transcribe is away for too long: the oldest audio is dropped")
        yield None

    def _take(self, audio: bytes | None) -> bool:
        """Queue audio or its end, and return whether the oldest begins to be dropped for it."""
        drops = self._audio.full()
        if drops:
            self._audio.get_nowait()
        self._audio.put_nowait(audio)
        begins, self._drops_audio = drops and not self._drops_audio, drops
        return begins

    async def _receive(self) -> bytes | None:
        return await self._audio.get()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note where the voice detector heard the last speech end."""
        if isinstance(frame, VADUserStoppedSpeakingFrame) and self._listener is not None:
            heard = self._seconds_taken + self._listener.silence
            self._spoken_until = heard - frame.stop_secs
        await super().process_frame(frame, direction)

    # What is heard

    async def _listen(self, listener: Listener) -> None:
        while True:
            try:
                await listener.run()
                return
            except SDKError as error:
                await self._call_event_handler("on_connection_error", str(error))
                await self.push_error(
                    f"Amazon Transcribe: {type(error).__name__}: {error}",
                    exception=error,
                    force_treat_as_permanent=not is_retryable(error),
                )
            finally:
                await self._set_connected(False)
            if not self._is_stopping:
                await asyncio.sleep(_RETRY_PAUSE)
                await self._may_try.wait()
            if self._is_stopping:
                return

    async def _set_connected(self, is_connected: bool) -> None:
        if is_connected != self._is_connected:
            self._is_connected = is_connected
            await self._call_event_handler("on_connected" if is_connected else "on_disconnected")

    async def _give(self, heard: Heard) -> None:
        """Pass on what is heard in Pipecat's words."""
        if isinstance(heard, Phrase):
            await self._push_phrase(heard)
        elif isinstance(heard, SpeechStarted) and self._finds_turns:
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
        elif isinstance(heard, SpeechEnded) and self._finds_turns:
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)
        elif isinstance(heard, (Connected, Reconnected)):
            await self._set_connected(True)
        elif isinstance(heard, Reconnecting):
            await self._set_connected(False)

    async def _push_phrase(self, phrase: Phrase) -> None:
        user = phrase.speaker or self._user_id
        language = self._language_of(phrase)
        if phrase.kind != "final":
            await self.push_frame(
                InterimTranscriptionFrame(
                    phrase.text, user, time_now_iso8601(), language, phrase.result
                )
            )
            return
        await self.emit_stt_usage_metrics()  # first, as tracing attaches it to the transcript
        if self._covers_all_speech(phrase):
            self.request_finalize()
            self.confirm_finalize()
        await self.push_frame(
            TranscriptionFrame(phrase.text, user, time_now_iso8601(), language, phrase.result)
        )
        await self._handle_transcription(phrase.text, True, language)

    def _covers_all_speech(self, phrase: Phrase) -> bool:
        """Tell whether nothing is to come of what the voice detector has heard."""
        if self._user_speaking or self._spoken_until is None:
            return False
        return phrase.end >= self._spoken_until - _TOLERANCE

    def _language_of(self, phrase: Phrase) -> Language | None:
        code = next(iter(phrase.languages), self._settings.language)
        try:
            return Language(str(code))
        except ValueError:
            return None

    @traced_stt
    async def _handle_transcription(
        self, transcript: str, is_final: bool, language: Language | None = None
    ) -> None:
        """Take a final transcript, which Pipecat's tracing sees here."""

    def _stream_parameters(self) -> dict[str, Any]:
        settings = self._settings
        parameters = dict(settings.extra)
        if is_given(settings.model) and settings.model is not None:
            parameters["language_model_name"] = settings.model
        language = settings.language if is_given(settings.language) else None
        return agent_parameters(language, parameters)
