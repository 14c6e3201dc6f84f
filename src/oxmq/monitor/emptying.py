"""Empty queues and put many jobs back to run, a step at a time: each step is over soon, and says if there is more.

A step changes at most about 10,000 jobs and takes at most some seconds, so that whoever asks can show how far it is,
and stop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from oxmq.monitor.site import Site
from oxmq.ops import administration, queues
from oxmq.ops.administration import Place
from oxmq.ops.call import command, number
from oxmq.ops.pages import PageCursor, get_page
from oxmq.records import JobRecord
from oxmq.states import CONTAINERS, JobState, cleanable_containers, listed_state

#: How many jobs one step changes, and after how many seconds it ends whatever it has done.
_MOST, _LONGEST = 10_000, 4.0
#: How many jobs one call to Redis is about.
_PIECE = 250
#: How many jobs are looked at to count old ones.
_MOST_COUNTED = 20_000
#: States whose sorted sets are ordered by when their jobs got there, so that the old ones can be counted at once.
_BY_TIME = (JobState.COMPLETED, JobState.FAILED, JobState.WAITING_CHILDREN)
_NOT_BEGUN = (JobState.WAITING, JobState.PRIORITIZED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Say how far a step came.

    Attributes:
        count: how many jobs it changed; of a dry run, how many would be changed in all.
        dry_run: whether nothing was changed.
        more: whether there is more to do: ask again. Of a dry run, whether there are more than were counted.
    """

    count: int
    dry_run: bool
    more: bool


class _Budget:
    """Know when a step has done enough."""

    def __init__(self, most: int | None = None) -> None:
        self.done = 0
        self._most = _MOST if most is None else min(most, _MOST)
        self._deadline = time.monotonic() + _LONGEST

    @property
    def left(self) -> int:
        return self._most - self.done

    @property
    def is_spent(self) -> bool:
        return self.left <= 0 or time.monotonic() > self._deadline


async def drain(site: Site, queue: str, *, delayed: bool = False, dry_run: bool = False) -> Step:
    """Delete jobs that have not begun, but for the next ones of schedules. A dry run counts those as well.

    Args:
        delayed: also those that are delayed.
    """
    states = (*_NOT_BEGUN, JobState.DELAYED) if delayed else _NOT_BEGUN
    if dry_run:
        return Step(count=await _count(site, queue, states), dry_run=True, more=False)
    budget = _Budget()
    containers = [container for state in states for container in CONTAINERS[state]]
    finished = True
    for container in containers:
        finished = await _drain(site, queue, container, budget) and finished
    return _step(budget, finished)


async def clean(
    site: Site, queue: str, state: str, older_than: float, *, limit: int | None = None, dry_run: bool = False
) -> Step:
    """Delete jobs of one state that are old: as `Queue.clean` has it.

    Args:
        state: a `JobState`.
        older_than: how old they are at least, in seconds.
        limit: how many to delete at most; None for any number. The steps of one clean do not know of each other.

    Raises:
        ConfigurationError: there is no such state to clean.
    """
    listed_state(state)
    cutoff = site.clock.now_ms() - round(older_than * 1000)
    if dry_run:
        return await _count_old(site, queue, state, cutoff, limit)
    budget = _Budget(limit)
    finished = True
    for at, container in enumerate(cleanable_containers(state)):
        finished = await _clean(site, queue, container, cutoff, budget, bounded=limit is not None, first=at == 0)
        if not finished:
            break
    is_limit_met = limit is not None and budget.done >= limit
    return _step(budget, finished or is_limit_met)


async def obliterate(site: Site, queue: str, *, force: bool = False, dry_run: bool = False) -> Step:
    """Delete a queue and everything in it. It is paused first, and stays so when this is refused.

    Args:
        force: also when jobs are running; their workers find them gone.

    Raises:
        QueueStateError: jobs are running.
    """
    states = tuple(CONTAINERS)
    before = await _count(site, queue, states)
    if dry_run:
        return Step(count=before, dry_run=True, more=False)
    keys, budget, more = site.keys(queue), _Budget(), True
    await site.queue(queue).pause()
    while more and not budget.is_spent:
        more = await site.runner.run(administration.obliterate(keys, _PIECE, force=force))
        budget.done += _PIECE
    after = await _count(site, queue, states) if more else 0
    return Step(count=max(0, before - after), dry_run=False, more=more)


