"""Say in sentences what needs somebody's attention. Each rule is a function of what was seen of one queue or server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from oxmq.doctor import judge
from oxmq.doctor.facts import ServerFacts
from oxmq.doctor.finding import Finding, Level
from oxmq.monitor.heavy_jobs import age_of, open_runs
from oxmq.monitor.queues import latency_of, ready_in
from oxmq.monitor.watch import Look, QueueFacts
from oxmq.monitor.workers import PRESENT, Worker, workers_of
from oxmq.ops.reconciling import Report

Urgency = Literal["warning", "critical"]
Screen = Literal["queue", "jobs", "failures", "workers", "schedules", "redis", "kubernetes"]

#: A share of failures that is no accident, and of how many jobs at least.
_FAILING, _FAILING_OF = 0.1, 20
#: A backlog counts once its oldest job has waited for so many seconds.
_WAITED = 60.0
#: Over how many minutes a backlog must have grown, by what factor and by how many jobs at least.
_GROWN_OVER, _GROWN_BY, _GROWN_LEAST = 15, 1.2, 10
#: A schedule is late when its job was due so many milliseconds ago.
_LATE_MS = 60_000
#: Without a report on heavy jobs for so many seconds, it is time to say so.
_UNRECONCILED = 180.0
#: How many workers of a queue are named each, and how many sentences there are in all.
_MOST_WORKERS, _MOST = 5, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Say where more is shown: on which screen of the queue or server, and of which jobs."""

    screen: Screen
    state: str | None = None
    search: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Hold something that somebody should look at.

    Attributes:
        level: how urgent it is.
        kind: which rule says so.
        text: what is the matter, as a sentence.
        queue: where; None for the server as a whole.
        link: where more is shown.
    """

    level: Urgency
    kind: str
    text: str
    queue: str | None = None
    link: Link


def attention_of(look: Look) -> list[Attention]:
    """Return all that needs attention, the urgent first; at most a hundred."""
    found = [] if look.server is None else list(_about_server(look.server))
    found += [] if look.report is None else about_heavy_jobs(look.report, look.at_ms)
    for facts in look.queues.values():
        found += about_queue(facts, look.at_ms)
    found.sort(key=lambda item: item.level != "critical")
    return found[:_MOST]


def about_heavy_jobs(report: Report, now_ms: int) -> Iterator[Attention]:
    """Say that nobody looks after the Jobs of heavy jobs any more, or that the cluster cannot be looked at."""
    link, age = Link(screen="kubernetes"), age_of(report, now_ms)
    if age > _UNRECONCILED:
        runs = open_runs(report)
        if runs > 0:
            text = (
                f"Heavy jobs are not reconciled: the last look was {_span(age)} ago and saw {runs:,} "
                f"run{'s' * (runs != 1)} under way. No worker that runs heavy tasks is left, or none reaches Redis."
            )
            yield Attention(level="warning", kind="not_reconciled", text=text, link=link)
    elif report.error:
        text = f"The cluster of heavy jobs cannot be looked at: {_cut(report.error, 300)}"
        yield Attention(level="critical", kind="cluster", text=text, link=link)


def about_queue(facts: QueueFacts, now_ms: int) -> Iterator[Attention]:
    """Say what needs attention in one queue."""
    workers = workers_of(facts, now_ms)
    yield from no_worker(facts, workers)
    yield from stuck_workers(facts, workers)
    for rule in _RULES:
        yield from rule(facts, now_ms)


def no_worker(facts: QueueFacts, workers: list[Worker]) -> Iterator[Attention]:
    """Say that jobs wait which nobody is there to run."""
    ready = ready_in(facts.snapshot)
    known = facts.clients is not None or bool(workers)
    if ready and known and not facts.snapshot.paused and not any(worker.health in PRESENT for worker in workers):
        text = f"No worker runs {facts.name}: {_jobs(ready)} {'waits' if ready == 1 else 'wait'}."
        yield _urgent("no_worker", text, facts, Link(screen="workers"))


def stuck_workers(facts: QueueFacts, workers: list[Worker]) -> Iterator[Attention]:
    """Say which workers make no progress, or vanished while they had jobs."""
    stuck = [worker for worker in workers if worker.health == "stuck" or (worker.health == "gone" and worker.busy)]
    for worker in stuck[:_MOST_WORKERS]:
        who = worker.name or worker.address or worker.id
        text = f"Worker {who} of {facts.name} is {worker.health}. {worker.reason}"
        yield _urgent("stuck_worker", text, facts, Link(screen="workers"))
    if len(stuck) > _MOST_WORKERS:
        text = f"{len(stuck) - _MOST_WORKERS} more workers of {facts.name} are stuck."
        yield _urgent("stuck_worker", text, facts, Link(screen="workers"))


def growing_backlog(facts: QueueFacts, now_ms: int) -> Iterator[Attention]:
    """Say that jobs wait longer and longer: more of them at each look, and the first for over a minute."""
    waited = latency_of(facts.snapshot, now_ms) or 0
    before = [point.waiting for point in facts.history if point.at_ms >= now_ms - (_GROWN_OVER + 1) * 60_000]
    ready = ready_in(facts.snapshot)
    if facts.snapshot.paused or waited <= _WAITED or len(before) < 3:
        return
    least = max(before[0] * _GROWN_BY, before[0] + _GROWN_LEAST)
    if ready >= least and ready >= max(before) and before[-1] >= before[0]:
        minutes = max(1, round((now_ms - facts.history[-len(before)].at_ms) / 60_000))
        text = (
            f"The backlog of {facts.name} grows: {_jobs(ready)} wait; {minutes} minutes ago it was {before[0]:,}. The "
            f"first has waited for {_span(waited)}."
        )
        yield _minor("growing_backlog", text, facts, Link(screen="jobs", state="waiting"))


def failing(facts: QueueFacts, now_ms: int) -> Iterator[Attention]:
    """Say that a good part of the jobs fail, within the last minute or the last hour."""
    del now_ms
    hour_completed = sum(point.completed for point in facts.history)
    hour_failed = sum(point.failed for point in facts.history)
    spans = (
        ("minute", facts.snapshot.completed_minute, facts.snapshot.failed_minute),
        ("hour", hour_completed, hour_failed),
    )
    for name, completed, failed in spans:
        ended = completed + failed
        if ended >= _FAILING_OF and failed >= ended * _FAILING:
            text = (
                f"{failed / ended:.0%} of the jobs of {facts.name} failed in the last {name}: {failed:,} of {ended:,}."
            )
            yield _minor("failing", text, facts, Link(screen="failures"))
            return


def missed_schedule(facts: QueueFacts, now_ms: int) -> Iterator[Attention]:
    """Say that a schedule's job was due some time ago and has not been started."""
    if facts.first_due is None or facts.snapshot.paused or now_ms - facts.first_due[1] <= _LATE_MS:
        return
    scheduler_id, due_ms = facts.first_due
    text = f"Schedule {_cut(scheduler_id)} of {facts.name} is late: it was due {_span((now_ms - due_ms) / 1000)} ago."
    yield _minor("missed_schedule", text, facts, Link(screen="schedules"))


