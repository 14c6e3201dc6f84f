"""Show the server: its memory and what takes it, what it writes to disk, who is connected, how fast it answers."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from oxmq.doctor import judge
from oxmq.doctor.facts import ServerFacts
from oxmq.doctor.finding import Finding, Level
from oxmq.errors import BackendError
from oxmq.monitor.overview import narrowed
from oxmq.monitor.site import Site
from oxmq.monitor.watch import QueueFacts
from oxmq.ops import server
from oxmq.ops.server import SlowCommand
from oxmq.ops.sizes import get_size

#: How many jobs of each state are weighed, and of how many queues: those with the most jobs.
_WEIGHED, _QUEUES_WEIGHED = 20, 50
#: How many round trips are measured, and how many entries of the slow log are shown.
_TRIPS, _SLOW = 10, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFinding:
    """Hold something that the doctor found; `fix` are the commands or steps that change it."""

    level: str
    subject: str
    what: str
    why: str
    fix: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMemory:
    """Hold how much memory the server uses, in bytes.

    Attributes:
        used: for data and its own needs.
        limit: what it may use; None for what the machine has.
        share: how much of the limit is used, from 0 to 1; None without a limit.
        peak: the most that it has used.
        resident: what the operating system has given it.
        fragmentation: the ratio of what it was given to what it uses.
    """

    used: int
    limit: int | None
    share: float | None
    peak: int
    resident: int
    fragmentation: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Hold how long a round trip took, in seconds: the middle one, the longest, and of how many."""

    median: float
    worst: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMemory:
    """Hold about how many bytes a queue's jobs take, and their share of what all that were weighed take.

    It is estimated from the newest jobs of each state; None for a queue that was not weighed.
    """

    name: str
    jobs: int
    memory_estimate: int | None
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCall:
    """Hold a command that held the server up: when, for how many seconds, and its name without what it was about."""

    at: datetime
    took: float
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """Hold how the server is.

    Attributes:
        name: its make.
        version: its version.
        address: where it is, without the password.
        uptime: for how many seconds it has run; None when not known.
        memory: how much it uses; None when it does not say.
        persistence: in words, what becomes of jobs when it ends.
        eviction: in words, whether it throws jobs away when memory runs out.
        findings: what the doctor says, the worst first.
        clients: how many clients of each role are connected; empty where that cannot be known.
        latency: how long a round trip takes.
        queues: about how much memory each queue takes, the most first.
        slowlog: commands that took long, the newest first; None where the server does not tell.
    """

    name: str
    version: str
    address: str
    uptime: int | None
    memory: ServerMemory | None
    persistence: str
    eviction: str
    findings: list[ServerFinding]
    clients: dict[str, int]
    latency: Latency
    queues: list[QueueMemory]
    slowlog: list[SlowCall] | None


async def get_server(site: Site, queues: frozenset[str] | None = None) -> ServerView:
    """Return how the server is.

    Args:
        site: where.
        queues: the only queues to show; None for all.

    Raises:
        BackendError: the server does not answer.
    """
    look = narrowed(await site.watch.look(), queues)
    facts = await site.watch.server_facts()
    latency, weights, slow = await asyncio.gather(
        _measure(site), _weigh_queues(site, look.queues.values()), _slow_calls(site)
    )
    findings = sorted(judge(facts), key=lambda finding: -finding.level)
    return ServerView(
        name=facts.kind if facts.version else "unknown",
        version=facts.version,
        address=facts.address,
        uptime=facts.number("uptime_in_seconds") if facts.info else None,
        memory=_memory(facts),
        persistence=_words_on("persistence", findings),
        eviction=_words_on("eviction", findings),
        findings=[_shown(finding) for finding in findings],
        clients=look.roles or {},
        latency=latency,
        queues=weights,
        slowlog=slow,
    )


def _shown(finding: Finding) -> ServerFinding:
    return ServerFinding(
        level=Level(finding.level).name.lower(),
        subject=finding.subject,
        what=finding.what,
        why=finding.why,
        fix=list(finding.fix),
    )


def _words_on(subject: str, findings: Iterable[Finding]) -> str:
    said = [f"{found.what}: {found.why}" if found.why else found.what for found in findings if found.subject == subject]
    return "; ".join(said) or "not known: the server does not say"


def _memory(facts: ServerFacts) -> ServerMemory | None:
    if not facts.info:
        return None
    used, limit, resident = facts.number("used_memory"), facts.number("maxmemory"), facts.number("used_memory_rss")
    return ServerMemory(
        used=used,
        limit=limit or None,
        share=round(used / limit, 4) if limit else None,
        peak=facts.number("used_memory_peak"),
        resident=resident,
        fragmentation=round(resident / used, 2) if used and resident else None,
    )


async def _measure(site: Site) -> Latency:
    trips: list[float] = []
    for _ in range(_TRIPS):
        began = time.perf_counter()
        await site.runner.run(server.ping())
        trips.append(time.perf_counter() - began)
    return Latency(median=round(statistics.median(trips), 6), worst=round(max(trips), 6), samples=_TRIPS)


async def _slow_calls(site: Site) -> list[SlowCall] | None:
    try:
        entries = await site.runner.run(server.get_slow_log(_SLOW))
    except BackendError:
        return None
    return [_slow_call(entry) for entry in entries]


def _slow_call(entry: SlowCommand) -> SlowCall:
    return SlowCall(at=datetime.fromtimestamp(entry.at, UTC), took=entry.took, command=entry.command)


async def _weigh_queues(site: Site, queues: Iterable[QueueFacts]) -> list[QueueMemory]:
    jobs = {facts.name: sum(facts.snapshot.counts.values()) for facts in queues}
    heaviest = sorted(jobs, key=lambda name: -jobs[name])[:_QUEUES_WEIGHED]
    weights: dict[str, int] = {}
    for name in heaviest:  # one after the other, so that others come in between
        weights[name] = await site.runner.run(get_size(site.keys(name), _WEIGHED))
    total = sum(weights.values())
    rows = [_weight(name, count, weights.get(name), total) for name, count in jobs.items()]
    return sorted(rows, key=lambda row: (-(row.memory_estimate or 0), -row.jobs, row.name))


def _weight(name: str, jobs: int, size: int | None, total: int) -> QueueMemory:
    share = None if size is None or not total else round(size / total, 4)
    return QueueMemory(name=name, jobs=jobs, memory_estimate=size, share=share)
