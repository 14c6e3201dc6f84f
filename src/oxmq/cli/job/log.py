"""Print the log of a job, and go on as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from rich.text import Text

from oxmq.cli.terminal.screen import results, show_json
from oxmq.cli.terminal.visible import visible_lines
from oxmq.monitor.job import MAX_LINES, get_log_page
from oxmq.monitor.job_changes import ENDED, find
from oxmq.monitor.site import Site
from oxmq.states import JobState

#: How many seconds pass between two looks at a log that is followed.
_PAUSE: Final = 0.5


async def show_log(site: Site, queue: str, job_id: str, *, tail: int | None, json: bool) -> None:
    """Print the log of a job, or its newest `tail` lines.

    Raises:
        JobNotFoundError: there is no such job.
    """
    total = (await find(site, queue, job_id)).logs
    pages = _pages(site, queue, job_id, 0 if tail is None else max(0, total - tail))
    if json:
        lines = [line async for page in pages for line in page]
        show_json({"id": job_id, "queue": queue, "lines": lines, "total": total})
    else:
        async for page in pages:
            _print(page)


async def follow_log(site: Site, queue: str, job_id: str, *, tail: int | None) -> None:
    """Print the log of a job as it grows, until the job has ended.

    Only the newest lines of a log are kept. Of one that is full and grows by more than a hundred lines between two
    looks, some are passed over.

    Raises:
        JobNotFoundError: there is no such job, or it is gone.
    """
    count = (await find(site, queue, job_id)).logs
    recent = await _window(site, queue, job_id, count)
    await show_log(site, queue, job_id, tail=tail, json=False)
    while True:
        found = await find(site, queue, job_id)
        if found.logs - count >= MAX_LINES:
            async for page in _pages(site, queue, job_id, count):
                _print(page)
            recent = await _window(site, queue, job_id, found.logs)
        else:
            window = await _window(site, queue, job_id, found.logs)
            _print(added_lines(recent, window))
            recent = window
        count = found.logs
        if found.state in (*ENDED, JobState.UNKNOWN):
            return
        await asyncio.sleep(_PAUSE)


def added_lines(before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    """Return what was appended to a log of which the newest lines are known, where the oldest ones may have gone."""
    for gone in range(len(before) + 1):
        kept = len(before) - gone
        if kept <= len(after) and before[gone:] == after[:kept]:
            return after[kept:]
    return after


async def _pages(site: Site, queue: str, job_id: str, start: int) -> AsyncIterator[list[str]]:
    cursor: str | None = str(start)
    while cursor is not None:
        page = await get_log_page(site, queue, job_id, start=int(cursor))
        yield page.lines
        cursor = page.cursor


async def _window(site: Site, queue: str, job_id: str, total: int) -> list[str]:
    """Return the newest lines, which have no number of their own that would stay."""
    return (await get_log_page(site, queue, job_id, start=max(0, total - MAX_LINES))).lines


def _print(lines: Sequence[str]) -> None:
    console = results()
    for line in lines:
        console.print(Text(visible_lines(line)), soft_wrap=True)
    console.file.flush()
