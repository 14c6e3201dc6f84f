"""Show all queues, one row each, and what needs attention."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from oxmq.cli.queue.rows import COLUMNS, queue_cells
from oxmq.cli.terminal.tables import Column
from oxmq.cli.terminal.times import span
from oxmq.cli.terminal.visible import visible
from oxmq.cli.top.live_screen import LiveScreen
from oxmq.cli.top.live_table import LiveTable
from oxmq.cli.top.pausing import ask_to_pause
from oxmq.cli.top.queue import QueueScreen
from oxmq.cli.top.sparkline import sparkline
from oxmq.monitor.overview import Overview, get_overview
from oxmq.monitor.queues import QueueSummary

#: How many things that need attention are shown.
_ATTENTION: Final = 4
#: How many minutes a sparkline shows.
_MINUTES: Final = 20
_SPARK: Final = Column(title=f"last {_MINUTES} min", least=100)
#: What the queues can be sorted by.
_ORDERS: Final[tuple[tuple[str, Callable[[QueueSummary], Any]], ...]] = (
    ("name", lambda queue: queue.name),
    ("waiting", lambda queue: -queue.counts.get("waiting", 0) - queue.counts.get("prioritized", 0)),
    ("active", lambda queue: -queue.counts.get("active", 0)),
    ("failed", lambda queue: -queue.counts.get("failed", 0)),
    ("latency", lambda queue: -(queue.latency or 0)),
)


class OverviewScreen(LiveScreen[Overview]):
    """Show the queues of the site."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause"),
        Binding("s", "sort", "Sort"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear", "Clear", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._order = 0
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head")
        yield Static(id="attention")
        yield Input(placeholder="part of the queue's name", id="filter")
        yield LiveTable((*COLUMNS, _SPARK))
        yield Static(id="status")
        yield Footer()

    async def read(self) -> Overview:
        """Read the overview."""
        return await get_overview(self.site)

    def show(self, view: Overview) -> None:
        """Show the overview."""
        self.query_one("#head", Static).update(_headline(view))
        self._show_attention(view)
        queues = [queue for queue in view.queues.values() if self._wanted in queue.name.lower()]
        queues.sort(key=_ORDERS[self._order][1])
        self.query_one(LiveTable).fill(
            [(queue.name, (*queue_cells(queue), _spark(queue, view.at))) for queue in queues]
        )

    def on_resize(self) -> None:
        """Show as many columns as there is room for."""
        self.show_again()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the queue."""
        name = self.query_one(LiveTable).chosen
        if name is not None and self.view is not None and name in self.view.queues:
            self.top.push_screen(QueueScreen(name, self.view.queues[name].counts))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the queues that the filter lets through."""
        self._wanted = event.value.strip().lower()
        self.show_again()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go back to the table."""
        self._close_filter()

    def action_filter(self) -> None:
        """Ask for a part of the name."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_clear(self) -> None:
        """Show all queues."""
        self.query_one("#filter", Input).value = ""
        self._close_filter()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._order = (self._order + 1) % len(_ORDERS)
        self.notify(f"sorted by {_ORDERS[self._order][0]}", timeout=2, markup=False)
        self.show_again()

    def action_pause(self) -> None:
        """Pause the queue, or resume it."""
        name = self.query_one(LiveTable).chosen
        if name is not None and self.view is not None and name in self.view.queues:
            ask_to_pause(self, name, paused=self.view.queues[name].paused)

    def _close_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = bool(field.value)
        self.query_one(LiveTable).focus()

    def _show_attention(self, view: Overview) -> None:
        lines = Text()
        for item in view.attention[:_ATTENTION]:
            style = "bold red" if item.level == "critical" else "yellow"
            lines.append("\n" if lines else "").append(f"! {visible(item.text)}", style=style)
        attention = self.query_one("#attention", Static)
        attention.update(lines)
        attention.display = bool(lines)


def _headline(view: Overview) -> Text:
    totals, server = view.totals, view.server
    oldest = "none due" if totals.oldest_waiting is None else f"oldest due {span(totals.oldest_waiting)}"
    words = (
        f"{totals.added_per_second:.1f}/s in", f"{totals.finished_per_second:.1f}/s out",
        f"{totals.failed_per_minute:.0f} failed/min", oldest, f"workers {totals.busy}/{totals.slots} busy",
        f"{server.name}, {server.memory / 2**20:.0f} MiB, {server.latency * 1000:.1f} ms",
    )  # fmt: skip
    return Text.assemble(("oxmq top  ", "bold"), visible("   ".join(words)))


def _spark(queue: QueueSummary, now: datetime) -> Text:
    ended = dict.fromkeys(range(_MINUTES), 0)
    for point in queue.spark:
        minute = int((now - point.at).total_seconds() // 60)
        if minute in ended:
            ended[minute] += point.completed + point.failed
    return Text(sparkline([ended[minute] for minute in reversed(range(_MINUTES))], _MINUTES), style="green")
