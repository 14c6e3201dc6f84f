"""Turn a function into a task: something that can be called, or enqueued."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, Unpack, cast

import msgspec
from msgspec import UNSET, Struct, structs

from oxmq.codec import write_foreign
from oxmq.errors import ConfigurationError, Unrecoverable
from oxmq.executors.child_task import ChildTask, Reference
from oxmq.keys import check_job_name, check_queue_name
from oxmq.kubernetes.spec import Kubernetes
from oxmq.ops.schedulers import NOT_FOR_TEMPLATES
from oxmq.options import NO_OPTIONS, Deduplication, JobOptionArgs, JobOptions, job_options
from oxmq.records import JobRecord
from oxmq.running import running_job
from oxmq.schedules import Schedule
from oxmq.signature import Signature
from oxmq.sync.context import QueueContext

if TYPE_CHECKING:
    from oxmq.app import Oxmq
    from oxmq.client.job import Job
    from oxmq.sync.job import Job as SyncJob

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

RunIn = Literal["process"] | Kubernetes
"""Where a handler runs when not on the event loop (``async def``) or in a thread (``def``)."""

#: The deduplication id that stands for "the same arguments".
_BY_ARGUMENTS = "args"


class TaskCall(Struct, frozen=True):
    """Hold a task with arguments, checked and ready to enqueue.

    Attributes:
        task: the task.
        data: the arguments by name, as plain JSON values.
        options: options laid over the task's own.
        children: the calls whose jobs must end before this one's runs, in a flow.
    """

    task: Task[..., Any, Any]
    data: dict[str, Any]
    options: JobOptions
    children: tuple[TaskCall, ...] = ()

    def after(self, *children: TaskCall) -> TaskCall:
        """Return the call with further children, for `Oxmq.flow`."""
        return structs.replace(self, children=(*self.children, *children))

    @property
    def job_options(self) -> JobOptions:
        """Return the options of the job to be added."""
        options = self.options.over(self.task.job_options)
        given = options.deduplication
        if given == _BY_ARGUMENTS:
            return structs.replace(options, deduplication=self._arguments_id())
        if isinstance(given, Deduplication) and given.id == _BY_ARGUMENTS:
            return structs.replace(options, deduplication=structs.replace(given, id=self._arguments_id()))
        return options

    @property
    def scheduled_options(self) -> dict[str, Any]:
        """Return the options of the jobs that a schedule makes, without the task's own that a schedule decides."""
        own = {name: value for name, value in self.task.job_options.given().items() if name not in NOT_FOR_TEMPLATES}
        return own | self.options.given()

    def _arguments_id(self) -> str:
        # Arguments that are not given count as their defaults.
        arguments = msgspec.json.encode(
            self.task.signature.from_data(self.data), enc_hook=write_foreign, order="deterministic"
        )
        return f"{self.task.name}:{hashlib.blake2b(arguments, digest_size=16).hexdigest()}"


