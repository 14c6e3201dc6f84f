"""Work the queues of an application: find each job's task, run it where it wants to run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from oxmq.client.closing import Closing
from oxmq.client.job import Job
from oxmq.declared_schedules import reconcile_until_done
from oxmq.durations import Duration
from oxmq.errors import BackendError, ConfigurationError
from oxmq.executors.processes import ProcessExecutor
from oxmq.executors.threads import ThreadExecutor
from oxmq.heavy_jobs import HeavyJobs
from oxmq.kubernetes.deletion_cost import OwnPod
from oxmq.kubernetes.spec import Kubernetes
from oxmq.ops import server
from oxmq.running import running_job
from oxmq.worker.events import Callback, WorkerEvent, logger
from oxmq.worker.health import WorkerHealth
from oxmq.worker.signals import stopping_on_signals
from oxmq.worker.worker import Worker

if TYPE_CHECKING:
    from oxmq.app import Oxmq
    from oxmq.task import Task

#: How long Redis may take to show that it is not to blame for a worker without progress, in seconds.
_PATIENCE = 1.0


class AppWorker(Closing):
    """Run a `Worker` for each of an app's queues. Made by `Oxmq.worker`."""

    def __init__(
        self,
        app: Oxmq,
        queues: Iterable[str] | None,
        *,
        concurrency_kubernetes: int,
        **options: Any,  # noqa: ANN401 - `Worker` checks
    ) -> None:
        if app.is_inline:
            raise ConfigurationError("in inline mode there is nothing to run: jobs have run where they were enqueued")
        names = app.queue_names if queues is None else list(queues)
        if not names:
            raise ConfigurationError("the app has no tasks, so that there is no queue to work")
        if unknown := [name for name in names if name not in app.queue_names]:
            raise ConfigurationError(f"no task of the app is in queue {unknown[0]!r}; its queues: {app.queue_names}")
        self._app = app
        self.schedules_reconciled = False
        self._threads = ThreadExecutor()
        self._processes = ProcessExecutor(self._threads)
        for task in app.tasks.values():
            if task.run is not None:
                _ = task.reference  # refuses what a child could not find, before any job is taken
        self._workers = [
            Worker(name, self._process, app.endpoint.source, prefix=app.prefix, clock=app.clock, **options)
            for name in names
        ]
        self._heavy = HeavyJobs(app, names, concurrency_kubernetes)
        self._own_pod = OwnPod(lambda: self.running - self._heavy.in_pods)
        self._paused = self._stopping = False
        self._answered: set[str] = set()
        for worker in self._workers:
            worker.on("ready", partial(self._answered.add, worker.queue_name))

    @property
    def queue_names(self) -> list[str]:
        return [worker.queue_name for worker in self._workers]

    @property
    def heavy_place(self) -> str:
        """Return where jobs run whose tasks ask for a pod: ``kubernetes`` or ``process``; empty without such tasks."""
        return self._heavy.place

    def on(self, event: WorkerEvent, callback: Callback) -> None:
        """Call `callback` at each event of any of the workers: see `Worker.on`."""
        for worker in self._workers:
            worker.on(event, callback)

    async def run(self, *, handle_signals: bool = True) -> None:
        """Take and run jobs until `close` is called, or SIGTERM or SIGINT arrives: see `Worker.run`."""
        await self._app.start_up()
        await self._heavy.start(self._workers)
        await self._own_pod.start()
        schedules = asyncio.get_running_loop().create_task(self._reconcile())
        try:
            runs = asyncio.gather(*(worker.run(handle_signals=False) for worker in self._workers))
            if handle_signals:
                with stopping_on_signals(self._request_close, self._hand_back):
                    await runs
            else:
                await runs
        finally:
            schedules.cancel()
            await asyncio.gather(schedules, return_exceptions=True)
            await self._own_pod.close()
            await self._heavy.close()
            self._processes.close()
            self._threads.close()
            await self._app.shut_down()
            await self._app.close()

    async def pause(self, *, wait: bool = True) -> None:
        """Take no more jobs until `resume`: see `Worker.pause`."""
        self._paused = True
        await asyncio.gather(*(worker.pause(wait=wait) for worker in self._workers))

    def resume(self) -> None:
        """Take jobs again."""
        self._paused = False
        for worker in self._workers:
            worker.resume()

    async def close(self, grace: Duration | None = None, *, force: bool = False) -> None:
        """Close all workers: see `Worker.close`."""
        self._stopping = True
        await asyncio.gather(*(worker.close(grace, force=force) for worker in self._workers))

    def health(self) -> list[WorkerHealth]:
        """Return how each worker is."""
        return [worker.health() for worker in self._workers]

    @property
    def running(self) -> int:
        """Return how many jobs are running, over all queues."""
        return sum(health.running for health in self.health())

    @property
    def is_stopping(self) -> bool:
        """Tell whether the workers were told to close."""
        return self._stopping

    def why_not_ready(self) -> str:
        """Return why jobs are not being taken from every queue; empty when they are."""
        if self._stopping:
            return "stopping"
        if self._paused:
            return "draining"
        if waiting := [name for name in self.queue_names if name not in self._answered]:
            return f"starting: Redis has not answered for queue {waiting[0]!r} yet"
        return self._why_unhealthy()

    async def why_stuck(self) -> str:
        """Return why a worker makes no progress although Redis answers; empty when that is not so.

        While Redis does not answer, no worker is stuck: a restart would help none of them.
        """
        reason = "" if self._stopping else self._why_unhealthy()
        return reason if reason and await self._redis_answers() else ""

    async def _reconcile(self) -> None:
        queues = [self._app.queue(name) for name in self.queue_names]
        await reconcile_until_done(queues, list(self._app.tasks.values()))
        self.schedules_reconciled = True

    def _why_unhealthy(self) -> str:
        unwell = [health for health in self.health() if health.queue in self._answered and not health.healthy]
        return f"queue {unwell[0].queue!r}: {unwell[0].reason}" if unwell else ""

    async def _redis_answers(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._workers[0].context.runner.run(server.ping())
        except (BackendError, TimeoutError):
            return False
        return True

    def _request_close(self) -> None:
        self._stopping = True
        logger.info("stopping: waiting for running jobs; a second signal hands them back to the queue")
        for worker in self._workers:
            worker.request_close()

    def _hand_back(self) -> None:
        for worker in self._workers:
            worker.hand_back()

    async def _process(self, job: Job[Any]) -> object:
        task = self._app.find_task(job.queue_name, job.name)
        if not self._app.is_bound:
            # Where another server stands in for the app's own, a child that imports the app would not find it.
            if task.run == "process":
                return await self._processes.run(task.reference, job.record, job.token, self._carrier())
            if isinstance(task.run, Kubernetes):
                return await self._heavy.run(job, task.run, self._carrier())
        arguments = task.arguments_of(job.data)
        if task.is_async:
            return await cast("Any", task.function)(**arguments)
        return await self._run_in_thread(task, job, arguments)

    def _carrier(self) -> Mapping[str, str]:
        return {} if self._app.telemetry is None else self._app.telemetry.carrier()

    async def _run_in_thread(self, task: Task[..., Any, Any], job: Job[Any], arguments: dict[str, Any]) -> object:
        sync_job = self._app.sync_job(job.queue_name, job.record, job.token, job.run)

        def call() -> object:
            running_job.set(sync_job)
            return task.call_in_thread(arguments)

        return await self._threads.run(call)
