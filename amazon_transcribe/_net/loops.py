"""Event loops: what belongs to one is not used from another."""

from __future__ import annotations

import asyncio

from ..exceptions import LoopException


def check_loop(own: asyncio.AbstractEventLoop, what: str) -> None:
    """Refuse a call from another event loop than the own one.

    Calls while no loop is marked as running pass: so do some loops run their callbacks.

    :param own: The loop that the thing belongs to.
    :param what: The thing, for the message.
    :raises LoopException: If another loop is running in this thread.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if running is not own:
        raise LoopException(
            f"{what} belongs to another event loop than this one: use it where it was started"
            " (from another thread by asyncio.run_coroutine_threadsafe)"
        )
