"""Show the workers: who they are, what they run, and whether they make progress.

Two sources tell of them. Workers of oxmq beat: they write down every few seconds how they are. Of all others, those of
BullMQ on Node among them, only the name of a connection and the jobs that they took are known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from oxmq.codec import instant
from oxmq.monitor.site import Site
from oxmq.monitor.watch import Look, QueueFacts
from oxmq.ops.heartbeats import Heartbeat
from oxmq.ops.running import RunningJob
from oxmq.ops.workers import WorkerClient

Health = Literal["ok", "stuck", "slow", "paused", "unknown", "gone"]

#: Workers in these states run jobs, or would if they were let.
PRESENT: Final = frozenset({"ok", "slow", "paused", "stuck", "unknown"})
#: A worker beats every 5 s; after so many milliseconds it is not merely late.
_SILENT_MS = 15_000
#: Where connections cannot be listed, a worker that has been silent for so long is taken for gone.
_GONE_MS = 30_000
#: An event loop that is late by so many seconds keeps jobs waiting.
_SLOW_LOOP = 1.0
#: How many workers are shown at most, and how many jobs of each.
_MOST, _MOST_JOBS = 1_000, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """Hold a job that a worker runs, and for how many seconds it has."""

    id: str
    name: str
    running_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Hold how a worker is. Durations are in seconds; what is not known is None.

    Attributes:
        id: its own, else that of its connection.
        queue: the queue that it works.
        name: the name that it was given, or its host and process.
        kind: ``"oxmq"``, or ``"other"`` for any other library.
        host: the host on which it runs.
        pid: the process.
        version: of oxmq.
        address: of its connection, as the server sees it.
        connected_for: how long it is connected.
        started_at: when it started.
        slots: how many jobs it may run at once.
        busy: how many it runs.
        jobs: some of them, the one that has run longest first.
        health: ``"stuck"`` when it is there and makes no progress, ``"gone"`` when it vanished without a word.
        reason: why it is not well, as a sentence; empty when it is.
        memory: of its process, in bytes.
        loop_lag: how late its event loop was at most within some seconds.
        last_fetch: how long ago the server last answered it.
        completed: how many of its jobs have completed since it started.
        failed: how many have failed for good.
    """

    id: str
    queue: str
    name: str | None = None
    kind: Literal["oxmq", "other"]
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    address: str | None = None
    connected_for: float | None = None
    started_at: datetime | None = None
    slots: int | None = None
    busy: int = 0
    jobs: list[WorkerJob] = field(default_factory=list[WorkerJob])
    health: Health
    reason: str = ""
    memory: int | None = None
    loop_lag: float | None = None
    last_fetch: float | None = None
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerList:
    """Hold workers, and whether these are all: some servers do not let their clients be listed."""

    workers: list[Worker]
    complete: bool


async def get_workers(site: Site, queue: str | None = None) -> WorkerList:
    """Return the workers of a queue, or of all queues.

    Raises:
        BackendError: the server does not answer.
    """
    if queue is not None:
        facts = await site.watch.look_at(queue)
        return _listed(workers_of(facts, site.clock.now_ms()), complete=facts.clients is not None)
    return workers_in(await site.watch.look())


def workers_in(look: Look) -> WorkerList:
    """Return all workers that were seen in a look."""
    found = [worker for facts in look.queues.values() for worker in workers_of(facts, look.at_ms)]
    return _listed(found, complete=look.complete and look.roles is not None)


def workers_of(facts: QueueFacts, now_ms: int) -> list[Worker]:
    """Return the workers of one queue."""
    unmatched = list(facts.clients or ())
    pairs = [(heartbeat, _take_client(heartbeat, unmatched)) for heartbeat in facts.heartbeats]
    ours = [_our_worker(facts, heartbeat, client, now_ms) for heartbeat, client in pairs]
    named = {job_id for heartbeat in facts.heartbeats for job_id, _, _ in heartbeat.jobs}
    names = {heartbeat.name for heartbeat in facts.heartbeats}
    rest = [job for job in facts.running if job.id not in named and job.worker not in names]
    nameless = sum(not client.name for client in unmatched)
    theirs = [_other_worker(facts.name, client, _jobs_of(client, rest, nameless), now_ms) for client in unmatched]
    return [*ours, *theirs]


def slots_of(worker: Worker) -> int:
    """Return how many jobs a worker may run at once: at least one, and what it runs, where it does not say."""
    return max(1, worker.busy) if worker.slots is None else worker.slots


