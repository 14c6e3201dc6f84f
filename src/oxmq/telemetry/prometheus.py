"""Measure the jobs of one process for Prometheus.

What runs for each job counts in plain lists; the families that Prometheus knows are made of them when it asks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final
from weakref import WeakSet

try:
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise ImportError('metrics for Prometheus need its client: pip install "oxmq[prometheus]"') from error

from oxmq.codec import read_options
from oxmq.records import JobRecord
from oxmq.telemetry.measures import (
    ACTIVE,
    ADDED,
    COMPLETED,
    DURATION,
    DURATIONS,
    FAILED,
    HEALTHY,
    LOOP_LAG,
    RETRIED,
    SLOTS,
    STALLED,
    WAIT,
    Measure,
    TaskLabels,
)
from oxmq.tracing import Watched, WorkerFigures

_Key = tuple[str, str]


class JobMetrics(Collector):
    """Measure jobs: given as `telemetry` to `Oxmq`, `Queue`, `Worker` and `FlowProducer`, one for all of a process.

    Args:
        registry: where Prometheus finds the metrics; one of their own, with those of the process, when not given.
        task_names: names of jobs that are told apart, all others being ``other``; when not given, the first 100 are.

    Attributes:
        registry: that registry.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, task_names: Iterable[str] | None = None) -> None:
        self._labels = TaskLabels() if task_names is None else TaskLabels(task_names, most=0)
        # Producers may be in several threads; each worker counts on its own.
        self._lock = threading.Lock()
        self._added: dict[_Key, int] = {}
        self._working: WeakSet[MeasuredWorker] = WeakSet()
        self._ended = _Totals()
        self.registry = CollectorRegistry(auto_describe=False) if registry is None else registry
        if registry is None:
            ProcessCollector(registry=self.registry)
        self.registry.register(self)

    @property
    def content_type(self) -> str:
        """Return what an answer with the text calls its content."""
        return CONTENT_TYPE_LATEST

    def text(self) -> bytes:
        """Return everything in the registry as Prometheus reads it."""
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Metric]:
        """Return what there will be, without values: for the registry to see that no name is taken."""
        return (_family(measure) for measure in _TOLD)

    def collect(self) -> Iterator[Metric]:
        """Return all values, for the registry."""
        with self._lock:
            totals = self._ended.copy()
            added = self._added.copy()
            workers = list(self._working)
        for worker in workers:
            totals.add(worker.totals)
        yield _counter(ADDED, added)
        yield from totals.families()
        yield from _gauges([(worker.queue, worker.look()) for worker in workers if worker.looks])

    def adding(self, queue: str, names: Sequence[str]) -> MeasuredAddition:
        """Count jobs when they have been added."""
        return MeasuredAddition(self, [(queue, name) for name in names])

    def adding_flow(self, nodes: Sequence[_Key], children: Sequence[Sequence[int]]) -> MeasuredAddition:
        """Count the jobs of a flow when they have been added."""
        return MeasuredAddition(self, nodes)

    def working(self, worker: Watched) -> MeasuredWorker:
        """Measure what a worker does."""
        measured = MeasuredWorker(worker, self._labels, self._forget)
        with self._lock:
            self._working.add(measured)
        return measured

    def carrier(self) -> Mapping[str, str]:
        """Return nothing: there is no context to go along."""
        return {}

    def resume(self, carrier: Mapping[str, str]) -> None:
        """Do nothing: see `carrier`."""

    def count_added(self, jobs: Iterable[_Key]) -> None:
        """Count jobs that were added, given by queue and name."""
        with self._lock:
            for queue, name in jobs:
                key = (queue, self._labels.label(name))
                self._added[key] = self._added.get(key, 0) + 1

    def _forget(self, worker: MeasuredWorker) -> None:
        # Its gauges go; what it has counted stays, as a counter never falls.
        with self._lock:
            if worker in self._working:
                self._working.discard(worker)
                self._ended.add(worker.totals)


class MeasuredAddition:
    """Count the jobs of one call once they are in Redis."""

    __slots__ = ("_jobs", "_metrics")

    def __init__(self, metrics: JobMetrics, jobs: Sequence[_Key]) -> None:
        self._metrics = metrics
        self._jobs = jobs

    def metadata(self, index: int) -> str:
        """Return nothing: the jobs carry no context."""
        return ""

    def added(self, job_ids: Sequence[str]) -> None:
        """Count them."""
        self._metrics.count_added(self._jobs)

    def failed(self, error: BaseException) -> None:
        """Count nothing."""


class MeasuredWorker:
    """Measure one worker.

    Attributes:
        queue: its queue.
        look: gives its figures.
        looks: whether it works, so that its figures mean something.
        totals: what it has counted.
    """

    def __init__(self, worker: Watched, labels: TaskLabels, forget: Callable[[MeasuredWorker], None]) -> None:
        self.queue = worker.queue
        self.look = worker.look
        self.looks = False
        self.totals = _Totals()
        self._labels = labels
        self._forget = forget

    def start(self) -> None:
        """Tell its figures from now on."""
        self.looks = True

    async def stop(self) -> None:
        """Tell its figures no more."""
        self.looks = False
        self._forget(self)

    def started(self, record: JobRecord) -> MeasuredRun:
        """Measure a run."""
        return MeasuredRun(self, record)

    def stalled(self, job_ids: Sequence[str]) -> None:
        """Count jobs that were found without a worker."""
        stalled = self.totals.stalled
        stalled[self.queue,] = stalled.get((self.queue,), 0) + len(job_ids)

    def ended(self, record: JobRecord, kind: str, seconds: float) -> None:
        """Count a run; one that was handed back, postponed or parked is none."""
        ends = self.totals.ends.get(kind)
        if ends is None:
            return
        key = (self.queue, self._labels.label(record.name))
        ends[key] = ends.get(key, 0) + 1
        self.totals.durations.observe(key, seconds)
        if (waited := _waited(record)) is not None:
            self.totals.waits.observe(key, waited)


