"""Bring the job schedulers in Redis in line with the schedules that an app's code declares."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from oxmq.client.queue import Queue
from oxmq.errors import BackendError
from oxmq.task import Task
from oxmq.worker.events import logger

#: How long to wait before trying again when Redis cannot be reached, in seconds.
_RETRY_PAUSE = 5.0


async def reconcile_until_done(queues: Iterable[Queue], tasks: Sequence[Task[..., Any, Any]]) -> None:
    """Reconcile each queue, trying for as long as Redis cannot be reached."""
    for queue in queues:
        declared = [task for task in tasks if task.queue == queue.name and task.schedule is not None]
        while True:
            try:
                await reconcile(queue, declared)
            except BackendError as error:
                logger.error("queue %s: schedules are not reconciled yet: %s", queue.name, error)
                await asyncio.sleep(_RETRY_PAUSE)
            else:
                break


async def reconcile(queue: Queue, declared: Iterable[Task[..., Any, Any]]) -> None:
    """Add, change and remove what differs. Schedulers that no code declared are left alone.

    Whoever starts last decides: a worker that runs an older version of the code would bring back what it declares.
    """
    wanted = {task.name: task for task in declared}
    for name, task in wanted.items():
        if task.schedule is not None:
            call = task.scheduled_call()
            if await queue.declare_job_scheduler(name, task.schedule, task.name, call.data, **call.scheduled_options):
                logger.info("queue %s: scheduled %s", queue.name, name)
    for scheduler in await queue.get_job_schedulers():
        if scheduler.declared and scheduler.id not in wanted:
            await queue.remove_job_scheduler(scheduler.id)
            logger.info("queue %s: removed the schedule of %s, which no task has any more", queue.name, scheduler.id)
