"""The server's end of one stream, without any I/O."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from .._wire import Buffer, EventStreamDecoder, encode_message
from .._wire.event_signing import EventChain
from .._wire.sigv4 import Authorization, Headers, PresignedQuery, read_timestamp
from ..eventstream import BaseEvent
from ..exceptions import (
    BadRequestException,
    InvalidPayloadLength,
    ParserError,
    SDKError,
    ServiceException,
)
from .constants import (
    CONTENT_TYPE,
    MAX_AUDIO_CHUNK,
    PREFIX,
    REQUEST_ID,
    SERVICE,
    SIGNATURE_LIFETIME,
    WEBSOCKET,
)
from .constraints import unknown_members
from .operation import Operation
from .rest_json import (
    event_headers,
    read_event,
    read_request,
    response_headers,
    unknown_parameters,
    write_answer,
    write_json,
)
from .shapes import EventShape

MAX_FRAME = 256 * 1024
"""The longest payload that the server reads; the limit on audio is lower."""

TOO_BIG = "Your stream is too big. Reduce the frame size and try your request again."
_WRONG_SIGNATURE = "The signature of an event does not match the one calculated here."
_OLD_SIGNATURE = f"Signature expired: an event's signature is good for {SIGNATURE_LIFETIME:.0f} s."


class RequestRefused(SDKError):
    """A request that the server answers with an error status instead of a stream."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(status, name, message)
        self.status = status
        self.name = name
        self.message = message

    def headers_and_body(self) -> tuple[list[tuple[str, str]], bytes]:
        """Return the answer: restJson1's error name in a header, the text in the body."""
        body = write_json({"Message": self.message})
        return [
            (REQUEST_ID, str(uuid.uuid4())),
            ("x-amzn-errortype", self.name),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ], body


