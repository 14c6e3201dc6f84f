"""Empty queues, and put many jobs back to run: a step at a time."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, Field

from oxmq.codec import instant_ms
from oxmq.durations import milliseconds
from oxmq.monitor import emptying
from oxmq.monitor.emptying import Step
from oxmq.monitor.queues import get_queue
from oxmq.monitor.site import Site
from oxmq.web.context import Admin, CurrentAudit, CurrentSite, Operator
from oxmq.web.job_options import DurationField
from oxmq.web.params import Body, QueueName
from oxmq.web.problems import CONFLICT

router = APIRouter(tags=["administration"])

State = Literal["waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed"]


class _Change(Body):
    dry_run: bool = Field(default=False, description="Only count the jobs that it is about.", strict=True)


class DrainBody(_Change):
    """Say what to delete of the jobs that have not begun."""

    delayed: bool = Field(default=False, description="Whether those that are delayed go, too.", strict=True)


class CleanBody(_Change):
    """Say which old jobs to delete."""

    state: State = Field(description="Of this state. Of the active ones those go whose worker has lost them.")
    older_than: DurationField = Field(description="How old they are at least.", examples=["7d"])
    limit: int | None = Field(default=None, ge=1, strict=True, description="At most so many.")


class ObliterateBody(_Change):
    """Say how to delete a queue."""

    force: bool = Field(default=False, description="Even while jobs are running.", strict=True)


class RetryBody(_Change):
    """Say which failed jobs to run again."""

    failed_before: AwareDatetime | None = Field(
        default=None,
        description="Only those that failed no later; now when not given. Give the same with each step, so that jobs "
        "which fail again are not run again and again.",
    )


class PromoteBody(_Change):
    """Say how to make delayed jobs ready."""


@router.post("/api/queues/{queue}:drain")
async def drain_queue(
    queue: QueueName, grant: Admin, site: CurrentSite, audit: CurrentAudit, body: DrainBody | None = None
) -> Step:
    """Delete the jobs that have not begun, at most about 10,000; while `more` is true, ask again.

    The next jobs of schedules stay; a dry run counts them all the same.
    """
    body = body or DrainBody()
    await _check_exists(site, queue)
    if body.dry_run:
        return await emptying.drain(site, queue, delayed=body.delayed, dry_run=True)
    what = "jobs that have not begun" if body.delayed else "jobs that wait"
    async with audit.change(grant, "drain", queue, what) as change:
        step = await emptying.drain(site, queue, delayed=body.delayed)
        change.result = _in_words(step)
    return step


@router.post("/api/queues/{queue}:clean")
async def clean_queue(queue: QueueName, body: CleanBody, grant: Admin, site: CurrentSite, audit: CurrentAudit) -> Step:
    """Delete the old jobs of a state, the oldest first and at most about 10,000; while `more` is true, ask again.

    What has ended, or waits for children, is as old as that; everything else as its latest start, or its creation.
    """
    await _check_exists(site, queue)
    age = milliseconds(body.older_than, "older_than") / 1000
    if body.dry_run:
        return await emptying.clean(site, queue, body.state, age, limit=body.limit, dry_run=True)
    async with audit.change(grant, "clean", queue, f"{body.state} jobs older than {age:g} s") as change:
        step = await emptying.clean(site, queue, body.state, age, limit=body.limit)
        change.result = _in_words(step)
    return step


@router.post("/api/queues/{queue}:obliterate", responses=CONFLICT)
async def obliterate_queue(
    queue: QueueName, grant: Admin, site: CurrentSite, audit: CurrentAudit, body: ObliterateBody | None = None
) -> Step:
    """Delete a queue and everything in it, at most about 10,000 jobs; while `more` is true, ask again.

    It is paused first, and stays so when jobs are running and this is refused.
    """
    body = body or ObliterateBody()
    await _check_exists(site, queue)
    if body.dry_run:
        return await emptying.obliterate(site, queue, force=body.force, dry_run=True)
    what = "the queue, with the jobs that run" if body.force else "the queue"
    async with audit.change(grant, "obliterate", queue, what) as change:
        step = await emptying.obliterate(site, queue, force=body.force)
        change.result = _in_words(step)
    return step


@router.post("/api/queues/{queue}:retry-failed")
async def retry_failed_jobs(
    queue: QueueName, grant: Operator, site: CurrentSite, audit: CurrentAudit, body: RetryBody | None = None
) -> Step:
    """Run the failed jobs again, the oldest first and at most about 10,000; while `more` is true, ask again."""
    body = body or RetryBody()
    await _check_exists(site, queue)
    if body.dry_run:
        return await emptying.retry_failed(site, queue, dry_run=True)
    before = None if body.failed_before is None else instant_ms(body.failed_before)
    async with audit.change(grant, "retry-failed", queue, "failed jobs") as change:
        step = await emptying.retry_failed(site, queue, failed_before_ms=before)
        change.result = _in_words(step)
    return step


@router.post("/api/queues/{queue}:promote-delayed")
async def promote_delayed_jobs(
    queue: QueueName, grant: Operator, site: CurrentSite, audit: CurrentAudit, body: PromoteBody | None = None
) -> Step:
    """Make the delayed jobs ready, the first due first and at most about 10,000; while `more` is true, ask again."""
    body = body or PromoteBody()
    await _check_exists(site, queue)
    if body.dry_run:
        return await emptying.promote_delayed(site, queue, dry_run=True)
    async with audit.change(grant, "promote-delayed", queue, "delayed jobs") as change:
        step = await emptying.promote_delayed(site, queue)
        change.result = _in_words(step)
    return step


async def _check_exists(site: Site, queue: str) -> None:
    if await get_queue(site, queue) is None:
        raise HTTPException(404, f"There is no queue {queue!r}.")


def _in_words(step: Step) -> str:
    return f"{step.count} jobs{', with more to do' if step.more else ''}"
