"""Delete the old jobs of a state: `oxmq queue clean`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from oxmq.cli.connection import existing_queue
from oxmq.cli.terminal.manner import Manner
from oxmq.cli.terminal.plural import jobs, jobs_were
from oxmq.cli.terminal.progress import progress_bar
from oxmq.durations import milliseconds
from oxmq.monitor.site import Site
from oxmq.ops.pages import PageCursor, get_page
from oxmq.records import JobRecord
from oxmq.states import JobState

#: How many jobs are counted beforehand at most: about a second's work.
_MOST_COUNTED: Final = 20_000
_PAGE: Final = 250
#: How many jobs are deleted between two steps of the progress bar.
_STEP: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubbish:
    """Say which jobs are to go.

    Attributes:
        queue: of this queue.
        state: in this state.
        older_than: as old as this, or older.
        limit: at most so many; 0 for any number.
    """

    queue: str
    state: str
    older_than: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Hold how many old jobs were found, and whether there may be more: not all were looked at."""

    count: int
    more: bool


async def clean(site: Site, rubbish: Rubbish, manner: Manner) -> None:
    """Delete them, and say how many there were.

    Raises:
        NotFoundError: there is no such queue.
        ConfigurationError: the age is no length of time.
        RefusedError: the operator does not agree.
    """
    cutoff = site.clock.now_ms() - milliseconds(rubbish.older_than, "--older-than")
    await existing_queue(site, rubbish.queue)
    if manner.dry_run or not manner.yes:
        found = await _count(site, rubbish, cutoff)
        number = f"{'at least ' if found.more else ''}{jobs(found.count)}"
        if manner.dry_run:
            answer = {"queue": rubbish.queue, "count": found.count, "more": found.more, "dry_run": True}
            manner.report(f"{number} would be deleted.", answer)
            return
        age = f" and older than {rubbish.older_than}" if rubbish.older_than != "0s" else ""
        manner.agree(f"This deletes {number} of queue {rubbish.queue} that are {rubbish.state}{age}")
    deleted = await _delete(site, rubbish, quiet=manner.json)
    manner.report(f"{jobs_were(deleted)} deleted.", {"queue": rubbish.queue, "count": deleted, "dry_run": False})


async def _delete(site: Site, rubbish: Rubbish, *, quiet: bool) -> int:
    queue, deleted = site.queue(rubbish.queue), 0
    with progress_bar("deleting", None, quiet=quiet) as advance:
        while True:
            most = min(_STEP, rubbish.limit - deleted) if rubbish.limit else _STEP
            gone = len(await queue.clean(rubbish.older_than, most, rubbish.state))
            deleted += gone
            advance(gone)
            if gone < most or deleted == rubbish.limit:
                return deleted


async def _count(site: Site, rubbish: Rubbish, cutoff: int) -> Counted:
    """Count the jobs that would go, or as many of them as can be counted in a moment."""
    place: PageCursor | None = None
    count = scanned = 0
    while True:
        page = await site.runner.run(get_page(site.keys(rubbish.queue), rubbish.state, place, _PAGE, newest=False))
        count += sum(_made_or_ended(record, rubbish.state) <= cutoff for record in page.records)
        scanned += page.scanned
        place = page.next
        if rubbish.limit and count >= rubbish.limit:
            return Counted(count=rubbish.limit, more=False)
        if place is None or scanned >= _MOST_COUNTED:
            return Counted(count=count, more=place is not None)


def _made_or_ended(record: JobRecord, state: str) -> int:
    """Return since when a job counts as old, in milliseconds since the epoch: as `Queue.clean` has it."""
    if state in (JobState.COMPLETED, JobState.FAILED):
        return record.finished_on or 0
    if state == JobState.PRIORITIZED:
        return record.timestamp
    return record.processed_on or record.timestamp
