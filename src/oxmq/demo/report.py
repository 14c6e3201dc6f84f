"""Print the demo: what runs, the comparison while it grows, the proofs, and where to look."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

import oxmq.demo
from oxmq.demo.load import CLIENTS, Measurement
from oxmq.demo.operations import DASHBOARD, OPERATIONS, Operation, Way
from oxmq.demo.proof import Proof
from oxmq.demo.settings import Folders
from oxmq.demo.stage import Stage

_SHOWN_FAULTS = 5


class Report:
    """Tell the user, in order, what the demo does and finds."""

    def __init__(self, folders: Folders, console: Console | None = None) -> None:
        self._folders = folders
        self._console = console or Console(highlight=False)

    def opening(self) -> None:
        """Say what is about to happen."""
        self._console.print("\n[bold]oxmq demo[/]  the same work, inside the request and through the queue\n")
        self._console.print("  [dim]Starting Valkey, an API server and a worker ...[/]")

    def ready(self, stage: Stage) -> None:
        """Say what is running."""
        self._lines(
            {
                "Redis": server_in_words(os.environ.get("OXMQ_URL")),
                "API server": f"FastAPI at {stage.url}, process {stage.api.process.pid}",
                "Worker": f"oxmq worker oxmq.demo.tasks:app, process {stage.worker.process.pid}",
                "Outside": f"SMTP server on port {stage.mail_server.port}, webhook receiver at {stage.receiver.url}",
                "Dashboard": f"{dashboard_url(stage.url)} (watch the jobs there, live)",
            }
        )

    @contextmanager
    def comparison(self, requests: int) -> Generator[Comparison]:
        """Show the comparison, growing, until the block ends."""
        comparison = Comparison(requests)
        with Live(comparison.view(), console=self._console, refresh_per_second=8) as live:
            comparison.changed = lambda: live.update(comparison.view())
            yield comparison
            comparison.finish()
        if not self._console.is_terminal:
            self._console.print()  # a terminal is left on a line of its own, a file is not

    def doing(self, what: str) -> AbstractContextManager[object]:
        """Show, on a terminal, that something is being done, until the block ends."""
        return self._console.status(f"{escape(what)} ...")

    def proofs(self, proofs: Sequence[Proof]) -> None:
        """Show what was proven, and the first faults of what was not."""
        self._console.print("\n  [bold]Was all of it done?[/]\n")
        table = Table.grid(padding=(0, 2, 0, 0))
        for proof in proofs:
            table.add_row("[green]✓[/]" if proof.holds else "[bold red]✗[/]", proof.title, proof.finding)
            for fault in proof.faults[:_SHOWN_FAULTS]:
                table.add_row("", "", f"[red]{escape(fault)}[/]")
        self._console.print(Padding(table, (0, 2)))

    def where_it_is(self) -> None:
        """Say where the results of a finished demo are."""
        self._console.print("\n  [bold]Where it is[/]\n")
        self._lines(self._places())

    def where_to_look(self, stage: Stage) -> None:
        """Say what can be looked at and tried while the demo stays up."""
        header = "-H 'content-type: application/json'"
        user, report = '{"name":"Ada","address":"ada@customer.test"}', '{"key":"year"}'
        self._console.print("\n  [bold]Everything stays up. Where to look:[/]\n")
        self._lines(
            {
                "API": f"{stage.url}/docs",
                "Try": f"curl -i {stage.url}/jobs/welcome-email {header} -d '{user}'",
                "Heavy": f"curl -i {stage.url}/jobs/yearly-report {header} -d '{report}'",
                "Queues": "oxmq top, oxmq doctor",
                **self._places(),
            }
        )
        self._console.print("\n  [bold]Ctrl-C[/] stops everything.")
        self._console.print(f"\n  [bold]See the jobs live:[/] {dashboard_url(stage.url)}", soft_wrap=True)

    def stopped(self) -> None:
        """Say that a signal has ended the demo."""
        self._console.print("\n  Stopped.\n")

    def failed(self, reason: str) -> None:
        """Say why the demo could not go on."""
        self._console.print(f"\n[bold red]The demo failed.[/] {escape(reason)}\n", soft_wrap=True)

    def _places(self) -> Mapping[str, str]:
        folders = self._folders
        return {
            "Mails": _short(folders.mail),
            "Pictures": _short(folders.pictures),
            "Reports": _short(folders.reports),
            "Webhooks": _short(folders.webhooks),
            "Logs": _short(folders.logs),
            "The code": _short(Path(oxmq.demo.__file__).with_name("tasks.py")),
        }

    def _lines(self, lines: Mapping[str, str]) -> None:
        for name, text in lines.items():
            self._console.print(f"  [cyan]{name:<11}[/]", end="")
            self._console.print(text, soft_wrap=True, markup=False)


class Comparison:
    """Collect the measurements into a table of inline against queued."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._measurements: dict[tuple[str, Way], Measurement] = {}
        self._progress: Progress | None = Progress(
            TextColumn(" "), SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn()
        )
        self._task = self._progress.add_task("")
        self.changed: Callable[[], None] = _nothing

    def begin(self, operation: Operation, way: Way) -> None:
        """Show that requests for this operation are being sent."""
        assert self._progress is not None
        self._progress.reset(self._task, description=f"{operation.title}, {way}", total=self._requests)

    def advance(self) -> None:
        """Show that one more request's work is done."""
        assert self._progress is not None
        self._progress.advance(self._task)

    def measured(self, operation: Operation, way: Way, measurement: Measurement) -> None:
        """Add the figures of one operation in one way."""
        self._measurements[operation.slug, way] = measurement
        self.changed()

    def finish(self) -> None:
        """Leave the table alone, without the progress bar."""
        self._progress = None
        self.changed()

    def view(self) -> Group:
        """Return the table as it is now, and below it how far the current measurement is."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("milliseconds", no_wrap=True)
        for heading in _HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for operation in OPERATIONS:
            table.add_row(operation.title, *self._figures(operation))
        explained = (
            f"  [dim]{self._requests} requests of each kind, {CLIENTS} at a time.\n"
            "  All done: from the first request to the last piece of work.[/]"
        )
        progress = [Padding(self._progress, (1, 0, 0, 0))] if self._progress else []
        question = "\n  [bold]How long does the client wait for its HTTP answer?[/]"
        return Group(question, Padding(table, (0, 1)), explained, *progress)

    def _figures(self, operation: Operation) -> list[str]:
        inline = self._measurements.get((operation.slug, "inline"))
        queued = self._measurements.get((operation.slug, "queued"))
        return [*_waits(inline), *_waits(queued), _sooner(inline, queued), _elapsed(inline), _elapsed(queued)]


_HEADINGS = (
    "inline\np50",
    "\np99",
    "queued\np50",
    "\np99",
    "p50\nsooner",
    "all done\ninline",
    "\nqueued",
)


def _nothing() -> None:
    """Stand in until the table is shown somewhere."""


def _waits(measurement: Measurement | None) -> list[str]:
    if measurement is None:
        return ["", ""]
    return [_milliseconds(measurement.percentile(50)), _milliseconds(measurement.percentile(99))]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}" if seconds < 0.01 else f"{seconds * 1000:,.0f}"


def _sooner(inline: Measurement | None, queued: Measurement | None) -> str:
    if inline is None or queued is None:
        return ""
    return f"[bold green]{inline.percentile(50) / queued.percentile(50):,.0f}x[/]"


def _elapsed(measurement: Measurement | None) -> str:
    return "" if measurement is None else f"{measurement.elapsed:.1f} s"


def dashboard_url(url: str) -> str:
    """Return where the API server at `url` shows the demo's jobs."""
    return f"{url}{DASHBOARD}/"


def server_in_words(url: str | None) -> str:
    """Say which server is used, without what the URL may hold of passwords."""
    if not url:
        return "embedded Valkey, data in ./.oxmq, synced to disk every second"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _short(path: Path) -> str:
    """Write a path as seen from the current directory, if it is below it."""
    here = Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)
