"""`amazon-transcribe batch`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._net.named_files import read_file
from .._protocol.constraints import Integer
from ..exceptions import LimiterException, ValidationException
from .arguments import HelpFormatter, whole
from .display import Display, Progress, clock_time
from .errors import DONE, FAILED, Unusable, reason
from .local_server import add_engine, check_local, engine_options, vocabularies_of
from .service_options import add_service_options, service_parameters, with_flags
from .signals import end_at_next, ending_signals
from .transcribe import add_audio, add_names, add_where

if TYPE_CHECKING:
    from ..batch import Outcome, Plan
    from ..limiter.valkey import ValkeyStreamLimiter

_FORMATS = ("text", "json", "srt", "vtt")


def add_batch(commands: Any) -> None:
    """Add the command `batch`."""
    parser = commands.add_parser(
        "batch",
        usage="%(prog)s [OPTION ...] --output-dir DIR SOURCE ...",
        help="transcribe archives, on all processors or on many machines",
        description="Transcribe all recordings of files, folders, patterns and manifests. Each "
        "has one output in a directory, which appears when it is whole; what is there is done, "
        "so a run that was ended goes on when it is run again. results.jsonl has a line for "
        "each recording.",
        epilog="""examples:
  amazon-transcribe batch --local recordings --output-dir transcripts
  amazon-transcribe batch --local --format srt '*.mp4' --output-dir captions
  amazon-transcribe batch --region eu-west-1 calls.csv --output-dir calls
  amazon-transcribe batch --region eu-west-1 --jobs 20 --output-dir calls
      --limiter valkey://10.0.0.5:6379 calls.csv
  amazon-transcribe batch --local --ray-address ray-head:6379 /archive
      --output-dir /transcripts""",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_batch)
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="a recording, a folder, a pattern such as '*.mp4', or a manifest: a CSV file or one "
        "of JSON lines with 'input' and the parameters of each recording",
    )
    _add_workers(parser)
    _add_limiter(parser)
    add_where(parser)
    add_audio(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output-dir", metavar="DIR", required=True, help="the directory of the transcripts"
    )
    group.add_argument(
        "--format", choices=_FORMATS, default="text", help="of each transcript (default: text)"
    )
    add_names(group)
    group.add_argument("-q", "--quiet", action="store_true", help="show no progress, only errors")
    add_service_options(parser, scribes=False)
    add_engine(parser.add_argument_group("recogniser"), "with --local: ")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("workers")
    group.add_argument(
        "--jobs",
        type=whole(Integer(1, 100_000)),
        metavar="N",
        help="recordings at a time, and so streams at a time (default: one for each processor; "
        "with Ray as many as its nodes have room for)",
    )
    group.add_argument(
        "--attempts",
        type=whole(Integer(1, 100)),
        default=3,
        metavar="N",
        help="the most attempts at a recording whose worker is lost, or at which the service or "
        "the network fails; AWS bills each (default: 3)",
    )
    ray = group.add_mutually_exclusive_group()
    ray.add_argument(
        "--ray",
        action="store_true",
        help="run on Ray: on the cluster of RAY_ADDRESS, or on this machine (extra ray)",
    )
    ray.add_argument("--ray-address", metavar="ADDRESS", help="run on the Ray cluster there")


def _add_limiter(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "quotas", "of an AWS account in a region, kept by all who share them"
    )
    group.add_argument(
        "--limiter",
        metavar="URL",
        help="the server of Valkey or Redis that counts the streams of all: "
        "valkey://[[USER]:PASSWORD@]HOST[:PORT][/DB], valkeys:// for TLS (extra valkey)",
    )
    group.add_argument(
        "--limiter-name",
        metavar="NAME",
        help="with --limiter: the name of the quota there, the same for all who share it (default: "
        "transcribe)",
    )
    group.add_argument(
        "--max-streams",
        type=whole(Integer(1)),
        metavar="N",
        help="with --limiter: the most streams of all at a time (default: 25)",
    )
    group.add_argument(
        "--starts-per-second",
        type=whole(Integer(1)),
        metavar="N",
        help="with --limiter: the most starts of all in a second (default: 25)",
    )


def _batch(arguments: argparse.Namespace) -> int:
    check_local(arguments)
    if arguments.operation == "call-analytics" and arguments.channels != "split":
        raise Unusable("--operation call-analytics needs two channels: --channels split")
    if arguments.limiter is None and any(_quota(arguments).values()):
        raise Unusable("--limiter-name, --max-streams and --starts-per-second go with --limiter")
    if arguments.limiter is not None and arguments.local:
        raise Unusable("--limiter keeps the quotas of AWS: leave it out with --local")
    from ..batch import BatchException

    display = Display(captions=False, quiet=arguments.quiet)
    try:
        with _signals():
            return _run(_plan(arguments), arguments, display)
    except BatchException as error:
        raise Unusable(str(error)) from error
    except _Signal as ended:
        return 128 + ended.number
    finally:
        display.clear()


def _plan(arguments: argparse.Namespace) -> Plan:
    from ..batch import make_plan

    local: bool | dict[str, Any] = False
    if arguments.local:
        local = engine_options(arguments)
        if vocabularies := vocabularies_of(arguments):
            # By what is in them: another text makes another transcript.
            local["vocabularies"] = {name: _lines(path) for name, path in vocabularies.items()}
    parameters = service_parameters(arguments)
    if arguments.channels != "mix":
        parameters["channels"] = arguments.channels
    audio = {
        "sample_rate_hz": arguments.sample_rate,
        "raw": arguments.raw,
        "names": arguments.names,
    }
    try:
        return make_plan(
            arguments.sources,
            output_dir=arguments.output_dir,
            format=arguments.format,
            operation=arguments.operation,
            local=local,
            region=arguments.region,
            endpoint_url=arguments.endpoint_url,
            realtime=arguments.realtime,
            parameters=parameters | audio,
        )
    except ValidationException as error:
        raise Unusable(with_flags(str(error))) from error


def _lines(path: Path) -> list[str]:
    from ..local.service.custom_vocabulary import LARGEST_FILE, read_vocabulary

    try:
        read_vocabulary(path)  # it says what is wrong by the file and the line
        return read_file(path, LARGEST_FILE).decode("utf-8-sig").splitlines()
    except (OSError, ValidationException) as error:
        where = f"{path}: " if isinstance(error, OSError) else ""
        raise Unusable(f"--vocabulary: {where}{reason(error)}") from error


def _run(plan: Plan, arguments: argparse.Namespace, display: Display) -> int:
    from ..batch import run

    left = plan.left()
    sizes = {task.output: task.size for task in left}
    limiter = None
    if arguments.limiter is not None and left:
        limiter = _limiter(arguments)
    outcomes = run(
        plan,
        jobs=arguments.jobs,
        attempts=arguments.attempts,
        ray=arguments.ray_address or arguments.ray,
        limiter=limiter,
    )
    there = len(plan.tasks) - len(left)
    progress = BatchProgress(len(left), sum(sizes.values()), there, time.monotonic())
    with closing(outcomes), display.showing(progress):
        try:
            for outcome in outcomes:
                progress.add(outcome, sizes[outcome.output])
                if outcome.error is not None:
                    display.error(f"amazon-transcribe: {outcome.input}: {outcome.error}")
                display.update(progress)
        finally:
            if progress.done or progress.failed or not left:
                display.notice(progress.summary(time.monotonic()))
    return FAILED if progress.failed else DONE


def _quota(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "name": arguments.limiter_name,
        "max_streams": arguments.max_streams,
        "starts_per_second": arguments.starts_per_second,
    }


def _limiter(arguments: argparse.Namespace) -> Callable[[], ValkeyStreamLimiter]:
    """Return what makes the workers' limiters, whose server has answered once."""
    from ..limiter.valkey import ValkeyStreamLimiter

    given = {name: value for name, value in _quota(arguments).items() if value is not None}
    make = partial(ValkeyStreamLimiter, arguments.limiter, **given)

    async def check() -> None:
        async with make() as limiter:
            await limiter.usage()

    try:
        asyncio.run(check())
    except (ValidationException, LimiterException) as error:
        raise Unusable(f"--limiter: {error}") from error
    return make


