"""One stream's conversation, seen from either end, without any I/O.

Bytes come in and events go out, calls come in and bytes go out; there is no socket, no
asyncio and no clock here but the one passed in. A `ClientSession` and a
`ServerSession` joined in memory are a whole conversation.

    ClientSession                                       ServerSession
      headers() or         ── method, path, headers ──▶   receive_request()
      presigned()
      receive_response()   ◀── status, headers ────────   response_headers()
      send_event(),        ── signed frames ──────────▶   receive()
      send_audio(), end()
      receive()            ◀── event frames ───────────   send_event(), send_exception()
      receive_end()        ◀── end of stream

GetMedicalScribeStream is no stream but one question: `headers()`, `receive_answer()`
here, `receive_request()`, `answer()` there.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from ._framing import Buffer, EventStreamDecoder, encode_message
from ._rules import PREFIX, REQUEST_ID, SESSION_ID, Structure, unknown_members
from ._shapes import (
    Operation,
    operation_at,
    read_answer,
    read_event,
    read_request,
    read_response,
    request_headers,
    response_headers,
    unknown_parameters,
    write_answer,
    write_event,
    write_result,
)
from ._signing import (
    EMPTY_HASH,
    EVENT_STREAM_HASH,
    Authorization,
    EventChain,
    Headers,
    PresignedQuery,
    authorization,
    presigned_query,
    timestamp,
)
from .auth import Credentials
from .eventstream import BaseEvent
from .exceptions import (
    BadRequestException,
    InvalidPayloadLength,
    ParserError,
    SDKError,
    ServiceException,
    StreamClosedException,
    TruncatedStreamException,
    UnknownServiceException,
    ValidationException,
)
from .model import (
    MAX_AUDIO_CHUNK,
    AudioEvent,
    ConfigurationEvent,
    MedicalScribeConfigurationEvent,
    MedicalScribeSessionControlEvent,
    service_exception,
)

SERVICE = "transcribe"
CONTENT_TYPE = "application/vnd.amazon.eventstream"

# The service refuses a signature older than this, of the request and of an event alike.
SIGNATURE_LIFETIME = 300.0

# Over WebSocket the request is a GET of this path behind the operation's own.
WEBSOCKET = "-websocket"

# What the server reads of one message before it refuses it; the audio's own limit is lower.
MAX_FRAME = 256 * 1024
TOO_BIG = "Your stream is too big. Reduce the frame size and try your request again."


class ClientSession:
    """The client's end of one stream.

    :param operation: What is asked for.
    :param request: Its parameters, checked here.
    :param credentials: Good for the whole stream; the service forbids a change.
    :param authority: Host, and port unless it is the scheme's own, as they are sent.
    :param clock: Gives the present as seconds since 1970.
    :raises InvalidParameterException: for parameters the service would refuse.
    """

    def __init__(
        self,
        operation: Operation,
        request: Any,
        credentials: Credentials,
        *,
        region: str,
        authority: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.operation = operation
        self.ended = False
        self.audio_bytes_sent = 0
        self.request_id: str | None = None  # these two once there is a response
        self.session_id: str | None = None
        self.target = operation.target(request)
        self._configured = False
        self._fields = request_headers(operation, request)
        self._echo: dict[str, str] = {}
        self._credentials = credentials
        self._region = region
        self._authority = authority
        self._clock = clock
        self._chain: EventChain | None = None
        self._decoder = EventStreamDecoder()
        self._failure: SDKError | None = None

    def headers(self) -> list[tuple[str, str]]:
        """The request's headers, signed; `host` stands for HTTP/2's `:authority`.

        The request's signature becomes the first event's prior signature.
        """
        credentials = self._credentials
        streaming = self.operation.result_stream is not None
        payload_hash = EVENT_STREAM_HASH if streaming else EMPTY_HASH
        headers = [
            ("host", self._authority),
            *([("content-type", CONTENT_TYPE)] if streaming else []),
            ("x-amz-content-sha256", payload_hash),
            ("x-amz-date", timestamp(datetime.fromtimestamp(self._clock(), timezone.utc))),
            *self._fields,
        ]
        if credentials.session_token:
            headers.append(("x-amz-security-token", credentials.session_token))
        value, signature = authorization(
            method=self.operation.method,
            path=self.target,
            query="",
            headers=headers,
            payload_hash=payload_hash,
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            region=self._region,
            service=SERVICE,
        )
        self._begin_chain(signature)
        return [*headers, ("authorization", value)]

    def presigned(self) -> str:
        """The same request for WebSocket: the target of a GET, signed in its query.

        Parameters are named as their headers without the prefix. The service answers
        them with no headers, so the session id is made here and the response repeats
        the request, as AWS's own clients do.
        """
        credentials = self._credentials
        self._echo = dict(self._fields)
        if any(member.header == SESSION_ID for member in self.operation.members):
            self._echo.setdefault(SESSION_ID, str(uuid.uuid4()))
        path = self.operation.path + WEBSOCKET
        query, signature = presigned_query(
            method="GET",
            path=path,
            query="&".join(
                f"{name.removeprefix(PREFIX)}={quote(value, safe='')}"
                for name, value in self._echo.items()
            ),
            headers=[("host", self._authority)],
            stamp=timestamp(datetime.fromtimestamp(self._clock(), timezone.utc)),
            expires=int(SIGNATURE_LIFETIME),
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            session_token=credentials.session_token,
            region=self._region,
            service=SERVICE,
        )
        self._begin_chain(signature)
        return f"{path}?{query}"

    def _begin_chain(self, signature: bytes) -> None:
        self._chain = EventChain(
            self._credentials.secret_access_key, self._region, SERVICE, signature, self._clock
        )

    def receive_response(self, headers: Mapping[str, str], result_stream: Any) -> Any:
        """The typed response of a request that was accepted."""
        response = read_response(self.operation, {**self._echo, **headers}, result_stream)
        self.request_id, self.session_id = response.request_id, response.session_id
        return response

    def receive_answer(self, body: bytes) -> Any:
        """The typed response of an answer that is one JSON body.

        :raises InvalidEventException: when it does not fit the service model.
        """
        return read_answer(self.operation, body)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ServiceException:
        """The exception of an answer with any other status."""
        # restJson1: the name may carry a namespace before '#' and a URL after ':'.
        name = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
        if not name and not body:
            return UnknownServiceException(status, None, f"the service answered HTTP {status}")
        return service_exception(name or None, body, status)

    def send_event(self, event: BaseEvent) -> bytes:
        """The signed frame of an event.

        :raises SerializerException: for an event that the operation does not take.
        :raises InvalidParameterException: for a value the service would refuse; its
            `parameter` is the path to it.
        :raises ValidationException: for a configuration that is not the first event.
        :raises StreamClosedException: after the end of the input.
        """
        if isinstance(event, AudioEvent):
            return self.send_audio(event.audio_chunk)
        message = encode_message(*write_event(self.operation, event))
        chain = self._open_chain()
        if isinstance(event, MedicalScribeSessionControlEvent):
            self.ended = True
        elif self._configured or self.audio_bytes_sent:
            raise ValidationException("the configuration must be the first event of the stream")
        else:
            self._configured = True
        return chain.wrap(message)

    def send_audio(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """The signed frame of a chunk of audio; an empty one ends the input.

        :raises ValidationException: before the configuration, where there must be one.
        :raises StreamClosedException: after the end of the input.
        """
        chain = self._open_chain()
        size = memoryview(chunk).nbytes
        if self.operation.configured:
            if not self._configured:
                raise ValidationException("the configuration must come before any audio")
            if not size:
                return self.end()
        frame = chain.audio_event(chunk)
        if size:
            self.audio_bytes_sent += size
        else:
            self.ended = True
        return frame

    def end(self) -> bytes:
        """The signed frame that ends the input; of a scribe's, the session with it."""
        if self._chain is None:
            raise StreamClosedException("the request has not been made")
        frames = b""
        if self.operation.configured and self._configured and not self.ended:
            frames = self.send_event(MedicalScribeSessionControlEvent())
        self.ended = True
        return frames + self._chain.end()

    def _open_chain(self) -> EventChain:
        if self.ended:
            raise StreamClosedException("the input has ended: no more audio can be sent")
        if self._chain is None:
            raise StreamClosedException("the request has not been made")
        return self._chain

    def receive(self, data: Buffer) -> list[BaseEvent | SDKError]:
        """The events that these bytes complete, in order.

        What ends the stream, the service's exception or bytes that are no event
        stream, stands last in the list as an exception. After it nothing is read.
        """
        if self._failure is not None:
            return []
        events: list[BaseEvent | SDKError] = []
        try:
            messages = self._decoder.feed(data)
            for message in messages:
                events.append(self.operation.events.parse(message))
            if self._decoder.error is not None:
                raise self._decoder.error
        except SDKError as error:
            self._failure = error
            events.append(error)
        return events

    def receive_end(self) -> SDKError | None:
        """Tell that the peer's bytes have ended; what that means unless a clean end.

        :returns: A `TruncatedStreamException` when the last message is unfinished.
        """
        if self._failure is not None:
            return None
        try:
            self._decoder.close()
        except ParserError as error:
            self._failure = TruncatedStreamException(
                "the stream ended inside a message", error.offset
            )
        return self._failure


