"""Examine the cluster where heavy jobs run: whether it answers, what may be done there, and what is left undone.

Everything here only reads. The rights are those of whoever runs this; a worker's may be others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from oxmq.clock import SystemClock
from oxmq.doctor.finding import Finding, Level
from oxmq.errors import BackendError, ConfigurationError
from oxmq.keys import DEFAULT_PREFIX
from oxmq.kubernetes.access import load_library
from oxmq.kubernetes.api_client import connect
from oxmq.kubernetes.cluster import RIGHTS, Cluster, ClusterError, Listing
from oxmq.kubernetes.diagnosis.job_state import job_phase
from oxmq.kubernetes.naming import identify, selector
from oxmq.kubernetes.settings import read_settings
from oxmq.ops import reconciling
from oxmq.ops.reconciling import Report, SeenRun
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner

OpenCluster = Callable[[], Awaitable[Cluster]]

#: A report comes every 30 s; without one for so many seconds, nobody reconciles.
_SILENCE: Final = 90.0
#: What is still to be done after so many seconds is told of: repairs and new pods take a minute or two.
_OVERDUE: Final = 300.0
#: How many runs and repairs are told of each.
_LISTED: Final = 10


def check_library() -> None:
    """Raise `ConfigurationError` where the client library of clusters is not installed."""
    load_library("client")


async def examine_cluster(
    endpoint: Endpoint,
    *,
    prefix: str = DEFAULT_PREFIX,
    namespaces: Sequence[str] = (),
    open_cluster: OpenCluster = connect,
) -> list[Finding]:
    """Examine the cluster that this process belongs to, or that its kubeconfig names.

    Args:
        namespaces: where heavy jobs run; when none is named, where the reconciler looked last, else the namespace of
            the environment (``OXMQ_KUBERNETES_NAMESPACE``), else the cluster's own.
        open_cluster: connects to the cluster.

    Raises:
        UnavailableError: Redis does not answer.
    """
    clock = SystemClock()
    runner = AsyncRunner(endpoint, clock)
    try:
        owner, report = await _read_records(runner, prefix)
    finally:
        await runner.close()
    findings = list(_judge_report(report, clock.now_ms()))
    try:
        cluster = await open_cluster()
    except ConfigurationError as error:
        why = "no worker with this environment can run heavy jobs there"
        fix = ("set KUBECONFIG, or run this in a pod of the cluster",)
        return [Finding(Level.ERROR, "cluster", str(error), why, fix), *findings]
    try:
        return [*await _examine(cluster, _places(namespaces, report, cluster), owner, report), *findings]
    finally:
        await cluster.close()


async def _read_records(runner: AsyncRunner, prefix: str) -> tuple[str | None, Report | None]:
    try:
        return (
            await runner.run(reconciling.get_owner(prefix)),
            await runner.run(reconciling.get_report(prefix)),
        )
    except BackendError as error:
        if type(error) is not BackendError:
            raise
        return None, None  # something else is in their place


def _places(asked: Sequence[str], report: Report | None, cluster: Cluster) -> list[str]:
    if asked:
        return sorted(set(asked))
    if report is not None and report.namespaces:
        return report.namespaces
    return [read_settings().namespace or cluster.namespace]


async def _examine(cluster: Cluster, namespaces: list[str], owner: str | None, report: Report | None) -> list[Finding]:
    findings: list[Finding] = []
    try:
        for namespace in namespaces:
            findings += await _check_rights(cluster, namespace)
            findings += await _check_jobs(cluster, namespace, owner, report)
    except ClusterError as error:
        why = "no heavy job can be started or followed; those that run go on"
        what = f"{cluster.address} cannot be asked: {error}"
        return [Finding(Level.ERROR, "cluster", what, why, ("see that KUBECONFIG names a cluster that answers",))]
    where = f"namespace{'s' * (len(namespaces) > 1)} {', '.join(namespaces)}"
    return [Finding(Level.OK, "cluster", f"{cluster.address} answers; {where}"), *findings]


# ---- rights ----------------------------------------------------------------------------------------------------------


async def _check_rights(cluster: Cluster, namespace: str) -> list[Finding]:
    allowed = await asyncio.gather(*(cluster.is_allowed(namespace, *right) for right in RIGHTS))
    missing = [right for right, is_allowed in zip(RIGHTS, allowed, strict=True) if not is_allowed]
    if not missing:
        return [Finding(Level.OK, "rights", f"all {len(RIGHTS)} that heavy jobs need, in namespace {namespace}")]
    return [_missing_right(namespace, *right) for right in missing]


def _missing_right(namespace: str, group: str, resource: str, verb: str) -> Finding:
    what = f"this client may not {verb} {resource} in namespace {namespace}"
    rule = f'apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]'
    fix = (f"to the Role of workers in namespace {namespace}, add the rule {{{rule}}}",)
    return Finding(Level.ERROR, "rights", what, "workers of heavy jobs need that", fix)


# ---- Jobs ------------------------------------------------------------------------------------------------------------


async def _check_jobs(cluster: Cluster, namespace: str, owner: str | None, report: Report | None) -> list[Finding]:
    if owner is None:
        return [Finding(Level.OK, "jobs", "no worker of heavy jobs has ever run with this prefix")]
    try:
        listing = await cluster.list_jobs(namespace, selector(owner))
    except ClusterError as error:
        if error.status == 0:
            raise
        return [Finding(Level.WARNING, "jobs", f"those of namespace {namespace} could not be listed", str(error))]
    return list(_judge_jobs(namespace, listing, report))


def _judge_jobs(namespace: str, listing: Listing, report: Report | None) -> Iterator[Finding]:
    counts = Counter[str](job_phase(job) for job in listing.items)
    words = ", ".join(f"{count:,} {phase}" for phase, count in sorted(counts.items())) or "none"
    yield Finding(Level.OK, "jobs", f"of this installation in namespace {namespace}: {words}")
    if strangers := sum(identify(job) is None for job in listing.items):
        what = f"{strangers:,} in namespace {namespace} do not say of which run they are"
        yield Finding(Level.WARNING, "jobs", what, "somebody has changed them, and nobody looks after them")
    if counts["active"] and (report is None or namespace not in report.namespaces):
        why = "Jobs whose worker died are not cleaned up there"
        yield Finding(Level.WARNING, "jobs", f"nobody reconciles namespace {namespace}", why)


# ---- the last report -------------------------------------------------------------------------------------------------


def _judge_report(report: Report | None, now_ms: int) -> Iterator[Finding]:
    if report is None:
        why = "heavy jobs whose worker dies are left to themselves"
        fix = ("start a worker of an application with heavy tasks: oxmq worker module:app",)
        yield Finding(Level.WARNING, "reconciler", "it has never reported", why, fix)
        return
    age = (now_ms - report.at_ms) / 1000
    yield _judge_age(report, age)
    if report.error:
        why = "Jobs that nobody follows are left where they are"
        yield Finding(Level.ERROR, "reconciler", f"it could not look at all: {_cut(report.error)}", why)
    yield from _listed([run for run in report.runs if _is_overdue(run, report)])
    for repair in [repair for repair in report.repairs if repair.result != "done"][:_LISTED]:
        what = f"could not {repair.action} Job {_cut(repair.namespace)}/{_cut(repair.name)}"
        yield Finding(Level.WARNING, "reconciler", what, _cut(repair.result))


def _judge_age(report: Report, age: float) -> Finding:
    counts = ", ".join(f"{count:,} to {_cut(action)}" for action, count in report.counts.items()) or "no runs"
    what = f"{_cut(report.worker)} (term {report.term}) looked {max(0.0, age):,.0f} s ago and took {report.seconds:g} s"
    if age <= _SILENCE:
        return Finding(Level.OK, "reconciler", f"{what}: {counts}")
    busy = any(action != "keep" and count > 0 for action, count in report.counts.items())
    level = Level.ERROR if busy else Level.WARNING
    why = "nobody looks after Jobs that are left over" + (f": {counts}" if busy else "")
    fix = ("start a worker of an application with heavy tasks: oxmq worker module:app",)
    return Finding(level, "reconciler", what, why, fix)


def _is_overdue(run: SeenRun, report: Report) -> bool:
    return run.action in ("delete", "wait") and report.at_ms - run.since_ms > _OVERDUE * 1000


def _listed(runs: Sequence[SeenRun]) -> Iterator[Finding]:
    for run in runs[:_LISTED]:
        where = f"Job {_cut(run.namespace)}/{_cut(run.name)} of job {_cut(run.job_id)} in queue {_cut(run.queue)}"
        state = "is missing" if run.action == "wait" else "is still to be deleted"
        yield Finding(Level.WARNING, "reconciler", f"{where} {state}", _cut(run.why))
    if len(runs) > _LISTED:
        yield Finding(Level.WARNING, "reconciler", f"{len(runs) - _LISTED:,} more are overdue")


def _cut(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:299]}…"
