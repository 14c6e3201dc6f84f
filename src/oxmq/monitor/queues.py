"""Show queues: how many jobs are where, how fast they go, and what holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from oxmq.monitor.site import Site
from oxmq.monitor.watch import Point, QueueFacts
from oxmq.monitor.workers import PRESENT, slots_of, workers_of
from oxmq.ops import queues
from oxmq.ops.history import MINUTE_MS
from oxmq.ops.snapshots import Snapshot

#: How many events a queue keeps where nobody says.
_DEFAULT_EVENTS = 10_000
#: Priorities whose jobs are counted, where there are any.
_PRIORITIES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSummary:
    """Hold how a queue is.

    Attributes:
        name: its name.
        counts: the jobs in each state.
        paused: whether it is paused.
        held: what keeps jobs from starting, in words; empty when nothing does.
        latency: for how many seconds the job that has been ready longest has waited; None when none is ready.
        workers: how many workers there are; None where that cannot be known.
        slots: how many jobs they may run at once.
        busy: how many jobs run.
        completed_per_minute, failed_per_minute: how many jobs ended in the last minute.
        added_per_minute: how many are added in a minute.
        spark: what ended in each minute of the last hour, oldest first; minutes in which nothing did may be missing.
        last_event: the id of the newest event.
    """

    name: str
    counts: dict[str, int]
    paused: bool
    held: list[str]
    latency: float | None
    workers: int | None
    slots: int
    busy: int
    completed_per_minute: float
    failed_per_minute: float
    added_per_minute: float
    spark: list[Point]
    last_event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """Hold what a queue allows over all workers; None for any number. Durations are in seconds.

    Attributes:
        concurrency: how many jobs may run at once.
        rate_max: how many may start in each window.
        rate_duration: how long that window is.
        held_for: for how long a rate limit lets no job start; 0 when none does.
    """

    concurrency: int | None
    rate_max: int | None
    rate_duration: float | None
    held_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDetail(QueueSummary):
    """Hold all that is shown of one queue.

    Attributes:
        limits: what it allows.
        version: which library set it up last, as ``library:version``.
        max_events: about how many events are kept.
        schedules: how many job schedulers it has.
        priorities: how many ready jobs there are of each priority up to 10, of those that have any; 0 stands for none.
        broken: the names of those of its keys that hold something of a wrong type.
    """

    limits: QueueLimits
    version: str | None
    max_events: int
    schedules: int
    priorities: dict[int, int]
    broken: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueList:
    """Hold the queues that were found, and whether the whole server has been looked at."""

    queues: list[QueueSummary]
    complete: bool


async def get_queues(site: Site) -> QueueList:
    """Return all queues, by name.

    Raises:
        BackendError: the server does not answer.
    """
    look = await site.watch.look()
    found = [summarize(facts, look.at_ms) for facts in look.queues.values()]
    return QueueList(queues=found, complete=look.complete)


async def get_queue(site: Site, name: str) -> QueueDetail | None:
    """Return a queue; None when there is no trace of it.

    Raises:
        BackendError: the server does not answer.
    """
    facts = await site.watch.look_at(name)
    if not facts.exists and name not in site.known:
        return None
    site.note_queue(name)
    priorities: dict[int, int] = {}
    if facts.snapshot.counts["prioritized"]:
        priorities = await site.runner.run(queues.get_counts_per_priority(site.keys(name), _PRIORITIES))
    return _detail(facts, priorities, site.clock.now_ms())


def summarize(facts: QueueFacts, now_ms: int) -> QueueSummary:
    """Return what is shown of a queue among others."""
    seen = facts.snapshot
    workers = [worker for worker in workers_of(facts, now_ms) if worker.health in PRESENT]
    return QueueSummary(
        name=facts.name,
        counts=seen.counts,
        paused=seen.paused,
        held=list(_held(seen)),
        latency=latency_of(seen, now_ms),
        workers=None if facts.clients is None and not workers else len(workers),
        slots=sum(map(slots_of, workers)),
        busy=seen.counts["active"],
        completed_per_minute=seen.completed_minute,
        failed_per_minute=seen.failed_minute,
        added_per_minute=round(facts.added_per_minute, 1),
        spark=facts.spark,
        last_event=seen.last_event,
    )


def latency_of(seen: Snapshot, now_ms: int) -> float | None:
    """Return for how many seconds the job that has been ready longest has waited; None when none is ready."""
    return None if seen.oldest_waiting_ms is None else max(0, now_ms - seen.oldest_waiting_ms) / 1000


def ready_in(seen: Snapshot) -> int:
    """Return how many jobs could run: waiting, prioritized, and delayed ones whose time has come."""
    return seen.counts["waiting"] + seen.counts["prioritized"] + seen.overdue


def unfinished_in(seen: Snapshot) -> int:
    """Return how many jobs have not ended."""
    return sum(count for state, count in seen.counts.items() if state not in ("completed", "failed"))


def _detail(facts: QueueFacts, priorities: dict[int, int], now_ms: int) -> QueueDetail:
    seen, summary = facts.snapshot, summarize(facts, now_ms)
    return QueueDetail(
        **{name: getattr(summary, name) for name in QueueSummary.__slots__},
        limits=QueueLimits(
            concurrency=seen.concurrency,
            rate_max=seen.rate_max,
            rate_duration=None if seen.rate_duration_ms is None else seen.rate_duration_ms / 1000,
            held_for=seen.held_ms / 1000,
        ),
        version=seen.version,
        max_events=seen.max_len_events or _DEFAULT_EVENTS,
        schedules=seen.schedules,
        priorities={priority: count for priority, count in priorities.items() if count},
        broken=list(seen.broken),
    )


def _held(seen: Snapshot) -> Iterator[str]:
    active = seen.counts["active"]
    if seen.paused:
        yield "paused"
    if seen.held_ms:
        yield f"rate-limited for {_in_words(seen.held_ms)}"
    if seen.concurrency is not None and active >= seen.concurrency:
        yield f"at its limit: {active} of {seen.concurrency} run"


def _in_words(ms: int) -> str:
    seconds = ms / 1000
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if ms < MINUTE_MS else f"{seconds / 60:.0f} min"
