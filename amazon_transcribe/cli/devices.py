"""`amazon-transcribe devices`."""

from __future__ import annotations

import argparse
from typing import Any

from ..audio._microphone import microphones
from .errors import DONE, Unusable
from .output import print_document


def add_devices(commands: Any) -> None:
    """Add the command `devices`."""
    parser = commands.add_parser(
        "devices",
        help="list the microphones",
        description="List the microphones, with their channels and sample rates. 'mic' is the "
        "one with a star, which the system's settings choose.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_devices)


def _devices(arguments: argparse.Namespace) -> int:
    found = microphones()
    if not found:
        raise Unusable("there is no microphone")
    for each in found:
        star = "*" if each.is_default else " "
        channels = "1 channel" if each.channels == 1 else f"{each.channels} channels"
        print_document(f"{star} {each.name}: {channels}, {each.sample_rate_hz:,} Hz\n")
    return DONE
