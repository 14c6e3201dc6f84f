"""Write all queues down as Prometheus reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from oxmq.monitor.load import load_of
from oxmq.monitor.overview import narrowed
from oxmq.monitor.queues import latency_of
from oxmq.monitor.site import Site
from oxmq.monitor.watch import Look, QueueFacts, latest_minute
from oxmq.monitor.workers import workers_of
from oxmq.ops.history import HistoryPoint, Percentiles
from oxmq.ops.metrics import NO_METRICS, Family, ended_total, exposition, get_metrics, job_count
from oxmq.states import JobState

_Samples = list[tuple[dict[str, str], float]]


async def get_exposition(site: Site, queues: frozenset[str] | None = None) -> str:
    """Return the state of all queues, or of some, in the text format of Prometheus.

    Raises:
        BackendError: the server does not answer.
    """
    look = narrowed(await site.watch.look(), queues)
    ended = [await _ended(site, look.queues, state) for state in (JobState.COMPLETED, JobState.FAILED)]
    return exposition([*_of_queues(look), *ended, *_of_workers(look), *_of_server(look)]) + "\n"


def _of_queues(look: Look) -> Iterable[Family]:
    facts = look.queues.values()
    loads = load_of(facts, look.at_ms).queues
    yield job_count(
        [
            ({"queue": queue.name, "state": state}, count)
            for queue in facts
            for state, count in queue.snapshot.counts.items()
        ]
    )
    yield _gauge("oxmq_queue_paused", "Whether the queue is paused", facts, lambda queue: queue.snapshot.paused)
    yield _gauge(
        "oxmq_queue_latency_seconds",
        "For how long the job has waited that has been ready longest",
        facts,
        lambda queue: latency_of(queue.snapshot, look.at_ms) or 0.0,
    )
    yield _gauge(
        "oxmq_queue_load", "Active and due jobs for each slot of a worker", facts, lambda queue: loads[queue.name].load
    )
    added: _Samples = [({"queue": queue.name}, queue.snapshot.added) for queue in facts]
    yield Family("oxmq_queue_added_total", "Total number of added jobs", "counter", added)
    lately: _Samples = []
    for queue in facts:
        lately.append(({"queue": queue.name, "state": "completed"}, queue.snapshot.completed_minute))
        lately.append(({"queue": queue.name, "state": "failed"}, queue.snapshot.failed_minute))
    yield Family("oxmq_queue_ended_last_minute", "Number of jobs that ended in the last minute", "gauge", lately)
    yield from _of_minutes({queue.name: latest_minute(queue.history, look.at_ms) for queue in facts})


def _of_minutes(minutes: Mapping[str, HistoryPoint | None]) -> Iterable[Family]:
    """Yield what the history says of the last minute of each queue, where anything went on."""
    known = {name: point for name, point in minutes.items() if point is not None}
    retried: _Samples = [({"queue": name}, point.retried) for name, point in known.items() if point.retried is not None]
    yield Family("oxmq_queue_retried_last_minute", "Number of runs that failed and are repeated", "gauge", retried)
    run = _quantiles({name: point.run for name, point in known.items()})
    yield Family("oxmq_queue_run_seconds", "How long the jobs ran that completed in the last minute", "gauge", run)
    wait = _quantiles({name: point.wait for name, point in known.items()})
    yield Family("oxmq_queue_wait_seconds", "How long jobs had waited, told in the last minute", "gauge", wait)


def _quantiles(times: Mapping[str, Percentiles | None]) -> _Samples:
    return [
        ({"queue": name, "quantile": quantile}, ms / 1000)
        for name, found in times.items()
        if found is not None
        for quantile, ms in (("0.5", found.p50), ("0.95", found.p95), ("0.99", found.p99))
    ]


def _of_workers(look: Look) -> Iterable[Family]:
    healths: dict[tuple[str, str], int] = {}
    for queue in look.queues.values():
        for worker in workers_of(queue, look.at_ms):
            healths[queue.name, worker.health] = healths.get((queue.name, worker.health), 0) + 1
    samples: _Samples = [({"queue": queue, "health": health}, count) for (queue, health), count in healths.items()]
    yield Family("oxmq_workers", "Number of workers by health", "gauge", samples)
    loads = load_of(look.queues.values(), look.at_ms).queues
    slots: _Samples = [({"queue": name}, load.capacity) for name, load in loads.items()]
    yield Family("oxmq_queue_slots", "Number of jobs that the workers may run at once", "gauge", slots)


def _of_server(look: Look) -> Iterable[Family]:
    yield Family("oxmq_redis_latency_seconds", "How long a round trip to Redis took", "gauge", [({}, look.latency)])
    if look.server is not None:
        used = look.server.number("used_memory")
        yield Family("oxmq_redis_memory_bytes", "Memory that Redis uses", "gauge", [({}, used)])
        limit: _Samples = [({}, most)] if (most := look.server.number("maxmemory")) else []
        yield Family("oxmq_redis_memory_limit_bytes", "Memory that Redis may use", "gauge", limit)
    clients: _Samples = [({"role": role}, count) for role, count in (look.roles or {}).items()]
    yield Family("oxmq_redis_clients", "Number of clients of Redis by role", "gauge", clients)


async def _ended(site: Site, names: Iterable[str], state: str) -> Family:
    """Return the totals of the queues whose workers keep metrics."""
    wanted = list(names)
    calls = [site.read_or(get_metrics(site.keys(name), state, 0, 0), NO_METRICS) for name in wanted]
    counted = zip(wanted, await asyncio.gather(*calls), strict=True)
    return ended_total(
        state, [({"queue": name}, metrics.meta.count) for name, metrics in counted if metrics.meta.count]
    )


def _gauge(name: str, meaning: str, queues: Iterable[QueueFacts], value: Callable[[QueueFacts], float]) -> Family:
    return Family(name, meaning, "gauge", [({"queue": queue.name}, float(value(queue))) for queue in queues])
