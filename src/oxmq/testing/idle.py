"""Run a worker until there is nothing left to do, moving the clock on where that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct, field, structs

from oxmq.app import Oxmq
from oxmq.app_worker import AppWorker
from oxmq.client.job import Job
from oxmq.client.queue import Queue
from oxmq.clock import ManualClock
from oxmq.codec import instant, instant_ms
from oxmq.durations import Duration, milliseconds
from oxmq.errors import ConfigurationError
from oxmq.ops import upcoming
from oxmq.options import check_whole
from oxmq.states import JobState
from oxmq.testing.expectation import check_app

#: Seconds between two looks.
_INTERVAL = 0.01
#: How many delayed jobs of each queue are looked at for one that may be waited for.
_DELAYED_LOOKED_AT = 1000
#: With what the ids of a scheduler's jobs begin.
_SCHEDULED = "repeat:"
#: The states in which a job is yet to run, or runs.
_UNENDED = (
    JobState.ACTIVE, JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED, JobState.WAITING_CHILDREN,
)  # fmt: skip


class JobsFailedError(AssertionError):
    """Say that jobs have failed that should not have: raised by `IdleReport.raise_failures`."""


class IdleReport(Struct):
    """Hold what a worker has done until nothing was left to do.

    Attributes:
        completed: the jobs that completed, in order, with their results in `return_value`.
        failed: the jobs that failed for good, in order, with the reasons in `failed_reason`.
        retried: how many attempts failed that were followed by another, or will be.
        retrying: the jobs that failed and wait for their next attempt, with the reasons in `failed_reason`.
        remaining: how many jobs are left, by queue and state: delayed ones that are not due, jobs of paused queues,
            parents of children that are left. Empty when there are none.
    """

    completed: list[Job[Any]] = field(default_factory=list[Job[Any]])
    failed: list[Job[Any]] = field(default_factory=list[Job[Any]])
    retried: int = 0
    retrying: list[Job[Any]] = field(default_factory=list[Job[Any]])
    remaining: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])

    @property
    def runs(self) -> int:
        """Return how many runs have ended."""
        return len(self.completed) + len(self.failed) + self.retried

    def raise_failures(self) -> IdleReport:
        """Raise `JobsFailedError` if jobs have failed, for good or until their next attempt; else return the report."""
        lines = [_failure(job) for job in self.failed]
        lines += [f"{_failure(job)} (it waits for its next attempt)" for job in self.retrying]
        if lines:
            raise JobsFailedError("\n".join([f"{len(lines)} of the jobs failed:", *lines]))
        return self


async def run_until_idle(
    app: Oxmq,
    *,
    skip_delays: bool = False,
    until: datetime | Duration | None = None,
    max_jobs: int = 1000,
    timeout: Duration = 30,
    **worker_options: Any,  # noqa: ANN401 - `Worker` checks
) -> IdleReport:
    """Work all queues of `app` until nothing waits, runs or is due; return what was done::

        await send.enqueue(to="ada@example.org")
        report = (await run_until_idle(app)).raise_failures()
        assert report.completed[0].return_value == "sent to ada@example.org"

    It is a real worker: startup and shutdown hooks, middleware, schedules that tasks declare. Jobs that are delayed
    stay, unless they are told otherwise. Where the app is bound to a test's server, tasks that ask for a process or
    a pod run in this process too.

    Args:
        app: the application, with a `ManualClock` if time is to pass.
        skip_delays: when only delayed jobs are left, move the clock to where the next one is due, again and again:
            so retries run without waiting for their backoff. The next jobs of schedules are left alone, for there is
            always another.
        until: move the clock on to this moment, or so far from now, and run whatever is due on the way, jobs of
            schedules included.
        max_jobs: how many runs there may be; more are a mistake, such as a job that enqueues itself.
        timeout: how long it may take in all, in real time.
        worker_options: further arguments of `Oxmq.worker`, such as `concurrency`.

    Raises:
        ConfigurationError: the clock must be moved, and the app's is not a `ManualClock`; `until` lies in the past; or
            the app is in inline mode.
        TimeoutError: there was still something to do; the message says what.
        AssertionError: there were more than `max_jobs` runs.
    """
    check_app(app)
    moves = _Moves(app, skip_delays=skip_delays, until=until)
    idler = _Idler(app, moves, check_whole(max_jobs, "max_jobs", least=1), app.worker(**worker_options))
    seconds = milliseconds(timeout, "timeout") / 1000
    try:
        async with asyncio.timeout(seconds):
            return await idler.run()
    except TimeoutError:
        raise TimeoutError(f"not idle after {seconds:g} s; left: {await idler.remaining() or 'nothing'}") from None
    finally:
        await app.close()


def run_until_idle_sync(
    app: Oxmq,
    *,
    skip_delays: bool = False,
    until: datetime | Duration | None = None,
    max_jobs: int = 1000,
    timeout: Duration = 30,
    **worker_options: Any,  # noqa: ANN401 - `Worker` checks
) -> IdleReport:
    """Do as `run_until_idle` from a test without an event loop: the worker has one of its own, in this thread."""
    app.close_sync()

    async def run() -> IdleReport:
        return await run_until_idle(
            app, skip_delays=skip_delays, until=until, max_jobs=max_jobs, timeout=timeout, **worker_options
        )

    # With a factory the thread's own loop, if it has one, is left alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(run())


class _Moves:
    """Move the clock to where the next job is due."""

    def __init__(self, app: Oxmq, *, skip_delays: bool, until: datetime | Duration | None) -> None:
        self._app = app
        self._wanted = skip_delays or until is not None
        clock = app.clock
        if self._wanted and not isinstance(clock, ManualClock):
            raise ConfigurationError("to move time, the app needs a ManualClock: use the fixture oxmq_app or bound_to")
        self._clock = clock
        self._until = None if until is None else _moment_ms(until, clock.now_ms())
        if self._until is not None and self._until < clock.now_ms():
            raise ConfigurationError(f"until must not lie in the past: {until} is before {instant(clock.now_ms())}")

    async def make(self) -> bool:
        """Move the clock on, if that is wanted; return whether there may be something to do again."""
        if not self._wanted or not isinstance(self._clock, ManualClock):
            return False
        due = min([at for queue in self._app.queue_names for at in await self._due(queue)], default=None)
        if due is not None and (self._until is None or due <= self._until):
            self._clock.travel_to(instant(max(due, self._clock.now_ms())))
            return True
        if self._until is not None and self._until > self._clock.now_ms():
            self._clock.travel_to(instant(self._until))
        return False

    async def _due(self, queue: str) -> list[int]:
        context = self._app.context(queue)
        delayed = await context.runner.run(upcoming.get_delayed(context.keys, _DELAYED_LOOKED_AT))
        return [at for job_id, at in delayed if self._until is not None or not job_id.startswith(_SCHEDULED)]


class _Idler:
    """Run one worker, and watch what it does."""

    def __init__(self, app: Oxmq, moves: _Moves, max_jobs: int, worker: AppWorker) -> None:
        self._app = app
        self._moves = moves
        self._max_jobs = max_jobs
        self._worker = worker
        self._report = IdleReport()
        self._retrying: dict[str, tuple[Job[Any], str]] = {}
        self._ended = asyncio.Event()
        self._queues: list[Queue] = [app.queue(name) for name in worker.queue_names]
        worker.on("completed", self._completed)
        worker.on("failed", self._failed)
        worker.on("retrying", self._retried)

    async def run(self) -> IdleReport:
        """Return when there is nothing left to do."""
        working = asyncio.get_running_loop().create_task(self._worker.run(handle_signals=False))
        try:
            while not working.done() and not await self._is_done():
                await self._wait()
            self._note_retrying()
            self._report.remaining = await self.remaining()
        finally:
            await self._worker.close(grace=0)
            await working
        return self._report

    async def remaining(self) -> dict[str, dict[str, int]]:
        """Return how many jobs have not ended, by queue and state."""
        found = await asyncio.gather(*(queue.get_job_counts(*_UNENDED) for queue in self._queues))
        counts = {queue.name: of_queue for queue, of_queue in zip(self._queues, found, strict=True)}
        left = {name: {state: count for state, count in states.items() if count} for name, states in counts.items()}
        return {name: states for name, states in left.items() if states}

    async def _wait(self) -> None:
        """Wait until a run ends, but not for long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _INTERVAL)
        self._ended.clear()

    async def _is_done(self) -> bool:
        if self._report.runs > self._max_jobs:
            raise AssertionError(f"more than {self._max_jobs} runs: does a job enqueue itself? (max_jobs allows more)")
        if not await self._is_idle():
            return False
        runs = self._report.runs
        # A job may have gone from one queue to another that was looked at before: then something has run meanwhile.
        if not await self._is_idle() or self._report.runs != runs:
            return False
        return not await self._moves.make()

    async def _is_idle(self) -> bool:
        if self._worker.running or not self._worker.schedules_reconciled:
            return False
        return not any(await asyncio.gather(*map(self._has_work, self._queues)))

    async def _has_work(self, queue: Queue) -> bool:
        counts = await queue.get_job_counts(JobState.ACTIVE, JobState.WAITING, JobState.PRIORITIZED)
        due = await queue.get_delayed_count(instant(self._app.clock.now_ms() + 1))
        if counts[JobState.ACTIVE]:
            return True
        return (sum(counts.values()) + due) > 0 and not await queue.is_paused()

    def _completed(self, job: Job[Any], value: bytes | str) -> None:
        encoded = value.encode() if isinstance(value, str) else value
        self._note(self._report.completed, job, lambda record: structs.replace(record, return_value=encoded))

    def _failed(self, job: Job[Any], reason: str) -> None:
        self._note(self._report.failed, job, lambda record: structs.replace(record, failed_reason=reason))

    def _note(self, jobs: list[Job[Any]], job: Job[Any], ended: Callable[[Any], Any]) -> None:
        self._retrying.pop(job.key, None)
        jobs.append(Job(self._app.context(job.queue_name), ended(job.record)))
        self._ended.set()

    def _retried(self, job: Job[Any], reason: str) -> None:
        self._report.retried += 1
        self._retrying[job.key] = (job, reason)
        self._ended.set()

    def _note_retrying(self) -> None:
        for job, reason in self._retrying.values():
            record = structs.replace(job.record, failed_reason=reason)
            self._report.retrying.append(Job(self._app.context(job.queue_name), record))


def _failure(job: Job[Any]) -> str:
    return f"  {job.name} {job.id} (queue {job.queue_name!r}): {job.failed_reason}"


def _moment_ms(until: datetime | Duration, now_ms: int) -> int:
    if not isinstance(until, datetime):
        return now_ms + milliseconds(until, "until")
    if until.tzinfo is None:
        raise ConfigurationError(f"until must have a time zone, not {until!r}")
    return instant_ms(until)
