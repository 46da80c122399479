"""A run of a batch: what is left of its plan, done by whatever executes it."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from .._protocol.constraints import check_above_zero
from ..exceptions import ValidationException
from ._errors import BatchException
from ._outputs import Outputs, open_outputs, remove
from ._plan import Plan, Task
from ._pool import Pool
from ._ray import RayCluster
from ._work import Answer, Job, Service

if TYPE_CHECKING:
    from ..limiter import Limiter

__all__ = ["Outcome", "run"]

_LOST = "its worker was lost: the process or its machine ended, or its memory did not suffice"


@dataclass(frozen=True)
class Outcome:
    """What became of a recording: a line of `results.jsonl`, the manifest of results.

    :param input: The recording's path.
    :param output: The name of its output in the batch's directory; with an error there is
        none of this name.
    :param seconds: The length of the audio; None if it failed.
    :param words: The number of words; None if it failed.
    :param attempts: The attempts that it took in this run.
    :param error: Why it failed; None if it did not.
    """

    input: str
    output: str
    seconds: float | None
    words: int | None
    attempts: int
    error: str | None


def run(
    plan: Plan,
    *,
    jobs: int | None = None,
    attempts: int = 3,
    ray: bool | str = False,
    limiter: Callable[[], Limiter] | None = None,
) -> Generator[Outcome, None, None]:
    """Do what is left of a plan, and yield the outcome of each recording as it comes.

    Recordings whose outputs are there are done. Each other one is transcribed by a worker,
    a process here or a task of Ray. One whose worker is lost is tried again, and so is one at
    which the service or the network failed: AWS bills the audio of each attempt. Failures do
    not stop the rest. Leaving the iteration ends the workers; the next run goes on.

    :param plan: What `make_plan` returned.
    :param jobs: The recordings at a time, at least 1, and so the streams at a time. By
        default one for each processor; with Ray as many as its nodes have room for.
    :param attempts: The most attempts at a recording, at least 1.
    :param ray: Run on Ray: True for the cluster that RAY_ADDRESS names or that runs on this
        machine, else for one made here; or the address of one. Its nodes need this package,
        and the directories under the same paths. It needs the extra `ray`.
    :param limiter: Makes the limiter of each worker's client, which keeps all workers together
        under the account's quotas: a function or class that workers can import by its name, as
        it stands at the top of a module; or a `functools.partial` of one with arguments as JSON
        has them, such as `partial(ValkeyStreamLimiter, "valkey://10.0.0.5:6379")`. A limiter
        that is an asynchronous context manager is entered and left.
    :raises ValidationException: for a number or a limiter that cannot be.
    :raises BatchException: from the iteration, if no recording can be transcribed.
    """
    check_above_zero(attempts=attempts, jobs=1 if jobs is None else jobs)
    service = plan.service
    if limiter is not None:
        service = replace(service, limiter=_written(limiter))
    return _run(plan, service, jobs, attempts, ray)


class _Executor(Protocol):
    """Where jobs run."""

    @property
    def has_room(self) -> bool: ...

    def submit(self, job: Job) -> None: ...

    def wait(self) -> list[tuple[Job, Answer | None]]: ...

    def close(self) -> None: ...


def _executor(service: Service, jobs: int | None, ray: bool | str) -> _Executor:
    if ray:
        return RayCluster(service, jobs, ray if isinstance(ray, str) else None)
    return Pool(service, jobs or os.cpu_count() or 1)


def _run(
    plan: Plan, service: Service, jobs: int | None, attempts: int, ray: bool | str
) -> Generator[Outcome, None, None]:
    with open_outputs(plan.output_dir, {task.output for task in plan.tasks}) as outputs:
        left = [task for task in plan.tasks if not outputs.has(task.output)]
        if not left:
            return
        running: dict[str, Task] = {}
        try:
            with closing(_executor(service, jobs, ray)) as executor:
                yield from _do(left, running, outputs, executor, attempts)
        finally:
            for part in running:
                remove(part)


def _do(
    left: list[Task],
    running: dict[str, Task],
    outputs: Outputs,
    executor: _Executor,
    attempts: int,
) -> Generator[Outcome, None, None]:
    """Do the tasks that are left.

    :param running: What runs, by the paths of the parts.
    """
    waiting = deque((task, 1, False) for task in left)
    while waiting or running:
        while waiting and executor.has_room:
            task, attempt, waits = waiting.popleft()
            part = outputs.new_part()
            running[part] = task
            executor.submit(Job(task.input, part, dict(task.parameters), attempt, waits))
        for job, answer in executor.wait():
            task = running.pop(job.part)
            waits = answer is not None  # a lost worker says nothing about the service
            if answer is None:
                answer = Answer(error=_LOST, again=True)
            if "words" not in answer:
                remove(job.part)
            if "fatal" in answer:
                raise BatchException(answer["fatal"])
            if answer.get("again") and job.attempt < attempts:
                waiting.appendleft((task, job.attempt + 1, waits))
            else:
                yield _told(task, job, answer, outputs)


def _told(task: Task, job: Job, answer: Answer, outputs: Outputs) -> Outcome:
    """Write the outcome of a recording's last attempt."""
    seconds, words, error = answer.get("seconds"), answer.get("words"), answer.get("error")
    outcome = Outcome(task.input, task.output, seconds, words, job.attempt, error)
    if error is None:
        outputs.add(job.part, task.output, asdict(outcome))
    else:
        outputs.tell(asdict(outcome))
    return outcome


def _written(limiter: Callable[[], Limiter]) -> tuple[str, list[Any], dict[str, Any]]:
    """Return what makes a limiter as workers are told it: a name to import, and arguments."""
    make, arguments, keywords = limiter, [], {}
    if isinstance(limiter, partial):
        make, arguments, keywords = limiter.func, [*limiter.args], limiter.keywords
    name = f"{getattr(make, '__module__', '')}:{getattr(make, '__qualname__', '')}"
    try:
        found = resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not make or name.startswith("__main__:"):
        raise ValidationException(
            f"workers cannot import the limiter {name}: pass a function that stands at the top"
            " of a module, and returns the limiter"
        )
    try:
        json.dumps([arguments, keywords])
    except (TypeError, ValueError) as error:
        raise ValidationException(
            f"workers cannot be told the arguments of the limiter {name}: {error}"
        ) from error
    return name, arguments, keywords
