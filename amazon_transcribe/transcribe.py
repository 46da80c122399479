"""A whole recording in one call: audio in, a `Transcription` out.

    transcription = await client.transcribe("talk.wav")
    print(transcription.text)

`client.transcribe`, `transcribe_call`, `transcribe_medical` and `transcribe_medical_scribe` are
made of this module, and with them the calls of `files` and `sync`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from . import captions
from ._protocol.constants import SILENT_SAMPLE
from ._protocol.shapes import Keys
from ._stream.open_stream import OpenStream
from .audio import AudioSource, Channels, Lookahead, Recording, open_audio, paced
from .audio._clock import clock_of
from .call_analytics import (
    CallAnalyticsParameters,
    CategoryEvent,
    ChannelDefinition,
    ConfigurationEvent,
    StartCallAnalyticsStreamTranscriptionEventStream,
    UtteranceEvent,
)
from .captions import Word
from .exceptions import InvalidParameterException, SDKError
from .medical import (
    MedicalParameters,
    MedicalTranscriptEvent,
    StartMedicalStreamTranscriptionEventStream,
)
from .medical_scribe import (
    MedicalScribeConfigurationEvent,
    MedicalScribeParameters,
    MedicalScribeTranscriptEvent,
    StartMedicalScribeStreamEventStream,
)
from .results import results_of
from .resume import Reconnected, Reconnecting, ResumableTranscription
from .transcription import Result, TranscriptEvent, TranscriptionClient, TranscriptionParameters

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "IncompleteTranscription",
    "OnCallEvent",
    "OnConnection",
    "OnEvent",
    "OnMedicalEvent",
    "OnScribeEvent",
    "Source",
    "Transcription",
]

Source: TypeAlias = Recording | tuple[Recording, Recording] | AudioSource
"""What is transcribed: whatever `audio.open_audio` takes, or what it gave."""

OnEvent: TypeAlias = Callable[[TranscriptEvent], object]
"""Called with each event; what it returns is awaited if it can be."""

OnCallEvent: TypeAlias = Callable[[UtteranceEvent | CategoryEvent], object]
"""Called with each event of a call, as `OnEvent` is."""

OnMedicalEvent: TypeAlias = Callable[[MedicalTranscriptEvent], object]
"""Called with each event of a medical transcription, as `OnEvent` is."""

OnScribeEvent: TypeAlias = Callable[[MedicalScribeTranscriptEvent], object]
"""Called with each event of a scribe's session, as `OnEvent` is."""

OnConnection: TypeAlias = Callable[[Reconnecting | Reconnected], object]
"""Called when a connection is lost and when there is one again, as `OnEvent` is."""

# In audio sent ahead of the results, as its signatures are good for five minutes.
_REPLAY_SECONDS = 240.0
_RESULT_TIMEOUT = 30.0
# For a recogniser on a busy machine, which has all that audio before it.
_AHEAD_RESULT_TIMEOUT = 120.0

_AGENT_FIRST = ConfigurationEvent([ChannelDefinition(0, "AGENT"), ChannelDefinition(1, "CUSTOMER")])


