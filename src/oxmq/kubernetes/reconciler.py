"""Compare what queues say of runs with what the cluster says, and mend what no worker does.

The workers that follow jobs look after these. What is left are Jobs that nobody follows: of jobs that have ended, were
removed or cancelled, and of earlier runs. One leader deletes them. It holds a lease, reads the queue again before each
repair, and names the uid of what it deletes; so two leaders at once, or one that was asleep, do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, structs

from oxmq.clock import Clock
from oxmq.errors import BackendError, OutcomeUnknownError, UnavailableError
from oxmq.keys import QueueKeys
from oxmq.kubernetes.cluster import Cluster, ClusterError, ConflictError, NotFoundError, Object
from oxmq.kubernetes.diagnosis.fields import find, instant, true_condition, whole
from oxmq.kubernetes.diagnosis.job_state import JobPhase, job_phase, job_state
from oxmq.kubernetes.naming import Identity, identify, selector
from oxmq.kubernetes.steps import IF_MISSING, ORDER, Step, decide
from oxmq.ops import audit, reconciling, remote_runs
from oxmq.ops.reconciling import Repair, Report, SeenRun
from oxmq.ops.running import get_running
from oxmq.transport.runner import AsyncRunner

_log = logging.getLogger("oxmq.kubernetes")

#: How many periods the lead lasts unless it is kept.
_LEASE: Final = 2.5
#: For how long after its time to live a finished Job is left to the cluster's own cleaning, in seconds.
_TTL_GRACE: Final = 600.0
#: How many runs a report shows, and how many repairs.
_SHOWN, _REPAIRS = 200, 50
#: How many questions to Redis are under way at once.
_AT_ONCE: Final = 100
#: How many of a queue's running jobs are looked at for runs whose Job is missing.
_RUNNING: Final = 250


_LEAVING: Final = Step("keep", "", "it is being deleted")


class Mine(Struct, frozen=True):
    """Hold one of this installation's Jobs.

    Attributes:
        expired: whether it ended so long ago that the cluster should have deleted it.
        leaving: whether it is being deleted: something may hold that up for any time.
    """

    identity: Identity
    namespace: str
    uid: str
    phase: JobPhase
    expired: bool
    leaving: bool


class Reconciler:
    """Reconcile every now and then, while this worker leads.

    Args:
        worker: the name of this worker.
        owner: whose Jobs these are.
        namespaces: where heavy jobs run.
        queues: the queues of heavy tasks.
        period: how often to reconcile, in seconds.
        orphan_grace: for how long a Job must have been an orphan before it is deleted, in seconds: a restore may be
            about to bring its job back, or its worker about to say that it has ended.
    """

    def __init__(
        self,
        runner: AsyncRunner,
        prefix: str,
        clock: Clock,
        cluster: Cluster,
        *,
        worker: str,
        owner: str,
        namespaces: Iterable[str],
        queues: Iterable[str],
        period: float,
        orphan_grace: float,
    ) -> None:
        self._runner = runner
        self._prefix = prefix
        self._clock = clock
        self._cluster = cluster
        self._worker = worker
        self._owner = owner
        self._namespaces = sorted(set(namespaces))
        self._queues = sorted(set(queues))
        self._period = period
        self._grace_ms = int(orphan_grace * 1000)
        self._lease_ms = int(_LEASE * period * 1000)
        self._since: dict[tuple[str, str], tuple[str, int]] = {}
        self._repairs: deque[Repair] = deque(maxlen=_REPAIRS)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop, and let another worker lead."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            await self._runner.run(reconciling.lead(self._prefix, self._worker, 0))
        except BackendError as error:
            _log.warning("the lead ends by itself: %s", error)

    async def reconcile(self) -> Report | None:
        """Reconcile once, if this worker leads; return what was seen.

        Raises:
            BackendError: Redis does not answer.
        """
        term = await self._runner.run(reconciling.lead(self._prefix, self._worker, self._lease_ms))
        if not term:
            return None
        began = time.monotonic()
        runs, error = await self._reconcile_all()
        report = Report(
            at_ms=self._clock.now_ms(),
            worker=self._worker,
            term=term,
            owner=self._owner,
            address=self._cluster.address,
            namespaces=self._namespaces,
            seconds=round(time.monotonic() - began, 3),
            error=error,
            counts=dict(Counter(run.action for run in runs)),
            runs=sorted(runs, key=lambda run: (ORDER.index(run.action), run.since_ms))[:_SHOWN],
            repairs=list(self._repairs),
        )
        await self._runner.run(reconciling.lead(self._prefix, self._worker, self._lease_ms, report))
        return report

    async def _run(self) -> None:
        while True:
            try:
                await self.reconcile()
            except BackendError as error:
                _log.warning("heavy jobs are not reconciled: %s", error)
            except Exception:  # noqa: BLE001 - one pass that trips over something must not be the last
                _log.exception("heavy jobs are not reconciled")
            await asyncio.sleep(self._period)

    async def _reconcile_all(self) -> tuple[list[SeenRun], str]:
        found: list[Mine] = []
        errors: list[str] = []
        began_ms = self._clock.now_ms()
        for namespace in self._namespaces:
            try:
                listing = await self._cluster.list_jobs(namespace, selector(self._owner))
            except ClusterError as error:
                errors.append(f"{namespace}: {error}")
            else:
                found += [mine for job in listing.items if (mine := _read(namespace, job, began_ms)) is not None]
        runs: list[SeenRun] = []
        for first in range(0, len(found), _AT_ONCE):
            runs += await asyncio.gather(*map(self._reconcile_one, found[first : first + _AT_ONCE]))
        if not errors:
            names = {(mine.namespace, mine.identity.name) for mine in found}
            runs += await self._find_missing(names, began_ms)
        self._since = {(run.namespace, run.name): self._since[run.namespace, run.name] for run in runs}
        return runs, "; ".join(errors)

    async def _reconcile_one(self, mine: Mine) -> SeenRun:
        step = _LEAVING if mine.leaving else await self._decide(mine)
        seen = self._see(mine.namespace, mine.identity, mine.phase, step)
        if step.action in ("delete", "forget") and self._is_due(seen, step):
            await self._repair(mine, seen)
        return seen

    async def _decide(self, mine: Mine) -> Step:
        call = remote_runs.get_run_state(mine.identity.keys, mine.identity.job_id)
        try:
            state = await self._runner.run(call)
        except (UnavailableError, OutcomeUnknownError):
            raise
        except BackendError as error:
            # A Job may say that it is of anything, also of a key that is no job.
            return Step("keep", "unreadable", f"what its job says cannot be read: {error}")
        return decide(mine.identity, mine.phase, state, expired=mine.expired)

    def _see(self, namespace: str, identity: Identity, cluster_says: str, step: Step) -> SeenRun:
        key = (namespace, identity.name)
        what, since = self._since.get(key, ("", 0))
        if what != step.why:
            since = self._clock.now_ms()
        self._since[key] = (step.why, since)
        return SeenRun(
            namespace=namespace,
            name=identity.name,
            queue=identity.queue,
            job_id=identity.job_id,
            task=identity.task,
            attempt=identity.attempt,
            number=identity.number,
            queue_says=step.queue_says,
            cluster_says="running" if cluster_says in ("active", "suspended") else cluster_says,
            action=step.action,
            why=step.why,
            since_ms=since,
        )

    def _is_due(self, seen: SeenRun, step: Step) -> bool:
        return not step.patient or self._clock.now_ms() - seen.since_ms >= self._grace_ms

    async def _repair(self, mine: Mine, seen: SeenRun) -> None:
        """Do what is to be done, if it still is and this worker still leads."""
        if not await self._runner.run(reconciling.lead(self._prefix, self._worker, self._lease_ms)):
            return
        step = await self._decide(mine)
        if step.action != seen.action or step.why != seen.why:
            return
        result = await (self._delete(mine) if step.action == "delete" else self._forget(mine))
        if not result:
            return
        identity = mine.identity
        repair = Repair(
            at_ms=self._clock.now_ms(),
            namespace=mine.namespace,
            name=identity.name,
            queue=identity.queue,
            job_id=identity.job_id,
            action=step.action,
            why=step.why,
            result=result,
        )
        if any(structs.replace(repair, at_ms=earlier.at_ms) == earlier for earlier in self._repairs):
            return  # it fails as it did before: once is told often enough
        self._repairs.appendleft(repair)
        _log.info("%s Job %s/%s: %s: %s", repair.action, repair.namespace, repair.name, repair.why, repair.result)
        await self._runner.run(audit.append(self._prefix, _entry(repair, self._worker)))

    async def _delete(self, mine: Mine) -> str:
        try:
            await self._cluster.delete_job(mine.namespace, mine.identity.name, mine.uid)
        except (NotFoundError, ConflictError):
            return ""
        except ClusterError as error:
            return f"failed: {error}"
        return "done"

    async def _forget(self, mine: Mine) -> str:
        state = await self._runner.run(remote_runs.get_run_state(mine.identity.keys, mine.identity.job_id))
        if state.run is None or state.run.number != mine.identity.number:
            return ""
        done = await self._runner.run(remote_runs.end_run(mine.identity.keys, mine.identity.job_id, state.run))
        return "done" if done else ""

    async def _find_missing(self, names: set[tuple[str, str]], began_ms: int) -> list[SeenRun]:
        """Return the runs of jobs under way whose Job is not in the cluster: they wait for who holds the job."""
        missing: list[SeenRun] = []
        for queue in self._queues:
            keys = QueueKeys(queue, self._prefix)
            for job in await self._runner.run(get_running(keys, _RUNNING)):
                state = await self._runner.run(remote_runs.get_run_state(keys, job.id))
                run = state.current
                if run is None or run.at_ms >= began_ms or (run.namespace, run.name) in names:
                    continue
                if run.namespace not in self._namespaces:
                    continue
                identity = Identity(
                    owner=self._owner, prefix=self._prefix, queue=queue, job_id=job.id, timestamp=state.timestamp,
                    number=run.number, attempt=run.attempt, task=job.name,
                )  # fmt: skip
                missing.append(self._see(run.namespace, identity, "missing", IF_MISSING[run.phase]))
        return missing


def _read(namespace: str, job: Object, now_ms: int) -> Mine | None:
    identity = identify(job)
    if identity is None:
        return None
    metadata = job.get("metadata", {})
    return Mine(
        identity=identity,
        namespace=namespace,
        uid=str(metadata.get("uid", "")),
        phase=job_phase(job),
        expired=_is_expired(job, now_ms),
        leaving=job_state(job).is_deleted,
    )


def _is_expired(job: Object, now_ms: int) -> bool:
    """Tell whether a Job ended so long ago that the cluster should have deleted it."""
    status = find(job, "status")
    over = true_condition(status, "Complete") or true_condition(status, "Failed")
    ended, ttl = instant(over, "lastTransitionTime"), whole(job, "spec", "ttlSecondsAfterFinished") or 0
    return ended is not None and now_ms / 1000 > ended.timestamp() + ttl + _TTL_GRACE


def _entry(repair: Repair, worker: str) -> dict[str, str]:
    return {
        "user": f"reconciler on {worker}"[:200],
        "role": "system",
        "action": f"kubernetes {repair.action}",
        "queue": repair.queue,
        "scope": f"Job {repair.namespace}/{repair.name} of job {repair.job_id}: {repair.why}"[:500],
        "result": repair.result[:500],
    }
