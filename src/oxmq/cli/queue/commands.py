"""Define `oxmq queue`: look at queues, hold them, empty them."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from typing import Annotated

import typer

from oxmq.cli.arguments import DryRun, Json, Prefix, QueueName, QueueNames, State, StateOption, Url, Yes
from oxmq.cli.terminal.exits import EXIT_CODES

queues = typer.Typer(no_args_is_help=True, help="Look at queues, hold them, empty them.", epilog=EXIT_CODES)

_OlderThan = Annotated[str, typer.Option(help="Only jobs that are older than that, such as 90s, 2h or 7d.")]


@queues.command("list")
def list_queues(url: Url = None, prefix: Prefix = "bull", json: Json = False) -> None:
    """List all queues: how many jobs are in which state, how fast they go, what holds them."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.screen import show_queues
    from oxmq.monitor.queues import get_queues

    show_queues(on_site(url, prefix, get_queues), json=json)


@queues.command("show")
def show_queue(queue: QueueName, url: Url = None, prefix: Prefix = "bull", json: Json = False) -> None:
    """Show one queue: its jobs, limits and workers."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.screen import read_queue, show_queue

    show_queue(on_site(url, prefix, lambda site: read_queue(site, queue)), json=json)


@queues.command()
def pause(queues: QueueNames, url: Url = None, prefix: Prefix = "bull", json: Json = False) -> None:
    """Let no worker start another job of the queues; those that run go on."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.actions import hold

    on_site(url, prefix, lambda site: hold(site, queues, paused=True, json=json))


@queues.command()
def resume(queues: QueueNames, url: Url = None, prefix: Prefix = "bull", json: Json = False) -> None:
    """Let workers start jobs of the queues again."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.actions import hold

    on_site(url, prefix, lambda site: hold(site, queues, paused=False, json=json))


@queues.command()
def drain(
    queue: QueueName,
    delayed: Annotated[bool, typer.Option("--delayed", help="Delete delayed jobs as well.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Delete the jobs that have not begun. A schedule's next job stays, and so do jobs that run or have ended."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.actions import drain
    from oxmq.cli.terminal.manner import Manner

    manner = Manner(yes=yes, dry_run=dry_run, json=json)
    on_site(url, prefix, lambda site: drain(site, queue, delayed=delayed, manner=manner))


@queues.command()
def clean(
    queue: QueueName,
    state: StateOption = State.COMPLETED,
    older_than: _OlderThan = "0s",
    limit: Annotated[int, typer.Option(min=0, help="How many to delete at most; 0 for any number.")] = 0,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Delete the jobs of one state that are older than a time, the oldest first."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.cleaning import Rubbish, clean
    from oxmq.cli.terminal.manner import Manner

    rubbish = Rubbish(queue=queue, state=state, older_than=older_than, limit=limit)
    on_site(url, prefix, lambda site: clean(site, rubbish, Manner(yes=yes, dry_run=dry_run, json=json)))


@queues.command()
def obliterate(
    queue: QueueName,
    force: Annotated[bool, typer.Option("--force", help="Also while jobs are running.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Delete a queue and everything in it: its jobs, schedules, limits and history."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.actions import obliterate
    from oxmq.cli.terminal.manner import Manner

    manner = Manner(yes=yes, dry_run=dry_run, json=json)
    on_site(url, prefix, lambda site: obliterate(site, queue, force=force, manner=manner))


@queues.command("retry-failed")
def retry_failed(
    queue: QueueName, dry_run: DryRun = False, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """Run all failed jobs of a queue again, the oldest first."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.actions import retry_failed
    from oxmq.cli.terminal.manner import Manner

    manner = Manner(yes=True, dry_run=dry_run, json=json)
    on_site(url, prefix, lambda site: retry_failed(site, queue, manner))


@queues.command("promote-delayed")
def promote_delayed(
    queue: QueueName, dry_run: DryRun = False, url: Url = None, prefix: Prefix = "bull", json: Json = False
) -> None:
    """Make all delayed jobs of a queue ready now."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.queue.actions import promote_delayed
    from oxmq.cli.terminal.manner import Manner

    manner = Manner(yes=True, dry_run=dry_run, json=json)
    on_site(url, prefix, lambda site: promote_delayed(site, queue, manner))
