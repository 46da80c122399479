"""Run a command in an event loop until its end or a signal."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

END_TIMEOUT = 14.5
"""Seconds from a signal to the end of the process, whatever is under way; 15 are promised."""


def run(
    coroutine: Coroutine[Any, Any, int],
    interrupts: list[Callable[[], None]],
    *,
    after_signal: int | None = None,
    timeout: float = END_TIMEOUT,
) -> int:
    """Run a coroutine and return its exit code.

    A signal of `ending_signals` cancels the coroutine. A second one ends the process at once.

    :param interrupts: Each SIGINT takes the last function off this list and calls it, and
        cancels only if the list is empty.
    :param after_signal: The exit code after a signal; by default 128 plus its number.
    :param timeout: Seconds from a signal after which the process ends in any case, as a call
        in a thread cannot be broken off.
    """
    before = threading.enumerate()
    watchdog: threading.Timer | None = None
    code: int | None = None

    def stop(number: int) -> None:
        nonlocal code, watchdog
        code = 128 + number if after_signal is None else after_signal
        watchdog = threading.Timer(timeout, os._exit, [code])
        watchdog.daemon = True
        with suppress(RuntimeError):  # there are too many threads: it ends by itself
            watchdog.start()

    try:
        return asyncio.run(_until_signalled(coroutine, interrupts, stop))
    except asyncio.CancelledError:
        if code is None:
            raise
        return code
    finally:
        if watchdog is not None:
            for thread in threading.enumerate():
                if not thread.daemon and thread not in before:
                    thread.join()  # as the interpreter would at its end, without the watchdog
            watchdog.cancel()
            signal.signal(signal.SIGINT, signal.default_int_handler)


def ending_signals() -> list[signal.Signals]:
    """Return the signals that end a command in order.

    SIGHUP, of a terminal that is closed, is none of them where it is ignored, as by `nohup`.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signals.append(signal.SIGHUP)
    return signals


def end_at_next(signals: Iterable[signal.Signals]) -> None:
    """Let another signal end the process at once.

    Another SIGHUP is none: of a terminal that is closed the shell tells, and the system too.
    """
    for number in signals:
        ends = number in (signal.SIGINT, signal.SIGTERM)
        signal.signal(number, signal.SIG_DFL if ends else signal.SIG_IGN)


async def _until_signalled(
    coroutine: Coroutine[Any, Any, int],
    interrupts: list[Callable[[], None]],
    stop: Callable[[int], None],
) -> int:
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(coroutine)
    signals = ending_signals()

    def on_signal(number: int) -> None:
        if number == signal.SIGINT and interrupts:
            interrupts.pop()()
            return
        forget()
        end_at_next(signals)
        stop(number)
        running.cancel()

    def forget() -> None:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in signals:
                loop.remove_signal_handler(number)

    # Not on Windows, and only in the main thread; otherwise asyncio.run handles SIGINT.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in signals:
            loop.add_signal_handler(number, on_signal, number)
    try:
        return await running
    finally:
        forget()
