"""What the client expects of a transport. Anything of this shape can be one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from .._net.origin import Origin
from ..exceptions import HTTPException


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
        ...

    def write(self, data: bytes) -> None:
        """Take bytes to send. It never waits, and the bytes are the stream's from here on.

        Whoever has more to send waits for room by `drain`.

        :param data: The next bytes of the request's body; no bytes are no end.
        :raises HTTPException: when the stream has failed or takes no more bytes.
        """
        ...

    @property
    def is_full(self) -> bool:
        """Whether too much is on its way unsent: time to `drain`."""
        ...

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until there is room for more.

        :param timeout: Seconds to wait; None for ever.
        :raises TimeoutException: with the phase `"send"`.
        :raises HTTPException: when the stream has failed; bytes may be lost.
        """
        ...

    def end(self) -> None:
        """End the request's bytes. A second call is harmless."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the peer has ended its bytes in order; some may still be unread."""
        ...

    @property
    def failure(self) -> HTTPException | None:
        """What the stream has failed with; bytes that came before may still be unread."""
        ...

    async def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them, `b""` at the peer's clean end.

        Reading opens the flow-control window: what is not read stays with the peer.
        A read that is cancelled or runs out of time loses nothing.

        :param timeout: Seconds to wait; None for ever.
        :raises TimeoutException: with the phase `"read"`.
        :raises HTTPException: when the stream has failed, after the bytes before it.
        """
        ...

    def read_nowait(self) -> bytes:
        """Return the bytes that have come, `b""` when there are none now. It never raises."""
        ...

    def when_changed(self, call: Callable[[], None]) -> None:
        """Have this called at once when bytes come, at the peer's end and at a failure.

        So the end is noticed even if nobody reads. What has happened before is told by one
        call. A stream has one such call: the last one that was given.

        :param call: Takes nothing and never raises.
        """
        ...

    def abort(self) -> None:
        """End the stream at once, with RST_STREAM where it is still open."""
        ...


class Transport(Protocol):
    """Opens streams."""

    async def open(self, request: Request, timeout: float) -> Stream:
        """Send a request's headers.

        :param request: What to send, and where to.
        :param timeout: Seconds for everything up to a stream that takes bytes.
        :raises ConnectException: no connection could be made.
        :raises TimeoutException: not within the time.
        """
        ...

    async def close(self) -> None:
        """Close every connection; open streams fail with `StreamClosedException`."""
        ...
