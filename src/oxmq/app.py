"""Bring queues and tasks together: the application object, `Oxmq`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack, cast, overload

from oxmq.app_binding import AppBinding, Bound
from oxmq.client.closing import Closing
from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.client.queue import Queue
from oxmq.clock import Clock, SystemClock
from oxmq.errors import ConfigurationError, Unrecoverable
from oxmq.keys import DEFAULT_PREFIX, QueueKeys
from oxmq.logs import check_level
from oxmq.ops import flows, jobs
from oxmq.ops.additions import follow, follow_flow
from oxmq.ops.drafts import IdKind
from oxmq.ops.jobs import NewJob
from oxmq.options import JobOptionArgs, JobOptions, Parent, job_options
from oxmq.records import JobRecord
from oxmq.running import JobRun, find_running_job
from oxmq.schedules import Schedule
from oxmq.sync.context import QueueContext as SyncQueueContext
from oxmq.sync.job import Job as SyncJob
from oxmq.task import RunIn, Task, TaskCall
from oxmq.tracing import Telemetry, wanted_telemetry
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from oxmq.worker.events import Callback, WorkerEvent, check_event

if TYPE_CHECKING:
    from oxmq.app_worker import AppWorker
    from oxmq.sync.queue import Queue as SyncQueue
    from oxmq.worker.middleware import Middleware

P = ParamSpec("P")
R = TypeVar("R")

Hook = Callable[[], Awaitable[None] | None]
HookT = TypeVar("HookT", bound=Hook)
MiddlewareT = TypeVar("MiddlewareT", bound="Middleware")
CallbackT = TypeVar("CallbackT", bound=Callback)

#: The queue of tasks that name none.
DEFAULT_QUEUE = "default"


class Oxmq(Closing):
    """Hold an application's tasks and its connection. Building one connects to nothing; the first call does::

        app = Oxmq("redis://localhost:6379")

        @app.task(queue="mails", attempts=3)
        async def send(to: str) -> str:
            return f"sent to {to}"

        job = await send.enqueue(to="ada@example.org")
        print(await job.result(timeout=10))

    ``oxmq worker module:app`` runs the jobs of its tasks.

    Args:
        connection: a URL, a redis-py client, or None for ``$OXMQ_URL``, else the embedded server in ``./.oxmq``.
        prefix: with what all keys begin.
        default_job_options: options under those of each task.
        ids: who makes the ids of jobs: see `Queue`.
        clock: gives the time; a `ManualClock` holds it still.
        job_logs: from which level on, such as ``"INFO"``, what a task logs goes to its job's log too; None: nothing.
        telemetry: follows the jobs of producers and workers: `oxmq.telemetry.OpenTelemetry`. When not given:
            what ``$OXMQ_OTEL`` asks for, else nothing.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """

    #: What `task` makes; integrations make a kind of their own.
    _task_class: type[Task[..., Any, Any]] = Task

    def __init__(
        self,
        connection: object = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        default_job_options: JobOptions | None = None,
        ids: IdKind = "uuid",
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
        job_logs: int | str | None = None,
    ) -> None:
        QueueKeys(DEFAULT_QUEUE, prefix)
        self.job_logs = None if job_logs is None else check_level(job_logs, "job_logs")
        self._defaults = default_job_options
        self._own_endpoint = Endpoint(connection)
        self._binding = AppBinding(
            self._own_endpoint, prefix, clock or SystemClock(), default_job_options, ids,
            telemetry=telemetry or wanted_telemetry(),
        )  # fmt: skip
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []
        self._middleware: list[Middleware] = []
        self._listeners: list[tuple[WorkerEvent, Callback]] = []
        #: What a job of a plain function runs in, in its own thread, the outermost first: for integrations.
        self.thread_contexts: list[Callable[[], AbstractContextManager[object]]] = []
        self.tasks: dict[tuple[str, str], Task[..., Any, Any]] = {}

    @property
    def runner(self) -> AsyncRunner:
        """Return what executes the app's calls."""
        return self._binding.runner

    @property
    def endpoint(self) -> Endpoint:
        """Return where the server is."""
        return self._binding.endpoint

    @property
    def telemetry(self) -> Telemetry | None:
        """Return what follows the jobs; None for nothing. What is set follows those added or worked from then on."""
        return self._binding.telemetry

    @telemetry.setter
    def telemetry(self, telemetry: Telemetry | None) -> None:
        self._binding.follow(telemetry)

    @property
    def default_job_options(self) -> JobOptions:
        """Return the options under those of each task."""
        return self._binding.drafter.defaults

    @property
    def ids(self) -> IdKind:
        """Return who makes the ids of jobs."""
        return self._binding.ids

    @property
    def middlewares(self) -> list[Middleware]:
        """Return what is put around each job, the outermost first."""
        return list(self._middleware)

    @property
    def queue_names(self) -> list[str]:
        """Return the queues of the tasks, in order of appearance."""
        return list(dict.fromkeys(queue for queue, _ in self.tasks))

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R, R]: ...
    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        queue: str = DEFAULT_QUEUE,
        run: RunIn | None = None,
        schedule: Schedule | None = None,
        **options: Unpack[JobOptionArgs],
    ) -> TaskDecorator: ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        queue: str = DEFAULT_QUEUE,
        run: RunIn | None = None,
        schedule: Schedule | None = None,
        **options: Any,
    ) -> Any:
        """Make a task of a function, as a decorator with or without arguments.

        ``async def`` runs on the worker's event loop, ``def`` in a thread, and with ``run="process"`` either in a
        child process that can be killed. A job of it has the task's name, and as data a JSON object of the
        arguments by name.

        Args:
            name: the jobs' name; the function's when not given.
            queue: where its jobs go.
            run: ``"process"`` for a child process, `Kubernetes` for a pod of its own.
            schedule: when to run it without being asked: made with `cron` or `every`. A job scheduler of the task's
                name is brought in line with it whenever a worker starts, and removed when the code has it no more.
            options: the fields of `JobOptions`, for each of its jobs.

        Raises:
            ConfigurationError: an argument is not acceptable, or the queue has a task of that name.
        """
        task_options = job_options(options)

        def decorate(function: Callable[..., Any]) -> Task[..., Any, Any]:
            task = self._task_class(self, function, name, queue, run, task_options, schedule)
            if known := self.tasks.get((task.queue, task.name)):
                where = f"{known.function.__module__}.{known.function.__qualname__}"
                raise ConfigurationError(f"queue {queue!r} has a task named {task.name!r} already: {where}")
            self.tasks[task.queue, task.name] = task
            return task

        return decorate if function is None else decorate(function)

    def on_startup(self, hook: HookT) -> HookT:
        """Call `hook` in each worker process before it takes its first job."""
        self._startup.append(hook)
        return hook

    def on_shutdown(self, hook: HookT) -> HookT:
        """Call `hook` in each worker process after its last job."""
        self._shutdown.append(hook)
        return hook

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Put ``async def middleware(job, call_next)`` around each job that a worker of the app runs, as a decorator.

        It awaits ``call_next(job)`` and returns its result or another one; what it raises fails the job. The first
        one that was declared is outermost. It runs on the worker's event loop, also where the handler runs in a
        thread (which sees the context variables that it set), in a process or in a pod (which do not).
        """
        self._middleware.append(middleware)
        return middleware

    def on(self, event: WorkerEvent) -> Callable[[CallbackT], CallbackT]:
        """Call a function at each event of the app's workers, as a decorator: see `Worker.on`.

        Raises:
            ConfigurationError: there is no such event.
        """
        check_event(event)

        def decorate(callback: CallbackT) -> CallbackT:
            self._listeners.append((event, callback))
            return callback

        return decorate

    def find_task(self, queue: str, name: str) -> Task[..., Any, Any]:
        """Return the task whose jobs have that name in that queue. Raises `Unrecoverable` when there is none."""
        task = self.tasks.get((queue, name))
        if task is None:
            known = ", ".join(sorted(known for of_queue, known in self.tasks if of_queue == queue))
            raise Unrecoverable(f"no task is called {name!r} in queue {queue!r}; there are: {known}")
        return task

    def queue(self, name: str = DEFAULT_QUEUE) -> Queue:
        """Return a queue on the app's connection."""
        return Queue.within(self.context(name), self._defaults, self._binding.ids)

    def sync_queue(self, name: str = DEFAULT_QUEUE) -> SyncQueue:
        """Return a queue on the app's connection for code without an event loop."""
        from oxmq.sync.queue import Queue  # noqa: PLC0415 - few need it

        return Queue.within(self.sync_context(name), self._defaults, self._binding.ids)

    def worker(
        self,
        queues: Iterable[str] | None = None,
        *,
        concurrency: int = 10,
        concurrency_kubernetes: int = 500,
        **options: Any,  # noqa: ANN401 - `Worker` checks
    ) -> AppWorker:
        """Return a worker for the tasks of the given queues, or of all.

        Args:
            queues: the queues to work.
            concurrency: how many jobs of each queue may run at once.
            concurrency_kubernetes: how many jobs may run in pods besides, over all queues: each takes a watch's
                attention and no thread.
            options: further arguments of `Worker`.

        Raises:
            ConfigurationError: an argument is not acceptable; or a task runs in pods, and the environment does not
                say what they need; or the app is in inline mode.
        """
        from oxmq.app_worker import AppWorker  # noqa: PLC0415 - producers do without all that a worker needs

        if "job_logs" in options:
            raise ConfigurationError("job_logs is an option of Oxmq, for child processes and pods know no other")
        options["job_logs"] = self.job_logs
        options["middleware"] = [*self._middleware, *options.get("middleware", ())]
        options.setdefault("telemetry", self.telemetry)
        worker = AppWorker(
            self, queues, concurrency=concurrency, concurrency_kubernetes=concurrency_kubernetes, **options
        )
        for event, callback in self._listeners:
            worker.on(event, callback)
        return worker

    async def enqueue(self, call: TaskCall) -> Job[Any]:
        """Add the job of a task call, and return it."""
        context = self.context(call.task.queue)
        draft = self._draft(call)
        if context.telemetry is None:
            job_id = await self._binding.runner.run(jobs.add(context.keys, draft))
        else:
            with follow(context.telemetry, call.task.queue, [draft]) as following:
                draft = following.jobs[0]
                job_id = await self._binding.runner.run(jobs.add(context.keys, draft))
                following.added([job_id])
        return Job(context, draft.record(job_id), read_result=call.task.signature.read_result)

    def enqueue_sync(self, call: TaskCall) -> SyncJob[Any]:
        """Add the job of a task call from code without an event loop, and return it."""
        context = self.sync_context(call.task.queue)
        draft = self._draft(call)
        if context.telemetry is None:
            job_id = self._binding.sync_runner.run(jobs.add(context.keys, draft))
        else:
            with follow(context.telemetry, call.task.queue, [draft]) as following:
                draft = following.jobs[0]
                job_id = self._binding.sync_runner.run(jobs.add(context.keys, draft))
                following.added([job_id])
        return SyncJob(context, draft.record(job_id), read_result=call.task.signature.read_result)

    async def enqueue_many(self, calls: Iterable[TaskCall]) -> list[Job[Any]]:
        """Add the jobs of any mix of tasks in few round trips, and return them in order.

        All are checked before any is sent.
        """
        drafts = [(call, self._draft(call)) for call in calls]
        by_queue: dict[str, list[tuple[TaskCall, NewJob]]] = {}
        for call, draft in drafts:
            by_queue.setdefault(call.task.queue, []).append((call, draft))
        added = await asyncio.gather(*(self._add_all(queue, batch) for queue, batch in by_queue.items()))
        in_order = {queue: iter(ids) for queue, ids in zip(by_queue, added, strict=True)}
        return [
            Job(
                self.context(call.task.queue),
                draft.record(next(in_order[call.task.queue])),
                read_result=call.task.signature.read_result,
            )
            for call, draft in drafts
        ]

    async def flow(self, call: TaskCall, *, children: Iterable[TaskCall] = ()) -> Job[Any]:
        """Add a job that runs when its children have ended, together with them; return it.

        Children may have children of their own: ``extract.call(part=1).after(fetch.call(part=1))``. A child that fails
        for good fails its parent, unless its options say otherwise. In the parent, `Job.get_children_values` gives
        the children's results.

        Raises:
            ConfigurationError: a call is not acceptable; nothing was sent.
            UnavailableError: nothing was added.
            OutcomeUnknownError: all may have been added.
        """
        drafted = flows.draft_flow(call.after(*children), lambda node: node.children, self._draft_node)
        context = self.context(call.task.queue)
        if context.telemetry is None:
            ids = await self._binding.runner.run(flows.add_flow(drafted))
        else:
            following, drafted = follow_flow(context.telemetry, drafted)
            with following:
                ids = await self._binding.runner.run(flows.add_flow(drafted))
                following.added(ids)
        return Job(context, drafted[0].job.record(ids[0]), read_result=call.task.signature.read_result)

    async def upsert_schedule(self, call: TaskCall, schedule: Schedule, *, id: str | None = None) -> Job[Any] | None:
        """Run a task with these arguments on a schedule, from now on; or change the schedule of that id.

        Args:
            call: the task with its arguments.
            schedule: made with `cron` or `every`.
            id: the scheduler's id in the task's queue; the task's name when not given.

        Returns:
            The next job; None when the schedule has no time left.

        Raises:
            ConfigurationError: something is not acceptable; nothing was sent.
        """
        queue = self.queue(call.task.queue)
        scheduler_id = call.task.name if id is None else id
        return await queue.upsert_job_scheduler(
            scheduler_id, schedule, call.task.name, call.data, **call.scheduled_options
        )

    async def remove_schedule(self, id: str, queue: str = DEFAULT_QUEUE) -> bool:
        """Run a task on a schedule no more; return whether there was such a schedule."""
        return await self.queue(queue).remove_job_scheduler(id)

    async def start_up(self) -> None:
        """Call the startup hooks, in order."""
        for hook in self._startup:
            await _call(hook)

    async def shut_down(self) -> None:
        """Call the shutdown hooks, in reverse order."""
        for hook in reversed(self._shutdown):
            await _call(hook)

    async def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        await self._binding.close()

    def bound_to(self, connection: object, *, prefix: str | None = None, clock: Clock | None = None) -> Bound[Self]:
        """Let everything that goes through the app go to another server while a ``with`` block lasts: for tests.

        The queues and jobs that came from the app before follow it, and follow it back when the block ends, however
        it ends. ``with`` and ``async with`` both work; use the latter in a coroutine, so that the connections are
        closed in good order. While it lasts, a worker of the app runs every task in this process: a child process or
        a pod that imports the app would find it as it was.

        Args:
            connection: where to, as for `Oxmq`.
            prefix: with what all keys begin there; the app's own when not given.
            clock: gives the time; the app's own when not given. A `ManualClock` can be moved.

        Raises:
            ConfigurationError: an argument is not acceptable.
        """
        own = self._binding
        prefix = own.prefix if prefix is None else prefix
        QueueKeys(DEFAULT_QUEUE, prefix)
        endpoint = Endpoint(connection)
        return self.bound(AppBinding(endpoint, prefix, clock or own.clock, self._defaults, own.ids, stands_in=True))

    def bound(self, binding: AppBinding) -> Bound[Self]:
        """Let everything that goes through the app go through `binding` while a ``with`` block lasts."""

        binding.telemetry = self.telemetry

        def swap(wanted: AppBinding) -> AppBinding:
            before, self._binding = self._binding, wanted
            return before

        return Bound(self, binding, swap)

    @property
    def is_bound(self) -> bool:
        """Tell whether something stands in for the app's own server: see `bound_to`."""
        return self._binding.stands_in

    @property
    def is_inline(self) -> bool:
        """Tell whether jobs run where they are enqueued: see `oxmq.testing.inline`. A worker has nothing to do then."""
        return self._binding.inline

    def move(self, connection: object) -> None:
        """Let the app use another server from now on, whatever stands in for its own meanwhile: see `bound_to`.

        Connections that are open stay where they are.

        Raises:
            ConfigurationError: the address is not one that oxmq understands; nothing is changed.
        """
        self._own_endpoint.move(connection)

    def close_sync(self) -> None:
        """Close the connections from code without an event loop. A later call opens new ones."""
        self._binding.release()

    def run_blocking(self, call: Callable[[], Awaitable[R]]) -> R:
        """Run a coroutine to its end from blocking code: on a loop of its own, or as the framework in use does it."""
        from oxmq.executors.own_loop import run_on_own_loop  # noqa: PLC0415 - producers do without all that runs jobs

        return run_on_own_loop(call)

    def sync_job(self, queue: str, record: JobRecord, token: str, run: JobRun | None = None) -> SyncJob[Any]:
        """Return a running job for code without an event loop."""
        return SyncJob(self.sync_context(queue), record, token, run=run)

    async def _add_all(self, queue: str, batch: Sequence[tuple[TaskCall, NewJob]]) -> list[str]:
        context = self.context(queue)
        drafts = [draft for _, draft in batch]
        if context.telemetry is None:
            return await self._add_drafts(context, drafts)
        with follow(context.telemetry, queue, drafts) as following:
            ids = await self._add_drafts(context, following.jobs)
            following.added(ids)
        return ids

    async def _add_drafts(self, context: QueueContext, drafts: Sequence[NewJob]) -> list[str]:
        added = await self._binding.runner.run_all(jobs.add_in_chunks(context.keys, drafts))
        return [job_id for chunk in added for job_id in chunk]

    def _draft(self, call: TaskCall) -> NewJob:
        return self._binding.drafter.draft(call.task.name, call.data, call.job_options)

    def _draft_node(self, call: TaskCall, parent: Parent | None, has_children: bool) -> tuple[QueueKeys, NewJob]:
        draft = self._binding.flow_drafter.draft(
            call.task.name, call.data, call.job_options, parent=parent, has_children=has_children
        )
        return self.context(call.task.queue).keys, draft

    def context(self, queue: str) -> QueueContext:
        """Return a queue's surroundings, on the app's connection."""
        return self._binding.context(queue)

    def sync_context(self, queue: str) -> SyncQueueContext:
        """Return a queue's surroundings for code without an event loop."""
        return self._binding.sync_context(queue)

    @property
    def prefix(self) -> str:
        return self._binding.prefix

    @property
    def clock(self) -> Clock:
        return self._binding.clock


class TaskDecorator:
    """Make a task of a function: what `Oxmq.task` with arguments returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        return self._decorate(function)

    def __init__(self, decorate: Callable[[Callable[..., Any]], Task[..., Any, Any]]) -> None:
        self._decorate = decorate


def current_job() -> Job[Any]:
    """Return the job whose handler calls this.

    In a function that runs in a thread or a child process it is an `oxmq.sync.Job`, whose methods are not awaited:
    `oxmq.sync.current_job` has the right type there.

    Raises:
        OxmqError: no job is running here.
    """
    return cast("Job[Any]", find_running_job())


async def _call(hook: Hook) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result
