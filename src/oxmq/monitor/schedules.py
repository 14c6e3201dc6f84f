"""Show the schedules of queues: when they run, in words and times, and what became of their latest runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec

from oxmq.codec import instant, instant_ms
from oxmq.cron_pattern import matches_after
from oxmq.errors import ConfigurationError
from oxmq.monitor.cursors import read_cursor, write_cursor
from oxmq.monitor.job_options import plain_options
from oxmq.monitor.moments import moment
from oxmq.monitor.payloads import read_payload, shown_text
from oxmq.monitor.schedule_words import schedule_words
from oxmq.monitor.site import Site
from oxmq.ops import schedulers
from oxmq.ops.schedulers import SchedulerRun
from oxmq.schedules import JobScheduler, Schedule

#: How many times are told beforehand, and how many runs afterwards.
_TIMES, _RUNS = 5, 10
#: A schedule is late when its next job was due so long ago, and has not begun.
_LATE = timedelta(seconds=60)
#: How many schedules a page has, and all pages of all queues together unless somebody asks for more.
_PAGE = 100
#: How many queues are asked at once.
_AT_ONCE = 20
_MAX_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """Hold one run of a schedule.

    Attributes:
        state: ``"active"``, ``"completed"`` or ``"failed"``.
        at: when it started.
        run_time: how many seconds it took, when it has ended.
    """

    job_id: str
    state: str
    at: datetime | None
    run_time: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleView:
    """Hold what is shown of a schedule. Instants are in UTC.

    Attributes:
        id: the schedule's id.
        name: the name of its jobs.
        words: when it runs, in words.
        cron: the cron pattern; None where it runs at an interval.
        every: the interval in seconds.
        time_zone: that of the pattern; None: that of the worker.
        next_at: when its next job is due, or was; None while it is paused.
        next_five: its next times.
        paused: whether it makes no jobs until it is resumed.
        limit: how many jobs it makes in all; None for any number.
        runs_made: how many jobs it has made so far, without the one that is to come; None when that is not recorded.
        missed: what becomes of times that passed while nobody worked: ``"one"``, ``"skip"`` or ``"all"``.
        overlap: what a job does that comes up while an earlier one has not ended: ``"allow"`` or ``"skip"``.
        declared: whether the code of an application makes it.
        legacy: whether an older BullMQ made it in a way that is no longer changed, only shown.
        last_runs: up to ten jobs that were started, the newest first, as far as they are kept.
        data: the payload of its jobs.
        options: the options of its jobs.
        late: whether its next job was due more than a minute ago, and has not begun.
    """

    queue: str
    id: str
    name: str
    words: str
    cron: str | None
    every: float | None
    time_zone: str | None
    next_at: datetime | None
    next_five: list[datetime]
    paused: bool
    limit: int | None
    runs_made: int | None
    start_at: datetime | None
    end_at: datetime | None
    missed: str
    overlap: str
    declared: bool
    legacy: bool
    last_runs: list[ScheduleRun]
    data: Any  # whatever its maker gave
    options: dict[str, Any]  # of each option its own kind of value
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """Hold some schedules, the next one due first, and where to go on; None at the end."""

    schedules: list[ScheduleView]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllSchedules:
    """Hold schedules of many queues, queue by queue.

    Attributes:
        complete: whether these are all of them.
    """

    schedules: list[ScheduleView]
    complete: bool


class _Place(msgspec.Struct, frozen=True):
    """Say how many schedules of a queue come before a page."""

    skip: int


async def get_schedules(site: Site, queue: str, cursor: str | None = None, limit: int = _PAGE) -> SchedulePage:
    """Return the schedules of a queue, page by page.

    Raises:
        ConfigurationError: the cursor is none of this list.
    """
    start = 0 if cursor is None else read_cursor(cursor, _Place).skip
    if start < 0:
        raise ConfigurationError("cursor must be the one of the page before, of the same list")
    found = await site.runner.run(schedulers.get_page(site.keys(queue), start, start + limit, asc=True))
    views = await asyncio.gather(*(_view(site, queue, scheduler) for scheduler in found[:limit]))
    more = write_cursor(_Place(start + limit)) if len(found) > limit else None
    return SchedulePage(schedules=list(views), cursor=more)


async def get_all_schedules(
    site: Site, limit: int = 200, covers: Callable[[str], bool] = lambda _: True
) -> AllSchedules:
    """Return up to `limit` schedules of all queues whose names `covers` lets through."""
    known = await site.queue_names()
    names = [name for name in known.names if covers(name)]
    found: list[ScheduleView] = []
    complete = known.complete
    for start in range(0, len(names), _AT_ONCE):
        left = limit - len(found)
        if left <= 0:
            complete = False
            break
        some = [(name, site.keys(name)) for name in names[start : start + _AT_ONCE]]
        calls = (schedulers.get_page(keys, 0, left, asc=True) for _, keys in some)
        pages = await asyncio.gather(*map(site.runner.run, calls))
        pairs = [(name, each) for (name, _), page in zip(some, pages, strict=True) for each in page]
        found += await asyncio.gather(*(_view(site, name, each) for name, each in pairs[:left]))
        complete = complete and len(pairs) <= left
    return AllSchedules(schedules=found, complete=complete)


async def get_schedule(site: Site, queue: str, schedule_id: str) -> ScheduleView | None:
    """Return one schedule; None when there is none of that id."""
    found = await site.runner.run(schedulers.get(site.keys(queue), schedule_id))
    return None if found is None else await _view(site, queue, found)


async def _view(site: Site, queue: str, scheduler: JobScheduler) -> ScheduleView:
    runs = await site.runner.run(schedulers.get_last_runs(site.keys(queue), scheduler.id, _RUNS))
    return schedule_view(queue, scheduler, runs, site.clock.now_ms(), site.redact)


def schedule_view(
    queue: str,
    scheduler: JobScheduler,
    runs: Sequence[SchedulerRun],
    now_ms: int,
    redact: Callable[[object], object],
) -> ScheduleView:
    """Return what is shown of a scheduler at a moment, in milliseconds since the epoch."""
    schedule = scheduler.schedule or Schedule()
    pattern, every_ms = schedule.pattern, schedule.every_ms
    times = _coming_times(scheduler, now_ms)
    return ScheduleView(
        queue=queue,
        id=shown_text(scheduler.id, _MAX_NAME),
        name=shown_text(scheduler.name, _MAX_NAME),
        words=shown_text(schedule_words(scheduler.schedule), _MAX_NAME),
        cron=None if pattern is None else shown_text(pattern, _MAX_NAME),
        every=None if every_ms is None else every_ms / 1000,
        time_zone=None if pattern is None or schedule.tz is None else shown_text(schedule.tz, _MAX_NAME),
        next_at=None if scheduler.paused else scheduler.next,
        next_five=[found for found in map(moment, times) if found is not None],
        paused=scheduler.paused,
        limit=schedule.limit,
        runs_made=_runs_made(scheduler),
        start_at=schedule.start,
        end_at=schedule.end,
        missed=schedule.missed,
        overlap=schedule.overlap,
        declared=scheduler.declared,
        legacy=scheduler.legacy,
        last_runs=[_run(run) for run in runs],
        data=read_payload(msgspec.json.encode(scheduler.data), redact).value,
        options=plain_options(scheduler.options),
        late=not scheduler.paused and instant(now_ms) - scheduler.next > _LATE,
    )


def _run(run: SchedulerRun) -> ScheduleRun:
    took = None
    if run.started is not None and run.finished is not None and run.finished >= run.started:
        took = (run.finished - run.started).total_seconds()
    return ScheduleRun(job_id=shown_text(run.job_id, _MAX_NAME), state=run.state, at=run.started, run_time=took)


def _runs_made(scheduler: JobScheduler) -> int | None:
    made = scheduler.iteration_count
    if made is None or scheduler.paused:  # the job to come of a paused one is not there and not counted
        return made
    return max(0, made - 1)


def _coming_times(scheduler: JobScheduler, now_ms: int) -> list[int]:
    if scheduler.paused:
        return []
    first = instant_ms(scheduler.next)
    times = [first, *islice(_times_after(scheduler.schedule or Schedule(), first, now_ms), _TIMES - 1)]
    schedule = scheduler.schedule
    if schedule is not None and schedule.limit is not None:
        times = times[: max(1, 1 + schedule.limit - (scheduler.iteration_count or 0))]
    return times


def _times_after(schedule: Schedule, first_ms: int, now_ms: int) -> list[int]:
    """Return the times after the next one; those that passed already do not come again."""
    base = max(first_ms, now_ms)
    if schedule.every_ms:
        start = base + (first_ms - base) % schedule.every_ms
        start += schedule.every_ms if start <= base else 0
        times = [start + step * schedule.every_ms for step in range(_TIMES)]
    else:
        times = _matches(schedule, base)
    return [time for time in times if schedule.end is None or time <= instant_ms(schedule.end)]


def _matches(schedule: Schedule, after_ms: int) -> list[int]:
    if schedule.pattern is None:
        return []
    try:
        return list(islice(matches_after(schedule.pattern, schedule.tz, after_ms), _TIMES))
    except ConfigurationError:
        return []  # another library's pattern or time zone, which cannot be read here
