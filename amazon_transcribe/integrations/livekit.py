"""LiveKit Agents: speech to text by Amazon Transcribe, for an `AgentSession` or by itself.

    session = AgentSession(stt=livekit.STT(language="en-US"), turn_detection="stt", ...)

It needs the extra `livekit`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict
from weakref import WeakSet

from ..client import TranscribeStreamingClient
from ..exceptions import (
    InvalidParameterException,
    SDKError,
    ServiceException,
    TimeoutException,
    ValidationException,
    missing_extra,
)
from ..files import chosen_region
from ..resume import Reconnected
from ..resume._policy import is_retryable
from ..transcription import TranscriptionParameters
from ._listener import (
    MAX_FAILURES,
    SILENCE_AFTER,
    AudioSent,
    Connected,
    Heard,
    Listener,
    check_silence_after,
)
from ._parameters import agent_parameters
from ._speech import Phrase, SpeechEnded, SpeechStarted, mean_confidence, words_of

try:
    from livekit import rtc
    from livekit.agents import (
        DEFAULT_API_CONNECT_OPTIONS,
        APIConnectionError,
        APIConnectOptions,
        APIError,
        APIStatusError,
        APITimeoutError,
        LanguageCode,
        stt,
        utils,
    )
    from livekit.agents.types import NOT_GIVEN, NotGivenOr, TimedString
except ImportError as error:
    raise ValidationException(
        missing_extra("amazon_transcribe.integrations.livekit", "livekit", error)
    ) from error

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["STT", "SpeechStream"]


class STT(stt.STT[str]):
    """Speech to text by Amazon Transcribe.

    :param language: The language, such as `"en-US"` or `"de"`; None with
        `identify_language` or `identify_multiple_languages`.
    :param region: The region of the object's own client; by default that of AWS_REGION or
        AWS_DEFAULT_REGION.
    :param client: Another client, which the program closes. It may have other keys or another
        endpoint, and objects can share it.
    :param sample_rate_hz: The rate to which LiveKit brings the audio, 8,000 to 48,000 Hz.
    :param silence_after: Seconds without audio after which silence is sent in its place, above
        0 and under 15, so that a segment ends when a microphone is muted in it. None sends
        none: the stream ends in a pause, and begins again after it.
    :param parameters: Others of `start_stream_transcription`. Unless they say otherwise,
        partial results are stabilised, highly.
    :raises InvalidParameterException: for a language, a name or a number that cannot be.
    :raises ValidationException: without a region, and for one that cannot be.
    """

    def __init__(
        self,
        *,
        language: str | None = "en-US",
        region: str | None = None,
        client: TranscribeStreamingClient | None = None,
        sample_rate_hz: int = 16_000,
        silence_after: float | None = SILENCE_AFTER,
        **parameters: Unpack[TranscriptionParameters],
    ) -> None:
        check_silence_after(silence_after)
        self._language = language
        self._parameters = parameters
        agent_parameters(language, parameters)  # refused here, not when somebody speaks
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=True,
                diarization=bool(parameters.get("show_speaker_label")),
                aligned_transcript="word",
            )
        )
        self._owns_client = client is None
        self.client: TranscribeStreamingClient = client or TranscribeStreamingClient(
            region=chosen_region(region)
        )
        """The client that makes the connections."""
        self._sample_rate_hz = sample_rate_hz
        self._silence_after = silence_after
        self._streams: WeakSet[SpeechStream] = WeakSet()

    @property
    def model(self) -> str:
        """The custom language model, if there is one."""
        return self._parameters.get("language_model_name") or "standard"

    @property
    def provider(self) -> str:
        """The service's name."""
        return "Amazon Transcribe"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> SpeechStream:
        """Begin a stream, which connects with its first audio.

        :param language: Another language than the object's.
        :param conn_options: `timeout` is that of the start. A `max_retry` below LiveKit's
            default, such as a `FallbackAdapter`'s, is how many connections may fail in a row.
        """
        stream = SpeechStream(
            self,
            language=language if utils.is_given(language) else self._language,
            parameters=self._parameters,
            sample_rate_hz=self._sample_rate_hz,
            silence_after=self._silence_after,
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    def update_options(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        **parameters: Unpack[TranscriptionParameters],
    ) -> None:
        """Change parameters, those of open streams too, from the next audio on.

        :param language: Another language.
        :param parameters: Those to change.
        :raises InvalidParameterException: for a language or a name that cannot be.
        """
        chosen = language if utils.is_given(language) else self._language
        changed: TranscriptionParameters = {**self._parameters, **parameters}
        agent_parameters(chosen, changed)
        self._language, self._parameters = chosen, changed
        for stream in self._streams:
            stream.update_options(language=language, **parameters)

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        """Hear a whole recording, by a stream of its own, at the speed of speech."""
        chosen = language if utils.is_given(language) else self._language
        parameters = agent_parameters(chosen, self._parameters)
        try:
            said = await self.client.transcribe(
                rtc.combine_audio_frames(buffer).to_wav_bytes(), **parameters
            )
        except SDKError as error:
            raise api_error(error) from error
        best = [each.alternatives[0] for each in said.results if each.alternatives]
        words = words_of([item for alternative in best for item in alternative.items])
        found = next((each.language_code for each in said.results if each.language_code), None)
        data = stt.SpeechData(
            language=LanguageCode(found or parameters.get("language_code") or ""),
            text=said.text.strip(),
            start_time=(said.results[0].start_time or 0.0) if said.results else 0.0,
            end_time=(said.results[-1].end_time or 0.0) if said.results else 0.0,
            confidence=mean_confidence(words),
        )
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])

    async def aclose(self) -> None:
        """Close every stream, and the client if it is the object's own."""
        for stream in list(self._streams):
            await stream.aclose()
        if self._owns_client:
            await self.client.close()


