# Written by tools/unasync.py from oxmq/client/queue_schedulers.py; change that file, not this one.
"""Make, look at and remove the schedulers of a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from msgspec import UNSET

from oxmq.codec import instant_ms
from oxmq.errors import ConfigurationError
from oxmq.keys import check_queue_name, check_scheduler_id
from oxmq.ops import schedulers
from oxmq.ops.drafts import JobDrafter
from oxmq.options import JobOptionArgs, job_options
from oxmq.schedules import JobScheduler, Schedule
from oxmq.sync.job import Job
from oxmq.sync.queue_handle import QueueHandle

#: How many schedulers one call reads at most.
_PAGE = 250


class QueueSchedulers(QueueHandle):
    """Have jobs made at set times. A scheduler has one job that is yet to run; taking it makes the next."""

    _drafter: JobDrafter

    def upsert_job_scheduler(
        self,
        scheduler_id: str,
        schedule: Schedule,
        name: str | None = None,
        data: object = UNSET,
        **options: Unpack[JobOptionArgs],
    ) -> Job[Any] | None:
        """Make a scheduler, or change the one of that id, and return its next job.

        A job of the scheduler that waits is replaced; one that runs goes on. An unchanged interval keeps its times.

        Args:
            scheduler_id: its id: at most 200 printable characters without ``:``.
            schedule: when its jobs are due: `every` or `cron`.
            name: the name of its jobs; the scheduler's id when not given.
            data: their payload.
            options: their options, over the queue's defaults.

        Returns:
            The next job; None when the schedule leaves no time for one: then nothing was changed.

        Raises:
            ConfigurationError: something is not acceptable; nothing was sent.
            SchedulerSlotError: jobs of the next times exist already; nothing was changed.
            UnavailableError: nothing was changed.
            OutcomeUnknownError: it may have been changed; the same call again is safe.
        """
        return self._upsert(scheduler_id, schedule, name, data, options)

    def declare_job_scheduler(
        self,
        scheduler_id: str,
        schedule: Schedule,
        name: str | None = None,
        data: object = UNSET,
        **options: Unpack[JobOptionArgs],
    ) -> bool:
        """Have a scheduler be as an app's code says, marked as its own; leave one that is so already alone.

        Returns whether it was made or changed. Otherwise as `upsert_job_scheduler`.
        """
        return self._upsert(scheduler_id, schedule, name, data, options, declared=True) is not None

    def get_job_scheduler(self, scheduler_id: str) -> JobScheduler | None:
        """Return a scheduler; None when there is none of that id."""
        return self._context.runner.run(schedulers.get(self._context.keys, scheduler_id))

    def get_job_schedulers(self, start: int = 0, end: int = -1, *, asc: bool = False) -> list[JobScheduler]:
        """Return the schedulers from `start` to `end`, both included, by the time of their next job.

        The one whose job is due last comes first, unless `asc`. An `end` of -1 is the last one.
        """
        if start < 0 or end < -1:
            raise ConfigurationError(f"start must be at least 0 and end at least -1, not {start} and {end}")
        found: list[JobScheduler] = []
        while end == -1 or start <= end:
            stop = start + _PAGE - 1 if end == -1 else min(end, start + _PAGE - 1)
            call = schedulers.get_page(self._context.keys, start, stop, asc=asc)
            page = self._context.runner.run(call)
            found += page
            if len(page) < stop - start + 1:
                break
            start = stop + 1
        return found

    def get_job_schedulers_count(self) -> int:
        """Count the schedulers."""
        return self._context.runner.run(schedulers.count(self._context.keys))

    def remove_job_scheduler(self, scheduler_id: str) -> bool:
        """Remove a scheduler, and its next job while that is delayed; return whether there was one.

        A next job that is ready already runs once more.
        """
        return self._context.runner.run(schedulers.remove(self._context.keys, scheduler_id))

    def _upsert(
        self,
        scheduler_id: str,
        schedule: Schedule,
        name: str | None,
        data: object,
        options: Mapping[str, Any],
        *,
        declared: bool = False,
    ) -> Job[Any] | None:
        context = self._context
        now = context.clock.now_ms()
        check_queue_name(self.name)
        check_scheduler_id(scheduler_id)
        _check_schedule(schedule, now)
        name = scheduler_id if name is None else name
        template = schedulers.template(name, data, job_options(options), self._drafter.defaults)
        fields = schedulers.definition(schedule, template, declared=declared)
        if schedule.limit == 0:
            return None
        if declared:
            stored = context.runner.run(schedulers.get_record(context.keys, scheduler_id))
            if stored is not None and schedulers.is_defined_so(stored, schedule, fields):
                return None
        call = schedulers.upsert(context.keys, scheduler_id, now, schedule, template, fields)
        record = context.runner.run(call)
        return None if record is None else Job(context, record)


def _check_schedule(schedule: object, now_ms: int) -> None:
    if not isinstance(schedule, Schedule):
        raise ConfigurationError(f"schedule must be every(...) or cron(...), not {schedule!r:.80}")
    if (schedule.every_ms is None) == (schedule.pattern is None):
        raise ConfigurationError("schedule must have either an interval or a pattern: build it with every() or cron()")
    if schedule.end is not None and instant_ms(schedule.end) < now_ms:
        raise ConfigurationError(f"end must not be in the past, not {schedule.end!r}")
