"""Ask the cluster for the pod of a run: create its Job, or adopt the one that is there."""

from __future__ import annotations

import random

from oxmq.errors import Unrecoverable
from oxmq.kubernetes.cluster import (
    AlreadyExistsError,
    ClusterError,
    ClusterUnavailableError,
    NotFoundError,
    Object,
    QuotaError,
)
from oxmq.kubernetes.diagnosis.outcome import PodError
from oxmq.kubernetes.held_job import HeldJob
from oxmq.kubernetes.manifest import Work, build_job
from oxmq.kubernetes.naming import Identity, identify
from oxmq.kubernetes.site import Site
from oxmq.kubernetes.spec import Kubernetes
from oxmq.ops.remote_runs import RemoteRun

#: How long to wait before the cluster is asked again, at first and at most, in seconds.
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 30.0


async def spawn(site: Site, held: HeldJob, spec: Kubernetes, run: RemoteRun, work: Work) -> Object:
    """Return the Job of a run, which is there afterwards; wait where waiting helps.

    Raises:
        PodError: the cluster did not take it for so long as the pod may be pending.
        Unrecoverable: the cluster never will, or it has a Job of that name that is not of this run.
        CancelledError, Delay: the worker closes.
    """
    manifest = build_job(spec, site.settings, work)
    pause = _FIRST_PAUSE
    while True:
        try:
            return await site.cluster.create_job(run.namespace, manifest)
        except AlreadyExistsError:
            adopted = await _adopt(site, run, work.identity)
            if adopted is not None:
                return adopted
            asked, why = None, "its Job vanished while it was looked at"
        except (QuotaError, ClusterUnavailableError) as error:
            asked, why = getattr(error, "retry_after", None), str(error)
        except ClusterError as error:
            raise Unrecoverable(f"the cluster refuses the Job of this job: {error}") from error
        waited = held.seconds_since(run.at_ms)
        if waited > spec.pending_seconds:
            raise PodError(f"the cluster did not take the Job in {waited:.0f} s: {why}")
        await held.tell(f"the cluster does not take the Job yet: {why}")
        await held.rest(asked or random.uniform(pause / 2, pause))
        pause = min(2 * pause, _LAST_PAUSE)


async def _adopt(site: Site, run: RemoteRun, identity: Identity) -> Object | None:
    try:
        job = await site.cluster.get_job(run.namespace, run.name)
    except (NotFoundError, ClusterUnavailableError):
        return None
    if identify(job) != identity:
        raise Unrecoverable(f"there is a Job {run.namespace}/{run.name} that is not of this job")
    return job