class MeasuredRun:
    """Measure one run of a job."""

    __slots__ = ("_record", "_worker")

    def __init__(self, worker: MeasuredWorker, record: JobRecord) -> None:
        self._worker = worker
        self._record = record

    def raised(self, error: BaseException) -> None:
        """Do nothing: its outcome will tell."""

    def lock_lost(self) -> None:
        """Do nothing: its outcome will be refused."""

    def ended(self, kind: str, stopped: str) -> str:
        """Return nothing for the job to carry on."""
        return ""

    def accepted(self, kind: str, seconds: float) -> None:
        """Count it."""
        self._worker.ended(self._record, kind, seconds)

    def refused(self, error: Exception) -> None:
        """Count nothing."""


class _Times:
    """Hold a histogram for each queue and task: how many times fell into each bucket, and the sum of all, last."""

    def __init__(self) -> None:
        self.of: dict[_Key, list[float]] = {}

    def observe(self, key: _Key, seconds: float) -> None:
        row = self.of.get(key)
        if row is None:
            row = self.of[key] = [0.0] * (len(DURATIONS) + 2)
        row[bisect_left(DURATIONS, seconds)] += 1
        row[-1] += seconds

    def add(self, other: _Times) -> None:
        for key, row in other.of.copy().items():
            own = self.of.get(key)
            self.of[key] = list(row) if own is None else [a + b for a, b in zip(own, row, strict=True)]

    def family(self, measure: Measure) -> Metric:
        family = HistogramMetricFamily(measure.prometheus, measure.description, labels=measure.labels)
        for key, row in self.of.items():
            family.add_metric(key, list(_cumulative(row[:-1])), row[-1])
        return family


class _Totals:
    """Hold what has been counted of the runs of jobs."""

    def __init__(self) -> None:
        self.completed: dict[_Key, int] = {}
        self.failed: dict[_Key, int] = {}
        self.retried: dict[_Key, int] = {}
        self.stalled: dict[tuple[str], int] = {}
        self.ends = {"completed": self.completed, "failed": self.failed, "retry": self.retried, "delay": self.retried}
        self.durations = _Times()
        self.waits = _Times()

    def add(self, other: _Totals) -> None:
        for own, others in (
            (self.completed, other.completed), (self.failed, other.failed), (self.retried, other.retried),
        ):  # fmt: skip
            for key, count in others.copy().items():
                own[key] = own.get(key, 0) + count
        for queue, count in other.stalled.copy().items():
            self.stalled[queue] = self.stalled.get(queue, 0) + count
        self.durations.add(other.durations)
        self.waits.add(other.waits)

    def copy(self) -> _Totals:
        made = _Totals()
        made.add(self)
        return made

    def families(self) -> Iterator[Metric]:
        yield _counter(COMPLETED, self.completed)
        yield _counter(FAILED, self.failed)
        yield _counter(RETRIED, self.retried)
        yield _counter(STALLED, self.stalled)
        yield self.durations.family(DURATION)
        yield self.waits.family(WAIT)


_TOLD: Final = (ADDED, COMPLETED, FAILED, RETRIED, STALLED, DURATION, WAIT, ACTIVE, SLOTS, LOOP_LAG, HEALTHY)


def _family(measure: Measure) -> Metric:
    if measure.kind == "counter":
        return _counter(measure, {})
    if measure.kind == "histogram":
        return _Times().family(measure)
    return GaugeMetricFamily(measure.prometheus, measure.description, labels=measure.labels)


def _counter(measure: Measure, counts: Mapping[_Key, int] | Mapping[tuple[str], int]) -> Metric:
    family = CounterMetricFamily(measure.prometheus, measure.description, labels=measure.labels)
    for key, count in counts.items():
        family.add_metric(key, count)
    return family


def _gauges(workers: Iterable[tuple[str, WorkerFigures]]) -> Iterator[Metric]:
    by_queue: dict[str, list[WorkerFigures]] = {}
    for queue, figures in workers:
        by_queue.setdefault(queue, []).append(figures)
    read: dict[Measure, Callable[[list[WorkerFigures]], float]] = {
        ACTIVE: lambda all_of: sum(figures.running for figures in all_of),
        SLOTS: lambda all_of: sum(figures.slots for figures in all_of),
        LOOP_LAG: lambda all_of: max(figures.loop_lag for figures in all_of),
        HEALTHY: lambda all_of: float(all(figures.healthy for figures in all_of)),
    }
    for measure, value in read.items():
        family = GaugeMetricFamily(measure.prometheus, measure.description, labels=measure.labels)
        for queue, all_of in by_queue.items():
            family.add_metric((queue,), value(all_of))
        yield family


def _cumulative(row: Sequence[float]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for bound, count in zip((*map(str, DURATIONS), "+Inf"), row, strict=True):
        total += count
        yield bound, total


def _waited(record: JobRecord) -> float | None:
    """Return for how long the job could have run before it did, in seconds; None where it had been started before."""
    if record.attempts_started != 1 or record.processed_on is None:
        return None
    due = record.due_on
    if due is None:
        # Most jobs have no delay, and then their options need not be read.
        due = record.timestamp + (int(read_options(record.opts).delay or 0) if b'"delay"' in record.opts else 0)
    return max(0, record.processed_on - due) / 1000
