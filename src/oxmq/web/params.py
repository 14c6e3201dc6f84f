"""Read the parts of requests that many routes share."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict

from oxmq.keys import QueueKeys
from oxmq.web.limits import read_name


class Body(BaseModel):
    """Be the body of a request: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


def _queue_name(part: str) -> str:
    return QueueKeys(read_name(part)).name


def _job_id(part: str) -> str:
    job_id = read_name(part)
    if not job_id or len(job_id) > 1024 or "\0" in job_id:
        raise ValueError("a job id has 1 to 1024 characters")
    return job_id


def _schedule_id(part: str) -> str:
    # Schedules of other names, which a peer made, can be seen.
    schedule_id = read_name(part)
    if not schedule_id or len(schedule_id) > 1024 or "\0" in schedule_id:
        raise ValueError("a schedule id has 1 to 1024 characters")
    return schedule_id


QueueName = Annotated[
    str, Path(alias="queue", description="The queue's name.", examples=["email"]), AfterValidator(_queue_name)
]
JobId = Annotated[
    str,
    Path(alias="job_id", description="The job's id.", examples=["0199f3c0-8e5f-7000-8000-000000000001"]),
    AfterValidator(_job_id),
]
ScheduleId = Annotated[
    str, Path(alias="schedule_id", description="The schedule's id.", examples=["nightly"]), AfterValidator(_schedule_id)
]
Cursor = Annotated[
    str | None, Query(max_length=8192, description="Where to go on: the `cursor` of the page before; else the start.")
]
Limit = Annotated[int, Query(ge=1, le=100, description="How many a page has at most.")]


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a request with parameters that its route does not know: they are mistyped, and would do nothing."""
    if not request.query_params:
        return
    route = request.scope["route"]
    known = {cast("str", parameter.alias) for parameter in route.dependant.query_params}
    for dependency in route.dependant.dependencies:
        known |= {parameter.alias for parameter in dependency.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        expected = ", ".join(sorted(known)) or "none"
        raise RequestValidationError(
            [
                {"type": "extra", "loc": ("query", name), "msg": f"there is no such parameter; there are: {expected}"}
                for name in unknown
            ]
        )