@dataclass(frozen=True)
class Transcription:
    """What was said in a recording.

    :param results: The final results in the order in which they came.
    :param seconds: The length of the audio that was sent, in seconds; None if unknown.
    :param categories: The categories that a call has matched, as they came; empty for all
        but calls.
    :param session_id: The session's id: for questions to the service's support, and for
        `get_medical_scribe_stream`.
    """

    results: list[Result] = field(default_factory=list)
    seconds: float | None = None
    categories: list[CategoryEvent] = field(default_factory=list)
    session_id: str | None = None

    @property
    def text(self) -> str:
        """The whole text in one line."""
        return " ".join(self.to_text().splitlines())

    @property
    def words(self) -> list[Word]:
        """The words with their times, in the order of their start."""
        return captions.words(self.results, self._duration)

    def to_text(self, *, names: Mapping[str, str] | None = None) -> str:
        """Return the text with a line for each result.

        :param names: The names of speakers and channels by their labels, such as
            `{"0": "Anna"}` or `{"ch_0": "Anna"}`. Each turn then has a line of its own,
            which begins with the name.
        """
        return captions.to_text(self.results, names=names)

    def to_srt(self, *, names: Mapping[str, str] | None = None) -> str:
        """Return SubRip captions.

        :param names: As in `to_text`; each turn then begins with the name.
        """
        return captions.to_srt(self.results, self._duration, names=names)

    def to_vtt(self, *, names: Mapping[str, str] | None = None) -> str:
        """Return WebVTT captions, with voice tags where speakers or channels are told apart.

        :param names: As in `to_text`.
        """
        return captions.to_vtt(self.results, self._duration, names=names)

    def to_json(self, keys: Keys = "service") -> str:
        """Return one JSON document: `transcript`, the whole text, and `results`.

        That of a call which has matched categories has `categories` too.

        :param keys: Whose names the results' fields have: the service's, or with
            `"python"` those in Python.
        :raises ValidationException: for any other `keys`.
        """
        return captions.to_json([*self.results, *self.categories], keys)

    @property
    def _duration(self) -> float | None:
        return self.seconds or None


class IncompleteTranscription(SDKError):
    """A transcription that failed after its start; what was heard until then is not lost.

    :param transcription: What was heard: the final results that had come.
    :param reason: Why it failed: the stream's end, as `docs/how-to/ends` has them, or audio
        that cannot be read further. It is the `__cause__` too.
    """

    def __init__(self, transcription: Transcription, reason: SDKError) -> None:
        super().__init__(transcription, reason)
        self.transcription = transcription
        self.reason = reason
        self.request_id: str | None = reason.request_id
        self.session_id: str | None = reason.session_id
        self.audio_bytes_sent: int = reason.audio_bytes_sent

    def _text(self) -> str:
        return f"{self.reason} (the transcription is incomplete)"


class SourceParameters(TranscriptionParameters, total=False):
    """The keywords of `client.transcribe` that `transcribe_file` hands on.

    Those of the service are described at `start_stream_transcription`.
    """

    session_id: str | None
    session_resume_window: int | None
    sample_rate_hz: int | None
    channels: Channels
    passthrough: bool
    on_event: OnEvent | None
    on_connection: OnConnection | None


class CallSourceParameters(CallAnalyticsParameters, total=False):
    """The keywords of `client.transcribe_call` besides `realtime`."""

    sample_rate_hz: int | None
    passthrough: bool
    on_event: OnCallEvent | None


class MedicalSourceParameters(MedicalParameters, total=False):
    """The keywords of `client.transcribe_medical` besides `realtime`."""

    sample_rate_hz: int | None
    channels: Channels
    passthrough: bool
    on_event: OnMedicalEvent | None


class ScribeSourceParameters(MedicalScribeParameters, total=False):
    """The keywords of `client.transcribe_medical_scribe` besides `configuration` and `realtime`."""

    sample_rate_hz: int | None
    channels: Channels
    passthrough: bool
    on_event: OnScribeEvent | None


async def transcribe(
    client: TranscriptionClient,
    source: Source,
    *,
    realtime: bool,
    sample_rate_hz: int | None = None,
    channels: Channels = "mix",
    passthrough: bool = False,
    on_event: OnEvent | None = None,
    on_connection: OnConnection | None = None,
    session_id: str | None = None,
    session_resume_window: int | None = 300,
    **parameters: Unpack[TranscriptionParameters],
) -> Transcription:
    """Transcribe a recording; see `TranscribeStreamingClient.transcribe`."""
    _check_callable(on_event=on_event, on_connection=on_connection)
    if not (parameters.get("identify_language") or parameters.get("identify_multiple_languages")):
        parameters.setdefault("language_code", "en-US")
    async with _opening(source, sample_rate_hz, channels, passthrough) as audio:
        if audio.channels > 1:
            parameters["enable_channel_identification"] = True
            parameters["number_of_channels"] = audio.channels
        elif parameters.get("enable_channel_identification"):
            raise InvalidParameterException(
                "enable_channel_identification",
                "one channel is sent of this audio: channels='split' tells the two of a stereo"
                " recording apart, and two recordings can be the two sides of a call",
            )
        if audio.media_encoding not in SILENT_SAMPLE:  # it cannot be cut, hence not resumed
            once = await client.start_stream_transcription(
                media_sample_rate_hz=audio.sample_rate_hz,
                media_encoding=audio.media_encoding,
                session_id=session_id,
                session_resume_window=session_resume_window,
                **parameters,
            )
            return await _converse_once(once, audio, realtime, on_event)
        stream = ResumableTranscription(
            client,
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding=audio.media_encoding,
            session_id=session_id,
            session_resume_window=session_resume_window,
            replay_seconds=_REPLAY_SECONDS,
            result_timeout=_RESULT_TIMEOUT if realtime else _AHEAD_RESULT_TIMEOUT,
            **parameters,
        )
        async with stream:
            sender = _Sender(stream, audio, realtime)
            return await _converse(sender, stream, stream.session_id, on_event, on_connection)


