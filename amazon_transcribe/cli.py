"""The command `amazon-transcribe`: transcribe audio, serve a local Transcribe, inspect events.

Exit codes: 0 done, 1 the service refused or failed, 2 bad usage or unreadable input, and
128 plus the signal's number when SIGINT or SIGTERM ended a transcription. An error is one
line on standard error. A reader of the output that has gone away, as `head` does, is no
error.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import secrets
import shutil
import signal
import ssl
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from . import __version__
from .audio import AudioFileException, AudioSource, Lookahead, open_audio, paced
from .exceptions import (
    CredentialsException,
    ParserError,
    SDKError,
    ServiceException,
    TimeoutException,
    UnknownServiceException,
    ValidationException,
)

# Nothing more up here: `--help` must not wait for what it does not need.
if TYPE_CHECKING:
    from .client import TranscribeStreamingClient
    from .eventstream import EventStreamMessage
    from .local import Fault, LocalTranscribe
    from .model import Result, StartStreamTranscriptionEventStream

__all__ = ["main"]

DONE, FAILED, UNUSABLE = 0, 1, 2
ENGINES = ("moonshine", "pocketsphinx", "scripted")
FORMATS = ("text", "json", "srt", "vtt")

# How long the service may stay silent after the last audio, and how long its reason may
# take to arrive once it stops taking audio.
_RESULT_SECONDS = 120.0
_REASON_SECONDS = 5.0
# Longer than anything takes that closes in good order.
_CANCEL_SECONDS = 6.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    :param argv: The arguments; by default those of the process.
    :returns: The exit code.
    """
    try:
        code = _command(argv)
        if sys.stdout is not None:
            _write(sys.stdout, "")
    except _OutputClosed:
        return DONE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        _notice(f"amazon-transcribe: {_one_line(error)}")
        return _exit_code(error)
    return code