def stalled_jobs(facts: QueueFacts, now_ms: int) -> Iterator[Attention]:
    """Say that jobs count as running on which nobody works: their worker died, or its loop is blocked."""
    del now_ms
    stalled = [job for job in facts.running if job.lock_ms < 0]
    if stalled:
        one = len(stalled) == 1
        text = (
            f"{_jobs(len(stalled))} of {facts.name} {'counts' if one else 'count'} as running, and nobody works on "
            f"{'it' if one else 'them'}: a worker will start {'it' if one else 'them'} again."
        )
        link = Link(screen="jobs", state="active", job_id=stalled[0].id if one else None)
        yield _minor("stalled_jobs", text, facts, link)


def paused_with_jobs(facts: QueueFacts, now_ms: int) -> Iterator[Attention]:
    """Say that a paused queue keeps jobs waiting."""
    del now_ms
    ready = ready_in(facts.snapshot)
    if facts.snapshot.paused and ready:
        text = f"{facts.name} is paused: {_jobs(ready)} {'waits' if ready == 1 else 'wait'}."
        yield _minor("paused_with_jobs", text, facts, Link(screen="queue"))


_RULES: Final[tuple[Callable[[QueueFacts, int], Iterator[Attention]], ...]] = (
    growing_backlog,
    failing,
    missed_schedule,
    stalled_jobs,
    paused_with_jobs,
)


def _about_server(facts: ServerFacts) -> Iterator[Attention]:
    """Say what the doctor finds that endangers jobs; what is only worth knowing is left to the page of the server."""
    for finding in judge(facts):
        if finding.subject == "eviction" and finding.level is not Level.OK:
            yield _server_wide("eviction_policy", finding)
        elif finding.subject == "memory" and finding.level is not Level.OK:
            yield _server_wide("memory", finding)
        elif finding.subject == "persistence" and (finding.level is Level.ERROR or keeps_nothing(facts)):
            yield _server_wide("persistence", finding)


def keeps_nothing(facts: ServerFacts) -> bool:
    """Tell whether the server is known to write nothing to disk."""
    return facts.info.get("aof_enabled") != "1" and facts.config.get("save") == ""


def _server_wide(kind: str, finding: Finding) -> Attention:
    level: Urgency = "critical" if finding.level is Level.ERROR else "warning"
    what = f"{finding.what[:1].upper()}{finding.what[1:]}"
    return Attention(level=level, kind=kind, text=f"{what}: {finding.why}.", link=Link(screen="redis"))


def _urgent(kind: str, text: str, facts: QueueFacts, link: Link) -> Attention:
    return Attention(level="critical", kind=kind, text=text, queue=facts.name, link=link)


def _minor(kind: str, text: str, facts: QueueFacts, link: Link) -> Attention:
    return Attention(level="warning", kind=kind, text=text, queue=facts.name, link=link)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _cut(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
