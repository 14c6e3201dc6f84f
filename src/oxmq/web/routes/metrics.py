"""Look at how queues went, and let Prometheus do so."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from oxmq.monitor.exposition import get_exposition
from oxmq.monitor.history import MOST_MINUTES, QueueMetrics, get_metrics
from oxmq.web import examples
from oxmq.web.context import CurrentFeed, CurrentSite, Viewer
from oxmq.web.params import QueueName

router = APIRouter(tags=["metrics"])

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/api/metrics/{queue}", responses=examples.shown(examples.METRICS))
async def show_metrics(
    queue: QueueName,
    _: Viewer,
    site: CurrentSite,
    feed: CurrentFeed,
    minutes: Annotated[
        int, Query(ge=1, le=MOST_MINUTES, description="How far to look back; at most two days.", examples=[60])
    ] = 60,
) -> QueueMetrics:
    """Show how a queue went: its minutes, oldest first, and how long jobs took.

    Workers of oxmq count what they end, so that their minutes are exact, with times at most 10 % off. For queues that
    only other libraries work, this server writes minutes down while it runs, from the first time that anybody looks:
    then times are those of a sample of the jobs that are kept.
    """
    feed.recorder.start()
    return await get_metrics(site, queue, minutes)


@router.get("/metrics", response_class=PlainTextResponse)
async def show_prometheus_metrics(grant: Viewer, site: CurrentSite) -> PlainTextResponse:
    """Show all queues in the text format of Prometheus."""
    return PlainTextResponse(await get_exposition(site, grant.queues), media_type=_TEXT)
