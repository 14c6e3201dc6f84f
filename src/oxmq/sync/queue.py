# Written by tools/unasync.py from oxmq/client/queue.py; change that file, not this one.
"""Add jobs to a queue, look at them, and steer the queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, Unpack, cast

from msgspec import UNSET

from oxmq.clock import Clock
from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError
from oxmq.keys import DEFAULT_PREFIX, check_queue_name
from oxmq.ops import jobs, queues
from oxmq.ops.drafts import IdKind, JobDrafter
from oxmq.ops.jobs import NewJob
from oxmq.options import JobOptionArgs, JobOptions, RateLimit, check_whole
from oxmq.records import JobRecord
from oxmq.states import CONTAINERS, JobState, listed_state
from oxmq.sync.closing import Closing
from oxmq.sync.context import QueueContext, open_context
from oxmq.sync.job import Job

NewJobArgs = tuple[str, object] | tuple[str, object, Mapping[str, Any]]
"""A job for `Queue.add_bulk`: its name, its data and, if it has any, its options."""

#: How many jobs one call reads at most.
_PAGE = 500


class Queue(Closing):
    """Stand for a queue in Redis. Building one connects to nothing; the first call does.

    Args:
        name: 1 to 128 of the characters ``A-Z a-z 0-9 . _ -``. Queues of other names can be read, not added to.
        connection: a URL, a redis-py client, or None for ``$OXMQ_URL``, else the embedded server in ``./.oxmq``.
        prefix: with what all keys begin. Use a hash tag such as ``{bull}`` on a cluster.
        default_job_options: options under those of each job added here.
        ids: ``"uuid"`` (made by the client: an add can be repeated safely) or ``"counter"`` (BullMQ's numbers).
        clock: gives the time; a `ManualClock` holds it still.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """

    def __init__(
        self,
        name: str,
        connection: object = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        default_job_options: JobOptions | None = None,
        ids: IdKind = "uuid",
        clock: Clock | None = None,
    ) -> None:
        self._attach(open_context(name, connection, prefix, clock), default_job_options, ids)

    @classmethod
    def within(cls, context: QueueContext, defaults: JobOptions | None = None, ids: IdKind = "uuid") -> Self:
        """Return a queue on the connection of `context`, which whoever made the context closes."""
        queue = cls.__new__(cls)
        queue._attach(context, defaults, ids)
        return queue

    def _attach(self, context: QueueContext, defaults: JobOptions | None, ids: IdKind) -> None:
        self._context = context
        self._drafter = JobDrafter(context.clock, defaults, ids)
        self._may_be_added_to = False

    @property
    def name(self) -> str:
        return self._context.keys.name

    @property
    def qualified_name(self) -> str:
        """Return prefix and name, as parents of jobs are named."""
        return self._context.keys.qualified_name

    def close(self) -> None:
        """Close the connection. Jobs go on; a later call connects again."""
        self._context.close()

    def add(self, name: str, data: object = UNSET, /, **options: Unpack[JobOptionArgs]) -> Job[Any]:
        """Add a job and return it. When this returns, the job is in Redis.

        Adds of one turn of the event loop travel together. Adding a `job_id` that exists adds nothing.

        Args:
            name: says what kind of job it is.
            data: any value that JSON can carry; ``{}`` when not given. At most 1 MiB, or `size_limit`.
            options: the fields of `JobOptions`.

        Raises:
            ConfigurationError: something is not acceptable; nothing was sent.
            UnavailableError: the job was not added.
            OutcomeUnknownError: it may have been added; adding it again with the same `job_id` is safe.
        """
        draft = self._draft(name, data, options)
        job_id = self._context.runner.run(jobs.add(self._context.keys, draft))
        return Job(self._context, draft.record(job_id))

    def add_bulk(self, new_jobs: Iterable[NewJobArgs]) -> list[Job[Any]]:
        """Add many jobs in few round trips, and return them in order.

        All are checked before any is sent. They are added in chunks of 250, each as a whole: after an error some
        chunks may be in Redis.
        """
        drafts = [self._draft(*_name_data_options(args)) for args in new_jobs]
        added = self._context.runner.run_all(jobs.add_in_chunks(self._context.keys, drafts))
        ids = (job_id for chunk in added for job_id in chunk)
        return [Job(self._context, draft.record(job_id)) for draft, job_id in zip(drafts, ids, strict=True)]

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

    def pause(self) -> None:
        """Let no worker start another job of this queue; those that run go on."""
        self._context.runner.run(queues.pause(self._context.keys))

    def resume(self) -> None:
        """Let workers start jobs again."""
        first = True
        while self._context.runner.run(queues.resume(self._context.keys, first=first)):
            first = False

    def is_paused(self) -> bool:
        return self._context.runner.run(queues.is_paused(self._context.keys))

    def remove(self, job_id: str) -> int:
        """Remove a job; return 0 when a worker is running it, else 1, also where there was none."""
        return self._context.runner.run(jobs.remove(self._context.keys, job_id))

    def set_global_concurrency(self, concurrency: int) -> None:
        """Let at most `concurrency` jobs of this queue run at once, over all workers."""
        check_whole(concurrency, "concurrency", least=1)
        self._context.runner.run(queues.set_meta(self._context.keys, {"concurrency": concurrency}))

    def get_global_concurrency(self) -> int | None:
        stored = (self._context.runner.run(queues.get_meta(self._context.keys))).get("concurrency")
        return None if stored is None else int(stored)

    def remove_global_concurrency(self) -> None:
        self._context.runner.run(queues.remove_meta(self._context.keys, ["concurrency"]))

    def set_global_rate_limit(self, limit: RateLimit) -> None:
        """Let at most `limit.max` jobs of this queue start in each window, over all workers."""
        fields = {"max": limit.max, "duration": milliseconds(limit.duration, "RateLimit.duration")}
        self._context.runner.run(queues.set_meta(self._context.keys, fields))

    def remove_global_rate_limit(self) -> None:
        self._context.runner.run(queues.remove_meta(self._context.keys, ["max", "duration"]))

    def rate_limit(self, duration: Duration) -> None:
        """Let no job of this queue start for `duration`."""
        self._context.runner.run(queues.hold(self._context.keys, positive_milliseconds(duration, "duration")))

    def _draft(self, name: str, data: object, options: Mapping[str, Any]) -> NewJob:
        if not self._may_be_added_to:
            check_queue_name(self.name)
            self._may_be_added_to = True
        return self._drafter.draft(name, data, options)

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


def _name_data_options(args: NewJobArgs) -> tuple[str, object, Mapping[str, Any]]:
    if not isinstance(cast("object", args), tuple | list) or not 2 <= len(args) <= 3:
        raise ConfigurationError(f"a job for add_bulk is (name, data) or (name, data, options), not {args!r:.80}")
    return (args[0], args[1], args[2] if len(args) == 3 else {})
