"""Workers in processes of this machine, of which any may be killed at any time."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ._errors import BatchException
from ._work import Answer, Job, Service

# Standard input is the only tie: it ends with the driver, however the driver ends. The path of
# imports is the driver's, so that workers find the same packages.
_MAIN = """\
import json, sys
sys.path[:] = json.loads(sys.stdin.buffer.readline())
from amazon_transcribe.batch._process import main
main()
"""

_MOST_BAD_STARTS = 3
_END_TIMEOUT = 10.0
_MARGIN = 300.0  # seconds besides a recording's time-out, to start and to wait before an attempt


class Pool:
    """Processes that do a job each.

    :param service: Who transcribes.
    :param size: The most processes, at least 1.
    """

    def __init__(self, service: Service, size: int) -> None:
        self._service = service
        self._size = size
        self._free: list[_Process] = []
        self._busy: dict[_Process, Job] = {}
        self._answers: queue.SimpleQueue[tuple[_Process, Answer | None]] = queue.SimpleQueue()
        self._bad_starts = 0

    @property
    def has_room(self) -> bool:
        """Whether another job may be submitted."""
        return len(self._busy) < self._size

    def submit(self, job: Job) -> None:
        """Give a job to a free process, or to a new one."""
        process = self._free.pop() if self._free else _Process(self._service, self._answers)
        self._busy[process] = job
        process.write(asdict(job))

    def wait(self) -> list[tuple[Job, Answer | None]]:
        """Wait for the next answer; None is that of a process which ended without one.

        :raises BatchException: If no process can start, or none answers.
        """
        while True:
            process, answer = self._next()
            if answer is None:
                process.end()
                if not process.has_started:
                    self._bad_starts += 1
                    if self._bad_starts == _MOST_BAD_STARTS:
                        raise BatchException(f"workers cannot start: {process.how_it_ended}")
                if process in self._free:
                    self._free.remove(process)
                elif job := self._busy.pop(process, None):
                    return [(job, None)]
            elif not process.has_started:
                process.has_started = True
                self._bad_starts = 0
                if "fatal" in answer:
                    raise BatchException(answer["fatal"])
            else:
                self._free.append(process)
                return [(self._busy.pop(process), answer)]

    def close(self) -> None:
        """End all processes."""
        for process in [*self._free, *self._busy]:
            process.end()

    def _next(self) -> tuple[_Process, Answer | None]:
        timeout = self._service.timeout + _MARGIN
        try:
            return self._answers.get(timeout=timeout)
        except queue.Empty:
            raise BatchException(f"no worker has answered for {timeout:g} s") from None


class _Process:
    """A process, and the thread that waits for its answers."""

    def __init__(
        self,
        service: Service,
        answers: queue.SimpleQueue[tuple[_Process, Answer | None]],
    ) -> None:
        self.has_started = False
        self._answers = answers
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _MAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise BatchException(f"workers cannot start: {error.strerror}") from error
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.write(sys.path)
        self.write(asdict(service))

    def write(self, line: Any) -> None:
        """Write a line to the process; that it has ended, its answers' end tells."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """Kill the process, and wait for its end."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # the system holds it, as a dead disk does
            self._process.wait(_END_TIMEOUT)
        self._thread.join(_END_TIMEOUT)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not written yet
                pipe.close()

    @property
    def how_it_ended(self) -> str:
        code = self._process.returncode
        return f"killed by signal {-code}" if code and code < 0 else f"ended with exit code {code}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError):  # half a line
            for line in self._process.stdout:
                self._answers.put((self, json.loads(line)))
        self._answers.put((self, None))