class RequestRefused(SDKError):
    """A request that the server answers with an error status instead of a stream."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(status, name, message)
        self.status = status
        self.name = name
        self.message = message

    def headers_and_body(self) -> tuple[list[tuple[str, str]], bytes]:
        """The answer: restJson1's error name in a header, the text in the body."""
        body = msgspec.json.encode({"Message": self.message})
        return [
            (REQUEST_ID, str(uuid.uuid4())),
            ("x-amzn-errortype", self.name),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ], body


class ServerSession:
    """The server's end of one stream.

    `configuration` is the configuration event once it has come; `unknown_members` are the
    paths of what is set in it and not in the model. `session_ended` tells that a scribe's
    client has ended its session, not this stream alone. Headers with the service's prefix
    that are no parameter of the operation stand in `unknown_parameters`.

    :param secrets: The secret of each known access key.
    :param clock: Gives the present as seconds since 1970.
    """

    def __init__(
        self, secrets: Mapping[str, str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.request_id = str(uuid.uuid4())
        self.session_id = ""
        self.unknown_parameters: list[str] = []
        self.unknown_members: list[str] = []
        self.input_ended = False
        self.session_ended = False
        self.configuration: ConfigurationEvent | MedicalScribeConfigurationEvent | None = None
        self.operation: Operation
        self._audio_came = False
        self.request: Any = None
        self._secrets = secrets
        self._clock = clock
        self._takes_bare_events = False
        self._chain: EventChain
        self._outer = EventStreamDecoder(max_payload_length=MAX_FRAME)
        self._inner = EventStreamDecoder()

    def receive_request(self, method: str, target: str, headers: Headers) -> Any:
        """Check who asks and what for; the typed request.

        :param target: The path as sent, with its query.
        :param headers: As sent, HTTP/2's pseudo-headers among them.
        :raises RequestRefused: with the status and the name the service would give.
        """
        path, _, query = target.partition("?")
        presigned = path.endswith(WEBSOCKET)
        found = operation_at(path.removesuffix(WEBSOCKET))
        if found is None or (presigned and found[0].result_stream is None):
            raise RequestRefused(404, "UnknownOperationException", f"no operation at {path}")
        operation, labels = found
        self.operation = operation
        verb = "GET" if presigned else operation.method
        if method != verb:
            raise RequestRefused(405, "UnknownOperationException", f"{path} takes {verb} only")
        headers = _with_host(headers)
        self._authenticate(method, path, query, headers, presigned)
        given = _parameters(query) if presigned else dict(headers)
        # Browsers' SDKs sign the URL and nothing else.
        self._takes_bare_events = presigned
        try:
            self.request = read_request(operation, given, labels)
        except BadRequestException as error:
            raise RequestRefused(400, "BadRequestException", error.message) from None
        self.unknown_parameters = unknown_parameters(operation, given)
        self.session_id = self.request.session_id or str(uuid.uuid4())
        return self.request

    def _authenticate(
        self, method: str, path: str, query: str, headers: Headers, presigned: bool
    ) -> None:
        given = dict(headers)
        if "authorization" not in given and not (presigned and "X-Amz-Signature=" in query):
            raise RequestRefused(
                403, "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        auth: Authorization | PresignedQuery
        try:
            if presigned:
                auth = PresignedQuery.parse(query)
                stamp, lifetime = auth.stamp, auth.expires
                if not 0 < lifetime <= SIGNATURE_LIFETIME:
                    raise ValueError(f"X-Amz-Expires is not from 1 to {SIGNATURE_LIFETIME:.0f}")
            else:
                auth = Authorization.parse(given["authorization"])
                stamp, lifetime = given.get("x-amz-date", ""), int(SIGNATURE_LIFETIME)
        except ValueError as error:
            raise RequestRefused(403, "IncompleteSignatureException", str(error)) from None
        secret = self._secrets.get(auth.access_key_id)
        if secret is None:
            raise RequestRefused(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        if not auth.matches(
            secret_access_key=secret, method=method, path=path, query=query, headers=headers
        ):
            raise RequestRefused(
                403,
                "InvalidSignatureException",
                "The request signature does not match the one calculated here: check the"
                " secret access key and how the request is signed.",
            )
        if auth.scope.service != SERVICE or self._expired(stamp, lifetime):
            raise RequestRefused(
                403,
                "InvalidSignatureException",
                "Signature expired or not for this service: it is good for"
                f" {lifetime} s and the service {SERVICE!r}.",
            )
        self._chain = EventChain(secret, auth.scope.region, SERVICE, auth.signature, self._clock)

    def _expired(self, stamp: str, lifetime: int) -> bool:
        try:
            signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            return True
        return not -SIGNATURE_LIFETIME <= self._clock() - signed.timestamp() <= lifetime

    def response_headers(self) -> list[tuple[str, str]]:
        """The headers of the answer with status 200."""
        return [
            ("content-type", CONTENT_TYPE),
            *response_headers(
                self.operation,
                self.request,
                request_id=self.request_id,
                session_id=self.session_id,
            ),
        ]

    def receive(self, data: Buffer) -> list[bytes]:
        """The chunks of audio that these bytes complete; `input_ended` tells the end.

        A configuration among them is kept in `configuration`, and the end of a session
        in `session_ended`.

        :raises BadRequestException: for a wrong or outdated chunk signature, a frame
            that is too big, bytes that are no event stream, an event that the operation
            does not take or not here, and anything after the end.
        """
        chunks: list[bytes] = []
        try:
            for message in self._outer.feed(data):
                if self.input_ended and message.payload:
                    raise BadRequestException("Audio came after the end of the input.")
                if self._takes_bare_events and ":chunk-signature" not in message.headers:
                    chunks += self._event(message.headers, message.payload)
                    continue
                self._check_signature(message)
                if not message.payload:
                    self.input_ended = True
                    continue
                for event in self._inner.feed(message.payload):
                    chunks += self._event(event.headers, event.payload)
                self._inner.close()
            if self._outer.error is not None:
                raise self._outer.error
        except InvalidPayloadLength:
            raise BadRequestException(TOO_BIG) from None
        except ParserError as error:
            raise BadRequestException(f"Could not decode the event stream: {error}") from None
        return chunks

    def _check_signature(self, message: Any) -> None:
        date = message.headers.get(":date")
        if not self._chain.verify(message):
            raise BadRequestException(
                "The signature of an event does not match the one calculated here."
            )
        if abs(self._clock() - date / 1000) > SIGNATURE_LIFETIME:
            raise BadRequestException(
                f"Signature expired: an event's signature is good for {SIGNATURE_LIFETIME:.0f} s."
            )

    def _event(self, headers: Mapping[str, Any], payload: bytes) -> list[bytes]:
        """Take one event; its audio, if it is audio."""
        kind, name = headers.get(":message-type"), headers.get(":event-type")
        if kind != "event":
            raise BadRequestException(f"Unexpected {kind or 'message'} {name!r} in the stream.")
        if name != "AudioEvent":
            self._control(name, payload)
            return []
        if self.operation.configured and self.configuration is None:
            raise BadRequestException("The ConfigurationEvent must come before any audio.")
        if len(payload) > MAX_AUDIO_CHUNK:
            raise BadRequestException(TOO_BIG)
        self._audio_came = True
        if not payload:
            self.input_ended = True
        return [payload]

    def _control(self, name: str | None, payload: bytes) -> None:
        event = read_event(self.operation, name, payload)
        if isinstance(event, (ConfigurationEvent, MedicalScribeConfigurationEvent)):
            if self._audio_came or self.configuration is not None:
                raise BadRequestException("The ConfigurationEvent must be the first event.")
            self.configuration = event
            given = msgspec.json.decode(payload)
            self.unknown_members = list(unknown_members(Structure(type(event)), given))
        else:
            self.session_ended = self.input_ended = True

    def receive_end(self) -> None:
        """Tell that the client's bytes have ended.

        :raises BadRequestException: when the last message is unfinished.
        """
        self.input_ended = True
        try:
            self._outer.close()
        except ParserError as error:
            raise BadRequestException(f"Could not decode the event stream: {error}") from None

    def answer(self, response: Any) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of an answer with status 200 that is one JSON body."""
        body = write_answer(response)
        return [
            (REQUEST_ID, self.request_id),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ], body

    def send_event(self, event: BaseEvent) -> bytes:
        """The frame of an event."""
        return encode_message(*write_result(self.operation, event))

    def send_exception(self, error: ServiceException) -> bytes:
        """The frame of an exception, which ends the stream."""
        body = msgspec.json.encode({"Message": error.message})
        return exception_frame(type(error).__name__, body)


def exception_frame(name: str, body: bytes) -> bytes:
    """The frame of an exception of the service.

    :param name: Its `:exception-type`.
    :param body: JSON with a `Message`.
    """
    return encode_message(
        {
            ":message-type": "exception",
            ":exception-type": name,
            ":content-type": "application/json",
        },
        body,
    )


def _parameters(query: str) -> dict[str, str]:
    """A query's parameters, but the signature's, under the names that they have as headers."""
    pairs = (tuple(map(unquote, part.partition("=")[::2])) for part in query.split("&"))
    return {
        PREFIX + name.lower(): value
        for name, value in pairs
        if not name.lower().startswith("x-amz-")
    }


def _with_host(headers: Headers) -> Sequence[tuple[str, str]]:
    """The headers with `host`, which HTTP/2 sends as `:authority`; both may be signed."""
    given = {name for name, _ in headers}
    if "host" in given:
        return headers
    return [*headers, *(("host", value) for name, value in headers if name == ":authority")]
