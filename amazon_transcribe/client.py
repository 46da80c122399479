"""The client: starts streams and keeps their connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ._net.origin import Origin
from ._protocol.constants import (
    CallAnalyticsLanguageCode,
    LanguageCode,
    MediaEncoding,
    MedicalTranscriptionType,
    PartialResultsStability,
    ScribeMediaEncoding,
    Specialty,
    TranscriptFormat,
    VocabularyFilterMethod,
)
from ._protocol.constraints import Integer, check_above_zero
from ._stream.idle import IDLE_AFTER, Idle
from ._stream.live import MAX_UNREAD, RESULT_TIMEOUT
from ._stream.open_stream import AudioStream
from ._stream.parts import LIMITS, OBSERVES, RESOLVES, TRANSPORTS, check_part
from ._stream.start import Starter
from .auth import CredentialSource, credential_resolver_of
from .endpoints import (
    BaseEndpointResolver,
    StaticEndpointResolver,
    checked_region,
    default_resolver,
)
from .exceptions import InvalidParameterException, StreamClosedException, ValidationException
from .limiter import Limiter
from .observe import Observer
from .transcription import (
    START_STREAM_TRANSCRIPTION,
    StartStreamTranscriptionEventStream,
    StartStreamTranscriptionRequest,
)
from .transports.base import Transport
from .transports.h2 import H2Transport
from .transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._protocol.operation import Operation
    from .call_analytics import (
        ConfigurationEvent,
        StartCallAnalyticsStreamTranscriptionEventStream,
        StartCallAnalyticsStreamTranscriptionRequest,
    )
    from .medical import (
        StartMedicalStreamTranscriptionEventStream,
        StartMedicalStreamTranscriptionRequest,
    )
    from .medical_scribe import (
        GetMedicalScribeStreamResponse,
        MedicalScribeConfigurationEvent,
        StartMedicalScribeStreamEventStream,
        StartMedicalScribeStreamRequest,
    )
    from .transcribe import (
        CallSourceParameters,
        MedicalSourceParameters,
        ScribeSourceParameters,
        Source,
        SourceParameters,
        Transcription,
    )


class TranscribeStreamingClient:
    """Starts streams at Amazon Transcribe, or at anything that speaks its protocol.

    One client serves any number of concurrent streams. It may be made before its event
    loop runs. As an async context manager, or closed by `close()`, it keeps idle
    connections for the next stream; used without, it keeps none, and nothing is left
    over if nobody closes it.

    :param region: The AWS region, e.g. `"us-east-2"`.
    :param endpoint_resolver: Gives the endpoint; by default the one named in
        AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING or AWS_ENDPOINT_URL, else the region's.
    :param credential_resolver: Gives credentials, once per stream; by default AWS's
        chain (environment, profiles, web identity, container, instance). Any object
        with an async `get_credentials` will do, and so will a session of boto3, botocore,
        aioboto3 or aiobotocore, the credentials of one, and a provider of awscrt.
    :param endpoint_url: The endpoint itself: `https://HOST[:PORT]`, or
        `http://HOST[:PORT]` for HTTP/2 without TLS; `wss://…` or `ws://…` for WebSocket.
        Goes before the resolver.
    :param max_streams_per_connection: One by default, as the service documents; the
        peer's SETTINGS are obeyed in any case.
    :param connect_timeout: Seconds for opening a connection.
    :param start_timeout: Seconds for a whole start, from credentials to the response,
        with all its attempts.
    :param start_attempts: How often a start is tried that fails with HTTP 429 or 503,
        without a connection, or on a connection that breaks or refuses the stream before
        the answer; with growing, random waits between. 1 for no retries. A kept
        connection that turns out dead, and a signature that the service refuses because
        our clock is more than a minute off, cost no attempt.
    :param idle_timeout: Seconds in which a stream neither sends audio nor receives anything
        until a wait for its results fails, give or take a quarter. The service itself
        ends a stream 15 s after its last audio.
    :param max_unsent: Bytes of one stream's audio that may be on their way unsent before
        `send_audio_event` waits.
    :param max_unread: Bytes of one stream's events that may lie unread, with 160 bytes for
        each event; by default 64 MiB. A program may send everything first and read then: so
        much holds the transcript of two hours of speech, partial results included, and is
        taken only as events come. Where more come, the stream ends with an
        `UnreadResultsException`, and those before it can still be read.
    :param ssl_context: For `https`; by default the system's authorities and those in
        SSL_CERT_FILE and AWS_CA_BUNDLE are trusted. Clients may share one; its ALPN is
        set anew for each connection.
    :param limiter: Holds concurrent streams and starts per second under the account's
        limits, for this client alone or for several that share it; see `limiter`. A start
        waits there within its `start_timeout`.
    :param observer: Told what happens, in numbers and times; see `observe`.
    :param transport: `"websocket"` reaches the endpoint by WebSocket, whatever the scheme
        of its URL, and the region's own on port 8443: for places where HTTP/2 does not
        pass. It needs the extra `websocket`, and has a connection for each stream. None
        goes by the scheme. An object of the shape of `transports.base.Transport` carries
        the streams itself.
    :raises ValidationException: for a region, a number or an object that cannot be.

    Connections are made through the proxy named by HTTPS_PROXY, HTTP_PROXY or ALL_PROXY,
    unless NO_PROXY has the host; loopback addresses need no exception.
    """

    service_name = "transcribe"

    def __init__(
        self,
        *,
        region: str,
        endpoint_resolver: BaseEndpointResolver | None = None,
        credential_resolver: CredentialSource | None = None,
        endpoint_url: str | None = None,
        max_streams_per_connection: int = 1,
        connect_timeout: float = 5.0,
        start_timeout: float = 12.0,
        start_attempts: int = 3,
        idle_timeout: float = RESULT_TIMEOUT,
        max_unsent: int = 1024 * 1024,
        max_unread: int = MAX_UNREAD,
        ssl_context: ssl.SSLContext | None = None,
        limiter: Limiter | None = None,
        observer: Observer | None = None,
        transport: Transport | Literal["websocket"] | None = None,
    ) -> None:
        region = checked_region(region)
        check_above_zero(
            max_streams_per_connection=max_streams_per_connection,
            connect_timeout=connect_timeout,
            start_timeout=start_timeout,
            start_attempts=start_attempts,
            idle_timeout=idle_timeout,
            max_unsent=max_unsent,
            max_unread=max_unread,
        )
        if endpoint_url is not None:
            Origin.parse(endpoint_url)
            endpoint_resolver = StaticEndpointResolver(endpoint_url)
        if isinstance(transport, str) and transport != "websocket":
            raise ValidationException(
                f"transport must be 'websocket' or an object, not {transport!r}"
            )
        if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
            raise ValidationException(f"ssl_context must be an ssl.SSLContext, not {ssl_context!r}")
        check_part(
            "endpoint_resolver",
            endpoint_resolver,
            RESOLVES,
            "an object with an async resolve(region) that returns a URL (a URL itself goes into"
            " endpoint_url)",
        )
        check_part("limiter", limiter, LIMITS, "a StreamLimiter or another Limiter")
        check_part("observer", observer, OBSERVES, "an Observer, or an object with its methods")
        if not isinstance(transport, str):
            check_part("transport", transport, TRANSPORTS, "'websocket' or a transport")
        self.region = region
        self._endpoint_resolver = endpoint_resolver or default_resolver()
        self._credential_resolver = credential_resolver_of(credential_resolver)
        self._transport: Transport
        self._websocket: Transport
        self._transports: list[Transport]
        if transport is None or isinstance(transport, str):
            self._transport = H2Transport(
                max_streams_per_connection=max_streams_per_connection,
                connect_timeout=connect_timeout,
                ssl_context=ssl_context,
                max_unsent=max_unsent,
            )
            self._websocket = WebSocketTransport(
                connect_timeout=connect_timeout, ssl_context=ssl_context, max_unsent=max_unsent
            )
            self._transports = [self._transport, self._websocket]
        else:
            self._transport = self._websocket = transport
            self._transports = [transport]
        self._starter = Starter(
            region=region,
            endpoint_resolver=self._endpoint_resolver,
            credential_resolver=self._credential_resolver,
            transport=self._transport,
            websocket=self._websocket,
            by_websocket=transport == "websocket",
            limiter=limiter,
            observer=observer,
            start_timeout=start_timeout,
            start_attempts=start_attempts,
            result_timeout=idle_timeout,
            max_unread=max_unread,
        )

    @property
    def limiter(self) -> Limiter | None:
        """The limiter that starts wait at."""
        return self._starter.limiter

    @property
    def observer(self) -> Observer:
        """The observer; one that does nothing where none was given."""
        return self._starter.observer

    @property
    def clock_skew(self) -> float:
        """Seconds by which the service's clock is ahead of ours; 0 up to a minute."""
        return self._starter.clock_skew

    async def start_stream_transcription(
        self,
        *,
        media_sample_rate_hz: int,
        media_encoding: MediaEncoding | str,
        language_code: LanguageCode | str | None = None,
        identify_language: bool | None = None,
        identify_multiple_languages: bool | None = None,
        language_options: Sequence[str] | str | None = None,
        preferred_language: LanguageCode | str | None = None,
        session_id: str | None = None,
        session_resume_window: int | None = None,
        enable_partial_results_stabilization: bool | None = None,
        partial_results_stability: PartialResultsStability | str | None = None,
        show_speaker_label: bool | None = None,
        enable_channel_identification: bool | None = None,
        number_of_channels: int | None = None,
        vocabulary_name: str | None = None,
        vocabulary_names: Sequence[str] | str | None = None,
        vocab_filter_name: str | None = None,
        vocabulary_filter_names: Sequence[str] | str | None = None,
        vocab_filter_names: Sequence[str] | str | None = None,
        vocab_filter_method: VocabularyFilterMethod | str | None = None,
        language_model_name: str | None = None,
        content_identification_type: Literal["PII"] | str | None = None,
        content_redaction_type: Literal["PII"] | str | None = None,
        pii_entity_types: Sequence[str] | str | None = None,
        transcript_format: TranscriptFormat | str | None = None,
        idle: Idle = "wait",
        idle_after: float = IDLE_AFTER,
    ) -> StartStreamTranscriptionEventStream:
        """Start a transcription; wrong parameters are refused before anything is sent.

        The service takes audio in real time: recorded audio must be paced (see
        `utils.apply_realtime_delay`), or the signatures of its events grow older than
        the five minutes for which the service accepts them.

        :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
        :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"`, `"flac"`,
            `"g711-alaw"`, `"g711-ulaw"` or `"g729"`.
        :param language_code: The spoken language, e.g. `"en-US"`; leave it out with
            `identify_language` or `identify_multiple_languages`.
        :param identify_language: Identify the language; needs `language_options`.
        :param identify_multiple_languages: Identify the languages as they change; needs
            `language_options`.
        :param language_options: At least two languages to choose from, a list or one string with
            commas, at most 200 characters.
        :param preferred_language: The likeliest of them.
        :param session_id: A UUID of 36 characters; by default the service makes one.
        :param session_resume_window: The minutes after the stream's start, 1–300, in which the
            session can be resumed.
        :param enable_partial_results_stabilization: Let only the last few words of a partial
            result change.
        :param partial_results_stability: The stability: `"high"`, `"medium"` or `"low"`. Has no
            effect without stabilisation.
        :param show_speaker_label: Label the speakers; not with `enable_channel_identification`.
        :param enable_channel_identification: Transcribe each channel by itself; needs
            `number_of_channels`.
        :param number_of_channels: The channels in the audio, at least 2.
        :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
        :param vocabulary_names: With language identification: custom vocabularies, a list or one
            string with commas, at most 3,000 characters in all.
        :param vocab_filter_name: A vocabulary filter, 1–200 of `[0-9a-zA-Z._-]`.
        :param vocabulary_filter_names: The same for vocabulary filters. The service intends both
            only for language identification; without it they are sent unchanged.
        :param vocab_filter_names: The original SDK's name for `vocabulary_filter_names`.
        :param vocab_filter_method: The filter's action: `"remove"`, `"mask"` or `"tag"`. Has no
            effect without a filter.
        :param language_model_name: A custom language model, 1–200 of `[0-9a-zA-Z._-]`.
        :param content_identification_type: `"PII"` marks personal information; not with
            `content_redaction_type`.
        :param content_redaction_type: `"PII"` replaces personal information.
        :param pii_entity_types: The kinds, a list or one string with commas, at most 300
            characters of `[A-Z_, ]`; needs one of the two above.
        :param transcript_format: `"spoken"` or `"written"`.
        :param idle: What to do when the program sends no audio for `idle_after` seconds:
            `"wait"`, until the service ends the stream after 15 s; `"silence"` sends a
            tenth of a second of it, again and again, in pcm and G.711 (it counts as audio:
            in the transcript's times, in `audio_bytes_sent` and on the bill); `"end"`
            ends the input, so that the stream ends cleanly with its last results.
        :param idle_after: Above 0 and under 15 s.
        :returns: The open stream: audio in by `input_stream`, events by `output_stream`.
        :raises InvalidParameterException: for what the service would refuse, before anything
            is sent. It is a `ValidationException` and a `BadRequestException`, and its
            `parameter` names what is wrong: `media_encoding`, or
            `configuration.channel_definitions[0].channel_id`.
        :raises CredentialsException: when there are no credentials.
        :raises ConnectException: when no connection can be made.
        :raises TimeoutException: when the start takes longer than `start_timeout`.
        :raises StreamException: when the connection breaks before the answer, or the client
            is closed.
        :raises ServiceException: when the service refuses.
        """
        if vocab_filter_names is not None:
            if vocabulary_filter_names is not None:
                raise InvalidParameterException(
                    "vocab_filter_names",
                    "vocab_filter_names and vocabulary_filter_names are the same parameter:"
                    " set only one of them",
                )
            vocabulary_filter_names = vocab_filter_names
        request = StartStreamTranscriptionRequest(
            media_sample_rate_hz=media_sample_rate_hz,
            media_encoding=media_encoding,
            language_code=language_code,
            identify_language=identify_language,
            identify_multiple_languages=identify_multiple_languages,
            language_options=language_options,
            preferred_language=preferred_language,
            session_id=session_id,
            session_resume_window=session_resume_window,
            enable_partial_results_stabilization=enable_partial_results_stabilization,
            partial_results_stability=partial_results_stability,
            show_speaker_label=show_speaker_label,
            enable_channel_identification=enable_channel_identification,
            number_of_channels=number_of_channels,
            vocabulary_name=vocabulary_name,
            vocabulary_names=vocabulary_names,
            vocab_filter_name=vocab_filter_name,
            vocabulary_filter_names=vocabulary_filter_names,
            vocab_filter_method=vocab_filter_method,
            language_model_name=language_model_name,
            content_identification_type=content_identification_type,
            content_redaction_type=content_redaction_type,
            pii_entity_types=pii_entity_types,
            transcript_format=transcript_format,
        )
        live, response = await self._starter.start(
            START_STREAM_TRANSCRIPTION, request, idle=idle, idle_after=idle_after
        )
        return StartStreamTranscriptionEventStream(AudioStream(live), response)

    async def start_call_analytics_stream_transcription(
        self,
        *,
        media_sample_rate_hz: int,
        media_encoding: MediaEncoding | str,
        configuration: ConfigurationEvent | None = None,
        language_code: CallAnalyticsLanguageCode | str | None = None,
        identify_language: bool | None = None,
        language_options: Sequence[str] | str | None = None,
        preferred_language: CallAnalyticsLanguageCode | str | None = None,
        session_id: str | None = None,
        enable_partial_results_stabilization: bool | None = None,
        partial_results_stability: PartialResultsStability | str | None = None,
        vocabulary_name: str | None = None,
        vocabulary_names: Sequence[str] | str | None = None,
        vocab_filter_name: str | None = None,
        vocabulary_filter_names: Sequence[str] | str | None = None,
        vocab_filter_method: VocabularyFilterMethod | str | None = None,
        language_model_name: str | None = None,
        content_identification_type: Literal["PII"] | str | None = None,
        content_redaction_type: Literal["PII"] | str | None = None,
        pii_entity_types: Sequence[str] | str | None = None,
        idle: Idle = "wait",
        idle_after: float = IDLE_AFTER,
    ) -> StartCallAnalyticsStreamTranscriptionEventStream:
        """Start the analysis of a call between an agent and a customer.

        Recorded audio must be paced: see `start_stream_transcription`.

        :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
        :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"`, `"flac"`,
            `"g711-alaw"`, `"g711-ulaw"` or `"g729"`.
        :param configuration: Who speaks on which channel, and what becomes of the call
            after its end. It is sent first, before any audio. When it is not at hand
            yet, leave it out here and send it by
            `input_stream.send_configuration_event` before any audio.
        :param language_code: The spoken language: `"en-US"`, `"en-GB"`, `"es-US"`, `"fr-CA"`,
            `"fr-FR"`, `"en-AU"`, `"it-IT"`, `"de-DE"` or `"pt-BR"`; leave it out with
            `identify_language`.
        :param identify_language: Identify the language; needs `language_options`.
        :param language_options: At least two languages to choose from, a list or one string with
            commas, at most 200 characters.
        :param preferred_language: The likeliest of them.
        :param session_id: A UUID of 36 characters; by default the service makes one.
        :param enable_partial_results_stabilization: Let only the last few words of a partial
            result change.
        :param partial_results_stability: The stability: `"high"`, `"medium"` or `"low"`. Has no
            effect without stabilisation.
        :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
        :param vocabulary_names: With language identification: custom vocabularies, a list or one
            string with commas, at most 3,000 characters in all.
        :param vocab_filter_name: A vocabulary filter, 1–200 of `[0-9a-zA-Z._-]`.
        :param vocabulary_filter_names: The same for vocabulary filters. The service intends both
            only for language identification; without it they are sent unchanged.
        :param vocab_filter_method: The filter's action: `"remove"`, `"mask"` or `"tag"`. Has no
            effect without a filter.
        :param language_model_name: A custom language model, 1–200 of `[0-9a-zA-Z._-]`.
        :param content_identification_type: `"PII"` marks personal information; not with
            `content_redaction_type`.
        :param content_redaction_type: `"PII"` replaces personal information.
        :param pii_entity_types: The kinds, a list or one string with commas, at most 300
            characters of `[A-Z_, ]`; needs one of the two above.
        :param idle: What to do when the program sends no audio for `idle_after` seconds:
            `"wait"`, until the service ends the stream after 15 s; `"silence"` sends a
            tenth of a second of it, again and again, in pcm and G.711 (it counts as audio:
            in the transcript's times, in `audio_bytes_sent` and on the bill); `"end"`
            ends the input, so that the stream ends cleanly with its last results.
        :param idle_after: Above 0 and under 15 s.
        :returns: The open call: audio in by `input_stream`, utterances and matched
            categories by `output_stream`.
        :raises InvalidParameterException: for what the service would refuse, before anything
            is sent. It is a `ValidationException` and a `BadRequestException`, and its
            `parameter` names what is wrong: `media_encoding`, or
            `configuration.channel_definitions[0].channel_id`.
        :raises CredentialsException: when there are no credentials.
        :raises ConnectException: when no connection can be made.
        :raises TimeoutException: when the start takes longer than `start_timeout`.
        :raises StreamException: when the connection breaks before the answer, or the client
            is closed.
        :raises ServiceException: when the service refuses.
        """
        # Here, as a program that transcribes only need not load the other operations.
        from .call_analytics import (
            START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
            CallAnalyticsInputStream,
            StartCallAnalyticsStreamTranscriptionEventStream,
            StartCallAnalyticsStreamTranscriptionRequest,
        )

        request = StartCallAnalyticsStreamTranscriptionRequest(
            media_sample_rate_hz=media_sample_rate_hz,
            media_encoding=media_encoding,
            language_code=language_code,
            identify_language=identify_language,
            language_options=language_options,
            preferred_language=preferred_language,
            session_id=session_id,
            enable_partial_results_stabilization=enable_partial_results_stabilization,
            partial_results_stability=partial_results_stability,
            vocabulary_name=vocabulary_name,
            vocabulary_names=vocabulary_names,
            vocab_filter_name=vocab_filter_name,
            vocabulary_filter_names=vocabulary_filter_names,
            vocab_filter_method=vocab_filter_method,
            language_model_name=language_model_name,
            content_identification_type=content_identification_type,
            content_redaction_type=content_redaction_type,
            pii_entity_types=pii_entity_types,
        )
        live, response = await self._starter.start(
            START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
            request,
            configuration=configuration,
            idle=idle,
            idle_after=idle_after,
        )
        return StartCallAnalyticsStreamTranscriptionEventStream(
            CallAnalyticsInputStream(live), response
        )

    async def start_medical_stream_transcription(
        self,
        *,
        language_code: LanguageCode | str,
        media_sample_rate_hz: int,
        media_encoding: MediaEncoding | str,
        specialty: Specialty | str,
        type: MedicalTranscriptionType | str,  # noqa: A002  # the service's name
        vocabulary_name: str | None = None,
        show_speaker_label: bool | None = None,
        session_id: str | None = None,
        enable_channel_identification: bool | None = None,
        number_of_channels: int | None = None,
        content_identification_type: Literal["PHI"] | str | None = None,
        idle: Idle = "wait",
        idle_after: float = IDLE_AFTER,
    ) -> StartMedicalStreamTranscriptionEventStream:
        """Start a medical transcription.

        Recorded audio must be paced: see `start_stream_transcription`.

        :param language_code: The spoken language, e.g. `"en-US"`.
        :param media_sample_rate_hz: The sample rate, 8,000–48,000 Hz.
        :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"`, `"flac"`,
            `"g711-alaw"`, `"g711-ulaw"` or `"g729"`.
        :param specialty: `"PRIMARYCARE"`, `"CARDIOLOGY"`, `"NEUROLOGY"`, `"ONCOLOGY"`,
            `"RADIOLOGY"` or `"UROLOGY"`.
        :param type: `"CONVERSATION"` between people, or `"DICTATION"` by one.
        :param vocabulary_name: A custom vocabulary, 1–200 of `[0-9a-zA-Z._-]`.
        :param show_speaker_label: Label the speakers; not with `enable_channel_identification`.
        :param session_id: A UUID of 36 characters; by default the service makes one.
        :param enable_channel_identification: Transcribe each channel by itself; needs
            `number_of_channels`.
        :param number_of_channels: The channels in the audio, at least 2.
        :param content_identification_type: `"PHI"` marks personal health information.
        :param idle: What to do when the program sends no audio for `idle_after` seconds:
            `"wait"`, until the service ends the stream after 15 s; `"silence"` sends a
            tenth of a second of it, again and again, in pcm and G.711 (it counts as audio:
            in the transcript's times, in `audio_bytes_sent` and on the bill); `"end"`
            ends the input, so that the stream ends cleanly with its last results.
        :param idle_after: Above 0 and under 15 s.
        :returns: The open stream: audio in by `input_stream`, events by `output_stream`.
        :raises InvalidParameterException: for what the service would refuse, before anything
            is sent. It is a `ValidationException` and a `BadRequestException`, and its
            `parameter` names what is wrong: `media_encoding`, or
            `configuration.channel_definitions[0].channel_id`.
        :raises CredentialsException: when there are no credentials.
        :raises ConnectException: when no connection can be made.
        :raises TimeoutException: when the start takes longer than `start_timeout`.
        :raises StreamException: when the connection breaks before the answer, or the client
            is closed.
        :raises ServiceException: when the service refuses.
        """
        from .medical import (
            START_MEDICAL_STREAM_TRANSCRIPTION,
            StartMedicalStreamTranscriptionEventStream,
            StartMedicalStreamTranscriptionRequest,
        )

        request = StartMedicalStreamTranscriptionRequest(
            language_code=language_code,
            media_sample_rate_hz=media_sample_rate_hz,
            media_encoding=media_encoding,
            specialty=specialty,
            type=type,
            vocabulary_name=vocabulary_name,
            show_speaker_label=show_speaker_label,
            session_id=session_id,
            enable_channel_identification=enable_channel_identification,
            number_of_channels=number_of_channels,
            content_identification_type=content_identification_type,
        )
        live, response = await self._starter.start(
            START_MEDICAL_STREAM_TRANSCRIPTION, request, idle=idle, idle_after=idle_after
        )
        return StartMedicalStreamTranscriptionEventStream(AudioStream(live), response)

    async def start_medical_scribe_stream(
        self,
        *,
        language_code: Literal["en-US"] | str,
        media_sample_rate_hz: int,
        media_encoding: ScribeMediaEncoding | str,
        configuration: MedicalScribeConfigurationEvent,
        session_id: str | None = None,
        idle: Idle = "wait",
        idle_after: float = IDLE_AFTER,
    ) -> StartMedicalScribeStreamEventStream:
        """Start scribing a session between a clinician and a patient, or go on with it.

        `input_stream.end_stream()` ends the session, and the service writes its notes.
        A stream that is left or closed without it leaves the session as it is: another
        start with its `session_id` goes on with it.

        Recorded audio must be paced: see `start_stream_transcription`.

        :param language_code: The spoken language: `"en-US"`.
        :param media_sample_rate_hz: The sample rate, 16,000–48,000 Hz.
        :param media_encoding: `"pcm"` (16-bit, signed, little-endian), `"ogg-opus"` or `"flac"`.
        :param configuration: How the session is scribed and what becomes of it; it is
            sent first, before any audio.
        :param session_id: A UUID of 36 characters; by default the service makes one.
        :param idle: What to do when the program sends no audio for `idle_after` seconds:
            `"wait"`, until the service ends the stream after 15 s; `"silence"` sends a
            tenth of a second of it, again and again, in pcm and G.711 (it counts as audio:
            in the transcript's times, in `audio_bytes_sent` and on the bill); `"end"`
            ends the input, so that the stream ends cleanly with its last results.
        :param idle_after: Above 0 and under 15 s.
        :returns: The open session: audio in by `input_stream`, events by `output_stream`.
        :raises InvalidParameterException: for what the service would refuse, before anything
            is sent. It is a `ValidationException` and a `BadRequestException`, and its
            `parameter` names what is wrong: `media_encoding`, or
            `configuration.channel_definitions[0].channel_id`.
        :raises CredentialsException: when there are no credentials.
        :raises ConnectException: when no connection can be made.
        :raises TimeoutException: when the start takes longer than `start_timeout`.
        :raises StreamException: when the connection breaks before the answer, or the client
            is closed.
        :raises ServiceException: when the service refuses.
        """
        from .medical_scribe import (
            START_MEDICAL_SCRIBE_STREAM,
            MedicalScribeInputStream,
            StartMedicalScribeStreamEventStream,
            StartMedicalScribeStreamRequest,
        )

        request = StartMedicalScribeStreamRequest(
            language_code=language_code,
            media_sample_rate_hz=media_sample_rate_hz,
            media_encoding=media_encoding,
            session_id=session_id,
        )
        live, response = await self._starter.start(
            START_MEDICAL_SCRIBE_STREAM,
            request,
            configuration=configuration,
            idle=idle,
            idle_after=idle_after,
        )
        return StartMedicalScribeStreamEventStream(MedicalScribeInputStream(live), response)

    async def get_medical_scribe_stream(self, *, session_id: str) -> GetMedicalScribeStreamResponse:
        """Look up a scribe's session: how far it is, and where its notes are.

        It goes over HTTP/2 whatever carries the streams.

        :param session_id: The session's id, a UUID of 36 characters.
        :returns: The session, in `medical_scribe_stream_details`.
        :raises InvalidParameterException: for what the service would refuse; it is a
            `ValidationException` and a `BadRequestException`.
        :raises ResourceNotFoundException: when there is no such session.
        :raises InvalidEventException: when the answer does not fit the service model.
        :raises CredentialsException: when there are no credentials.
        :raises ConnectException: when no connection can be made.
        :raises TimeoutException: when the answer takes longer than `start_timeout`.
        :raises StreamException: when the connection breaks before the answer, or the client
            is closed.
        :raises ServiceException: when the service refuses.
        """
        from .medical_scribe import GET_MEDICAL_SCRIBE_STREAM, GetMedicalScribeStreamRequest

        request = GetMedicalScribeStreamRequest(session_id=session_id)
        answer: GetMedicalScribeStreamResponse = await self._starter.ask(
            GET_MEDICAL_SCRIBE_STREAM, request
        )
        return answer

    async def transcribe(
        self,
        source: Source,
        *,
        realtime: bool | None = None,
        **parameters: Unpack[SourceParameters],
    ) -> Transcription:
        """Transcribe a whole recording.

        A connection that breaks is made again, with nothing lost and nothing doubled; see
        `resume`. A call that is cancelled leaves nothing behind.

        :param source: Whatever `audio.open_audio` takes: a path, bytes, a file, an upload,
            two of them as the two sides of a call; or audio that it has opened.
        :param realtime: Send the recording at the speed of speech, as the service wants it,
            or faster, up to 240 s ahead of the results. By default faster only to an
            endpoint on this machine, such as a local server's.
        :param parameters: `sample_rate_hz`, `channels` and `passthrough` as
            `audio.open_audio` has them: two channels are identified, and FLAC and Opus that
            are passed through cannot be resumed. `on_event` is called with each `TranscriptEvent`,
            and awaited if it returns something to wait for; what it raises ends the call.
            `on_connection` is called so with each `resume.Reconnecting` and `Reconnected`.
            `session_id` and all others are the service's, as
            `start_stream_transcription` has them. The language is `"en-US"` unless another
            one is named or to be identified.
        :returns: The text, the words, the results, captions.
        :raises AudioFileException: if the audio cannot be opened.
        :raises InvalidParameterException: for what the service would refuse.
        :raises SDKError: if the stream cannot be started; see `start_stream_transcription`.
        :raises IncompleteTranscription: if it fails later: the service ends it, connections
            break again and again, the audio cannot be read further. It has what was heard in
            `transcription` and the failure in `reason`.
        """
        from .transcribe import transcribe  # here, as most programs do not need it

        return await transcribe(self, source, realtime=await self._realtime(realtime), **parameters)

    async def transcribe_call(
        self,
        source: Source,
        *,
        realtime: bool | None = None,
        **parameters: Unpack[CallSourceParameters],
    ) -> Transcription:
        """Transcribe and analyse a whole recording of a call.

        A connection that breaks ends it: this operation has no resume. A call that is
        cancelled leaves nothing behind.

        :param source: As in `transcribe`; it must have two channels: a stereo recording, or
            two recordings as the two sides.
        :param realtime: As in `transcribe`.
        :param parameters: `sample_rate_hz`, `passthrough` and `on_event` as in `transcribe`;
            the events are `UtteranceEvent` and `CategoryEvent`. All others are the service's, as
            `start_call_analytics_stream_transcription` has them. The language is `"en-US"`
            unless another one is named or to be identified, and by the `configuration` the
            agent is on channel 0 unless it says otherwise.
        :returns: The text, the words, the results, captions, with the participants' roles as
            the speakers and channels; and the categories that the call has matched.
        :raises AudioFileException: if the audio cannot be opened.
        :raises InvalidParameterException: for what the service would refuse.
        :raises SDKError: if the stream cannot be started; see
            `start_call_analytics_stream_transcription`.
        :raises IncompleteTranscription: if it fails later; see `transcribe`.
        """
        from .transcribe import transcribe_call

        return await transcribe_call(
            self.start_call_analytics_stream_transcription,
            source,
            realtime=await self._realtime(realtime),
            **parameters,
        )

    async def transcribe_medical(
        self,
        source: Source,
        *,
        realtime: bool | None = None,
        **parameters: Unpack[MedicalSourceParameters],
    ) -> Transcription:
        """Transcribe a whole recording of medical speech.

        A connection that breaks ends it: this operation has no resume. A call that is
        cancelled leaves nothing behind.

        :param source: As in `transcribe`.
        :param realtime: As in `transcribe`.
        :param parameters: `sample_rate_hz`, `channels`, `passthrough` and `on_event` as in
            `transcribe`; the events are `MedicalTranscriptEvent`. All others are the service's, as
            `start_medical_stream_transcription` has them; by default the language is
            `"en-US"`, the specialty `"PRIMARYCARE"` and the type `"CONVERSATION"`.
        :returns: The text, the words, the results, captions.
        :raises AudioFileException: if the audio cannot be opened.
        :raises InvalidParameterException: for what the service would refuse.
        :raises SDKError: if the stream cannot be started; see
            `start_medical_stream_transcription`.
        :raises IncompleteTranscription: if it fails later; see `transcribe`.
        """
        from .transcribe import transcribe_medical

        return await transcribe_medical(
            self.start_medical_stream_transcription,
            source,
            realtime=await self._realtime(realtime),
            **parameters,
        )

    async def transcribe_medical_scribe(
        self,
        source: Source,
        *,
        configuration: MedicalScribeConfigurationEvent,
        realtime: bool | None = None,
        **parameters: Unpack[ScribeSourceParameters],
    ) -> Transcription:
        """Scribe a whole recording of a clinician and a patient; the service writes notes of it.

        The notes come later: `get_medical_scribe_stream` looks them up by the `session_id` of
        what this returns. The session ends with the audio, also where it cannot be read
        further. A connection that breaks ends the call and leaves the session open: another
        stream with its `session_id` can go on with it.

        :param source: As in `transcribe`; of at least 16,000 Hz, or with `sample_rate_hz`.
        :param configuration: As in `start_medical_scribe_stream`. Of two channels it says who
            speaks on them.
        :param realtime: As in `transcribe`.
        :param parameters: `sample_rate_hz`, `channels`, `passthrough` and `on_event` as in
            `transcribe`; the events are `MedicalScribeTranscriptEvent`. `session_id` and
            `language_code`, by default `"en-US"`, as `start_medical_scribe_stream` has them.
        :returns: The text, the words, the results, captions, and the session's id.
        :raises AudioFileException: if the audio cannot be opened.
        :raises InvalidParameterException: for what the service would refuse.
        :raises SDKError: if the stream cannot be started; see `start_medical_scribe_stream`.
        :raises IncompleteTranscription: if it fails later; see `transcribe`.
        """
        from .transcribe import transcribe_medical_scribe

        return await transcribe_medical_scribe(
            self.start_medical_scribe_stream,
            source,
            configuration=configuration,
            realtime=await self._realtime(realtime),
            **parameters,
        )

    async def _realtime(self, wanted: bool | None) -> bool:
        """Return what is wanted; by default the speed of speech except on this machine."""
        from ._net.proxy import is_local

        if wanted is not None:
            return wanted
        return not is_local((await self._starter.origin(is_stream=True)).host)

    async def presigned_url(
        self,
        request: (
            StartStreamTranscriptionRequest
            | StartCallAnalyticsStreamTranscriptionRequest
            | StartMedicalStreamTranscriptionRequest
            | StartMedicalScribeStreamRequest
        ),
        *,
        expires: int = 300,
    ) -> str:
        """Sign a URL by which a browser, or any other program, opens a stream by WebSocket.

        Whoever has the URL can open streams with these parameters, at the account's expense,
        until it expires: hand it out like a password. It holds the access key's id and the
        session token, never the secret key. The events sent need no signatures.

        :param request: The stream's parameters, of any operation. Without a `session_id`
            the URL has one, made here.
        :param expires: Seconds in which the stream must be opened, 1–300. The stream may
            last longer.
        :returns: `wss://…`, or `ws://…` where the client's endpoint has no TLS.
        :raises InvalidParameterException: for what the service would refuse.
        :raises ValidationException: for another number of seconds, or no request.
        :raises CredentialsException: when there are no credentials.
        :raises TimeoutException: when a resolver takes longer than `start_timeout`.
        :raises StreamClosedException: when the client is closed.
        """
        operation = _operations().get(type(request))
        if operation is None:
            raise ValidationException(
                "presigned_url takes the request of a stream, such as a"
                f" StartStreamTranscriptionRequest, not a {type(request).__name__}"
            )
        if problem := Integer(1, 300, " seconds").violation(expires):
            raise InvalidParameterException("expires", f"expires {problem}")
        return await self._starter.presigned_url(operation, request, expires)

    async def prewarm(self, connections: int = 1) -> None:
        """Open connections beforehand, so that the next streams start without that wait.

        They are kept, like those of streams that have ended, for 60 s; the client must
        then be closed in the end. Connections that are free already count.

        :param connections: How many streams are to find one, at least 1.
        :raises ValidationException: for a number that cannot be, and where connections
            cannot be kept: over WebSocket, and with a transport of the program's own.
        :raises ConnectException: when a connection cannot be made.
        :raises TimeoutException: when that takes longer than `connect_timeout`, or the
            endpoint's resolver longer than `start_timeout`.
        :raises StreamClosedException: when the client is closed.
        """
        if not connections >= 1:
            raise ValidationException(f"connections must be at least 1, not {connections!r}")
        if self._starter.closed:
            raise StreamClosedException("the client is closed")
        origin = await self._starter.origin(is_stream=True)
        if origin.is_websocket or not isinstance(self._transport, H2Transport):
            raise ValidationException("only HTTP/2 connections of asyncio can be opened beforehand")
        await self._transport.prewarm(origin, connections, self._starter.start_timeout)

    async def drain_all(self, timeout: float) -> int:
        """Take no more starts, and wait for the open streams to end by themselves.

        Starts that are under way go on, and so do resumed streams that lose a connection. What
        is open after the time-out stays open: the program may end it with `drain`, hand it
        over with `ResumableTranscription.export_state`, or close the client.

        :param timeout: The longest wait, in seconds; 0 only refuses further starts.
        :returns: How many streams are still open.
        """
        return await self._starter.drain(timeout)

    async def close(self) -> None:
        """Close every connection, within 4 s; streams still open and starts that wait fail."""
        self._starter.close()
        await asyncio.gather(*(transport.close() for transport in self._transports))

    async def __aenter__(self) -> Self:
        if isinstance(self._transport, H2Transport):
            self._transport.keep_idle = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _operations() -> dict[type, Operation]:
    """Return the operations of streams by their requests."""
    from .call_analytics import START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
    from .medical import START_MEDICAL_STREAM_TRANSCRIPTION
    from .medical_scribe import START_MEDICAL_SCRIBE_STREAM

    operations = (
        START_STREAM_TRANSCRIPTION,
        START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
        START_MEDICAL_STREAM_TRANSCRIPTION,
        START_MEDICAL_SCRIBE_STREAM,
    )
    return {operation.request: operation for operation in operations}
