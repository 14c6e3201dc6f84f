"""List the jobs of a queue, search among them, group what failed, and act on many at once."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field, model_validator

from oxmq.monitor.bulk import MAX_IDS, Action, BulkStep, Order, act_on_ids, act_on_matching
from oxmq.monitor.failures import Failures, get_failed
from oxmq.monitor.jobs_page import JobPage, Suggestions, get_jobs_page, get_suggestions
from oxmq.monitor.search import MAX_SEARCH
from oxmq.monitor.site import Site
from oxmq.options import MAX_PRIORITY
from oxmq.web.access import Grant, Role
from oxmq.web.context import CurrentAudit, CurrentSite, Operator, Viewer
from oxmq.web.params import Body, Cursor, Limit, QueueName

router = APIRouter(tags=["jobs"])

State = Literal["waiting", "prioritized", "delayed", "active", "waiting-children", "completed", "failed"]
AskedState = Annotated[State, Query(description="The state whose jobs are meant.", examples=["failed"])]
Searched = Annotated[
    str,
    Query(
        max_length=MAX_SEARCH,
        description=(
            "What to look for: words that must all apply. A plain word is looked for in name, id, data and failure "
            "reason. Others look at one thing: `name:resize`, `id:...`, `data.user.id:42`, `data:word`, "
            '`result.x:>1`, `error:"time out"`, `worker:w1`, `attempt:>2`, `age:>1h`, `priority:<5`, '
            "`schedule:nightly`, `fingerprint:...`. `*` stands for anything."
        ),
        examples=["name:resize data.user.id:42"],
    ),
]


class Match(Body):
    """Say which jobs are meant: all of a state that a search finds."""

    state: State
    search: str = Field(default="", max_length=MAX_SEARCH, examples=["fingerprint:0a1b2c3d4e5f"])


class BulkOrder(Body):
    """Say what to do, and with which jobs: by their ids, or by what is looked for."""

    action: Action
    ids: list[Annotated[str, Field(min_length=1, max_length=1024)]] | None = Field(
        default=None, min_length=1, max_length=MAX_IDS
    )
    match: Match | None = None
    cursor: str | None = Field(default=None, max_length=8192, description="The `cursor` of the step before.")
    reason: str = Field(default="cancelled", max_length=1000, description="Why, when jobs are cancelled.")
    priority: int | None = Field(default=None, ge=0, le=MAX_PRIORITY, description="For `change_priority`.")
    dry_run: bool = Field(default=False, description="Only count.")

    @model_validator(mode="after")
    def _has_one_scope(self) -> Self:
        if (self.ids is None) == (self.match is None):
            raise ValueError("give either ids or match")
        if self.action is Action.CHANGE_PRIORITY and self.priority is None:
            raise ValueError("change_priority needs a priority")
        return self

    @property
    def scope(self) -> str:
        """Return in words which jobs are meant."""
        if self.match is None:
            ids = self.ids or []
            return f"{len(ids)} jobs: {', '.join(ids[:10])}"
        return f"{self.match.state} jobs" + (f" that match {self.match.search}" if self.match.search else "")


@router.get("/api/queues/{queue}/jobs")
async def list_jobs(
    queue: QueueName,
    _: Viewer,
    site: CurrentSite,
    state: AskedState,
    search: Searched = "",
    cursor: Cursor = None,
    limit: Limit = 50,
    order: Annotated[Literal["newest", "oldest"], Query(description="Which jobs come first.")] = "newest",
) -> JobPage:
    """List the jobs of one state, page by page, or search among them.

    A page stays in place while jobs come and go. A search looks at 2,000 jobs at most, or for 0.3 seconds: its page may
    be short or empty and still have a `cursor`, with which the search goes on.
    """
    return await get_jobs_page(site, queue, state, search=search, cursor=cursor, limit=limit, newest=order == "newest")


@router.get("/api/queues/{queue}/suggestions")
async def suggest_searches(queue: QueueName, _: Viewer, site: CurrentSite, state: AskedState) -> Suggestions:
    """Say what may be searched for: the names, workers and paths into the data of the newest 200 jobs of a state."""
    return await get_suggestions(site, queue, state)


@router.get("/api/queues/{queue}/failures")
async def list_failures(queue: QueueName, _: Viewer, site: CurrentSite, limit: Limit = 50) -> Failures:
    """Group the newest 5,000 failed jobs by what made them fail: the error's class, and where it was raised.

    To act on a group, use `jobs:act` with `{"match": {"state": "failed", "search": "fingerprint:..."}}`.
    """
    return await get_failed(site, queue, limit=limit)


@router.post("/api/queues/{queue}/jobs:act")
async def act_on_jobs(
    queue: QueueName, body: BulkOrder, grant: Operator, site: CurrentSite, audit: CurrentAudit
) -> BulkStep:
    """Retry, promote, cancel or remove many jobs, or change their priority, in steps of up to 500.

    Send the same again with the `cursor` of the answer until it is null. Each job that was in the state when the first
    step began is reached once; one that comes back to it, because it fails again, is left alone. Jobs that are in
    another state by then are skipped. Removing needs the role admin.
    """
    if body.action is Action.REMOVE and not grant.role.includes(Role.ADMIN):
        raise HTTPException(403, f"This needs the role admin; {grant.user} is {grant.role.value}.")
    if body.dry_run:
        return await _step(site, queue, body)
    return await _audited(grant, site, queue, body, audit)


async def _audited(grant: Grant, site: Site, queue: str, body: BulkOrder, audit: CurrentAudit) -> BulkStep:
    async with audit.change(grant, body.action.value, queue, body.scope) as change:
        step = await _step(site, queue, body)
        change.result = f"{step.changed} of {step.matched} jobs" + (", to be continued" if step.cursor else "")
    return step


async def _step(site: Site, queue: str, body: BulkOrder) -> BulkStep:
    order = Order(action=body.action, reason=body.reason, priority=body.priority, dry_run=body.dry_run)
    if body.match is None:
        return await act_on_ids(site, queue, order, body.ids or [], cursor=body.cursor)
    return await act_on_matching(site, queue, order, body.match.state, body.match.search, cursor=body.cursor)
