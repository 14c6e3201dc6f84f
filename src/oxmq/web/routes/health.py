"""Answer probes. They need no sign-in, and are told nothing but yes or no."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from oxmq.errors import BackendError
from oxmq.ops import server
from oxmq.web.context import CurrentSite

router = APIRouter(tags=["health"])

#: How long Redis may take to answer, in seconds.
_PATIENCE = 1.0


class Health(BaseModel):
    """Say whether all is well."""

    status: Literal["ok", "unavailable"] = Field(examples=["ok"])


@router.get("/health/live")
async def is_live() -> Health:
    """Say that this process serves requests, whatever Redis does."""
    return Health(status="ok")


@router.get("/health/ready", responses={503: {"model": Health, "description": "Redis does not answer in time."}})
async def is_ready(response: Response, site: CurrentSite) -> Health:
    """Say whether Redis answers as well."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await site.runner.run(server.ping())
    except (BackendError, TimeoutError):
        response.status_code = 503
        response.headers["Retry-After"] = "2"
        return Health(status="unavailable")
    return Health(status="ok")
