"""One stream, as the server's listeners offer it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

WRITE_TIMEOUT = 60.0

# A client may go on sending after the answer's end; then the stream is reset.
LINGER_TIMEOUT = 2.0


class Exchange(Protocol):
    """One request with its answer, as HTTP/2 and WebSocket offer it."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]

    def respond(self, status: int, headers: Sequence[tuple[str, str]]) -> None: ...

    async def read(self, timeout: float | None = None) -> bytes: ...

    async def write(self, data: bytes, timeout: float | None = None) -> None: ...

    async def finish(self, sending: float, lingering: float) -> None: ...


class BreakableExchange(Exchange, Protocol):
    """What an exchange must offer besides, so that it can be broken."""

    @property
    def is_over(self) -> bool:
        """Whether the stream has broken off."""

    def reset(self, code: int) -> None:
        """End the stream, and send first what was written."""

    def drop(self) -> None:
        """Cut the connection."""

    def go_away(self, code: int, *, graceful: bool) -> None:
        """Say that the connection takes no more streams; unless graceful, not this one."""

    async def closed(self) -> None:
        """Wait, with nothing read, until the client has left."""

    def abort(self) -> None:
        """End the stream at once."""
