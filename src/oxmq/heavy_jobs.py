"""Run the jobs of tasks that ask for a pod: in a cluster, or in limited processes where there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from oxmq.client.job import Job
from oxmq.executors.child_task import carried_environment
from oxmq.executors.limited import LimitedExecutor, Limits
from oxmq.executors.threads import ThreadExecutor
from oxmq.kubernetes.executor import HeavyTask, KubernetesExecutor
from oxmq.kubernetes.manifest import check_server_reachable, image_of, job_variables
from oxmq.kubernetes.naming import Identity
from oxmq.kubernetes.settings import HeavySettings, read_settings
from oxmq.kubernetes.spec import Kubernetes
from oxmq.options import check_whole
from oxmq.worker.events import WorkerEvent
from oxmq.worker.worker import Worker

if TYPE_CHECKING:
    from oxmq.app import Oxmq

_ENDS: tuple[WorkerEvent, ...] = ("completed", "failed", "retrying")


class HeavyJobs:
    """Run the heavy jobs of a worker process.

    Args:
        app: the application.
        queues: the queues that are worked.
        slots: how many jobs may run in pods, over all queues, besides what a worker's own slots allow.

    Raises:
        ConfigurationError: the environment lacks what the tasks' pods need.
    """

    def __init__(self, app: Oxmq, queues: Iterable[str], slots: int) -> None:
        self._app = app
        self._slots = check_whole(slots, "concurrency_kubernetes", least=1)
        names = set(queues)
        # Whoever leads reconciles for all of the application's workers, whichever queues those work.
        places = [(task.queue, task.run) for task in app.tasks.values() if isinstance(task.run, Kubernetes)]
        self._tasks = {
            (task.queue, task.name): HeavyTask(task.reference, task.run)
            for task in app.tasks.values()
            if isinstance(task.run, Kubernetes) and task.queue in names
        }
        self._settings = _settings_of(app) if self._tasks else HeavySettings(place="process")
        self._running: Counter[str] = Counter()
        self._lent: Counter[str] = Counter()
        self._workers: dict[str, Worker] = {}
        self._local = LimitedExecutor(ThreadExecutor())
        self._cluster: KubernetesExecutor | None = None
        if self.place == "kubernetes":
            self._check()
            self._cluster = KubernetesExecutor(app.runner, app.prefix, app.clock, self._settings, places)

    @property
    def place(self) -> str:
        """Return where they run: ``kubernetes`` or ``process``; empty when there are none."""
        return self._settings.place if self._tasks else ""

    @property
    def in_pods(self) -> int:
        """Return how many jobs run in pods: those that outlive this process."""
        return 0 if self._cluster is None else self._cluster.running

    async def start(self, workers: Sequence[Worker]) -> None:
        """Connect to the cluster, if jobs run there.

        Raises:
            ConfigurationError: no cluster is configured, or not as it should be.
        """
        if self._cluster is None:
            return
        await self._cluster.start()
        for worker in workers:
            if any(queue == worker.queue_name for queue, _ in self._tasks):
                self._workers[worker.queue_name] = worker
                worker.on("closing", self._cluster.let_go)
                for event in _ENDS:
                    worker.on(event, partial(self._ended, self._cluster))

    async def run(
        self, job: Job[Any], spec: Kubernetes, carrier: Mapping[str, str] | None = None
    ) -> msgspec.Raw | None:
        """Run a job and return its result as JSON.

        Args:
            job: the job.
            spec: what its pod is like.
            carrier: the propagation headers of the worker's trace: the program has them in its environment.

        Raises:
            OxmqError: the attempt has failed; see `Follower.run` and `LimitedExecutor.run`.
        """
        task = self._tasks[job.queue_name, job.name]
        if carrier:
            # What the task's own code says of its environment wins.
            spec = structs.replace(spec, env={**carried_environment(carrier), **spec.env})
            task = structs.replace(task, spec=spec)
        if self._cluster is None:
            return await self._run_here(job, task, spec)
        self._running[job.queue_name] += 1
        self._share_slots()
        try:
            return await self._cluster.run(self._app.context(job.queue_name), job, task)
        finally:
            self._running[job.queue_name] -= 1
            self._share_slots()

    async def close(self) -> None:
        """Stop what runs here; pods go on."""
        self._local.close()
        if self._cluster is not None:
            await self._cluster.close()

    def _check(self) -> None:
        for (_, name), task in self._tasks.items():
            image_of(task.spec, self._settings, name)
            if not _is_told_by_code(self._app, self._settings):
                check_server_reachable(task.spec, self._settings, name)

    def _share_slots(self) -> None:
        """Let workers take other jobs in the place of those that run in pods, as long as there are slots."""
        for queue in self._workers:
            self._lend(queue, min(0, self._running[queue] - self._lent[queue]))
        for queue in self._workers:
            free = self._slots - self._lent.total()
            self._lend(queue, min(free, self._running[queue] - self._lent[queue]))

    def _lend(self, queue: str, slots: int) -> None:
        if slots:
            self._lent[queue] += slots
            self._workers[queue].concurrency += slots

    def _ended(self, cluster: KubernetesExecutor, job: Job[Any], _: object) -> None:
        if (job.queue_name, job.name) in self._tasks:
            cluster.ended(self._app.context(job.queue_name), job)

    async def _run_here(self, job: Job[Any], task: HeavyTask, spec: Kubernetes) -> msgspec.Raw | None:
        limits = _limits_of(spec)
        if spec.command is None:
            return await self._local.run(task.reference, job.record, job.token, limits, spec.env)
        record = job.record
        identity = Identity(
            owner="", prefix=self._app.prefix, queue=job.queue_name, job_id=job.id, timestamp=record.timestamp,
            number=1, attempt=record.attempts_made + 1, task=job.name,
        )  # fmt: skip
        variables = {**spec.env, **job_variables(identity, record.data, "")}
        return await self._local.run_command(spec.command, variables, limits, job.log)


def _is_told_by_code(app: Oxmq, settings: HeavySettings) -> bool:
    """Tell whether the application itself says where Redis is, so that a pod of the same code knows it, too."""
    return app.endpoint.source != settings.url and not app.endpoint.address.startswith("embedded:")


def _settings_of(app: Oxmq) -> HeavySettings:
    settings = read_settings()
    # What the application does not go by is none of a pod's business.
    return structs.replace(settings, url=None) if _is_told_by_code(app, settings) else settings


def _limits_of(spec: Kubernetes) -> Limits:
    requests = spec.requests
    memory, cpu = requests.get("memory"), requests.get("cpu")
    return Limits(
        memory=None if memory is None else int(memory),
        cpu=None if cpu is None else float(cpu),
        timeout=spec.timeout_seconds,
        grace=spec.grace_seconds,
        memory_text=str(spec.memory or ""),
        timeout_text=str(spec.timeout or ""),
    )
