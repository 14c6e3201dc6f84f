"""Say how much there is to do for how many hands: what an autoscaler of workers goes by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from oxmq.monitor.overview import narrowed
from oxmq.monitor.queues import ready_in
from oxmq.monitor.site import Site
from oxmq.monitor.watch import Look, QueueFacts
from oxmq.monitor.workers import slots_of, workers_of

#: Workers in these states take jobs.
_WORKING: Final = frozenset({"ok", "slow", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLoad:
    """Hold the load of one queue; see `Load`."""

    load: float
    active: int
    due: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Hold how much there is to do, over all queues asked after, and for each.

    Attributes:
        load: (active + due) / capacity: 1.0 when there is just enough to do for all. Without any capacity, it is
            the number of jobs, as for a single slot; 0.0 when there is nothing to do.
        active: how many jobs run.
        due: how many could: waiting, prioritized, and delayed ones whose time has come.
        capacity: how many jobs the workers may run at once, without those that are stuck or paused. A worker that
            does not say counts for as many as it runs, and for one at least.
        queues: each queue, by name.
    """

    load: float
    active: int
    due: int
    capacity: int
    queues: dict[str, QueueLoad]


async def get_load(site: Site, names: Iterable[str] = (), covered: frozenset[str] | None = None) -> Load:
    """Return the load of the named queues, or of all when none is named.

    Args:
        site: where.
        names: the queues; one that does not exist has nothing to do.
        covered: the only queues to look at, when none is named; None for all.

    Raises:
        BackendError: the server does not answer.
    """
    wanted = list(dict.fromkeys(names))
    if wanted:
        return load_of([await site.watch.look_at(name) for name in wanted], site.clock.now_ms())
    look: Look = narrowed(await site.watch.look(), covered)
    return load_of(look.queues.values(), look.at_ms)


def load_of(queues: Iterable[QueueFacts], now_ms: int) -> Load:
    """Return the load of queues."""
    loads = {facts.name: _load_of_one(facts, now_ms) for facts in queues}
    active, due, capacity = (sum(getattr(load, name) for load in loads.values()) for name in _SUMMED)
    return Load(load=_ratio(active + due, capacity), active=active, due=due, capacity=capacity, queues=loads)


_SUMMED = ("active", "due", "capacity")


def _load_of_one(facts: QueueFacts, now_ms: int) -> QueueLoad:
    workers = [worker for worker in workers_of(facts, now_ms) if worker.health in _WORKING]
    active, due, capacity = facts.snapshot.counts["active"], ready_in(facts.snapshot), sum(map(slots_of, workers))
    return QueueLoad(load=_ratio(active + due, capacity), active=active, due=due, capacity=capacity)


def _ratio(jobs: int, capacity: int) -> float:
    return round(jobs / max(1, capacity), 4)
