"""Show queues: `oxmq queue list` and `oxmq queue show`."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from oxmq.cli.connection import no_queue
from oxmq.cli.queue import worker_rows
from oxmq.cli.queue.rows import COLUMNS, queue_cells
from oxmq.cli.terminal.screen import note, results, say, show_json
from oxmq.cli.terminal.tables import STATE_STYLES, Cell, facts, print_table, state_text
from oxmq.cli.terminal.times import span
from oxmq.cli.terminal.visible import visible
from oxmq.monitor.queues import QueueDetail, QueueList, get_queue
from oxmq.monitor.site import Site
from oxmq.monitor.workers import WorkerList, get_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReport:
    """Hold what is shown of one queue."""

    queue: QueueDetail
    workers: WorkerList


async def read_queue(site: Site, name: str) -> QueueReport:
    """Read a queue and its workers.

    Raises:
        NotFoundError: there is no such queue.
    """
    queue = await get_queue(site, name)
    if queue is None:
        raise no_queue(site, name)
    return QueueReport(queue=queue, workers=await get_workers(site, name))


def show_queues(found: QueueList, *, json: bool) -> None:
    """Print the queues."""
    if json:
        show_json(found)
        return
    if found.queues:
        print_table(results(), COLUMNS, map(queue_cells, found.queues))
    else:
        say("There are no queues.")
    if not found.complete:
        note("the server has so many keys that not all were looked at in time: there may be more queues")


def show_queue(report: QueueReport, *, json: bool) -> None:
    """Print one queue."""
    if json:
        show_json({"queue": report.queue, "workers": report.workers.workers})
        return
    console, queue = results(), report.queue
    console.print(Text.assemble((visible(queue.name), "bold"), ("  paused" if queue.paused else "", "yellow")))
    for reason in queue.held:
        console.print(Text(visible(reason), style="yellow"))
    console.print()
    console.print(facts((state, _count(state, queue.counts.get(state, 0))) for state in STATE_STYLES))
    console.print()
    console.print(facts(_facts(queue)))
    if report.workers.workers:
        console.print()
        print_table(console, worker_rows.COLUMNS, map(worker_rows.worker_cells, report.workers.workers))


def _count(state: str, count: int) -> Text:
    return Text(f"{count:,}", style=state_text(state).style if count else "dim")


def _facts(queue: QueueDetail) -> list[tuple[str, Cell]]:
    limits = queue.limits
    rate = None
    if limits.rate_max is not None and limits.rate_duration is not None:
        rate = f"{limits.rate_max:,} starts in {span(limits.rate_duration)}"
    workers = "unknown: the server does not tell" if queue.workers is None else f"{queue.workers:,}"
    return [
        ("oldest due", "none" if queue.latency is None else span(queue.latency)),
        ("per minute", f"{queue.completed_per_minute:.0f} completed, {queue.failed_per_minute:.0f} failed"),
        ("workers", f"{workers}, {queue.busy:,} of {queue.slots:,} slots busy" if queue.slots else workers),
        ("concurrency", None if limits.concurrency is None else f"{limits.concurrency:,} over all workers"),
        ("rate limit", rate),
        ("schedules", queue.schedules or None),
        ("set up by", queue.version),
    ]
