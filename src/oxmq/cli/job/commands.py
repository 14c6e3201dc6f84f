"""Define `oxmq job`: look at jobs, add them, act on them."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from typing import Annotated

import typer

from oxmq.cli.arguments import DryRun, JobId, Json, Prefix, QueueName, Search, State, StateOption, Url, Yes
from oxmq.cli.terminal.exits import EXIT_CODES

jobs = typer.Typer(no_args_is_help=True, help="Look at jobs, add them, act on them.", epilog=EXIT_CODES)

_JobIds = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="The jobs; or say which with --search or --all.")
]
_AllJobs = Annotated[bool, typer.Option("--all", help="All jobs of the state.")]


@jobs.command("list")
def list_jobs(
    queue: QueueName,
    state: StateOption = State.WAITING,
    search: Search = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many jobs to list at most.")] = 20,
    oldest: Annotated[bool, typer.Option("--oldest", help="The oldest first, or the next to run.")] = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """List jobs of one state, the newest first."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.lists import Wanted, show_jobs

    wanted = Wanted(queue=queue, state=state, search=search or "", limit=limit, newest=not oldest)
    on_site(url, prefix, lambda site: show_jobs(site, wanted, json=json))


@jobs.command("show")
def show_job(
    queue: QueueName,
    job: JobId,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it has ended.")] = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Show all that is known of a job, also why it does not run.

    With --watch, the exit code is 1 when the job fails.
    """
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.screen import show, watch_job

    show_or_watch = watch_job if watch else show
    raise typer.Exit(on_site(url, prefix, lambda site: show_or_watch(site, queue, job, json=json)))


@jobs.command("logs")
def show_logs(
    queue: QueueName,
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=0, help="Only so many of the newest lines.")] = None,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Print the log of a job."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.log import follow_log, show_log

    if follow and json:
        raise typer.BadParameter("a log that goes on is not one JSON document", param_hint="--follow")
    if follow:
        on_site(url, prefix, lambda site: follow_log(site, queue, job, tail=tail))
    else:
        on_site(url, prefix, lambda site: show_log(site, queue, job, tail=tail, json=json))


@jobs.command("add")
def add(
    queue: QueueName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="JSON, or @file, or - for standard input.")] = "",
    delay: Annotated[str | None, typer.Option(help="How long to wait before it may start, such as 10m.")] = None,
    priority: Annotated[int | None, typer.Option(help="1 (first) to 2097151 (last).")] = None,
    attempts: Annotated[int | None, typer.Option(help="How often it may be tried in all.")] = None,
    backoff: Annotated[str | None, typer.Option(help="How long to wait between attempts, such as 5s.")] = None,
    timeout: Annotated[str | None, typer.Option(help="How long an attempt may run.")] = None,
    expires: Annotated[str | None, typer.Option(help="How late it may still be started.")] = None,
    job_id: Annotated[str | None, typer.Option("--id", help="Its id; one that exists adds nothing.")] = None,
    deduplication: Annotated[str | None, typer.Option(help="Keep other jobs of the same deduplication id out.")] = None,
    lifo: Annotated[bool | None, typer.Option("--lifo", help="Run it before those that wait.")] = None,
    wait: Annotated[str | None, typer.Option(help="Wait so long for it to end, and print its result.")] = None,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Add a job to a queue.

    With --wait, the exit code is 1 when the job fails or does not end in time.
    """
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.adding import Order, add_job

    options = {
        "delay": delay, "priority": priority, "attempts": attempts, "backoff": backoff, "timeout": timeout,
        "expires": expires, "job_id": job_id, "deduplication": deduplication, "lifo": lifo,
    }  # fmt: skip
    order = Order(queue=queue, name=name, data=data, options=options, wait=wait, json=json)
    on_site(url, prefix, lambda site: add_job(site, order))


@jobs.command()
def retry(
    queue: QueueName,
    ids: _JobIds = None,
    state: Annotated[State, typer.Option(show_choices=False, help="failed, or completed.")] = State.FAILED,
    search: Search = None,
    all_jobs: _AllJobs = False,
    dry_run: DryRun = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Run failed jobs again: those named, those that match a search, or all."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.actions import Target, act
    from oxmq.cli.terminal.manner import Manner

    target = Target.of("retry", queue, ids, state, search, all_jobs)
    raise typer.Exit(on_site(url, prefix, lambda site: act(site, target, Manner(yes=True, dry_run=dry_run, json=json))))


@jobs.command()
def promote(
    queue: QueueName,
    ids: _JobIds = None,
    search: Search = None,
    all_jobs: _AllJobs = False,
    dry_run: DryRun = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Make delayed jobs ready now: those named, those that match a search, or all."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.actions import Target, act
    from oxmq.cli.terminal.manner import Manner

    target = Target.of("promote", queue, ids, State.DELAYED, search, all_jobs)
    raise typer.Exit(on_site(url, prefix, lambda site: act(site, target, Manner(yes=True, dry_run=dry_run, json=json))))


@jobs.command()
def cancel(
    queue: QueueName,
    ids: _JobIds = None,
    reason: Annotated[str, typer.Option(help="Why: the jobs fail with it.")] = "cancelled",
    state: StateOption = State.ACTIVE,
    search: Search = None,
    all_jobs: _AllJobs = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Cancel jobs: they fail without a retry, and those that run are asked to stop."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.actions import Target, act
    from oxmq.cli.terminal.manner import Manner

    target = Target.of("cancel", queue, ids, state, search, all_jobs, reason=reason)
    raise typer.Exit(
        on_site(url, prefix, lambda site: act(site, target, Manner(yes=yes or bool(ids), dry_run=dry_run, json=json)))
    )


@jobs.command()
def remove(
    queue: QueueName,
    ids: _JobIds = None,
    state: StateOption = State.FAILED,
    search: Search = None,
    all_jobs: _AllJobs = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Delete jobs, and their children with them: those named, those that match a search, or all of a state."""
    from oxmq.cli.connection import on_site
    from oxmq.cli.job.actions import Target, act
    from oxmq.cli.terminal.manner import Manner

    target = Target.of("remove", queue, ids, state, search, all_jobs)
    raise typer.Exit(on_site(url, prefix, lambda site: act(site, target, Manner(yes=yes, dry_run=dry_run, json=json))))
