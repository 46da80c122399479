"""A process of the pool: reads jobs from standard input, writes answers to standard output."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from ._work import Job, Service, Worker


def main() -> None:
    """Do jobs until standard input ends; that it ends is noticed during a job too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's, which ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints, prints no answers
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, jobs), daemon=True).start()
    worker = Worker(Service(**jobs.get()))
    failure = worker.open()
    _answer(answers, failure)
    while not failure:
        _answer(answers, worker.do(Job(**jobs.get())))


def _read(lines: BinaryIO, jobs: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in lines:
        jobs.put(json.loads(line))
    os._exit(0)  # the driver is gone, or wants no more: nothing here is worth an orderly end


def _answer(answers: BinaryIO, answer: object) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()
