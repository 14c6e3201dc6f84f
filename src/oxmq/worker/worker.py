"""Work a queue: wire the services together, open and close them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from typing import Any, cast

from msgspec import structs

from oxmq.client.closing import Closing
from oxmq.client.context import QueueContext, open_context
from oxmq.client.iterations import advance_by_hand
from oxmq.client.job import Job
from oxmq.clock import Clock
from oxmq.durations import Duration, milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError, WorkerClosedError
from oxmq.executors.threads import ThreadExecutor
from oxmq.keys import DEFAULT_PREFIX, check_token
from oxmq.logs import check_level
from oxmq.ops import lifecycle, queues
from oxmq.ops.lifecycle import TakeTerms
from oxmq.ops.outcomes import BackoffStrategy, FinishRules
from oxmq.options import KeepOption, RateLimit, check_whole
from oxmq.running import running_job
from oxmq.sync.context import QueueContext as SyncQueueContext
from oxmq.sync.job import Job as SyncJob
from oxmq.tracing import Telemetry
from oxmq.transport.stream import BlockingConnection, wait_for_marker
from oxmq.transport.sync_runner import SyncRunner
from oxmq.worker.events import Callback, Listeners, WorkerEvent, check_event
from oxmq.worker.executor import AsyncHandler
from oxmq.worker.health import WorkerHealth
from oxmq.worker.job_logs import JobLogs
from oxmq.worker.middleware import Middleware, wrap
from oxmq.worker.options import KEEP_COMPLETED, KEEP_FAILED, worker_options
from oxmq.worker.services import Services
from oxmq.worker.signals import stopping_on_signals

Handler = Callable[..., Any]
"""``async def`` (gets a `Job`) or ``def`` (runs in a thread and gets an `oxmq.sync.Job`); its result is the job's."""


