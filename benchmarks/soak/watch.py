"""What a process must not do unnoticed: warn, lose an exception, leave something behind."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import resource
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amazon_transcribe._net.http2 import Http2Connection
from amazon_transcribe._net.http2_stream import Http2Stream
from amazon_transcribe._net.websocket import WebSocketStream
from amazon_transcribe._stream.live import LiveStream
from amazon_transcribe.transports.crt import CrtStream

KINDS = (LiveStream, Http2Connection, Http2Stream, WebSocketStream, CrtStream)
SAMPLE_SECONDS = 15.0
MOST_COMPLAINTS = 50  # of different ones; a storm must not look like a leak


class Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`, from 2.33 on."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


@dataclass(frozen=True)
class Footprint:
    """What a process takes once its garbage is collected and free memory is given back.

    What is over goes with the garbage collector's next full round only, as asyncio's TLS
    and the streams on it refer to each other: it would hide a small leak. What is resident
    depends on where in its pages the heap's parts lie, too; what is in use does not.

    :param resident: KiB of the process in memory.
    :param heap: KiB in use of the C heap: OpenSSL's, awscrt's, Python's larger objects.
    :param objects: Python's small objects, a number.
    """

    resident: float
    heap: float
    objects: int

    @classmethod
    def now(cls) -> Footprint:
        gc.collect()
        LIBC.malloc_trim(0)
        heap = LIBC.mallinfo2()
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
        return cls(
            pages * resource.getpagesize() / 1024,
            (heap.uordblks + heap.hblkhd) / 1024,
            sys.getallocatedblocks(),
        )


LIBC = ctypes.CDLL(None)
CAN_LOOK = hasattr(LIBC, "mallinfo2")
if CAN_LOOK:
    LIBC.mallinfo2.restype = Mallinfo


class Watch(logging.Handler):
    """Hears warnings, lost exceptions and log records from WARNING on, in one running loop.

    Python must run with `-W error`: a warning is then raised where it is given, or, where
    nobody can catch it, reported as unraisable.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.complaints: Counter[str] = Counter()
        logging.getLogger().addHandler(self)
        sys.unraisablehook = self._unraisable
        threading.excepthook = self._in_thread
        asyncio.get_running_loop().set_exception_handler(self._in_loop)

    def report(self, left: dict[str, int], memory: list[tuple[float, Footprint]]) -> dict[str, Any]:
        """What a process says once its streams are over."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "left": left,
            "complaints": self.complaints,
            "cpu": used.ru_utime + used.ru_stime,
            "memory": [(round(at, 1), asdict(footprint)) for at, footprint in memory],
            "idle": asdict(Footprint.now()),
        }

    def complain(self, text: str) -> None:
        if text in self.complaints or len(self.complaints) < MOST_COMPLAINTS:
            self.complaints[text] += 1

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.complain(f"logged by {record.name}: {record.getMessage()} {error!r}")

    def _unraisable(self, report: Any) -> None:
        self.complain(f"unraisable: {report.err_msg} {report.exc_value!r} in {report.object!r}")

    def _in_thread(self, report: Any) -> None:
        self.complain(f"in a thread: {report.exc_value!r}")

    def _in_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complain(f"in the loop: {context.get('message')} {context.get('exception')!r}")


async def watch_memory(samples: list[tuple[float, Footprint]]) -> None:
    """Sample for ever, with the seconds that have passed."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append((time.monotonic() - began, Footprint.now()))


def belongings() -> dict[str, int]:
    """What a process has: tasks, threads, open files, streams and connections in memory."""
    gc.collect()
    things = gc.get_objects()
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        **{kind.__name__: sum(isinstance(thing, kind) for thing in things) for kind in KINDS},
    }


async def left_since(before: dict[str, int], patience: float) -> dict[str, int]:
    """What there is more than before, once that is nothing or the patience is over."""
    deadline = time.monotonic() + patience
    while True:
        gc.collect()
        await asyncio.sleep(0.25)  # what is collected may still have to be given back
        left = {kind: count - before[kind] for kind, count in belongings().items()}
        if time.monotonic() >= deadline or not any(count > 0 for count in left.values()):
            return {kind: max(count, 0) for kind, count in left.items()}
