# Written by tools/unasync.py from oxmq/client/queue_schedulers.py; change that file, not this one.
"""Make, look at and remove the schedulers of a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from msgspec import UNSET

from oxmq.codec import instant_ms
from oxmq.errors import ConfigurationError, UnavailableError, job_error
from oxmq.ids import uuid7
from oxmq.keys import check_queue_name, check_scheduler_id
from oxmq.ops import jobs, schedulers
from oxmq.ops.drafts import JobDrafter
from oxmq.ops.schedulers import SchedulerRun, Stored
from oxmq.options import JobOptionArgs, check_whole, job_options
from oxmq.schedules import JobScheduler, Schedule
from oxmq.sync.job import Job
from oxmq.sync.queue_handle import QueueHandle

#: How many schedulers one call reads at most.
_PAGE = 250
#: How often a scheduler is read anew that others change while it is resumed.
_TRIES = 5


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

        A paused scheduler stays paused.

        Returns:
            The next job; None when the schedule leaves no time for one: then nothing was changed; and None when the
            scheduler is paused.

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

    def pause_job_scheduler(self, scheduler_id: str) -> bool:
        """Have a scheduler make no jobs until it is resumed; return whether it was not paused already.

        Its next job is removed while that is delayed; one that is ready or runs ends as any other. The scheduler stays
        listed, and stays paused when code upserts or declares it. BullMQ's workers keep to it; BullMQ's upsert, which
        does not know of it, has the scheduler make jobs again.

        Raises:
            SchedulerNotFoundError: there is no such scheduler.
            JobStateError: it is one of BullMQ's older kind.
        """
        return self._context.runner.run(schedulers.pause(self._context.keys, scheduler_id))

    def resume_job_scheduler(self, scheduler_id: str) -> bool:
        """Have a paused scheduler make jobs again, and return whether it was paused.

        The next job is due at the first of its times that is yet to come; those that passed meanwhile are left out,
        whatever `missed` says.

        Raises:
            SchedulerNotFoundError: there is no such scheduler.
            SchedulerSlotError: jobs of its next times exist; it stays paused.
            ConfigurationError: another library stored a pattern or a time zone that cannot be read here.
        """
        context = self._context
        for _ in range(_TRIES):
            stored = self._stored(scheduler_id, "resume_job_scheduler")
            call = schedulers.resume(context.keys, scheduler_id, context.clock.now_ms(), stored)
            said = context.runner.run(call)
            if said != schedulers.CHANGED:
                return said == 1
        raise UnavailableError(f"scheduler {scheduler_id!r} is being changed all the time; it stays paused")

    def trigger_job_scheduler(self, scheduler_id: str) -> Job[Any]:
        """Add a job such as the scheduler makes, to be run at once, and return it.

        The scheduler goes on as if nothing had happened, and if it is paused stays so.

        Raises:
            SchedulerNotFoundError: there is no such scheduler.
            JobStateError: it is one of BullMQ's older kind, whose record does not say what its jobs are like.
        """
        context = self._context
        stored = self._stored(scheduler_id, "trigger_job_scheduler")
        if stored.is_legacy:
            raise job_error(-13, job_id=scheduler_id, queue=self.name, operation="trigger_job_scheduler")
        now = context.clock.now_ms()
        draft = schedulers.manual_run(scheduler_id, stored, uuid7(now), now)
        context.runner.run(jobs.add(context.keys, draft))
        return Job(context, draft.record(draft.id))

    def get_job_scheduler_runs(self, scheduler_id: str, limit: int = 10) -> list[SchedulerRun]:
        """Return up to `limit` jobs of a scheduler that were started, the newest first.

        They are found as long as they are among the newest 1,000 jobs of their state.
        """
        check_whole(limit, "limit", least=1, most=1_000)
        return self._context.runner.run(schedulers.get_last_runs(self._context.keys, scheduler_id, limit))

    def _stored(self, scheduler_id: str, operation: str) -> Stored:
        stored = self._context.runner.run(schedulers.get_record(self._context.keys, scheduler_id))
        if stored is None:
            raise job_error(-12, job_id=scheduler_id, queue=self.name, operation=operation)
        return stored

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
