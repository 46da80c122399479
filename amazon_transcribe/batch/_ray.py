"""Workers on the machines of a Ray cluster, of which any may be lost at any time."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import asdict
from importlib import import_module
from typing import Any

from ..exceptions import missing_extra
from ._errors import BatchException
from ._work import Answer, Job, Service, Worker

# Of a processor: recognition takes a whole one, a stream to elsewhere hardly any.
_CPUS_OF_RECOGNITION = 1.0
_CPUS_OF_STREAM = 0.1

# Submitted jobs for each that can run: none must wait for the driver.
_AHEAD = 2

_ASK_INTERVAL = 5.0
_CONNECT_TIMEOUT = 10.0

_worker: Worker | None = None
_worker_service: dict[str, Any] = {}


class RayCluster:
    """Tasks of Ray, one for each job.

    :param service: Who transcribes.
    :param most: The most jobs at a time; None for as many as the cluster has room for.
    :param address: The cluster's address; None for the one that RAY_ADDRESS names, or that
        runs on this machine, else a new one on this machine.
    :raises BatchException: If Ray is missing, or there is no cluster.
    """

    def __init__(self, service: Service, most: int | None, address: str | None) -> None:
        try:
            self._ray: Any = import_module("ray")
        except ImportError as error:
            what = "each node of a batch on Ray"
            raise BatchException(missing_extra(what, "ray", error)) from None
        self._owns_ray = not self._ray.is_initialized()
        if self._owns_ray:
            self._connect(address)
        self._service = asdict(service)
        self._cpus = _CPUS_OF_STREAM if service.local is None else _CPUS_OF_RECOGNITION
        self._most = most
        # Attempts are counted by the driver, so Ray makes none of its own.
        self._do = self._ray.remote(num_cpus=self._cpus, max_retries=0)(do)
        self._running: dict[Any, Job] = {}
        self._last_room = 1
        self._asks_at = 0.0

    @property
    def has_room(self) -> bool:
        """Whether another job may be submitted."""
        return len(self._running) < (self._most or self._room())

    def submit(self, job: Job) -> None:
        """Hand a job to the cluster."""
        self._running[self._do.remote(self._service, asdict(job))] = job

    def wait(self) -> list[tuple[Job, Answer | None]]:
        """Wait for answers, but not long, as there may be room for more meanwhile.

        None is the answer of a worker or a node that was lost.

        :raises BatchException: If the cluster is gone, or its nodes cannot do the work.
        """
        running = list(self._running)
        try:
            self._ray.wait(running, num_returns=1, timeout=_ASK_INTERVAL)
            ready, _ = self._ray.wait(running, num_returns=len(running), timeout=0)
        except self._ray.exceptions.RayError as error:
            raise BatchException(f"Ray: {_first_line(error)}") from error
        return [(self._running.pop(each), self._answer(each)) for each in ready]

    def close(self) -> None:
        """Cancel what runs, and leave the cluster."""
        for task in self._running:
            self._ray.cancel(task, force=True)
        if self._owns_ray:
            self._ray.shutdown()

    def _room(self) -> int:
        """Return for how many jobs there is room; nodes come and go."""
        now = time.monotonic()
        if now >= self._asks_at:
            cpus = self._ray.cluster_resources().get("CPU", 0.0)
            self._last_room = max(1, int(_AHEAD * cpus / self._cpus))
            self._asks_at = now + _ASK_INTERVAL
        return self._last_room

    def _connect(self, address: str | None) -> None:
        if address is not None:
            _check_reachable(address)
        try:
            self._ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises what comes
            raise BatchException(f"Ray: {_first_line(error)}") from error

    def _answer(self, task: Any) -> Answer | None:
        try:
            answer: Answer = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:  # the package is missing there
            raise BatchException(
                f"a node cannot do the work: {_first_line(error.cause)}"
            ) from error
        except self._ray.exceptions.RayError:
            return None
        return answer


def do(service: dict[str, Any], job: dict[str, Any]) -> Answer:
    """Do a job in a process of Ray, which keeps its worker for the next one."""
    global _worker, _worker_service
    if _worker is None or service != _worker_service:
        if _worker is not None:
            _worker.close()
        _worker = Worker(Service(**service))
        _worker_service = service
        if failure := _worker.open():
            _worker = None
            return failure
    return _worker.do(Job(**job))


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens: Ray would try it for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():  # such as "auto" and "local"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise BatchException(f"no Ray cluster is at {address}: {error}") from error


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
