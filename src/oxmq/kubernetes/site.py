"""Hold where runs take place, and ask there what is known of one."""

from __future__ import annotations

import logging

from msgspec import Struct

from oxmq.kubernetes.cluster import Cluster, ClusterError, ConflictError, NotFoundError, Object
from oxmq.kubernetes.diagnosis.fields import text
from oxmq.kubernetes.diagnosis.pod_state import PodState
from oxmq.kubernetes.settings import HeavySettings
from oxmq.kubernetes.watching import JobWatch, PodLook
from oxmq.ops.remote_runs import RemoteRun

_log = logging.getLogger("oxmq.kubernetes")


class Site(Struct, frozen=True):
    """Hold where runs take place: the cluster, what watches a namespace of it, and whose Jobs they are."""

    cluster: Cluster
    watch: JobWatch
    pods: PodLook
    settings: HeavySettings
    namespace: str
    owner: str

    async def pods_of(self, run: RemoteRun) -> list[Object] | None:
        """Return the pods of a run; None where the cluster does not say."""
        try:
            return await self.pods.pods_of(run.name)
        except ClusterError:
            return None  # `PodLook` has told it, once for all who asked

    async def log_of(self, run: RemoteRun, pod: PodState, lines: int) -> str:
        """Return the last lines that a pod's program has written; nothing where they cannot be had."""
        try:
            return await self.cluster.read_log(run.namespace, pod.name, lines, pod.container)
        except ClusterError as error:
            _log.warning("the log of pod %s/%s cannot be read: %s", run.namespace, pod.name, error)
            return ""

    async def events_of(self, run: RemoteRun, pod: str = "") -> list[Object]:
        """Return what the cluster tells about a run's Job and a pod of it, as far as it can be had."""
        found: list[Object] = []
        for name in filter(None, (run.name, pod)):
            try:
                found += await self.cluster.list_events(run.namespace, name)
            except ClusterError as error:
                _log.warning("the events of %s/%s cannot be read: %s", run.namespace, name, error)
        return found

    async def delete(self, run: RemoteRun) -> None:
        """Delete a run's Job, and no other one of its name.

        Raises:
            ClusterError: it may still be there.
        """
        try:
            uid = run.uid or uid_of(await self.cluster.get_job(run.namespace, run.name))
            await self.cluster.delete_job(run.namespace, run.name, uid)
        except (NotFoundError, ConflictError):
            return


def uid_of(job: Object) -> str:
    """Return the uid of an object of the cluster."""
    return text(job, "metadata", "uid")
