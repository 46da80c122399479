"""Run a command in an event loop until its end or a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

# Longer than an orderly end of any command takes.
_CANCEL_SECONDS = 6.0


def run(coroutine: Coroutine[Any, Any, int], interrupts: list[Callable[[], None]]) -> int:
    """Run a coroutine and return its exit code, or 128 plus the signal that cancelled it.

    SIGINT or SIGTERM cancels the coroutine, and a second signal ends the process.

    :param interrupts: Each SIGINT takes the last function off this list and calls it, and
        cancels only if the list is empty.
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
        # Repeated, as wait_for up to Python 3.11 can swallow a cancellation.
        if not running.done():
            running.cancel()
            loop.call_later(_CANCEL_SECONDS, cancel)

    def forget() -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)

    # Not on Windows, and only in the main thread; otherwise asyncio.run handles SIGINT.
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
