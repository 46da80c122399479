"""What programs say in processes of their own."""

from __future__ import annotations


def complaints(stderr: str) -> str:
    """What stands on standard error, but for asyncio's remark that a callback was slow.

    In development mode it comes wherever the machine is busy.
    """
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Executing <"))
