"""Be a worker process: load the application, say what will be done, and do it until told to stop."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from oxmq.app import Oxmq
from oxmq.app_worker import AppWorker
from oxmq.cli.target import load_app
from oxmq.cli.terminal.screen import EXIT_INTERRUPTED, speaks_json, tell
from oxmq.cli.web import check_installed
from oxmq.durations import Duration
from oxmq.errors import ConfigurationError
from oxmq.logs import chosen_format, configure_logging

if TYPE_CHECKING:
    from oxmq.telemetry.prometheus import JobMetrics
    from oxmq.web.worker_endpoint import WorkerEndpoint

T = TypeVar("T")

_LAST_PORT = 65535
#: What answering probes imports beyond the core, by module name.
_ENDPOINT_NEEDS = ("starlette", "httptools", "uvicorn")


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
        health: where to answer probes, as ``HOST:PORT``; None for nowhere.
        concurrency_kubernetes: how many jobs may run in pods besides, over all queues.
    """

    target: str
    queues: tuple[str, ...] | None
    concurrency: int
    grace: str
    url: str | None
    log_level: str
    processes: int = 1
    health: str | None = None
    concurrency_kubernetes: int = 500

    def arguments(self, *, processes: int | None = None) -> list[str]:
        """Return the command line that makes another process do the same, or with another number of processes."""
        count = self.processes if processes is None else processes
        queues = None if self.queues is None else ",".join(self.queues)
        optional = [("--queues", queues), ("--url", self.url), ("--health", self.health)]
        return [
            "worker", self.target, "--concurrency", str(self.concurrency),
            "--concurrency-kubernetes", str(self.concurrency_kubernetes), "--grace", self.grace,
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
    configure_logging(chosen_format(), settings.log_level)
    metrics = None if settings.health is None else _measure(app)
    worker = app.worker(
        settings.queues,
        concurrency=settings.concurrency,
        concurrency_kubernetes=settings.concurrency_kubernetes,
        grace=read_grace(settings.grace),
    )
    app.endpoint.prepare()
    endpoint = None if settings.health is None else _endpoint(worker, settings.health, metrics)
    _show_banner(settings, app, worker, endpoint)
    try:
        run_on_best_loop((endpoint or worker).run())
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


def read_address(text: str) -> tuple[str, int]:
    """Return the host and the port of ``HOST:PORT``; of a plain port, this computer's own address.

    Raises:
        ConfigurationError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= _LAST_PORT):
        raise ConfigurationError(f"--health must be HOST:PORT or a port, as in 127.0.0.1:8080, not {text!r:.80}")
    return host.strip("[]") or "127.0.0.1", int(port)


def check_one_process(settings: WorkerSettings) -> None:
    """Refuse an endpoint of several processes: it could answer for one of them only.

    Raises:
        ConfigurationError: it is asked for.
    """
    if settings.health is not None and settings.processes > 1:
        raise ConfigurationError("--health answers for one process: run one container for each, or give no --processes")


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


def _measure(app: Oxmq) -> JobMetrics | None:
    """Measure the application's jobs, beside whatever follows them already; None without Prometheus' client."""
    if find_spec("prometheus_client") is None:
        return None
    from oxmq.telemetry.combined import Combined  # noqa: PLC0415 - only for those who measure
    from oxmq.telemetry.prometheus import JobMetrics  # noqa: PLC0415 - only here is it known to be installed

    metrics = JobMetrics(task_names=[name for _, name in app.tasks])
    app.telemetry = metrics if app.telemetry is None else Combined(app.telemetry, metrics)
    return metrics


def _endpoint(worker: AppWorker, address: str, metrics: JobMetrics | None) -> WorkerEndpoint:
    host, port = read_address(address)
    check_installed(_ENDPOINT_NEEDS)
    from oxmq.web.worker_endpoint import WorkerEndpoint  # noqa: PLC0415 - only here is it known to be installed

    return WorkerEndpoint(worker, host, port, metrics)


def _show_banner(settings: WorkerSettings, app: Oxmq, worker: AppWorker, endpoint: WorkerEndpoint | None) -> None:
    if speaks_json():
        tell(
            f"works {settings.target}", version=version("oxmq"), pid=os.getpid(), server=app.endpoint.address,
            queues=worker.queue_names, concurrency=settings.concurrency, heavy=worker.heavy_place,
            health=endpoint.address if endpoint else "",
        )  # fmt: skip
        return
    console = Console(stderr=True)
    title = Text.assemble((f"oxmq {version('oxmq')}", "bold"), f" works {settings.target} (pid {os.getpid()})")
    console.print(title, soft_wrap=True)
    rows = [("server", app.endpoint.address)]
    for name in worker.queue_names:
        tasks = ", ".join(task for queue, task in app.tasks if queue == name)
        rows.append(("queue", f"{name}, {settings.concurrency} jobs at once: {tasks}"))
    if worker.heavy_place:
        places = {"kubernetes": "pods in the cluster", "process": "limited processes here, without a cluster"}
        rows.append(("heavy", f"jobs of tasks that ask for a pod run in {places[worker.heavy_place]}"))
    if endpoint is not None:
        rows.append(("health", endpoint.address))
    for label, words in rows:
        console.print(Text.assemble((f"  {label:<8}", "dim"), words), soft_wrap=True)
