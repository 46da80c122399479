"""TLS of connections."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from functools import lru_cache
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from ..exceptions import ConnectException, ValidationException
from .named_files import check_file
from .origin import Origin


class ContextOfConnection:
    """A TLS context for one connection, as far as asyncio, uvloop and `direct_tls` use one.

    ALPN belongs to the context, which may be the program's own, in use for other
    connections too, and cannot be copied. What is set counts for those begun from then
    on: so it is set at the moment in which a connection begins.

    :param alpn: The protocol to ask for.
    :param session: What an earlier connection has agreed on, to be resumed if the peer will.
    """

    _beginning = Lock()

    def __init__(
        self, alpn: str, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> None:
        self._alpn = alpn
        self._context = context
        self._session = session

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        with self._beginning:
            self._context.set_alpn_protocols([self._alpn])
            return self._context.wrap_bio(*args, **{**kwargs, "session": self._session})

    def wrap_socket(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        with self._beginning:
            self._context.set_alpn_protocols([self._alpn])
            return self._context.wrap_socket(
                sock, server_hostname=host, do_handshake_on_connect=False, session=self._session
            )


class Sessions:
    """TLS sessions to resume: new connections need no certificate and no signature again.

    A session stands for a peer whose certificate was checked, or was not. So it counts for the
    same origin, context and kind of check only, and none is kept of a resumed connection: once
    the peer's limit is over, the certificate is checked again.
    """

    _MOST = 64

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], ssl.SSLSession] = {}

    def to(self, origin: Origin, context: ssl.SSLContext) -> ssl.SSLSession | None:
        """Return what a new connection may resume, if there is something."""
        return self._kept.get(self._key(origin, context))

    def keep(self, origin: Origin, tls: ssl.SSLObject | ssl.SSLSocket) -> None:
        """Keep what a connection has agreed on.

        :param tls: Of a connection on which something has come: TLS 1.3 sends what can be
            resumed behind the handshake.
        """
        # Each look at the session copies it, the peer's certificate with it: 170 µs.
        if not tls.session_reused and (session := tls.session) is not None:
            if len(self._kept) >= self._MOST:
                self._kept.clear()
            self._kept[self._key(origin, tls.context)] = session

    def forget(self, origin: Origin, context: ssl.SSLContext) -> None:
        """Let the next connection begin anew, as one has failed."""
        self._kept.pop(self._key(origin, context), None)

    def _key(self, origin: Origin, context: ssl.SSLContext) -> tuple[object, ...]:
        checks = context.verify_mode, context.verify_flags, context.check_hostname
        return origin, context, checks


def default_context() -> ssl.SSLContext:
    """Trust the system's authorities, and those in SSL_CERT_FILE, SSL_CERT_DIR and AWS_CA_BUNDLE.

    :raises ConnectException: when the authorities do not load.
    """
    variables = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return _context_of(*map(os.environ.get, variables))


@lru_cache(maxsize=8)
def _context_of(bundle: str | None, cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    """Make the context for these values of the variables, once."""
    try:
        for file in filter(None, (bundle, cert_file)):
            check_file(file)
        context = ssl.create_default_context()
        if bundle:
            context.load_verify_locations(bundle)
    except ValidationException as error:
        raise ConnectException(f"the authorities do not load: {error}") from error
    except OSError as error:
        raise ConnectException(
            f"the authorities in AWS_CA_BUNDLE={bundle} do not load: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


_TLS_READ = 16 * 1024  # one TLS record

# asyncio fills a buffer and takes all that is in it before anything else is read.
_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, bytearray] = WeakKeyDictionary()


def share_buffer(transport: Any) -> None:
    """Read TLS into one small buffer of the loop: asyncio gives each connection 256 KiB for it.

    There is no public way. Where the names are others (Python 3.10, uvloop) nothing is done.

    :param transport: A transport of TLS.
    """
    _share(getattr(transport, "_ssl_protocol", None))


def share_buffer_early(plain: Any) -> None:
    """Do the same as soon as a handshake begins: many are begun and never finished.

    :param plain: The transport below TLS.
    """
    _share(plain.get_protocol())


def _share(protocol: Any) -> None:
    if isinstance(getattr(protocol, "_ssl_buffer", None), bytearray):
        loop = asyncio.get_running_loop()
        buffer = _buffers.get(loop)
        if buffer is None:
            buffer = _buffers[loop] = bytearray(_TLS_READ)
        protocol.max_size = _TLS_READ
        protocol._ssl_buffer = buffer
        protocol._ssl_buffer_view = memoryview(buffer)
