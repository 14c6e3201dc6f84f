"""Serve each operation twice: done inside the request, and accepted as a job that a worker does. The heavy one: once.

The main process of the demo starts this as `python -m oxmq.demo.api <listening socket> <lifeline>`, two descriptors.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

from oxmq import Job, JobState
from oxmq.backoff import retry_delay_ms
from oxmq.demo import tasks
from oxmq.demo.operations import DASHBOARD, REPORT_ROWS
from oxmq.demo.settings import Folders, Settings
from oxmq.web import oxmq_web

Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Names the files that come out.")]

settings = Settings.from_environment()
folders = Folders(settings.directory)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Stop when the demo's main process has died; leave Redis when the server stops.

    What is mounted is not told of either by itself.
    """
    lifeline, loop = int(sys.argv[2]), asyncio.get_running_loop()

    def end() -> None:
        loop.remove_reader(lifeline)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(lifeline, end)
    async with dashboard.router.lifespan_context(dashboard):
        yield
    await tasks.app.close()


api = FastAPI(title="oxmq demo", lifespan=lifespan)

#: Everything about the demo's jobs, live, for whoever is on this computer.
dashboard = oxmq_web(tasks.app)
api.mount(DASHBOARD, dashboard)


class Welcome(BaseModel):
    """Say whom to greet."""

    name: str
    address: str


class Resize(BaseModel):
    """Ask for the demo's photo in three sizes."""

    key: Key


class Report(BaseModel):
    """Ask for a month's sales as a PDF."""

    key: Key
    month: int = Field(ge=1, le=12)
    rows: int = Field(default=REPORT_ROWS, ge=1, le=20_000)


class YearlyReport(BaseModel):
    """Ask for a year's sales as one PDF."""

    key: Key
    rows: int = Field(default=REPORT_ROWS, ge=1, le=5_000, description="How many sales each month has.")


class Event(BaseModel):
    """Say which order the partner is to be told of."""

    key: Key
    order: str


class Accepted(BaseModel):
    """Say where the client can follow its job."""

    id: str
    status_url: str
    events_url: str


class Status(BaseModel):
    """Say how far a job is."""

    id: str
    name: str
    state: JobState
    attempts_made: int
    progress: object = None
    events_url: str
    result: object = None
    failed_reason: str | None = None


@api.get("/health")
async def health() -> dict[str, str]:
    """Answer when the server can reach Redis."""
    for name in tasks.app.queue_names:
        await tasks.app.queue(name).count()
    return {"status": "ok"}


@api.post("/inline/welcome-email")
async def send_welcome_email(body: Welcome) -> dict[str, str]:
    """Send the mail while the client waits."""
    return await tasks.welcome_email(body.name, body.address)


@api.post("/jobs/welcome-email", status_code=202)
async def enqueue_welcome_email(body: Welcome, response: Response) -> Accepted:
    """Let a worker send the mail."""
    return _accepted(await tasks.welcome_email.enqueue(body.name, body.address), response)


@api.post("/inline/image-resize")
def make_pictures(body: Resize) -> list[str]:
    """Resize the photo, in a thread of the server, while the client waits."""
    return tasks.resize_image(str(folders.photo), str(folders.pictures / body.key))


@api.post("/jobs/image-resize", status_code=202)
async def enqueue_pictures(body: Resize, response: Response) -> Accepted:
    """Let a worker resize the photo."""
    job = await tasks.resize_image.enqueue(str(folders.photo), str(folders.pictures / body.key))
    return _accepted(job, response)


@api.post("/inline/pdf-report")
def write_report(body: Report) -> dict[str, int]:
    """Write the report, in a thread of the server, while the client waits."""
    return tasks.pdf_report(body.month, body.rows, str(folders.reports / f"{body.key}.pdf"))


@api.post("/jobs/pdf-report", status_code=202)
async def enqueue_report(body: Report, response: Response) -> Accepted:
    """Let a worker write the report."""
    job = await tasks.pdf_report.enqueue(body.month, body.rows, str(folders.reports / f"{body.key}.pdf"))
    return _accepted(job, response)


@api.post("/jobs/yearly-report", status_code=202)
async def enqueue_yearly_report(body: YearlyReport, response: Response) -> Accepted:
    """Let a process beside a worker, or a pod, write the report."""
    job = await tasks.yearly_report.enqueue(body.rows, str(folders.reports / f"{body.key}.pdf"))
    return _accepted(job, response)


@api.post("/inline/webhook-delivery")
async def deliver_event(body: Event) -> dict[str, int]:
    """Post the event, and again after each refusal, while the client waits."""
    for attempt in range(1, tasks.WEBHOOK_ATTEMPTS):
        try:
            return await tasks.deliver_webhook(settings.webhook_url, body.key, {"order": body.order})
        except tasks.RefusedError:
            await asyncio.sleep(retry_delay_ms(tasks.WEBHOOK_BACKOFF, attempt) / 1000)
    return await tasks.deliver_webhook(settings.webhook_url, body.key, {"order": body.order})


@api.post("/jobs/webhook-delivery", status_code=202)
async def enqueue_event(body: Event, response: Response) -> Accepted:
    """Let a worker post the event, with the queue's own retries."""
    return _accepted(
        await tasks.deliver_webhook.enqueue(settings.webhook_url, body.key, {"order": body.order}), response
    )


@api.get("/jobs/{queue}/{job_id}")
async def job_status(queue: str, job_id: str) -> Status:
    """Say how far a job is, and what came of it."""
    if queue not in tasks.app.queue_names:
        raise HTTPException(404, f"no queue {queue}")
    # First the state, then the rest: in this order what is told of a finished job is final.
    state = await tasks.app.queue(queue).get_job_state(job_id)
    job = await tasks.app.queue(queue).get_job(job_id)
    if job is None:
        raise HTTPException(404, f"no job {job_id} in queue {queue}")
    return Status(
        id=job.id,
        name=job.name,
        state=state,
        attempts_made=job.attempts_made,
        progress=job.progress,
        events_url=_events_url(queue, job.id),
        result=job.return_value,
        failed_reason=job.failed_reason,
    )


def _accepted(job: Job[Any], response: Response) -> Accepted:
    status_url = f"/jobs/{job.queue_name}/{job.id}"
    response.headers["Location"] = status_url
    return Accepted(id=job.id, status_url=status_url, events_url=_events_url(job.queue_name, job.id))


def _events_url(queue: str, job_id: str) -> str:
    """Return where the job can be followed as server-sent events: its states, its progress, its end."""
    return f"{DASHBOARD}/api/queues/{queue}/jobs/{job_id}/events"


def main() -> None:
    """Serve on the socket that the demo's main process has opened."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(uvicorn.Config(api, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
