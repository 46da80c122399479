"""The command `amazon-transcribe`: transcribe audio and archives, run a local server, and so on.

Exit codes: 0 done, 1 the service refused or failed, 2 bad usage or unreadable input, and
128 plus the signal's number if SIGINT, SIGTERM or SIGHUP ended a transcription or a batch. An error
is one line on standard error. Output whose reader has gone, as `head` goes, is not an error.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from .. import __version__
from .arguments import Parser
from .batch import add_batch
from .completion import add_completion
from .devices import add_devices
from .errors import DONE, UNUSABLE, exit_code, notice, one_line
from .inspect import add_inspect
from .output import OutputClosed, write_to
from .serve import add_serve
from .transcribe import add_transcribe

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    :param argv: The arguments; by default those of the process.
    """
    try:
        code = _command(argv)
        if sys.stdout is not None:
            write_to(sys.stdout, "")
    except OutputClosed:
        return DONE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        notice(f"amazon-transcribe: {one_line(error)}")
        return exit_code(error)
    return code


def _command(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has printed the reason
        return end.code if isinstance(end.code, int) else UNUSABLE
    code: int = arguments.run(arguments)
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="amazon-transcribe",
        description="Streaming speech to text on Amazon Transcribe's protocol.",
        epilog="Exit codes: 0 done, 1 the service refused or failed, 2 bad usage or "
        "unreadable input.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_transcribe(commands)
    add_batch(commands)
    add_serve(commands)
    add_inspect(commands)
    add_devices(commands)
    add_completion(commands, parser)
    return parser
