"""Assert what has been enqueued, on a server or in inline mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import oxmq.sync
from oxmq.app import Oxmq
from oxmq.client.job import Job
from oxmq.client.queue import Queue
from oxmq.errors import ConfigurationError
from oxmq.options import check_whole
from oxmq.sync.job import Job as SyncJob
from oxmq.testing.expectation import AnyJob, AnyTask, Expectation, check_app, check_place, explain_absence

Where: TypeAlias = Oxmq | Queue
"""Where jobs are looked for: in the task's queue of an application, or in one queue."""

SyncWhere: TypeAlias = Oxmq | oxmq.sync.Queue

JobT = TypeVar("JobT", bound=AnyJob)


async def assert_enqueued(
    where: Where,
    task: AnyTask | str,
    /,
    *,
    times: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **expected: Any,  # noqa: ANN401 - whatever the task takes
) -> Job[Any]:
    """Fail unless a job of `task` was enqueued with these arguments and options; return the newest such job.

    Only what is named is compared. A job counts in whatever state it is, completed ones too, for as long as the
    queue keeps it.

    Args:
        where: the application, or a queue.
        task: the task, or the name of jobs that no task stands for.
        times: how many such jobs there must be; any number but none when not given.
        arguments: arguments that are called as an option is, by name.
        options: options that are called as an argument is, by name.
        expected: arguments and options by name; durations in any form.

    Raises:
        AssertionError: there is no such job; the message says what there is, and how it differs.
        ConfigurationError: a name is neither a parameter of the task nor an option; or the task's jobs go elsewhere.
    """
    expectation = Expectation(task, expected, arguments or {}, options or {})
    name, jobs = await _jobs_in(where, task)
    return _matching(expectation, name, jobs, times)[-1]


def assert_enqueued_sync(
    where: SyncWhere,
    task: AnyTask | str,
    /,
    *,
    times: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **expected: Any,  # noqa: ANN401 - whatever the task takes
) -> SyncJob[Any]:
    """Do as `assert_enqueued` from a test without an event loop."""
    expectation = Expectation(task, expected, arguments or {}, options or {})
    name, jobs = _jobs_in_sync(where, task)
    return _matching(expectation, name, jobs, times)[-1]


async def assert_not_enqueued(
    where: Where,
    task: AnyTask | str,
    /,
    *,
    arguments: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **expected: Any,  # noqa: ANN401 - whatever the task takes
) -> None:
    """Fail if a job of `task` was enqueued with these arguments and options: see `assert_enqueued`."""
    expectation = Expectation(task, expected, arguments or {}, options or {})
    _check_absent(expectation, *await _jobs_in(where, task))


def assert_not_enqueued_sync(
    where: SyncWhere,
    task: AnyTask | str,
    /,
    *,
    arguments: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **expected: Any,  # noqa: ANN401 - whatever the task takes
) -> None:
    """Do as `assert_not_enqueued` from a test without an event loop."""
    expectation = Expectation(task, expected, arguments or {}, options or {})
    _check_absent(expectation, *_jobs_in_sync(where, task))


async def enqueued(where: Where, task: AnyTask | str | None = None, /) -> list[Job[Any]]:
    """Return the jobs of `task` that were enqueued, or of all tasks, the oldest first."""
    if isinstance(where, Queue):
        return _of_name(await where.get_jobs(asc=True), task)
    check_app(where)
    names = _queue_names(where, task)
    return _of_name([job for name in names for job in await where.queue(name).get_jobs(asc=True)], task)


def enqueued_sync(where: SyncWhere, task: AnyTask | str | None = None, /) -> list[SyncJob[Any]]:
    """Do as `enqueued` from a test without an event loop."""
    if isinstance(where, oxmq.sync.Queue):
        return _of_name(where.get_jobs(asc=True), task)
    check_app(where)
    queues = [where.sync_queue(name) for name in _queue_names(where, task)]
    return _of_name([job for queue in queues for job in queue.get_jobs(asc=True)], task)


async def _jobs_in(where: Where, task: AnyTask | str) -> tuple[str, list[Job[Any]]]:
    if isinstance(where, Queue):
        check_place(task, None, where.name)
        return where.name, await enqueued(where)
    check_app(where)
    queue = where.queue(_queue_of(where, task))
    check_place(task, where, queue.name)
    return queue.name, await enqueued(queue)


def _jobs_in_sync(where: SyncWhere, task: AnyTask | str) -> tuple[str, list[SyncJob[Any]]]:
    if isinstance(where, oxmq.sync.Queue):
        check_place(task, None, where.name)
        return where.name, enqueued_sync(where)
    check_app(where)
    queue = where.sync_queue(_queue_of(where, task))
    check_place(task, where, queue.name)
    return queue.name, enqueued_sync(queue)


def _queue_of(app: Oxmq, task: AnyTask | str) -> str:
    if not isinstance(task, str):
        return task.queue
    queues = [queue for queue, name in app.tasks if name == task]
    if len(queues) != 1:
        raise ConfigurationError(f"{len(queues)} queues have a task called {task!r}: give the task, or the queue")
    return queues[0]


def _queue_names(app: Oxmq, task: AnyTask | str | None) -> list[str]:
    return app.queue_names if task is None else [_queue_of(app, task)]


def _of_name(jobs: Iterable[JobT], task: AnyTask | str | None) -> list[JobT]:
    name = task if task is None or isinstance(task, str) else task.name
    wanted = [job for job in jobs if name in (None, job.name)]
    # Ids that the client makes are in the order in which they were made, also within a millisecond.
    return sorted(wanted, key=lambda job: (job.record.timestamp, len(job.id), job.id))


def _matching(expectation: Expectation, queue: str, jobs: Sequence[JobT], times: int | None) -> list[JobT]:
    if times is not None:
        check_whole(times, "times", least=1)
    named = [job for job in jobs if job.name == expectation.name]
    found = [job for job in named if not expectation.differences(job)]
    if not found or times not in (None, len(found)):
        wanted = "expected a job" if times is None else f"expected {times} jobs" if times > 1 else "expected 1 job"
        raise AssertionError(explain_absence(expectation, queue, jobs, len(found), wanted))
    return found


def _check_absent(expectation: Expectation, queue: str, jobs: Sequence[AnyJob]) -> None:
    found = [job for job in jobs if job.name == expectation.name and not expectation.differences(job)]
    if found:
        raise AssertionError(explain_absence(expectation, queue, jobs, len(found), "expected no job"))
