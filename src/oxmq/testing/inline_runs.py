"""Run the jobs of inline mode: at once, in this process, each attempt right after the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, cast

from oxmq.client.job import Job
from oxmq.codec import encode_json
from oxmq.errors import ConfigurationError, Delay, OxmqError, RateLimited, Unrecoverable, WaitForChildren
from oxmq.ops import outcomes
from oxmq.ops.lifecycle import Outcome
from oxmq.ops.outcomes import FinishRules
from oxmq.running import running_job
from oxmq.testing.inline_jobs import InlineJob, InlineJobs
from oxmq.worker.middleware import wrap

if TYPE_CHECKING:
    from oxmq.app import Oxmq
    from oxmq.clock import Clock
    from oxmq.task import Task


#: How often one job may be run: a handler that puts itself off for ever must not hang its test.
_MOST_RUNS = 100
#: The token of every run: there are no locks.
_TOKEN = "inline"  # noqa: S105 - no secret: it proves that a job is held
_RULES = FinishRules()


class InlineRuns:
    """Run jobs for one application.

    Args:
        app: whose tasks the jobs are of.
        jobs: where they are kept.
        clock: gives the time that is noted on them.
        raises: whether what fails a job for good is raised where the job was added.
    """

    def __init__(self, app: Oxmq, jobs: InlineJobs, clock: Clock, *, raises: bool) -> None:
        self._app = app
        self._jobs = jobs
        self._clock = clock
        self._raises = raises

    async def run(self, fresh: Iterable[InlineJob]) -> None:
        """Run jobs, and the parents that have waited for them. ``def`` runs in a thread."""
        errors: list[Exception] = []
        for job in fresh:
            await self._run_job(job, self._call_on_loop, errors)
        self._raise_first(errors)

    def run_blocking(self, fresh: Iterable[InlineJob]) -> None:
        """Run jobs as `run` does, in this thread: ``def`` is simply called, ``async def`` has a loop of its own."""
        errors: list[Exception] = []
        for job in fresh:
            _drive(self._run_job(job, self._call_blocking, errors))
        self._raise_first(errors)

    async def _run_job(
        self, job: InlineJob, call: Callable[[Job[Any]], Coroutine[Any, Any, object]], errors: list[Exception]
    ) -> None:
        for _ in range(_MOST_RUNS):
            if await self._attempt(job, call, errors):
                break
        else:
            raise OxmqError(f"job {job.id} ({job.record().name}) did not end in {_MOST_RUNS} runs")
        parent = self._tell_parent(job)
        if parent is not None and parent.state == "waiting-children":
            await self._run_job(parent, call, errors)

    async def _attempt(
        self, job: InlineJob, call: Callable[[Job[Any]], Coroutine[Any, Any, object]], errors: list[Exception]
    ) -> bool:
        """Run a job once; return whether it has ended."""
        job.state = "active"
        job.count("ats")
        job.note(processedOn=self._clock.now_ms())
        record = job.record()
        if record.deferred_failure is not None:
            # Its child has raised what is to be raised.
            return self._end(job, outcomes.failed(record, _TOKEN, Unrecoverable(record.deferred_failure), _RULES))
        try:
            value = _encode(job.id, await call(Job(self._app.context(job.queue), record, _TOKEN)))
        except (Delay, RateLimited, WaitForChildren):
            return False
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its job's failure
            # Read again: the handler may have changed the job.
            outcome = outcomes.failed(job.record(), _TOKEN, error, _RULES)
            if outcome.kind == "failed" and not _is_expected(job):
                error.add_note(f"raised by job {job.id} ({record.name}) of queue {job.queue!r}, run inline")
                errors.append(error)
            return self._end(job, outcome)
        return self._end(job, outcomes.completed(record, _TOKEN, value, _RULES))

    def _end(self, job: InlineJob, outcome: Outcome) -> bool:
        job.count("atm")
        if outcome.stacktrace:
            job.note(stacktrace=outcome.stacktrace)
        if outcome.kind in ("retry", "delay"):
            job.note(failedReason=outcome.value)
            return False
        job.state = outcome.kind
        job.fields.pop("defa", None)
        job.note(finishedOn=self._clock.now_ms())
        job.note(**{"returnvalue" if outcome.kind == "completed" else "failedReason": outcome.value})
        return True

    def _tell_parent(self, job: InlineJob) -> InlineJob | None:
        """Note on a job's parent how it ended; return the parent when it is time for it to run."""
        parent = self._jobs.get(job.parent_key or "")
        if parent is None or job.key not in parent.pending:
            return None
        parent.pending.remove(job.key)
        if job.state == "completed":
            parent.processed[job.key] = job.fields["returnvalue"]
        elif job.policy.get("fpof"):
            parent.unsuccessful.append(job.key)
            parent.note(defa=f"child {job.key} failed")
            return parent
        elif job.policy.get("cpof") or job.policy.get("idof"):
            parent.ignored[job.key] = job.fields["failedReason"]
            if job.policy.get("cpof"):
                return parent
        elif not job.policy.get("rdof"):
            parent.pending.append(job.key)
        return None if parent.pending else parent

    async def _call_on_loop(self, job: Job[Any]) -> object:
        async def handle(job: Job[Any]) -> object:
            task, arguments = self._task_of(job)
            return await (_awaited(task, job, arguments) if task.is_async else asyncio.to_thread(call, task, arguments))

        def call(task: Task[..., Any, Any], arguments: dict[str, Any]) -> object:
            return self._call(task, job, arguments)

        return await wrap(handle, self._app.middlewares)(job)

    async def _call_blocking(self, job: Job[Any]) -> object:
        async def handle(job: Job[Any]) -> object:
            task, arguments = self._task_of(job)
            return await _awaited(task, job, arguments) if task.is_async else self._call(task, job, arguments)

        task, arguments = self._task_of(job)
        if task.is_async or self._app.middlewares:
            return self._app.run_blocking(lambda: wrap(handle, self._app.middlewares)(job))
        return self._call(task, job, arguments)

    def _call(self, task: Task[..., Any, Any], job: Job[Any], arguments: dict[str, Any]) -> object:
        token = running_job.set(self._app.sync_job(job.queue_name, job.record, _TOKEN))
        try:
            return task.call_in_thread(arguments)
        finally:
            running_job.reset(token)

    def _task_of(self, job: Job[Any]) -> tuple[Task[..., Any, Any], dict[str, Any]]:
        task = self._app.find_task(job.queue_name, job.name)
        return task, task.arguments_of(job.data)

    def _raise_first(self, errors: list[Exception]) -> None:
        if self._raises and errors:
            raise errors[0]


async def _awaited(task: Task[..., Any, Any], job: Job[Any], arguments: dict[str, Any]) -> object:
    token = running_job.set(job)
    try:
        return await cast("Any", task.function)(**arguments)
    finally:
        running_job.reset(token)


def _is_expected(job: InlineJob) -> bool:
    """Tell whether the failure of a child is something that its parent goes on after."""
    return any(job.policy.get(policy) for policy in ("cpof", "idof", "rdof"))


def _encode(job_id: str, value: object) -> bytes:
    try:
        return encode_json(value, f"result of job {job_id}")
    except ConfigurationError as error:
        # As a worker does: running it again would end the same way.
        raise Unrecoverable(str(error)) from error


def _drive(steps: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits for anything."""
    try:
        steps.send(None)
    except StopIteration:
        return
    raise RuntimeError("blocking inline mode cannot wait")