class ServerSession:
    """The server's end of one stream.

    :ivar unknown_parameters: Headers with the service's prefix that the operation does not
        define.
    :ivar configuration: The configuration event, once it has come.
    :ivar unknown_members: The paths of what is set in the configuration and not in the
        service model.
    :ivar input_ended: Whether the client has sent the end of its input.
    :ivar session_ended: Whether a scribe's client has ended its session, not only this
        stream.

    :param secrets: The secret of each known access key.
    :param operations: The operations to serve, by their paths.
    :param clock: Gives the present as seconds since 1970.
    """

    def __init__(
        self,
        secrets: Mapping[str, str],
        operations: Mapping[str, Operation],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.request_id = str(uuid.uuid4())
        self.session_id = ""
        self.unknown_parameters: list[str] = []
        self.unknown_members: list[str] = []
        self.input_ended = False
        self.session_ended = False
        self.configuration: EventShape | None = None
        self.operation: Operation
        self._audio_came = False
        self.request: Any = None
        self._secrets = secrets
        self._operations = operations
        self._clock = clock
        self._takes_bare_events = False
        self._chain: EventChain
        self._outer = EventStreamDecoder(max_payload_length=MAX_FRAME)
        self._inner = EventStreamDecoder()

    def receive_request(self, method: str, target: str, headers: Headers) -> Any:
        """Check a request's signature and parameters, and return it typed.

        :param target: The path as sent, with its query.
        :param headers: As sent, HTTP/2's pseudo-headers among them.
        :raises RequestRefused: with the status and the name the service would give.
        """
        path, _, query = target.partition("?")
        presigned = path.endswith(WEBSOCKET)
        found = self._operation_at(path.removesuffix(WEBSOCKET))
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

    def _operation_at(self, path: str) -> tuple[Operation, dict[str, str]] | None:
        """Find the operation of a path as sent, and the parameters that stand in the path."""
        operation = self._operations.get(path)
        if operation is not None and not operation.label_members:
            return operation, {}
        for operation in self._operations.values():
            if operation.label_members and (found := operation.pattern.fullmatch(path)):
                return operation, {name: unquote(text) for name, text in found.groupdict().items()}
        return None

    def _authenticate(
        self, method: str, path: str, query: str, headers: Headers, presigned: bool
    ) -> None:
        auth, stamp, lifetime = _read_signature(query, dict(headers), presigned)
        try:
            secret = self._secrets[auth.access_key_id]
        except KeyError:
            raise RequestRefused(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ) from None
        if not auth.matches(
            secret_access_key=secret, method=method, path=path, query=query, headers=headers
        ):
            raise RequestRefused(
                403,
                "InvalidSignatureException",
                "The request signature does not match the one calculated here: check the"
                " secret access key and how the request is signed.",
            )
        if auth.scope.service != SERVICE or self._is_expired(stamp, lifetime):
            raise RequestRefused(
                403,
                "InvalidSignatureException",
                "Signature expired or not for this service: it is good for"
                f" {lifetime} s and the service {SERVICE!r}.",
            )
        self._chain = EventChain(secret, auth.scope.region, SERVICE, auth.signature, self._clock)

    def _is_expired(self, stamp: str, lifetime: int) -> bool:
        try:
            age = self._clock() - read_timestamp(stamp).timestamp()
        except ValueError:
            return True
        return not -SIGNATURE_LIFETIME <= age <= lifetime

    def response_headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer with status 200."""
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
        """Return the chunks of audio that these bytes complete.

        A configuration among them is kept in `configuration`, the end of the input in
        `input_ended`, and the end of a session in `session_ended`.

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
                date = message.headers.get(":date")
                if not isinstance(date, int) or not self._chain.verify(message):
                    raise BadRequestException(_WRONG_SIGNATURE)
                if abs(self._clock() - date / 1000) > SIGNATURE_LIFETIME:
                    raise BadRequestException(_OLD_SIGNATURE)
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

    def _event(self, headers: Mapping[str, Any], payload: bytes) -> list[bytes]:
        """Take one event, and return its audio, if it is audio."""
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
        known, event = read_event(self.operation, name, payload)
        if known.role == "end":
            self.session_ended = self.input_ended = True
            return
        if self._audio_came or self.configuration is not None:
            raise BadRequestException("The ConfigurationEvent must be the first event.")
        self.configuration = event
        self.unknown_members = list(unknown_members(known.structure, msgspec.json.decode(payload)))

    def receive_end(self) -> None:
        """Take the end of the client's bytes.

        :raises BadRequestException: when the last message is unfinished.
        """
        self.input_ended = True
        try:
            self._outer.close()
        except ParserError as error:
            raise BadRequestException(f"Could not decode the event stream: {error}") from None

    def answer(self, response: Any) -> tuple[list[tuple[str, str]], bytes]:
        """Return headers and body of an answer with status 200 that is one JSON body."""
        body = write_answer(response)
        return [
            (REQUEST_ID, self.request_id),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ], body

    def send_event(self, event: BaseEvent) -> bytes:
        """Return the frame of an event."""
        name = self.operation.events.names[type(event)]
        return encode_message(event_headers(name), write_json(event))

    def send_exception(self, error: ServiceException) -> bytes:
        """Return the frame of an exception, which ends the stream."""
        return exception_frame(type(error).__name__, write_json({"Message": error.message}))


def exception_frame(name: str, body: bytes) -> bytes:
    """Return the frame of an exception of the service.

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


def _read_signature(
    query: str, headers: Mapping[str, str], presigned: bool
) -> tuple[Authorization | PresignedQuery, str, int]:
    """Read a request's signature, when it was made, and the seconds for which it is good.

    :raises RequestRefused: when there is none, or not a whole one.
    """
    if "authorization" not in headers and not (presigned and "X-Amz-Signature=" in query):
        raise RequestRefused(
            403, "MissingAuthenticationTokenException", "Missing Authentication Token"
        )
    try:
        if not presigned:
            auth = Authorization.parse(headers["authorization"])
            return auth, headers.get("x-amz-date", ""), int(SIGNATURE_LIFETIME)
        signed = PresignedQuery.parse(query)
        if not 0 < signed.expires <= SIGNATURE_LIFETIME:
            raise ValueError(f"X-Amz-Expires is not from 1 to {SIGNATURE_LIFETIME:.0f}")
    except ValueError as error:
        raise RequestRefused(403, "IncompleteSignatureException", str(error)) from None
    return signed, signed.stamp, signed.expires


def _parameters(query: str) -> dict[str, str]:
    """Return a query's parameters by their headers' names, without the signature's."""
    pairs = (tuple(map(unquote, part.partition("=")[::2])) for part in query.split("&"))
    return {
        PREFIX + name.lower(): value
        for name, value in pairs
        if not name.lower().startswith("x-amz-")
    }


def _with_host(headers: Headers) -> Sequence[tuple[str, str]]:
    """Return the headers with `host`, which HTTP/2 sends as `:authority`; both may be signed."""
    given = {name for name, _ in headers}
    if "host" in given:
        return headers
    return [*headers, *(("host", value) for name, value in headers if name == ":authority")]