class SpeechStream(stt.RecognizeStream):
    """One stream of speech, made by `STT.stream`."""

    def __init__(
        self,
        owner: STT,
        *,
        language: str | None,
        parameters: TranscriptionParameters,
        sample_rate_hz: int,
        silence_after: float | None,
        conn_options: APIConnectOptions,
    ) -> None:
        self._language = language
        self._parameters = parameters
        self._listener = Listener(
            owner.client,
            self._receive,
            self._give,
            sample_rate_hz=sample_rate_hz,
            parameters=agent_parameters(language, parameters),
            silence_after=silence_after,
            start_timeout=conn_options.timeout,
            max_failures=_max_failures(conn_options),
        )
        self._began: float | None = None  # the first audio's time of day
        self._offset = 0.0
        super().__init__(stt=owner, conn_options=conn_options, sample_rate=sample_rate_hz)

    def update_options(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        **parameters: Unpack[TranscriptionParameters],
    ) -> None:
        """Change parameters from the next audio on; what was said before is heard to its end.

        :param language: Another language.
        :param parameters: Those to change.
        :raises InvalidParameterException: for a language or a name that cannot be.
        """
        chosen = language if utils.is_given(language) else self._language
        changed: TranscriptionParameters = {**self._parameters, **parameters}
        self._listener.update(agent_parameters(chosen, changed))
        self._language, self._parameters = chosen, changed

    async def _run(self) -> None:
        try:
            await self._listener.run()
        except SDKError as error:
            raise api_error(error) from error

    async def _receive(self) -> bytes | None:
        """Wait for the next frame."""
        while True:
            try:
                frame = await self._input_ch.recv()
            except utils.aio.ChanClosed:
                return None
            if isinstance(frame, rtc.AudioFrame):
                break
        if frame.num_channels != 1:
            raise InvalidParameterException(
                "frame", f"an agent's audio has one channel, this frame has {frame.num_channels}"
            )
        if self._began is None:
            # Times count from the first audio. After a failed attempt LiveKit raises the
            # offset by the time that has passed, but the stream's own times go on.
            self._began = self.start_time = time.time()
            self._offset = round(self.start_time_offset, 3)
        return frame.data.tobytes()

    async def _give(self, heard: Heard) -> None:
        """Pass on what is heard in LiveKit's words."""
        types = stt.SpeechEventType
        if isinstance(heard, SpeechStarted):
            self._emit(types.START_OF_SPEECH, speech_start_time=self._time_of_day(heard.time))
        elif isinstance(heard, SpeechEnded):
            self._emit(types.END_OF_SPEECH, speech_end_time=self._time_of_day(heard.time))
        elif isinstance(heard, Phrase):
            kind = {
                "partial": types.INTERIM_TRANSCRIPT,
                "stable": types.PREFLIGHT_TRANSCRIPT,
                "final": types.FINAL_TRANSCRIPT,
            }[heard.kind]
            self._emit(
                kind,
                alternatives=[self._data(heard)],
                speech_end_time=self._time_of_day(heard.end),
            )
        elif isinstance(heard, AudioSent):
            usage = stt.RecognitionUsage(audio_duration=heard.seconds)
            self._emit(types.RECOGNITION_USAGE, recognition_usage=usage)
        elif isinstance(heard, Connected):
            self._report_connection_acquired(heard.seconds, False)
        elif isinstance(heard, Reconnected):
            self._report_connection_acquired(heard.outage, False)

    def _emit(self, kind: stt.SpeechEventType, **fields: Unpack[_EventFields]) -> None:
        request_id = self._listener.request_id or ""
        self._event_ch.send_nowait(stt.SpeechEvent(kind, request_id, **fields))

    def _data(self, phrase: Phrase) -> stt.SpeechData:
        languages = [LanguageCode(code) for code in phrase.languages]
        return stt.SpeechData(
            language=languages[0] if languages else LanguageCode(self._language or ""),
            text=phrase.text,
            start_time=phrase.start + self._offset,
            end_time=phrase.end + self._offset,
            confidence=phrase.confidence,
            speaker_id=phrase.speaker,
            words=[
                TimedString(
                    word.text,
                    NOT_GIVEN if word.start is None else word.start + self._offset,
                    NOT_GIVEN if word.end is None else word.end + self._offset,
                    NOT_GIVEN if word.confidence is None else word.confidence,
                    self._offset,
                    word.speaker,
                )
                for word in phrase.words
            ],
            source_languages=languages or None,
        )

    def _time_of_day(self, seconds: float) -> float:
        now = time.time()  # audio may come faster than it is spoken
        return now if self._began is None else min(self._began + seconds, now)


def _max_failures(options: APIConnectOptions) -> int:
    """Return how many connections may fail in a row; few, where another service stands by."""
    is_default = options.max_retry >= DEFAULT_API_CONNECT_OPTIONS.max_retry
    return MAX_FAILURES if is_default else options.max_retry


class _EventFields(TypedDict, total=False):
    alternatives: list[stt.SpeechData]
    recognition_usage: stt.RecognitionUsage
    speech_start_time: float
    speech_end_time: float


def api_error(error: SDKError) -> APIError:
    """Return a failure as LiveKit's, which says whether another attempt may do better."""
    retryable = is_retryable(error)
    if isinstance(error, ServiceException):
        return APIStatusError(
            error.message,
            status_code=error.status_code,
            body={"type": type(error).__name__},
            retryable=retryable,
        )
    if isinstance(error, TimeoutException):
        return APITimeoutError(str(error), retryable=retryable)
    return APIConnectionError(f"{type(error).__name__}: {error}", retryable=retryable)