async def transcribe_call(
    start: Callable[..., Awaitable[StartCallAnalyticsStreamTranscriptionEventStream]],
    source: Source,
    *,
    realtime: bool,
    sample_rate_hz: int | None = None,
    passthrough: bool = False,
    on_event: OnCallEvent | None = None,
    **parameters: Unpack[CallAnalyticsParameters],
) -> Transcription:
    """Transcribe and analyse a call; see `TranscribeStreamingClient.transcribe_call`."""
    _check_callable(on_event=on_event)
    if not parameters.get("identify_language"):
        parameters.setdefault("language_code", "en-US")
    parameters.setdefault("configuration", _AGENT_FIRST)
    channels: Channels = "mix" if isinstance(source, tuple) else "split"  # mix: of each side
    async with _opening(source, sample_rate_hz, channels, passthrough) as audio:
        if audio.channels != 2:
            raise InvalidParameterException(
                "source",
                "a call needs two channels, the agent's and the customer's, and this audio has"
                f" {audio.channels}: split a stereo recording, or give the two sides as two"
                " recordings",
            )
        stream = await start(
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding=audio.media_encoding,
            **parameters,
        )
        return await _converse_once(stream, audio, realtime, on_event)


async def transcribe_medical(
    start: Callable[..., Awaitable[StartMedicalStreamTranscriptionEventStream]],
    source: Source,
    *,
    realtime: bool,
    sample_rate_hz: int | None = None,
    channels: Channels = "mix",
    passthrough: bool = False,
    on_event: OnMedicalEvent | None = None,
    **parameters: Unpack[MedicalParameters],
) -> Transcription:
    """Transcribe medical speech; see `TranscribeStreamingClient.transcribe_medical`."""
    _check_callable(on_event=on_event)
    defaults: MedicalParameters = {
        "language_code": "en-US",
        "specialty": "PRIMARYCARE",
        "type": "CONVERSATION",
    }
    async with _opening(source, sample_rate_hz, channels, passthrough) as audio:
        has_channels = audio.channels > 1
        stream = await start(
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding=audio.media_encoding,
            enable_channel_identification=has_channels or None,
            number_of_channels=audio.channels if has_channels else None,
            **{**defaults, **parameters},
        )
        return await _converse_once(stream, audio, realtime, on_event)


async def transcribe_medical_scribe(
    start: Callable[..., Awaitable[StartMedicalScribeStreamEventStream]],
    source: Source,
    *,
    configuration: MedicalScribeConfigurationEvent,
    realtime: bool,
    sample_rate_hz: int | None = None,
    channels: Channels = "mix",
    passthrough: bool = False,
    on_event: OnScribeEvent | None = None,
    **parameters: Unpack[MedicalScribeParameters],
) -> Transcription:
    """Scribe a session; see `TranscribeStreamingClient.transcribe_medical_scribe`."""
    _check_callable(on_event=on_event)
    parameters.setdefault("language_code", "en-US")
    async with _opening(source, sample_rate_hz, channels, passthrough) as audio:
        if audio.channels > 1 and configuration.channel_definitions is None:
            raise InvalidParameterException(
                "configuration.channel_definitions",
                "the audio has two channels: say who speaks on them by the configuration's"
                " channel_definitions",
            )
        stream = await start(
            media_sample_rate_hz=audio.sample_rate_hz,
            media_encoding=audio.media_encoding,
            configuration=configuration,
            **parameters,
        )
        return await _converse_once(stream, audio, realtime, on_event)


