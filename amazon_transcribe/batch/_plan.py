"""What a batch is to do: its recordings, their settings, the names of their outputs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from .._protocol.constants import SILENT_SAMPLE
from .._protocol.constraints import SAMPLE_RATE, check_above_zero, normalised
from .._protocol.operation import Operation, check_configuration, client_name
from .._protocol.shapes import Shape
from ..call_analytics import START_CALL_ANALYTICS_STREAM_TRANSCRIPTION, ConfigurationEvent
from ..endpoints import checked_region
from ..exceptions import InvalidParameterException, SDKError, ValidationException
from ..local.constants import ENGINES
from ..medical import START_MEDICAL_STREAM_TRANSCRIPTION
from ..transcription import START_STREAM_TRANSCRIPTION
from ._sources import Found, recordings_of
from ._work import SUFFIXES, Service

__all__ = ["Format", "OperationName", "Plan", "Task", "make_plan"]

Source: TypeAlias = "str | os.PathLike[str]"

Format: TypeAlias = Literal["text", "json", "srt", "vtt"]
"""What an output is: text, one JSON document with `transcript` and `results`, captions."""

OperationName: TypeAlias = Literal["transcription", "call-analytics", "medical"]
"""What the service does with the audio, as `--operation` has it."""

TIMEOUT = 6 * 3600.0
"""Seconds for a recording, by default: the service's streams end after four hours."""

_OPERATIONS: dict[str, Operation] = {
    "transcription": START_STREAM_TRANSCRIPTION,
    "call-analytics": START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
    "medical": START_MEDICAL_STREAM_TRANSCRIPTION,
}

# Of the audio, or of one stream alone.
_NO_PARAMETERS = {
    "enable_channel_identification",
    "media_encoding",
    "media_sample_rate_hz",
    "number_of_channels",
    "session_id",
    "session_resume_window",
}

# What `client.transcribe` and its like take, where nothing is given.
_DEFAULTS = {
    "language_code": "en-US",
    "media_encoding": "pcm",
    "media_sample_rate_hz": 16_000,
    "specialty": "PRIMARYCARE",
    "type": "CONVERSATION",
}

_STEM_BYTES = 150  # of 255 that a name may have


@dataclass(frozen=True)
class Task:
    """One recording of a batch.

    :param input: The recording's absolute path.
    :param output: The name of its output in the batch's directory.
    :param size: The recording's bytes; 0 if it is not there.
    :param parameters: Its parameters: the batch's, and its own from a manifest.
    """

    input: str
    output: str
    size: int
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a batch is to do; `make_plan` makes it, `run` does it.

    :param output_dir: Where the outputs go.
    :param tasks: The recordings, each with the name of its output.
    :param service: Who transcribes, and what is written.
    """

    output_dir: Path
    tasks: tuple[Task, ...]
    service: Service

    def left(self) -> list[Task]:
        """Return the recordings whose outputs are not there yet.

        :raises ValidationException: If the directory cannot be read.
        """
        try:
            there = {path.name for path in self.output_dir.iterdir()}
        except FileNotFoundError:
            return list(self.tasks)
        except OSError as error:
            raise ValidationException(f"{self.output_dir}: {error.strerror}") from error
        return [task for task in self.tasks if task.output not in there]


def make_plan(
    sources: Source | Iterable[Source],
    *,
    output_dir: str | os.PathLike[str],
    format: Format = "text",  # noqa: A002 - the name of the command's option
    operation: OperationName = "transcription",
    local: bool | Mapping[str, Any] = False,
    region: str | None = None,
    endpoint_url: str | None = None,
    realtime: bool | None = None,
    timeout: float = TIMEOUT,
    parameters: Mapping[str, Any] | None = None,
) -> Plan:
    """Find the recordings, check their parameters, and name their outputs.

    An output is named after its recording and a hash of the recording's path, size and time
    of change, of the parameters, and of `format`, `operation` and `local`. Where one of
    these changes, there is another output. Nothing is sent.

    :param sources: Recordings, folders, patterns such as `"calls/**/*.mp3"`, or manifests.
        Of a folder all recordings are taken, as far as its subfolders go, by their names. A
        manifest is a CSV file or one of JSON lines (`.csv`, `.jsonl`), in which `input` is a
        path, relative to the manifest, and all else are parameters of that recording.
    :param output_dir: The directory of the outputs, made if need be.
    :param format: What is written: `"text"`, `"json"`, `"srt"` or `"vtt"`.
    :param operation: `"transcription"`, `"call-analytics"` or `"medical"`.
    :param local: Recognise on the workers' machines, in English, without an AWS account; or
        the arguments of the `LocalTranscribe` that does, such as `{"engine": "pocketsphinx"}`.
    :param region: The AWS region; by default that of AWS_REGION or AWS_DEFAULT_REGION.
    :param endpoint_url: Another endpoint, which the workers can reach.
    :param realtime: See `client.transcribe`: by default the speed of speech to AWS, and as
        fast as possible on a worker's own machine.
    :param timeout: Seconds for one recording, above 0.
    :param parameters: The keywords of the operation's method, `client.transcribe` or its
        like, for all recordings: `language_code`, `show_speaker_label` and so on. Besides
        them `sample_rate_hz`, `channels` and `raw` as `audio.open_audio` has them, and
        `names`, the names of speakers and channels by their labels.
    :raises ValidationException: for a source without recordings, a manifest that cannot be
        read, and a parameter that cannot be; the message has the manifest's line.
    """
    if operation not in _OPERATIONS:
        raise ValidationException(
            f"operation must be one of {', '.join(_OPERATIONS)}, not {operation!r}"
        )
    if format not in get_args(Format):
        raise ValidationException(
            f"format must be one of {', '.join(get_args(Format))}, not {format!r}"
        )
    if local is not False and endpoint_url is not None:
        raise ValidationException("local starts servers of its own: leave out endpoint_url")
    if region is not None:
        checked_region(region)
    check_above_zero(timeout=timeout)
    service = Service(
        operation=operation,
        format=format,
        local=_local(local),
        region=region,
        endpoint_url=endpoint_url,
        realtime=realtime,
        timeout=timeout,
    )
    settings = _json([operation, format, service.local])
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    tasks: dict[str, Task] = {}
    for found in (each for source in sources for each in recordings_of(source)):
        try:
            checked = _checked(_OPERATIONS[operation], {**(parameters or {}), **found.parameters})
        except SDKError as error:
            where = f"{found.where}: " if found.where else ""
            raise ValidationException(f"{where}{error}") from error
        task = _task(found, checked, settings, SUFFIXES[format])
        tasks.setdefault(task.output, task)
    if not tasks:
        raise ValidationException("a batch needs at least one source")
    return Plan(Path(output_dir).absolute(), tuple(tasks.values()), service)


def _local(local: bool | Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of the local server, with the engine, which decides the words.

    They are as JSON carries them to a worker: paths are text.
    """
    if local is False:
        return None
    plain: dict[str, Any] = json.loads(
        _json({"engine": ENGINES[0], **({} if local is True else local)})
    )
    return plain


