"""Run the heavy jobs of a worker process: hold the cluster, the watches, and the reconciler."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.clock import Clock
from oxmq.errors import BackendError, Delay
from oxmq.executors.child_task import Reference
from oxmq.kubernetes.api_client import connect
from oxmq.kubernetes.cluster import Cluster
from oxmq.kubernetes.follower import Follower, Site
from oxmq.kubernetes.naming import RUN, selector
from oxmq.kubernetes.reconciler import Reconciler
from oxmq.kubernetes.settings import HeavySettings
from oxmq.kubernetes.spec import Kubernetes
from oxmq.kubernetes.watching import JobWatch, PodLook
from oxmq.ops import reconciling, remote_runs
from oxmq.transport.runner import AsyncRunner


class HeavyTask(Struct, frozen=True):
    """Hold a task whose jobs run in pods: where a pod finds it, its queue, and what its pods are like."""

    reference: Reference
    queue: str
    spec: Kubernetes


class KubernetesExecutor:
    """Run jobs in pods. One for a worker process; `start` connects.

    Args:
        runner: executes calls to Redis.
        settings: what the environment says.
        tasks: the tasks that run in pods.
        open_cluster: connects to the cluster.
    """

    def __init__(
        self,
        runner: AsyncRunner,
        prefix: str,
        clock: Clock,
        settings: HeavySettings,
        tasks: Iterable[HeavyTask],
        open_cluster: Callable[[], Awaitable[Cluster]] = connect,
    ) -> None:
        self._runner = runner
        self._prefix = prefix
        self._clock = clock
        self._settings = settings
        self._tasks = list(tasks)
        self._open_cluster = open_cluster
        self._sites: dict[str, Site] = {}
        self._cluster: Cluster | None = None
        self._reconciler: Reconciler | None = None
        self._owner = ""
        self._let_go = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self.running = 0

    async def start(self) -> None:
        """Connect to the cluster and start to reconcile.

        Raises:
            ConfigurationError: no cluster is configured.
            BackendError: Redis does not answer.
        """
        cluster = self._cluster = await self._open_cluster()
        self._owner = await self._runner.run(reconciling.claim_owner(self._prefix, uuid.uuid4().hex[:16]))
        self._reconciler = Reconciler(
            self._runner,
            self._prefix,
            self._clock,
            cluster,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            owner=self._owner,
            namespaces={self._namespace_of(task.spec) for task in self._tasks},
            queues={task.queue for task in self._tasks},
            period=self._settings.reconcile_every,
            orphan_grace=self._settings.orphan_grace,
        )
        self._reconciler.start()

    async def run(self, context: QueueContext, job: Job[Any], task: HeavyTask) -> msgspec.Raw:
        """Run a job in a pod and return its result as JSON: see `Follower.run`."""
        follower = Follower(self._site(task.spec), context, job, task.spec, task.reference, self._let_go)
        self.running += 1
        try:
            return await follower.run()
        finally:
            self.running -= 1

    def ended(self, context: QueueContext, job: Job[Any]) -> None:
        """Note that the queue has taken the outcome of a job: what its pod left is no longer wanted."""
        task = asyncio.get_running_loop().create_task(self._forget(context, job.id))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def let_go(self) -> None:
        """Hand all jobs back to the queue, at no cost; their pods go on, and another worker follows them."""
        self._let_go.set()

    async def close(self) -> None:
        """Close the connections to the cluster. The pods go on."""
        self.let_go()
        await asyncio.gather(*self._ending, return_exceptions=True)
        if self._reconciler is not None:
            await self._reconciler.close()
        for site in self._sites.values():
            await site.watch.close()
            await site.pods.close()
        if self._cluster is not None:
            await self._cluster.close()

    async def _forget(self, context: QueueContext, job_id: str) -> None:
        try:
            state = await context.runner.run(remote_runs.get_run_state(context.keys, job_id))
            if state.run is not None and state.run.phase != "over":
                await context.runner.run(remote_runs.end_run(context.keys, job_id, state.run))
        except BackendError:
            return  # the reconciler does it

    def _namespace_of(self, spec: Kubernetes) -> str:
        assert self._cluster is not None
        return spec.namespace or self._settings.namespace or self._cluster.namespace

    def _site(self, spec: Kubernetes) -> Site:
        if self._cluster is None:
            raise Delay(1)  # the cluster's address is not known yet
        namespace = self._namespace_of(spec)
        if namespace not in self._sites:
            self._sites[namespace] = Site(
                cluster=self._cluster,
                watch=JobWatch(self._cluster, namespace, selector(self._owner)),
                pods=PodLook(self._cluster, namespace, RUN),
                settings=self._settings,
                namespace=namespace,
                owner=self._owner,
            )
        return self._sites[namespace]
