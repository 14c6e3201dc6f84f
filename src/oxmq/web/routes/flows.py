"""Add flows: jobs that wait for others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from oxmq.keys import check_queue_name
from oxmq.states import JobState
from oxmq.web.access import Grant
from oxmq.web.context import CurrentProducer, Operator
from oxmq.web.links import job_path
from oxmq.web.producer import Added, Order
from oxmq.web.routes.new_jobs import IdempotencyKey, NewJob, idempotency_of

router = APIRouter(tags=["adding"])


class NewFlow(NewJob):
    """Say what job to add, and below it the jobs that must end before it runs."""

    queue: Annotated[str, AfterValidator(check_queue_name)] = Field(description="The job's queue.", examples=["images"])
    children: list[NewFlow] = Field(default=[], description="The jobs that must end first; 5,000 in all at most.")

    def tree(self, grant: Grant, *place: str | int) -> Order:
        """Return what is asked for, with everything below it.

        Raises:
            HTTPException: it is about a queue that the sender may not touch.
        """
        if not grant.covers(self.queue):
            raise HTTPException(403, f"{grant.user} may not see the queue {self.queue!r}.")
        children = [child.tree(grant, *place, "children", at) for at, child in enumerate(self.children)]
        own = self.order(self.queue, *place)
        return Order(own.queue, own.name, own.data, own.options, place, children)


class AddedFlow(BaseModel):
    """Say which job it is, where it can be followed, and what is below it."""

    queue: str
    id: str
    name: str
    state: JobState
    url: str
    children: list[AddedFlow]


@router.post("/api/flows", status_code=202)
async def add_flow(
    body: NewFlow,
    grant: Operator,
    producer: CurrentProducer,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> AddedFlow:
    """Add a job together with all jobs that must end before it runs: the whole tree, or nothing.

    A child that fails for good fails its parent, unless its options say otherwise. An `Idempotency-Key` makes it safe
    to send the request again, for as long as one of its jobs is kept.
    """
    idempotency = await idempotency_of(request, idempotency_key, grant.user)
    added = await producer.add_flow(body.tree(grant, "body"), idempotency)
    answer = _flow(added, request)
    response.headers["Location"] = answer.url
    return answer


def _flow(added: Added, request: Request) -> AddedFlow:
    return AddedFlow(
        queue=added.queue,
        id=added.id,
        name=added.name,
        state=JobState(added.state),
        url=job_path(request, added.queue, added.id),
        children=[_flow(child, request) for child in added.children],
    )
