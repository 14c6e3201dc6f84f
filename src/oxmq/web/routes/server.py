"""Look at the server that holds the queues."""

from __future__ import annotations

from fastapi import APIRouter

from oxmq.monitor.server import ServerView, get_server
from oxmq.web import examples
from oxmq.web.context import CurrentSite, Viewer

router = APIRouter(tags=["server"])


@router.get("/api/server", responses=examples.shown(examples.SERVER))
async def show_server(grant: Viewer, site: CurrentSite) -> ServerView:
    """Show the server: its memory and what takes it, what it writes to disk, who is connected, how fast it answers."""
    return await get_server(site, grant.queues)