class Worker(Closing):
    """Work one queue. Building one starts nothing and connects to nothing::

        async def resize(job):
            return {"path": job.data["path"]}

        worker = Worker("images", resize, "redis://localhost:6379", concurrency=10)
        await worker.run()  # until SIGTERM

    For tasks, `Oxmq.worker` and ``oxmq worker`` make the workers.

    A job may run more than once: when a worker dies or cannot reach Redis for longer than `lock_duration`, its jobs
    are given to others. Of several runs of an attempt at most one result is accepted.

    Args:
        name: the queue.
        process: the handler.
        connection: as for `Queue`.
        concurrency: how many jobs may run at once.
        lock_duration: for how long a job stays this worker's when the worker falls silent.
        stalled_interval: how often to look for jobs whose worker fell silent.
        max_stalled_count: how often a job may be recovered from such a worker before it fails.
        drain_delay: how long one wait for a job lasts when the queue is empty.
        grace: how long `close` waits for running jobs before it hands them back.
        max_loop_block: after so long a silence of the event loop its locks are no longer renewed.
        worker_name: under which the server and the jobs list this worker.
        limiter: how many jobs may start in a time, over all workers of the queue.
        remove_on_complete: which completed jobs stay where the job does not say; None for all.
        remove_on_fail: the same for failed ones.
        backoff_strategy: gives the delay of backoff types that are neither fixed nor exponential.
        metrics: how many minutes of counts of ended jobs the queue keeps; None for none.
        max_started_attempts: how often a job may be started, crashes included, before it fails; None for any number.
        middleware: ``async def middleware(job, call_next)`` around each job's handler, the first outermost.
        telemetry: follows the jobs: `oxmq.telemetry.OpenTelemetry`; None for nothing.
        job_logs: from which level on, such as ``"INFO"``, what a handler logs goes to its job's log too; None: nothing.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """

    def __init__(
        self,
        name: str,
        process: Handler,
        connection: object = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        concurrency: int = 1,
        lock_duration: Duration = 30,
        stalled_interval: Duration = 30,
        max_stalled_count: int = 1,
        drain_delay: Duration = 5,
        grace: Duration = 30,
        max_loop_block: Duration = "5m",
        worker_name: str | None = None,
        limiter: RateLimit | None = None,
        remove_on_complete: KeepOption = KEEP_COMPLETED,
        remove_on_fail: KeepOption = KEEP_FAILED,
        backoff_strategy: BackoffStrategy | None = None,
        metrics: int | None = None,
        max_started_attempts: int | None = None,
        middleware: Iterable[Middleware] = (),
        telemetry: Telemetry | None = None,
        job_logs: int | str | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not callable(process):
            raise ConfigurationError(f"process must be a function, not {process!r}")
        options = self._options = worker_options(
            concurrency=concurrency,
            lock_duration=lock_duration,
            stalled_interval=stalled_interval,
            max_stalled_count=max_stalled_count,
            drain_delay=drain_delay,
            grace=grace,
            max_loop_block=max_loop_block,
            name=worker_name,
            limiter=limiter,
            remove_on_complete=remove_on_complete,
            remove_on_fail=remove_on_fail,
            metrics=metrics,
            max_started_attempts=max_started_attempts,
        )
        terms = TakeTerms(options.lock_ms, options.limit_max, options.limit_ms, options.name, options.metrics)
        rules = FinishRules(options.keep_completed, options.keep_failed, backoff_strategy, options.max_started)
        self._context = open_context(name, connection, prefix, clock, terms, rules, telemetry)
        self._process = process
        self._job_logs = None if job_logs is None else JobLogs(check_level(job_logs, "job_logs"), self._context)
        outermost: list[Middleware] = [] if self._job_logs is None else [self._job_logs]
        self._handler = wrap(self._plain_handler(), [*outermost, *middleware])
        self._listeners = Listeners()
        self._threads = ThreadExecutor()
        self._sync_context: SyncQueueContext | None = None
        self._services: Services | None = None
        self._paused = False
        self._closing: asyncio.Task[None] | None = None
        self._hand_back_now = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def queue_name(self) -> str:
        return self._context.keys.name

    @property
    def context(self) -> QueueContext:
        """Return what the worker shares with its jobs: the connection, the keys, the clock."""
        return self._context

    def on(self, event: WorkerEvent, callback: Callback) -> None:
        """Call `callback`, ``def`` or ``async def``, at each event of this worker, on its loop.

        ``ready()`` when Redis has answered for the first time, ``active(job)``, ``progress(job, progress)``,
        ``completed(job, json)``, ``failed(job, reason)``, ``retrying(job, reason)``, ``drained()`` when after some
        jobs there are no more, ``stalled(job_id)``, ``lock_lost(job_id)``, ``error(exception)``, ``paused()``,
        ``resumed()``, ``closing()``, ``closed()``.
        """
        check_event(event)
        self._listeners.add(event, callback)

    def off(self, event: WorkerEvent, callback: Callback) -> None:
        """Call `callback` no more at that event."""
        self._listeners.remove(event, callback)

    @property
    def concurrency(self) -> int:
        """Return how many jobs may run at once; it may be set while the worker runs."""
        return self._options.concurrency

    @concurrency.setter
    def concurrency(self, concurrency: int) -> None:
        check_whole(concurrency, "concurrency", least=1)
        self._options = structs.replace(self._options, concurrency=concurrency)
        if self._services is not None:
            self._services.set_slots(concurrency)

    @property
    def is_running(self) -> bool:
        """Tell whether the worker was started and has not begun to close."""
        return self._services is not None and self._closing is None

    @property
    def is_paused(self) -> bool:
        """Tell whether the worker was told to take no jobs."""
        return self._paused

    async def pause(self, *, wait: bool = True) -> None:
        """Take no more jobs until `resume`. Other workers go on: see `Queue.pause`. May be called again, to wait.

        Args:
            wait: return when the running jobs have ended, not before.
        """
        first, self._paused = not self._paused, True
        if self._services is not None:
            await self._services.pause(wait=wait)
        if first:
            self._listeners.tell("paused")

    def resume(self) -> None:
        """Take jobs again."""
        if not self._paused:
            return
        self._paused = False
        if self._services is not None and self._closing is None:
            self._services.resume()
        self._listeners.tell("resumed")

    def cancel_job(self, job_id: str, reason: str = "cancelled") -> bool:
        """Stop a job that this worker runs, which fails with `reason`; return whether it runs it.

        `Job.cancel` works from any process and in any state.
        """
        return self._services is not None and self._services.cancel(reason, job_id) > 0

    def cancel_all_jobs(self, reason: str = "cancelled") -> int:
        """Stop all jobs that this worker runs, which fail with `reason`; return how many there were."""
        return 0 if self._services is None else self._services.cancel(reason)

    async def run(self, *, handle_signals: bool = True) -> None:
        """Take and run jobs until `close` is called, or SIGTERM or SIGINT arrives.

        At the signal no further job is started; running ones get the grace period and are then handed back to the
        queue, without costing them an attempt. A second signal hands them back at once.
        """
        self.start()
        if not handle_signals:
            await self._closed.wait()
            return
        with stopping_on_signals(self.request_close, self.hand_back):
            await self._closed.wait()

    def start(self) -> None:
        """Start taking and running jobs in the background. Must be called on the event loop."""
        if self._closing is not None:
            raise WorkerClosedError(f"the worker of queue {self.queue_name!r} is closed")
        if self._services is None:
            self._services = Services(self._context, self._options, self._handler, self._listeners)
            if self._job_logs is not None:
                self._job_logs.start()
            self._services.start(taking=not self._paused)

    def request_close(self) -> None:
        """Begin to close, without waiting for it."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(self._options.grace_ms / 1000))

    def hand_back(self) -> None:
        """Hand back what is running without waiting any longer; for a worker that is closing."""
        self._hand_back_now.set()

    async def close(self, grace: Duration | None = None, *, force: bool = False) -> None:
        """Take no more jobs, let the running ones end, and close the connections. May be called again.

        Args:
            grace: how long running jobs may take; those that take longer are handed back to the queue at no cost.
            force: do not wait and do not hand back: the jobs are recovered when their locks have run out.
        """
        seconds = (self._options.grace_ms if grace is None else milliseconds(grace, "grace")) / 1000
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(seconds, force=force))
        await asyncio.shield(self._closing)

    async def get_next_job(self, token: str, *, block: bool = False) -> Job[Any] | None:
        """Take one job to process it by hand; return None when there is none.

        The job is locked with `token` for the lock duration; renew it with `Job.extend_lock`, and end it with
        `Job.move_to_completed` or `Job.move_to_failed`.

        Args:
            token: a text of your own, not ``"0"``; it proves that the job is yours.
            block: wait for a job, at most the drain delay.

        Raises:
            BackendError, ConfigurationError: it is a scheduler's job, and its successor could not be made. The job
                stays locked until it is recovered as a stalled one.
        """
        job = await self._take_one(check_token(token))
        if job is None and block:
            connection = BlockingConnection(self._context.runner.endpoint, "")
            try:
                seconds = self._options.drain_delay_ms / 1000
                await wait_for_marker(connection, self._context.keys.of("marker"), seconds)
            finally:
                await connection.close()
            job = await self._take_one(token)
        return job

    async def rate_limit(self, duration: Duration) -> None:
        """Let no job of the queue start for `duration`."""
        await self._context.runner.run(queues.hold(self._context.keys, positive_milliseconds(duration, "duration")))

    async def recover_stalled(self) -> list[str]:
        """Look for stalled jobs now, unless some worker has in this interval; return the ids given back."""
        options = self._options
        now = self._context.clock.now_ms()
        return await self._context.runner.run(
            lifecycle.recover_stalled(self._context.keys, now, options.max_stalled_count, options.stalled_interval_ms)
        )

    def health(self) -> WorkerHealth:
        """Return how the worker is; not healthy means that it makes no progress."""
        services = self._services
        if services is None:
            return WorkerHealth(
                queue=self.queue_name, healthy=False, reason="not started", running=0,
                concurrency=self._options.concurrency, unconfirmed=0, since_cycle=0.0, since_renewal=0.0, abandoned=0,
            )  # fmt: skip
        return services.health(self._threads.given_up)

    async def _take_one(self, token: str) -> Job[Any] | None:
        context = self._context
        call = lifecycle.take(context.keys, context.clock.now_ms(), 1, token, context.terms)
        taken = await context.runner.run(call)
        for record in taken.jobs:
            await advance_by_hand(context, record, token)
        return next((Job[Any](context, record, token) for record in taken.jobs), None)

    async def _close(self, grace: float, *, force: bool = False) -> None:
        self._listeners.tell("closing")
        if self._services is not None:
            await self._services.stop(0.0 if force else grace, self._hand_back_now, force=force)
            if self._job_logs is not None:
                self._job_logs.stop()
        self._threads.close()
        await self._context.close()
        if self._sync_context is not None:
            await asyncio.to_thread(self._sync_context.close)
        self._closed.set()
        self._listeners.tell("closed")

    def _plain_handler(self) -> AsyncHandler:
        target = self._process if inspect.isroutine(self._process) else getattr(self._process, "__call__", None)  # noqa: B004
        if inspect.iscoroutinefunction(self._process) or inspect.iscoroutinefunction(target):
            return cast("AsyncHandler", self._process)
        return self._run_in_thread

    async def _run_in_thread(self, job: Job[Any]) -> object:
        sync_job = self.sync_job(job)

        def call() -> object:
            running_job.set(sync_job)
            return self._process(sync_job)

        return await self._threads.run(call)

    def sync_job(self, job: Job[Any]) -> SyncJob[Any]:
        """Return the blocking twin of a running job, for code that runs in a thread."""
        if self._sync_context is None:
            runner = SyncRunner(self._context.runner.endpoint, self._context.clock)
            self._sync_context = SyncQueueContext(runner, self._context.keys, self._context.clock)
        return SyncJob(self._sync_context, job.record, job.token, run=job.run)
