"""Hold a Django project's tasks: jobs that are added in a transaction wait for its commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from oxmq.app import Oxmq
from oxmq.client.job import Job
from oxmq.executors.child_task import Reference
from oxmq.executors.own_loop import is_on_loop
from oxmq.integrations.django.database import with_fresh_connections
from oxmq.integrations.django.project_settings import ProjectSettings
from oxmq.ops import flows, jobs
from oxmq.ops.additions import follow, follow_flow
from oxmq.ops.flows import Drafted
from oxmq.ops.jobs import NewJob
from oxmq.sync.context import QueueContext
from oxmq.sync.job import Job as SyncJob
from oxmq.task import Task, TaskCall

P = ParamSpec("P")
C = TypeVar("C")
R = TypeVar("R")

#: Where a child process or a pod finds the tasks: it sets Django up first.
_PROJECT = "oxmq.integrations.django.project"


class DjangoTask(Task[P, C, R]):
    """Stand for a function of a Django project that may run as a job.

    Around a job, and not around a plain call, database connections are looked after as around a request.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - those of `Task`
        super().__init__(*args, **kwargs)
        self._plain: Callable[P, C] = self.function
        self.function = with_fresh_connections(self._plain)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Call the plain function."""
        return self._plain(*args, **kwargs)

    @property
    def reference(self) -> Reference:
        """Return where a child process finds this task, with Django set up."""
        found = super().reference
        return Reference(_PROJECT, f"{found.module}.{found.qualname}")


class DjangoOxmq(Oxmq):
    """Hold a project's tasks and its connection.

    What adds jobs takes two further arguments:

    * `on_commit`: whether to add them when the current transaction commits, and never if it is rolled back; outside of
      a transaction they are added at once. The setting ``ON_COMMIT`` says so where it is not given, and is True.
    * `using`: the database whose transaction it is; the setting ``DATABASE`` where it is not given.

    Arguments and options are checked at once, and the job that is returned has its id. Until the commit there is no
    such job in Redis. If Redis cannot be reached then, the commit has happened all the same and the error is raised
    from the ``atomic`` block: where such a job must not be missing, write it into an outbox.

    Jobs are added by blocking code, also for `enqueue`: in the thread in which Django runs the database's work of
    asynchronous code, so that the transaction found there is the right one.
    """

    _task_class = DjangoTask

    def __init__(self, settings: ProjectSettings) -> None:
        super().__init__(settings.url, prefix=settings.prefix, default_job_options=settings.default_job_options)
        self.settings = settings

    async def enqueue(self, call: TaskCall, *, on_commit: bool | None = None, using: str | None = None) -> Job[Any]:
        """Add the job of a task call, and return it: see the class for when."""
        job = await sync_to_async(self.enqueue_sync)(call, on_commit=on_commit, using=using)
        return self._awaited(call, job)

    def enqueue_sync(self, call: TaskCall, *, on_commit: bool | None = None, using: str | None = None) -> SyncJob[Any]:
        """Add the job of a task call, and return it: see the class for when."""
        return self.enqueue_many_sync([call], on_commit=on_commit, using=using)[0]

    async def enqueue_many(
        self, calls: Iterable[TaskCall], *, on_commit: bool | None = None, using: str | None = None
    ) -> list[Job[Any]]:
        """Add the jobs of any mix of tasks in few round trips, and return them in order: see the class for when."""
        calls = list(calls)
        added = await sync_to_async(self.enqueue_many_sync)(calls, on_commit=on_commit, using=using)
        return [self._awaited(call, job) for call, job in zip(calls, added, strict=True)]

    def enqueue_many_sync(
        self, calls: Iterable[TaskCall], *, on_commit: bool | None = None, using: str | None = None
    ) -> list[SyncJob[Any]]:
        """Add the jobs of any mix of tasks in few round trips, and return them in order: see the class for when."""
        batches: dict[str, _Batch] = {}
        added: list[SyncJob[Any]] = []
        for call in calls:
            draft = self._draft(call)
            context = self.sync_context(call.task.queue)
            job = SyncJob[Any](context, draft.record(draft.id), read_result=call.task.signature.read_result)
            batches.setdefault(call.task.queue, _Batch(context)).put(draft, job)
            added.append(job)

        def add() -> None:
            for batch in batches.values():
                batch.add()

        self.after_commit(add, on_commit=on_commit, using=using)
        return added

    async def flow(
        self,
        call: TaskCall,
        *,
        children: Iterable[TaskCall] = (),
        on_commit: bool | None = None,
        using: str | None = None,
    ) -> Job[Any]:
        """Add a job that runs when its children have ended, together with them: see `Oxmq.flow`, and the class."""
        job = await sync_to_async(self.flow_sync)(call, children=children, on_commit=on_commit, using=using)
        return self._awaited(call, job)

    def flow_sync(
        self,
        call: TaskCall,
        *,
        children: Iterable[TaskCall] = (),
        on_commit: bool | None = None,
        using: str | None = None,
    ) -> SyncJob[Any]:
        """Add a job that runs when its children have ended, together with them: see `Oxmq.flow`, and the class."""
        drafted = flows.draft_flow(call.after(*children), lambda node: node.children, self._draft_node)
        root = drafted[0].job
        context = self.sync_context(call.task.queue)
        self.after_commit(lambda: _add_flow(context, drafted), on_commit=on_commit, using=using)
        return SyncJob(context, root.record(root.id), read_result=call.task.signature.read_result)

    def after_commit(
        self, action: Callable[[], object], *, on_commit: bool | None = None, using: str | None = None
    ) -> None:
        """Call `action` when the current transaction commits; at once where there is none, or it shall not wait.

        Raises:
            TransactionManagementError: autocommit is off, so that nobody knows when that will be; `action` is not
                called.
        """
        alias = using or self.settings.database
        waits = self.settings.on_commit if on_commit is None else on_commit
        if waits and _may_commit_later(connections[alias]):
            transaction.on_commit(action, using=alias)
        else:
            action()

    def run_blocking(self, call: Callable[[], Awaitable[R]]) -> R:
        """Run a coroutine to its end from blocking code; its database work is done in the thread that waits for it."""
        if is_on_loop():
            return super().run_blocking(call)

        async def run() -> R:
            return await call()

        return async_to_sync(run)()

    def _awaited(self, call: TaskCall, job: SyncJob[Any]) -> Job[Any]:
        context = self.context(call.task.queue)
        return Job(context, job.record, read_result=call.task.signature.read_result)


def _may_commit_later(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether something may be uncommitted; without asking a database that there is no connection to yet."""
    return connection.in_atomic_block or (connection.connection is not None and not connection.get_autocommit())


