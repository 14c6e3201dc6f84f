"""Follow one job, and show its log, its parents and its children."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response

from oxmq.monitor.flow import MAX_DEPTH, MAX_NODES, ChildPage, Flow, get_children, get_flow
from oxmq.monitor.job import LogPage, get_log_page
from oxmq.monitor.job_trail import EventPage, get_event_page
from oxmq.records import ChildKind
from oxmq.web.context import CurrentJobEvents, CurrentSite, Viewer
from oxmq.web.job_events import JobEvents, read_position
from oxmq.web.params import Cursor, JobId, Limit, QueueName
from oxmq.web.problems import invalid
from oxmq.web.routes.events import EventStream
from oxmq.web.sight import sight_of

router = APIRouter(tags=["jobs"])


@router.get("/api/queues/{queue}/jobs/{job_id}/logs")
async def read_log(
    queue: QueueName, job_id: JobId, _: Viewer, site: CurrentSite, cursor: Cursor = None, limit: Limit = 100
) -> LogPage:
    """Read the lines that a job has logged, the oldest first."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 13):
        raise invalid("must be the cursor of the page before", "query", "cursor")
    return await get_log_page(site, queue, job_id, start=int(cursor or 0), limit=limit)


@router.get(
    "/api/queues/{queue}/jobs/{job_id}/events",
    response_model=EventPage,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_job(
    queue: QueueName,
    job_id: JobId,
    _: Viewer,
    site: CurrentSite,
    events: CurrentJobEvents,
    request: Request,
    cursor: Cursor = None,
    limit: Limit = 100,
    last_event_id: Annotated[
        str | None, Query(max_length=60, description="As the header `Last-Event-ID`, for programs without it.")
    ] = None,
    last_event_id_header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=60)] = None,
) -> EventPage | Response:
    """List what the queue's stream of events says of a job; with `Accept: text/event-stream`, follow the job live.

    The live stream begins with how the job is, and ends when it has ended. It has events `state` (`{"state", "at"}`),
    `progress` (`{"progress"}`), `log` (`{"lines", "from"}`) and `end` (`{"state", "result" or "failed_reason"}`); while
    Redis does not answer, `trouble`. After a break, `Last-Event-ID` goes on where the connection was lost.
    """
    if "text/event-stream" not in request.headers.get("accept", ""):
        return await get_event_page(site, queue, job_id, cursor=cursor, limit=limit)
    if events.is_full:
        raise HTTPException(503, "This process serves as many streams as it may.", {"Retry-After": "10"})
    last = last_event_id_header or last_event_id
    stream = await _begun(events, queue, job_id, last)
    return EventStream(stream, headers={"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"})


@router.get("/api/queues/{queue}/jobs/{job_id}/children")
async def list_children(
    queue: QueueName,
    job_id: JobId,
    grant: Viewer,
    site: CurrentSite,
    kind: Annotated[ChildKind, Query(description="Which children: by what became of them.")] = "unprocessed",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ChildPage:
    """List the children of a job that completed (`processed`), have not ended, or failed.

    `ignored` are those whose failure did not stop the job, `failed` those for which it fails. Of children in queues
    that may not be seen, only the ids are told.
    """
    return await get_children(site, queue, job_id, kind, cursor=cursor, limit=limit, may_see=sight_of(grant, site))


@router.get("/api/queues/{queue}/jobs/{job_id}/flow")
async def show_flow(
    queue: QueueName,
    job_id: JobId,
    grant: Viewer,
    site: CurrentSite,
    depth: Annotated[int, Query(ge=0, le=MAX_DEPTH, description="How many levels of children.")] = MAX_DEPTH,
    limit: Annotated[int, Query(ge=1, le=MAX_NODES, description="How many jobs at most.")] = MAX_NODES,
    whole: Annotated[bool, Query(description="From the top of the flow; else from this job on.")] = True,
) -> Flow:
    """Show the flow that a job belongs to: all jobs from its top down, and who waits for whom.

    Each node says how many children it has that are not shown (`more`).
    """
    return await get_flow(site, queue, job_id, depth=depth, limit=limit, may_see=sight_of(grant, site), whole=whole)


async def _begun(events: JobEvents, queue: str, job_id: str, last: str | None) -> AsyncIterator[bytes]:
    """Return a stream that has begun: what is wrong from the first is answered before."""
    stream = events.follow(queue, job_id, None if not last else read_position(last))
    first = await anext(stream)

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for message in stream:
            yield message

    return whole()
