# Written by tools/unasync.py from oxmq/client/queue_getters.py; change that file, not this one.
"""Look at a queue and its jobs, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from oxmq.codec import check_text, decode_json_or, instant_ms
from oxmq.errors import ConfigurationError
from oxmq.ops import families, jobs, metrics, queues, workers
from oxmq.ops.metrics import Metrics
from oxmq.ops.queues import QueueMeta
from oxmq.ops.workers import ClientInfo, WorkerInfo
from oxmq.options import MAX_PRIORITY, RateLimit, check_whole
from oxmq.records import ChildKind, Children, JobRecord
from oxmq.states import CONTAINERS, JobState, listed_state
from oxmq.sync.job import Job
from oxmq.sync.queue_handle import QueueHandle

#: How many jobs one call reads at most.
_PAGE = 500

_CHILDREN: dict[str, ChildKind] = {"processed": "processed", "pending": "unprocessed"}


class QueueGetters(QueueHandle):
    """Read a queue."""

    def get_job(self, job_id: str) -> Job[Any] | None:
        """Return a job, or None when there is none of that id."""
        record = self._context.runner.run(jobs.get(self._context.keys, job_id))
        return None if record is None else Job(self._context, record)

    def get_job_state(self, job_id: str) -> JobState:
        """Tell which state a job is in; `JobState.UNKNOWN` when it is in none."""
        return JobState(self._context.runner.run(jobs.get_state(self._context.keys, job_id)))

    def get_job_counts(self, *states: str) -> dict[str, int]:
        """Count the jobs in each of `states` (all states when none is named), at one moment."""
        wanted = [listed_state(state) for state in states] or list(CONTAINERS)
        containers = [container for state in wanted for container in CONTAINERS[state]]
        counted = self._context.runner.run(queues.get_counts(self._context.keys, containers))
        return {str(state): sum(counted[container] for container in CONTAINERS[state]) for state in wanted}

    def count(self) -> int:
        """Count the jobs that are yet to run: waiting, prioritized, delayed and waiting for children."""
        counts = self.get_job_counts(
            JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED, JobState.WAITING_CHILDREN
        )
        return sum(counts.values())

    def get_job_count_by_types(self, *states: str) -> int:
        """Count the jobs in all of `states` together (in all states when none is named)."""
        return sum((self.get_job_counts(*states)).values())

    def get_waiting_count(self) -> int:
        return self.get_job_count_by_types(JobState.WAITING)

    def get_active_count(self) -> int:
        return self.get_job_count_by_types(JobState.ACTIVE)

    def get_prioritized_count(self) -> int:
        return self.get_job_count_by_types(JobState.PRIORITIZED)

    def get_waiting_children_count(self) -> int:
        return self.get_job_count_by_types(JobState.WAITING_CHILDREN)

    def get_completed_count(self) -> int:
        return self.get_job_count_by_types(JobState.COMPLETED)

    def get_failed_count(self) -> int:
        return self.get_job_count_by_types(JobState.FAILED)

    def get_delayed_count(self, due_before: datetime | None = None) -> int:
        """Count the delayed jobs, or those of them that are due before a moment."""
        if due_before is None:
            return self.get_job_count_by_types(JobState.DELAYED)
        if not isinstance(due_before, datetime) or due_before.tzinfo is None:  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(f"due_before must be a datetime with a time zone, not {due_before!r}")
        return self._context.runner.run(queues.count_due(self._context.keys, instant_ms(due_before)))

    def get_counts_per_priority(self, priorities: Iterable[int]) -> dict[int, int]:
        """Count the ready jobs of each priority, at one moment; 0 stands for the waiting ones, without priority."""
        wanted = [check_whole(priority, "priorities", least=0, most=MAX_PRIORITY) for priority in priorities]
        return self._context.runner.run(queues.get_counts_per_priority(self._context.keys, wanted))

    def get_jobs(
        self, states: str | Iterable[str] = (), start: int = 0, end: int = -1, *, asc: bool = False
    ) -> list[Job[Any]]:
        """Return the jobs of the given states (all when none is named) from `start` to `end`, both included.

        The range counts within each state, from 0; an `end` of -1 is the last. Newest first unless `asc`.
        """
        _check_range(start, end)
        wanted = [listed_state(state) for state in ([states] if isinstance(states, str) else states)]
        found: dict[str, JobRecord] = {}
        for container in (name for state in wanted or CONTAINERS for name in CONTAINERS[state]):
            for record in self._read_range(container, start, end, asc):
                found.setdefault(record.id, record)
        return [Job(self._context, record) for record in found.values()]

    def get_waiting(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        """Return waiting jobs, the next to run first."""
        return self.get_jobs(JobState.WAITING, start, end, asc=True)

    def get_active(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        return self.get_jobs(JobState.ACTIVE, start, end, asc=True)

    def get_delayed(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        """Return delayed jobs, the first that is due first."""
        return self.get_jobs(JobState.DELAYED, start, end, asc=True)

    def get_prioritized(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        """Return prioritized jobs, the next to run first."""
        return self.get_jobs(JobState.PRIORITIZED, start, end, asc=True)

    def get_waiting_children(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        """Return the jobs that wait for children, the one that has waited longest first."""
        return self.get_jobs(JobState.WAITING_CHILDREN, start, end, asc=True)

    def get_completed(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        """Return completed jobs, the newest first."""
        return self.get_jobs(JobState.COMPLETED, start, end)

    def get_failed(self, start: int = 0, end: int = -1) -> list[Job[Any]]:
        """Return failed jobs, the newest first."""
        return self.get_jobs(JobState.FAILED, start, end)

    def get_job_logs(self, job_id: str, start: int = 0, end: int = -1, *, asc: bool = True) -> tuple[list[str], int]:
        """Return log lines of a job, and how many it has in all."""
        keys, run = self._context.keys, self._context.runner.run
        rows = run(jobs.get_logs(keys, job_id, start, end, asc=asc))
        return rows, run(jobs.count_logs(keys, job_id))

    def get_dependencies(self, parent_id: str, kind: str, start: int = 0, end: int = -1) -> Children:
        """Return children of a job, those that completed (``"processed"``) or have not ended (``"pending"``).

        They come in no particular order, which stays the same while no child ends. The range from `start` to `end`
        is inclusive; an `end` of -1 is the last.
        """
        _check_range(start, end)
        if kind not in _CHILDREN:
            raise ConfigurationError(f'kind must be "processed" or "pending", not {kind!r}')
        keys = self._context.keys
        found: dict[str, bytes | None] = {}
        cursor = -1
        while cursor and (end == -1 or len(found) <= end):
            call = families.get_page(keys.job(parent_id), _CHILDREN[kind], max(cursor, 0), _PAGE)
            page, cursor = self._context.runner.run(call)
            found.update(page)
        chosen = list(found)[start : None if end == -1 else end + 1]
        total = (self._context.runner.run(families.count(keys, parent_id)))[_CHILDREN[kind]]
        return Children({child: decode_json_or(found[child], None) for child in chosen}, total)

    # ---- what holds for the queue as a whole -------------------------------------------------------------------------

    def get_meta(self) -> QueueMeta:
        """Return what the queue knows of itself: limits, version, whether it is paused."""
        fields = self._context.runner.run(queues.get_meta(self._context.keys))
        return queues.read_meta(fields)

    def get_version(self) -> str | None:
        """Return which library set the queue up last, as ``library:version``; None when none has said so."""
        return (self.get_meta()).version

    def get_global_concurrency(self) -> int | None:
        """Return how many jobs may run at once, over all workers; None for any number."""
        return (self.get_meta()).concurrency

    def get_global_rate_limit(self) -> RateLimit | None:
        """Return how many jobs may start in each window, over all workers; None for any number."""
        return (self.get_meta()).rate_limit

    def is_maxed(self) -> bool:
        """Tell whether as many jobs run as the global concurrency allows."""
        allowed = self.get_global_concurrency()
        return allowed is not None and self.get_active_count() >= allowed

    def get_rate_limit_ttl(self, max_jobs: int | None = None) -> float:
        """Tell for how many seconds a rate limit still lets no job start; 0.0 when none does.

        Args:
            max_jobs: how many starts a window allows, if not what the queue says: a worker's own limit.
        """
        if max_jobs is not None:
            check_whole(max_jobs, "max_jobs", least=1)
        return self._context.runner.run(queues.get_rate_limit_ttl(self._context.keys, max_jobs)) / 1000

    def get_deduplication_job_id(self, deduplication_id: str) -> str | None:
        """Return the id of the job that owns a deduplication id; None when it is free."""
        check_text(deduplication_id, "deduplication_id")
        return self._context.runner.run(queues.get_deduplication_owner(self._context.keys, deduplication_id))

    def get_metrics(self, state: str, start: int = 0, end: int = -1) -> Metrics:
        """Return how many jobs ended as `state` in each minute from `start` to `end`, 0 being the newest.

        Only what workers with the option `metrics` did is counted.
        """
        _check_range(start, end)
        if state not in (JobState.COMPLETED, JobState.FAILED):
            raise ConfigurationError(f'state must be "completed" or "failed", not {state!r}')
        return self._context.runner.run(metrics.get_metrics(self._context.keys, str(state), start, end))

    def export_prometheus_metrics(self, global_variables: Mapping[str, str] | None = None) -> str:
        """Return the counts of jobs as Prometheus reads them; `global_variables` are labels for every line."""
        labels = metrics.checked_labels(global_variables or {})
        ended = {
            str(state): (self.get_metrics(state, 0, 0)).meta.count for state in (JobState.COMPLETED, JobState.FAILED)
        }
        return metrics.prometheus_text(self.name, self.get_job_counts(), ended, labels)

    def get_workers(self) -> list[WorkerInfo]:
        """Return the workers of the queue that are connected, in whatever process and of whatever library.

        Raises:
            BackendError: the server does not allow its clients to be listed, as some hosted ones.
        """
        return self._context.runner.run(workers.get_workers(self._context.keys))

    def get_workers_count(self) -> int:
        return len(self.get_workers())

    def get_queue_events(self) -> list[ClientInfo]:
        """Return the connections that read the queue's events. Raises as `get_workers` does."""
        return self._context.runner.run(workers.get_queue_events(self._context.keys))

    def _read_range(self, container: str, start: int, end: int, asc: bool) -> Sequence[JobRecord]:
        found: list[JobRecord] = []
        while end == -1 or start <= end:
            stop = start + _PAGE - 1 if end == -1 else min(end, start + _PAGE - 1)
            page = self._context.runner.run(queues.get_jobs(self._context.keys, container, start, stop, asc=asc))
            found += page.records
            if page.scanned < stop - start + 1:
                break
            start = stop + 1
        return found


def _check_range(start: int, end: int) -> None:
    if not isinstance(start, int) or not isinstance(end, int) or start < 0 or end < -1:  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
        raise ConfigurationError(f"start must be at least 0 and end at least -1, not {start!r} and {end!r}")
