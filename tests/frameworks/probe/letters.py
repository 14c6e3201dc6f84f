"""Tasks of Django's own kind, in a module that the setting TASK_MODULES names."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.dispatch import receiver

# `task` is one of `django.tasks`, or of the package for an older Django; for the type checker they are the same.
from tests.frameworks.probe.django_tasks_names import TaskContext, TaskResult, task, task_finished

Order: Any = apps.get_model("orders", "Order")  # of the example, which is no part of what is checked


@task
def write(name: str, *, polite: bool = True) -> str:
    """Return a salutation."""
    return f"{'Dear' if polite else 'Hey'} {name}"


@task(queue_name="letters")
async def write_asynchronously(names: list[str]) -> int:
    """Return how many letters and orders there are."""
    orders: int = await Order.objects.acount()
    return len(names) + orders


@task(queue_name="letters")
def note(word: str) -> None:
    """Note that this ran."""
    Order.objects.create(item=word)


@task
def fail() -> None:
    """Fail with an error of two lines."""
    raise ValueError("no paper\nand no ink")


@task
def draw() -> object:
    """Return what cannot be kept."""
    return object()


@receiver(task_finished)
def note_end(task_result: TaskResult[..., Any], **_: object) -> None:
    """Note how a drawing ended."""
    if task_result.task.func is draw.func:
        Order.objects.create(item=f"drawing {task_result.status}")


@task(backend="patient", queue_name="patient", takes_context=True)
def succeed_the_second_time(context: TaskContext[..., Any]) -> list[Any]:
    """Fail once; return which attempt this is, and the id and the status as seen from within."""
    if context.attempt == 1:
        raise LookupError("not yet")
    return [context.attempt, context.task_result.id, context.task_result.status]
