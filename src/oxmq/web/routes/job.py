"""Look at one job, and change it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from oxmq.errors import JobNotFoundError
from oxmq.monitor import job_changes
from oxmq.monitor.job import JobView, get_job_view
from oxmq.monitor.job_changes import Edit
from oxmq.monitor.site import Site
from oxmq.options import MAX_PRIORITY
from oxmq.states import JobState
from oxmq.web.access import Grant
from oxmq.web.context import Admin, CurrentAudit, CurrentSite, Operator, Viewer
from oxmq.web.job_options import DurationField
from oxmq.web.links import job_path
from oxmq.web.params import Body, JobId, QueueName
from oxmq.web.problems import CONFLICT
from oxmq.web.redaction import restore
from oxmq.web.routes.new_jobs import AddedJob
from oxmq.web.sight import sight_of

router = APIRouter(tags=["jobs"])

_GONE: dict[int | str, dict[str, Any]] = {
    **CONFLICT,
    204: {"description": "It is done, and the job is gone: its options keep none that has ended."},
}
_DATA = "The payload. Where it says `[redacted]` still, what is stored there stays."


class Edited(Body):
    """Hold edited data, if any."""

    data: Any = Field(default=None, description=_DATA)

    @property
    def edit(self) -> Edit | None:
        """Return how to change the stored data; None when none was given: null is a value."""
        return (lambda stored: restore(self.data, stored)) if "data" in self.model_fields_set else None


class JobChange(Edited):
    """Say what to change of a job that has not begun; what is left out stays."""

    delay: Annotated[DurationField, Field(description="In how long a delayed job is due, from now on.")] | None = None
    priority: int | None = Field(default=None, ge=0, le=MAX_PRIORITY, description="1 is the most urgent; 0 is none.")


class Cancellation(Body):
    """Say why a job is cancelled."""

    reason: str = Field(default="cancelled", min_length=1, max_length=1000)


@router.get("/api/queues/{queue}/jobs/{job_id}")
async def show_job(queue: QueueName, job_id: JobId, grant: Viewer, site: CurrentSite) -> JobView:
    """Show everything about a job: its data and result, what happened to it, and why it is not running."""
    return await get_job_view(site, queue, job_id, may_see=sight_of(grant, site))


@router.post("/api/queues/{queue}/jobs/{job_id}:retry", response_model=JobView, responses=_GONE)
async def retry_job(
    queue: QueueName,
    job_id: JobId,
    grant: Operator,
    site: CurrentSite,
    audit: CurrentAudit,
    body: Edited | None = None,
) -> JobView | Response:
    """Run a failed or completed job again, perhaps with edited data."""
    edit = None if body is None else body.edit
    action = "retry" if edit is None else "retry with edited data"
    async with audit.change(grant, action, queue, f"job {job_id}"):
        await job_changes.retry(site, queue, job_id, edit)
    return await _view(grant, site, queue, job_id)


@router.post("/api/queues/{queue}/jobs/{job_id}:promote", response_model=JobView, responses=_GONE)
async def promote_job(
    queue: QueueName, job_id: JobId, grant: Operator, site: CurrentSite, audit: CurrentAudit
) -> JobView | Response:
    """Make a delayed job ready to run now."""
    async with audit.change(grant, "promote", queue, f"job {job_id}"):
        await job_changes.promote(site, queue, job_id)
    return await _view(grant, site, queue, job_id)


@router.post("/api/queues/{queue}/jobs/{job_id}:cancel", response_model=JobView, responses=_GONE)
async def cancel_job(
    queue: QueueName,
    job_id: JobId,
    grant: Operator,
    site: CurrentSite,
    audit: CurrentAudit,
    body: Cancellation | None = None,
) -> JobView | Response:
    """Cancel a job that has not ended: it fails, without another attempt.

    The worker of a job that runs is asked to stop it; workers of oxmq do so within a second.
    """
    reason = Cancellation().reason if body is None else body.reason
    async with audit.change(grant, "cancel", queue, f"job {job_id}") as change:
        failed = await job_changes.cancel(site, queue, job_id, reason)
        change.result = "it has failed" if failed else "its worker was asked to stop"
    return await _view(grant, site, queue, job_id)


@router.patch("/api/queues/{queue}/jobs/{job_id}", response_model=JobView, responses=_GONE)
async def change_job(
    queue: QueueName, job_id: JobId, body: JobChange, grant: Operator, site: CurrentSite, audit: CurrentAudit
) -> JobView | Response:
    """Change the data or the priority of a job that has not begun, or the delay of a delayed one."""
    fields = ", ".join(sorted(body.model_fields_set)) or "nothing"
    async with audit.change(grant, "change", queue, f"{fields} of job {job_id}"):
        await job_changes.change(site, queue, job_id, edit=body.edit, priority=body.priority, delay=body.delay)
    return await _view(grant, site, queue, job_id)


@router.delete("/api/queues/{queue}/jobs/{job_id}", status_code=204, responses=CONFLICT)
async def delete_job(queue: QueueName, job_id: JobId, grant: Admin, site: CurrentSite, audit: CurrentAudit) -> None:
    """Delete a job, and its children with it. A job that runs cannot be deleted."""
    async with audit.change(grant, "remove", queue, f"job {job_id}"):
        await job_changes.delete(site, queue, job_id)


@router.post("/api/queues/{queue}/jobs/{job_id}:duplicate", status_code=202)
async def duplicate_job(
    queue: QueueName,
    job_id: JobId,
    grant: Operator,
    site: CurrentSite,
    audit: CurrentAudit,
    request: Request,
    response: Response,
    body: Edited | None = None,
) -> AddedJob:
    """Add a job like this one, to run now, perhaps with edited data.

    It has the same name and options, but no parent, and does not take part in deduplication.
    """
    async with audit.change(grant, "duplicate", queue, f"job {job_id}") as change:
        added = await job_changes.duplicate(site, queue, job_id, None if body is None else body.edit)
        change.result = f"added job {added.id}"
    url = response.headers["Location"] = job_path(request, queue, added.id)
    state = JobState.PRIORITIZED if added.priority else JobState.WAITING
    return AddedJob(id=added.id, state=state, queue=queue, url=url)


async def _view(grant: Grant, site: Site, queue: str, job_id: str) -> JobView | Response:
    try:
        return await get_job_view(site, queue, job_id, may_see=sight_of(grant, site))
    except JobNotFoundError:
        return Response(status_code=204)
