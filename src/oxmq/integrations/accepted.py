"""Say where a job that was accepted can be followed."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote


class AddedJob(Protocol):
    """Be a job, awaited or blocking, as far as an answer needs to know of it."""

    @property
    def id(self) -> str:
        """Return its id."""
        ...

    @property
    def queue_name(self) -> str:
        """Return its queue."""
        ...


def job_url(base: str, job: AddedJob) -> str:
    """Return where the HTTP API that is found at `base` tells of a job."""
    return f"{base.rstrip('/')}/api/queues/{quote(job.queue_name, safe='')}/jobs/{quote(job.id, safe='')}"


def accepted_body(job: AddedJob) -> dict[str, str]:
    """Return what an answer says of a job: its id and its queue."""
    return {"id": job.id, "queue": job.queue_name}