def _check_callable(**told: object) -> None:
    """Refuse what cannot be called while nothing is sent yet."""
    for name, function in told.items():
        if not (function is None or callable(function)):
            raise InvalidParameterException(name, f"{name} must be a function, not {function!r}")


def _opening(
    source: Source, sample_rate_hz: int | None, channels: Channels, passthrough: bool
) -> AbstractAsyncContextManager[AudioSource]:
    """Open the source, or use what is open: that is the caller's to close."""
    if isinstance(source, AudioSource):
        return nullcontext(source)
    return open_audio(
        source, sample_rate_hz=sample_rate_hz, channels=channels, passthrough=passthrough
    )


async def _converse_once(
    stream: OpenStream[Any, Any, Any],
    audio: AudioSource,
    realtime: bool,
    on_event: Callable[[Any], object] | None,
) -> Transcription:
    """Converse over a stream that ends with its connection."""
    async with stream:
        sender = _Sender(stream.input_stream, audio, realtime, Lookahead())
        session_id = stream.response.session_id
        return await _converse(sender, stream.output_stream, session_id, on_event)


async def _converse(
    sender: _Sender,
    events: AsyncIterator[Any],
    session_id: str | None,
    on_event: Callable[[Any], object] | None,
    on_connection: OnConnection | None = None,
) -> Transcription:
    """Send all audio and take all results.

    Audio that fails ends the input, so that the last results still come.
    """
    heard = Transcription(session_id=session_id)
    sending = asyncio.create_task(sender.run())
    try:
        while True:
            try:
                event = await anext(events, None)
                if event is None:
                    await sending
                    return replace(heard, seconds=sender.seconds)
            except SDKError as error:
                incomplete = replace(heard, seconds=sender.seconds)
                raise IncompleteTranscription(incomplete, error) from error
            told: object = None  # not above: what the program raises is its own
            if isinstance(event, (Reconnecting, Reconnected)):
                told = on_connection and on_connection(event)
            else:
                if isinstance(event, CategoryEvent):
                    heard.categories.append(event)
                for result in results_of(event):
                    sender.advance(result.end_time)
                    if not result.is_partial:
                        heard.results.append(result)
                told = on_event and on_event(event)
            if inspect.isawaitable(told):
                await told
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


class _AudioInput(Protocol):
    """What takes the audio: the input of an open stream, or a resumable transcription."""

    async def send_audio_event(self, audio_chunk: bytes) -> None: ...

    async def end_stream(self) -> None: ...


class _Sender:
    """Sends the audio and ends the input, whatever becomes of the audio.

    :param lookahead: How far audio may run ahead of the results, where the input itself has
        no limit.
    """

    def __init__(
        self,
        audio_in: _AudioInput,
        audio: AudioSource,
        realtime: bool,
        lookahead: Lookahead | None = None,
    ) -> None:
        self._audio_in = audio_in
        self._audio = audio
        self._realtime = realtime
        self._lookahead = lookahead
        self.seconds = 0.0
        """The seconds of audio that were sent."""

    def advance(self, position: float | None) -> None:
        """Note how far in the audio the results are."""
        if self._lookahead is not None:
            self._lookahead.advance(position)

    async def run(self) -> None:
        audio = self._audio
        clock = clock_of(audio.media_encoding, audio.sample_rate_hz, audio.channels)
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    await self._audio_in.send_audio_event(chunk)
                    self.seconds += clock.seconds(chunk)
        finally:
            await self._audio_in.end_stream()

    def _chunks(self) -> AsyncGenerator[bytes, None]:
        audio = self._audio
        if audio.stop is not None:  # a microphone has its own pace
            return audio.chunks
        if self._realtime:
            return paced(audio)
        return audio.chunks if self._lookahead is None else self._lookahead.limit(audio)
