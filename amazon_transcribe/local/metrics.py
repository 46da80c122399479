"""Metrics: what the server counts, in the text format of Prometheus, version 0.0.4.

Every label's value is a name of ours, so that no client can make up series, or need escapes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from .service import TranscriptionService
from .service.histogram import BOUNDS, Histogram
from .service.operations import OPERATIONS
from .service.records import StreamRecord

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = Iterable[tuple[Mapping[str, str], float]]


class Metrics:
    """The counts of one server, from its start on."""

    def __init__(self) -> None:
        self._start = time.time()
        self._open: set[StreamRecord] = set()
        self._ended: Counter[tuple[str, str]] = Counter()  # by operation and end
        self._refusals: Counter[str] = Counter()
        # Of the streams that have ended:
        self._audio_seconds = 0.0
        self._partials = self._finals = 0

    def take(self, record: StreamRecord) -> None:
        """Take note of a stream that has begun, or has ended."""
        if record.ended is None:
            self._open.add(record)
            return
        self._open.discard(record)
        if record.operation:  # else the request named none
            self._ended[record.operation, record.ended] += 1
        if record.ended == "refused":
            self._refusals[record.reason.partition(":")[0]] += 1
        self._audio_seconds += record.audio_seconds
        self._partials += record.partials
        self._finals += record.finals

    def text(
        self, service: TranscriptionService, faults: Mapping[str, int], connections: int
    ) -> str:
        """Return all metrics as they are now.

        :param service: Whose threads and times to tell.
        :param faults: How many there were of each kind.
        :param connections: How many are open.
        """
        open_streams = Counter(record.operation for record in self._open)
        partials = self._partials + sum(record.partials for record in self._open)
        finals = self._finals + sum(record.finals for record in self._open)
        audio = self._audio_seconds + sum(record.audio_seconds for record in self._open)
        names = [each.name for each in OPERATIONS.values() if each.result_stream is not None]
        families = (
            _family(
                "streams_open",
                "gauge",
                "Streams that are open.",
                [({"operation": name}, open_streams[name]) for name in names],
            ),
            _family(
                "streams_total",
                "counter",
                "Streams that have ended, by how they did.",
                [({"operation": o, "end": e}, n) for (o, e), n in sorted(self._ended.items())],
            ),
            _family(
                "refusals_total",
                "counter",
                "Requests that were refused, by the exception's name.",
                [({"error": name}, n) for name, n in sorted(self._refusals.items())],
            ),
            _family(
                "faults_total",
                "counter",
                "Faults on demand that streams and connections got.",
                [({"kind": kind}, n) for kind, n in sorted(faults.items())],
            ),
            _family("audio_seconds_total", "counter", "Audio recognised.", [({}, audio)]),
            _family(
                "results_total",
                "counter",
                "Results sent.",
                [({"kind": "partial"}, partials), ({"kind": "final"}, finals)],
            ),
            _histogram(
                "recognition_lag_seconds",
                "Time from the arrival of audio until its results are sent.",
                service.lag,
            ),
            _family("connections_open", "gauge", "Open connections.", [({}, connections)]),
            _family("engine_threads", "gauge", "Threads for recognition.", [({}, service.threads)]),
            _family(
                "engine_threads_busy",
                "gauge",
                "Those that recognise.",
                [({}, service.busy_threads)],
            ),
            _family(
                "start_time_seconds",
                "gauge",
                "When the server started, in seconds since 1970.",
                [({}, self._start)],
            ),
        )
        return "".join(line for family in families for line in family)


def _family(name: str, kind: str, meaning: str, samples: Samples) -> Iterator[str]:
    yield f"# HELP transcribe_{name} {meaning}\n# TYPE transcribe_{name} {kind}\n"
    for labels, value in samples:
        yield _sample(name, labels, value)


def _histogram(name: str, meaning: str, histogram: Histogram) -> Iterator[str]:
    yield from _family(name, "histogram", meaning, ())
    counts = list(accumulate(histogram.counts))
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        yield _sample(f"{name}_bucket", {"le": bound}, count)
    yield _sample(f"{name}_sum", {}, histogram.total)
    yield _sample(f"{name}_count", {}, counts[-1])


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{label}="{content}"' for label, content in labels.items())
    return f"transcribe_{name}{{{pairs}}} {value}\n" if pairs else f"transcribe_{name} {value}\n"
