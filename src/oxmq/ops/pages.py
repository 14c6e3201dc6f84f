"""Describe how the jobs of a state are read page by page, while others add, take and remove jobs."""

from __future__ import annotations

import re

from msgspec import Struct

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.ops.call import MAX_ROWS, Call, Reply, number, run_script
from oxmq.ops.hashes import read_any_hash
from oxmq.records import JobRecord
from oxmq.states import CONTAINERS, listed_state

_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?(e[+-]?\d{1,3})?")


class PageCursor(Struct, frozen=True):
    """Hold where the next page begins: behind an entry that was seen.

    Attributes:
        container: in which of the state's containers, from 1.
        at: in a list how many entries came before, in a sorted set the score of the last entry.
        last: the id of the last entry; empty at the beginning.
        next: in a list, the id of the entry that followed it.
    """

    container: int = 1
    at: str = "0"
    last: str = ""
    next: str = ""


class JobsPage(Struct, frozen=True):
    """Hold a page of the jobs of a state.

    Attributes:
        records: the jobs, in order.
        missing: ids that stand in the state and of which there is no job that could be read.
        next: where the next page begins; None at the end. A page may be short, even empty, without being the last.
        total: how many entries the state had in all.
        scanned: how many entries this page is made of.
    """

    records: list[JobRecord]
    missing: list[str]
    next: PageCursor | None
    total: int
    scanned: int


def get_page(keys: QueueKeys, state: str, cursor: PageCursor | None, count: int, *, newest: bool) -> Call[JobsPage]:
    """Read up to `count` jobs of a state (at most 250), from the cursor on or from the beginning.

    A page costs as much in a state of a million jobs as in an empty one. Of the states that are sorted sets (all but
    waiting and active) what stays in the state is shown exactly once. Waiting and active ones are lists, in which a
    place is found by the entries around it: what stays is shown once, unless both entries at the place have gone or
    are further than 50,000 entries from where reading began; then the place is told by counting, and entries may be
    shown twice or passed over as far as others came and went.

    Args:
        state: the state's name, as of `oxmq.states.JobState`.
        cursor: the `next` of the page before, of the same state and order; None for the first page.
        count: how many jobs at most. Fewer come when they are large.
        newest: begin with the last that was added, became due or ended; else with the first.

    Raises:
        ConfigurationError: no state is called so, or the cursor is not one.
    """
    containers = CONTAINERS[listed_state(state)]
    place = cursor or PageCursor()
    if not 1 <= place.container <= len(containers) or not _NUMBER.fullmatch(place.at):
        raise ConfigurationError(f"cursor must be the end of a page of state {state!r}")
    most = max(1, min(count, MAX_ROWS))
    words = (most, "1" if newest else "", place.container, place.at, place.last, place.next)
    return run_script("get_page", keys.base, *words, *containers, decode=_page)


def _page(reply: Reply) -> JobsPage:
    rows, total, place = reply
    found = [(_shown(job_id), flat) for job_id, flat in rows]
    return JobsPage(
        records=[read_any_hash(job_id, flat) for job_id, flat in found if b"name" in flat[::2]],
        missing=[job_id for job_id, flat in found if b"name" not in flat[::2]],
        next=PageCursor(number(place[0]), *map(_shown, place[1:])) if place else None,
        total=total,
        scanned=len(found),
    )


def _shown(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
