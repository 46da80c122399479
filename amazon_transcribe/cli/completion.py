"""`amazon-transcribe completion`."""

from __future__ import annotations

import argparse
from typing import Any

from ..exceptions import missing_extra
from .arguments import HelpFormatter
from .errors import DONE, Unusable
from .output import print_document

SHELLS = ("bash", "zsh", "tcsh")


def add_completion(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add the command `completion`.

    :param parser: The parser of the whole command.
    """
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete this command",
        description="Print a script that makes a shell complete commands and options.",
        epilog="""examples:
  eval "$(amazon-transcribe completion bash)"      (in ~/.bashrc)
  amazon-transcribe completion zsh > ~/.zfunc/_amazon-transcribe""",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))
    completion.set_defaults(run=lambda arguments: _complete(parser, arguments.shell))


def _complete(parser: argparse.ArgumentParser, shell: str) -> int:
    try:
        import shtab
    except ImportError as error:
        raise Unusable(missing_extra("completion", "cli", error)) from error
    print_document(shtab.complete(parser, shell) + "\n")
    return DONE
