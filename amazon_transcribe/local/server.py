"""The local server: its options, listeners, connections, start and end."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import ssl
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from .._net.named_files import check_file
from .._protocol.constants import AUDIO_TIMEOUT
from .._protocol.constraints import NAME, Integer, check_above_zero
from ..auth import StaticCredentialResolver
from ..exceptions import HTTPException, SDKError, ValidationException
from .constants import (
    DRAIN_TIMEOUT,
    LONGEST_SEGMENT,
    LONGEST_SEGMENTS,
    MAX_ALTERNATIVES,
    MAX_SECONDS,
    PAUSE,
    PAUSES,
)
from .engines import ENGINES, Engine, load_engine
from .engines.base import tells_speakers
from .exchange import CLOSE_TIMEOUT, NetworkExchange
from .faults import Fault
from .faults.injection import Faults, RefusedConnection
from .listeners.arrivals import Arrivals
from .listeners.certificates import server_context, throwaway_context
from .listeners.detection import NewConnection
from .listeners.hooks import Connection, Limits, ServerHooks
from .listeners.listener import Listener
from .log import logger
from .metrics import CONTENT_TYPE, Metrics
from .page import BrowserPage
from .pages import Page, Pages, Route, is_loopback, text
from .service import TranscriptionService
from .service.categories import read_categories
from .service.custom_vocabulary import read_vocabulary
from .service.records import StreamRecord, StreamRecords, log_end
from .service.vocabulary import read_phrases

if TYPE_CHECKING:
    from typing_extensions import Self

_LAST_WORDS_TIMEOUT = 2.0  # seconds to tell the other streams why they end
_ROOM = 16  # idle connections that make room at a time


class LocalTranscribe:
    """A Transcribe on this machine, as an async context manager.

    It speaks HTTP/2 and, on the same ports, WebSocket. It checks every signature, recognises
    speech with the engine, and behaves like the service as far as that is known; the
    documentation lists the differences. It can be started again once it is closed, on
    another port if the port is 0.

    :param engine: `"moonshine"`, `"pocketsphinx"`, `"scripted"`, the name of an engine that an
        installed package adds, or an engine object.
    :param host: The address to listen on; loopback by default.
    :param port: The port without TLS; 0 picks a free one.
    :param tls: Listen with TLS too, on `tls_port`; `endpoint_url` is then that port's.
    :param tls_port: The port with TLS; naming one turns TLS on. 0 picks a free one.
    :param cert: Its certificate, a PEM file; by default a throwaway one, good for
        localhost, 127.0.0.1 and the host.
    :param key: The certificate's key; None when it is in the same file.
    :param ca_file: Where to write the throwaway authority's certificate; by default a
        temporary file, whose path is in `ca_file` while the server runs.
    :param credentials: Known access keys and their secrets; by default one generated pair,
        which is in `credentials`.
    :param script: The text file that the scripted engine speaks.
    :param audio_timeout: Seconds without audio that end a stream, as the service does.
    :param max_seconds: The longest audio of a stream; the service takes four hours.
    :param max_streams: The most streams at a time, at least 1; None for any number.
    :param vocabulary_filters: The filters by their names: words and phrases, or the path
        of a UTF-8 file with one word or phrase per line.
    :param vocabularies: The custom vocabularies by their names: phrases with hyphens between
        their words, or the path of a file in one of the service's formats, a table or a list,
        of at most 50 KiB. An entry has at most 256 characters.
    :param categories: The categories of call analytics: the phrases of each category by its
        name, or a rules file, see `categories`.
    :param alternatives: The most alternatives of a final result, 1 to 10. The scripted
        engine has only one; the others have more where the speech is unclear, and final
        results then cost more. The service's model has no such parameter and no limit; 10
        is the most that its batch jobs return.
    :param pause: Seconds without speech that end a segment, 0.2 to 5. The scripted engine
        keeps its own pauses.
    :param longest_segment: Seconds after which a segment is cut, paused or not, 3 to 30. From
        two thirds of it on, a breath of 0.18 s ends the segment.
    :param lenient: Accept and ignore what the local server cannot do, such as other languages
        and personal information, and say so in the log.
    :param workers: Threads for recognition, at least 1; by default one for each core.
    :param faults: Faults to inject, see `Fault`; one stream may get several.
    :param page: Whether a browser gets a page at `/`, which transcribes the microphone and files
        and shows the streams. Whoever reaches the page can open streams without a key, so by
        default there is one on loopback only.
    :param keep_streams: How many streams of a start are kept in `streams`, the first ones,
        with their results and up to 64 MiB of audio together; none by default.
    :raises ValidationException: for an argument that is not allowed; from `start`, for an
        engine, script, certificate, filter, vocabulary or rules file that cannot be used, and
        for TLS where the package that makes certificates is missing.
    :raises EngineUnavailable: from `start`, when the engine's packages are missing.
    :raises OSError: from `start`, when a port is taken or a file cannot be used.
    :raises SDKError: from `start`, when the server is already running.

    A start that fails leaves nothing behind.
    """

    _load_engine = staticmethod(load_engine)
    _limits = Limits()

    def __init__(
        self,
        engine: str | Engine = "moonshine",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        tls_port: int | None = None,
        cert: Path | str | None = None,
        key: Path | str | None = None,
        ca_file: Path | str | None = None,
        credentials: Mapping[str, str] | None = None,
        script: Path | str | None = None,
        audio_timeout: float = AUDIO_TIMEOUT,
        max_seconds: float = MAX_SECONDS,
        max_streams: int | None = None,
        vocabulary_filters: Mapping[str, Iterable[str] | Path | str] | None = None,
        vocabularies: Mapping[str, Iterable[str] | Path | str] | None = None,
        categories: Mapping[str, Sequence[str]] | Path | str | None = None,
        alternatives: int = 1,
        pause: float = PAUSE,
        longest_segment: float = LONGEST_SEGMENT,
        lenient: bool = False,
        workers: int | None = None,
        faults: Iterable[Fault] = (),
        page: bool | None = None,
        keep_streams: int = 0,
    ) -> None:
        if not isinstance(engine, str) and not isinstance(getattr(engine, "name", None), str):
            raise ValidationException(
                f"engine must be one of {', '.join(ENGINES)}, or an engine object, not {engine!r}"
            )
        if not isinstance(host, str) or not host:  # it would be all addresses
            raise ValidationException(
                f"host must be an address, such as 127.0.0.1, or 0.0.0.0 for all, not {host!r}"
            )
        if credentials is not None and not credentials:
            raise ValidationException("credentials must name at least one access key")
        if key is not None and cert is None:
            raise ValidationException("key needs cert")
        for option, number, rule in (
            ("port", port, Integer(0, 65_535)),
            ("tls_port", 0 if tls_port is None else tls_port, Integer(0, 65_535)),
            ("alternatives", alternatives, Integer(1, MAX_ALTERNATIVES)),
            ("keep_streams", keep_streams, Integer(0)),
            ("max_streams", 1 if max_streams is None else max_streams, Integer(1)),
            ("workers", 1 if workers is None else workers, Integer(1)),
        ):
            if problem := rule.violation(number):
                raise ValidationException(f"{option} {problem}")
        check_above_zero(audio_timeout=audio_timeout, max_seconds=max_seconds)
        for option, seconds, (least, most) in (
            ("pause", pause, PAUSES),
            ("longest_segment", longest_segment, LONGEST_SEGMENTS),
        ):
            if not (isinstance(seconds, Real) and least <= float(seconds) <= most):
                raise ValidationException(
                    f"{option} must be from {least:g} to {most:g} seconds, not {seconds!r}"
                )
        for kind, names in (
            ("vocabulary filter", vocabulary_filters),
            ("vocabulary", vocabularies),
        ):
            for name in names or ():
                if problem := NAME.violation(name):
                    raise ValidationException(f"a {kind}'s name {problem}")
        self.host = host
        self.ca_file = Path(ca_file) if ca_file is not None else None
        self._engine = engine
        self._port = port
        self._tls_port = 0 if tls and tls_port is None else tls_port
        self._cert = Path(cert) if cert is not None else None
        self._key = Path(key) if key is not None else None
        self._secrets = dict(credentials) if credentials else {_new_access_key(): _new_secret()}
        self._script = Path(script) if script is not None else None
        self._vocabulary_filters = dict(vocabulary_filters or {})
        self._vocabularies = dict(vocabularies or {})
        self._categories = categories
        self._faults = Faults(faults)
        self._page = BrowserPage(self._secrets, self._describe)
        self._new_service = partial(
            TranscriptionService,
            secrets=self._page.keys,
            workers=workers or os.cpu_count() or 1,
            audio_timeout=audio_timeout,
            max_seconds=max_seconds,
            max_streams=max_streams,
            alternatives=alternatives,
            pause=pause,
            longest_segment=longest_segment,
            lenient=lenient,
        )
        self._keep_streams = keep_streams
        self._records = StreamRecords(keep_streams)
        self._metrics = Metrics()
        has_page = is_loopback(host) if page is None else page
        self._pages = Pages(
            {
                "/health": Route(self._health),
                "/ready": Route(self._readiness),
                "/metrics": Route(self._measures),
                **(self._page.routes if has_page else {}),
            },
            host,
        )
        self._service: TranscriptionService
        self._changing = asyncio.Lock()  # held by `start` and `close`
        self._cleanup: AsyncExitStack | None = None  # what `close` does
        self._listeners: list[Listener] = []
        self._connections: dict[Connection, None] = {}  # in the order of their arrival
        self._arrivals: Arrivals
        self._streams: set[asyncio.Task[None]] = set()
        self._urls: list[str] = []

    @property
    def credentials(self) -> StaticCredentialResolver:
        """The first of the known pairs, ready to be a client's `credential_resolver`."""
        return StaticCredentialResolver(*next(iter(self._secrets.items())))

    @property
    def engine_name(self) -> str:
        """The engine's name."""
        self._check_started()
        return self._service.engine.name

    @property
    def endpoint_url(self) -> str:
        """The URL for clients: that of the port with TLS, if there is one."""
        self._check_started()
        return self._urls[-1]

    @property
    def endpoint_urls(self) -> Sequence[str]:
        """The URL of each port."""
        return tuple(self._urls)

    @property
    def streams(self) -> Sequence[StreamRecord]:
        """What is known of the streams so far, in the order in which they began.

        They stay when the server is closed, until it is started again.

        :raises SDKError: when the server keeps none, see `keep_streams`.
        """
        return self._records.so_far

    def wait_for_streams(self, count: int = 1, *, timeout: float = 10.0) -> Sequence[StreamRecord]:
        """Block until streams have begun and ended, and return them.

        For tests that run the program in a thread or a process; the server runs in another
        thread, as the pytest fixture's does.

        :param count: How many: the first ones that began.
        :param timeout: Seconds for all of them.
        :raises StreamsNotEnded: when they have not ended in time.
        :raises ValidationException: in a coroutine, whose event loop would stand still; and
            for a count above `keep_streams`.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._records.wait(count, timeout)
        raise ValidationException(
            "wait_for_streams would hold up this event loop: use `await streams_ended(…)`"
        )

    async def streams_ended(
        self, count: int = 1, *, timeout: float = 10.0
    ) -> Sequence[StreamRecord]:
        """Wait until streams have begun and ended, and return them.

        :param count: How many: the first ones that began.
        :param timeout: Seconds for all of them.
        :raises StreamsNotEnded: when they have not ended in time.
        :raises ValidationException: for a count above `keep_streams`.
        """
        return await self._records.wait_async(count, timeout)

    def _check_started(self) -> None:
        if not self._urls:
            raise SDKError("the server has not been started")

    async def start(self) -> None:
        """Load the engine and listen."""
        if not self._changing.locked():
            self._changing = asyncio.Lock()  # the last one may be of another loop
        async with self._changing:
            if self._cleanup is not None:
                raise SDKError("the server is already running")
            self._urls.clear()
            self._metrics = Metrics()
            self._page.clear()
            self._records = StreamRecords(self._keep_streams, on_change=self._stream_changed)
            self._cleanup = AsyncExitStack()
            try:
                await self._start(self._cleanup)
            except BaseException:
                await self._close()
                raise

    async def drain(self, timeout: float = DRAIN_TIMEOUT) -> None:
        """Take no more streams and let those that are open end; `close` comes after it.

        A stream whose input ends in time gets all its results. The others get those of what
        was recognised, and a `ServiceUnavailableException`.

        :param timeout: Seconds in which streams may end by themselves; the others have 2 s
            more. With no stream open it returns at once.
        """
        self._check_started()
        self._service.admit_no_more()
        await self._stop_listening()
        if self._streams:
            await asyncio.wait(self._streams, timeout=timeout)
        self._service.end_streams()
        if self._streams:
            await asyncio.wait(self._streams, timeout=_LAST_WORDS_TIMEOUT)

    async def close(self) -> None:
        """Stop listening, end every stream at once and release the engine, within 8 s.

        A call of the engine that takes longer than that goes on in its thread. A start that
        is under way is waited for.
        """
        async with self._changing:
            await self._close()

    async def _close(self) -> None:
        cleanup, self._cleanup = self._cleanup, None
        if cleanup is not None:
            await cleanup.aclose()

    async def _start(self, cleanup: AsyncExitStack) -> None:
        filters = {name: read_phrases(words) for name, words in self._vocabulary_filters.items()}
        vocabularies = {name: read_vocabulary(each) for name, each in self._vocabularies.items()}
        categories = self._categories
        if isinstance(categories, (Path, str)):
            categories = read_categories(Path(categories))
        engine = self._engine
        if isinstance(engine, str):
            # Reading a model takes a second; the loop goes on meanwhile.
            engine = await asyncio.to_thread(self._load_engine, engine, script=self._script)
            cleanup.callback(engine.close)
        self._service = self._new_service(
            engine, vocabulary_filters=filters, vocabularies=vocabularies, categories=categories
        )
        cleanup.push_async_callback(self._service.close)
        cleanup.push_async_callback(self._end_streams)
        self._arrivals = Arrivals(self._limits.unproved, self._limits.unproved_of_address)
        await self._listen("http", self._port, None)
        if self._tls_port is not None:
            await self._listen_with_tls(self._tls_port, cleanup)

    async def _end_streams(self) -> None:
        self._service.admit_no_more()  # connections are still open
        try:
            await self._stop_listening()
            for task in self._streams:
                task.cancel()
            if self._streams:
                await asyncio.wait(self._streams, timeout=CLOSE_TIMEOUT / 2)
            for connection in list(self._connections):
                connection.close()
            if ends := [connection.lost for connection in self._connections]:
                await asyncio.wait(ends, timeout=CLOSE_TIMEOUT / 2)
        finally:
            for connection in list(self._connections):
                connection.abort()
        if ends := [connection.lost for connection in self._connections]:
            await asyncio.wait(ends)

    async def _stop_listening(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:  # all of them, wherever this is cancelled
            listener.stop()
        for listener in listeners:
            await listener.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _listen(self, scheme: str, port: int, context: ssl.SSLContext | None) -> None:
        # Connections that begin TLS themselves keep little memory until it is there. On uvloop
        # they cannot: it reads before they are asked.
        begins_itself = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        listener = Listener(
            partial(self._accept, context if begins_itself else None),
            self._make_room,
            self._limits.out_of_resources,
            None if begins_itself else context,
            self._limits.handshake,
        )
        try:
            port = await listener.open(self.host, port)
        except OSError as error:
            # asyncio gives no number for a host that is not an address of this machine.
            number = error.errno or errno.EADDRNOTAVAIL
            reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(number)
            raise OSError(number, f"cannot listen on {self.host}, port {port}: {reason}") from error
        self._listeners.append(listener)
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._urls.append(f"{scheme}://{host}:{port}")

    async def _listen_with_tls(self, port: int, cleanup: AsyncExitStack) -> None:
        if self._cert is not None:
            await self._listen("https", port, server_context(self._cert, self._key))
            return
        context, authority = throwaway_context(["localhost", "127.0.0.1", self.host])
        await self._listen("https", port, context)
        if self.ca_file is None:
            handle, name = tempfile.mkstemp(prefix="amazon-transcribe-ca-", suffix=".pem")
            os.close(handle)
            self.ca_file = Path(name)
            cleanup.callback(self._remove_ca_file, self.ca_file)
        check_file(self.ca_file)
        try:
            self.ca_file.write_bytes(authority)
        except OSError as error:  # a full disk's has no name
            raise OSError(error.errno, error.strerror, str(self.ca_file)) from error

    def _remove_ca_file(self, path: Path) -> None:
        self.ca_file = None
        path.unlink(missing_ok=True)

    def _accept(self, context: ssl.SSLContext | None) -> asyncio.Protocol:
        if self._faults.refuse_connection():
            return RefusedConnection()
        hooks = ServerHooks(self._begin, self._connection_changed, self._limits, self._pages)
        return NewConnection(hooks, self._arrivals, context)

    def _make_room(self) -> None:
        """Let the oldest idle connections go, as there are no resources for new ones."""
        idle = (connection for connection in self._connections if connection.is_idle)
        for connection in list(islice(idle, _ROOM)):
            connection.abort()

    def _begin(self, exchange: NetworkExchange) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(exchange))
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)

    async def _serve(self, exchange: NetworkExchange) -> None:
        try:
            with self._records.record(exchange.target, exchange.client) as record:
                serve = partial(self._service.serve, record=record)
                await self._faults.serve(exchange, serve)
        except HTTPException:
            pass  # the record has it
        except Exception:
            logger.exception("a stream failed in the server")
        finally:
            exchange.abort()

    def _stream_changed(self, record: StreamRecord) -> None:
        self._metrics.take(record)
        self._page.take(record)
        if record.ended is not None:
            log_end(record)

    def _connection_changed(self, connection: Connection) -> None:
        if connection.lost.done():
            self._connections.pop(connection, None)
        else:
            self._connections[connection] = None
            if self._cleanup is None:  # accepted before the listeners were closed
                connection.abort()

    # Pages

    def _health(self, _: str) -> Page:
        return text("ok\n")

    def _readiness(self, _: str) -> Page:
        if self._service.admits:
            return text("ready\n")
        return text("The server is shutting down.\n", 503)

    def _measures(self, _: str) -> Page:
        connections = len(self._connections)
        measures = self._metrics.text(self._service, self._faults.injected, connections)
        return text(measures, content_type=CONTENT_TYPE)

    def _describe(self) -> dict[str, object]:
        engine = self._service.engine
        return {
            "engine": engine.name,
            "language": engine.languages[0],
            "speakers": tells_speakers(engine),
        }


def _new_access_key() -> str:
    return "AKID" + secrets.token_hex(8).upper()


def _new_secret() -> str:
    return secrets.token_urlsafe(30)
