"""Name everything that is measured: one table for OpenTelemetry and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

#: From a job that only looks something up to one that computes for an hour, in seconds.
DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

#: The label of jobs whose name is not told apart.
OTHER: Final = "other"
#: A longer name is not told apart.
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured.

    Attributes:
        name: what OpenTelemetry calls it.
        prometheus: what Prometheus calls it; a counter ends in `_total`.
        unit: in UCUM, `{job}` where jobs are counted.
        labels: by what it is told apart.
        buckets: a histogram's upper bounds.
    """

    name: str
    prometheus: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    labels: tuple[str, ...] = ("queue", "task")
    buckets: tuple[float, ...] = ()


ADDED: Final = Measure("oxmq.jobs.added", "oxmq_jobs_added_total", "counter", "{job}",
                       "Jobs that this process added to a queue")  # fmt: skip
COMPLETED: Final = Measure("oxmq.jobs.completed", "oxmq_jobs_completed_total", "counter", "{job}",
                           "Jobs that this process completed")  # fmt: skip
FAILED: Final = Measure("oxmq.jobs.failed", "oxmq_jobs_failed_total", "counter", "{job}",
                        "Jobs that failed for good in this process")  # fmt: skip
RETRIED: Final = Measure("oxmq.jobs.retried", "oxmq_jobs_retried_total", "counter", "{job}",
                         "Attempts that failed in this process and will be made again")  # fmt: skip
STALLED: Final = Measure("oxmq.jobs.stalled", "oxmq_jobs_stalled_total", "counter", "{job}",
                         "Jobs without a worker that this process put back or failed", ("queue",))  # fmt: skip
DURATION: Final = Measure("oxmq.job.duration", "oxmq_job_duration_seconds", "histogram", "s",
                          "How long an attempt at a job ran", buckets=DURATIONS)  # fmt: skip
WAIT: Final = Measure("oxmq.job.wait", "oxmq_job_wait_seconds", "histogram", "s",
                      "How long a job had been ready before it was started", buckets=DURATIONS)  # fmt: skip
LATENCY: Final = Measure("oxmq.queue.latency", "oxmq_queue_latency_seconds", "gauge", "s",
                         "For how long the job has waited that has been ready longest", ("queue",))  # fmt: skip
ACTIVE: Final = Measure("oxmq.worker.active", "oxmq_worker_active_jobs", "gauge", "{job}",
                        "Jobs that this process is running", ("queue",))  # fmt: skip
SLOTS: Final = Measure("oxmq.worker.slots", "oxmq_worker_slots", "gauge", "{job}",
                       "Jobs that this process may run at once", ("queue",))  # fmt: skip
LOOP_LAG: Final = Measure("oxmq.worker.loop_lag", "oxmq_worker_loop_lag_seconds", "gauge", "s",
                          "How late the worker's event loop last came to a timer", ("queue",))  # fmt: skip
HEALTHY: Final = Measure("oxmq.worker.healthy", "oxmq_worker_healthy", "gauge", "1",
                         "Whether the worker reaches Redis and its event loop is not held up", ("queue",))  # fmt: skip

QUEUE_JOBS: Final = Measure("oxmq.queue.jobs", "oxmq_queue_jobs", "gauge", "{job}",
                            "Jobs of a queue by state", ("queue", "state"))  # fmt: skip

MEASURES: Final = (
    ADDED,
    COMPLETED,
    FAILED,
    RETRIED,
    STALLED,
    DURATION,
    WAIT,
    LATENCY,
    ACTIVE,
    SLOTS,
    LOOP_LAG,
    HEALTHY,
)
"""What a worker process measures of its own work; `QUEUE_JOBS` besides is the same for all workers of a queue."""


class TaskLabels:
    """Tell jobs apart by name, without letting whoever adds jobs make ever more series.

    Args:
        known: names that always have a label of their own.
        most: how many other names get one; those that come later are `other`.
    """

    __slots__ = ("_labels", "_left")

    def __init__(self, known: Iterable[str] = (), most: int = 100) -> None:
        self._labels = {name: name for name in known}
        self._left = most

    def label(self, name: str) -> str:
        """Return the label of a job's name."""
        found = self._labels.get(name)
        return found if found is not None else self._first_label(name)

    def _first_label(self, name: str) -> str:
        if self._left <= 0 or len(name) > _LONGEST_NAME:
            return OTHER
        self._left -= 1
        self._labels[name] = name
        return name
