"""Look at queues, hold them, limit them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import Field

from oxmq.monitor.overview import Overview, get_overview
from oxmq.monitor.queues import QueueDetail, QueueList, get_queue, get_queues
from oxmq.monitor.site import Site
from oxmq.options import RateLimit
from oxmq.web import examples
from oxmq.web.context import Admin, CurrentAudit, CurrentFeed, CurrentSite, Operator, Viewer
from oxmq.web.params import Body, QueueName

router = APIRouter(tags=["queues"])


class NewRateLimit(Body):
    """Say how many jobs may start in each window, over all workers."""

    max: int = Field(ge=1, le=1_000_000_000, description="How many jobs.", examples=[100])
    duration: float = Field(gt=0, le=31_536_000, description="How long the window is, in seconds.", examples=[60])


class NewLimits(Body):
    """Say what to change; what is left out stays as it is, null takes the limit away."""

    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="How many jobs may run at once, over all workers.", examples=[8]
    )
    rate_limit: NewRateLimit | None = None


@router.get("/api/queues", responses=examples.shown(examples.QUEUES))
async def list_queues(grant: Viewer, site: CurrentSite) -> QueueList:
    """List the queues: how many jobs are where, how fast they go, what holds them.

    `complete` is false while the server is still being searched for queues.
    """
    found = await get_queues(site)
    return QueueList(queues=[queue for queue in found.queues if grant.covers(queue.name)], complete=found.complete)


@router.get("/api/overview", responses=examples.shown(examples.OVERVIEW))
async def show_overview(grant: Viewer, site: CurrentSite, feed: CurrentFeed) -> Overview:
    """Show the whole site at a glance: rates, what needs attention, and each queue in a line."""
    feed.recorder.start()
    return await get_overview(site, grant.queues)


@router.get("/api/queues/{queue}", responses=examples.shown(examples.QUEUE))
async def show_queue(queue: QueueName, _: Viewer, site: CurrentSite) -> QueueDetail:
    """Show a queue: its jobs by state and priority, its pace, its limits."""
    return await _existing(site, queue)


@router.patch("/api/queues/{queue}", responses=examples.shown(examples.QUEUE))
async def change_limits(
    queue: QueueName, body: NewLimits, grant: Admin, site: CurrentSite, audit: CurrentAudit
) -> QueueDetail:
    """Change how many jobs of a queue may run at once, and how many may start in a time, over all workers."""
    await _existing(site, queue)
    given = body.model_fields_set
    async with audit.change(grant, "limit", queue, body.model_dump_json(include=given)):
        if "concurrency" in given:
            await _set_concurrency(site, queue, body.concurrency)
        if "rate_limit" in given:
            await _set_rate(site, queue, body.rate_limit)
    return await _existing(site, queue)


@router.post("/api/queues/{queue}:pause", responses=examples.shown(examples.QUEUE))
async def pause_queue(queue: QueueName, grant: Operator, site: CurrentSite, audit: CurrentAudit) -> QueueDetail:
    """Let no worker start another job of the queue; those that run go on."""
    await _existing(site, queue)
    async with audit.change(grant, "pause", queue, "the queue"):
        await site.queue(queue).pause()
    return await _existing(site, queue)


@router.post("/api/queues/{queue}:resume", responses=examples.shown(examples.QUEUE))
async def resume_queue(queue: QueueName, grant: Operator, site: CurrentSite, audit: CurrentAudit) -> QueueDetail:
    """Let workers start jobs of the queue again."""
    await _existing(site, queue)
    async with audit.change(grant, "resume", queue, "the queue"):
        await site.queue(queue).resume()
    return await _existing(site, queue)


async def _existing(site: Site, queue: str) -> QueueDetail:
    found = await get_queue(site, queue)
    if found is None:
        raise HTTPException(404, f"There is no queue {queue!r}.")
    return found


async def _set_concurrency(site: Site, queue: str, concurrency: int | None) -> None:
    if concurrency is None:
        await site.queue(queue).remove_global_concurrency()
    else:
        await site.queue(queue).set_global_concurrency(concurrency)


async def _set_rate(site: Site, queue: str, rate: NewRateLimit | None) -> None:
    if rate is None:
        await site.queue(queue).remove_global_rate_limit()
    else:
        await site.queue(queue).set_global_rate_limit(RateLimit(max=rate.max, duration=rate.duration))
