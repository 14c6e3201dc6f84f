"""Change one job as a person does who looks at it: only from a state that allows it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from oxmq.client.job import Job
from oxmq.client.removal import remove
from oxmq.durations import Duration
from oxmq.errors import ConfigurationError, JobLockedError, JobNotFoundError, JobStateError
from oxmq.monitor.job_options import repeatable_options
from oxmq.monitor.payloads import decode
from oxmq.monitor.site import Site
from oxmq.ops.lookups import Found, look_up
from oxmq.options import MAX_PRIORITY, check_whole
from oxmq.records import JobRecord
from oxmq.states import JobState

Edit = Callable[[object], object]
"""Return the data that is to be stored, given what is stored."""

#: The states of jobs that have ended, and of those that have not begun.
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED})
NOT_BEGUN = frozenset({JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED, JobState.WAITING_CHILDREN})


async def find(site: Site, queue: str, job_id: str) -> Found:
    """Return a job and its state.

    Raises:
        JobNotFoundError: there is no such job.
    """
    found = await site.runner.run(look_up(site.keys(queue), job_id))
    if found is None:
        raise JobNotFoundError(
            f"there is no job {job_id!r} in queue {queue!r}", job_id=job_id, queue=queue, operation="look_up", code=-1
        )
    return found


def handle(site: Site, queue: str, record: JobRecord) -> Job[Any]:
    """Return a job on which one can act."""
    return Job[Any](site.context(queue), record)


async def retry(site: Site, queue: str, job_id: str, edit: Edit | None = None) -> None:
    """Run a job again that has failed or completed, perhaps with other data.

    Should the connection break in between, the job has the new data and is still where it was.

    Raises:
        JobNotFoundError: there is no such job.
        JobStateError: it has not ended.
        ConfigurationError: JSON cannot carry the data.
    """
    found = await find(site, queue, job_id)
    _check_state(queue, found, ENDED, "retry")
    job = handle(site, queue, found.record)
    if edit is not None:
        await job.update_data(edit(_data_or_none(found)))
    await job.retry(found.state)


async def promote(site: Site, queue: str, job_id: str) -> None:
    """Make a delayed job ready. Raises as `retry` does."""
    found = await find(site, queue, job_id)
    _check_state(queue, found, (JobState.DELAYED,), "promote")
    await handle(site, queue, found.record).promote()


async def cancel(site: Site, queue: str, job_id: str, reason: str) -> bool:
    """Cancel a job that has not ended; return whether it has failed already, and does not run still.

    Raises:
        JobNotFoundError: there is no such job.
        JobStateError: it has ended.
        SchedulerJobError: it is the next iteration of a schedule.
    """
    found = await find(site, queue, job_id)
    return await handle(site, queue, found.record).cancel(reason)


async def change(
    site: Site,
    queue: str,
    job_id: str,
    *,
    edit: Edit | None = None,
    priority: int | None = None,
    delay: Duration | None = None,
) -> None:
    """Change a job that has not begun: its data, its priority, and, of a delayed one, in how long it is due.

    Raises:
        JobNotFoundError: there is no such job.
        JobStateError: it has begun or ended, or is not delayed.
        ConfigurationError: a value is not acceptable.
    """
    if priority is not None:
        check_whole(priority, "priority", least=0, most=MAX_PRIORITY)
    found = await find(site, queue, job_id)
    _check_state(queue, found, NOT_BEGUN if delay is None else (JobState.DELAYED,), "change")
    job = handle(site, queue, found.record)
    if edit is not None:
        await job.update_data(edit(_data_or_none(found)))
    if priority is not None:
        await job.change_priority(priority)
    if delay is not None:
        await job.change_delay(delay)


async def delete(site: Site, queue: str, job_id: str) -> None:
    """Delete a job, and its children with it.

    Raises:
        JobNotFoundError: there is no such job.
        JobLockedError: a worker runs it, or one of its children.
        SchedulerJobError: it is the next iteration of a schedule.
    """
    await find(site, queue, job_id)
    if not await remove(site.context(queue), job_id, children=True):
        raise JobLockedError(
            f"job {job_id!r} of queue {queue!r}, or one of its children, is being run by a worker",
            job_id=job_id,
            queue=queue,
            operation="remove",
        )


async def duplicate(site: Site, queue: str, job_id: str, edit: Edit | None = None) -> Job[Any]:
    """Add a job like another, to run now, perhaps with other data; return it.

    It has the options of the other, but for its id, its delay, its parent and its deduplication.

    Raises:
        JobNotFoundError: there is no such job.
        ConfigurationError: the data is not acceptable, or no queue of such a name may be added to.
        OutcomeUnknownError: it may have been added.
    """
    found = await find(site, queue, job_id)
    data = stored_data(found) if edit is None else edit(_data_or_none(found))
    return await site.queue(queue).add(found.record.name, data, **repeatable_options(found.record.opts))


def stored_data(found: Found) -> object:
    """Return the data of a job as it is stored.

    Raises:
        ConfigurationError: it is no JSON, so that nothing can be made of it.
    """
    try:
        return decode(found.record.data)
    except ValueError:
        raise ConfigurationError("data of the job is no JSON: it cannot be edited or copied") from None


def _data_or_none(found: Found) -> object:
    """Return the stored data for somebody who puts other data in its place; None when it is no JSON."""
    try:
        return stored_data(found)
    except ConfigurationError:
        return None


def _check_state(queue: str, found: Found, allowed: Collection[str], operation: str) -> None:
    if found.state not in allowed:
        words = " or ".join(sorted(str(state) for state in allowed))
        raise JobStateError(
            f"job {found.record.id!r} of queue {queue!r} is {found.state}; {operation} needs it to be {words}",
            job_id=found.record.id,
            queue=queue,
            operation=operation,
            code=-3,
        )
