"""Run an application's jobs where they are enqueued: at once, in this process, without a server."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from oxmq.app import Oxmq
from oxmq.app_binding import AppBinding, Bound
from oxmq.client.job import Job
from oxmq.clock import Clock
from oxmq.ops.call import Call
from oxmq.testing.expectation import check_app
from oxmq.testing.inline_calls import InlineCalls, NotInlineError
from oxmq.testing.inline_jobs import InlineJobs
from oxmq.testing.inline_runs import InlineRuns
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from oxmq.transport.sync_runner import SyncRunner

T = TypeVar("T")

#: Where a worker that somebody starts all the same finds nobody, and says so with this address.
_NOWHERE = "unix:///inline-mode-has-no-server"


def inline(app: Oxmq, *, raises: bool = True, clock: Clock | None = None) -> Inline:
    """Run each job of `app` where it is enqueued, while a ``with`` or ``async with`` block lasts. There is no server::

        with inline(app) as block:
            job = send.enqueue_sync(to="ada@example.org")
            assert job.result() == "sent to ada@example.org"
        assert len(block.jobs) == 1

    Arguments and results make their way through JSON, as they do in Redis. Attempts, middleware, children before
    their parents, `current_job`, progress, logs, data and `Job.result` work as they do in a worker. Jobs run at once
    whatever their delay, backoff or priority says; these are noted. A second job of the same `job_id` or
    deduplication id is not added. ``await task.enqueue()`` runs ``def`` in a thread; ``task.enqueue_sync()`` runs it
    in this one.

    Not there: schedules, workers and their hooks and listeners, timeouts, cancelling, pausing, rate limits, events.
    What needs a server raises `NotInlineError`.

    Args:
        app: the application.
        raises: raise where the job was enqueued what has failed it for good; else the job has failed, and that is
            all. What fails a child whose failure its parent goes on after is never raised.
        clock: gives the time that is noted on jobs; the app's own when not given.
    """
    check_app(app)
    return Inline(app, raises=raises, clock=clock)


class Inline:
    """Hold an inline block. Made by `inline`."""

    def __init__(self, app: Oxmq, *, raises: bool, clock: Clock | None) -> None:
        self._app = app
        self._jobs = InlineJobs()
        time = clock or app.clock
        calls = InlineCalls(self._jobs)
        runs = InlineRuns(app, self._jobs, time, raises=raises)
        self._bound: Bound[Oxmq] = app.bound(
            AppBinding(
                Endpoint(_NOWHERE),
                app.prefix,
                time,
                app.default_job_options,
                app.ids,
                runner=InlineRunner(calls, runs),
                sync_runner=InlineSyncRunner(calls, runs),
                stands_in=True,
                inline=True,
            )
        )

    @property
    def jobs(self) -> list[Job[Any]]:
        """Return all jobs that were added in the block, in order, as they are now."""
        return [Job(self._app.context(job.queue), job.record()) for job in self._jobs]

    def __enter__(self) -> Self:
        self._bound.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bound.__exit__(kind, error, trace)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class InlineRunner(AsyncRunner):
    """Answer calls from memory, and run the jobs that they add."""

    def __init__(self, calls: InlineCalls, runs: InlineRuns) -> None:
        super().__init__(Endpoint(_NOWHERE))
        self._calls = calls
        self._runs = runs

    async def run(self, call: Call[T]) -> T:
        """Answer a call; what it adds has run when this returns.

        Raises:
            NotInlineError: it needs a server.
            Exception: whatever has failed one of the jobs.
        """
        reply, fresh = self._calls.answer(call)
        await self._runs.run(fresh)
        return call.decode(reply)

    async def run_all(self, calls: Iterable[Call[T]]) -> list[T]:
        """Answer calls, one after the other."""
        return [await self.run(call) for call in calls]


class InlineSyncRunner(SyncRunner):
    """Answer calls of blocking code from memory, and run the jobs that they add in this thread."""

    def __init__(self, calls: InlineCalls, runs: InlineRuns) -> None:
        super().__init__(Endpoint(_NOWHERE))
        self._calls = calls
        self._runs = runs

    def run(self, call: Call[T]) -> T:
        """Answer a call; what it adds has run when this returns. Raises as `InlineRunner.run` does."""
        reply, fresh = self._calls.answer(call)
        self._runs.run_blocking(fresh)
        return call.decode(reply)


__all__ = ["Inline", "NotInlineError", "inline"]
