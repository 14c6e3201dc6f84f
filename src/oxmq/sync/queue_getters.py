# Written by tools/unasync.py from oxmq/client/queue_getters.py; change that file, not this one.
"""Look at a queue and its jobs, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from oxmq.errors import ConfigurationError
from oxmq.ops import jobs, queues
from oxmq.records import JobRecord
from oxmq.states import CONTAINERS, JobState, listed_state
from oxmq.sync.job import Job
from oxmq.sync.queue_handle import QueueHandle

#: How many jobs one call reads at most.
_PAGE = 500


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

    def get_jobs(
        self, states: str | Iterable[str] = (), start: int = 0, end: int = -1, *, asc: bool = False
    ) -> list[Job[Any]]:
        """Return the jobs of the given states (all when none is named) from `start` to `end`, both included.

        The range counts within each state, from 0; an `end` of -1 is the last. Newest first unless `asc`.
        """
        if start < 0 or end < -1:
            raise ConfigurationError(f"start must be at least 0 and end at least -1, not {start} and {end}")
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