def _listed(workers: Iterable[Worker], *, complete: bool) -> WorkerList:
    ordered = sorted(workers, key=lambda worker: (worker.queue, worker.name or "", worker.id))
    return WorkerList(workers=ordered[:_MOST], complete=complete and len(ordered) <= _MOST)


def _take_client(heartbeat: Heartbeat, unmatched: list[WorkerClient]) -> WorkerClient | None:
    """Return the connection that is the worker's, and take it out of those that are left."""
    by_name = [client for client in unmatched if client.name and client.name == heartbeat.name]
    # Of workers without a name it cannot be told which connection is whose, only how many there are.
    nameless = [
        client
        for client in unmatched
        if not client.name and (client.library is None or client.library.startswith("redis-py"))
    ]
    for client in (*by_name, *nameless):
        unmatched.remove(client)
        return client
    return None


def _our_worker(facts: QueueFacts, heartbeat: Heartbeat, client: WorkerClient | None, now_ms: int) -> Worker:
    health, reason = judge(heartbeat, client is not None, facts.clients is not None, facts.running, now_ms)
    jobs = sorted(heartbeat.jobs, key=lambda job: job[2])
    return Worker(
        id=heartbeat.id,
        queue=facts.name,
        name=heartbeat.name,
        kind="oxmq",
        host=heartbeat.host,
        pid=heartbeat.pid,
        version=heartbeat.version,
        address=None if client is None else client.addr,
        connected_for=None if client is None else client.age,
        started_at=instant(heartbeat.started_ms),
        slots=heartbeat.slots,
        busy=heartbeat.busy,
        jobs=[WorkerJob(id=id_, name=name, running_for=_age(since, now_ms)) for id_, name, since in jobs[:_MOST_JOBS]],
        health=health,
        reason=reason,
        memory=heartbeat.rss,
        loop_lag=heartbeat.loop_lag,
        last_fetch=heartbeat.since_fetch + _age(heartbeat.at_ms, now_ms),
        completed=heartbeat.completed,
        failed=heartbeat.failed,
    )


def judge(
    heartbeat: Heartbeat, connected: bool, listed: bool, running: Iterable[RunningJob], now_ms: int
) -> tuple[Health, str]:
    """Return how a worker of oxmq is, and why.

    Args:
        heartbeat: what it said last.
        connected: whether its connection was found.
        listed: whether connections could be listed at all.
        running: the queue's running jobs.
        now_ms: the time now.
    """
    silent = now_ms - heartbeat.at_ms
    if silent > _SILENT_MS:
        if not connected and (listed or silent > _GONE_MS):
            return "gone", f"It was last heard of {silent / 1000:.0f} s ago, and its connection is closed."
        return "stuck", f"It has said nothing for {silent / 1000:.0f} s."
    if not heartbeat.healthy:
        return "stuck", _sentence(heartbeat.reason)
    own = {job_id for job_id, _, _ in heartbeat.jobs}
    lost = [job.id for job in running if job.id in own and job.lock_ms < 0]
    if lost:
        return "stuck", f"It runs job {lost[0]} and does not renew its lock."
    if heartbeat.paused:
        return "paused", "It was told to take no jobs."
    if heartbeat.loop_lag > _SLOW_LOOP:
        return "slow", f"Its event loop was blocked for {heartbeat.loop_lag:.1f} s."
    return "ok", ""


def _other_worker(queue: str, client: WorkerClient, jobs: list[RunningJob], now_ms: int) -> Worker:
    lost = [job.id for job in jobs if job.lock_ms < 0]
    return Worker(
        id=f"client-{client.id}",
        queue=queue,
        name=client.name or None,
        kind="other",
        host=client.addr.rpartition(":")[0] or None,
        address=client.addr,
        connected_for=client.age,
        started_at=None,
        busy=len(jobs),
        jobs=[WorkerJob(id=job.id, name=job.name, running_for=_age(job.since_ms, now_ms)) for job in jobs[:_MOST_JOBS]],
        health="stuck" if lost else "unknown",
        reason=f"It took job {lost[0]} and does not renew its lock." if lost else "",
    )


def _jobs_of(client: WorkerClient, rest: list[RunningJob], nameless: int) -> list[RunningJob]:
    """Return the jobs that a worker of another library took, as far as it can be told."""
    if client.name:
        return [job for job in rest if job.worker == client.name]
    return [job for job in rest if not job.worker] if nameless == 1 else []


def _age(since_ms: int, now_ms: int) -> float:
    return max(0, now_ms - since_ms) / 1000


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else "It says that it makes no progress."