class Enqueuer(Generic[P, R]):
    """Enqueue a task with given options. Made by `Task.options`."""

    def __init__(self, task: Task[P, Any, R], options: JobOptions) -> None:
        self._task = task
        self._options = options

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Add a job that calls the function with these arguments, and return it.

        Raises:
            ConfigurationError: the arguments do not fit the function; nothing was sent.
            UnavailableError: the job was not added.
            OutcomeUnknownError: it may have been added.
        """
        return await self._task.app.enqueue(self.call(*args, **kwargs))

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> SyncJob[R]:
        """Add a job from code without an event loop, and return it: as `enqueue`."""
        return self._task.app.enqueue_sync(self.call(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> TaskCall:
        """Return the task with these arguments, for `Oxmq.enqueue_many`."""
        return TaskCall(self._task, self._task.signature.to_data(args, kwargs), self._options)


class Task(ChildTask, Generic[P, C, R]):
    """Stand for a function that may run as a job. Made by `Oxmq.task`.

    Calling it calls the plain function, without a queue.
    """

    def __init__(
        self,
        app: Oxmq,
        function: Callable[P, C],
        name: str | None,
        queue: str,
        run: RunIn | None,
        options: JobOptions,
        schedule: Schedule | None = None,
    ) -> None:
        if run is not None and run != "process" and not isinstance(cast("object", run), Kubernetes):
            raise ConfigurationError(f'run must be "process", Kubernetes(...) or not given, not {run!r:.80}')
        if isinstance(run, Kubernetes) and options.timeout is not UNSET:
            raise ConfigurationError(
                "timeout counts from when a worker takes the job: give a pod Kubernetes(timeout=...)"
            )
        if not inspect.isfunction(function):
            raise ConfigurationError(f"a task is made of a function, not {function!r}")
        self.app = app
        self.function: Callable[P, C] = function
        self.name = check_job_name(function.__name__ if name is None else name)
        self.queue = check_queue_name(queue)
        self.run = run
        self.job_options = options
        self.signature = Signature(function)
        self.is_async = inspect.iscoroutinefunction(function)
        self.schedule = schedule
        if schedule is not None:
            self._check_schedule()
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def _check_schedule(self) -> None:
        if not isinstance(cast("object", self.schedule), Schedule):
            raise ConfigurationError(f"task {self.name!r}: schedule must be made with cron() or every()")
        if ":" in self.name:
            raise ConfigurationError(f"task {self.name!r}: the name of a scheduled task must not contain ':'")
        try:
            self.scheduled_call()
        except ConfigurationError as error:
            raise ConfigurationError(f"{error}: a scheduled task is called without arguments") from None

    def scheduled_call(self) -> TaskCall:
        """Return the call that the task's schedule makes: without arguments."""
        return TaskCall(self, self.signature.to_data((), {}), NO_OPTIONS)

    def __repr__(self) -> str:
        return f"<Task {self.name!r} of queue {self.queue!r}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Call the plain function."""
        return self.function(*args, **kwargs)

    def options(self, **options: Unpack[JobOptionArgs]) -> Enqueuer[P, R]:
        """Return the task with options for single jobs, laid over its own."""
        return Enqueuer(self, job_options(cast("Mapping[str, Any]", options)))

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Add a job that calls the function with these arguments, and return it: see `Enqueuer.enqueue`."""
        return await Enqueuer(self, NO_OPTIONS).enqueue(*args, **kwargs)

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> SyncJob[R]:
        """Add a job from code without an event loop, and return it: as `enqueue`."""
        return Enqueuer(self, NO_OPTIONS).enqueue_sync(*args, **kwargs)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> TaskCall:
        """Return the task with these arguments, for `Oxmq.enqueue_many`."""
        return Enqueuer(self, NO_OPTIONS).call(*args, **kwargs)

    def arguments_of(self, data: object) -> dict[str, Any]:
        """Return the arguments that a job's data holds; data that does not fit fails the job for good."""
        try:
            return self.signature.from_data(data)
        except ConfigurationError as error:
            raise Unrecoverable(str(error)) from error

    def call_in_thread(self, arguments: Mapping[str, Any]) -> object:
        """Call a plain function for a job, in what the application has put around those: `Oxmq.thread_contexts`."""
        with ExitStack() as around:
            for context in self.app.thread_contexts:
                around.enter_context(context())
            return cast("Any", self.function)(**arguments)

    @property
    def reference(self) -> Reference:
        """Return where a child process finds this task.

        Raises:
            ConfigurationError: it would not: the task is not an attribute of its module.
        """
        if "<locals>" in self.function.__qualname__:
            raise ConfigurationError(
                f"task {self.name!r}: to run in a process or a pod, the function must not be in a function"
            )
        return Reference.to(self.function)

    @property
    def surroundings(self) -> QueueContext:
        """Return the surroundings of the task's queue, for code without an event loop."""
        return self.app.sync_context(self.queue)

    def resume(self, carrier: Mapping[str, str]) -> None:
        """Go on in the trace that the worker's propagation headers tell of, where jobs are followed."""
        if self.app.telemetry is not None:
            self.app.telemetry.resume(carrier)

    def run_in_child(self, record: JobRecord, token: str) -> object:
        """Run a job of this task here and now: what the child process does."""
        if self.app.job_logs is None:
            return self._run_here(record, token)
        from oxmq.worker.job_logs import keep_lines  # noqa: PLC0415 - producers do without all that a worker needs

        with keep_lines(self.surroundings, record, self.app.job_logs):
            return self._run_here(record, token)

    def _run_here(self, record: JobRecord, token: str) -> object:
        job = self.app.sync_job(self.queue, record, token)
        running_job.set(job)
        arguments = self.arguments_of(job.data)
        if self.is_async:
            return asyncio.run(cast("Any", self.function)(**arguments))
        return cast("Any", self.function)(**arguments)
