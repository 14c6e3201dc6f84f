"""Define `oxmq schedule`: look at what runs by itself, run it now, hold it, remove it."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from typing import Annotated

import typer

from oxmq.cli.arguments import Json, OptionalQueueName, Prefix, QueueName, Url, Yes
from oxmq.cli.terminal.exits import EXIT_CODES

schedules = typer.Typer(
    no_args_is_help=True, help="Look at what runs by itself, run it now, hold it, remove it.", epilog=EXIT_CODES
)

_ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule.")]


@schedules.command("list")
def list_schedules(
    queue: OptionalQueueName = None, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """List the schedules of a queue or of all: in words, and when each runs next."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.schedule.screen import show_schedules

    on_site(url, prefix, lambda site: show_schedules(site, queue, json=json))


@schedules.command("show")
def show_schedule(
    queue: QueueName, schedule: _ScheduleId, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """Show one schedule: its next five times, its latest runs, and what it adds."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.schedule.screen import show_schedule

    on_site(url, prefix, lambda site: show_schedule(site, queue, schedule, json=json))


@schedules.command("run")
def run_schedule(
    queue: QueueName, schedule: _ScheduleId, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """Add a job of the schedule now; its times stay as they are."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.schedule.screen import run_now

    on_site(url, prefix, lambda site: run_now(site, queue, schedule, json=json))


@schedules.command("pause")
def pause_schedule(
    queue: QueueName, schedule: _ScheduleId, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """Let the schedule add no jobs until it is resumed."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.schedule.screen import set_paused

    on_site(url, prefix, lambda site: set_paused(site, queue, schedule, paused=True, json=json))


@schedules.command("resume")
def resume_schedule(
    queue: QueueName, schedule: _ScheduleId, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """Let the schedule add jobs again, from its next time on."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.schedule.screen import set_paused

    on_site(url, prefix, lambda site: set_paused(site, queue, schedule, paused=False, json=json))


@schedules.command("remove")
def remove_schedule(
    queue: QueueName,
    schedule: _ScheduleId,
    yes: Yes = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Remove a schedule, with its next job while that is delayed."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.schedule.screen import remove
    from oxmq.cli.terminal.manner import Manner

    on_site(url, prefix, lambda site: remove(site, queue, schedule, Manner(yes=yes, dry_run=False, json=json)))
