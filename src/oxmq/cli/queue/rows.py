"""Say in one row what a queue is doing: for `oxmq queue list` and `oxmq top`."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from oxmq.cli.terminal.tables import Cell, Column
from oxmq.cli.terminal.times import span
from oxmq.cli.terminal.visible import visible
from oxmq.monitor.queues import QueueSummary

COLUMNS: Final = (
    Column(title="queue"),
    Column(title="waiting", right=True),
    Column(title="active", right=True),
    Column(title="delayed", right=True),
    Column(title="failed", right=True),
    Column(title="completed", right=True, least=70),
    Column(title="children", right=True, least=130),
    Column(title="oldest due", right=True, least=90),
    Column(title="workers", right=True, least=80),
    Column(title="busy", right=True, least=110),
    Column(title="done/min", right=True, least=120),
    Column(title="failed/min", right=True, least=130),
    Column(title="held", least=80),
)


def queue_cells(queue: QueueSummary) -> tuple[Cell, ...]:
    """Return the cells for `COLUMNS`."""
    counts = queue.counts
    return (
        Text(visible(queue.name), style="yellow" if queue.paused else "bold"),
        counts.get("waiting", 0) + counts.get("prioritized", 0),
        counts.get("active", 0),
        counts.get("delayed", 0),
        _count(counts.get("failed", 0), "bold red"),
        counts.get("completed", 0),
        counts.get("waiting-children", 0),
        None if queue.latency is None else span(queue.latency),
        "?" if queue.workers is None else queue.workers,
        f"{queue.busy}/{queue.slots}" if queue.slots else None,
        f"{queue.completed_per_minute:.0f}",
        f"{queue.failed_per_minute:.0f}",
        Text(visible("; ".join(queue.held)), style="yellow"),
    )


def _count(number: int, style: str) -> Text:
    return Text(f"{number:,}", style=style if number else "")