def _task(found: Found, parameters: dict[str, Any], settings: str, suffix: str) -> Task:
    path = os.path.abspath(found.path)  # noqa: PTH100 - without `..`, links as they are
    try:
        status = os.stat(path)  # noqa: PTH116
        size, changed = status.st_size, status.st_mtime_ns
    except (OSError, ValueError):  # a manifest's, which fails when its turn comes
        size, changed = 0, 0
    identity = _json([path, size, changed, parameters, settings])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    stem = found.path.stem.encode(errors="replace")[:_STEM_BYTES].decode(errors="ignore")
    return Task(path, f"{stem}-{digest}{suffix}", size, parameters)


def _checked(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a recording as JSON carries them.

    :raises SDKError: for one that there is not, or that cannot be, and for those that need or
        exclude each other.
    """
    given = {keyword: value for keyword, value in parameters.items() if value is not None}
    members = {member.name for member in operation.members}
    own = {keyword: given[keyword] for keyword in given if keyword in members - _NO_PARAMETERS}
    defaults = {name: value for name, value in _DEFAULTS.items() if name in members}
    if own.get("identify_language") or own.get("identify_multiple_languages"):
        del defaults["language_code"]
    plain = normalised(operation.members, operation.request(**defaults | own))
    if found := operation.first_violation(plain, client_name):
        raise InvalidParameterException(*found)
    checked = {keyword: getattr(plain, keyword) for keyword in own}
    for keyword, value in given.items():
        if keyword == "configuration" and operation.inputs:
            checked[keyword] = _configuration(operation, value)
        elif keyword not in own:
            checked[keyword] = _checked_audio(keyword, value, members - _NO_PARAMETERS)
    return checked


def _configuration(operation: Operation, value: Any) -> Any:
    event = value if isinstance(value, Shape) else ConfigurationEvent.from_dict(value)
    check_configuration(operation, event)
    return event.to_dict()


def _checked_audio(keyword: str, value: Any, members: Iterable[str]) -> Any:
    """Check a parameter of the audio or of the output."""
    given = f", not {value!r}"
    if keyword == "sample_rate_hz":
        value = SAMPLE_RATE.normalised(value)
        fault = SAMPLE_RATE.violation(value)
    elif keyword == "channels":
        is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        fault = (
            None
            if is_number or value in ("mix", "split")
            else f"must be mix, split or a number{given}"
        )
    elif keyword == "raw":
        fault = (
            None if value in SILENT_SAMPLE else f"must be one of {', '.join(SILENT_SAMPLE)}{given}"
        )
    elif keyword == "names":
        is_map = isinstance(value, Mapping) and all(
            isinstance(part, str) for pair in value.items() for part in pair
        )
        fault = None if is_map else f"must be names by their labels{given}"
    else:
        known = ", ".join([*sorted(members), "sample_rate_hz", "channels", "raw", "names"])
        raise ValidationException(f"there is no parameter {keyword!r}; there are {known}")
    if fault:
        raise InvalidParameterException(keyword, f"{keyword} {fault}")
    return value


def _json(value: Any) -> str:
    """Write what the name of an output comes from; always the same for the same."""
    try:
        return json.dumps(value, sort_keys=True, default=_plain)
    except TypeError as error:
        raise ValidationException(f"a worker cannot be told this setting: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{value!r} is neither text, number nor list")
