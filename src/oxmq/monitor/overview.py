"""Show the whole site at a glance: rates, what needs attention, and each queue in a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from oxmq.codec import instant
from oxmq.doctor.facts import ServerFacts
from oxmq.monitor.attention import Attention, attention_of
from oxmq.monitor.heavy_jobs import narrowed_report
from oxmq.monitor.queues import QueueSummary, summarize, unfinished_in
from oxmq.monitor.site import Site
from oxmq.monitor.watch import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Hold the sums over all queues.

    Attributes:
        added_per_second: how many jobs are added in a second.
        finished_per_second: how many end in a second, within the last minute.
        failed_per_minute: how many failed in the last minute.
        oldest_waiting: for how many seconds the job has waited that has been ready longest; None when none is ready.
        workers: how many workers there are.
        busy: how many jobs run.
        slots: how many jobs the workers may run at once.
        unfinished: how many jobs have not ended.
    """

    added_per_second: float
    finished_per_second: float
    failed_per_minute: float
    oldest_waiting: float | None
    workers: int
    busy: int
    slots: int
    unfinished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBrief:
    """Hold how the server is: make and version, memory in bytes (None for no limit), a round trip in seconds."""

    name: str
    memory: int
    max_memory: int | None
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Hold the whole site at one moment.

    Attributes:
        at: when.
        complete: whether all queues have been found.
        totals: the sums over all queues.
        server: how the server is.
        attention: what somebody should look at, the urgent first.
        queues: each queue, by name.
        kubernetes: whether heavy jobs have been run in a cluster.
    """

    at: datetime
    complete: bool
    totals: Totals
    server: ServerBrief
    attention: list[Attention]
    queues: dict[str, QueueSummary]
    kubernetes: bool


async def get_overview(site: Site, queues: frozenset[str] | None = None) -> Overview:
    """Return the overview of the site.

    Args:
        queues: the only queues to show; None for all.

    Raises:
        BackendError: the server does not answer.
    """
    return overview_of(narrowed(await site.watch.look(), queues))


def narrowed(look: Look, queues: frozenset[str] | None) -> Look:
    """Return what was seen of some queues alone."""
    if queues is None:
        return look
    seen = {name: facts for name, facts in look.queues.items() if name in queues}
    report = None if look.report is None else narrowed_report(look.report, queues)
    return replace(look, queues=seen, report=report)


def overview_of(look: Look) -> Overview:
    """Return the overview of what was seen."""
    summaries = {name: summarize(facts, look.at_ms) for name, facts in look.queues.items()}
    unfinished = sum(unfinished_in(facts.snapshot) for facts in look.queues.values())
    return Overview(
        at=instant(look.at_ms),
        complete=look.complete,
        totals=_totals(summaries.values(), unfinished),
        server=_brief(look.server, look.latency),
        attention=attention_of(look),
        queues=summaries,
        kubernetes=look.report is not None,
    )


def _totals(queues: Iterable[QueueSummary], unfinished: int) -> Totals:
    shown = list(queues)
    waits = [queue.latency for queue in shown if queue.latency is not None]
    finished = sum(queue.completed_per_minute + queue.failed_per_minute for queue in shown)
    return Totals(
        added_per_second=round(sum(queue.added_per_minute for queue in shown) / 60, 2),
        finished_per_second=round(finished / 60, 2),
        failed_per_minute=sum(queue.failed_per_minute for queue in shown),
        oldest_waiting=max(waits, default=None),
        workers=sum(queue.workers or 0 for queue in shown),
        busy=sum(queue.busy for queue in shown),
        slots=sum(queue.slots for queue in shown),
        unfinished=unfinished,
    )


def _brief(server: ServerFacts | None, latency: float) -> ServerBrief:
    if server is None:
        return ServerBrief(name="unknown", memory=0, max_memory=None, latency=round(latency, 5))
    return ServerBrief(
        name=f"{server.kind} {server.version}".strip(),
        memory=server.number("used_memory"),
        max_memory=server.number("maxmemory") or None,
        latency=round(latency, 5),
    )
