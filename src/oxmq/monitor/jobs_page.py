"""List the jobs of one state page by page, and search among them at a bounded cost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from msgspec import Struct

from oxmq.codec import instant
from oxmq.monitor.cursors import foreign_cursor, read_cursor, write_cursor
from oxmq.monitor.job_rows import MAX_NAME, JobRow, job_row, job_rows
from oxmq.monitor.payloads import read_payload, shown_text
from oxmq.monitor.search import Search, parse_search
from oxmq.monitor.site import Site
from oxmq.ops import queues
from oxmq.ops.lookups import look_up
from oxmq.ops.pages import PageCursor, get_page
from oxmq.records import JobRecord
from oxmq.states import CONTAINERS, listed_state

#: How many jobs a page has at most, and how many one request looks at while it searches, and for how long, in seconds.
MAX_PAGE, MAX_SCANNED, _PATIENCE = 100, 2_000, 0.3
#: After how many seconds a search lets others have their turn.
_SLICE = 0.01
#: How long a name in the data may be that is suggested, in characters.
_MAX_KEY = 100
#: How many jobs suggestions are made of, how many there are of each kind, and how deep in the data they reach.
_SUGGESTED_FROM, _MAX_SUGGESTIONS, _SUGGESTED_DEPTH = 200, 50, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Hold a page of the jobs of one state.

    Attributes:
        jobs: the jobs, or those that were found; a page may be short or empty and yet not be the last.
        cursor: where to go on; null at the end.
        total: how many jobs are in the state in all.
        scanned: how many jobs were looked at.
        matched: how many of them were what is looked for.
        at: when this was so.
    """

    jobs: list[JobRow]
    cursor: str | None
    total: int
    scanned: int
    matched: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestions:
    """Hold what may be looked for among the jobs of a state: what the newest of them have.

    Attributes:
        names: the names of jobs, the most frequent first.
        workers: the names of workers.
        data_keys: paths into the data, such as ``user.id``.
    """

    names: list[str]
    workers: list[str]
    data_keys: list[str]


class _Place(Struct, frozen=True, rename={"state": "s", "newest": "n", "place": "p"}):
    """Hold where a page ended, and of what list."""

    state: str
    newest: bool
    place: PageCursor


@dataclass(slots=True)
class Looked:
    """Hold what was read and found of a state so far."""

    found: list[JobRecord]
    next: PageCursor | None
    total: int = 0
    scanned: int = 0


async def get_jobs_page(
    site: Site,
    queue: str,
    state: str,
    *,
    search: str = "",
    cursor: str | None = None,
    limit: int = 50,
    newest: bool = True,
) -> JobPage:
    """Return a page of the jobs of a state.

    With a search, at most 2,000 jobs are looked at, for about 0.3 seconds: `cursor` says where to go on.

    Raises:
        ConfigurationError: there is no such state, or the search or the cursor cannot be understood.
    """
    wanted = parse_search(search)
    place = _read_place(cursor, listed_state(state), newest)
    if wanted.job_id is not None:
        looked = await _look_for_id(site, queue, state, wanted, wanted.job_id)
    elif wanted:
        looked = await _look(site, queue, state, wanted, place, min(limit, MAX_PAGE), newest)
    else:
        page = await site.runner.run(get_page(site.keys(queue), state, place, min(limit, MAX_PAGE), newest=newest))
        looked = Looked(page.records, page.next, page.total, page.scanned)
    return JobPage(
        jobs=await job_rows(site, queue, looked.found, state),
        cursor=None if looked.next is None else write_cursor(_Place(state, newest, looked.next)),
        total=looked.total,
        scanned=looked.scanned,
        matched=len(looked.found),
        at=instant(site.clock.now_ms()),
    )


async def get_job_row(site: Site, queue: str, job_id: str) -> JobRow | None:
    """Return the row of one job; None when there is no such job."""
    found = await site.runner.run(look_up(site.keys(queue), job_id))
    return None if found is None else job_row(site, queue, found.record, found.state, found.due_ms)


