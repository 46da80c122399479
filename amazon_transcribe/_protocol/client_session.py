"""The client's end of one stream's conversation, without any I/O.

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
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from .._wire import Buffer, EventStreamDecoder, encode_message
from .._wire.event_signing import EventChain
from .._wire.sigv4 import EMPTY_HASH, EVENT_STREAM_HASH, authorization, presigned_query, timestamp
from ..auth import Credentials
from ..eventstream import BaseEvent
from ..exceptions import (
    ParserError,
    SDKError,
    ServiceException,
    StreamClosedException,
    TruncatedStreamException,
    UnexpectedAnswerException,
    UnknownServiceException,
    ValidationException,
)
from .constants import CONTENT_TYPE, PREFIX, SERVICE, SESSION_ID, SIGNATURE_LIFETIME, WEBSOCKET
from .events import AudioEvent, service_exception
from .operation import Operation
from .rest_json import WrittenRequest, read_answer, read_response, write_event


class ClientSession:
    """The client's end of one stream.

    :param operation: What is asked for.
    :param request: Its parameters, as `write_request` has checked and written them.
    :param credentials: Good for the whole stream; the service forbids a change.
    :param authority: Host, and port unless it is the scheme's own, as they are sent.
    :param clock: Gives the present as seconds since 1970.
    """

    def __init__(
        self,
        operation: Operation,
        request: WrittenRequest,
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
        self.target = request.target
        self._configured = False
        self._parameters = request.headers
        self._sent_parameters: dict[str, str] = {}
        self._credentials = credentials
        self._region = region
        self._authority = authority
        self._clock = clock
        self._chain: EventChain | None = None
        self._decoder = EventStreamDecoder()
        self._is_event_stream = False  # True once the peer has shown it
        self._failure: SDKError | None = None

    def headers(self) -> list[tuple[str, str]]:
        """Return the request's headers, signed; `host` stands for HTTP/2's `:authority`.

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
            *self._parameters,
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

    def presigned(self, expires: int = int(SIGNATURE_LIFETIME)) -> str:
        """Return the same request for WebSocket: the target of a GET, signed in its query.

        Parameters are named as their headers without the prefix. The service answers
        them with no headers, so the session id is made here and the response repeats
        the request, as AWS's own clients do.

        :param expires: Seconds in which the request must be made.
        """
        credentials = self._credentials
        self._sent_parameters = dict(self._parameters)
        if any(header == SESSION_ID for _, header in self.operation.header_members):
            self._sent_parameters.setdefault(SESSION_ID, str(uuid.uuid4()))
        path = self.operation.path + WEBSOCKET
        query, signature = presigned_query(
            method="GET",
            path=path,
            query="&".join(
                f"{name.removeprefix(PREFIX)}={quote(value, safe='')}"
                for name, value in self._sent_parameters.items()
            ),
            headers=[("host", self._authority)],
            stamp=timestamp(datetime.fromtimestamp(self._clock(), timezone.utc)),
            expires=expires,
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
        """Return the typed response of a request that was accepted."""
        self._is_event_stream = bool(self._sent_parameters) or "content-type" in headers
        response = read_response(
            self.operation, {**self._sent_parameters, **headers}, result_stream
        )
        self.request_id, self.session_id = response.request_id, response.session_id
        return response

    def receive_answer(self, body: bytes) -> Any:
        """Return the typed response of an answer that is one JSON body.

        :raises InvalidEventException: when it does not fit the service model.
        """
        return read_answer(self.operation, body)

    def is_unexpected(self, headers: Mapping[str, str]) -> bool:
        """Check whether the content type of an answer with HTTP 200 is another one.

        WebSocket has no content type.
        """
        content_type = headers.get("content-type")
        if self.operation.result_stream is None or content_type is None:
            return False
        return content_type.partition(";")[0].strip().lower() != CONTENT_TYPE

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ServiceException:
        """Return the exception of an answer with any other status."""
        # restJson1: the name may carry a namespace before '#' and a URL after ':'.
        name = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
        if not name and not body:
            return UnknownServiceException(status, None, f"the service answered HTTP {status}")
        return service_exception(name or None, body, status)

    def send_event(self, event: BaseEvent) -> bytes:
        """Return the signed frame of an event.

        :raises SerializerException: for an event that the operation does not take.
        :raises InvalidParameterException: for a value the service would refuse; its
            `parameter` is the path to it.
        :raises ValidationException: for a configuration that is not the first event.
        :raises StreamClosedException: after the end of the input.
        """
        if isinstance(event, AudioEvent):
            return self.send_audio(event.audio_chunk)
        known, headers, payload = write_event(self.operation, event)
        chain = self._open_chain()
        if known.role == "end":
            self.ended = True
        elif self._configured or self.audio_bytes_sent:
            raise ValidationException("the configuration must be the first event of the stream")
        else:
            self._configured = True
        return chain.wrap(encode_message(headers, payload))

    def send_audio(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """Return the signed frame of a chunk of audio; an empty chunk ends the input.

        :param chunk: The audio; a view of single bytes.
        :raises ValidationException: before the configuration, where there must be one.
        :raises StreamClosedException: after the end of the input.
        """
        chain = self._chain
        if chain is None or self.ended:
            chain = self._open_chain()
        size = len(chunk)
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
        """Return the signed frame that ends the input, and a scribe's session with it."""
        if self._chain is None:
            raise StreamClosedException("the request has not been made")
        frames = b""
        end_event = self.operation.end_event
        if end_event is not None and self._configured and not self.ended:
            frames = self.send_event(end_event.shape())
        self.ended = True
        return frames + self._chain.end()

    def _open_chain(self) -> EventChain:
        if self.ended:
            raise StreamClosedException("the input has ended: no more audio can be sent")
        if self._chain is None:
            raise StreamClosedException("the request has not been made")
        return self._chain

    def receive(self, data: Buffer, *, parsed: bool = True) -> list[Any]:
        """Return the events that these bytes complete, in order.

        What ends the stream, the service's exception or bytes that are no event
        stream, stands last in the list as an exception. After it nothing is read.

        :param parsed: False returns known events as `UnparsedEvent`.
        """
        if self._failure is not None:
            return []
        events: list[Any] = []
        parser = self.operation.events
        try:
            if parsed:
                self._decoder.feed_events(data, events, parser.decoders, parser.parse)
            else:
                self._decoder.feed_events(data, events, parser.keepers, parser.parse)
            if self._decoder.error is not None:
                raise self._decoder.error
        except SDKError as error:
            self._failure = error
            events.append(error)
        self._is_event_stream = self._is_event_stream or bool(events)
        return events

    def receive_end(self) -> SDKError | None:
        """Note that the peer's bytes have ended; return the failure, None for a clean end.

        :returns: A `TruncatedStreamException` when the last message is unfinished, an
            `UnexpectedAnswerException` when nothing came that makes it an event stream.
        """
        if self._failure is not None:
            return None
        try:
            self._decoder.close()
        except ParserError as error:
            self._failure = TruncatedStreamException(
                "the stream ended inside a message", error.offset
            )
        if self._failure is None and not self._is_event_stream:
            self._failure = UnexpectedAnswerException(200, None, b"")
        return self._failure
