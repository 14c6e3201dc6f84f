"""Show schedules and act on them: `oxmq schedule`."""

from __future__ import annotations

import json as json_text
from datetime import datetime
from typing import Final

from rich.text import Text

from oxmq.cli.connection import existing_queue
from oxmq.cli.terminal.exits import NotFoundError
from oxmq.cli.terminal.manner import Manner
from oxmq.cli.terminal.screen import note, results, say, show_json
from oxmq.cli.terminal.tables import Cell, Column, facts, print_table, state_text
from oxmq.cli.terminal.times import ago, clock_time, moment, span
from oxmq.cli.terminal.visible import visible, visible_lines
from oxmq.codec import instant
from oxmq.monitor.schedules import ScheduleView, get_all_schedules, get_schedule, get_schedules
from oxmq.monitor.site import Site

_COLUMNS: Final = (
    Column(title="queue"),
    Column(title="id"),
    Column(title="when"),
    Column(title="next"),
    Column(title="at", least=120),
    Column(title="runs", right=True, least=100),
    Column(title="state"),
)


async def show_schedules(site: Site, queue: str | None, *, json: bool) -> None:
    """Print the schedules of a queue, or of all.

    Raises:
        NotFoundError: there is no such queue.
    """
    found, complete = await _read_all(site, queue)
    if json:
        show_json({"schedules": found, "complete": complete})
        return
    now = _now(site)
    if found:
        print_table(results(), _COLUMNS, (_row(schedule, now) for schedule in found))
    else:
        say("There are no schedules.")
    if not complete:
        note("there are more schedules: name a queue")


async def show_schedule(site: Site, queue: str, schedule_id: str, *, json: bool) -> None:
    """Print one schedule.

    Raises:
        NotFoundError: there is no such schedule.
    """
    schedule = await _read(site, queue, schedule_id)
    if json:
        show_json(schedule)
        return
    console, now = results(), _now(site)
    title = Text.assemble((visible(schedule.id), "bold"), "  ", _state(schedule))
    console.print(title, Text(visible(schedule.words)), sep="\n")
    console.print()
    console.print(facts(_facts(schedule, now)))
    if schedule.last_runs:
        console.print(Text("\nlatest runs", style="bold"))
        columns = [Column(title=title) for title in ("job", "state", "when", "took")]
        print_table(
            console,
            columns,
            (
                (
                    run.job_id,
                    state_text(run.state),
                    None if run.at is None else ago(run.at, now),
                    None if run.run_time is None else span(run.run_time),
                )
                for run in schedule.last_runs
            ),
        )
    console.print(Text("\ndata", style="bold"))
    console.print(Text(visible_lines(json_text.dumps(schedule.data, indent=2, ensure_ascii=False, default=repr))))


async def run_now(site: Site, queue: str, schedule_id: str, *, json: bool) -> None:
    """Add a job of a schedule now, and say which."""
    job = await site.queue(queue).trigger_job_scheduler(schedule_id)
    if json:
        show_json({"id": job.id, "queue": queue, "name": job.name, "schedule": schedule_id})
    else:
        say(f"Added job {job.id} to queue {queue}.")


async def set_paused(site: Site, queue: str, schedule_id: str, *, paused: bool, json: bool) -> None:
    """Pause a schedule, or resume it, and say so."""
    schedulers = site.queue(queue)
    if paused:
        changed = await schedulers.pause_job_scheduler(schedule_id)
    else:
        changed = await schedulers.resume_job_scheduler(schedule_id)
    if json:
        show_json({"id": schedule_id, "queue": queue, "paused": paused, "changed": changed})
        return
    how = "paused" if paused else "running"
    say(f"Schedule {schedule_id} is {how}." if changed else f"Schedule {schedule_id} was {how} already.")


async def remove(site: Site, queue: str, schedule_id: str, manner: Manner) -> None:
    """Remove a schedule.

    Raises:
        NotFoundError: there is no such schedule.
    """
    schedule = await _read(site, queue, schedule_id)
    declared = "; the application's code declares it and will make it again" if schedule.declared else ""
    manner.agree(f"This removes schedule {schedule_id} of queue {queue} ({schedule.words}){declared}")
    if not await site.queue(queue).remove_job_scheduler(schedule_id):
        raise NotFoundError(f"there is no schedule {schedule_id!r} in queue {queue!r} any more")
    manner.report(f"Schedule {schedule_id} was removed.", {"id": schedule_id, "queue": queue, "removed": True})


async def _read_all(site: Site, queue: str | None) -> tuple[list[ScheduleView], bool]:
    if queue is None:
        everywhere = await get_all_schedules(site)
        return everywhere.schedules, everywhere.complete
    await existing_queue(site, queue)
    found: list[ScheduleView] = []
    cursor: str | None = None
    while True:
        page = await get_schedules(site, queue, cursor)
        found += page.schedules
        cursor = page.cursor
        if cursor is None:
            return found, True


async def _read(site: Site, queue: str, schedule_id: str) -> ScheduleView:
    schedule = await get_schedule(site, queue, schedule_id)
    if schedule is None:
        raise NotFoundError(f"there is no schedule {schedule_id!r} in queue {queue!r}")
    return schedule


def _row(schedule: ScheduleView, now: datetime) -> tuple[Cell, ...]:
    return (
        schedule.queue,
        schedule.id,
        schedule.words,
        None if schedule.next_at is None else ago(schedule.next_at, now),
        None if schedule.next_at is None else clock_time(schedule.next_at),
        schedule.runs_made,
        _state(schedule),
    )


def _state(schedule: ScheduleView) -> Text:
    if schedule.paused:
        return Text("paused", style="yellow")
    return Text("late", style="bold red") if schedule.late else Text("on time", style="green")


def _facts(schedule: ScheduleView, now: datetime) -> list[tuple[str, Cell]]:
    limit = "" if schedule.limit is None else f" of at most {schedule.limit:,}"
    return [
        ("queue", schedule.queue),
        ("job name", schedule.name),
        ("next", None if schedule.next_at is None else moment(schedule.next_at, now)),
        ("then", "\n".join(moment(at, now) for at in schedule.next_five[1:])),
        ("cron", schedule.cron),
        ("time zone", schedule.time_zone),
        ("every", None if schedule.every is None else span(schedule.every)),
        ("runs made", None if schedule.runs_made is None else f"{schedule.runs_made:,}{limit}"),
        ("from", None if schedule.start_at is None else clock_time(schedule.start_at)),
        ("until", None if schedule.end_at is None else clock_time(schedule.end_at)),
        ("missed times", schedule.missed),
        ("overlap", schedule.overlap),
        ("owner", "the application's code" if schedule.declared else None),
        ("kind", "legacy: made by an older BullMQ" if schedule.legacy else None),
    ]


def _now(site: Site) -> datetime:
    return instant(site.clock.now_ms())
