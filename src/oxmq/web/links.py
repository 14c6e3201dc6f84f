"""Make the addresses under which things of the API are found, wherever the application is mounted."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import HTTPConnection


def base_path(request: HTTPConnection) -> str:
    """Return the path under which the application is, without a slash at the end; empty for the root."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def queue_path(request: HTTPConnection, queue: str) -> str:
    """Return the path of a queue."""
    return f"{quote(base_path(request))}/api/queues/{quote(queue, safe='')}"


def job_path(request: HTTPConnection, queue: str, job_id: str) -> str:
    """Return the path of a job."""
    return f"{queue_path(request, queue)}/jobs/{quote(job_id, safe='')}"
