"""Parsers of the command's arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .._protocol.constraints import Integer
from ..exceptions import printable
from .errors import UNUSABLE


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: {printable(message)} (see {self.prog} --help)\n")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """A formatter that wraps text of one line and leaves lists of examples alone."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def whole(rule: Integer) -> Callable[[str], int]:
    """Return a function that reads a whole number within its limits."""

    def read(text: str) -> int:
        with suppress(ValueError):
            number = rule.read(text)
            if not rule.violation(number):
                return number
        raise argparse.ArgumentTypeError(str(rule.violation(text)))

    return read


def positive_seconds(text: str) -> float:
    """Read a number of seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")


def seconds_within(least: float, most: float) -> Callable[[str], float]:
    """Return a function that reads a number of seconds within its limits."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if least <= (seconds := float(text)) <= most:
                return seconds
        limits = f"from {least:g} to {most:g} seconds"
        raise argparse.ArgumentTypeError(f"must be {limits}, not {text!r}")

    return read


def named_file(text: str) -> tuple[str, Path]:
    """Read NAME=FILE."""
    name, _, path = text.partition("=")
    if name and path:
        return name, Path(path)
    raise argparse.ArgumentTypeError("must have the form NAME=FILE")


def key_pair(text: str) -> tuple[str, str]:
    """Read ACCESS_KEY:SECRET_KEY; the error does not show the secret."""
    access_key, _, secret_key = text.partition(":")
    if access_key and secret_key:
        return access_key, secret_key
    raise argparse.ArgumentTypeError("must have the form ACCESS_KEY:SECRET_KEY")
