"""Add jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from msgspec import UNSET
from pydantic import AfterValidator, BaseModel, Field

from oxmq.codec import decode_json_or
from oxmq.keys import check_job_name, check_queue_name
from oxmq.monitor.site import Site
from oxmq.ops.jobs import Ended
from oxmq.options import NO_OPTIONS, JobOptions
from oxmq.states import JobState
from oxmq.web.context import CurrentProducer, CurrentSite, Operator
from oxmq.web.idempotency import Idempotency
from oxmq.web.job_options import OptionsBody
from oxmq.web.links import job_path
from oxmq.web.params import Body, QueueName
from oxmq.web.preferences import preferred_wait
from oxmq.web.producer import Order

router = APIRouter(tags=["adding"])

#: How many jobs one request adds at most: they are added in one step, which holds up the server for some 20 ms.
_MOST = 1_000

JobName = Annotated[
    str,
    AfterValidator(check_job_name),
    Field(min_length=1, max_length=1024, description="Says what kind of job it is.", examples=["resize"]),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a repeat of the request answer the same jobs, for as long as they are kept.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


class NewJob(Body):
    """Say what job to add."""

    name: JobName
    data: Any = Field(
        default_factory=dict,
        description="Its payload: any JSON value. For a task of the application, the arguments by name.",
        examples=[{"user": 42}],
    )
    options: OptionsBody | None = Field(default=None, description="Its options, over those of the task or queue.")

    def order(self, queue: str, *place: str | int) -> Order:
        """Return what is asked for, and where in the request."""
        data = self.data if "data" in self.model_fields_set else UNSET
        return Order(queue, self.name, data, self.job_options, place)

    @property
    def job_options(self) -> JobOptions:
        return NO_OPTIONS if self.options is None else self.options.options()


class NewJobs(Body):
    """Say what jobs to add."""

    jobs: list[NewJob] = Field(min_length=1, max_length=_MOST)


class AddedJob(BaseModel):
    """Say which job it is and where it can be followed."""

    id: str = Field(description="The job's id.", examples=["0199f3c0-8e5f-7000-8000-000000000001"])
    state: JobState = Field(description="Its state when it was added, or found.")
    queue: str = Field(examples=["images"])
    url: str = Field(
        description="Where it can be followed.",
        examples=["/api/queues/images/jobs/0199f3c0-8e5f-7000-8000-000000000001"],
    )


class EndedJob(AddedJob):
    """Say what became of a job that was waited for."""

    result: Any = Field(default=None, description="What it returned.")
    failed_reason: str | None = Field(default=None, description="Why it failed.")


class AddedJobs(BaseModel):
    """Say which jobs they are, in the order of the request."""

    jobs: list[AddedJob]


@router.post(
    "/api/queues/{queue}/jobs",
    status_code=202,
    response_model=AddedJob,
    responses={200: {"model": EndedJob, "description": "It has ended, while the request waited as it preferred to."}},
)
async def add_job(
    queue: QueueName,
    body: NewJob,
    grant: Operator,
    site: CurrentSite,
    producer: CurrentProducer,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> AddedJob | Response:
    """Add a job, and say where it can be followed.

    Where the queue and the name are those of a task of the application, its arguments are checked, and the task's own
    options hold unless others are given. With `Prefer: wait=10` the answer comes when the job has ended, if that is
    within so many seconds, at most 30: status 200, with the result or the reason of the failure.

    An `Idempotency-Key` makes it safe to send the request again: it finds the job that is there already. That holds
    for as long as the job is kept (see its options `remove_on_complete` and `remove_on_fail`), for the same user.
    """
    check_queue_name(queue)
    idempotency = await idempotency_of(request, idempotency_key, grant.user)
    added = await producer.add(body.order(queue, "body"), idempotency)
    url = job_path(request, queue, added.id)
    response.headers["Location"] = url
    answer = AddedJob(id=added.id, state=JobState(added.state), queue=queue, url=url)
    wait = preferred_wait(request)
    if wait is None:
        return answer
    response.headers["Preference-Applied"] = f"wait={wait}"
    ended = await producer.wait(queue, added.id, wait)
    if ended is None:
        return answer
    return Response(
        _ended(answer, ended, site).model_dump_json(exclude_unset=True),
        media_type="application/json",
        headers=dict(response.headers),
    )


@router.post("/api/queues/{queue}/jobs:bulk", status_code=202)
async def add_jobs(
    queue: QueueName,
    body: NewJobs,
    grant: Operator,
    producer: CurrentProducer,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> AddedJobs:
    """Add up to 1,000 jobs to a queue, all of them or none.

    An `Idempotency-Key` makes it safe to send the request again, for as long as one of its jobs is kept.
    """
    check_queue_name(queue)
    idempotency = await idempotency_of(request, idempotency_key, grant.user)
    orders = [job.order(queue, "body", "jobs", at) for at, job in enumerate(body.jobs)]
    added = await producer.add_all(orders, idempotency)
    return AddedJobs(
        jobs=[
            AddedJob(id=job.id, state=JobState(job.state), queue=queue, url=job_path(request, queue, job.id))
            for job in added
        ]
    )


async def idempotency_of(request: Request, key: str | None, user: str) -> Idempotency | None:
    """Return what makes the request repeatable, if it brings a key."""
    return None if key is None else Idempotency(key, user, await request.json())


def _ended(answer: AddedJob, ended: Ended, site: Site) -> EndedJob:
    known = answer.model_dump(exclude={"state"})
    if ended.reason is not None:
        return EndedJob(**known, state=JobState.FAILED, failed_reason=ended.reason)
    return EndedJob(**known, state=JobState.COMPLETED, result=site.redact(decode_json_or(ended.value, None)))
