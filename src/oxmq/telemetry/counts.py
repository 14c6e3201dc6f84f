"""Count jobs, and hand the counts to OpenTelemetry's instruments.

The SDK takes longer to count a job than a worker to run an empty one. So counters are read when metrics are collected,
and only histograms are fed as jobs end: with all of them as long as there are not too many.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Final

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from oxmq.records import JobRecord
from oxmq.telemetry.measures import (
    ACTIVE,
    ADDED,
    COMPLETED,
    DURATION,
    FAILED,
    LATENCY,
    LOOP_LAG,
    QUEUE_JOBS,
    RETRIED,
    SLOTS,
    STALLED,
    WAIT,
    Measure,
    TaskLabels,
)
from oxmq.tracing import QueueFigures, WorkerFigures

#: How many jobs a second go into histograms at most; of more, an even share does.
MOST_RECORDED: Final = 500

_Labels = tuple[str, ...]
_COUNTED: Final = {"completed": COMPLETED, "failed": FAILED, "retry": RETRIED, "delay": RETRIED}


class Share:
    """Choose which of many events are recorded: all, or an even share of them when they come too fast."""

    __slots__ = ("_every", "_most", "_seen", "_until")

    def __init__(self, most: int = MOST_RECORDED) -> None:
        self._most = most
        self._seen = 0
        self._every = 1
        self._until = 0.0

    def takes(self, now: float) -> bool:
        """Tell whether to record one that happens now, in seconds of any clock that only goes forwards."""
        if now >= self._until:
            self._every = max(1, math.ceil(self._seen / self._most)) if now < self._until + 1 else 1
            self._seen, self._until = 0, now + 1
        self._seen += 1
        return self._seen % self._every == 0 and self._seen <= self._most * self._every


class WorkerGauges:
    """Hold what is told of one worker and its queue.

    Attributes:
        queue: the queue's name.
        look: gives the worker's figures.
        seen: the queue's figures, as they were last read.
    """

    __slots__ = ("__weakref__", "look", "queue", "seen")

    def __init__(self, queue: str, look: Callable[[], WorkerFigures]) -> None:
        self.queue = queue
        self.look = look
        self.seen: QueueFigures | None = None


class JobCounts:
    """Count what one process does with jobs.

    Args:
        meter: makes the instruments.
        labels: gives jobs' names a bounded number of labels.
    """

    def __init__(self, meter: Meter, labels: TaskLabels) -> None:
        self._labels = labels
        # Producers and workers may be in several threads.
        self._lock = threading.Lock()
        self._totals: dict[str, dict[_Labels, int]] = {}
        self._share = Share()
        self._workers: weakref.WeakSet[WorkerGauges] = weakref.WeakSet()
        for measure in (ADDED, COMPLETED, FAILED, RETRIED, STALLED):
            totals = self._totals[measure.name] = {}
            callback = _observer(measure, totals)
            meter.create_observable_counter(measure.name, [callback], measure.unit, measure.description)
        self._durations = _histogram(meter, DURATION)
        self._waits = _histogram(meter, WAIT)
        self._add_gauges(meter)

    def added(self, queue: str, names: Sequence[str]) -> None:
        """Count jobs that were added."""
        totals = self._totals[ADDED.name]
        with self._lock:
            for name in names:
                key = (queue, self._labels.label(name))
                totals[key] = totals.get(key, 0) + 1

    def ended(self, queue: str, record: JobRecord, kind: str, seconds: float, waited: float | None) -> None:
        """Count a run; one that was handed back, postponed or parked is none."""
        measure = _COUNTED.get(kind)
        if measure is None:
            return
        key = (queue, self._labels.label(record.name))
        totals = self._totals[measure.name]
        with self._lock:
            totals[key] = totals.get(key, 0) + 1
        if self._share.takes(monotonic()):
            attributes = {"queue": key[0], "task": key[1]}
            self._durations.record(seconds, attributes)
            if waited is not None:
                self._waits.record(waited, attributes)

    def stalled(self, queue: str, count: int) -> None:
        """Count jobs that were found without a worker."""
        totals = self._totals[STALLED.name]
        with self._lock:
            totals[queue,] = totals.get((queue,), 0) + count

    def watch(self, worker: WorkerGauges) -> None:
        """Tell a worker's figures until `forget`."""
        self._workers.add(worker)

    def forget(self, worker: WorkerGauges) -> None:
        """Tell a worker's figures no more."""
        self._workers.discard(worker)

    def _add_gauges(self, meter: Meter) -> None:
        def gauge(measure: Measure, observe: Callable[[], Iterable[Observation]]) -> None:
            def callback(_: CallbackOptions) -> Iterable[Observation]:
                return list(observe())

            meter.create_observable_gauge(measure.name, [callback], measure.unit, measure.description)

        gauge(ACTIVE, lambda: self._of_workers(lambda worker: worker.running, sum))
        gauge(SLOTS, lambda: self._of_workers(lambda worker: worker.slots, sum))
        gauge(LOOP_LAG, lambda: self._of_workers(lambda worker: worker.loop_lag, max))
        gauge(LATENCY, self._latencies)
        gauge(QUEUE_JOBS, self._depths)

    def _of_workers(
        self, read: Callable[[WorkerFigures], float], together: Callable[[Iterable[float]], float]
    ) -> Iterable[Observation]:
        found: dict[str, list[float]] = {}
        for worker in list(self._workers):
            found.setdefault(worker.queue, []).append(read(worker.look()))
        return [Observation(together(values), {"queue": queue}) for queue, values in found.items()]

    def _latencies(self) -> Iterable[Observation]:
        return [Observation(seen.latency, {"queue": queue}) for queue, seen in self._seen().items()]

    def _depths(self) -> Iterable[Observation]:
        for queue, seen in self._seen().items():
            for state, count in seen.counts.items():
                yield Observation(count, {"queue": queue, "state": state})

    def _seen(self) -> dict[str, QueueFigures]:
        return {worker.queue: worker.seen for worker in list(self._workers) if worker.seen is not None}


def _observer(measure: Measure, totals: dict[_Labels, int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        # Copied in one step: the thread that collects is not the one that counts.
        return [Observation(count, dict(zip(measure.labels, key, strict=True))) for key, count in totals.copy().items()]

    return observe


def _histogram(meter: Meter, measure: Measure) -> Histogram:
    return meter.create_histogram(
        measure.name, measure.unit, measure.description, explicit_bucket_boundaries_advisory=measure.buckets
    )
