"""Hold the routes of the HTTP API, one module a resource. Each calls `oxmq.monitor` or a queue, and decides nothing."""

from __future__ import annotations

from importlib import import_module

from fastapi import APIRouter

_MODULES = (
    "session",
    "queues",
    "administration",
    "jobs",
    "job",
    "job_relatives",
    "new_jobs",
    "flows",
    "schedules",
    "workers",
    "metrics",
    "server",
    "heavy_jobs",
    "events",
    "audit",
    "health",
)


def routers() -> list[APIRouter]:
    """Return all routers, in the order in which their routes are looked at."""
    return [import_module(f"oxmq.web.routes.{name}").router for name in _MODULES]
