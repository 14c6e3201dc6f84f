"""Be a backend of Django's tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from django.core.checks import CheckMessage
from django.utils import timezone

from oxmq.errors import ConfigurationError
from oxmq.integrations.django import app
from oxmq.integrations.django.checks import check_backend
from oxmq.integrations.django.task_results import PRIORITY_OF_ZERO, result_of, set_field
from oxmq.integrations.django.task_runs import runner_of
from oxmq.integrations.django.tasks_interface import (
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
)
from oxmq.keys import check_queue_name
from oxmq.ops import jobs
from oxmq.options import job_options
from oxmq.states import JobState

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Of which queue's jobs of which name are which task's.
_declared: dict[tuple[str, str], Task[..., Any]] = {}
#: Options that a task decides.
_REFUSED = ("job_id", "parent", "priority", "delay")


class OxmqBackend(BaseTaskBackend):
    """Run Django's tasks as jobs: ``TASKS = {"default": {"BACKEND": "oxmq.integrations.django.OxmqBackend"}}``.

    A task's job has the task's path as its name, and its arguments as data: ``{"args": [...], "kwargs": {...}}``.

    ``QUEUES`` names the queues that tasks may have; a worker works them all. If it is empty, tasks may have any, and a
    worker works those with which tasks are declared. ``OPTIONS`` holds fields of `JobOptions` for each job, and
    ``on_commit`` and ``using``, which mean what they mean for `DjangoOxmq`.

    Raises:
        ConfigurationError: an option is not acceptable.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        options = dict(self.options)
        self._on_commit = _option(alias, options, "on_commit", bool)
        self._using = _option(alias, options, "using", str)
        if refused := [name for name in _REFUSED if name in options]:
            raise ConfigurationError(f"TASKS[{alias!r}]['OPTIONS'] cannot have {refused[0]!r}: the task decides it")
        self._job_options = job_options(options)

    def check(self, **kwargs: object) -> list[CheckMessage]:
        """Return what is wrong with the settings: for ``manage.py check``."""
        return check_backend(self.alias, self._using)

    def validate_task(self, task: Task[..., Any]) -> None:
        """Refuse a task that cannot be run; declare it to workers."""
        super().validate_task(task)
        for queue in {task.queue_name, *self.queues}:
            self._declare(task, queue)

    def enqueue(self, task: Task[P, R], args: list[Any], kwargs: dict[str, Any]) -> TaskResult[P, R]:
        """Add the task's job, after the commit of the current transaction: see `DjangoOxmq`.

        Raises:
            TypeError: an argument cannot be said in JSON.
            UnavailableError: the job was not added.
            OutcomeUnknownError: it may have been added.
        """
        self.validate_task(task)
        result: TaskResult[P, R] = TaskResult(
            task=task,
            id="",
            status=TaskResultStatus.READY,
            enqueued_at=None,
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=list(args),
            kwargs=dict(kwargs),
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        handler = app.tasks[task.queue_name, task.module_path]
        options = {**self._job_options.given(), **_options_of(task)}
        call = handler.options(**options).call(args=result.args, kwargs=result.kwargs)
        job = app.enqueue_sync(call, on_commit=self._on_commit, using=self._using)
        set_field(result, "id", job.id)

        def tell() -> None:
            set_field(result, "id", job.id)  # another one, where deduplication has found it
            set_field(result, "enqueued_at", timezone.now())
            task_enqueued.send(type(self), task_result=result)

        app.after_commit(tell, on_commit=self._on_commit, using=self._using)
        return result

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Return what became of a task's job, for as long as the job is kept.

        Raises:
            TaskResultDoesNotExist: there is no such job, or not yet, or it is no task's of this backend.
        """
        for queue in self._known_queues() if _may_be_id(result_id) else ():
            context = app.sync_context(queue)
            # The state first: when it says that the job has ended, the record that is read after it says how.
            state = JobState(context.runner.run(jobs.get_state(context.keys, result_id)))
            # The queue has keys that are no jobs, which an id may name.
            record = None if state is JobState.UNKNOWN else context.runner.run(jobs.get(context.keys, result_id))
            task = _declared.get((queue, record.name)) if record else None
            if record is not None and task is not None:
                return result_of(replace(task, backend=self.alias, queue_name=queue), queue, record, state)
        raise TaskResultDoesNotExist(result_id)

    def _known_queues(self) -> set[str]:
        known = {queue for queue, _ in _declared}
        return known & self.queues if self.queues else known

    def _declare(self, task: Task[..., Any], queue: str) -> None:
        key = (queue, task.module_path)
        if key in app.tasks:
            return
        try:
            check_queue_name(queue)
            # Without the options: another backend may have other ones for the same queue.
            app.task(name=task.module_path, queue=queue)(runner_of(task, type(self)))
        except ConfigurationError as error:
            raise InvalidTask(f"{error}") from error
        _declared[key] = task


def _option(alias: str, options: dict[str, Any], name: str, kind: type[T]) -> T | None:
    value = options.pop(name, None)
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError(f"TASKS[{alias!r}]['OPTIONS'][{name!r}] must be {kind.__name__}, not {value!r}")
    return value


def _may_be_id(result_id: object) -> bool:
    return isinstance(result_id, str) and bool(result_id)


def _options_of(task: Task[..., Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"priority": PRIORITY_OF_ZERO - task.priority}
    if task.run_after is not None:
        options["delay"] = max(task.run_after - _now_for(task.run_after), timedelta())
    return options


def _now_for(moment: datetime) -> datetime:
    now = timezone.now()
    if timezone.is_aware(moment) == timezone.is_aware(now):
        return now
    return timezone.make_naive(now) if timezone.is_naive(moment) else timezone.make_aware(now)
