"""Run one of Django's tasks as the handler of a job."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from django.utils import timezone

from oxmq.app import current_job
from oxmq.client.job import Job
from oxmq.codec import encode_json
from oxmq.errors import ConfigurationError, JobSignal, Unrecoverable
from oxmq.integrations.django.task_results import error_of, result_of, set_field
from oxmq.integrations.django.tasks_interface import (
    BaseTaskBackend,
    Task,
    TaskContext,
    TaskResult,
    TaskResultStatus,
    task_finished,
    task_started,
)
from oxmq.ops.outcomes import stack_of
from oxmq.states import JobState

T = TypeVar("T")


def runner_of(task: Task[..., Any], sender: type[BaseTaskBackend]) -> Callable[..., Any]:
    """Return the function that runs a task's jobs, a coroutine function for a task that is one.

    Args:
        task: the task.
        sender: whose signals tell of the start and the end.
    """
    if iscoroutinefunction(task.func):

        async def run_coroutine(args: list[Any], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can say
            run = _Run(task)
            await task_started.asend(sender, task_result=run.result)
            try:
                value = _checked(await task.func(*run.context, *args, **kwargs))
            except Exception as error:
                if run.fails_for_good(error):
                    await task_finished.asend(sender, task_result=run.result)
                raise
            run.succeeds(value)
            await task_finished.asend(sender, task_result=run.result)
            return value

        return run_coroutine

    def run(args: list[Any], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can say
        run = _Run(task)
        task_started.send(sender, task_result=run.result)
        try:
            value = _checked(task.func(*run.context, *args, **kwargs))
        except Exception as error:
            if run.fails_for_good(error):
                task_finished.send(sender, task_result=run.result)
            raise
        run.succeeds(value)
        task_finished.send(sender, task_result=run.result)
        return value

    return run


def _checked(value: T) -> T:
    """Refuse a result that cannot be kept, before the signals tell of a success; as a worker would after them."""
    try:
        encode_json(value, "the task's result")
    except ConfigurationError as error:
        raise Unrecoverable(str(error)) from error
    return value


class _Run:
    """Hold one run of a task, and what its result is so far."""

    def __init__(self, task: Task[..., Any]) -> None:
        self._job: Job[Any] = current_job()
        self.result: TaskResult[..., Any] = result_of(task, self._job.queue_name, self._job.record, JobState.ACTIVE)
        self.context = (TaskContext(task_result=self.result),) if task.takes_context else ()

    def succeeds(self, value: object) -> None:
        self._end(TaskResultStatus.SUCCESSFUL)
        set_field(self.result, "_return_value", value)

    def fails_for_good(self, error: Exception) -> bool:
        """Note a failure; return whether the job is not tried again."""
        attempts = self._job.options.attempts
        more = isinstance(attempts, int) and self._job.record.attempts_made + 1 < attempts
        if not isinstance(error, Unrecoverable) and (more or isinstance(error, JobSignal)):
            return False
        self._end(TaskResultStatus.FAILED)
        self.result.errors.append(error_of(error, stack_of(error)))
        return True

    def _end(self, status: TaskResultStatus) -> None:
        set_field(self.result, "status", status)
        set_field(self.result, "finished_at", timezone.now())
