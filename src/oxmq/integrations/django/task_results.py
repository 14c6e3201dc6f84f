"""Show a job as the result of one of Django's tasks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings
from django.utils import timezone

from oxmq.codec import decode_json_or
from oxmq.integrations.django.tasks_interface import (
    TASK_MAX_PRIORITY,
    Task,
    TaskError,
    TaskResult,
    TaskResultStatus,
)
from oxmq.records import JobRecord
from oxmq.states import JobState

#: What BullMQ's priority of a task's job is, less the task's own: 1 comes first there, and 100 here.
PRIORITY_OF_ZERO = 101
#: What is said of a worker without a name.
_NAMELESS = "oxmq"
#: How the last line of a stack trace begins, or the first of several that a message has.
_RAISED = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")

_STATUS = {
    JobState.ACTIVE: TaskResultStatus.RUNNING,
    JobState.COMPLETED: TaskResultStatus.SUCCESSFUL,
    JobState.FAILED: TaskResultStatus.FAILED,
}


def result_of(task: Task[..., Any], queue: str, record: JobRecord, state: JobState) -> TaskResult[..., Any]:
    """Return what became of a task's job, whose record was read after its state.

    Of each run there is one worker; all have the name of the last one, for that is the one that is known.
    """
    if record.finished_on is not None:  # it may have ended since; the reason may be an earlier attempt's
        state = JobState.FAILED if record.return_value is None else JobState.COMPLETED
    data: Any = decode_json_or(record.data, {})
    started = _instant(record.processed_on)
    priority = PRIORITY_OF_ZERO - record.priority
    if abs(priority) > TASK_MAX_PRIORITY:  # it was changed, or given by somebody who knows nothing of Django
        priority = task.priority
    result: TaskResult[..., Any] = TaskResult(
        task=replace(task, queue_name=queue, priority=priority),
        id=record.id,
        status=_STATUS.get(state, TaskResultStatus.READY),
        enqueued_at=_instant(record.timestamp),
        started_at=started,
        last_attempted_at=started,
        finished_at=_instant(record.finished_on),
        args=data.get("args", []),
        kwargs=data.get("kwargs", {}),
        backend=task.backend,
        errors=_errors(record),
        worker_ids=[record.processed_by or _NAMELESS] * record.attempts_started,
    )
    if state is JobState.COMPLETED:
        set_field(result, "_return_value", decode_json_or(record.return_value, None))
    return result


def set_field(result: TaskResult[..., Any], name: str, value: object) -> None:
    """Change a field of a result: they are frozen for users, not for backends."""
    object.__setattr__(result, name, value)


def error_of(error: BaseException, traceback: str) -> TaskError:
    """Return what is told of an error that a task raised."""
    kind = type(error)
    return TaskError(exception_class_path=f"{kind.__module__}.{kind.__qualname__}", traceback=traceback)


def _errors(record: JobRecord) -> list[TaskError]:
    traces = decode_json_or(record.stacktrace, [])
    texts = [trace for trace in cast("list[object]", traces) if isinstance(trace, str)]
    if not texts and record.failed_reason:
        return [TaskError(exception_class_path="oxmq.errors.OxmqError", traceback=record.failed_reason)]
    return [TaskError(exception_class_path=_class_in(text), traceback=text) for text in texts]


def _class_in(trace: str) -> str:
    """Return the path of the class whose error ends a stack trace: what stands after the last line of code."""
    lines = trace.splitlines()
    code = max((at for at, line in enumerate(lines) if line.startswith("  ")), default=-1)
    match = _RAISED.match(lines[code + 1]) if code + 1 < len(lines) else None
    path = match[1] if match else "Exception"
    return path if "." in path else f"builtins.{path}"


def _instant(ms: int | None) -> datetime | None:
    if ms is None:
        return None
    instant = datetime.fromtimestamp(ms / 1000, UTC)
    return instant if settings.USE_TZ else timezone.make_naive(instant)
