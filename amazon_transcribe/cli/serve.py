"""`amazon-transcribe serve`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from .._protocol.constraints import Integer
from ..local.constants import DRAIN_TIMEOUT, MAX_SECONDS
from ..local.faults import KINDS, OPTIONS, Fault
from .arguments import HelpFormatter, key_pair, named_file, positive_seconds, whole
from .errors import DONE, Unusable
from .local_server import add_engine, check_readable, engine_options, start_server
from .logs import FORMATS, write_logs
from .output import write_to
from .signals import END_TIMEOUT, run

PORT = whole(Integer(0, 65_535))


def add_serve(commands: Any) -> None:
    parser = commands.add_parser(
        "serve",
        help="run a local Transcribe server",
        description="Serve Amazon Transcribe's streaming protocol on this machine, over HTTP/2 "
        "and WebSocket, with signatures checked. Prints 'listening on URL' for each port once "
        "it takes connections, and ends on SIGINT, SIGTERM and SIGHUP; streams that end within the "
        "--drain-timeout get all their results.",
        epilog="""examples:
  amazon-transcribe serve --port 8770 --credentials AKID:secret
  amazon-transcribe serve --tls-port 0 --ca-file ca.pem
  amazon-transcribe serve --fault drop:seconds=1.5,probability=0.2,seed=7

Point any client at it:
  export AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING=http://127.0.0.1:8770""",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_serve)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=PORT,
        default=0,
        help="port without TLS, 0 for a free one (default: 0)",
    )
    parser.add_argument(
        "--tls-port", type=PORT, metavar="PORT", help="port with TLS, 0 for a free one"
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        help="where to write the throwaway certificate authority behind --tls-port (PEM)",
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
        default=[],
        type=key_pair,
        metavar="ACCESS_KEY:SECRET_KEY",
        help="a pair of keys to accept; may be repeated (default: AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, else a pair made up and printed)",
    )
    parser.add_argument(
        "--vocabulary-filter",
        action="append",
        default=[],
        type=named_file,
        metavar="NAME=FILE",
        help="a vocabulary filter: words and phrases, one a line; may be repeated",
    )
    parser.add_argument(
        "--vocabulary",
        action="append",
        default=[],
        type=named_file,
        metavar="NAME=FILE",
        help="a custom vocabulary: a table with tabs as the service takes it, or a phrase a line; "
        "may be repeated",
    )
    parser.add_argument(
        "--categories",
        type=Path,
        metavar="FILE",
        help='categories of call analytics: JSON, {"NAME": ["phrase", ...], ...}',
    )
    parser.add_argument(
        "--max-streams",
        type=whole(Integer(1)),
        metavar="N",
        help="streams at a time; more are refused (default: any number)",
    )
    parser.add_argument(
        "--max-seconds",
        type=positive_seconds,
        default=MAX_SECONDS,
        metavar="SECONDS",
        help="the longest audio of a stream (default: %(default)g)",
    )
    parser.add_argument(
        "--page",
        action=argparse.BooleanOptionalAction,
        help="a page for browsers at the server's address; whoever reaches it needs no key "
        "(default: on loopback only)",
    )
    parser.add_argument(
        "--drain-timeout",
        type=positive_seconds,
        default=DRAIN_TIMEOUT,
        metavar="SECONDS",
        help="how long open streams may go on after such a signal (default: %(default)g)",
    )
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="accept and ignore what only the real service can do, such as other languages, "
        "instead of refusing it; says so on standard error",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:NAME=VALUE,...]",
        help=_fault_help(),
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="write a line for each stream, refusal and fault to standard error, not only warnings",
    )
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="json: an object a line (default: %(default)s)",
    )
    add_engine(parser)


def _fault_help() -> str:
    """Describe `--fault` as the table of faults has it."""

    def forms(names: Iterable[str]) -> str:
        return ", ".join(f"{n}={OPTIONS[n].placeholder}".rstrip("=") for n in names)

    options = [f"{kind} takes {forms(row.options)}" for kind, row in KINDS.items() if row.options]
    return (
        f"a fault to inject; may be repeated. Kinds: {', '.join(KINDS)}. When it happens: "
        f"{forms(('after', 'seconds'))}; either may be a range such as 1..5. Which streams get "
        f"it: {forms(('probability', 'times', 'seed'))}. Besides: {'; '.join(options)}"
    )


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.tls_port is None and (arguments.ca_file or arguments.cert or arguments.key):
        raise Unusable("--ca-file, --cert and --key go with --tls-port")
    if arguments.key and not arguments.cert:
        raise Unusable("--key goes with --cert")
    if arguments.cert and arguments.ca_file:
        raise Unusable("--ca-file goes with a throwaway certificate authority, not with --cert")
    for option, pairs in (
        ("--vocabulary-filter", arguments.vocabulary_filter),
        ("--vocabulary", arguments.vocabulary),
        ("--credentials", arguments.credentials),
    ):
        names = [name for name, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise Unusable(f"{option} names {twice[0]!r} more than once")
    if arguments.cert:
        check_readable("--cert", arguments.cert)
    if arguments.key:
        check_readable("--key", arguments.key)
    _allow_many_connections()
    write_logs(arguments.log_format, verbose=arguments.verbose)
    end_timeout = arguments.drain_timeout + END_TIMEOUT - DRAIN_TIMEOUT
    serving = _serve_until_cancelled(arguments)
    return run(serving, [], after_signal=DONE, timeout=end_timeout)


def _allow_many_connections() -> None:
    """Raise the usual limit of 1,024 open files: each stream may have a connection."""
    with suppress(ImportError, OSError, ValueError):  # as on Windows, or where it may not be
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve_until_cancelled(arguments: argparse.Namespace) -> int:
    from ..auth import environment_credentials

    known = dict(arguments.credentials)
    if not known and (found := environment_credentials()):
        known = {found.access_key_id: found.secret_access_key}
    async with AsyncExitStack() as stack:
        server = await start_server(
            stack,
            host=arguments.host,
            port=arguments.port,
            tls_port=arguments.tls_port,
            ca_file=arguments.ca_file,
            cert=arguments.cert,
            key=arguments.key,
            credentials=known or None,
            faults=[Fault.parse(text) for text in arguments.fault],
            vocabulary_filters=dict(arguments.vocabulary_filter),
            vocabularies=dict(arguments.vocabulary),
            categories=arguments.categories,
            max_streams=arguments.max_streams,
            max_seconds=arguments.max_seconds,
            lenient=arguments.lenient,
            page=arguments.page,
            **engine_options(arguments),
        )
        if sys.stdout is not None:
            for url in server.endpoint_urls:
                write_to(sys.stdout, f"listening on {url}\n")
            if not known:
                made = server.credentials
                write_to(
                    sys.stdout,
                    f"export AWS_ACCESS_KEY_ID={made.access_key_id} "
                    f"AWS_SECRET_ACCESS_KEY={made.secret_access_key}\n"
                    f"export AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING={server.endpoint_urls[0]}\n",
                )
        try:
            await asyncio.Event().wait()
        finally:
            await server.drain(arguments.drain_timeout)
    return DONE
