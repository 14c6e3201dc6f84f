"""Look at schedules, change them, and run one now."""

from __future__ import annotations

from typing import Any, Self

from fastapi import APIRouter, HTTPException, Request, Response
from msgspec import UNSET
from pydantic import AwareDatetime, Field, model_validator

from oxmq.errors import ConfigurationError
from oxmq.monitor.schedules import (
    AllSchedules,
    SchedulePage,
    ScheduleView,
    get_all_schedules,
    get_schedule,
    get_schedules,
)
from oxmq.monitor.site import Site
from oxmq.options import NO_OPTIONS
from oxmq.schedules import Missed, Overlap, Schedule, cron, every
from oxmq.states import JobState
from oxmq.web.context import Admin, CurrentAudit, CurrentProducer, CurrentSite, Operator, Viewer
from oxmq.web.job_options import DurationField, OptionsBody
from oxmq.web.links import job_path
from oxmq.web.params import Body, Cursor, Limit, QueueName, ScheduleId
from oxmq.web.problems import CONFLICT, invalid
from oxmq.web.producer import Order, schedule_field
from oxmq.web.redaction import restore
from oxmq.web.routes.new_jobs import AddedJob, JobName

router = APIRouter(tags=["schedules"])


class NewSchedule(Body):
    """Say when jobs are made, and what they are like."""

    cron: str | None = Field(
        default=None,
        description='When, as a cron pattern: minute, hour, day of month, month, day of week; or "@daily".',
        examples=["0 9 * * MON-FRI"],
    )
    every: DurationField | None = Field(default=None, description="How long it is from one job to the next.")
    time_zone: str | None = Field(
        default=None, description="That of the pattern; UTC when not given.", examples=["Europe/Berlin"]
    )
    name: JobName | None = Field(default=None, description="The jobs' name; the schedule's id when not given.")
    data: Any = Field(default_factory=dict, description="The jobs' payload.")
    options: OptionsBody | None = Field(default=None, description="The jobs' options, over the task's or queue's.")
    limit: int | None = Field(default=None, ge=1, strict=True, description="How many jobs are made in all.")
    start_at: AwareDatetime | None = Field(default=None, description="No job is due before.")
    end_at: AwareDatetime | None = Field(default=None, description="No job is due after.")
    missed: Missed = Field(default="one", description="What becomes of times that passed while nobody worked.")
    overlap: Overlap = Field(default="allow", description="Whether a job runs while an earlier one has not ended.")

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError("give either cron or every")
        if self.every is not None and self.time_zone is not None:
            raise ValueError("time_zone is for cron")
        return self

    def schedule(self) -> Schedule:
        """Return the schedule in oxmq's terms.

        Raises:
            RequestValidationError: something is not acceptable.
        """
        try:
            return self._schedule()
        except ConfigurationError as error:
            raise invalid(str(error), "body", *schedule_field(str(error))) from None

    def _schedule(self) -> Schedule:
        if self.cron is not None:
            return cron(
                self.cron,
                tz=self.time_zone or "UTC",
                limit=self.limit,
                start=self.start_at,
                end=self.end_at,
                missed=self.missed,
                overlap=self.overlap,
            )
        return every(
            self.every or 0,
            limit=self.limit,
            start=self.start_at,
            end=self.end_at,
            missed=self.missed,
            overlap=self.overlap,
        )


@router.get("/api/schedules")
async def list_all_schedules(grant: Viewer, site: CurrentSite) -> AllSchedules:
    """List the schedules of all queues, up to 200 of them."""
    return await get_all_schedules(site, covers=grant.covers)


@router.get("/api/queues/{queue}/schedules")
async def list_schedules(
    queue: QueueName, _: Viewer, site: CurrentSite, cursor: Cursor = None, limit: Limit = 50
) -> SchedulePage:
    """List the schedules of a queue, the next one due first."""
    return await get_schedules(site, queue, cursor, limit)


@router.get("/api/queues/{queue}/schedules/{schedule_id}")
async def show_schedule(queue: QueueName, schedule_id: ScheduleId, _: Viewer, site: CurrentSite) -> ScheduleView:
    """Show a schedule: when it runs, in words and times, and what became of its latest runs."""
    return await _found(site, queue, schedule_id)


