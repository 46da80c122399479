"""The client: starts streams and keeps their connections."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ._calls import Call, MedicalTranscription, ScribeSession, Transcription, takes
from ._net.origin import Origin
from ._protocol.constraints import check_above_zero
from ._protocol.operation import Operation, check_configuration
from ._protocol.rest_json import write_request
from ._stream.idle import check_idle
from ._stream.live import IDLE_TIMEOUT
from ._stream.start import _Start
from .auth import AwsCrtCredentialResolver, CredentialResolver, Credentials
from .call_analytics import START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
from .endpoints import BaseEndpointResolver, StaticEndpointResolver, default_resolver
from .eventstream import BaseEvent
from .exceptions import (
    CredentialsException,
    InvalidParameterException,
    StreamClosedException,
    TimeoutException,
    ValidationException,
)
from .limiter import StreamLimiter
from .medical import START_MEDICAL_STREAM_TRANSCRIPTION
from .medical_scribe import GET_MEDICAL_SCRIBE_STREAM, START_MEDICAL_SCRIBE_STREAM
from .model import (
    AudioStream,
    CallAnalyticsInputStream,
    GetMedicalScribeStreamRequest,
    GetMedicalScribeStreamResponse,
    MedicalScribeInputStream,
    StartCallAnalyticsStreamTranscriptionEventStream,
    StartMedicalScribeStreamEventStream,
    StartMedicalStreamTranscriptionEventStream,
)
from .observe import Observer
from .transcription import START_STREAM_TRANSCRIPTION, StartStreamTranscriptionEventStream
from .transports.base import Transport
from .transports.h2 import H2Transport
from .transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

logger = logging.getLogger("amazon_transcribe")
_T = TypeVar("_T")


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
        with an async `get_credentials` will do.
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
    :raises ValidationException: for a region or a number that cannot be.

    Connections are made through the proxy named by HTTPS_PROXY, HTTP_PROXY or ALL_PROXY,
    unless NO_PROXY has the host; loopback addresses need no exception.
    """

    service_name = "transcribe"

    def __init__(
        self,
        *,
        region: str,
        endpoint_resolver: BaseEndpointResolver | None = None,
        credential_resolver: CredentialResolver | None = None,
        endpoint_url: str | None = None,
        max_streams_per_connection: int = 1,
        connect_timeout: float = 5.0,
        start_timeout: float = 12.0,
        start_attempts: int = 3,
        idle_timeout: float = IDLE_TIMEOUT,
        max_unsent: int = 1024 * 1024,
        ssl_context: ssl.SSLContext | None = None,
        limiter: StreamLimiter | None = None,
        observer: Observer | None = None,
        transport: Transport | Literal["websocket"] | None = None,
    ) -> None:
        if not isinstance(region, str) or not region:
            raise ValidationException(f"region must be a name such as 'us-west-2', not {region!r}")
        check_above_zero(
            max_streams_per_connection=max_streams_per_connection,
            connect_timeout=connect_timeout,
            start_timeout=start_timeout,
            start_attempts=start_attempts,
            idle_timeout=idle_timeout,
            max_unsent=max_unsent,
        )
        if endpoint_url is not None:
            Origin.parse(endpoint_url)
            endpoint_resolver = StaticEndpointResolver(endpoint_url)
        self.region = region
        self.start_timeout = start_timeout
        self.start_attempts = start_attempts
        self.idle_timeout = idle_timeout
        self.limiter = limiter
        self.observer = observer
        # Seconds by which the service's clock is ahead of ours, as far as it matters.
        self.clock_skew = 0.0
        self._endpoint_resolver = endpoint_resolver or default_resolver()
        self._credential_resolver = credential_resolver or AwsCrtCredentialResolver()
        if isinstance(transport, str) and transport != "websocket":
            raise ValidationException(
                f"transport must be 'websocket' or an object, not {transport!r}"
            )
        self._by_websocket = transport == "websocket"
        self._transport: Transport
        self._websocket: Transport
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
        else:
            self._transport = self._websocket = transport
        self._closed = False
        self._close_told: asyncio.Future[None] | None = None

    @takes(Transcription)
    async def start_stream_transcription(
        self, parameters: Transcription
    ) -> StartStreamTranscriptionEventStream:
        """Start a transcription; wrong parameters are refused before anything is sent.

        The service takes audio in real time: recorded audio must be paced (see
        `utils.apply_realtime_delay`), or the signatures of its events grow older than
        the five minutes for which the service accepts them.

        :param vocab_filter_names: The original SDK's name for `vocabulary_filter_names`.
        :returns: The open stream: audio in by `input_stream`, events by `output_stream`.
        """
        if parameters.vocab_filter_names is not None:
            if parameters.vocabulary_filter_names is not None:
                raise InvalidParameterException(
                    "vocab_filter_names",
                    "vocab_filter_names and vocabulary_filter_names are the same parameter:"
                    " set only one of them",
                )
            parameters.vocabulary_filter_names = parameters.vocab_filter_names
        live, response = await self._start(START_STREAM_TRANSCRIPTION, parameters)
        return StartStreamTranscriptionEventStream(AudioStream(input_stream=live), response)

    @takes(Call)
    async def start_call_analytics_stream_transcription(
        self, parameters: Call
    ) -> StartCallAnalyticsStreamTranscriptionEventStream:
        """Start the analysis of a call between an agent and a customer.

        Recorded audio must be paced: see `start_stream_transcription`.

        :param configuration: Who speaks on which channel, and what becomes of the call
            after its end. It is sent first, before any audio. When it is not at hand
            yet, leave it out here and send it by
            `input_stream.send_configuration_event` before any audio.
        :returns: The open call: audio in by `input_stream`, utterances and matched
            categories by `output_stream`.
        """
        live, response = await self._start(
            START_CALL_ANALYTICS_STREAM_TRANSCRIPTION, parameters, parameters.configuration
        )
        return StartCallAnalyticsStreamTranscriptionEventStream(
            CallAnalyticsInputStream(input_stream=live), response
        )

    @takes(MedicalTranscription)
    async def start_medical_stream_transcription(
        self, parameters: MedicalTranscription
    ) -> StartMedicalStreamTranscriptionEventStream:
        """Start a medical transcription.

        Recorded audio must be paced: see `start_stream_transcription`.

        :returns: The open stream: audio in by `input_stream`, events by `output_stream`.
        """
        live, response = await self._start(START_MEDICAL_STREAM_TRANSCRIPTION, parameters)
        return StartMedicalStreamTranscriptionEventStream(AudioStream(input_stream=live), response)

    @takes(ScribeSession)
    async def start_medical_scribe_stream(
        self, parameters: ScribeSession
    ) -> StartMedicalScribeStreamEventStream:
        """Start scribing a session between a clinician and a patient, or go on with it.

        `input_stream.end_stream()` ends the session, and the service writes its notes.
        A stream that is left or closed without it leaves the session as it is: another
        start with its `session_id` goes on with it.

        Recorded audio must be paced: see `start_stream_transcription`.

        :param configuration: How the session is scribed and what becomes of it; it is
            sent first, before any audio.
        :returns: The open session: audio in by `input_stream`, events by `output_stream`.
        """
        live, response = await self._start(
            START_MEDICAL_SCRIBE_STREAM, parameters, parameters.configuration
        )
        return StartMedicalScribeStreamEventStream(
            MedicalScribeInputStream(input_stream=live), response
        )

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
        request = GetMedicalScribeStreamRequest(session_id=session_id)
        answer: GetMedicalScribeStreamResponse = await self._start(
            GET_MEDICAL_SCRIBE_STREAM, request
        )
        return answer

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
        if self._closed:
            raise StreamClosedException("the client is closed")
        origin = await self._origin(is_stream=True)
        if origin.is_websocket or not isinstance(self._transport, H2Transport):
            raise ValidationException("only HTTP/2 connections of asyncio can be opened beforehand")
        await self._transport.prewarm(origin, connections, self.start_timeout)

    async def close(self) -> None:
        """Close every connection, within 4 s; streams still open and starts that wait fail."""
        self._closed = True
        closing = self._closing()
        if not closing.done():
            closing.set_result(None)
        transports = {id(t): t for t in (self._transport, self._websocket)}
        await asyncio.gather(*(transport.close() for transport in transports.values()))

    async def __aenter__(self) -> Self:
        if isinstance(self._transport, H2Transport):
            self._transport.keep_idle = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _start(
        self, operation: Operation, request: Any, configuration: BaseEvent | None = None
    ) -> Any:
        """Make a request, if it can be right; see `_Start`."""
        if self._closed:
            raise StreamClosedException("the client is closed")
        write_request(operation, request)
        check_configuration(operation, configuration)
        if operation.result_stream is not None:
            check_idle(request)
        return await _Start(self, operation, request, configuration).run()

    async def _origin(self, *, is_stream: bool) -> Origin:
        endpoint = await self._within(
            self.start_timeout, "endpoint", self._endpoint_resolver.resolve(self.region)
        )
        if is_stream:
            return Origin.parse(endpoint, websocket=self._by_websocket)
        return Origin.parse(re.sub("^ws", "http", endpoint))  # no stream, so no WebSocket

    async def _credentials(self, timeout: float) -> Credentials:
        found = await self._within(
            timeout, "credentials", self._credential_resolver.get_credentials()
        )
        if found is None or not found.access_key_id or not found.secret_access_key:
            raise CredentialsException(
                "the credential resolver gave no access key and secret: set AWS_ACCESS_KEY_ID"
                " and AWS_SECRET_ACCESS_KEY, a profile, or credential_resolver"
            )
        return found

    async def _within(self, timeout: float, phase: str, call: Awaitable[_T]) -> _T:
        """The result of a resolver, which may be anyone's code, in time."""
        # Not `asyncio.wait_for`: up to Python 3.11 it can swallow a cancellation.
        task = asyncio.ensure_future(call)
        try:
            await self._wait({task, self._closing()}, timeout)
            if not task.done():
                raise TimeoutException(phase, timeout)
            return task.result()
        finally:
            if task.cancel():
                await asyncio.wait({task}, timeout=1)

    async def _wait(self, until: set[asyncio.Future[Any]], timeout: float) -> None:
        """Wait for any of them; not on in a client that is closed."""
        await asyncio.wait(until, timeout=timeout, return_when="FIRST_COMPLETED")
        if self._closed:
            raise StreamClosedException("the client was closed")

    def _closing(self) -> asyncio.Future[None]:
        """What is done once the client is closed, for those who wait in the running loop."""
        loop = asyncio.get_running_loop()
        if self._close_told is None or self._close_told.get_loop() is not loop:
            self._close_told = loop.create_future()
            if self._closed:
                self._close_told.set_result(None)
        return self._close_told
