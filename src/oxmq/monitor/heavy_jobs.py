"""Show what the reconciler of heavy jobs saw and did: the last report of the worker that leads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from msgspec import structs

from oxmq.monitor.job_rows import MAX_NAME
from oxmq.monitor.moments import moment
from oxmq.monitor.payloads import shown_text
from oxmq.monitor.site import Site
from oxmq.ops import reconciling
from oxmq.ops.reconciling import Repair, Report, SeenRun

#: A report comes every 30 s; without one for so many seconds, nobody reconciles.
SILENCE: Final = 90.0
#: How many runs, repairs, namespaces and kinds of action are shown, and how much of each sentence, in characters.
_RUNS, _REPAIRS, _NAMESPACES, _ACTIONS, _SENTENCE = 200, 50, 100, 20, 2_000
#: What nobody has to do anything about: the cluster deletes these Jobs by itself.
_NOTHING_TO_DO: Final = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """Hold a run of a heavy job as the reconciler saw it.

    Attributes:
        namespace: of the Kubernetes Job.
        name: the Kubernetes Job's.
        queue: the queue.
        job_id: the queue's job.
        task: the job's name.
        attempt: the attempt that the run is of.
        number: which of the job's runs it is.
        queue_says: what the queue says of it, in a few words.
        cluster_says: ``running``, ``complete``, ``failed`` or ``missing``.
        action: what follows: ``follow``, ``adopt``, ``wait``, ``keep``, ``forget`` or ``delete``.
        why: why, as a sentence.
        since: since when it has been like that.
    """

    namespace: str
    name: str
    queue: str
    job_id: str
    task: str
    attempt: int
    number: int
    queue_says: str
    cluster_says: str
    action: str
    why: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRepair:
    """Hold something that the reconciler did: when, to which Job of which job, why, and what came of it.

    `result` is ``done``, or says why it was not.
    """

    at: datetime | None
    namespace: str
    name: str
    queue: str
    job_id: str
    action: str
    why: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerReport:
    """Hold what the reconciler saw and did last.

    Attributes:
        at: when.
        leader: the worker that reconciled.
        term: how often the lead has changed.
        silent_for: for how many seconds there has been no report; null while they come as they should.
        owner: the label under which this installation's Jobs are known in the cluster.
        address: of the API server.
        namespaces: which were looked at.
        took: how many seconds it took.
        error: why the cluster could not be looked at; empty when it could.
        counts: how many runs there are, by what is to be done about them.
        runs: some of them, those with something to do first.
        repairs: what was done, the last first.
    """

    at: datetime | None
    leader: str
    term: int
    silent_for: float | None
    owner: str
    address: str
    namespaces: list[str]
    took: float
    error: str
    counts: dict[str, int]
    runs: list[WatchedRun]
    repairs: list[RunRepair]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeavyJobs:
    """Hold whether heavy jobs are reconciled, and the last report of that; null where there never was one."""

    reconciled: bool
    report: ReconcilerReport | None


async def get_heavy_jobs(site: Site, queues: frozenset[str] | None = None) -> HeavyJobs:
    """Return what is known of heavy jobs.

    Args:
        queues: the only queues whose jobs to show; None for all.

    Raises:
        UnavailableError: the server does not answer.
    """
    report = await site.read_or(reconciling.get_report(site.prefix), None)
    if report is None:
        return HeavyJobs(reconciled=False, report=None)
    shown = _shown_report(narrowed_report(report, queues), site.clock.now_ms())
    return HeavyJobs(reconciled=shown.silent_for is None, report=shown)


def narrowed_report(report: Report, queues: frozenset[str] | None) -> Report:
    """Return what a report says of some queues alone: its counts are then of the runs that it shows."""
    if queues is None:
        return report
    runs = [run for run in report.runs if run.queue in queues]
    repairs = [repair for repair in report.repairs if repair.queue in queues]
    counts = Counter(run.action for run in runs)
    return structs.replace(report, runs=runs, repairs=repairs, counts=dict(counts))


def age_of(report: Report, now_ms: int) -> float:
    """Return how many seconds old a report is."""
    return max(0.0, (now_ms - report.at_ms) / 1000)


def open_runs(report: Report) -> int:
    """Count the runs that somebody has to look after."""
    return sum(count for action, count in report.counts.items() if action != _NOTHING_TO_DO)


def _shown_report(report: Report, now_ms: int) -> ReconcilerReport:
    age = age_of(report, now_ms)
    return ReconcilerReport(
        at=moment(report.at_ms),
        leader=_name(report.worker),
        term=report.term,
        silent_for=age if age > SILENCE else None,
        owner=_name(report.owner),
        address=_name(report.address),
        namespaces=_names(report.namespaces),
        took=report.seconds,
        error=_sentence(report.error),
        counts={_name(action): count for action, count in islice(report.counts.items(), _ACTIONS)},
        runs=[_shown_run(run) for run in report.runs[:_RUNS]],
        repairs=[_shown_repair(repair) for repair in report.repairs[:_REPAIRS]],
    )


def _shown_run(run: SeenRun) -> WatchedRun:
    return WatchedRun(
        namespace=_name(run.namespace),
        name=_name(run.name),
        queue=_name(run.queue),
        job_id=_name(run.job_id),
        task=_name(run.task),
        attempt=run.attempt,
        number=run.number,
        queue_says=_name(run.queue_says),
        cluster_says=_name(run.cluster_says),
        action=_name(run.action),
        why=_sentence(run.why),
        since=moment(run.since_ms),
    )


def _shown_repair(repair: Repair) -> RunRepair:
    return RunRepair(
        at=moment(repair.at_ms),
        namespace=_name(repair.namespace),
        name=_name(repair.name),
        queue=_name(repair.queue),
        job_id=_name(repair.job_id),
        action=_name(repair.action),
        why=_sentence(repair.why),
        result=_sentence(repair.result),
    )


def _name(text: str) -> str:
    return shown_text(text, MAX_NAME)


def _names(texts: Iterable[str]) -> list[str]:
    return [_name(text) for text in islice(texts, _NAMESPACES)]


def _sentence(text: str) -> str:
    return shown_text(text, _SENTENCE)
