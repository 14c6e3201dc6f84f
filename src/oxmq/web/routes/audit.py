"""Show who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from oxmq.monitor.moments import moment
from oxmq.ops import audit
from oxmq.ops.audit import AuditEntry
from oxmq.web.access import Grant
from oxmq.web.context import Admin, CurrentSite
from oxmq.web.params import Limit

router = APIRouter(tags=["audit"])


class Entry(BaseModel):
    """Say who changed what, and what came of it."""

    id: str
    at: datetime | None
    user: str = Field(examples=["ada"])
    role: str = Field(examples=["admin"])
    action: str = Field(examples=["clean"])
    queue: str = Field(description="Empty for the whole site.")
    scope: str = Field(description="To what it was done, in words.", examples=["failed jobs older than 86400 s"])
    result: str = Field(description="What came of it, in words.", examples=["120 jobs"])


class Entries(BaseModel):
    """Hold some entries, the newest first, and where to go on; null at the end."""

    entries: list[Entry]
    cursor: str | None


@router.get("/api/audit")
async def list_changes(
    grant: Admin,
    site: CurrentSite,
    cursor: Annotated[
        str | None, Query(pattern=r"^\d{1,15}-\d{1,15}$", description="The `cursor` of the page before.")
    ] = None,
    limit: Limit = 50,
) -> Entries:
    """List the changes that were made through this API, the newest first; about 10,000 are kept.

    Jobs that are added are not among them: the jobs themselves tell of that.
    """
    page = await site.runner.run(audit.get_page(site.prefix, cursor, limit))
    return Entries(entries=[_entry(entry) for entry in page.entries if _concerns(grant, entry)], cursor=page.next)


def _concerns(grant: Grant, entry: AuditEntry) -> bool:
    return grant.queues is None or grant.covers(entry.fields.get("queue", ""))


def _entry(entry: AuditEntry) -> Entry:
    words = {name: entry.fields.get(name, "") for name in ("user", "role", "action", "queue", "scope", "result")}
    return Entry(id=entry.id, at=moment(entry.at_ms), **words)
