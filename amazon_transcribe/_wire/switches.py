"""Environment variables that switch something on: empty or `0` means unset."""

import os


def is_on(name: str) -> bool:
    """Check whether the variable of this name is on."""
    return os.environ.get(name, "") not in ("", "0")
