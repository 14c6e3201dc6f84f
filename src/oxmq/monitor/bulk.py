"""Act on many jobs, step by step: each step is short, says how far it has come, and may be repeated."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct, structs

from oxmq.errors import ConfigurationError, JobError
from oxmq.monitor.cursors import foreign_cursor, read_cursor, write_cursor
from oxmq.monitor.job_changes import ENDED, NOT_BEGUN, handle
from oxmq.monitor.jobs_page import MAX_SCANNED, in_turns
from oxmq.monitor.payloads import shown_text
from oxmq.monitor.search import parse_search
from oxmq.monitor.site import Site
from oxmq.ops.lookups import Found, look_up
from oxmq.ops.pages import PageCursor, get_page
from oxmq.options import MAX_PRIORITY, check_whole
from oxmq.records import JobRecord
from oxmq.states import CONTAINERS, JobState, listed_state

T = TypeVar("T")

#: How many jobs one step acts on at most, how many are read at once, and how long a step may take, in seconds.
MAX_STEP, _AT_ONCE, _PATIENCE = 500, 100, 1.0
#: How many ids one request may name.
MAX_IDS = 1_000
#: How many jobs are acted on at the same time.
_TOGETHER = 50
#: How far lists are searched for a job that is named by its id.
_REACH = 2_000
#: Of how many jobs that were passed over the reason is told.
_MAX_TOLD = 20


class Action(StrEnum):
    """Name what can be done to many jobs."""

    RETRY = "retry"
    PROMOTE = "promote"
    CANCEL = "cancel"
    REMOVE = "remove"
    CHANGE_PRIORITY = "change_priority"


_STATES: Final[dict[Action, Collection[str]]] = {
    Action.RETRY: ENDED,
    Action.PROMOTE: {JobState.DELAYED},
    Action.CANCEL: NOT_BEGUN | {JobState.ACTIVE},
    Action.REMOVE: set(CONTAINERS),
    Action.CHANGE_PRIORITY: NOT_BEGUN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Say what is to be done.

    Attributes:
        reason: why, when jobs are cancelled.
        priority: which, when priorities are changed.
        dry_run: only count.

    Raises:
        ConfigurationError: the priority is missing, or not acceptable.
    """

    action: Action
    reason: str = "cancelled"
    priority: int | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.action is Action.CHANGE_PRIORITY:
            check_whole(self.priority, "priority", least=0, most=MAX_PRIORITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Say why a job was passed over."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkStep:
    """Hold what one step did.

    Attributes:
        matched: how many of the jobs it looked at were meant.
        changed: how many of these it acted on; of a dry run, how many it would have, as far as is known.
        skipped: jobs that it passed over, the first twenty, and why.
        skipped_count: how many it passed over in all.
        cursor: where to go on; null when all is done.
        scanned: how many jobs it looked at.
        total: how many there were to look at when the first step began.
    """

    matched: int
    changed: int
    skipped: list[Skipped]
    skipped_count: int
    cursor: str | None
    scanned: int
    total: int


class _Place(Struct, frozen=True, rename={"order": "o", "begun_ms": "b", "left": "l", "total": "t", "place": "p"}):
    """Hold how far the steps of one order have come.

    Attributes:
        order: stands for the order, which must be the same with every step.
        begun_ms: when the first step began, or when the newest job ended that it found.
        left: how many entries may be looked at before the steps end, come what may.
        total: how many there were at the beginning.
        place: where to read on.
    """

    order: int
    begun_ms: int
    left: int
    total: int
    place: PageCursor | None


class _IdsPlace(Struct, frozen=True, rename={"order": "o", "start": "i"}):
    """Hold how many of the ids have been done."""

    order: int
    start: int


class _Target(NamedTuple):
    record: JobRecord
    state: str


@dataclass(slots=True)
class _Tally:
    matched: int = 0
    changed: int = 0
    scanned: int = 0
    skipped_count: int = 0
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    def skip(self, job_id: str, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < _MAX_TOLD:
            self.skipped.append(Skipped(id=shown_text(job_id, len(job_id)), reason=shown_text(reason, 300)))

    def step(self, cursor: Struct | None, total: int) -> BulkStep:
        return BulkStep(
            matched=self.matched,
            changed=self.changed,
            skipped=self.skipped,
            skipped_count=self.skipped_count,
            cursor=None if cursor is None else write_cursor(cursor),
            scanned=self.scanned,
            total=total,
        )


async def act_on_ids(
    site: Site, queue: str, order: Order, ids: Sequence[str], *, cursor: str | None = None
) -> BulkStep:
    """Do something to the jobs of these ids, up to 500 of them in one step.

    What was done already is passed over when it is asked for again.

    Raises:
        ConfigurationError: there are too many ids, or the cursor is not one of this order.
    """
    if len(ids) > MAX_IDS:
        raise ConfigurationError(f"ids must be at most {MAX_IDS}, not {len(ids)}")
    wanted = list(dict.fromkeys(ids))
    named = _digest(order, *wanted)
    start = _read_start(cursor, named)
    batch = wanted[start : start + MAX_STEP]
    tally = _Tally(scanned=len(batch))
    found = await _together([_looker(site, queue, job_id) for job_id in batch])
    fit: list[_Target] = []
    for job_id, job in zip(batch, found, strict=True):
        if job is None:
            tally.skip(job_id, "there is no such job")
            continue
        tally.matched += 1
        if job.state in _STATES[order.action]:
            fit.append(_Target(job.record, job.state))
        else:
            tally.skip(job_id, f"it is {job.state}")
    await _act(site, queue, order, fit, tally)
    done = start + len(batch)
    return tally.step(_IdsPlace(named, done) if done < len(wanted) else None, len(wanted))


async def act_on_matching(
    site: Site, queue: str, order: Order, state: str, search: str = "", *, cursor: str | None = None
) -> BulkStep:
    """Do something to the jobs of a state that a search finds, up to 500 of them in one step.

    Meant are the jobs that were in the state when the first step began: one that comes back to it (fails again) is
    left alone, and so the steps end.

    Raises:
        ConfigurationError: the action is not for jobs of this state, or the search or the cursor cannot be understood.
    """
    wanted = parse_search(search)
    if listed_state(state) not in _STATES[order.action]:
        raise ConfigurationError(f"action {order.action} is not for jobs that are {state}")
    place = _read_place(cursor, _digest(order, state, search))
    if place.total < 0:
        place = structs.replace(place, begun_ms=await _begin(site, queue, state))
    tally = _Tally()
    deadline = time.monotonic() + _PATIENCE
    # New jobs join a list where its newest are: read from there, the walk does not meet them.
    newest = state in (JobState.WAITING, JobState.ACTIVE)
    while True:
        count = min(_AT_ONCE, MAX_STEP - tally.matched)
        page = await site.runner.run(get_page(site.keys(queue), state, place.place, count, newest=newest))
        if place.total < 0:
            place = structs.replace(place, total=page.total, left=2 * page.total + MAX_SCANNED)
        fit = [
            _Target(record, state)
            async for record in in_turns(page.records)
            if _was_there(record, state, place.begun_ms) and wanted.matches(record, site.redact, place.begun_ms)
        ]
        tally.matched += len(fit)
        tally.scanned += page.scanned
        before = tally.changed
        await _act(site, queue, order, fit, tally)
        if page.next is None or place.left <= page.scanned or _is_past(page.records, state, place.begun_ms):
            return tally.step(None, place.total)
        gone = 0 if order.dry_run or not newest else tally.changed - before
        following = structs.replace(page.next, at=_earlier(page.next.at, gone))
        place = structs.replace(place, place=following, left=place.left - page.scanned)
        if tally.matched >= MAX_STEP or tally.scanned >= MAX_SCANNED or time.monotonic() > deadline:
            return tally.step(place, place.total)


def _digest(order: Order, *scope: str) -> int:
    words = (order.action, order.reason, order.priority, order.dry_run, *scope)
    return zlib.crc32(repr(words).encode(errors="backslashreplace"))


def _read_start(cursor: str | None, named: int) -> int:
    if cursor is None:
        return 0
    place = read_cursor(cursor, _IdsPlace)
    if place.order != named or place.start < 0:
        raise foreign_cursor()
    return place.start


def _read_place(cursor: str | None, named: int) -> _Place:
    if cursor is None:
        return _Place(named, 0, 0, -1, None)
    place = read_cursor(cursor, _Place)
    if place.order != named or place.total < 0:
        raise foreign_cursor()
    return place


async def _begin(site: Site, queue: str, state: str) -> int:
    """Return until when jobs must have come to the state; by the clocks of those who ended them, where they have."""
    now_ms = site.clock.now_ms()
    if state not in ENDED:
        return now_ms
    newest = (await site.runner.run(get_page(site.keys(queue), state, None, 1, newest=True))).records
    return newest[0].finished_on or now_ms if newest else now_ms


def _was_there(record: JobRecord, state: str, begun_ms: int) -> bool:
    """Tell whether a job was in its state when the first step began, as far as its times tell."""
    if state in ENDED:
        return (record.finished_on or 0) <= begun_ms
    return (record.processed_on or 0) <= begun_ms


def _is_past(records: Sequence[JobRecord], state: str, begun_ms: int) -> bool:
    """Tell whether jobs that ended later have been reached: these come last."""
    return state in ENDED and bool(records) and (records[-1].finished_on or 0) > begun_ms


def _earlier(at: str, gone: int) -> str:
    """Return how many entries of a list come before a place when some of those have gone."""
    return str(max(0, int(float(at)) - gone)) if gone else at


async def _act(site: Site, queue: str, order: Order, jobs: Sequence[_Target], tally: _Tally) -> None:
    if order.dry_run:
        tally.changed += len(jobs)
        return
    refusals = await _together([_actor(site, queue, order, job) for job in jobs])
    for job, refusal in zip(jobs, refusals, strict=True):
        if refusal is None:
            tally.changed += 1
        else:
            tally.skip(job.record.id, refusal)


def _looker(site: Site, queue: str, job_id: str) -> Callable[[], Awaitable[Found | None]]:
    # What need not be read is left out: the step may be about a thousand jobs of a megabyte each.
    return lambda: site.runner.run(look_up(site.keys(queue), job_id, most=64 * 1024, reach=_REACH))


def _actor(site: Site, queue: str, order: Order, target: _Target) -> Callable[[], Awaitable[str | None]]:
    async def act() -> str | None:
        """Return why it was not done."""
        try:
            return await _act_on_one(site, queue, order, target)
        except (JobError, ConfigurationError) as error:
            return str(error)

    return act


async def _act_on_one(site: Site, queue: str, order: Order, target: _Target) -> str | None:
    job = handle(site, queue, target.record)
    if order.action is Action.RETRY:
        await job.retry(target.state)
    elif order.action is Action.PROMOTE:
        await job.promote()
    elif order.action is Action.CANCEL:
        await job.cancel(order.reason)
    elif order.action is Action.REMOVE:
        await job.remove()
    elif target.record.priority == order.priority:
        return f"it has priority {order.priority} already"
    else:
        await job.change_priority(order.priority or 0)
    return None


async def _together(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Call all, some at a time, and return the answers in order; the first error ends it when those begun are done."""
    answers: list[T] = []
    for start in range(0, len(calls), _TOGETHER):
        ended = await asyncio.gather(*(call() for call in calls[start : start + _TOGETHER]), return_exceptions=True)
        for answer in ended:
            if isinstance(answer, BaseException):
                raise answer
            answers.append(answer)
    return answers