class _Batch:
    """Hold jobs of one queue that are to be added, and the handles that were given out for them."""

    def __init__(self, context: QueueContext) -> None:
        self._context = context
        self._drafts: list[NewJob] = []
        self._jobs: list[SyncJob[Any]] = []

    def put(self, draft: NewJob, job: SyncJob[Any]) -> None:
        self._drafts.append(draft)
        self._jobs.append(job)

    def add(self) -> None:
        if self._context.telemetry is None:
            ids = self._send(self._drafts)
        else:
            with follow(self._context.telemetry, self._context.keys.name, self._drafts) as following:
                ids = self._send(following.jobs)
                following.added(ids)
        for job, job_id in zip(self._jobs, ids, strict=True):
            job.record.id = job_id  # another job's, where deduplication has found one

    def _send(self, drafts: Sequence[NewJob]) -> list[str]:
        runner, keys = self._context.runner, self._context.keys
        if len(drafts) == 1:
            return [runner.run(jobs.add(keys, drafts[0]))]
        return [job_id for chunk in runner.run_all(jobs.add_in_chunks(keys, drafts)) for job_id in chunk]


def _add_flow(context: QueueContext, drafted: list[Drafted[TaskCall]]) -> None:
    if context.telemetry is None:
        context.runner.run(flows.add_flow(drafted))
        return
    following, drafted = follow_flow(context.telemetry, drafted)
    with following:
        ids = context.runner.run(flows.add_flow(drafted))
        following.added(ids)