async def retry_failed(site: Site, queue: str, *, failed_before_ms: int | None = None, dry_run: bool = False) -> Step:
    """Put failed jobs back to run again, the oldest first.

    Args:
        failed_before_ms: only those that failed no later, in milliseconds since the epoch; None for now. The steps
            of one retry give the same, so that jobs which fail again are not retried again.
    """
    if dry_run:
        return Step(count=await _count(site, queue, (JobState.FAILED,)), dry_run=True, more=False)
    upto = site.clock.now_ms() if failed_before_ms is None else failed_before_ms
    return await _requeue(site, queue, JobState.FAILED, upto)


async def promote_delayed(site: Site, queue: str, *, dry_run: bool = False) -> Step:
    """Make delayed jobs ready now, the first due first."""
    if dry_run:
        return Step(count=await _count(site, queue, (JobState.DELAYED,)), dry_run=True, more=False)
    return await _requeue(site, queue, JobState.DELAYED, None)


async def _count(site: Site, queue: str, states: Sequence[str]) -> int:
    containers = [container for state in states for container in CONTAINERS[state]]
    return sum((await site.runner.run(queues.get_counts(site.keys(queue), containers))).values())


async def _drain(site: Site, queue: str, container: str, budget: _Budget) -> bool:
    """Return whether the whole container was looked at."""
    place = Place()
    while not budget.is_spent:
        piece = await site.runner.run(administration.drain(site.keys(queue), container, place))
        budget.done += piece.deleted
        place = piece.place
        if not piece.more:
            return True
    return False


async def _clean(
    site: Site, queue: str, container: str, cutoff: int, budget: _Budget, *, bounded: bool, first: bool
) -> bool:
    """Return whether the whole container was looked at."""
    place = Place()
    while not budget.is_spent:
        # Without a bound the call may be repeated when its answer is lost.
        most = budget.left if bounded else None
        call = administration.clean(site.keys(queue), container, cutoff, place, most=most, first=first)
        piece = await site.runner.run(call)
        budget.done += piece.deleted
        place, first = piece.place, False
        if not piece.more:
            return True
    return False


async def _requeue(site: Site, queue: str, state: str, upto_ms: int | None) -> Step:
    budget, left = _Budget(), 1
    while left and not budget.is_spent:
        done = await site.runner.run(administration.requeue(site.keys(queue), state, upto_ms, _PIECE))
        budget.done += done.moved
        left = done.left
    return _step(budget, not left)


def _step(budget: _Budget, finished: bool) -> Step:
    # A step that has changed nothing found nothing that it may change, however much is there.
    return Step(count=budget.done, dry_run=False, more=not finished and budget.done > 0)


async def _count_old(site: Site, queue: str, state: str, cutoff: int, limit: int | None) -> Step:
    keys = site.keys(queue)
    if state in _BY_TIME:
        call = command("ZCOUNT", keys.of(CONTAINERS[state][0]), "-inf", cutoff, decode=number)
        return _counted(await site.runner.run(call), limit, more=False)
    count = scanned = 0
    place: PageCursor | None = None
    while True:
        page = await site.runner.run(get_page(keys, state, place, _PIECE, newest=False))
        count += sum(_since(record, state) <= cutoff for record in page.records)
        scanned += page.scanned
        place = page.next
        if place is None or scanned >= _MOST_COUNTED or (limit is not None and count >= limit):
            return _counted(count, limit, more=place is not None)


def _counted(count: int, limit: int | None, *, more: bool) -> Step:
    if limit is not None and count >= limit:
        return Step(count=limit, dry_run=True, more=False)
    return Step(count=count, dry_run=True, more=more)


def _since(record: JobRecord, state: str) -> int:
    """Return since when a job counts as old, in milliseconds since the epoch: as the script that cleans has it."""
    if state == JobState.PRIORITIZED:
        return record.timestamp
    if state == JobState.DELAYED:
        return record.processed_on or record.timestamp
    return record.finished_on or record.processed_on or record.timestamp
