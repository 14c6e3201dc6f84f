"""Look at workers, and at how much there is for them to do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import AfterValidator

from oxmq.keys import QueueKeys
from oxmq.monitor.load import Load, get_load
from oxmq.monitor.overview import narrowed
from oxmq.monitor.workers import WorkerList, get_workers, workers_in
from oxmq.web import examples
from oxmq.web.access import Grant
from oxmq.web.context import CurrentSite, Viewer

router = APIRouter(tags=["workers"])


def _name(value: str) -> str:
    return QueueKeys(value).name


AskedQueue = Annotated[str, AfterValidator(_name)]


@router.get("/api/workers", responses=examples.shown(examples.WORKERS))
async def list_workers(
    grant: Viewer,
    site: CurrentSite,
    queue: Annotated[AskedQueue | None, Query(description="Only this queue's.", examples=["email"])] = None,
) -> WorkerList:
    """List the workers: where they are, what they run, and whether they make progress.

    Of workers of other libraries only the connection is known, and which jobs they took. `complete` is false where
    the server does not let its clients be listed: then only workers of oxmq are known.
    """
    if queue is not None:
        check_covers(grant, queue)
        return await get_workers(site, queue)
    return workers_in(narrowed(await site.watch.look(), grant.queues))


@router.get("/api/load", responses=examples.shown(examples.LOAD))
async def show_load(
    grant: Viewer,
    site: CurrentSite,
    queue: Annotated[
        list[AskedQueue], Query(max_length=100, description="Only these queues; all when none is named.")
    ] = [],  # noqa: B006 - FastAPI gives each request a list of its own
) -> Load:
    """Say how much there is to do for how many hands, for autoscalers such as KEDA and HPA.

    `load` is (active + due) / capacity: about 1.0 when there are just enough workers, and more when there are too few.
    """
    for name in queue:
        check_covers(grant, name)
    return await get_load(site, queue, grant.queues)


def check_covers(grant: Grant, queue: str) -> None:
    """Refuse a request for a queue that its sender may not see."""
    if not grant.covers(queue):
        raise HTTPException(403, f"{grant.user} may not see the queue {queue!r}.")