async def get_suggestions(site: Site, queue: str, state: str) -> Suggestions:
    """Return what may be looked for in a state, from its newest 200 jobs."""
    page = await site.runner.run(get_page(site.keys(queue), listed_state(state), None, _SUGGESTED_FROM, newest=True))
    names = Counter(shown_text(record.name, MAX_NAME) for record in page.records)
    workers = Counter(shown_text(record.processed_by, MAX_NAME) for record in page.records if record.processed_by)
    paths: Counter[str] = Counter()
    async for record in in_turns(page.records):
        paths.update(_paths(read_payload(record.data, site.redact).value, _SUGGESTED_DEPTH))
    return Suggestions(names=_most_frequent(names), workers=_most_frequent(workers), data_keys=_most_frequent(paths))


async def in_turns(records: Sequence[JobRecord]) -> AsyncIterator[JobRecord]:
    """Go through jobs whose payloads are decoded, and let others have their turn in between."""
    turn = time.monotonic()
    for record in records:
        yield record
        if time.monotonic() - turn > _SLICE:
            await asyncio.sleep(0)
            turn = time.monotonic()


def _read_place(cursor: str | None, state: str, newest: bool) -> PageCursor | None:
    if cursor is None:
        return None
    place = read_cursor(cursor, _Place)
    if place.state != state or place.newest != newest:
        raise foreign_cursor()
    return place.place


async def _look(
    site: Site, queue: str, state: str, wanted: Search, place: PageCursor | None, limit: int, newest: bool
) -> Looked:
    looked = Looked([], place)
    deadline = time.monotonic() + _PATIENCE
    count = MAX_PAGE
    while True:
        page = await site.runner.run(get_page(site.keys(queue), state, looked.next, count, newest=newest))
        found, last = await _matching(site, page.records, wanted, limit - len(looked.found))
        if last is not None and last + 1 < len(page.records):
            # The page of answers ends within this one: read again only so far, to know where the next one begins.
            count = last + 1
            continue
        looked.found += found
        looked.next, looked.total = page.next, page.total
        looked.scanned += page.scanned
        full = len(looked.found) >= limit or looked.scanned >= MAX_SCANNED or time.monotonic() > deadline
        if looked.next is None or full:
            return looked
        count = min(MAX_PAGE, MAX_SCANNED - looked.scanned)


async def _matching(
    site: Site, records: Sequence[JobRecord], wanted: Search, most: int
) -> tuple[list[JobRecord], int | None]:
    """Return up to `most` jobs that are looked for, and the index of the last one when there are so many."""
    found: list[JobRecord] = []
    now_ms = site.clock.now_ms()
    index = 0
    async for record in in_turns(records):
        if wanted.matches(record, site.redact, now_ms):
            found.append(record)
            if len(found) == most:
                return found, index
        index += 1
    return found, None


async def _look_for_id(site: Site, queue: str, state: str, wanted: Search, job_id: str) -> Looked:
    keys = site.keys(queue)
    containers = CONTAINERS[state]
    found, counts = await asyncio.gather(
        site.runner.run(look_up(keys, job_id)), site.runner.run(queues.get_counts(keys, containers))
    )
    records = [found.record] if found is not None and found.state == state else []
    records = [record for record in records if wanted.matches(record, site.redact, site.clock.now_ms())]
    return Looked(records, None, sum(counts.values()), int(found is not None))


def _paths(value: object, depth: int) -> Iterator[str]:
    """Find the paths in a value at which something lies that may be looked for; lists are passed through."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        value = items[0] if items else None
    if not isinstance(value, dict) or not depth:
        return
    members = [item for item in cast("dict[str, object]", value).items() if len(item[0]) <= _MAX_KEY]
    for name, inner in members[:_MAX_SUGGESTIONS]:
        shown = name if name and not set(name) & set('.:" \t\n') else as_quoted(name)
        below = [f"{shown}.{path}" for path in _paths(inner, depth - 1)]
        yield from below or [shown]


def as_quoted(name: str) -> str:
    """Return a name in quotes, as a search takes it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _most_frequent(counted: Counter[str]) -> list[str]:
    return [name for name, _ in counted.most_common(_MAX_SUGGESTIONS)]
