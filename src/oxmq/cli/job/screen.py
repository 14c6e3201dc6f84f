"""Show one job: `oxmq job show`."""

from __future__ import annotations

import asyncio
from typing import Final

from oxmq.cli.job.view import job_view, one_line
from oxmq.cli.terminal.screen import EXIT_FAILURE, results, say, show_json
from oxmq.codec import instant
from oxmq.monitor.job import JobView, get_job_view
from oxmq.monitor.site import Site

#: How many seconds pass between two looks at a job that is watched.
_PAUSE: Final = 0.5
_ENDED: Final = ("completed", "failed", "unknown")


async def show(site: Site, queue: str, job_id: str, *, json: bool) -> int:
    """Print a job, and return the exit code.

    Raises:
        JobNotFoundError: there is no such job.
    """
    _print(site, await get_job_view(site, queue, job_id), json)
    return 0


async def watch_job(site: Site, queue: str, job_id: str, *, json: bool) -> int:
    """Print a line whenever the job's state or progress changes, until it has ended, then all of it.

    Returns:
        The exit code: 1 when it has failed.

    Raises:
        JobNotFoundError: there is no such job, or it is gone.
    """
    told: tuple[str, object] | None = None
    while True:
        job = await get_job_view(site, queue, job_id)
        if not json and (job.state, job.progress) != told:
            told = (job.state, job.progress)
            say(one_line(job, instant(site.clock.now_ms())))
        if job.state in _ENDED:
            break
        await asyncio.sleep(_PAUSE)
    _print(site, job, json)
    return EXIT_FAILURE if job.state == "failed" else 0


def _print(site: Site, job: JobView, json: bool) -> None:
    if json:
        show_json(job)
    else:
        results().print(job_view(job, instant(site.clock.now_ms())))
