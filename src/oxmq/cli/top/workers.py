"""Show the workers of all queues."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Footer, Static

from oxmq.cli.queue.worker_rows import COLUMNS, worker_cells
from oxmq.cli.top.live_screen import LiveScreen
from oxmq.cli.top.live_table import LiveTable
from oxmq.monitor.workers import WorkerList, get_workers


class WorkersScreen(LiveScreen[WorkerList]):
    """Show who works, on what, and whether they are well."""

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head")
        yield LiveTable(COLUMNS)
        yield Static(id="status")
        yield Footer()

    async def read(self) -> WorkerList:
        """Read the workers."""
        return await get_workers(self.site)

    def show(self, view: WorkerList) -> None:
        """Show the workers."""
        unwell = sum(worker.health not in ("ok", "unknown") for worker in view.workers)
        words = f"{len(view.workers)} workers" + (f", {unwell} of them not well" if unwell else "")
        self.query_one("#head", Static).update(Text(words, style="bold"))
        self.query_one(LiveTable).fill([(worker.id, worker_cells(worker)) for worker in view.workers])

    def on_resize(self) -> None:
        """Show as many columns as there is room for."""
        self.show_again()
