"""Remove jobs with their children, large families in pieces."""

from __future__ import annotations

from oxmq.client.context import QueueContext
from oxmq.ops import families, jobs
from oxmq.ops.jobs import Removal


async def remove(context: QueueContext, job_id: str, *, children: bool) -> bool:
    """Remove a job; return False when a worker runs it or, with `children`, one of them."""
    removal = Removal.MORE
    while removal is Removal.MORE:
        removal = await context.runner.run(jobs.remove(context.keys, job_id, children=children))
    return removal is Removal.DONE


async def remove_unprocessed_children(context: QueueContext, job_id: str) -> None:
    """Remove the children of a job that have not begun."""
    cursor: int | None = 0
    while cursor is not None:
        cursor = await context.runner.run(families.remove_unprocessed(context.keys, job_id, cursor))
