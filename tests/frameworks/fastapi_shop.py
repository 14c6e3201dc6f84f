"""A FastAPI application that accepts work for workers elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from oxmq import Oxmq, Queue
from oxmq.integrations.fastapi import CurrentOxmq, accepted, api_router, lifespan, queue, tell_problems

app = Oxmq()
api = FastAPI(lifespan=lifespan(app))
tell_problems(api)
api.include_router(api_router(app), prefix="/jobs")

Reports = Annotated[Queue, Depends(queue("reports"))]


@app.task(queue="reports")
def write_report(month: int) -> str:
    """Write a report, in a thread."""
    return f"report of month {month}"


@api.post("/reports/{month}", status_code=202)
async def order_report(month: int, request: Request) -> Response:
    """Order a report."""
    return accepted(await write_report.enqueue(month), request)


@api.post("/reports", status_code=202)
async def order_by_name(reports: Reports, request: Request) -> Response:
    """Order a report through the queue."""
    return accepted(await reports.add("write_report", {"month": 1}), request)


@api.get("/tasks")
async def tell_tasks(current: CurrentOxmq) -> list[str]:
    """Tell which tasks there are."""
    return [name for _, name in current.tasks]


@api.post("/reports/{job_id}/retry")
async def retry(job_id: str, reports: Reports) -> None:
    """Run a job again that has ended."""
    job = await reports.get_job(job_id)
    assert job is not None
    await job.retry()
