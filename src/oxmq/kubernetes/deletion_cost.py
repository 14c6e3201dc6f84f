"""Tell Kubernetes which worker pods to spare when it scales in: those that run jobs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from oxmq.errors import ConfigurationError
from oxmq.kubernetes.api_client import ApiCluster, connect
from oxmq.worker.events import logger
from oxmq.worker.service import Service

ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
#: How often the annotation may change, in seconds: each change is a write to the API server.
INTERVAL: Final = 10.0


class Annotator(Protocol):
    """Be able to annotate a pod: the part of a `Cluster` that is needed here."""

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a pod."""
        ...


def deletion_cost(busy: int) -> int:
    """Return what it costs to delete a pod that runs so many jobs: 0 for none, and one more with each doubling.

    A controller deletes the cheapest pods first. Steps keep the annotation still while the number of jobs flickers.
    """
    return max(0, busy).bit_length()


class DeletionCost(Service):
    """Keep the annotation of this worker's own pod true.

    A failure is logged when it begins, and never goes further: the worker does its work without the annotation too.

    Args:
        cluster: where the pod is.
        namespace: the pod's namespace.
        pod: the pod's name.
        busy: tells how many jobs the worker runs that would be lost with it.
        interval: how often the annotation may change, in seconds.
    """

    def __init__(
        self, cluster: Annotator, namespace: str, pod: str, busy: Callable[[], int], interval: float = INTERVAL
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._pod = pod
        self._busy = busy
        self._interval = interval
        self._told: int | None = None
        self._failing = False

    async def _run(self) -> None:
        while True:
            await self._tell(deletion_cost(self._busy()))
            await asyncio.sleep(self._interval)

    async def _tell(self, cost: int) -> None:
        if cost == self._told:
            return
        try:
            await self._cluster.annotate_pod(self._namespace, self._pod, {ANNOTATION: str(cost)})
        except Exception as error:  # noqa: BLE001 - whatever the cluster says, the worker goes on
            if not self._failing:
                logger.warning("pod %s cannot be annotated, so that a scale-in may take it: %s", self._pod, error)
            self._failing = True
        else:
            self._told, self._failing = cost, False


class OwnPod:
    """Keep the deletion cost of the pod that this process runs in true, where it runs in one that says which it is.

    Args:
        busy: tells how many jobs would be lost with the pod.
    """

    def __init__(self, busy: Callable[[], int]) -> None:
        self._busy = busy
        self._cluster: ApiCluster | None = None
        self._cost: DeletionCost | None = None

    async def start(self) -> None:
        """Start, if ``POD_NAME`` and ``POD_NAMESPACE`` are set and the cluster's client is installed."""
        pod, namespace = os.environ.get("POD_NAME"), os.environ.get("POD_NAMESPACE")
        if not pod or not namespace or "KUBERNETES_SERVICE_HOST" not in os.environ:
            return
        try:
            self._cluster = await connect()
        except ConfigurationError as error:
            logger.warning("pod %s cannot be annotated, so that a scale-in may take it: %s", pod, error)
            return
        self._cost = DeletionCost(self._cluster, namespace, pod, self._busy)
        self._cost.start()

    async def close(self) -> None:
        """Stop; the annotation stays, for the pod is about to end."""
        if self._cost is not None:
            await self._cost.stop()
        if self._cluster is not None:
            await self._cluster.close()
