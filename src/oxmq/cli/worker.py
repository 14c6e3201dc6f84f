"""Be a worker process: load the application, say what will be done, and do it until told to stop."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib.metadata import version
from typing import Any, TypeVar

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from oxmq.app import Oxmq
from oxmq.app_worker import AppWorker
from oxmq.cli.target import load_app
from oxmq.cli.terminal.screen import EXIT_INTERRUPTED
from oxmq.durations import Duration

T = TypeVar("T")

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class WorkerSettings(Struct, frozen=True):
    """Hold what the operator asked for.

    Attributes:
        target: the application, as ``module:app``.
        queues: the queues to work; None for all of the application's.
        concurrency: how many jobs of each queue may run at once.
        grace: how long running jobs may take after the signal to stop.
        url: where the server is, for an application that does not say.
        log_level: which log messages are printed.
        processes: how many processes, each with that concurrency.
    """

    target: str
    queues: tuple[str, ...] | None
    concurrency: int
    grace: str
    url: str | None
    log_level: str
    processes: int = 1

    def arguments(self, *, processes: int | None = None) -> list[str]:
        """Return the command line that makes another process do the same, or with another number of processes."""
        count = self.processes if processes is None else processes
        optional = [("--queues", None if self.queues is None else ",".join(self.queues)), ("--url", self.url)]
        return [
            "worker", self.target, "--concurrency", str(self.concurrency), "--grace", self.grace,
            "--log-level", self.log_level, "--processes", str(count),
            *(word for name, value in optional if value for word in (name, value)),
        ]  # fmt: skip


def run_worker(settings: WorkerSettings) -> int:
    """Work until SIGTERM or SIGINT, and return the exit code.

    Raises:
        ConfigurationError: the application cannot be loaded, or a setting is not acceptable.
        UnavailableError: the embedded server did not start.
    """
    app = load_app(settings.target, settings.url)
    # After the import, so that an application that sets logging up itself has its way.
    logging.basicConfig(format=_LOG_FORMAT)
    logging.getLogger("oxmq").setLevel(settings.log_level.upper())
    worker = app.worker(settings.queues, concurrency=settings.concurrency, grace=read_grace(settings.grace))
    app.endpoint.prepare()
    _show_banner(settings, app, worker)
    try:
        run_on_best_loop(worker.run())
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def run_on_best_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where that is installed, else on Python's own event loop; return its result."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def read_grace(text: str) -> Duration:
    """Return a duration from the command line: a plain number is seconds."""
    try:
        return float(text)
    except ValueError:
        return text


def stop_when_closed(lifeline: int) -> None:
    """Stop this process in good order when the other end of a pipe closes: the process that started it has died."""
    os.set_inheritable(lifeline, False)

    def wait() -> None:
        with suppress(OSError):
            os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]  # it has no types
    except ImportError:
        return None


def _show_banner(settings: WorkerSettings, app: Oxmq, worker: AppWorker) -> None:
    console = Console(stderr=True)
    title = Text.assemble((f"oxmq {version('oxmq')}", "bold"), f" works {settings.target} (pid {os.getpid()})")
    console.print(title, soft_wrap=True)
    rows = [("server", app.endpoint.address)]
    for name in worker.queue_names:
        tasks = ", ".join(task for queue, task in app.tasks if queue == name)
        rows.append(("queue", f"{name}, {settings.concurrency} jobs at once: {tasks}"))
    for label, words in rows:
        console.print(Text.assemble((f"  {label:<8}", "dim"), words), soft_wrap=True)
