"""An exchange: one request with its answer, a stream in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

WRITE_TIMEOUT = 60.0
"""Seconds to wait for a client that does not take its results."""

CLOSE_TIMEOUT = 4.0
"""Seconds to wait for what is under way when the server closes."""

LINGER_TIMEOUT = 2.0
"""Seconds that a client may go on sending after the answer's end; then the stream is reset."""


class Exchange(Protocol):
    """What the service needs: an exchange over any connection, or in memory."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the answer's status and headers."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the stream has broken off."""
        ...

    async def read(self, timeout: float | None = None) -> bytes:
        """Wait for the client's next bytes; none at their end."""
        ...

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send bytes, and wait until there is room for more."""
        ...

    async def finish(self, sending: float, lingering: float) -> None:
        """End the answer.

        :param sending: Seconds to wait for the client to take what is unsent.
        :param lingering: Seconds to wait for the client's own end afterwards.
        """
        ...


class NetworkExchange(Exchange, Protocol):
    """What a listener makes: an exchange that can also be broken off.

    :ivar client: The client's address.
    """

    client: str

    def abort(self) -> None:
        """End the stream at once."""
        ...

    def reset(self, code: int) -> None:
        """End the stream with an error code, after what was written."""
        ...

    def drop(self) -> None:
        """Cut the connection, after what was written."""
        ...

    def go_away(self, code: int, *, graceful: bool) -> None:
        """Say that the connection takes no more streams; unless graceful, not this one."""
        ...

    async def closed(self) -> None:
        """Wait, without reading, until the client has left."""
        ...