def _command(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has said why
        return end.code if isinstance(end.code, int) else UNUSABLE
    code: int = arguments.run(arguments)
    return code


# Arguments


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="amazon-transcribe",
        description="Streaming speech to text on Amazon Transcribe's protocol.",
        epilog="Exit codes: 0 done, 1 the service refused or failed, 2 bad usage or "
        "unreadable input.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_transcribe(commands)
    _add_serve(commands)
    _add_inspect(commands)
    return parser


def _add_transcribe(commands: Any) -> None:
    parser = commands.add_parser(
        "transcribe",
        help="transcribe a file, standard input or the microphone",
        description="Send audio to Amazon Transcribe, or to a local stand-in, and write what "
        "was said. On a terminal the words appear while they are spoken.",
        epilog="""examples:
  amazon-transcribe transcribe --local talk.wav
  amazon-transcribe transcribe --region us-west-2 --format srt -o talk.srt talk.wav
  ffmpeg -i talk.mp4 -ac 1 -ar 16000 -f wav - | amazon-transcribe transcribe --local -
  arecord -f S16_LE -r 16000 | amazon-transcribe transcribe --region eu-west-1 -
  amazon-transcribe transcribe --local mic        (Ctrl-C ends the recording)""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_transcribe)
    parser.add_argument(
        "audio",
        metavar="AUDIO",
        help="16-bit mono audio: a WAV file or raw PCM, '-' for standard input, 'mic' for the "
        "microphone",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--local",
        action="store_true",
        help="recognise on this machine, without AWS and its credentials",
    )
    where.add_argument(
        "--endpoint-url", metavar="URL", help="another server, e.g. one that 'serve' started"
    )
    parser.add_argument(
        "--region",
        help="AWS region (default: AWS_REGION, AWS_DEFAULT_REGION; us-east-1 with a server "
        "of your own)",
    )
    parser.add_argument(
        "--language-code",
        default="en-US",
        metavar="CODE",
        help="language that is spoken (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="text as it comes, or at the end one document: JSON with 'transcript' and "
        "'results', or captions (default: %(default)s)",
    )
    parser.add_argument(
        "--sample-rate",
        type=int,
        metavar="HZ",
        help="sample rate of raw PCM, 8000 to 48000; a WAV file brings its own",
    )
    parser.add_argument(
        "--no-realtime",
        action="store_true",
        help="send faster than speech, at most 240 s of audio ahead of the last result",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to a file, which appears once it is complete",
    )
    _add_engine(parser, "with --local: ")


def _add_serve(commands: Any) -> None:
    parser = commands.add_parser(
        "serve",
        help="run a local Transcribe server",
        description="Serve Amazon Transcribe's streaming protocol on this machine, over HTTP/2 "
        "and WebSocket, with signatures checked. Prints 'listening on URL' for each face once "
        "it takes connections, and ends on SIGINT and SIGTERM.",
        epilog="""examples:
  amazon-transcribe serve --port 8770 --credentials AKID:secret
  amazon-transcribe serve --tls-port 0 --ca-file ca.pem
  amazon-transcribe serve --fault drop:seconds=1.5,probability=0.2,seed=7

Point any client at it:
  export AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING=http://127.0.0.1:8770""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_serve)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=_port, default=0, help="port without TLS, 0 for a free one (default: 0)"
    )
    parser.add_argument(
        "--tls-port", type=_port, metavar="PORT", help="port with TLS, 0 for a free one"
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        help="where to write the certificate of the throwaway authority behind --tls-port",
    )
    parser.add_argument(
        "--cert", metavar="FILE", help="certificate chain of your own for --tls-port (PEM)"
    )
    parser.add_argument(
        "--key", metavar="FILE", help="its private key (PEM), unless that is in the same file"
    )
    parser.add_argument(
        "--credentials",
        action="append",
        type=_key_pair,
        metavar="ACCESS_KEY:SECRET_KEY",
        help="a pair of keys to accept; may be repeated (default: AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, else a pair made up and printed)",
    )
    parser.add_argument(
        "--vocabulary-filter",
        action="append",
        default=[],
        type=_named_file,
        metavar="NAME=FILE",
        help="a vocabulary filter: words and phrases, one a line; may be repeated",
    )
    parser.add_argument(
        "--categories",
        type=Path,
        metavar="FILE",
        help='categories of call analytics: JSON, {"NAME": ["phrase", ...], ...}',
    )
    parser.add_argument(
        "--max-streams",
        type=_count,
        metavar="N",
        help="streams at a time; more are refused (default: any number)",
    )
    parser.add_argument(
        "--max-seconds",
        type=_seconds,
        default=14_400.0,
        metavar="SECONDS",
        help="the longest audio of a stream (default: %(default)g)",
    )
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="accept and ignore what only the real service can do, such as speaker labels "
        "and other languages, instead of refusing it; says so on standard error",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:NAME=VALUE,...]",
        help="what is to go wrong, may be repeated; KIND: refuse, silent, delay, http, reset, "
        "drop, goaway, truncate, corrupt, stop-reading or exception; when: after=EVENTS or "
        "seconds=OF_AUDIO, either may be a range such as 1..5; whom: times=STREAMS, "
        "probability=P, seed=N; besides: by=SECONDS (delay), status=, error= and message= "
        "(http, exception), code= (reset, goaway), graceful (goaway)",
    )
    _add_engine(parser)


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="show event-stream bytes as JSON lines",
        description="Decode application/vnd.amazon.eventstream bytes to JSON, one message a "
        "line: 'offset' in the file, 'headers', and 'payload' (JSON or text), 'payload_base64' "
        "and 'payload_length' (other bytes) or 'message' (what a signed event wraps). Header "
        "values that are bytes are shown in hexadecimal.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_inspect)
    parser.add_argument("file", metavar="FILE", help="the file, '-' for standard input")


