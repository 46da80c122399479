"""TLS on the socket itself: between a connection and OpenSSL stands nothing of the loop's.

The loop only tells when the socket can be read or written. That takes 12 KiB less for each
connection than the loop's own TLS, and less CPU for each write; see `docs/decisions.md`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from ..exceptions import TimeoutException
from .tls import ContextOfConnection
from .waiting import Waiters

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)

HANDSHAKE_TIMEOUT = 60.0
CLOSE_TIMEOUT = 30.0
MAX_UNSENT_HERE = 64 * 1024  # bytes, until the connection is told to pause

_RECORD = 16 * 1024  # bytes of a TLS record at most (RFC 8446, 5.1)


def can_be_direct(context: ssl.SSLContext) -> bool:
    """Tell whether the running loop and a context allow it.

    Windows' Proactor watches no sockets. A context that is not Python's own may do more where
    a loop asks it for TLS than where a socket does: truststore checks certificates so.

    :param context: The context that the program gave.
    """
    watches = getattr(type(asyncio.get_running_loop()), "add_reader", None)
    return (
        watches is not asyncio.AbstractEventLoop.add_reader
        and type(context).__module__ == ssl.__name__
    )


async def open_directly(
    make: Callable[[], _Protocol],
    sock: socket.socket,
    context: ContextOfConnection,
    host: str,
    handshake_timeout: float = HANDSHAKE_TIMEOUT,
    close_timeout: float = CLOSE_TIMEOUT,
) -> tuple[asyncio.Transport, _Protocol]:
    """Agree on TLS with the peer at the other end of a socket.

    :param make: Makes the connection's protocol.
    :param sock: Is connected and does not block; it is closed if this fails.
    :param host: Whose certificate the peer must show.
    :param handshake_timeout: Seconds for the handshake.
    :param close_timeout: Seconds in which a close sends the rest and hears the peer's end.
    :raises OSError: when the handshake fails.
    """
    try:
        sock.getpeername()
    except OSError as error:  # Python leaves a socket open that it has half wrapped
        sock.close()
        raise ConnectionResetError("the peer left before the TLS handshake") from error
    tls = context.wrap_socket(sock, host)
    try:
        await _shake_hands(tls, handshake_timeout)
    except BaseException:
        tls.close()
        raise
    protocol = make()
    transport = _DirectTransport(tls, protocol, close_timeout)
    protocol.connection_made(transport)
    return transport, protocol


async def _shake_hands(tls: ssl.SSLSocket, timeout: float) -> None:
    loop = asyncio.get_running_loop()
    due, fd = loop.time() + timeout, tls.fileno()
    while True:
        watch: Callable[..., Any]
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            watch, leave = loop.add_reader, loop.remove_reader
        except ssl.SSLWantWriteError:
            watch, leave = loop.add_writer, loop.remove_writer
        except ssl.SSLEOFError as error:
            raise ConnectionResetError("the peer left in the TLS handshake") from error
        else:
            return
        ready = Waiters()
        watch(fd, ready.wake)
        try:
            await ready.wait(due - loop.time(), "connect")
        except TimeoutException as error:
            raise ConnectionAbortedError(f"no TLS handshake within {timeout:g} s") from error
        finally:
            leave(fd)


class _DirectTransport(asyncio.Transport):
    """What a connection's protocol writes to, as asyncio's transports are.

    :param sock: Has agreed on TLS.
    """

    __slots__ = (
        "_close_timeout",
        "_closing",
        "_fd",
        "_giving_up",
        "_high",
        "_is_full",
        "_is_reading",
        "_loop",
        "_low",
        "_must_read_first",
        "_protocol",
        "_sock",
        "_unsent",
    )

    def __init__(
        self, sock: ssl.SSLSocket, protocol: asyncio.Protocol, close_timeout: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._fd = sock.fileno()  # asyncio would format a socket that it does not know yet
        self._protocol = protocol
        self._close_timeout = close_timeout
        self._unsent = bytearray()
        self._is_full = self._closing = self._must_read_first = False
        self._is_reading = True
        self._giving_up: asyncio.TimerHandle | None = None
        self.set_write_buffer_limits()
        self._loop.add_reader(self._fd, self._receive)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        knows = name in ("socket", "ssl_object") and not self._is_lost
        return self._sock if knows else default

    # Writing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = MAX_UNSENT_HERE if high is None else high
        self._low = self._high // 4 if low is None else low

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        if not self._unsent:
            if not (data := self._send(data)):
                return
            if not self._must_read_first:
                self._loop.add_writer(self._fd, self._send_rest)
        self._unsent += data
        if len(self._unsent) > self._high and not self._is_full:
            self._is_full = True
            self._protocol.pause_writing()

    def _send(self, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """Send what the socket takes, and return the rest; none where it takes no more."""
        try:
            while (sent := self._sock.send(data)) < len(data):
                data = memoryview(data)[sent:]
            return b""
        except ssl.SSLWantWriteError:
            return data
        except ssl.SSLWantReadError:  # TLS 1.2 agrees anew: what comes decides, see `_receive`
            self._must_read_first = True
            return data
        except OSError as error:
            self._loop.call_soon(self._hear_out, error)
            return b""

    def _send_rest(self) -> None:
        if self._unsent:
            rest = len(self._send(self._unsent))
            del self._unsent[: len(self._unsent) - rest]
        if self._must_read_first:
            self._loop.remove_writer(self._fd)
        elif not self._unsent:
            self._loop.remove_writer(self._fd)
            if self._is_reading:
                self._loop.add_reader(self._fd, self._receive)  # see there
            if self._closing:
                self._say_goodbye()
                return
        if self._is_full and len(self._unsent) <= self._low:
            self._is_full = False
            self._protocol.resume_writing()

    # Reading

    def pause_reading(self) -> None:
        if not self._closing:
            self._is_reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if not self._closing:
            self._is_reading = True
            self._loop.add_reader(self._fd, self._receive)

    def _receive(self) -> bool:
        """Take what has come; return whether the protocol got something."""
        data, is_over, failure = b"", False, None
        try:
            # Whole records: OpenSSL keeps nothing of which the loop would not tell. To look for
            # another one costs less than a turn of the loop for each where many come.
            while len(data) < _RECORD and not is_over:
                more = self._sock.recv(_RECORD)
                data += more
                is_over = not more
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:  # the peer wants an answer, for which there is no room
            self._loop.remove_reader(self._fd)
            self._loop.add_writer(self._fd, self._send_rest)
        except OSError as error:
            failure = error
        if self._must_read_first:
            self._must_read_first = False
            self._loop.add_writer(self._fd, self._send_rest)
        if self._closing:  # what comes now is thrown away
            if is_over or failure is not None:
                self._lose(None)
            return False
        try:
            if data:
                self._protocol.data_received(data)
            if failure is not None:
                self._lose(failure)
            elif is_over and not self._closing:
                self._protocol.eof_received()
                self.close()
        except Exception as error:
            self._lose(error)
            raise
        return bool(data)

    def _hear_out(self, error: OSError) -> None:
        """Lose the connection, to which nothing can be sent, once what has come is taken.

        The peer may have said why it left.
        """
        if not self._closing and self._receive():
            self._loop.call_soon(self._hear_out, error)
        else:
            self._lose(error)

    # The end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = self._is_reading = True
        self._giving_up = self._loop.call_later(self._close_timeout, self.abort)
        self._loop.add_reader(self._fd, self._receive)
        if not self._unsent:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Tell the peer that nothing more comes, and close once it has said so too."""
        try:
            self._sock.unwrap()
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._fd, self._say_goodbye)
        except ssl.SSLError:  # something else comes first
            self._loop.remove_writer(self._fd)
            self._receive()
        except OSError:
            self._lose(None)
        else:
            self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    @property
    def _is_lost(self) -> bool:
        return self._sock.fileno() < 0

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._closing = True
        if self._giving_up is not None:
            self._giving_up.cancel()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._sock.close()
        self._loop.call_soon(self._protocol.connection_lost, error)
