"""Follow what changes, as server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse

from oxmq.web.access import Grant
from oxmq.web.context import CurrentFeed, Viewer
from oxmq.web.feed import MAX_TOPICS, is_topic

router = APIRouter(tags=["events"])

_TOPICS = "overview, workers, schedules and queue:NAME, with commas between"


class EventStream(StreamingResponse):
    """Send server-sent events."""

    media_type = "text/event-stream"


@router.get("/api/events", response_class=EventStream)
async def follow_events(
    grant: Viewer,
    feed: CurrentFeed,
    topics: Annotated[
        str, Query(max_length=2_000, description=f"What to follow: {_TOPICS}.", examples=["overview,queue:email"])
    ],
) -> EventStream:
    """Follow topics in one stream of server-sent events.

    Each topic begins with an event of its name whose data is `{"kind": "full", "value": ...}`; what changes follows as
    `{"kind": "patch", "value": ...}`, a JSON merge patch (RFC 7396), at most twice a second. By a merge patch a member
    that becomes null is removed: take one that is missing for null. Who reads too slowly gets a full value again, and
    so does who reconnects. The value of `overview` is that of `GET /api/overview`, of
    `queue:NAME` that of `GET /api/queues/NAME` without `spark`, of `schedules` that of `GET /api/schedules`, and of
    `workers` an object of workers by their id.
    While Redis does not answer, events named `trouble` say why: `{"detail": ..., "topic": ...}`.
    """
    names = _names(topics)
    _check_covers(grant, names)
    if feed.is_full:
        raise HTTPException(503, "This process serves as many streams as it may.", {"Retry-After": "10"})
    headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
    return EventStream(feed.follow(names, grant.queues), headers=headers)


def _names(topics: str) -> list[str]:
    names = list(dict.fromkeys(name for name in topics.split(",") if name))
    unknown = [name for name in names if not is_topic(name)]
    if unknown or not 1 <= len(names) <= MAX_TOPICS:
        message = f"there is no topic {unknown[0]!r}; there are: {_TOPICS}" if unknown else (
            f"from 1 to {MAX_TOPICS} topics can be followed: {_TOPICS}"
        )  # fmt: skip
        raise RequestValidationError([{"type": "topics", "loc": ("query", "topics"), "msg": message}])
    return names


def _check_covers(grant: Grant, names: list[str]) -> None:
    for name in names:
        kind, _, queue = name.partition(":")
        if kind == "queue" and not grant.covers(queue):
            raise HTTPException(403, f"{grant.user} may not see the queue {queue!r}.")
