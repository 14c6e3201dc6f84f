"""Do what `oxmq queue` does to a queue as a whole, and say how much it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from oxmq.cli.connection import existing_queue
from oxmq.cli.terminal.manner import Manner
from oxmq.cli.terminal.plural import jobs, jobs_were
from oxmq.cli.terminal.progress import progress_bar
from oxmq.cli.terminal.screen import say, show_json
from oxmq.client.queue import Queue
from oxmq.monitor.site import Site
from oxmq.states import JobState

#: How many seconds pass between two looks at how far long work has come.
_LOOK: Final = 0.25
_BEGUN_NOT: Final = (JobState.WAITING, JobState.PRIORITIZED)


class _Verb(NamedTuple):
    """Name what is done to jobs, while it is and afterwards."""

    doing: str
    done: str


_DELETE: Final = _Verb("deleting", "deleted")
_RETRY: Final = _Verb("retrying", "put back to run again")
_PROMOTE: Final = _Verb("promoting", "made ready")


async def hold(site: Site, names: Sequence[str], *, paused: bool, json: bool) -> None:
    """Pause queues, or resume them, and say so. When one does not exist, none is touched."""
    queues = [await existing_queue(site, name) for name in names]
    for queue in queues:
        await (queue.pause() if paused else queue.resume())
        if not json:
            say(f"Queue {queue.name} is {'paused' if paused else 'running'}.")
    if json:
        show_json({"queues": [{"name": queue.name, "paused": paused} for queue in queues]})


async def drain(site: Site, name: str, *, delayed: bool, manner: Manner) -> None:
    """Delete the jobs that have not begun."""
    queue = await existing_queue(site, name)
    states = (*_BEGUN_NOT, *((JobState.DELAYED,) if delayed else ()))
    counts = await queue.get_job_counts(*states)
    words = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    manner.agree(f"This deletes the jobs of queue {name} that have not begun: {words}")
    await _change(queue, _DELETE, states, lambda: queue.drain(delayed), manner)


async def obliterate(site: Site, name: str, *, force: bool, manner: Manner) -> None:
    """Delete a queue and everything in it."""
    queue = await existing_queue(site, name)
    total = await queue.get_job_count_by_types()
    schedules = await queue.get_job_schedulers_count()
    manner.agree(f"This deletes queue {name} with {jobs(total)} and {schedules:,} schedules in it")
    answer = {"queue": name, "count": total, "dry_run": manner.dry_run}
    if manner.dry_run:
        manner.report(f"Queue {name} and its {jobs(total)} would be deleted.", answer)
        return
    await _work(queue, _DELETE, (), total, lambda: queue.obliterate(force), quiet=manner.json)
    manner.report(f"Queue {name} and its {jobs(total)} were deleted.", answer)


async def retry_failed(site: Site, name: str, manner: Manner) -> None:
    """Run all failed jobs again."""
    queue = await existing_queue(site, name)
    await _change(queue, _RETRY, (JobState.FAILED,), queue.retry_jobs, manner)


async def promote_delayed(site: Site, name: str, manner: Manner) -> None:
    """Make all delayed jobs ready."""
    queue = await existing_queue(site, name)
    await _change(queue, _PROMOTE, (JobState.DELAYED,), queue.promote_jobs, manner)


async def _change(
    queue: Queue, verb: _Verb, states: Sequence[str], work: Callable[[], Awaitable[None]], manner: Manner
) -> None:
    """Do something to all jobs of some states (of all states when none is named), and say to how many."""
    before = await queue.get_job_count_by_types(*states)
    if manner.dry_run:
        manner.report(f"{jobs(before)} would be {verb.done}.", {"queue": queue.name, "count": before, "dry_run": True})
        return
    after = await _work(queue, verb, states, before, work, quiet=manner.json)
    # What was added meanwhile hides as many of the jobs that went.
    count = max(0, before - after)
    manner.report(f"{jobs_were(count)} {verb.done}.", {"queue": queue.name, "count": count, "dry_run": False})


async def _work(
    queue: Queue, verb: _Verb, states: Sequence[str], before: int, work: Callable[[], Awaitable[None]], *, quiet: bool
) -> int:
    """Do the work, show how far it has come, and return how many jobs are left."""
    task = asyncio.ensure_future(work())
    left = before
    try:
        with progress_bar(verb.doing, before, quiet=quiet) as advance:
            while not task.done():
                await asyncio.wait({task}, timeout=_LOOK)
                now = await queue.get_job_count_by_types(*states)
                advance(max(0, left - now))
                left = min(left, now)
        await task
    finally:
        task.cancel()
    return await queue.get_job_count_by_types(*states)