def _add_engine(parser: argparse.ArgumentParser, when: str = "") -> None:
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help=f"{when}what recognises the speech (default: moonshine; scripted with --script)",
    )
    parser.add_argument(
        "--script",
        metavar="FILE",
        help=f"{when}text that the scripted engine speaks, one segment a line",
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")


def _named_file(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name and path:
        return name, Path(path)
    raise argparse.ArgumentTypeError("not of the form NAME=FILE")


def _key_pair(text: str) -> tuple[str, str]:
    access_key, _, secret_key = text.partition(":")
    if access_key and secret_key:
        return access_key, secret_key
    raise argparse.ArgumentTypeError("not of the form ACCESS_KEY:SECRET_KEY")


def _local_engine(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a `LocalTranscribe` that choose what recognises."""
    script = arguments.script
    engine = arguments.engine or ("scripted" if script else "moonshine")
    if script is not None:
        if engine != "scripted":
            raise _Unusable(f"--script goes with --engine scripted, not {engine}")
        _check_readable("--script", script)
    return {"engine": engine, "script": Path(script) if script else None}


def _check_readable(option: str, path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        raise _Unusable(f"{option}: cannot read {path}: {_reason(error)}") from error


# transcribe


def _transcribe(arguments: argparse.Namespace) -> int:
    if not arguments.local and (arguments.engine or arguments.script):
        raise _Unusable("--engine and --script go with --local")
    interrupts: list[Callable[[], None]] = []
    return _run(_transcribe_audio(arguments, interrupts), interrupts)


async def _transcribe_audio(
    arguments: argparse.Namespace, interrupts: list[Callable[[], None]]
) -> int:
    region = _region(arguments)
    with _output_file(arguments.output, arguments.audio) as write_document:
        async with AsyncExitStack() as stack:
            audio = await stack.enter_async_context(
                open_audio(arguments.audio, sample_rate_hz=arguments.sample_rate)
            )
            client = await _connect(arguments, region, stack)
            stream = await client.start_stream_transcription(
                language_code=arguments.language_code,
                media_sample_rate_hz=audio.sample_rate_hz,
                media_encoding="pcm",
            )
            if audio.stop:
                interrupts.append(audio.stop)
            display = None
            if arguments.format == "text" and write_document is None:
                display = _Display(sys.stdout)
            conversation = _Conversation(stream, audio, not arguments.no_realtime, display)
            try:
                await conversation.run()
            finally:
                if display:
                    display.clear()
        if display is None:
            document = _document(arguments.format, conversation.results, conversation.seconds)
            (write_document or _print_document)(document)
    return DONE


def _region(arguments: argparse.Namespace) -> str:
    from .endpoints import StaticEndpointResolver, default_resolver

    region = (
        arguments.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    )
    if region:
        return str(region)
    if (
        arguments.local
        or arguments.endpoint_url
        or isinstance(default_resolver(), StaticEndpointResolver)
    ):
        return "us-east-1"
    raise _Unusable(
        "no region: name one with --region or AWS_REGION, or recognise on this machine with --local"
    )


async def _connect(
    arguments: argparse.Namespace, region: str, stack: AsyncExitStack
) -> TranscribeStreamingClient:
    from .auth import StaticCredentialResolver
    from .client import TranscribeStreamingClient

    endpoint_url, credentials = arguments.endpoint_url, None
    if arguments.local:
        server = await _start_server(stack, **_local_engine(arguments))
        endpoint_url = server.endpoint_url
        credentials = StaticCredentialResolver(
            server.credentials.access_key_id, server.credentials.secret_access_key
        )
        _notice(f"local: {server.engine_name} answers")
    return await stack.enter_async_context(
        TranscribeStreamingClient(
            region=region, endpoint_url=endpoint_url, credential_resolver=credentials
        )
    )


async def _start_server(stack: AsyncExitStack, **options: Any) -> LocalTranscribe:
    try:
        from .local import LocalTranscribe
        from .local.engines import EngineUnavailable
    except ImportError as error:
        raise _Unusable(_missing_extra(error)) from error
    try:
        return await stack.enter_async_context(LocalTranscribe(**options))
    except ImportError as error:
        raise _Unusable(_missing_extra(error)) from error
    except (EngineUnavailable, ValueError, ssl.SSLError) as error:
        raise _Unusable(str(error)) from error
    except OSError as error:
        if error.filename is None:
            raise  # an address that cannot be listened on
        raise _Unusable(f"{error.filename}: {_reason(error)}") from error


def _faults(texts: Sequence[str]) -> list[Fault]:
    try:
        from .local import Fault
    except ImportError as error:
        raise _Unusable(_missing_extra(error)) from error
    return [Fault.parse(text) for text in texts]


def _missing_extra(error: ImportError) -> str:
    return (
        f"the local server needs the extra local (there is no {error.name}): "
        "pip install 'amazon-transcribe[local]'"
    )


class _Conversation:
    """One stream: the audio goes out while the results come in."""

    def __init__(
        self,
        stream: StartStreamTranscriptionEventStream,
        audio: AudioSource,
        realtime: bool,
        display: _Display | None,
    ) -> None:
        self.results: list[Result] = []
        self._stream = stream
        self._audio = audio
        self._realtime = realtime
        self._display = display
        self._lookahead = Lookahead()
        self._samples = 0
        self._all_sent = False
        self._events = 0

    @property
    def seconds(self) -> float:
        """How much audio was sent."""
        return self._samples / self._audio.sample_rate_hz

    async def run(self) -> None:
        """Hold the conversation; whatever ends one side ends the other."""
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done() and sending.exception():
                # The service says why in the other direction.
                await asyncio.wait({receiving}, timeout=_REASON_SECONDS)
            elif not receiving.done():
                await self._last_results(receiving)
            if receiving.done():
                receiving.result()
            if sending.done():
                sending.result()
            elif not self._all_sent:
                raise SDKError("the service ended the stream before the end of the audio")
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send(self) -> None:
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                await self._stream.input_stream.send_audio_event(audio_chunk=chunk)
                self._samples += len(chunk) // 2
        self._all_sent = True
        await self._stream.input_stream.end_stream()

    def _chunks(self) -> AsyncGenerator[bytes, None]:
        audio = self._audio
        if audio.stop:  # it comes in real time by itself
            return audio.chunks
        if self._realtime:
            return paced(audio.chunks, audio.sample_rate_hz)
        return self._lookahead.limit(audio.chunks, audio.sample_rate_hz)

    async def _receive(self) -> None:
        from .model import TranscriptEvent

        async for event in self._stream.output_stream:
            self._events += 1
            if not isinstance(event, TranscriptEvent):
                continue  # a kind that came to the service later
            for result in event.transcript.results:
                self._lookahead.advance(result.end_time)
                if not result.is_partial:
                    self.results.append(result)
                if self._display:
                    self._display.show(result)

    async def _last_results(self, receiving: asyncio.Task[None]) -> None:
        seen = -1
        while not receiving.done():
            if self._events == seen:
                raise TimeoutException("response", _RESULT_SECONDS)
            seen = self._events
            await asyncio.wait({receiving}, timeout=_RESULT_SECONDS)


class _Display:
    """Final text line by line; on a terminal also the line that is being spoken."""

    def __init__(self, output: TextIO | None) -> None:
        self._output = output
        if output is not None and hasattr(output, "reconfigure"):
            output.reconfigure(errors="replace")
        self._in_place = output is not None and output.isatty() and os.environ.get("TERM") != "dumb"
        self._open_line = False

    def show(self, result: Result) -> None:
        """Show a result, a partial one in place of the last one of its kind."""
        from .captions import to_text

        if not result.is_partial:
            self.clear()
            self._write(to_text([result]))
        elif self._in_place and result.alternatives:
            columns = shutil.get_terminal_size().columns
            text = " ".join(result.alternatives[0].transcript.split())
            self._write("\r\x1b[K" + _ending(_printable(text), columns - 1))
            self._open_line = True

    def clear(self) -> None:
        """Take an unfinished line off the terminal."""
        if self._open_line:
            self._open_line = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._output is not None and text:
            _write(self._output, text)


def _printable(text: str) -> str:
    """The text without characters that could steer the terminal."""
    return "".join(c for c in text if c >= " " and not "\x7f" <= c <= "\x9f")


def _ending(text: str, columns: int) -> str:
    """The end of the text, the newest words, as far as they fit on a line."""
    from .captions import text_width

    if text_width(text) <= columns:
        return text
    start = len(text)
    width = 1
    while start and (width := width + text_width(text[start - 1])) <= columns:
        start -= 1
    return "…" + text[start:]


def _document(kind: str, results: Sequence[Result], seconds: float) -> str:
    from . import captions

    if kind == "json":
        return captions.to_json(results)
    if kind == "srt":
        return captions.to_srt(results, seconds)
    if kind == "vtt":
        return captions.to_vtt(results, seconds)
    return captions.to_text(results)


# serve


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.tls_port is None and (arguments.ca_file or arguments.cert or arguments.key):
        raise _Unusable("--ca-file, --cert and --key go with --tls-port")
    if arguments.key and not arguments.cert:
        raise _Unusable("--key goes with --cert")
    if arguments.cert and arguments.ca_file:
        raise _Unusable("--ca-file goes with a throwaway authority, not with --cert")
    if arguments.cert:
        _check_readable("--cert", arguments.cert)
    if arguments.key:
        _check_readable("--key", arguments.key)
    code = _run(_serve_until_cancelled(arguments), [])
    return DONE if code > 128 else code


async def _serve_until_cancelled(arguments: argparse.Namespace) -> int:
    from .auth import environment_credentials

    known = dict(arguments.credentials or ())
    if not known and (found := environment_credentials()):
        known = {found.access_key_id: found.secret_access_key}
    async with AsyncExitStack() as stack:
        server = await _start_server(
            stack,
            host=arguments.host,
            port=arguments.port,
            tls_port=arguments.tls_port,
            ca_file=arguments.ca_file,
            cert=arguments.cert,
            key=arguments.key,
            credentials=known or None,
            faults=_faults(arguments.fault),
            vocabulary_filters=dict(arguments.vocabulary_filter),
            categories=arguments.categories,
            max_streams=arguments.max_streams,
            max_seconds=arguments.max_seconds,
            lenient=arguments.lenient,
            **_local_engine(arguments),
        )
        if sys.stdout is not None:
            for url in server.endpoint_urls:
                _write(sys.stdout, f"listening on {url}\n")
            if not known:
                made = server.credentials
                _write(
                    sys.stdout,
                    f"export AWS_ACCESS_KEY_ID={made.access_key_id} "
                    f"AWS_SECRET_ACCESS_KEY={made.secret_access_key}\n",
                )
        await asyncio.Event().wait()
    return DONE


# inspect


def _inspect(arguments: argparse.Namespace) -> int:
    from .eventstream import EventStreamDecoder

    decoder = EventStreamDecoder()
    offset = 0
    try:
        for chunk in _file_chunks(arguments.file):
            for message in decoder.feed(chunk):
                _print_document(_json({"offset": offset, **_readable(message)}) + "\n")
                offset += message.prelude.total_length
            if decoder.error:
                raise decoder.error
        decoder.close()
    except ParserError as error:
        name = "standard input" if arguments.file == "-" else arguments.file
        raise _Unusable(f"{name}: byte {offset + error.offset}: {error.reason}") from error
    return DONE


def _file_chunks(path: str) -> Iterator[bytes]:
    """The bytes of a file or of standard input, as soon as they are there."""
    source: str | int = path
    if path == "-":
        if sys.stdin is None:
            raise _Unusable("cannot read standard input: it is closed")
        source = sys.stdin.fileno()
    try:
        with open(source, "rb", buffering=0, closefd=path != "-") as file:
            while chunk := file.read(65_536):
                yield chunk
    except (OSError, ValueError) as error:
        raise _Unusable(f"cannot read {path}: {_reason(error)}") from error


def _readable(message: EventStreamMessage, unwrap: bool = True) -> dict[str, Any]:
    headers = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in message.headers.items()
    }
    if unwrap and message.payload and ":chunk-signature" in headers:
        from .eventstream import decode_message

        # One level only: that is what signing makes, and a hostile file could nest more.
        with suppress(ParserError):
            wrapped = decode_message(message.payload)
            return {"headers": headers, "message": _readable(wrapped, unwrap=False)}
    return {"headers": headers, **_readable_payload(headers.get(":content-type"), message.payload)}


def _readable_payload(content_type: object, payload: bytes) -> dict[str, Any]:
    import msgspec

    if content_type != "application/octet-stream":
        with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return {"payload": msgspec.json.decode(payload)}
        if b"\0" not in payload:
            with suppress(UnicodeDecodeError):
                return {"payload": payload.decode()}
    return {
        "payload_base64": base64.b64encode(payload).decode(),
        "payload_length": len(payload),
    }


def _json(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


# Running


def _run(coroutine: Coroutine[Any, Any, int], interrupts: list[Callable[[], None]]) -> int:
    """Run to the end; SIGINT and SIGTERM cancel, and a second one ends the process.

    A first SIGINT calls the last of `interrupts` instead, if there is one.
    """
    return asyncio.run(_until_signalled(coroutine, interrupts))


async def _until_signalled(
    coroutine: Coroutine[Any, Any, int], interrupts: list[Callable[[], None]]
) -> int:
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(coroutine)
    caught: list[int] = []

    def stop(number: int) -> None:
        if number == signal.SIGINT and interrupts:
            interrupts.pop()()
            return
        caught.append(number)
        forget()
        cancel()

    def cancel() -> None:
        # Again after a while, as wait_for up to Python 3.11 can swallow a cancellation.
        if not running.done():
            running.cancel()
            loop.call_later(_CANCEL_SECONDS, cancel)

    def forget() -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)

    # Not on Windows, and only in the main thread; elsewhere asyncio.run cancels as well.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
    try:
        return await running
    except asyncio.CancelledError:
        if not caught:
            raise
        return 128 + caught[0]
    finally:
        forget()


class _Unusable(Exception):
    """Bad usage or unreadable input."""


class _OutputClosed(Exception):
    """Whoever read standard output has gone away."""


def _exit_code(error: Exception) -> int:
    unusable = (_Unusable, AudioFileException, ValidationException, CredentialsException)
    return UNUSABLE if isinstance(error, unusable) else FAILED


def _one_line(error: Exception) -> str:
    if isinstance(error, ServiceException) and not isinstance(
        error, (ValidationException, UnknownServiceException)
    ):
        text = f"{type(error).__name__}: {error}"
    elif isinstance(error, (SDKError, OSError, _Unusable)):
        text = str(error) or type(error).__name__
    else:
        text = f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.split())


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _notice(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)


# Output


def _write(output: TextIO, text: str) -> None:
    try:
        output.write(text)
        output.flush()
    except OSError as error:
        # Or the interpreter would complain when it flushes once more at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        if isinstance(error, BrokenPipeError):
            raise _OutputClosed from None
        raise SDKError(f"cannot write to standard output: {_reason(error)}") from error


def _print_document(text: str) -> None:
    """Write a document to standard output, in UTF-8 wherever that can be chosen."""
    if sys.stdout is None:
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    _write(sys.stdout, text)


def _is_standard_output(output: str) -> bool:
    """Whether a path leads to standard output, as /dev/stdout does."""
    try:
        return sys.stdout is not None and os.path.samestat(
            Path(output).stat(), os.fstat(sys.stdout.fileno())
        )
    except (OSError, ValueError):
        return False


@contextmanager
def _output_file(output: str | None, audio: str) -> Iterator[Callable[[str], None] | None]:
    """What writes the document to a file, all at once; None for standard output.

    The file's place is tried at once, so that nothing is sent in vain. Leaving the
    context without having written leaves nothing behind.
    """
    if output is None or output == "-":
        yield None
        return
    if not output:
        raise _Unusable("-o needs the name of a file")
    if _is_standard_output(output):
        yield None  # a file in place of the one behind it would cost what is in it
        return
    path = Path(os.path.realpath(output))
    part = path.with_name(f".amazon-transcribe-{secrets.token_hex(8)}.part")
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise _Unusable(f"cannot write {output}: it is a directory")
        if mode is not None and not stat.S_ISREG(mode):  # a device or a pipe
            part = path
        elif mode is not None and Path(audio).exists() and path.samefile(audio):
            raise _Unusable(f"cannot write {output}: it is the audio")
        file = part.open("wb" if part is path else "xb")
    except (OSError, ValueError) as error:
        raise _Unusable(f"cannot write {output}: {_reason(error)}") from error

    def write(text: str) -> None:
        try:
            file.write(text.encode())
            file.flush()
            if part is not path:
                os.fsync(file.fileno())
                if mode is not None:
                    part.chmod(stat.S_IMODE(mode))
                file.close()
                part.replace(path)
        except OSError as error:
            raise SDKError(f"cannot write {output}: {_reason(error)}") from error

    try:
        yield write
    finally:
        with suppress(OSError):  # `write` has flushed, or told why it could not
            file.close()
        if part is not path:
            part.unlink(missing_ok=True)