class BatchProgress(Progress):
    """How far a batch has come; the time left goes by the bytes of its recordings.

    :param recordings: The number of recordings to do.
    :param size: Their bytes.
    :param there: The number of recordings whose outputs are there.
    """

    def __init__(self, recordings: int, size: int, there: int, now: float) -> None:
        super().__init__("batch", size, now)
        self.recordings: int = recordings
        self.there: int = there
        self.done: int = 0
        self.failed: int = 0
        self.words: int = 0
        self.seconds: float = 0.0
        """The seconds of audio that were transcribed."""

    def add(self, outcome: Outcome, size: int) -> None:
        """Take an outcome of a recording of so many bytes."""
        self.position: float = self.position + size
        if outcome.error is not None:
            self.failed += 1
            return
        self.done += 1
        self.words += outcome.words or 0
        self.seconds += outcome.seconds or 0.0

    def parts(self, now: float) -> list[str]:
        parts = [f"{self.done + self.failed} of {self.recordings}", self._speed(now)]
        if self.position and self.duration:
            left = (now - self.began) * (self.duration / self.position - 1)
            parts.append(f"{clock_time(left)} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return parts

    def summary(self, now: float) -> str:
        """Return what was done, for the end."""
        parts = [f"{self.done} transcribed"]
        if self.there:
            parts.append(f"{self.there} there already")
        if self.failed:
            parts.append(f"{self.failed} failed")
        left = self.recordings - self.done - self.failed
        if left:
            parts.append(f"{left} not done")
        if self.done:
            parts.append(f"{self.words} words in {clock_time(self.seconds)} of audio")
            parts.append(self._speed(now))
        return ", ".join(parts)

    def _speed(self, now: float) -> str:
        return f"{self.seconds / max(now - self.began, 0.001):.1f} h of audio an hour"


class _Signal(BaseException):
    """The end by a signal."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def _signals() -> Iterator[None]:
    """Raise the first of the signals as an exception; the second one ends the process."""

    def on_signal(number: int, frame: object) -> None:
        end_at_next(before)
        raise _Signal(number)

    before: dict[signal.Signals, Any] = {}
    try:
        with suppress(ValueError):  # not in the main thread
            for number in ending_signals():
                before[number] = signal.signal(number, on_signal)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