@router.put("/api/queues/{queue}/schedules/{schedule_id}", responses=CONFLICT)
async def put_schedule(
    queue: QueueName,
    schedule_id: ScheduleId,
    body: NewSchedule,
    grant: Admin,
    site: CurrentSite,
    producer: CurrentProducer,
    audit: CurrentAudit,
) -> ScheduleView:
    """Make a schedule, or replace the one of that id.

    Where its jobs are those of a task of the application, their arguments are checked. Where the data still says
    `[redacted]`, what is stored stays. A paused schedule stays paused.
    """
    schedule = body.schedule()
    async with audit.change(grant, "put schedule", queue, f"schedule {schedule_id}"):
        stored = await site.queue(queue).get_job_scheduler(schedule_id)
        if stored is not None and stored.legacy:
            raise HTTPException(
                409, f"The schedule {schedule_id!r} was made by an older BullMQ: it can only be removed."
            )
        data = UNSET if "data" not in body.model_fields_set else restore(body.data, stored.data if stored else None)
        options = NO_OPTIONS if body.options is None else body.options.options()
        order = Order(queue, schedule_id if body.name is None else body.name, data, options)
        made = await producer.put_schedule(schedule_id, schedule, order)
        found = await get_schedule(site, queue, schedule_id)
        if found is None or not (made or found.paused):
            raise invalid("it leaves no time for a job: nothing was changed", "body")
        return found


@router.delete("/api/queues/{queue}/schedules/{schedule_id}", status_code=204)
async def remove_schedule(
    queue: QueueName, schedule_id: ScheduleId, grant: Admin, site: CurrentSite, audit: CurrentAudit
) -> None:
    """Remove a schedule, and its next job while that is delayed. What an application's code declares comes back."""
    async with audit.change(grant, "remove schedule", queue, f"schedule {schedule_id}"):
        if not await site.queue(queue).remove_job_scheduler(schedule_id):
            raise HTTPException(404, f"There is no schedule {schedule_id!r} in queue {queue!r}.")


@router.post("/api/queues/{queue}/schedules/{schedule_id}:run", status_code=202, responses=CONFLICT)
async def run_schedule(
    queue: QueueName,
    schedule_id: ScheduleId,
    grant: Operator,
    site: CurrentSite,
    audit: CurrentAudit,
    request: Request,
    response: Response,
) -> AddedJob:
    """Add a job such as the schedule makes, to be run at once; its times stay as they are."""
    async with audit.change(grant, "run schedule", queue, f"schedule {schedule_id}") as change:
        job = await site.queue(queue).trigger_job_scheduler(schedule_id)
        change.result = f"job {job.id}"
    url = job_path(request, queue, job.id)
    response.headers["Location"] = url
    state = JobState.PRIORITIZED if job.priority else JobState.WAITING
    return AddedJob(id=job.id, state=state, queue=queue, url=url)


@router.post("/api/queues/{queue}/schedules/{schedule_id}:pause", responses=CONFLICT)
async def pause_schedule(
    queue: QueueName, schedule_id: ScheduleId, grant: Operator, site: CurrentSite, audit: CurrentAudit
) -> ScheduleView:
    """Have a schedule make no jobs until it is resumed. It stays paused when workers start."""
    async with audit.change(grant, "pause schedule", queue, f"schedule {schedule_id}") as change:
        changed = await site.queue(queue).pause_job_scheduler(schedule_id)
        change.result = "done" if changed else "was paused already"
    return await _found(site, queue, schedule_id)


@router.post("/api/queues/{queue}/schedules/{schedule_id}:resume", responses=CONFLICT)
async def resume_schedule(
    queue: QueueName, schedule_id: ScheduleId, grant: Operator, site: CurrentSite, audit: CurrentAudit
) -> ScheduleView:
    """Have a paused schedule make jobs again, from its next time on."""
    async with audit.change(grant, "resume schedule", queue, f"schedule {schedule_id}") as change:
        changed = await site.queue(queue).resume_job_scheduler(schedule_id)
        change.result = "done" if changed else "was not paused"
    return await _found(site, queue, schedule_id)


async def _found(site: Site, queue: str, schedule_id: str) -> ScheduleView:
    found = await get_schedule(site, queue, schedule_id)
    if found is None:
        raise HTTPException(404, f"There is no schedule {schedule_id!r} in queue {queue!r}.")
    return found
