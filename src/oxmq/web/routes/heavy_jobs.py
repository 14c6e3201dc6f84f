"""Look at what the reconciler of heavy jobs saw and did."""

from __future__ import annotations

from fastapi import APIRouter

from oxmq.monitor.heavy_jobs import HeavyJobs, get_heavy_jobs
from oxmq.web import examples
from oxmq.web.context import CurrentSite, Viewer

router = APIRouter(tags=["heavy jobs"])


@router.get("/api/kubernetes", responses=examples.shown(examples.HEAVY_JOBS))
async def show_heavy_jobs(grant: Viewer, site: CurrentSite) -> HeavyJobs:
    """Show the last report on heavy jobs: what queues and cluster say of each run, what follows, and what was done.

    `reconciled` is false, and `silent_for` says since when, where reports have ceased. Who may see some queues only is
    shown the runs and repairs of those, and `counts` is of the runs shown.
    """
    return await get_heavy_jobs(site, grant.queues)
