"""Use Django's tasks as a project does, and print as JSON what was seen: the tests compare.

``before`` runs before there is a worker, ``after`` with one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402 - Django must be set up first
from django.db import transaction  # noqa: E402 - likewise
from django.utils import timezone  # noqa: E402 - likewise

from tests.frameworks.django_site import PATIENCE  # noqa: E402 - likewise
from tests.frameworks.probe import letters  # noqa: E402 - likewise
from tests.frameworks.probe.django_tasks_names import (  # noqa: E402 - likewise
    InvalidTask,
    TaskResult,
    TaskResultDoesNotExist,
    default_task_backend,
    task_enqueued,
)
from tests.support.waiting import eventually_sync  # noqa: E402 - likewise

Order: Any = apps.get_model("orders", "Order")  # of the example, which is no part of what is checked
told: list[str] = []


def _note_enqueued(task_result: TaskResult[..., Any], **_: object) -> None:
    told.append(task_result.id)


task_enqueued.connect(_note_enqueued)


def before() -> dict[str, Any]:
    """Add tasks that nobody works yet."""
    for word, priority in (("low", -100), ("none", 0), ("first", 100), ("high", 7)):
        letters.note.using(priority=priority).enqueue(word)
    later = letters.note.using(run_after=timezone.now() + timedelta(hours=1)).enqueue("later")
    ready = letters.write.enqueue("Ada", polite=False)
    with transaction.atomic():
        waiting = letters.write.enqueue("Bob")
        hidden = not _exists(waiting)
        told_early = waiting.id in told
    found = letters.write.get_result(ready.id)
    return {
        "ready": [ready.id, found.status, found.args, found.kwargs, found.attempts, found.is_finished],
        "hidden_until_commit": [hidden, told_early, _exists(waiting), waiting.id in told],
        "delayed": letters.note.get_result(later.id).status,
        "priority": letters.note.get_result(later.id).task.priority,
        "enqueued_at": abs(timezone.now() - (found.enqueued_at or timezone.now())) < timedelta(minutes=5),
    }


def after(ready: str) -> dict[str, Any]:
    """See what became of the tasks, and of others."""
    written = _end(letters.write.get_result(ready))
    counted = _end(asyncio.run(letters.write_asynchronously.aenqueue(["a", "b"])))
    failed = _end(letters.fail.enqueue())
    patient = _end(letters.succeed_the_second_time.enqueue())
    hasty = _end(letters.fail.using(backend="hasty").enqueue())
    drawn = _end(letters.draw.enqueue())
    noted = eventually_sync(_noted, PATIENCE, "not all letters are noted")
    return {
        "written": [written.return_value, written.attempts, written.status],
        "times": [written.enqueued_at <= written.started_at <= written.finished_at, written.errors],  # type: ignore[operator]  # they are there: it has ended
        "counted": counted.return_value >= 2,
        "failed": [failed.status, failed.errors[0].exception_class is ValueError, len(failed.errors)],
        "failed_trace": failed.errors[0].traceback,
        "patient": [patient.return_value == [2, patient.id, "RUNNING"], patient.attempts, patient.status],
        "patient_errors": [error.exception_class_path for error in patient.errors],
        "hasty": [hasty.status, hasty.backend, hasty.attempts],
        "drawn": [drawn.status, [order.item for order in Order.objects.filter(item__startswith="drawing")]],
        "noted": noted,
        "mismatch": _exists_as(letters.fail, written.id),
        "unknown": _exists_as(letters.write, "01a00000-0000-7000-8000-000000000000"),
        "no_ids": [_exists_as(letters.write, each) for each in ("", "meta", "id", "events", "wait", None, 7)],
        "refused": _refused(),
        "not_json": _not_json(),
        "supports": [
            default_task_backend.supports_defer, default_task_backend.supports_async_task,
            default_task_backend.supports_get_result, default_task_backend.supports_priority,
        ],
    }  # fmt: skip


def _end(result: TaskResult[..., Any]) -> TaskResult[..., Any]:
    def is_finished() -> bool:
        result.refresh()
        return result.is_finished

    eventually_sync(is_finished, PATIENCE, f"{result} does not end")
    return result


def _noted() -> list[str]:
    words = list(Order.objects.filter(item__in=("low", "none", "first", "high")).order_by("pk"))
    return [order.item for order in words] if len(words) == 4 else []


def _exists(result: TaskResult[..., Any]) -> bool:
    try:
        default_task_backend.get_result(result.id)
    except TaskResultDoesNotExist:
        return False
    return True


def _exists_as(task: Any, result_id: object) -> str:
    try:
        task.get_result(result_id)
    except Exception as error:  # noqa: BLE001 - which one it is is what is asked
        return type(error).__name__
    return "exists"


def _refused() -> str:
    try:
        letters.write.using(queue_name="nowhere")
    except InvalidTask as error:
        return str(error)
    return "accepted"


def _not_json() -> str:
    try:
        letters.write.enqueue(object())  # type: ignore[arg-type]  # it is what is tried
    except TypeError as error:
        return str(error)
    return "accepted"


if __name__ == "__main__":
    print(json.dumps(before() if sys.argv[1] == "before" else after(sys.argv[2])))  # noqa: T201 - the tests read it
