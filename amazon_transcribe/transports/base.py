"""What the client expects of a transport. Anything of this shape can be one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from .._net.origin import Origin


class Request(NamedTuple):
    """What a stream begins with.

    :param origin: Where to.
    :param method: `"POST"`, or `"GET"` for WebSocket and for GetMedicalScribeStream.
    :param target: The path, with its query if there is one.
    :param headers: Without pseudo-headers; `host` is sent as `:authority`.
    """

    origin: Origin
    method: str
    target: str
    headers: Sequence[tuple[str, str]]


class Stream(Protocol):
    """One request and its answer, both of them streams of bytes."""

    async def response(self, timeout: float | None = None) -> tuple[int, Mapping[str, str]]:
        """Wait for the answer's status and headers (names in lower case).

        :param timeout: Seconds to wait; None for ever.
        :raises TimeoutException: with the phase `"response"`.
        :raises HTTPException: when the stream has failed.
        """

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send bytes; waits while too much is on its way unsent.

        The bytes are taken before the wait: a write that is cancelled still sends them.
        Without any bytes it is the wait alone.

        :param data: The next bytes of the request's body.
        :param timeout: Seconds to wait; None for ever.
        :raises TimeoutException: with the phase `"send"`.
        :raises HTTPException: when the stream has failed; the bytes may be lost.
        """

    def end(self) -> None:
        """End the request's bytes. A second call is harmless."""

    async def read(self, timeout: float | None = None) -> bytes:
        """The bytes that have come, `b""` at the peer's clean end.

        Reading opens the flow-control window: what is not read stays with the peer.
        A read that is cancelled or runs out of time loses nothing.

        :param timeout: Seconds to wait; None for ever.
        :raises TimeoutException: with the phase `"read"`.
        :raises HTTPException: when the stream has failed, after the bytes before it.
        """

    def read_nowait(self) -> bytes:
        """The bytes that have come, `b""` when there are none now; never raises."""

    def when_ended(self, call: Callable[[], None]) -> None:
        """Have the loop call this once, when the peer's bytes have ended or the stream has
        failed: so its end is noticed even if nobody reads.

        :param call: Takes nothing; called soon where the end has been already.
        """

    def abort(self) -> None:
        """End the stream at once, with RST_STREAM where it is still open."""


class Transport(Protocol):
    """Opens streams."""

    async def open(self, request: Request, timeout: float) -> Stream:
        """Send a request's headers.

        :param request: What to send, and where to.
        :param timeout: Seconds for everything up to a stream that takes bytes.
        :raises ConnectException: no connection could be made.
        :raises TimeoutException: not within the time.
        """

    async def close(self) -> None:
        """Close every connection; open streams fail with `StreamClosedException`."""
