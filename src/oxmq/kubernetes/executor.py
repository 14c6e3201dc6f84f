"""Run the heavy jobs of a worker process: hold the cluster, the watches, and the reconciler."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.clock import Clock
from oxmq.errors import BackendError, ConfigurationError, OutcomeUnknownError, UnavailableError
from oxmq.executors.child_task import Reference
from oxmq.kubernetes.api_client import connect
from oxmq.kubernetes.cluster import Cluster
from oxmq.kubernetes.follower import Follower
from oxmq.kubernetes.held_job import HeldJob
from oxmq.kubernetes.naming import RUN, label_value, selector
from oxmq.kubernetes.reconciler import Reconciler
from oxmq.kubernetes.settings import HeavySettings
from oxmq.kubernetes.site import Site
from oxmq.kubernetes.spec import Kubernetes
from oxmq.kubernetes.watching import JobWatch, PodLook
from oxmq.ops import reconciling, remote_runs
from oxmq.transport.runner import AsyncRunner

_log = logging.getLogger("oxmq.kubernetes")

#: How long to wait before Redis is asked once more, in seconds.
_PAUSE: Final = 1.0


class HeavyTask(Struct, frozen=True):
    """Hold a task whose jobs run in pods: where a pod finds it, and what its pods are like."""

    reference: Reference
    spec: Kubernetes


class KubernetesExecutor:
    """Run jobs in pods. One for a worker process; `start` connects.

    Args:
        runner: executes calls to Redis.
        settings: what the environment says.
        places: the queue and the pods of each of the application's tasks that run in pods: what is reconciled.
        open_cluster: connects to the cluster.
    """

    def __init__(
        self,
        runner: AsyncRunner,
        prefix: str,
        clock: Clock,
        settings: HeavySettings,
        places: Iterable[tuple[str, Kubernetes]],
        open_cluster: Callable[[], Awaitable[Cluster]] = connect,
    ) -> None:
        self._runner = runner
        self._prefix = prefix
        self._clock = clock
        self._settings = settings
        self._places = list(places)
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
            BackendError: Redis refuses to say whose Jobs these are; while it does not answer, it is asked again.
        """
        cluster = self._cluster = await self._open_cluster()
        try:
            self._owner = await self._claim_owner()
        except BaseException:
            await cluster.close()
            raise
        self._reconciler = Reconciler(
            self._runner,
            self._prefix,
            self._clock,
            cluster,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            owner=self._owner,
            namespaces={self._namespace_of(spec) for _, spec in self._places},
            queues={queue for queue, _ in self._places},
            period=self._settings.reconcile_every,
            orphan_grace=self._settings.orphan_grace,
        )
        self._reconciler.start()

    async def run(self, context: QueueContext, job: Job[Any], task: HeavyTask) -> msgspec.Raw:
        """Run a job in a pod and return its result as JSON: see `Follower.run`."""
        namespace = self._namespace_of(task.spec)
        held = HeldJob(context, job, self._let_go)
        follower = Follower(self._site_in, namespace, held, task.spec, task.reference)
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

    async def _claim_owner(self) -> str:
        while True:
            try:
                owner = await self._runner.run(reconciling.claim_owner(self._prefix, uuid.uuid4().hex[:16]))
            except (UnavailableError, OutcomeUnknownError) as error:
                _log.warning("heavy jobs wait for Redis: %s", error)
            else:
                if label_value(owner) != owner:
                    raise ConfigurationError(
                        f"{reconciling.owner_key(self._prefix)} must be a label, not {owner!r:.80}"
                    )
                return owner
            await asyncio.sleep(_PAUSE)

    async def _forget(self, context: QueueContext, job_id: str) -> None:
        try:
            state = await context.runner.run(remote_runs.get_run_state(context.keys, job_id))
            # It may be under way again, and have another run, which is wanted.
            if state.run is not None and state.run.phase != "over" and state.current is None:
                await context.runner.run(remote_runs.end_run(context.keys, job_id, state.run))
        except BackendError:
            return  # the reconciler does it

    def _namespace_of(self, spec: Kubernetes) -> str:
        assert self._cluster is not None
        return spec.namespace or self._settings.namespace or self._cluster.namespace

    def _site_in(self, namespace: str) -> Site:
        assert self._cluster is not None
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
