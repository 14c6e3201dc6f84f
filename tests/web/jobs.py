"""Find jobs by their addresses, and bring them into states."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from oxmq import Job, Queue
from tests.web.serving import Web


def path(job_id: str, queue: str = "email") -> str:
    """Return the path of a job."""
    return f"/api/queues/{quote(queue, safe='')}/jobs/{quote(job_id, safe='')}"


def ignore(job: Job[Any]) -> None:
    """Process nothing: for workers that only take jobs."""


async def start(web: Web, name: str = "email") -> Job[Any]:
    """Have a worker take the next job."""
    job = await web.bed.worker(ignore, name).get_next_job("token")
    assert job is not None
    return job


async def failed(web: Web, queue: Queue, data: object = None, **options: Any) -> str:
    """Add a job and fail it for good; return its id."""
    job = await queue.add("send", data, **options)
    await (await start(web, queue.name)).move_to_failed(ValueError("no"), "token")
    return job.id


def write(web: Web, redis_client: Any, job_id: str, state: str = "wait", queue: str = "email", **fields: Any) -> None:
    """Write a job by hand, as nobody should."""
    base = f"{web.bed.prefix}:{queue}:"
    hash_ = {"name": "send", "data": "{}", "opts": "{}", "timestamp": 1, "delay": 0, "priority": 0, **fields}
    redis_client.hset(base + job_id, mapping=hash_)
    if state in ("wait", "active"):
        redis_client.lpush(base + state, job_id)
    else:
        redis_client.zadd(base + state, {job_id: 1})
