"""Show the jobs of a queue: `oxmq job list`."""

from __future__ import annotations

from dataclasses import dataclass

from oxmq.cli.connection import existing_queue
from oxmq.cli.job.rows import COLUMNS, job_cells
from oxmq.cli.terminal.progress import progress_bar
from oxmq.cli.terminal.screen import note, results, say, show_json
from oxmq.cli.terminal.tables import print_table
from oxmq.monitor.job_rows import JobRow
from oxmq.monitor.jobs_page import JobPage, get_jobs_page
from oxmq.monitor.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Say which jobs are to be shown.

    Attributes:
        queue: of this queue.
        state: in this state.
        search: that match this; empty for all.
        limit: at most so many.
        newest: the newest first, else the oldest.
    """

    queue: str
    state: str
    search: str
    limit: int
    newest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Hold the jobs that were found.

    Attributes:
        jobs: the jobs.
        total: how many are in the state.
        scanned: how many were looked at.
        more: whether not all were.
    """

    jobs: list[JobRow]
    total: int
    scanned: int
    more: bool


async def show_jobs(site: Site, wanted: Wanted, *, json: bool) -> None:
    """Print the jobs.

    Raises:
        NotFoundError: there is no such queue.
        ConfigurationError: the search cannot be understood.
    """
    await existing_queue(site, wanted.queue)
    listed, page = await _find(site, wanted, quiet=json)
    if json:
        show_json(listed)
        return
    if listed.jobs:
        print_table(results(), COLUMNS, (job_cells(row, page.at) for row in listed.jobs))
    else:
        say(f"No {wanted.state} jobs{' match' if wanted.search else ''}.")
    if listed.more:
        note(f"{len(listed.jobs):,} shown; {listed.scanned:,} of {listed.total:,} looked at: give --limit for more")


async def _find(site: Site, wanted: Wanted, *, quiet: bool) -> tuple[Listed, JobPage]:
    found: list[JobRow] = []
    cursor: str | None = None
    scanned = 0
    with progress_bar("searching", None, quiet=quiet or not wanted.search) as advance:
        while True:
            page = await get_jobs_page(
                site, wanted.queue, wanted.state,
                search=wanted.search, cursor=cursor, limit=min(100, wanted.limit - len(found)), newest=wanted.newest,
            )  # fmt: skip
            found += page.jobs
            scanned += page.scanned
            cursor = page.cursor
            advance(page.scanned)
            if cursor is None or len(found) >= wanted.limit:
                break
    return Listed(jobs=found, total=page.total, scanned=scanned, more=cursor is not None), page
